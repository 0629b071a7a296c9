/*
 * Lost segments: timeouts (RFC 6298), fast retransmit and recovery (RFC 5681, 6582), limited transmit (RFC
 * 3042), smaller paths.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/tcp/fixture.h"

/* Ten segments are in flight. */
static void given_flight(struct fix *f)
{
    given(f, TCP_ESTABLISHED);
    assert_int_equal(sends(f, 10 * MSS), 10);
}

static void duplicate_ack(struct fix *f)
{
    assert_int_equal(arrives(f, TCP_ACK, THEIRS, f->c.snd_una, 0), DROP_NONE);
}

static void a_timeout_goes_back_to_the_first_unacknowledged_byte(void **state)
{
    struct fix f;
    given_flight(&f);
    passes(&f, S);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS, 1000);
    assert_int_equal(f.plans[0].position, 0);
    assert_int_equal(f.c.cwnd, MSS);
    assert_int_equal(f.c.ssthresh, 5 * MSS);
    arrives(&f, TCP_ACK, THEIRS, OURS + 1000, 0);
    assert_int_equal(plan_all(&f), 2); /* slow start anew, over what was sent before */
    assert_plan(&f.plans[0], TCP_ACK, OURS + 1000, THEIRS, 1000);
    done(&f);
}

static void what_arrived_after_all_is_not_sent_a_third_time(void **state)
{
    struct fix f;
    given_flight(&f);
    passes(&f, S);
    plan_all(&f);
    arrives(&f, TCP_ACK, THEIRS, OURS + 9000, 0);
    assert_int_equal(f.c.cwnd, 2 * MSS); /* one segment an ACK after a loss */
    assert_one_plan(&f, TCP_ACK, OURS + 9000, THEIRS, 1000);
    done(&f);
}

static void the_timeout_doubles_until_the_connection_is_given_up(void **state)
{
    struct fix f;
    given_flight(&f);
    f.config.retransmit_max = 4;
    for (uint64_t pause = S, i = 0; i < 4; i++, pause *= 2) {
        assert_int_equal(tcp_deadline(&f.c), f.now + pause);
        assert_int_equal(passes(&f, pause), 0);
        assert_int_equal(plan_all(&f), 1);
    }
    assert_int_equal(passes(&f, 16 * S), TCP_EV_TIMEOUT | TCP_EV_CLOSED);
    done(&f);
}

static void after_a_life_of_ours_the_timeout_and_the_patience_begin_anew(void **state)
{
    struct fix f;
    given_flight(&f);
    f.config.retransmit_max = 3;
    uint64_t rto = 0;
    for (unsigned life = 0; life < 10; life++) { /* each sends it again once and twice, and dies */
        for (unsigned k = 0; k < 2; k++) {
            uint64_t wait = tcp_deadline(&f.c) - f.now;
            rto = rto ? rto : wait;
            assert_int_equal(passes(&f, wait), 0);
            assert_one_plan(&f, TCP_ACK, OURS, THEIRS, 1000);
        }
        f.now += 10 * MS;
        tcp_resumed(&f.c, &f.env, f.now);
        assert_true(tcp_deadline(&f.c) - f.now <= rto);
    }
    assert_state(&f, TCP_ESTABLISHED);
    done(&f);
}

static void the_timeout_is_bounded_above(void **state)
{
    struct fix f;
    given_flight(&f);
    f.config.rto_max_us = 3 * S;
    for (int i = 0; i < 5; i++) {
        passes(&f, 3 * S);
        plan_all(&f);
    }
    assert_int_equal(tcp_deadline(&f.c), f.now + 3 * S);
    done(&f);
}

static void the_first_measurement_sets_the_timeout(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    sends(&f, 100);
    f.now += 300 * MS;
    arrives(&f, TCP_ACK, THEIRS, OURS + 100, 0);
    assert_int_equal(f.c.srtt_us, 300 * MS);
    assert_int_equal(f.c.rttvar_us, 150 * MS);
    sends(&f, 100);
    assert_int_equal(tcp_deadline(&f.c), f.now + 900 * MS);
    done(&f);
}

static void a_steady_round_trip_brings_the_timeout_down_to_its_floor(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    for (uint32_t i = 1; i <= 50; i++) {
        sends(&f, 100);
        f.now += 2 * MS;
        arrives(&f, TCP_ACK, THEIRS, OURS + 100 * i, 0);
    }
    sends(&f, 100);
    assert_int_equal(tcp_deadline(&f.c), f.now + f.config.rto_min_us);
    done(&f);
}

static void a_segment_sent_twice_is_not_measured(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    sends(&f, 100);
    passes(&f, S);
    plan_all(&f);
    f.now += MS;
    arrives(&f, TCP_ACK, THEIRS, OURS + 100, 0);
    assert_int_equal(f.c.srtt_us, 0);
    sends(&f, 100); /* Karn: still doubled */
    assert_int_equal(tcp_deadline(&f.c), f.now + 2 * S);
    done(&f);
}

static void three_duplicate_acks_repair_the_first_segment(void **state)
{
    struct fix f;
    given_flight(&f);
    duplicate_ack(&f);
    duplicate_ack(&f);
    assert_int_equal(plan_all(&f), 0);
    duplicate_ack(&f);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS, 1000);
    assert_int_equal(f.c.ssthresh, 5 * MSS);
    assert_int_equal(f.c.cwnd, 8 * MSS);
    assert_int_equal(f.counters.fast_retransmits, 1);
    done(&f);
}

static void the_first_two_duplicate_acks_let_new_segments_out(void **state)
{
    struct fix f;
    given_flight(&f);
    f.pending = 5000;
    duplicate_ack(&f);
    assert_one_plan(&f, TCP_ACK, OURS + 10000, THEIRS, 1000);
    duplicate_ack(&f);
    assert_one_plan(&f, TCP_ACK, OURS + 11000, THEIRS, 1000);
    done(&f);
}

static void recovery_lets_new_segments_out_as_duplicates_come_in(void **state)
{
    struct fix f;
    given_flight(&f);
    for (int i = 0; i < 3; i++)
        duplicate_ack(&f);
    plan_all(&f);
    f.pending = 5000;
    for (int i = 0; i < 2; i++) {
        duplicate_ack(&f);
        assert_int_equal(plan_all(&f), 0);
    }
    duplicate_ack(&f);
    assert_one_plan(&f, TCP_ACK, OURS + 10000, THEIRS, 1000);
    done(&f);
}

static void a_partial_ack_repairs_the_next_hole_at_once(void **state)
{
    struct fix f;
    given_flight(&f);
    for (int i = 0; i < 3; i++)
        duplicate_ack(&f);
    plan_all(&f);
    arrives(&f, TCP_ACK, THEIRS, OURS + 3000, 0);
    assert_one_plan(&f, TCP_ACK, OURS + 3000, THEIRS, 1000);
    assert_int_equal(f.c.cwnd, (8 - 3 + 1) * MSS);
    assert_int_equal(f.counters.fast_retransmits, 1);
    done(&f);
}

static void a_full_ack_ends_recovery_at_the_halved_window(void **state)
{
    struct fix f;
    given_flight(&f);
    for (int i = 0; i < 3; i++)
        duplicate_ack(&f);
    plan_all(&f);
    f.pending = 2000;
    duplicate_ack(&f), duplicate_ack(&f), duplicate_ack(&f), duplicate_ack(&f);
    plan_all(&f);
    arrives(&f, TCP_ACK, THEIRS, OURS + 10000, 0);
    assert_false(f.c.flags & TCP_F_RECOVERY);
    assert_true(f.c.cwnd <= 5 * MSS);
    done(&f);
}

static void only_the_first_partial_ack_restarts_the_timer(void **state)
{
    struct fix f;
    given_flight(&f);
    for (int i = 0; i < 3; i++)
        duplicate_ack(&f);
    plan_all(&f);
    f.now += 100 * MS;
    arrives(&f, TCP_ACK, THEIRS, OURS + 1000, 0);
    uint64_t deadline = tcp_deadline(&f.c);
    assert_true(deadline > START + S);
    f.now += 100 * MS;
    arrives(&f, TCP_ACK, THEIRS, OURS + 2000, 0);
    assert_int_equal(tcp_deadline(&f.c), deadline);
    done(&f);
}

static void duplicates_caused_by_a_timeout_do_not_begin_a_recovery(void **state)
{
    struct fix f;
    given_flight(&f);
    passes(&f, S);
    plan_all(&f);
    for (int i = 0; i < 5; i++)
        duplicate_ack(&f);
    assert_int_equal(f.counters.fast_retransmits, 0);
    done(&f);
}

static void an_ack_with_text_or_another_window_is_no_duplicate(void **state)
{
    struct fix f;
    given_flight(&f);
    for (uint32_t i = 0; i < 5; i++)
        arrives(&f, TCP_ACK, THEIRS + i * 10, OURS, 10);
    for (uint16_t i = 0; i < 5; i++) {
        f.next.window = (uint16_t)(WINDOW - 100 * (i + 1));
        arrives(&f, TCP_ACK, THEIRS + 50, OURS, 0);
    }
    assert_int_equal(f.counters.duplicate_acks, 0);
    done(&f);
}

static void congestion_avoidance_adds_one_segment_a_round_trip(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    f.c.ssthresh = 10 * MSS;
    sends(&f, 100 * MSS);
    for (uint32_t i = 1; i <= 10; i++) {
        arrives(&f, TCP_ACK, THEIRS, OURS + i * MSS, 0);
        plan_all(&f);
    }
    assert_in_range(f.c.cwnd, 10900, 11000);
    done(&f);
}

static void a_smaller_path_slices_what_was_sent(void **state)
{
    struct fix f;
    given_flight(&f);
    assert_true(tcp_path_mtu(&f.c, OURS + 5000, 600));
    assert_int_equal(plan_all(&f), 17);
    assert_plan(&f.plans[0], TCP_ACK, OURS, THEIRS, 600);
    assert_plan(&f.plans[16], TCP_ACK, OURS + 9600, THEIRS, 400);
    assert_int_equal(f.plans[16].position, 9600);
    done(&f);
}

static void a_quoted_segment_that_is_not_in_flight_changes_nothing(void **state)
{
    struct fix f;
    given_flight(&f);
    assert_false(tcp_path_mtu(&f.c, OURS - 1, 600));
    assert_false(tcp_path_mtu(&f.c, OURS + 10000, 600));
    assert_int_equal(f.c.mss, MSS);
    done(&f);
}

static void a_path_is_never_taken_for_larger_or_absurdly_small(void **state)
{
    struct fix f;
    given_flight(&f);
    assert_true(tcp_path_mtu(&f.c, OURS, 1400));
    assert_int_equal(f.c.mss, MSS);
    assert_true(tcp_path_mtu(&f.c, OURS, 1));
    assert_int_equal(f.c.mss, 88);
    done(&f);
}

static void an_ack_again_with_nothing_in_flight_is_no_duplicate(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    for (int i = 0; i < 5; i++)
        duplicate_ack(&f);
    assert_int_equal(f.counters.duplicate_acks, 0);
    assert_int_equal(f.c.dup_acks, 0);
    done(&f);
}

static void what_is_sent_again_fits_a_window_that_has_shrunk(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    sends(&f, 3000);
    f.next.window = 100;
    duplicate_ack(&f);
    passes(&f, S);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS, 100);
    done(&f);
}

static void a_gibibyte_without_loss_does_not_hide_the_next_one(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    f.c.recover = f.c.snd_una - (1u << 30);
    sends(&f, 3000);
    arrives(&f, TCP_ACK, THEIRS, OURS + 1000, 0);
    assert_int_equal(f.c.recover, OURS + 999);
    for (int i = 0; i < 3; i++)
        duplicate_ack(&f);
    assert_int_equal(f.counters.fast_retransmits, 1);
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_timeout_goes_back_to_the_first_unacknowledged_byte),
        cmocka_unit_test(what_arrived_after_all_is_not_sent_a_third_time),
        cmocka_unit_test(the_timeout_doubles_until_the_connection_is_given_up),
        cmocka_unit_test(after_a_life_of_ours_the_timeout_and_the_patience_begin_anew),
        cmocka_unit_test(the_timeout_is_bounded_above),
        cmocka_unit_test(the_first_measurement_sets_the_timeout),
        cmocka_unit_test(a_steady_round_trip_brings_the_timeout_down_to_its_floor),
        cmocka_unit_test(a_segment_sent_twice_is_not_measured),
        cmocka_unit_test(three_duplicate_acks_repair_the_first_segment),
        cmocka_unit_test(the_first_two_duplicate_acks_let_new_segments_out),
        cmocka_unit_test(recovery_lets_new_segments_out_as_duplicates_come_in),
        cmocka_unit_test(a_partial_ack_repairs_the_next_hole_at_once),
        cmocka_unit_test(a_full_ack_ends_recovery_at_the_halved_window),
        cmocka_unit_test(only_the_first_partial_ack_restarts_the_timer),
        cmocka_unit_test(duplicates_caused_by_a_timeout_do_not_begin_a_recovery),
        cmocka_unit_test(an_ack_with_text_or_another_window_is_no_duplicate),
        cmocka_unit_test(congestion_avoidance_adds_one_segment_a_round_trip),
        cmocka_unit_test(a_smaller_path_slices_what_was_sent),
        cmocka_unit_test(a_quoted_segment_that_is_not_in_flight_changes_nothing),
        cmocka_unit_test(a_path_is_never_taken_for_larger_or_absurdly_small),
        cmocka_unit_test(an_ack_again_with_nothing_in_flight_is_no_duplicate),
        cmocka_unit_test(what_is_sent_again_fits_a_window_that_has_shrunk),
        cmocka_unit_test(a_gibibyte_without_loss_does_not_hide_the_next_one),
    };
    return cmocka_run_group_tests_name("tcp loss", tests, NULL, NULL);
}
