/*
 * From ESTABLISHED to CLOSED, by every way RFC 9293 figure 5 knows.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/tcp/fixture.h"

static void established_close_sends_a_fin(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    tcp_close(&f.c);
    assert_one_plan(&f, TCP_FIN | TCP_ACK, OURS, THEIRS, 0);
    assert_state(&f, TCP_FIN_WAIT_1);
    done(&f);
}

static void the_fin_rides_on_the_last_record(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    f.close_on_extend = true;
    assert_int_equal(sends(&f, 1300), 2);
    assert_plan(&f.plans[0], TCP_ACK, OURS, THEIRS, 1000);
    assert_plan(&f.plans[1], TCP_ACK | TCP_FIN, OURS + 1000, THEIRS, 300);
    assert_state(&f, TCP_FIN_WAIT_1);
    done(&f);
}

static void nothing_more_is_asked_for_after_close(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    tcp_close(&f.c);
    assert_int_equal(sends(&f, 500), 1);
    assert_int_equal(f.asked, 0);
    done(&f);
}

static void the_fin_waits_for_described_bytes_that_the_window_holds_back(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    f.c.snd_end = 12000;
    tcp_close(&f.c);
    assert_int_equal(plan_all(&f), 10);
    assert_state(&f, TCP_ESTABLISHED);
    arrives(&f, TCP_ACK, THEIRS, OURS + 10000, 0);
    assert_int_equal(plan_all(&f), 2);
    assert_plan(&f.plans[1], TCP_FIN | TCP_ACK, OURS + 11000, THEIRS, 1000);
    assert_state(&f, TCP_FIN_WAIT_1);
    done(&f);
}

static void close_in_syn_received_waits_until_it_is_established(void **state)
{
    struct fix f;
    given(&f, TCP_SYN_RECEIVED);
    tcp_close(&f.c);
    assert_int_equal(plan_all(&f), 0);
    arrives(&f, TCP_ACK, THEIRS, OURS, 0);
    assert_one_plan(&f, TCP_FIN | TCP_ACK, OURS, THEIRS, 0);
    done(&f);
}

static void established_fin_is_acknowledged_at_once(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    assert_int_equal(arrives(&f, TCP_ACK | TCP_FIN, THEIRS, OURS, 0), DROP_NONE);
    assert_int_equal(f.out.events, TCP_EV_PEER_FIN);
    assert_state(&f, TCP_CLOSE_WAIT);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS + 1, 0);
    done(&f);
}

static void established_fin_with_text_delivers_the_text_first(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    assert_int_equal(arrives(&f, TCP_ACK | TCP_FIN, THEIRS, OURS, 40), DROP_NONE);
    assert_int_equal(f.out.events, TCP_EV_DATA | TCP_EV_PEER_FIN);
    assert_reads(&f, THEIRS, 40);
    assert_int_equal(f.blocks->used, 0);
    done(&f);
}

static void established_fin_after_gap_is_ignored(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    arrives(&f, TCP_ACK | TCP_FIN, THEIRS + 10, OURS, 40);
    assert_state(&f, TCP_ESTABLISHED);
    assert_int_equal(f.out.events, 0);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS, 0);
    arrives(&f, TCP_ACK, THEIRS, OURS, 10);
    assert_state(&f, TCP_ESTABLISHED);
    arrives(&f, TCP_ACK | TCP_FIN, THEIRS + 10, OURS, 40);
    assert_state(&f, TCP_CLOSE_WAIT);
    done(&f);
}

static void fin_beyond_the_window_is_not_taken_with_the_part_within(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    f.c.rcv_adv = THEIRS + 30;
    assert_int_equal(arrives(&f, TCP_ACK | TCP_FIN, THEIRS, OURS, 40), DROP_NONE);
    assert_int_equal(f.out.len, 30);
    assert_state(&f, TCP_ESTABLISHED);
    done(&f);
}

static void bare_fin_at_a_closed_window_is_taken(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    f.c.rcv_adv = f.c.rcv_nxt;
    assert_int_equal(arrives(&f, TCP_ACK | TCP_FIN, THEIRS, OURS, 0), DROP_NONE);
    assert_state(&f, TCP_CLOSE_WAIT);
    done(&f);
}

static void close_wait_still_sends_then_goes_to_last_ack(void **state)
{
    struct fix f;
    given(&f, TCP_CLOSE_WAIT);
    assert_int_equal(sends(&f, 100), 1);
    tcp_close(&f.c);
    assert_one_plan(&f, TCP_FIN | TCP_ACK, OURS + 100, THEIRS + 1, 0);
    assert_state(&f, TCP_LAST_ACK);
    done(&f);
}

static void close_wait_text_after_the_fin_is_dropped(void **state)
{
    struct fix f;
    given(&f, TCP_CLOSE_WAIT);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS + 1, OURS, 10), DROP_TCP_AFTER_FIN);
    assert_int_equal(f.out.events, 0);
    assert_int_equal(f.c.rcv_nxt, THEIRS + 1);
    done(&f);
}

static void last_ack_ends_with_the_ack_of_our_fin(void **state)
{
    struct fix f;
    given(&f, TCP_LAST_ACK);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS + 1, OURS + 1, 0), DROP_NONE);
    assert_int_equal(f.out.events, TCP_EV_CLOSED);
    assert_state(&f, TCP_CLOSED);
    assert_int_equal(plan_all(&f), 0);
    assert_int_equal(tcp_deadline(&f.c), UINT64_MAX);
    done(&f);
}

static void fin_wait_1_ack_leads_to_fin_wait_2(void **state)
{
    struct fix f;
    given(&f, TCP_FIN_WAIT_1);
    arrives(&f, TCP_ACK, THEIRS, OURS + 1, 0);
    assert_state(&f, TCP_FIN_WAIT_2);
    assert_int_equal(f.out.events, 0);
    done(&f);
}

static void fin_wait_1_ack_of_the_text_alone_stays(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    f.close_on_extend = true;
    sends(&f, 100);
    arrives(&f, TCP_ACK, THEIRS, OURS + 100, 0);
    assert_state(&f, TCP_FIN_WAIT_1);
    assert_int_equal(f.out.events, TCP_EV_ACKED);
    assert_int_equal(f.c.snd_una_pos, 100);
    passes(&f, 10 * S);
    assert_one_plan(&f, TCP_FIN | TCP_ACK, OURS + 100, THEIRS, 0);
    done(&f);
}

static void fin_wait_1_fin_without_ack_of_ours_leads_to_closing(void **state)
{
    struct fix f;
    given(&f, TCP_FIN_WAIT_1);
    arrives(&f, TCP_ACK | TCP_FIN, THEIRS, OURS, 0);
    assert_state(&f, TCP_CLOSING);
    assert_one_plan(&f, TCP_ACK, OURS + 1, THEIRS + 1, 0);
    done(&f);
}

static void fin_wait_1_fin_with_ack_of_ours_leads_to_time_wait(void **state)
{
    struct fix f;
    given(&f, TCP_FIN_WAIT_1);
    arrives(&f, TCP_ACK | TCP_FIN, THEIRS, OURS + 1, 0);
    assert_state(&f, TCP_TIME_WAIT);
    assert_int_equal(f.out.events, TCP_EV_PEER_FIN | TCP_EV_TIME_WAIT);
    done(&f);
}

static void fin_wait_2_text_is_still_delivered(void **state)
{
    struct fix f;
    given(&f, TCP_FIN_WAIT_2);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS, OURS + 1, 10), DROP_NONE);
    assert_int_equal(f.out.len, 10);
    done(&f);
}

static void fin_wait_2_fin_leads_to_time_wait(void **state)
{
    struct fix f;
    given(&f, TCP_FIN_WAIT_2);
    arrives(&f, TCP_ACK | TCP_FIN, THEIRS, OURS + 1, 0);
    assert_state(&f, TCP_TIME_WAIT);
    assert_one_plan(&f, TCP_ACK, OURS + 1, THEIRS + 1, 0);
    assert_int_equal(tcp_deadline(&f.c), f.now + f.config.time_wait_us);
    done(&f);
}

static void fin_wait_2_does_not_wait_for_ever(void **state)
{
    struct fix f;
    given(&f, TCP_FIN_WAIT_1);
    arrives(&f, TCP_ACK, THEIRS, OURS + 1, 0);
    assert_int_equal(tcp_deadline(&f.c), f.now + f.config.fin_wait_2_us);
    assert_int_equal(passes(&f, f.config.fin_wait_2_us), TCP_EV_CLOSED);
    done(&f);
}

static void closing_ack_leads_to_time_wait(void **state)
{
    struct fix f;
    given(&f, TCP_CLOSING);
    arrives(&f, TCP_ACK, THEIRS + 1, OURS + 1, 0);
    assert_state(&f, TCP_TIME_WAIT);
    assert_int_equal(f.out.events, TCP_EV_TIME_WAIT);
    done(&f);
}

static void time_wait_ends_by_the_clock(void **state)
{
    struct fix f;
    given(&f, TCP_TIME_WAIT);
    assert_int_equal(passes(&f, 60 * S - 1), 0);
    assert_int_equal(passes(&f, 1), TCP_EV_CLOSED);
    assert_state(&f, TCP_CLOSED);
    done(&f);
}

static void time_wait_a_fin_again_is_acknowledged_and_waited_for_anew(void **state)
{
    struct fix f;
    given(&f, TCP_TIME_WAIT);
    f.now += 30 * S;
    assert_int_equal(arrives(&f, TCP_ACK | TCP_FIN, THEIRS, OURS + 1, 0), DROP_TCP_DUPLICATE);
    assert_one_plan(&f, TCP_ACK, OURS + 1, THEIRS + 1, 0);
    assert_int_equal(tcp_deadline(&f.c), f.now + f.config.time_wait_us);
    done(&f);
}

static void time_wait_a_newer_syn_reopens(void **state)
{
    struct fix f;
    given(&f, TCP_TIME_WAIT);
    assert_int_equal(arrives(&f, TCP_SYN, THEIRS + 100000, 0, 0), DROP_NONE);
    assert_int_equal(f.out.events, TCP_EV_REOPEN | TCP_EV_CLOSED);
    assert_state(&f, TCP_CLOSED);
    done(&f);
}

static void time_wait_an_older_syn_does_not(void **state)
{
    struct fix f;
    given(&f, TCP_TIME_WAIT);
    arrives(&f, TCP_SYN, THEIRS - 100000, 0, 0);
    assert_int_equal(f.out.events, 0);
    assert_state(&f, TCP_TIME_WAIT);
    done(&f);
}

static void a_fin_that_is_lost_is_sent_again(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    tcp_close(&f.c);
    plan_all(&f);
    passes(&f, S);
    assert_one_plan(&f, TCP_FIN | TCP_ACK, OURS, THEIRS, 0);
    assert_state(&f, TCP_FIN_WAIT_1);
    done(&f);
}

static void abort_sends_one_reset_where_the_peer_needs_it(void **state)
{
    static const enum tcp_state with[] = {TCP_SYN_RECEIVED, TCP_ESTABLISHED, TCP_FIN_WAIT_1, TCP_FIN_WAIT_2,
                                          TCP_CLOSE_WAIT};
    for (size_t i = 0; i < sizeof with / sizeof *with; i++) {
        struct fix f;
        given(&f, with[i]);
        uint32_t seq = f.c.snd_nxt, ack = f.c.rcv_nxt;
        tcp_abort(&f.c);
        tcp_check(&f.c);
        assert_state(&f, TCP_CLOSED);
        assert_one_plan(&f, TCP_RST | TCP_ACK, seq, ack, 0);
        done(&f);
    }
}

static void abort_is_silent_where_the_peer_has_all(void **state)
{
    static const enum tcp_state without[] = {TCP_CLOSED, TCP_SYN_SENT, TCP_CLOSING, TCP_LAST_ACK,
                                             TCP_TIME_WAIT};
    for (size_t i = 0; i < sizeof without / sizeof *without; i++) {
        struct fix f;
        given(&f, without[i]);
        tcp_abort(&f.c);
        tcp_check(&f.c);
        assert_state(&f, TCP_CLOSED);
        assert_int_equal(plan_all(&f), 0);
        done(&f);
    }
}

static void a_closed_connection_asks_for_a_reset_to_everything_but_resets(void **state)
{
    struct fix f;
    given(&f, TCP_CLOSED);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS, OURS, 10), DROP_TCP_NO_CONNECTION);
    assert_int_equal(f.out.events, TCP_EV_REPLY_RST);
    assert_int_equal(arrives(&f, TCP_RST, THEIRS, OURS, 0), DROP_TCP_NO_CONNECTION);
    assert_int_equal(f.out.events, 0);
    done(&f);
}

static void releasing_gives_back_text_that_was_never_read(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    arrives(&f, TCP_ACK, THEIRS + 5000, OURS, 1000);
    arrives(&f, TCP_ACK, THEIRS, OURS, 100);
    assert_true(f.blocks->used > 0);
    arrives(&f, TCP_RST, THEIRS + 100, 0, 0);
    assert_int_equal(f.out.events, TCP_EV_RESET | TCP_EV_CLOSED);
    done(&f); /* asserts that no block is in use */
}

static void text_held_beyond_the_fin_is_let_go(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    arrives(&f, TCP_ACK, THEIRS + 100, OURS, 50);
    assert_int_equal(f.blocks->used, 1);
    arrives(&f, TCP_ACK | TCP_FIN, THEIRS, OURS, 0);
    assert_state(&f, TCP_CLOSE_WAIT);
    assert_int_equal(f.c.range_count, 0);
    assert_int_equal(f.blocks->used, 0);
    done(&f);
}

static void the_fin_does_not_go_beyond_the_peers_window(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    f.c.snd_wnd = 1000;
    f.next.window = 1000;
    f.close_on_extend = true;
    assert_int_equal(sends(&f, 1000), 1);
    assert_plan(&f.plans[0], TCP_ACK, OURS, THEIRS, 1000);
    for (int i = 0; i < 3; i++)
        arrives(&f, TCP_ACK, THEIRS, OURS, 0);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS, 1000); /* nor with a repair */
    assert_state(&f, TCP_ESTABLISHED);
    arrives(&f, TCP_ACK, THEIRS, OURS + 1000, 0);
    assert_one_plan(&f, TCP_FIN | TCP_ACK, OURS + 1000, THEIRS, 0);
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(established_close_sends_a_fin),
        cmocka_unit_test(the_fin_rides_on_the_last_record),
        cmocka_unit_test(nothing_more_is_asked_for_after_close),
        cmocka_unit_test(the_fin_waits_for_described_bytes_that_the_window_holds_back),
        cmocka_unit_test(close_in_syn_received_waits_until_it_is_established),
        cmocka_unit_test(established_fin_is_acknowledged_at_once),
        cmocka_unit_test(established_fin_with_text_delivers_the_text_first),
        cmocka_unit_test(established_fin_after_gap_is_ignored),
        cmocka_unit_test(fin_beyond_the_window_is_not_taken_with_the_part_within),
        cmocka_unit_test(bare_fin_at_a_closed_window_is_taken),
        cmocka_unit_test(close_wait_still_sends_then_goes_to_last_ack),
        cmocka_unit_test(close_wait_text_after_the_fin_is_dropped),
        cmocka_unit_test(last_ack_ends_with_the_ack_of_our_fin),
        cmocka_unit_test(fin_wait_1_ack_leads_to_fin_wait_2),
        cmocka_unit_test(fin_wait_1_ack_of_the_text_alone_stays),
        cmocka_unit_test(fin_wait_1_fin_without_ack_of_ours_leads_to_closing),
        cmocka_unit_test(fin_wait_1_fin_with_ack_of_ours_leads_to_time_wait),
        cmocka_unit_test(fin_wait_2_text_is_still_delivered),
        cmocka_unit_test(fin_wait_2_fin_leads_to_time_wait),
        cmocka_unit_test(fin_wait_2_does_not_wait_for_ever),
        cmocka_unit_test(closing_ack_leads_to_time_wait),
        cmocka_unit_test(time_wait_ends_by_the_clock),
        cmocka_unit_test(time_wait_a_fin_again_is_acknowledged_and_waited_for_anew),
        cmocka_unit_test(time_wait_a_newer_syn_reopens),
        cmocka_unit_test(time_wait_an_older_syn_does_not),
        cmocka_unit_test(a_fin_that_is_lost_is_sent_again),
        cmocka_unit_test(abort_sends_one_reset_where_the_peer_needs_it),
        cmocka_unit_test(abort_is_silent_where_the_peer_has_all),
        cmocka_unit_test(a_closed_connection_asks_for_a_reset_to_everything_but_resets),
        cmocka_unit_test(releasing_gives_back_text_that_was_never_read),
        cmocka_unit_test(text_held_beyond_the_fin_is_let_go),
        cmocka_unit_test(the_fin_does_not_go_beyond_the_peers_window),
    };
    return cmocka_run_group_tests_name("tcp closing", tests, NULL, NULL);
}
