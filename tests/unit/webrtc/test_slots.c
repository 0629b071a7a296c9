/*
 * Receive slots: who is in which, and what numbers and timestamps become.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/webrtc/slots.h"

#define A 1000u
#define B 2000u

static struct peer_slot s;
static struct slot_step step;
static uint64_t now;

static int fresh(void **state)
{
    memset(&s, 0, sizeof s);
    now = 5000000;
    return 0;
}

static bool take(uint32_t source, uint16_t sequence, uint32_t timestamp, uint64_t after_us)
{
    now += after_us;
    return slot_take(&s, source, sequence, timestamp, now, &step);
}

static void a_steady_source_keeps_its_steps(void **state)
{
    assert_true(take(A, 65530, 4000000000u, 0));
    assert_true(step.marker);
    uint64_t index = step.index;
    uint32_t timestamp = step.timestamp;
    for (unsigned i = 1; i < 100; i++) {
        assert_true(take(A, (uint16_t)(65530 + i), 4000000000u + 960 * i, 20000));
        assert_int_equal(step.index, index + i);
        assert_int_equal(step.timestamp, timestamp + 960 * i);
        assert_false(step.marker);
    }
}

static void a_loss_stays_a_gap_and_what_comes_late_goes_into_it_once(void **state)
{
    assert_true(take(A, 10, 0, 0));
    uint64_t index = step.index;
    uint32_t timestamp = step.timestamp;
    assert_true(take(A, 13, 3 * 960, 60000));
    assert_int_equal(step.index, index + 3);
    assert_true(take(A, 11, 960, 1000));
    assert_int_equal(step.index, index + 1);
    assert_int_equal(step.timestamp, timestamp + 960);
    assert_false(take(A, 11, 960, 0));
    assert_false(take(A, 13, 3 * 960, 0));
    assert_true(take(A, 12, 2 * 960, 0));
    assert_true(take(A, 14, 4 * 960, 20000));
    assert_int_equal(step.index, index + 4);
}

static void a_timestamp_that_stood_still_in_a_pause_is_moved_on(void **state)
{
    assert_true(take(A, 10, 5000, 0));
    uint32_t before = step.timestamp;
    assert_true(take(A, 11, 5960, 2000000));
    assert_true(step.marker);
    assert_int_equal(step.timestamp - before, 96000);
    assert_true(take(A, 12, 6920, 20000));
    assert_int_equal(step.timestamp - before, 96960);
    assert_false(step.marker);
}

static void a_timestamp_that_followed_the_clock_over_a_pause_is_left_alone(void **state)
{
    assert_true(take(A, 10, 5000, 0));
    uint32_t before = step.timestamp;
    assert_true(take(A, 11, 5000 + 96480, 2000000));
    assert_int_equal(step.timestamp - before, 96480);
}

static void a_timestamp_that_jumps_does_not_jump_for_the_receiver(void **state)
{
    assert_true(take(A, 10, 4294967000u, 0));
    uint32_t before = step.timestamp;
    assert_true(take(A, 11, 2000000000u, 20000));
    assert_int_equal(step.timestamp - before, 960);
    assert_true(take(A, 12, 0, 20000));
    assert_int_equal(step.timestamp - before, 2 * 960);
}

static void another_source_goes_on_behind_the_last(void **state)
{
    assert_true(take(A, 10, 5000, 0));
    uint64_t index = step.index;
    uint32_t before = step.timestamp;
    assert_true(take(B, 60000, 77, 1500000));
    assert_int_equal(step.index, index + 1);
    assert_int_equal(step.timestamp - before, 72000);
    assert_true(step.marker);
}

/* Whatever a source does with its numbers: an index is never given twice. */
static void no_index_is_given_twice(void **state)
{
    static uint8_t given[1u << 22];
    uint32_t random = 12345;
    memset(given, 0, sizeof given);
    for (unsigned i = 0; i < 20000; i++) {
        random = random * 1664525 + 1013904223;
        uint16_t sequence = (uint16_t)(random >> 8 & (random >> 28 ? 63 : 0xffff));
        if (!take(random >> 30 ? A : B, sequence, random, 1000 + (random >> 12 & 0xfff)))
            continue;
        if (step.index >= sizeof given)
            break;
        assert_false(given[step.index]++);
    }
}

static void sources_keep_their_slots_and_idle_ones_are_taken(void **state)
{
    struct voice_peer p = {.slots = 3};
    now = 5000000;
    for (uint32_t k = 0; k < 3; k++) {
        uint32_t i = slot_of(&p, A + k, now);
        assert_int_equal(i, k);
        assert_true(slot_take(&p.slot[i], A + k, 1, 1, now++, &step));
    }
    assert_int_equal(slot_of(&p, A + 1, now), 1);
    assert_int_equal(slot_of(&p, B, now), SLOT_NONE);
    now += SLOT_IDLE_US / 2;
    assert_true(slot_take(&p.slot[0], A, 2, 2, now, &step));
    now += SLOT_IDLE_US / 2;
    assert_int_equal(slot_of(&p, B, now), 1);
    assert_int_equal(slot_of(&p, A + 1, now), 1);
    assert_int_equal(slot_of(&p, A + 2, now), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_steady_source_keeps_its_steps, fresh),
        cmocka_unit_test_setup(a_loss_stays_a_gap_and_what_comes_late_goes_into_it_once, fresh),
        cmocka_unit_test_setup(a_timestamp_that_stood_still_in_a_pause_is_moved_on, fresh),
        cmocka_unit_test_setup(a_timestamp_that_followed_the_clock_over_a_pause_is_left_alone, fresh),
        cmocka_unit_test_setup(a_timestamp_that_jumps_does_not_jump_for_the_receiver, fresh),
        cmocka_unit_test_setup(another_source_goes_on_behind_the_last, fresh),
        cmocka_unit_test_setup(no_index_is_given_twice, fresh),
        cmocka_unit_test(sources_keep_their_slots_and_idle_ones_are_taken),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
