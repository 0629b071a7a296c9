/*
 * The peer's window and ours: silly windows, probes, updates (RFC 9293 3.8.6).
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/tcp/fixture.h"

static void window(struct fix *f, uint16_t bytes)
{
    f->next.window = bytes;
    arrives(f, TCP_ACK, THEIRS, f->c.snd_una, 0);
}

static void the_peers_window_bounds_what_is_sent(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    window(&f, 2500);
    assert_int_equal(sends(&f, 5000), 2);
    assert_int_equal(f.c.snd_nxt, OURS + 2000);
    done(&f);
}

static void no_silly_segment_fills_the_rest_of_a_window(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    window(&f, 2100);
    assert_int_equal(sends(&f, 5000), 2);
    arrives(&f, TCP_ACK, THEIRS, OURS + 1000, 0); /* 1100 usable now */
    assert_one_plan(&f, TCP_ACK, OURS + 2000, THEIRS, 1000);
    done(&f);
}

static void half_of_the_largest_window_is_worth_a_segment(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    f.c.snd_wnd = f.c.snd_wnd_max = 600;
    f.next.window = 600;
    assert_int_equal(sends(&f, 5000), 1);
    assert_int_equal(f.room, MSS);
    assert_plan(&f.plans[0], TCP_ACK, OURS, THEIRS, 600); /* a slice of the record */
    arrives(&f, TCP_ACK, THEIRS, OURS + 600, 0);
    assert_one_plan(&f, TCP_ACK, OURS + 600, THEIRS, 400);
    assert_int_equal(f.plans[0].position, 600);
    done(&f);
}

static void with_a_flight_the_room_is_what_the_window_leaves(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    f.c.snd_wnd = f.c.snd_wnd_max = 1600;
    f.record = 800;
    assert_int_equal(sends(&f, 5000), 2);
    assert_int_equal(f.room, 800);
    assert_int_equal(f.c.snd_nxt, OURS + 1600);
    done(&f);
}

static void room_is_never_less_than_promised(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    f.c.snd_wnd = f.c.snd_wnd_max = 60;
    f.record = 20;
    sends(&f, 300);
    assert_int_equal(f.room, TCP_ROOM_MIN);
    assert_true(f.c.snd_nxt <= OURS + 60);
    done(&f);
}

static void a_closed_window_with_nothing_described_still_cuts_a_record_and_probes(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    window(&f, 0);
    assert_int_equal(sends(&f, 5000), 0);
    assert_int_equal(f.c.snd_end, 1000);
    assert_int_equal(tcp_deadline(&f.c), f.now + S);
    assert_int_equal(passes(&f, S), 0);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS, 1);
    done(&f);
}

static void probes_back_off_and_never_end_a_peer_that_answers(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    window(&f, 0);
    sends(&f, 5000);
    uint64_t last = 0;
    for (int i = 0; i < 100; i++) {
        uint64_t pause = tcp_deadline(&f.c) - f.now;
        assert_true(pause >= last && pause <= f.config.rto_max_us);
        last = pause;
        assert_int_equal(passes(&f, pause), 0);
        assert_one_plan(&f, TCP_ACK, OURS, THEIRS, 1);
        window(&f, 0);
        assert_int_equal(plan_all(&f), 0);
    }
    assert_int_equal(last, f.config.rto_max_us);
    assert_int_equal(f.c.cwnd, 10 * MSS);
    done(&f);
}

static void probes_that_nobody_answers_end_the_connection(void **state)
{
    struct fix f;
    uint32_t events = 0;
    given(&f, TCP_ESTABLISHED);
    window(&f, 0);
    sends(&f, 5000);
    for (int i = 0; i <= f.config.retransmit_max && !events; i++) {
        events = passes(&f, tcp_deadline(&f.c) - f.now);
        plan_all(&f);
    }
    assert_int_equal(events, TCP_EV_TIMEOUT | TCP_EV_CLOSED);
    done(&f);
}

static void an_opening_window_is_used_at_once_from_the_first_unacknowledged_byte(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    window(&f, 0);
    sends(&f, 3000);
    passes(&f, S);
    plan_all(&f);
    window(&f, 5000);
    assert_int_equal(plan_all(&f), 3);
    assert_plan(&f.plans[0], TCP_ACK, OURS, THEIRS, 1000);
    assert_int_equal(f.c.backoff, 0);
    done(&f);
}

static void a_window_closed_over_a_flight_is_probed_and_kept(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    sends(&f, 3000);
    window(&f, 0);
    for (int i = 0; i < 30; i++) {
        passes(&f, tcp_deadline(&f.c) - f.now);
        assert_one_plan(&f, TCP_ACK, OURS, THEIRS, 1);
        window(&f, 0);
        plan_all(&f);
    }
    window(&f, 5000);
    assert_int_equal(plan_all(&f), 3);
    done(&f);
}

static void a_window_too_small_for_the_record_is_overridden_by_the_timer(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    window(&f, 50);
    assert_int_equal(sends(&f, 1000), 0);
    passes(&f, S);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS, 50);
    done(&f);
}

static void a_fin_at_a_closed_window_is_a_probe(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    window(&f, 0);
    tcp_close(&f.c);
    assert_int_equal(plan_all(&f), 0);
    passes(&f, S);
    assert_one_plan(&f, TCP_FIN | TCP_ACK, OURS, THEIRS, 0);
    assert_state(&f, TCP_FIN_WAIT_1);
    done(&f);
}

static void an_older_segment_does_not_move_the_window_back(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    sends(&f, 2000);
    f.next.window = 9000;
    arrives(&f, TCP_ACK, THEIRS, OURS + 2000, 100);
    f.next.window = 100;
    arrives(&f, TCP_ACK, THEIRS + 100, OURS + 1000, 0); /* an older ACK */
    assert_int_equal(f.c.snd_wnd, 9000);
    done(&f);
}

/* Fills our own window completely with bytes that nobody reads. */
static void fill_our_window(struct fix *f)
{
    for (uint32_t at = 0; at < WINDOW; at += 1000) {
        arrives(f, TCP_ACK, THEIRS + at, OURS, 1000);
        if (f->out.data)
            tcp_keep(&f->c, &f->env, f->out.data, f->out.len);
        plan_all(f);
    }
}

static void our_window_closes_as_bytes_are_left_unread(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    fill_our_window(&f);
    assert_int_equal(tcp_readable(&f.c), WINDOW);
    assert_int_equal(f.plans[0].window, 0);
    assert_int_equal(f.plans[0].ack, THEIRS + WINDOW);
    done(&f);
}

static void a_probe_of_our_closed_window_is_answered_and_its_ack_counts(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    fill_our_window(&f);
    sends(&f, 100);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS + WINDOW, OURS + 100, 1), DROP_NONE);
    assert_int_equal(f.out.events, TCP_EV_ACKED);
    assert_one_plan(&f, TCP_ACK, OURS + 100, THEIRS + WINDOW, 0);
    assert_int_equal(f.plans[0].window, 0);
    done(&f);
}

static void reading_a_little_does_not_open_a_silly_window(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    fill_our_window(&f);
    tcp_consume(&f.c, &f.env, 300);
    assert_int_equal(plan_all(&f), 0);
    arrives(&f, TCP_ACK, THEIRS + WINDOW, OURS, 1);
    plan_all(&f);
    assert_int_equal(f.plans[0].window, 0);
    done(&f);
}

static void reading_a_segments_worth_opens_the_window_unasked(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    fill_our_window(&f);
    tcp_consume(&f.c, &f.env, 1000);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS + WINDOW, 0);
    assert_int_equal(f.plans[0].window, 1000);
    tcp_consume(&f.c, &f.env, 15000);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS + WINDOW, 0);
    assert_int_equal(f.plans[0].window, 16000);
    done(&f);
}

static void the_advertised_edge_never_moves_back(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    uint32_t edge = 0;
    for (uint32_t at = 0; at < 20000; at += 500) {
        arrives(&f, TCP_ACK, THEIRS + at, OURS, 500);
        if (f.out.data && at % 1500 == 0)
            tcp_keep(&f.c, &f.env, f.out.data, f.out.len);
        else if (!f.out.data && at % 4000 == 0)
            tcp_consume(&f.c, &f.env, tcp_readable(&f.c));
        for (int i = 0, n = plan_all(&f); i < n; i++) {
            assert_true(f.plans[i].ack + f.plans[i].window >= edge);
            edge = f.plans[i].ack + f.plans[i].window;
        }
    }
    assert_true(edge > THEIRS + WINDOW);
    done(&f);
}

static void a_scaled_window_is_sent_in_its_units(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    f.config.rcv_limit = 200000;
    f.c.rcv_scale = 2;
    arrives(&f, TCP_ACK, THEIRS, OURS, 1000);
    arrives(&f, TCP_ACK, THEIRS + 1000, OURS, 1000);
    assert_int_equal(plan_all(&f), 1);
    assert_int_equal(f.plans[0].window, 50000);
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_peers_window_bounds_what_is_sent),
        cmocka_unit_test(no_silly_segment_fills_the_rest_of_a_window),
        cmocka_unit_test(half_of_the_largest_window_is_worth_a_segment),
        cmocka_unit_test(with_a_flight_the_room_is_what_the_window_leaves),
        cmocka_unit_test(room_is_never_less_than_promised),
        cmocka_unit_test(a_closed_window_with_nothing_described_still_cuts_a_record_and_probes),
        cmocka_unit_test(probes_back_off_and_never_end_a_peer_that_answers),
        cmocka_unit_test(probes_that_nobody_answers_end_the_connection),
        cmocka_unit_test(an_opening_window_is_used_at_once_from_the_first_unacknowledged_byte),
        cmocka_unit_test(a_window_closed_over_a_flight_is_probed_and_kept),
        cmocka_unit_test(a_window_too_small_for_the_record_is_overridden_by_the_timer),
        cmocka_unit_test(a_fin_at_a_closed_window_is_a_probe),
        cmocka_unit_test(an_older_segment_does_not_move_the_window_back),
        cmocka_unit_test(our_window_closes_as_bytes_are_left_unread),
        cmocka_unit_test(a_probe_of_our_closed_window_is_answered_and_its_ack_counts),
        cmocka_unit_test(reading_a_little_does_not_open_a_silly_window),
        cmocka_unit_test(reading_a_segments_worth_opens_the_window_unasked),
        cmocka_unit_test(the_advertised_edge_never_moves_back),
        cmocka_unit_test(a_scaled_window_is_sent_in_its_units),
    };
    return cmocka_run_group_tests_name("tcp window", tests, NULL, NULL);
}
