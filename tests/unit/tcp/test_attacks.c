/*
 * Segments from somebody who guesses (RFC 5961), and from a past life of the connection (RFC 7323 PAWS).
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/tcp/fixture.h"

static void an_exact_reset_closes(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    assert_int_equal(arrives(&f, TCP_RST, THEIRS, 0, 0), DROP_NONE);
    assert_int_equal(f.out.events, TCP_EV_RESET | TCP_EV_CLOSED);
    assert_int_equal(plan_all(&f), 0);
    done(&f);
}

static void a_reset_elsewhere_in_the_window_is_challenged(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    assert_int_equal(arrives(&f, TCP_RST, THEIRS + 1, 0, 0), DROP_TCP_RST_CHALLENGED);
    assert_state(&f, TCP_ESTABLISHED);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS, 0);
    done(&f);
}

static void a_reset_outside_the_window_is_dropped_in_silence(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    assert_int_equal(arrives(&f, TCP_RST, THEIRS - 1, 0, 0), DROP_TCP_OUT_OF_WINDOW);
    assert_int_equal(arrives(&f, TCP_RST, THEIRS + WINDOW + 1, 0, 0), DROP_TCP_OUT_OF_WINDOW);
    assert_state(&f, TCP_ESTABLISHED);
    assert_int_equal(plan_all(&f), 0);
    done(&f);
}

static void no_guessed_reset_but_the_exact_one_closes_in_any_state(void **state)
{
    for (enum tcp_state s = TCP_SYN_RECEIVED; s < TCP_STATE_COUNT; s++) {
        struct fix f;
        given(&f, s);
        uint32_t exact = f.c.rcv_nxt;
        for (uint32_t d = 1; d; d <<= 1) {
            arrives(&f, TCP_RST, exact + d, 0, 0);
            arrives(&f, TCP_RST, exact - d, 0, 0);
            assert_state(&f, s);
        }
        arrives(&f, TCP_RST, exact, 0, 0);
        assert_state(&f, TCP_CLOSED);
        done(&f);
    }
}

static void a_syn_on_an_open_connection_is_challenged(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    assert_int_equal(arrives(&f, TCP_SYN, THEIRS + 10, 0, 0), DROP_TCP_SYN_CHALLENGED);
    assert_state(&f, TCP_ESTABLISHED);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS, 0);
    done(&f);
}

static void challenges_are_limited_and_the_limit_is_renewed_each_second(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    f.config.challenge_max = 3;
    for (int i = 0; i < 3; i++) {
        assert_int_equal(arrives(&f, TCP_RST, THEIRS + 1, 0, 0), DROP_TCP_RST_CHALLENGED);
        assert_int_equal(plan_all(&f), 1);
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(arrives(&f, TCP_SYN, THEIRS + 1, 0, 0), DROP_TCP_CHALLENGE_RATE);
        assert_int_equal(plan_all(&f), 0);
    }
    f.now += S;
    assert_int_equal(arrives(&f, TCP_RST, THEIRS + 1, 0, 0), DROP_TCP_RST_CHALLENGED);
    assert_int_equal(f.counters.challenges, 4);
    done(&f);
}

static void blind_text_with_an_ack_from_nowhere_is_not_taken(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS, OURS + 1, 10), DROP_TCP_ACK_UNACCEPTABLE);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS, OURS - WINDOW - 1, 10), DROP_TCP_ACK_UNACCEPTABLE);
    assert_int_equal(f.out.events, 0);
    assert_int_equal(f.c.rcv_nxt, THEIRS);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS, OURS - WINDOW, 10), DROP_NONE);
    done(&f);
}

static void text_outside_the_window_is_answered_with_where_we_are(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS + WINDOW, OURS, 10), DROP_TCP_OUT_OF_WINDOW);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS, 0);
    done(&f);
}

static void two_desynchronized_ends_do_not_acknowledge_each_other_for_ever(void **state)
{
    struct fix f;
    int answers = 0;
    given(&f, TCP_ESTABLISHED);
    for (int i = 0; i < 1000; i++) {
        arrives(&f, TCP_ACK, THEIRS - 1000, OURS, 0);
        answers += plan_all(&f);
    }
    assert_int_equal(answers, f.config.challenge_max);
    done(&f);
}

static void a_keepalive_probe_is_answered(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    arrives(&f, TCP_ACK, THEIRS - 1, OURS, 0);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS, 0);
    done(&f);
}

static void an_older_timestamp_is_refused_and_answered(void **state)
{
    struct fix f;
    given_timestamps(&f);
    f.next.ts_val = 699;
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS, OURS, 10), DROP_TCP_PAWS);
    assert_int_equal(f.c.rcv_nxt, THEIRS);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS, 0);
    done(&f);
}

static void an_older_timestamp_does_not_save_a_connection_from_an_exact_reset(void **state)
{
    struct fix f;
    given_timestamps(&f);
    f.next.ts_val = 1;
    arrives(&f, TCP_RST, THEIRS, 0, 0);
    assert_state(&f, TCP_CLOSED);
    done(&f);
}

static void a_segment_without_the_negotiated_timestamp_is_dropped(void **state)
{
    struct fix f;
    given_timestamps(&f);
    f.next.has_timestamps = false;
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS, OURS, 10), DROP_TCP_PAWS);
    assert_int_equal(plan_all(&f), 0);
    arrives(&f, TCP_RST, THEIRS, 0, 0);
    assert_state(&f, TCP_CLOSED);
    done(&f);
}

static void after_24_days_an_old_timestamp_is_no_evidence(void **state)
{
    struct fix f;
    given_timestamps(&f);
    f.next.ts_val = 600;
    f.now += 25ull * 24 * 3600 * S;
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS, OURS, 10), DROP_NONE);
    assert_int_equal(f.c.ts_recent, 600);
    done(&f);
}

static void the_echoed_timestamp_is_that_of_the_segment_the_ack_is_for(void **state)
{
    struct fix f;
    given_timestamps(&f);
    f.next.ts_val = 710;
    arrives(&f, TCP_ACK, THEIRS + 100, OURS, 100); /* after a gap: not recorded */
    assert_int_equal(plan_all(&f), 1);
    assert_int_equal(f.plans[0].ts_ecr, 700);
    f.next.ts_val = 720;
    arrives(&f, TCP_ACK, THEIRS, OURS, 100);
    assert_int_equal(plan_all(&f), 1);
    assert_int_equal(f.plans[0].ts_ecr, 720);
    done(&f);
}

static void an_echo_measures_a_segment_sent_twice(void **state)
{
    struct fix f;
    given_timestamps(&f);
    sends(&f, 100);
    passes(&f, S);
    plan_all(&f);
    f.now += 30 * MS;
    f.next.ts_ecr = f.plans[0].ts_val;
    arrives(&f, TCP_ACK, THEIRS, OURS + 100, 0);
    assert_int_equal(f.c.srtt_us, 30 * MS);
    assert_int_equal(f.c.backoff, 0);
    done(&f);
}

static void an_echo_of_nothing_we_sent_measures_nothing(void **state)
{
    struct fix f;
    given_timestamps(&f);
    sends(&f, 100);
    passes(&f, S);
    plan_all(&f);
    f.next.ts_ecr = f.plans[0].ts_val + 5000;
    arrives(&f, TCP_ACK, THEIRS, OURS + 100, 0);
    assert_int_equal(f.c.srtt_us, 0);
    done(&f);
}

static void keepalive_is_off_unless_asked_for(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    arrives(&f, TCP_ACK, THEIRS, OURS, 0);
    assert_int_equal(tcp_deadline(&f.c), UINT64_MAX);
    done(&f);
}

static void a_silent_peer_is_probed_and_given_up(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    f.config.keepalive_idle_us = 100 * S;
    f.config.keepalive_interval_us = 10 * S;
    f.config.keepalive_probes_max = 2;
    arrives(&f, TCP_ACK, THEIRS, OURS, 0);
    assert_int_equal(passes(&f, 100 * S), 0);
    assert_one_plan(&f, TCP_ACK, OURS - 1, THEIRS, 0);
    arrives(&f, TCP_ACK, THEIRS, OURS, 0); /* it lives */
    assert_int_equal(tcp_deadline(&f.c), f.now + 100 * S);
    passes(&f, 100 * S);
    plan_all(&f);
    passes(&f, 10 * S);
    assert_int_equal(plan_all(&f), 1);
    assert_int_equal(passes(&f, 10 * S), TCP_EV_TIMEOUT | TCP_EV_CLOSED);
    done(&f);
}

static void a_bare_ack_on_the_right_edge_is_taken(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    sends(&f, 100);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS + WINDOW, OURS + 100, 0), DROP_NONE);
    assert_int_equal(f.out.events, TCP_EV_ACKED);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS + WINDOW + 1, OURS + 100, 0), DROP_TCP_OUT_OF_WINDOW);
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_exact_reset_closes),
        cmocka_unit_test(a_reset_elsewhere_in_the_window_is_challenged),
        cmocka_unit_test(a_reset_outside_the_window_is_dropped_in_silence),
        cmocka_unit_test(no_guessed_reset_but_the_exact_one_closes_in_any_state),
        cmocka_unit_test(a_syn_on_an_open_connection_is_challenged),
        cmocka_unit_test(challenges_are_limited_and_the_limit_is_renewed_each_second),
        cmocka_unit_test(blind_text_with_an_ack_from_nowhere_is_not_taken),
        cmocka_unit_test(text_outside_the_window_is_answered_with_where_we_are),
        cmocka_unit_test(two_desynchronized_ends_do_not_acknowledge_each_other_for_ever),
        cmocka_unit_test(a_keepalive_probe_is_answered),
        cmocka_unit_test(an_older_timestamp_is_refused_and_answered),
        cmocka_unit_test(an_older_timestamp_does_not_save_a_connection_from_an_exact_reset),
        cmocka_unit_test(a_segment_without_the_negotiated_timestamp_is_dropped),
        cmocka_unit_test(after_24_days_an_old_timestamp_is_no_evidence),
        cmocka_unit_test(the_echoed_timestamp_is_that_of_the_segment_the_ack_is_for),
        cmocka_unit_test(an_echo_measures_a_segment_sent_twice),
        cmocka_unit_test(an_echo_of_nothing_we_sent_measures_nothing),
        cmocka_unit_test(keepalive_is_off_unless_asked_for),
        cmocka_unit_test(a_silent_peer_is_probed_and_given_up),
        cmocka_unit_test(a_bare_ack_on_the_right_edge_is_taken),
    };
    return cmocka_run_group_tests_name("tcp attacks and old segments", tests, NULL, NULL);
}
