/*
 * The event log's arithmetic: references and positions over the wrap of 32 bits, segments, and which text a
 * session gets.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>

#include "event_log.h"
#include "random.h"

#define GIB (1ull << 30)

static void reference_names_its_position_from_32_gib_before_to_32_gib_after(void **state)
{
    static const uint64_t nows[] = {32 * GIB,     64 * GIB - 16, 64 * GIB,      64 * GIB + 16,
                                    64 * GIB + 7, 128 * GIB - 1, 640 * GIB + 5, (1ull << 50) + 3};
    static const uint64_t distances[] = {0, 16, 4096, EVENT_SEGMENT_BYTES, GIB, 31 * GIB, 32 * GIB - 16};
    for (unsigned i = 0; i < sizeof nows / sizeof *nows; i++)
        for (unsigned d = 0; d < sizeof distances / sizeof *distances; d++) {
            uint64_t before = (nows[i] - distances[d]) & ~15ull, after = (nows[i] + distances[d]) & ~15ull;
            assert_int_equal(event_position(nows[i], event_ref(before)), before);
            assert_int_equal(event_position(nows[i], event_ref(after)), after);
        }
    uint64_t seed = 11;
    for (unsigned i = 0; i < 100000; i++) {
        uint64_t now = 32 * GIB + random_next(&seed) % (1ull << 45),
                 position = (now - random_next(&seed) % (32 * GIB)) & ~15ull;
        assert_int_equal(event_position(now, event_ref(position)), position);
    }
}

/* A ring's tail is stored before the log's head: the worker between the two sees events ahead of the head. */
static void event_ahead_of_a_head_that_lags_is_found(void **state)
{
    assert_int_equal(event_position(EVENT_SEGMENT_BYTES, event_ref(EVENT_SEGMENT_BYTES + 48)),
                     EVENT_SEGMENT_BYTES + 48);
    assert_int_equal(event_position(64 * GIB - 16, event_ref(64 * GIB + 512)), 64 * GIB + 512);
}

static void largest_log_is_within_reach_of_a_reference(void **state)
{
    uint64_t log = (uint64_t)EVENT_SEGMENTS_MAX * EVENT_SEGMENT_BYTES, head = 1000 * GIB;
    assert_int_equal(event_position(head, event_ref(head - log)), head - log);
}

static void segments_come_round_in_order(void **state)
{
    static struct {
        struct event_log log;
        uint8_t segments[8][EVENT_SEGMENT_BYTES];
    } whole = {.log = {.segments = 8}};
    for (uint64_t s = 0; s < 30; s++) {
        assert_int_equal(event_segment(&whole.log, s * EVENT_SEGMENT_BYTES), s % 8);
        assert_int_equal(event_segment(&whole.log, (s + 1) * EVENT_SEGMENT_BYTES - 16), s % 8);
    }
    assert_ptr_equal(event_at(&whole.log, 9 * (uint64_t)EVENT_SEGMENT_BYTES + 64), &whole.segments[1][64]);
}

static struct {
    struct event event;
    uint64_t exception[2];
    char text[32];
} written = {.event = {.exceptions = 2}, .exception = {70, 71}, .text = "with contentwithout"};

static const char *text_for(uint64_t user, bool content)
{
    static char copy[33];
    uint32_t length;
    const uint8_t *text = event_text(&written.event, user, content, &length);
    memcpy(copy, text, length);
    copy[length] = 0;
    return copy;
}

static void content_goes_to_those_with_the_intent_and_to_the_exceptions(void **state)
{
    uint32_t at = offsetof(typeof(written), text);
    written.event.variant[EVENT_FULL] = (struct event_variant){.offset = at, .length = 12};
    written.event.variant[EVENT_WITHOUT_CONTENT] = (struct event_variant){.offset = at + 12, .length = 7};
    assert_string_equal(text_for(5, true), "with content");
    assert_string_equal(text_for(5, false), "without");
    assert_string_equal(text_for(70, false), "with content");
    assert_string_equal(text_for(71, false), "with content");
    assert_string_equal(text_for(71, true), "with content");
    written.event.exceptions = 1;
    assert_string_equal(text_for(71, false), "without");
}

static void event_without_a_second_variant_is_the_same_for_all(void **state)
{
    uint32_t at = offsetof(typeof(written), text);
    written.event.variant[EVENT_FULL] = (struct event_variant){.offset = at, .length = 12};
    written.event.variant[EVENT_WITHOUT_CONTENT] = (struct event_variant){0};
    assert_string_equal(text_for(5, false), "with content");
    assert_string_equal(text_for(70, false), "with content");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reference_names_its_position_from_32_gib_before_to_32_gib_after),
        cmocka_unit_test(event_ahead_of_a_head_that_lags_is_found),
        cmocka_unit_test(largest_log_is_within_reach_of_a_reference),
        cmocka_unit_test(segments_come_round_in_order),
        cmocka_unit_test(content_goes_to_those_with_the_intent_and_to_the_exceptions),
        cmocka_unit_test(event_without_a_second_variant_is_the_same_for_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
