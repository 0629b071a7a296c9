/*
 * ESTABLISHED without trouble: text in and out, when ACKs are sent, records and segments, what is
 * piggybacked.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/tcp/fixture.h"

static void text_in_order_is_handed_over_within_the_packet(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    assert_int_equal(arrives(&f, TCP_ACK | TCP_PSH, THEIRS, OURS, 100), DROP_NONE);
    assert_int_equal(f.out.events, TCP_EV_DATA);
    assert_int_equal(f.out.len, 100);
    for (uint32_t i = 0; i < 100; i++)
        assert_int_equal(f.out.data[i], byte_at(THEIRS + i));
    assert_int_equal(tcp_readable(&f.c), 0);
    assert_int_equal(f.blocks->used, 0);
    done(&f);
}

static void one_small_segment_is_acknowledged_late(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    arrives(&f, TCP_ACK, THEIRS, OURS, 100);
    assert_int_equal(plan_all(&f), 0);
    assert_int_equal(tcp_deadline(&f.c), f.now + f.config.delayed_ack_us);
    assert_int_equal(passes(&f, f.config.delayed_ack_us), 0);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS + 100, 0);
    assert_int_equal(tcp_deadline(&f.c), UINT64_MAX);
    done(&f);
}

static void every_second_full_segment_is_acknowledged_at_once(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    arrives(&f, TCP_ACK, THEIRS, OURS, 1000);
    assert_int_equal(plan_all(&f), 0);
    arrives(&f, TCP_ACK, THEIRS + 1000, OURS, 1000);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS + 2000, 0);
    arrives(&f, TCP_ACK, THEIRS + 2000, OURS, 1000);
    assert_int_equal(plan_all(&f), 0);
    done(&f);
}

static void an_ack_rides_on_text_that_goes_out_anyway(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    arrives(&f, TCP_ACK, THEIRS, OURS, 100);
    assert_int_equal(sends(&f, 50), 1);
    assert_plan(&f.plans[0], TCP_ACK, OURS, THEIRS + 100, 50);
    assert_int_equal(f.c.ack_at, 0);
    done(&f);
}

static void what_the_owner_keeps_is_read_later(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    arrives(&f, TCP_ACK, THEIRS, OURS, 100);
    assert_true(tcp_keep(&f.c, &f.env, f.out.data + 30, f.out.len - 30));
    tcp_check(&f.c);
    assert_int_equal(tcp_readable(&f.c), 70);
    arrives(&f, TCP_ACK, THEIRS + 100, OURS, 50);
    assert_null(f.out.data);
    assert_int_equal(f.out.events, TCP_EV_DATA);
    assert_reads(&f, THEIRS + 30, 120);
    done(&f);
}

static void bytes_can_be_looked_at_before_they_are_consumed(void **state)
{
    struct fix f;
    uint8_t some[10];
    given(&f, TCP_ESTABLISHED);
    arrives(&f, TCP_ACK, THEIRS, OURS, 3000);
    tcp_keep(&f.c, &f.env, f.out.data, f.out.len);
    assert_int_equal(tcp_peek(&f.c, &f.env, 2028, some, 10), 10); /* across two blocks */
    assert_int_equal(some[0], byte_at(THEIRS + 2028));
    assert_int_equal(some[9], byte_at(THEIRS + 2037));
    assert_int_equal(tcp_peek(&f.c, &f.env, 2995, some, 10), 5);
    assert_int_equal(tcp_peek(&f.c, &f.env, 3000, some, 10), 0);
    tcp_consume(&f.c, &f.env, 2500);
    assert_reads(&f, THEIRS + 2500, 500);
    assert_int_equal(f.blocks->used, 0);
    done(&f);
}

static void what_finds_no_block_is_not_acknowledged(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    f.blocks->capacity = 0;
    arrives(&f, TCP_ACK, THEIRS, OURS, 100);
    assert_false(tcp_keep(&f.c, &f.env, f.out.data + 40, 60));
    tcp_check(&f.c);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS + 40, 0);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS + 40, OURS, 60), DROP_NONE);
    assert_int_equal(f.out.len, 60);
    done(&f);
}

static void a_fin_with_text_that_finds_no_block_is_not_taken_either(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    f.blocks->capacity = 0;
    assert_int_equal(arrives(&f, TCP_ACK | TCP_FIN, THEIRS, OURS, 100), DROP_TCP_NO_BUFFER);
    assert_state(&f, TCP_ESTABLISHED);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS, 0);
    done(&f);
}

static void a_record_goes_out_at_once_however_small(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    assert_int_equal(sends(&f, 10), 1);
    assert_plan(&f.plans[0], TCP_ACK, OURS, THEIRS, 10);
    assert_true(f.plans[0].flags & TCP_PSH);
    assert_int_equal(sends(&f, 20), 1); /* no Nagle */
    assert_plan(&f.plans[0], TCP_ACK, OURS + 10, THEIRS, 20);
    assert_int_equal(f.plans[0].position, 10);
    done(&f);
}

static void a_record_is_offered_room_for_one_segment(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    assert_int_equal(sends(&f, 2500), 3);
    assert_plan(&f.plans[0], TCP_ACK, OURS, THEIRS, 1000);
    assert_plan(&f.plans[1], TCP_ACK, OURS + 1000, THEIRS, 1000);
    assert_plan(&f.plans[2], TCP_ACK, OURS + 2000, THEIRS, 500);
    assert_int_equal(f.room, MSS);
    assert_int_equal(f.c.snd_end, 2500);
    done(&f);
}

static void the_congestion_window_bounds_what_is_asked_for(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    assert_int_equal(sends(&f, 50000), 10);
    assert_int_equal(f.c.snd_end, 10000);
    assert_int_equal(f.pending, 40000);
    done(&f);
}

static void an_ack_moves_the_stream_on_and_opens_the_window(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    sends(&f, 50000);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS, OURS + 2000, 0), DROP_NONE);
    assert_int_equal(f.out.events, TCP_EV_ACKED);
    assert_int_equal(f.c.snd_una_pos, 2000);
    assert_int_equal(plan_all(&f), 4); /* slow start: two acknowledged, two more */
    assert_plan(&f.plans[0], TCP_ACK, OURS + 10000, THEIRS, 1000);
    done(&f);
}

static void an_ack_of_everything_stops_the_timer(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    sends(&f, 2000);
    assert_true(tcp_deadline(&f.c) != UINT64_MAX);
    arrives(&f, TCP_ACK, THEIRS, OURS + 1000, 0);
    assert_true(tcp_deadline(&f.c) != UINT64_MAX);
    arrives(&f, TCP_ACK, THEIRS, OURS + 2000, 0);
    assert_int_equal(tcp_deadline(&f.c), UINT64_MAX);
    done(&f);
}

static void old_text_is_acknowledged_again_and_not_delivered_twice(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    arrives(&f, TCP_ACK, THEIRS, OURS, 100);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS, OURS, 100), DROP_TCP_DUPLICATE);
    assert_int_equal(f.out.events, 0);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS + 100, 0);
    done(&f);
}

static void only_the_new_part_of_a_segment_is_delivered(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    arrives(&f, TCP_ACK, THEIRS, OURS, 100);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS + 60, OURS, 100), DROP_NONE);
    assert_int_equal(f.out.len, 60);
    assert_int_equal(f.out.data[0], byte_at(THEIRS + 100));
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS + 160, 0);
    done(&f);
}

static void sequence_numbers_may_wrap(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    f.c.snd_una = f.c.snd_nxt = f.c.snd_resend = f.c.snd_wl2 = 0xfffffe00;
    f.c.recover = 0xfffffd00;
    f.c.rcv_nxt = f.c.rcv_acked = f.c.snd_wl1 = 0xffffff00;
    f.c.rcv_adv = f.c.rcv_nxt + WINDOW;
    assert_int_equal(sends(&f, 1500), 2);
    assert_int_equal(f.plans[1].seq, 0xfffffe00 + 1000u);
    assert_int_equal(arrives(&f, TCP_ACK, 0xffffff00, 0xfffffe00 + 1500u, 600), DROP_NONE);
    assert_int_equal(f.out.events, TCP_EV_ACKED | TCP_EV_DATA);
    assert_int_equal(f.c.snd_una_pos, 1500);
    assert_int_equal(arrives(&f, TCP_ACK, 0x00000158, 0xfffffe00 + 1500u, 600), DROP_NONE);
    assert_int_equal(f.c.rcv_nxt, 0x158 + 600);
    done(&f);
}

static void urgent_text_is_taken_inline(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    assert_int_equal(arrives(&f, TCP_ACK | TCP_URG, THEIRS, OURS, 5), DROP_NONE);
    assert_int_equal(f.out.len, 5);
    done(&f);
}

static void after_a_long_pause_the_congestion_window_is_the_initial_one(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    f.c.cwnd = 25000;
    passes(&f, 10 * S);
    assert_int_equal(sends(&f, 50000), 10);
    done(&f);
}

static void an_unused_congestion_window_does_not_grow(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    for (uint32_t i = 0; i < 20; i++) {
        sends(&f, 100);
        arrives(&f, TCP_ACK, THEIRS, OURS + 100 * (i + 1), 0);
    }
    assert_int_equal(f.c.cwnd, 10 * MSS);
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_in_order_is_handed_over_within_the_packet),
        cmocka_unit_test(one_small_segment_is_acknowledged_late),
        cmocka_unit_test(every_second_full_segment_is_acknowledged_at_once),
        cmocka_unit_test(an_ack_rides_on_text_that_goes_out_anyway),
        cmocka_unit_test(what_the_owner_keeps_is_read_later),
        cmocka_unit_test(bytes_can_be_looked_at_before_they_are_consumed),
        cmocka_unit_test(what_finds_no_block_is_not_acknowledged),
        cmocka_unit_test(a_fin_with_text_that_finds_no_block_is_not_taken_either),
        cmocka_unit_test(a_record_goes_out_at_once_however_small),
        cmocka_unit_test(a_record_is_offered_room_for_one_segment),
        cmocka_unit_test(the_congestion_window_bounds_what_is_asked_for),
        cmocka_unit_test(an_ack_moves_the_stream_on_and_opens_the_window),
        cmocka_unit_test(an_ack_of_everything_stops_the_timer),
        cmocka_unit_test(old_text_is_acknowledged_again_and_not_delivered_twice),
        cmocka_unit_test(only_the_new_part_of_a_segment_is_delivered),
        cmocka_unit_test(sequence_numbers_may_wrap),
        cmocka_unit_test(urgent_text_is_taken_inline),
        cmocka_unit_test(after_a_long_pause_the_congestion_window_is_the_initial_one),
        cmocka_unit_test(an_unused_congestion_window_does_not_grow),
    };
    return cmocka_run_group_tests_name("tcp transfer", tests, NULL, NULL);
}
