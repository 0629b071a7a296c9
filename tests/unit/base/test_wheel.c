/*
 * The timer wheel against a list of deadlines: nothing early, nothing later than the tick it falls into,
 * whatever time does.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/base/wheel.h"
#include "tests/unit/include/random.h"

#define TIMERS  64u
#define TICK_US 1024u
#define ROUND   (1ull << 42) /* us: 2^32 ticks, once round the wheel */

static struct {
    struct wheel *wheel;
    uint64_t deadline[TIMERS];
    uint64_t now, fired;
} w;

static void begin(uint64_t now)
{
    wheel_free(w.wheel);
    w.now = now;
    w.fired = 0;
    w.wheel = wheel_new(TIMERS, now);
    assert_non_null(w.wheel);
    for (unsigned i = 0; i < TIMERS; i++)
        w.deadline[i] = WHEEL_NEVER;
}

static int end(void **state)
{
    wheel_free(w.wheel);
    w.wheel = NULL;
    return 0;
}

static void set(uint32_t index, uint64_t deadline)
{
    wheel_set(w.wheel, index, deadline);
    w.deadline[index] = deadline;
}

/* Takes up to `most` timers that are due; all of them: then none may be left that was due when this tick
 * began. */
static void poll_to(uint64_t now, unsigned most)
{
    uint32_t index;
    w.now = now;
    for (; most && (index = wheel_due(w.wheel, now)) != UINT32_MAX; most--) {
        assert_true(index < TIMERS && w.deadline[index] <= now);
        w.deadline[index] = WHEEL_NEVER;
        w.fired++;
        assert_true(wheel_deadline(w.wheel, index) == WHEEL_NEVER);
    }
    for (unsigned i = 0; i < TIMERS; i++) {
        assert_true(wheel_deadline(w.wheel, i) == w.deadline[i]);
        if (most)
            assert_true(w.deadline[i] > now / TICK_US * TICK_US);
    }
}

static uint64_t some_deadline(uint64_t *seed)
{
    uint64_t dice = random_next(seed);
    switch (random_below(seed, 9)) {
    case 0:
        return WHEEL_NEVER;
    case 1:
        return w.now - dice % 5000 < w.now ? w.now - dice % 5000 : 0;
    case 2:
        return w.now + dice % ROUND;
    case 3:
        return w.now + ROUND + dice % (3 * ROUND); /* beyond the last level */
    case 4:
        return (w.now / ROUND + 1) * ROUND + dice % 4096 - 2048;
    case 5:
        return dice | 1ull << 63; /* for ever, nearly */
    default:
        return w.now + (dice & ((2ull << random_below(seed, 42)) - 1));
    }
}

static uint64_t some_jump(uint64_t *seed)
{
    uint64_t dice = random_next(seed);
    switch (random_below(seed, 12)) {
    case 0:
        return dice % (2 * ROUND);
    case 1:
        return dice % (1ull << 34);
    case 2:
        return 0;
    default:
        return dice & ((1ull << random_below(seed, 26)) - 1);
    }
}

static void any_run_of_sets_and_jumps_fires_each_in_its_tick(void **state)
{
    static const uint64_t starts[] = {0, 1, 123456789, ROUND - 5000, 7 * ROUND - 1, 12 * ROUND + 77};
    for (unsigned s = 0; s < sizeof starts / sizeof *starts; s++) {
        uint64_t seed = s;
        begin(starts[s]);
        for (unsigned i = 0; i < 60000; i++) {
            for (unsigned n = random_below(&seed, 4); n; n--)
                set(random_below(&seed, TIMERS), some_deadline(&seed));
            poll_to(w.now + some_jump(&seed), random_below(&seed, 4) ? UINT32_MAX : random_below(&seed, 3));
        }
        assert_true(w.fired > 20000);
    }
}

/* Every 2^32 ticks (51 days) the time's high bits change: what was set shortly before and is due shortly
 * after. */
static void deadline_just_behind_a_round_is_not_a_round_late(void **state)
{
    begin(ROUND - 10 * TICK_US);
    set(0, ROUND + 10 * TICK_US);
    poll_to(ROUND + 10 * TICK_US - 1, UINT32_MAX);
    assert_int_equal(w.fired, 0);
    poll_to(ROUND + 10 * TICK_US, UINT32_MAX);
    assert_int_equal(w.fired, 1);
}

static void deadline_rounds_away_waits_that_long(void **state)
{
    begin(5000);
    set(0, 3 * ROUND + 1);
    for (uint64_t now = 5000; now < 3 * ROUND; now += ROUND / 7)
        poll_to(now, UINT32_MAX);
    assert_int_equal(w.fired, 0);
    poll_to(3 * ROUND + TICK_US, UINT32_MAX);
    assert_int_equal(w.fired, 1);
}

static void deadline_at_the_end_of_time_is_not_due_now(void **state)
{
    begin(1000000);
    for (unsigned i = 0; i < 20; i++)
        set(i, UINT64_MAX - 1 - 100 * i);
    poll_to(1000000 + 5 * ROUND, UINT32_MAX);
    assert_int_equal(w.fired, 0);
}

/* A jump costs the timers it passes, not the ticks: this one would take hours tick by tick. */
static void jump_of_an_age_is_one_step(void **state)
{
    begin(0);
    for (unsigned i = 0; i < TIMERS; i++)
        set(i, 3000ull << (i % 40));
    poll_to(1000 * ROUND, UINT32_MAX);
    assert_int_equal(w.fired, TIMERS);
}

static void timer_set_while_others_are_taken_is_kept(void **state)
{
    begin(0);
    for (unsigned i = 0; i < 8; i++)
        set(i, 10000);
    poll_to(20000, 3);
    assert_int_equal(w.fired, 3);
    for (unsigned i = 0; i < 8; i++)
        set(i, i % 2 ? 20000 : 40000);
    poll_to(20479, UINT32_MAX);
    assert_int_equal(w.fired, 3);
    poll_to(20480, UINT32_MAX);
    assert_int_equal(w.fired, 3 + 4);
    poll_to(41000, UINT32_MAX);
    assert_int_equal(w.fired, 3 + 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(deadline_just_behind_a_round_is_not_a_round_late, end),
        cmocka_unit_test_teardown(deadline_rounds_away_waits_that_long, end),
        cmocka_unit_test_teardown(deadline_at_the_end_of_time_is_not_due_now, end),
        cmocka_unit_test_teardown(jump_of_an_age_is_one_step, end),
        cmocka_unit_test_teardown(timer_set_while_others_are_taken_is_kept, end),
        cmocka_unit_test_teardown(any_run_of_sets_and_jumps_fires_each_in_its_tick, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
