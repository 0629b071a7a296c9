/*
 * SYN-SENT, SYN-RECEIVED, initial sequence numbers and what a SYN negotiates.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/tcp/fixture.h"

#include "dataplane/base/siphash.h"

static void accepts(struct fix *f, const struct tcp_segment *syn)
{
    struct tcp_tuple tuple = f->c.tuple;
    tcp_accept(&f->c, &f->env, &tuple, syn, OURS - 1, f->now);
    tcp_check(&f->c);
}

static struct tcp_segment a_syn(void)
{
    return (struct tcp_segment){.seq = THEIRS - 1, .flags = TCP_SYN, .window = 4000, .mss = 800};
}

static void siphash_gives_the_published_value(void **state)
{
    uint8_t key[16], message[15];
    for (int i = 0; i < 16; i++)
        key[i] = (uint8_t)i;
    memcpy(message, key, sizeof message);
    assert_true(siphash24(key, message, sizeof message) == 0xa129ca6149be45e5);
    assert_true(siphash24(key, message, 0) == 0x726fdb47dd0e0e31);
}

static void initial_sequence_numbers_advance_with_the_clock_and_differ_by_tuple_and_key(void **state)
{
    struct tcp_tuple a = {.local_port = 443, .remote_port = 40000},
                     b = {.local_port = 443, .remote_port = 40001};
    uint8_t key[16] = {1}, other[16] = {2};
    uint32_t first = tcp_isn(key, &a, 4000000);
    assert_int_equal(tcp_isn(key, &a, 4000400) - first, 100);
    assert_int_not_equal(tcp_isn(key, &b, 4000000), first);
    assert_int_not_equal(tcp_isn(other, &a, 4000000), first);
}

static void a_syn_is_answered_with_syn_and_ack(void **state)
{
    struct fix f;
    given(&f, TCP_CLOSED);
    struct tcp_segment syn = a_syn();
    accepts(&f, &syn);
    assert_state(&f, TCP_SYN_RECEIVED);
    assert_one_plan(&f, TCP_SYN | TCP_ACK, OURS - 1, THEIRS, 0);
    assert_int_equal(f.plans[0].mss, MSS);
    assert_int_equal(f.plans[0].window, WINDOW);
    assert_false(f.plans[0].has_scale || f.plans[0].has_timestamps);
    assert_int_equal(f.c.mss, 800);
    done(&f);
}

static void options_are_taken_when_offered(void **state)
{
    struct fix f;
    given(&f, TCP_CLOSED);
    f.config.rcv_limit = 200000;
    struct tcp_segment syn = a_syn();
    syn.has_scale = syn.has_timestamps = true;
    syn.scale = 5;
    syn.ts_val = 700;
    accepts(&f, &syn);
    assert_one_plan(&f, TCP_SYN | TCP_ACK, OURS - 1, THEIRS, 0);
    assert_true(f.plans[0].has_scale && f.plans[0].scale == 2);
    assert_int_equal(f.plans[0].window, 65535);
    assert_true(f.plans[0].has_timestamps && f.plans[0].ts_ecr == 700);
    assert_int_equal(f.c.mss, 800 - 12);
    f.next.has_timestamps = true;
    f.next.ts_val = 701;
    f.next.window = 100;
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS, OURS, 0), DROP_NONE);
    assert_int_equal(f.c.snd_wnd, 100 << 5);
    assert_int_equal(f.c.ts_recent, 701);
    done(&f);
}

static void timestamps_are_declined_when_configured_off(void **state)
{
    struct fix f;
    given(&f, TCP_CLOSED);
    f.config.timestamps = false;
    struct tcp_segment syn = a_syn();
    syn.has_timestamps = true;
    accepts(&f, &syn);
    plan_all(&f);
    assert_false(f.plans[0].has_timestamps);
    assert_int_equal(f.c.mss, 800);
    done(&f);
}

static void without_an_mss_option_the_default_of_the_family_holds(void **state)
{
    struct fix f;
    given(&f, TCP_CLOSED);
    struct tcp_segment syn = a_syn();
    syn.mss = 0;
    accepts(&f, &syn);
    assert_int_equal(f.c.mss, 536);
    done(&f);
    given(&f, TCP_CLOSED);
    memcpy(f.c.tuple.remote, (const uint8_t[16]){0xfd, 0, 0, 0x18, [15] = 2}, 16);
    accepts(&f, &syn);
    assert_int_equal(f.c.mss, 1220);
    plan_all(&f);
    assert_int_equal(f.plans[0].mss, 1440);
    done(&f);
}

static void an_absurdly_small_mss_is_raised_to_the_floor(void **state)
{
    struct fix f;
    given(&f, TCP_CLOSED);
    struct tcp_segment syn = a_syn();
    syn.mss = 1;
    accepts(&f, &syn);
    assert_int_equal(f.c.mss, 88);
    done(&f);
}

static void the_ack_of_our_syn_establishes(void **state)
{
    struct fix f;
    given(&f, TCP_SYN_RECEIVED);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS, OURS, 0), DROP_NONE);
    assert_state(&f, TCP_ESTABLISHED);
    assert_int_equal(f.out.events, TCP_EV_ESTABLISHED);
    assert_int_equal(f.c.cwnd, 10 * MSS);
    assert_int_equal(tcp_deadline(&f.c), UINT64_MAX);
    done(&f);
}

static void text_with_the_ack_of_our_syn_is_delivered(void **state)
{
    struct fix f;
    given(&f, TCP_SYN_RECEIVED);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS, OURS, 10), DROP_NONE);
    assert_int_equal(f.out.events, TCP_EV_ESTABLISHED | TCP_EV_DATA);
    assert_int_equal(f.out.len, 10);
    done(&f);
}

static void syn_received_wrong_ack_is_answered_with_a_reset_and_stays(void **state)
{
    struct fix f;
    given(&f, TCP_SYN_RECEIVED);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS, OURS + 1, 0), DROP_TCP_ACK_UNACCEPTABLE);
    assert_int_equal(f.out.events, TCP_EV_REPLY_RST);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS, OURS - 1, 0), DROP_TCP_ACK_UNACCEPTABLE);
    assert_state(&f, TCP_SYN_RECEIVED);
    done(&f);
}

static void syn_received_the_same_syn_again_brings_our_answer_again(void **state)
{
    struct fix f;
    given(&f, TCP_SYN_RECEIVED);
    assert_int_equal(arrives(&f, TCP_SYN, THEIRS - 1, 0, 0), DROP_TCP_DUPLICATE);
    assert_one_plan(&f, TCP_SYN | TCP_ACK, OURS - 1, THEIRS, 0);
    done(&f);
}

static void syn_received_reset_closes(void **state)
{
    struct fix f;
    given(&f, TCP_SYN_RECEIVED);
    assert_int_equal(arrives(&f, TCP_RST, THEIRS, 0, 0), DROP_NONE);
    assert_int_equal(f.out.events, TCP_EV_RESET | TCP_EV_CLOSED);
    assert_state(&f, TCP_CLOSED);
    assert_int_equal(plan_all(&f), 0);
    done(&f);
}

static void our_syn_is_sent_again_with_doubling_pauses_and_then_given_up(void **state)
{
    struct fix f;
    given(&f, TCP_CLOSED);
    struct tcp_segment syn = a_syn();
    accepts(&f, &syn);
    assert_int_equal(plan_all(&f), 1);
    for (uint64_t pause = S, n = 0; n < f.config.syn_retransmit_max; n++, pause *= 2) {
        assert_int_equal(tcp_deadline(&f.c), f.now + pause);
        assert_int_equal(passes(&f, pause), 0);
        assert_one_plan(&f, TCP_SYN | TCP_ACK, OURS - 1, THEIRS, 0);
    }
    assert_int_equal(passes(&f, 60 * S), TCP_EV_TIMEOUT | TCP_EV_CLOSED);
    assert_state(&f, TCP_CLOSED);
    done(&f);
}

static void a_lost_syn_leaves_one_segment_of_window_and_three_seconds_of_timeout(void **state)
{
    struct fix f;
    given(&f, TCP_CLOSED);
    struct tcp_segment syn = a_syn();
    accepts(&f, &syn);
    plan_all(&f);
    passes(&f, S);
    plan_all(&f);
    arrives(&f, TCP_ACK, THEIRS, OURS, 0);
    assert_int_equal(f.c.cwnd, f.c.mss);
    assert_int_equal(sends(&f, 5000), 1);
    assert_int_equal(tcp_deadline(&f.c), f.now + 3 * S);
    done(&f);
}

static void connecting_sends_a_syn_that_offers_everything(void **state)
{
    struct fix f;
    given(&f, TCP_CLOSED);
    struct tcp_tuple tuple = f.c.tuple;
    tcp_connect(&f.c, &f.env, &tuple, OURS - 1, f.now);
    assert_one_plan(&f, TCP_SYN, OURS - 1, 0, 0);
    assert_true(f.plans[0].mss == MSS && f.plans[0].has_scale && f.plans[0].has_timestamps);
    assert_state(&f, TCP_SYN_SENT);
    done(&f);
}

static void syn_sent_syn_and_ack_establish(void **state)
{
    struct fix f;
    given(&f, TCP_SYN_SENT);
    f.next.has_scale = true;
    f.next.scale = 4;
    f.next.mss = 900;
    assert_int_equal(arrives(&f, TCP_SYN | TCP_ACK, THEIRS - 1, OURS, 0), DROP_NONE);
    assert_state(&f, TCP_ESTABLISHED);
    assert_int_equal(f.out.events, TCP_EV_ESTABLISHED);
    assert_int_equal(f.c.snd_wnd, WINDOW); /* the window of a SYN is not scaled */
    assert_int_equal(f.c.mss, 900);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS, 0);
    done(&f);
}

static void syn_sent_an_ack_of_something_else_is_answered_with_a_reset(void **state)
{
    struct fix f;
    given(&f, TCP_SYN_SENT);
    assert_int_equal(arrives(&f, TCP_SYN | TCP_ACK, THEIRS - 1, OURS + 1, 0), DROP_TCP_ACK_UNACCEPTABLE);
    assert_int_equal(f.out.events, TCP_EV_REPLY_RST);
    assert_state(&f, TCP_SYN_SENT);
    done(&f);
}

static void syn_sent_reset_counts_only_with_our_ack(void **state)
{
    struct fix f;
    given(&f, TCP_SYN_SENT);
    assert_int_equal(arrives(&f, TCP_RST, 0, 0, 0), DROP_TCP_FLAGS);
    assert_int_equal(arrives(&f, TCP_RST | TCP_ACK, 0, OURS + 5, 0), DROP_TCP_ACK_UNACCEPTABLE);
    assert_int_equal(f.out.events, 0);
    assert_state(&f, TCP_SYN_SENT);
    assert_int_equal(arrives(&f, TCP_RST | TCP_ACK, 0, OURS, 0), DROP_NONE);
    assert_state(&f, TCP_CLOSED);
    done(&f);
}

static void two_syns_that_cross_establish_one_connection(void **state)
{
    struct fix f;
    given(&f, TCP_SYN_SENT);
    assert_int_equal(arrives(&f, TCP_SYN, THEIRS - 1, 0, 0), DROP_NONE);
    assert_state(&f, TCP_SYN_RECEIVED);
    assert_one_plan(&f, TCP_SYN | TCP_ACK, OURS - 1, THEIRS, 0);
    assert_int_equal(arrives(&f, TCP_SYN | TCP_ACK, THEIRS - 1, OURS, 0), DROP_NONE);
    assert_state(&f, TCP_ESTABLISHED);
    assert_int_equal(plan_all(&f), 0);
    done(&f);
}

static void the_receive_window_of_a_peer_without_scaling_is_not_scaled(void **state)
{
    struct fix f;
    given(&f, TCP_CLOSED);
    f.config.rcv_limit = 1000000;
    struct tcp_segment syn = a_syn();
    accepts(&f, &syn);
    plan_all(&f);
    assert_int_equal(f.plans[0].window, 65535);
    assert_int_equal(f.c.rcv_scale, 0);
    done(&f);
}

static void the_edge_advertised_is_the_edge_that_was_written(void **state)
{
    struct fix f;
    given(&f, TCP_CLOSED);
    f.config.rcv_limit = 1000003;
    struct tcp_segment syn = a_syn();
    syn.has_scale = true;
    accepts(&f, &syn);
    plan_all(&f);
    assert_int_equal(f.c.rcv_adv, THEIRS + 65535);
    arrives(&f, TCP_ACK, THEIRS, OURS, 0);
    assert_int_equal(plan_all(&f), 1); /* the window that a SYN could not say */
    assert_int_equal(f.plans[0].window, 1000003 >> 4);
    assert_int_equal(f.c.rcv_adv, THEIRS + ((1000003 >> 4) << 4));
    done(&f);
}

static void flags_that_no_opening_state_lists_are_dropped(void **state)
{
    static const uint8_t bad[] = {TCP_SYN | TCP_FIN, TCP_SYN | TCP_RST, TCP_SYN | TCP_FIN | TCP_ACK,
                                  TCP_RST | TCP_FIN};
    for (enum tcp_state s = TCP_SYN_SENT; s < TCP_STATE_COUNT; s++) {
        for (size_t i = 0; i < sizeof bad; i++) {
            struct fix f;
            given(&f, s);
            struct tcp_conn before = f.c;
            assert_int_equal(arrives(&f, bad[i], f.c.rcv_nxt, f.c.snd_nxt, 0), DROP_TCP_FLAGS);
            assert_int_equal(arrives(&f, 0, f.c.rcv_nxt, 0, 5), DROP_TCP_NO_ACK);
            assert_int_equal(arrives(&f, TCP_FIN, f.c.rcv_nxt, 0, 5), DROP_TCP_NO_ACK);
            assert_memory_equal(&f.c, &before, sizeof before);
            done(&f);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(siphash_gives_the_published_value),
        cmocka_unit_test(initial_sequence_numbers_advance_with_the_clock_and_differ_by_tuple_and_key),
        cmocka_unit_test(a_syn_is_answered_with_syn_and_ack),
        cmocka_unit_test(options_are_taken_when_offered),
        cmocka_unit_test(timestamps_are_declined_when_configured_off),
        cmocka_unit_test(without_an_mss_option_the_default_of_the_family_holds),
        cmocka_unit_test(an_absurdly_small_mss_is_raised_to_the_floor),
        cmocka_unit_test(the_ack_of_our_syn_establishes),
        cmocka_unit_test(text_with_the_ack_of_our_syn_is_delivered),
        cmocka_unit_test(syn_received_wrong_ack_is_answered_with_a_reset_and_stays),
        cmocka_unit_test(syn_received_the_same_syn_again_brings_our_answer_again),
        cmocka_unit_test(syn_received_reset_closes),
        cmocka_unit_test(our_syn_is_sent_again_with_doubling_pauses_and_then_given_up),
        cmocka_unit_test(a_lost_syn_leaves_one_segment_of_window_and_three_seconds_of_timeout),
        cmocka_unit_test(connecting_sends_a_syn_that_offers_everything),
        cmocka_unit_test(syn_sent_syn_and_ack_establish),
        cmocka_unit_test(syn_sent_an_ack_of_something_else_is_answered_with_a_reset),
        cmocka_unit_test(syn_sent_reset_counts_only_with_our_ack),
        cmocka_unit_test(two_syns_that_cross_establish_one_connection),
        cmocka_unit_test(the_receive_window_of_a_peer_without_scaling_is_not_scaled),
        cmocka_unit_test(the_edge_advertised_is_the_edge_that_was_written),
        cmocka_unit_test(flags_that_no_opening_state_lists_are_dropped),
    };
    return cmocka_run_group_tests_name("tcp opening", tests, NULL, NULL);
}
