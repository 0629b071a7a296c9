/*
 * Text out of order: held within bounds, delivered once, and never changed by what comes later.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/tcp/fixture.h"

/* A segment whose bytes are not what byte_at says. */
static enum drop_reason lie_arrives(struct fix *f, uint32_t seq, uint32_t len)
{
    uint8_t lies[2000];
    for (uint32_t i = 0; i < len; i++)
        lies[i] = (uint8_t)~byte_at(seq + i);
    struct tcp_segment s = f->next;
    s.flags = TCP_ACK;
    s.seq = seq;
    s.ack = OURS;
    s.data = lies;
    s.len = len;
    enum drop_reason reason = tcp_input(&f->c, &f->env, &s, f->now, &f->out);
    tcp_check(&f->c);
    return reason;
}

static void a_gap_is_reported_at_once_and_filled_later(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS + 100, OURS, 100), DROP_NONE);
    assert_int_equal(f.out.events, 0);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS, 0);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS, OURS, 100), DROP_NONE);
    assert_int_equal(f.out.events, TCP_EV_DATA);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS + 200, 0);
    assert_reads(&f, THEIRS, 200);
    assert_int_equal(f.blocks->used, 0);
    done(&f);
}

static void segments_in_any_order_come_out_in_order(void **state)
{
    static const uint8_t orders[6][3] = {{1, 2, 3}, {1, 3, 2}, {2, 1, 3}, {2, 3, 1}, {3, 1, 2}, {3, 2, 1}};
    for (int i = 0; i < 6; i++) {
        struct fix f;
        given(&f, TCP_ESTABLISHED);
        for (int j = 0; j < 3; j++)
            arrives(&f, TCP_ACK, THEIRS + orders[i][j] * 1000u, OURS, 1000);
        arrives(&f, TCP_ACK, THEIRS, OURS, 1000);
        assert_reads(&f, THEIRS, 4000);
        done(&f);
    }
}

static void four_ranges_are_held_and_a_fifth_is_refused(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    for (uint32_t i = 1; i <= 4; i++)
        assert_int_equal(arrives(&f, TCP_ACK, THEIRS + 200 * i, OURS, 100), DROP_NONE);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS + 1000, OURS, 100), DROP_TCP_REASSEMBLY_FULL);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS, OURS, 100), DROP_NONE); /* in order always is */
    assert_reads(&f, THEIRS, 100);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS + 100, OURS, 100), DROP_NONE);
    assert_reads(&f, THEIRS + 100, 200);
    done(&f);
}

static void ranges_that_touch_become_one(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    for (uint32_t i = 10; i >= 1; i--)
        assert_int_equal(arrives(&f, TCP_ACK, THEIRS + 100 * i, OURS, 100), DROP_NONE);
    assert_int_equal(f.c.range_count, 1);
    done(&f);
}

static void what_was_received_first_stands_against_later_lies(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    arrives(&f, TCP_ACK, THEIRS + 100, OURS, 100);
    arrives(&f, TCP_ACK, THEIRS + 300, OURS, 100);
    assert_int_equal(lie_arrives(&f, THEIRS + 120, 50), DROP_TCP_DUPLICATE);
    arrives(&f, TCP_ACK, THEIRS, OURS, 100);
    arrives(&f, TCP_ACK, THEIRS + 200, OURS, 100);
    assert_reads(&f, THEIRS, 400);
    done(&f);
}

static void a_lie_across_several_ranges_fills_the_gaps_only(void **state)
{
    struct fix f;
    uint8_t bytes[500];
    given(&f, TCP_ESTABLISHED);
    arrives(&f, TCP_ACK, THEIRS + 100, OURS, 100);
    arrives(&f, TCP_ACK, THEIRS + 300, OURS, 100);
    assert_int_equal(lie_arrives(&f, THEIRS, 500), DROP_NONE);
    assert_int_equal(tcp_peek(&f.c, &f.env, 0, bytes, 500), 500);
    for (uint32_t i = 0; i < 500; i++) {
        bool first = (i >= 100 && i < 200) || (i >= 300 && i < 400);
        assert_int_equal(bytes[i], first ? byte_at(THEIRS + i) : (uint8_t)~byte_at(THEIRS + i));
    }
    done(&f);
}

static void text_beyond_the_window_is_cut(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    f.c.rcv_adv = THEIRS + 300;
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS + 200, OURS, 500), DROP_NONE);
    assert_int_equal(f.c.ranges[0].end, THEIRS + 300);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS + 300, OURS, 10), DROP_TCP_OUT_OF_WINDOW);
    done(&f);
}

static void reading_before_a_gap_keeps_what_lies_behind_it(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    arrives(&f, TCP_ACK, THEIRS + 5000, OURS, 1000); /* two blocks further on */
    arrives(&f, TCP_ACK, THEIRS, OURS, 1000);
    assert_reads(&f, THEIRS, 1000);
    tcp_check(&f.c);
    for (uint32_t at = 1000; at < 5000; at += 1000)
        arrives(&f, TCP_ACK, THEIRS + at, OURS, 1000);
    assert_reads(&f, THEIRS + 1000, 5000);
    assert_int_equal(f.blocks->used, 0);
    done(&f);
}

static void the_last_quarter_of_the_pool_is_for_text_in_order(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    f.blocks->capacity = 4;
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS + 6 * 1000, OURS, 1000), DROP_TCP_NO_BUFFER);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS + 2000, OURS, 1000), DROP_NONE);
    for (uint32_t at = 0; at < 8000; at += 1000)
        assert_int_not_equal(arrives(&f, TCP_ACK, THEIRS + at, OURS, 1000), DROP_TCP_NO_BUFFER);
    assert_reads(&f, THEIRS, 8000);
    done(&f);
}

static void held_ranges_survive_a_wrap_of_sequence_numbers(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    uint32_t at = 0xfffffff0;
    f.c.rcv_nxt = f.c.rcv_acked = f.c.snd_wl1 = at;
    f.c.rcv_adv = at + WINDOW;
    arrives(&f, TCP_ACK, at + 64, OURS, 32);
    arrives(&f, TCP_ACK, at + 8, OURS, 32);
    arrives(&f, TCP_ACK, at + 40, OURS, 24);
    assert_int_equal(f.c.range_count, 1);
    arrives(&f, TCP_ACK, at, OURS, 8);
    assert_reads(&f, at, 96);
    done(&f);
}

/* Every way in which two segments of up to six bytes can lie beside a hole of six. */
static void all_small_overlaps_deliver_every_byte_once(void **state)
{
    for (uint32_t a = 0; a < 6; a++) {
        for (uint32_t an = 1; an <= 6; an++) {
            for (uint32_t b = 0; b < 6; b++) {
                for (uint32_t bn = 1; bn <= 6; bn++) {
                    struct fix f;
                    given(&f, TCP_ESTABLISHED);
                    arrives(&f, TCP_ACK, THEIRS + 1 + a, OURS, an);
                    arrives(&f, TCP_ACK, THEIRS + 1 + b, OURS, bn);
                    arrives(&f, TCP_ACK, THEIRS, OURS, 12);
                    assert_reads(&f, THEIRS, 12);
                    assert_int_equal(f.c.range_count, 0);
                    done(&f);
                }
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_gap_is_reported_at_once_and_filled_later),
        cmocka_unit_test(segments_in_any_order_come_out_in_order),
        cmocka_unit_test(four_ranges_are_held_and_a_fifth_is_refused),
        cmocka_unit_test(ranges_that_touch_become_one),
        cmocka_unit_test(what_was_received_first_stands_against_later_lies),
        cmocka_unit_test(a_lie_across_several_ranges_fills_the_gaps_only),
        cmocka_unit_test(text_beyond_the_window_is_cut),
        cmocka_unit_test(reading_before_a_gap_keeps_what_lies_behind_it),
        cmocka_unit_test(the_last_quarter_of_the_pool_is_for_text_in_order),
        cmocka_unit_test(held_ranges_survive_a_wrap_of_sequence_numbers),
        cmocka_unit_test(all_small_overlaps_deliver_every_byte_once),
    };
    return cmocka_run_group_tests_name("tcp reassembly", tests, NULL, NULL);
}
