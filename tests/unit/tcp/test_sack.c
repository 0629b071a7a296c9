/*
 * Selective acknowledgment: what we tell (RFC 2018, 2883), what we believe, and how a loss is found and
 * repaired with it (RFC 8985, 6937).
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/tcp/fixture.h"

#define RTT (20 * MS)

static void given_sack(struct fix *f)
{
    given(f, TCP_ESTABLISHED);
    f->c.flags |= TCP_F_SACK;
    f->c.srtt_us = f->c.rtt_min_us = RTT;
    f->c.rttvar_us = RTT / 2;
}

/* Ten segments were sent together, one round trip ago. */
static void given_flight(struct fix *f)
{
    given_sack(f);
    assert_int_equal(sends(f, 10 * MSS), 10);
    f->now += RTT;
}

/* Segments [from, to) of the flight are sacked, nothing more is acknowledged. */
static enum drop_reason sacked(struct fix *f, uint32_t from, uint32_t to)
{
    f->next.sack_count = 1;
    f->next.sack[0] = (struct tcp_range){OURS + from * MSS, OURS + to * MSS};
    enum drop_reason reason = arrives(f, TCP_ACK, THEIRS, f->c.snd_una, 0);
    f->next.sack_count = 0;
    return reason;
}

static void acked(struct fix *f, uint32_t segments)
{
    assert_int_equal(arrives(f, TCP_ACK, THEIRS, OURS + segments * MSS, 0), DROP_NONE);
}

/* ---- what we tell ---- */

static void assert_blocks(const struct tcp_plan *p, unsigned count, const uint32_t offsets[][2])
{
    assert_int_equal(p->sack_count, count);
    for (unsigned i = 0; i < count; i++) {
        assert_int_equal(p->sack[i].start, THEIRS + offsets[i][0]);
        assert_int_equal(p->sack[i].end, THEIRS + offsets[i][1]);
    }
}

static void the_latest_range_is_told_first(void **state)
{
    struct fix f;
    given_sack(&f);
    arrives(&f, TCP_ACK, THEIRS + 1000, OURS, 100);
    arrives(&f, TCP_ACK, THEIRS + 5000, OURS, 100);
    arrives(&f, TCP_ACK, THEIRS + 3000, OURS, 100);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS, 0);
    assert_blocks(&f.plans[0], 3, (const uint32_t[][2]){{3000, 3100}, {1000, 1100}, {5000, 5100}});
    done(&f);
}

static void beside_a_timestamp_three_blocks_are_told(void **state)
{
    struct fix f;
    given_timestamps(&f);
    f.c.flags |= TCP_F_SACK;
    for (uint32_t i = 4; i > 0; i--)
        arrives(&f, TCP_ACK, THEIRS + i * 1000, OURS, 100);
    plan_all(&f);
    assert_blocks(&f.plans[0], 3, (const uint32_t[][2]){{1000, 1100}, {2000, 2100}, {3000, 3100}});
    assert_true(tcp_header_len(&f.plans[0]) <= TCP_HEADER_MAX);
    done(&f);
}

static void a_duplicate_is_reported_once(void **state)
{
    struct fix f;
    given_sack(&f);
    arrives(&f, TCP_ACK, THEIRS, OURS, 1000);
    tcp_consume(&f.c, &f.env, 0);
    plan_all(&f);
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS + 200, OURS, 300), DROP_TCP_DUPLICATE);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS + 1000, 0);
    assert_blocks(&f.plans[0], 1, (const uint32_t[][2]){{200, 500}});
    arrives(&f, TCP_ACK, THEIRS + 3000, OURS, 100);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS + 1000, 0);
    assert_blocks(&f.plans[0], 1, (const uint32_t[][2]){{3000, 3100}});
    done(&f);
}

static void a_duplicate_of_what_is_held_out_of_order_is_reported_before_it(void **state)
{
    struct fix f;
    given_sack(&f);
    arrives(&f, TCP_ACK, THEIRS + 1000, OURS, 1000);
    plan_all(&f);
    arrives(&f, TCP_ACK, THEIRS + 1200, OURS, 300);
    plan_all(&f);
    assert_blocks(&f.plans[0], 2, (const uint32_t[][2]){{1200, 1500}, {1000, 2000}});
    done(&f);
}

static void a_full_segment_has_no_room_for_blocks_and_an_ack_of_their_own_follows(void **state)
{
    struct fix f;
    given_sack(&f);
    arrives(&f, TCP_ACK, THEIRS + 1000, OURS, 100);
    assert_int_equal(sends(&f, MSS), 2);
    assert_plan(&f.plans[0], TCP_ACK, OURS, THEIRS, MSS);
    assert_int_equal(f.plans[0].sack_count, 0);
    assert_plan(&f.plans[1], TCP_ACK, OURS + MSS, THEIRS, 0);
    assert_int_equal(f.plans[1].sack_count, 1);
    done(&f);
}

static void blocks_ride_on_a_small_segment(void **state)
{
    struct fix f;
    given_sack(&f);
    arrives(&f, TCP_ACK, THEIRS + 1000, OURS, 100);
    assert_int_equal(sends(&f, 500), 1);
    assert_int_equal(f.plans[0].sack_count, 1);
    done(&f);
}

static void without_negotiation_nothing_is_told(void **state)
{
    struct fix f;
    given(&f, TCP_ESTABLISHED);
    arrives(&f, TCP_ACK, THEIRS + 1000, OURS, 100);
    arrives(&f, TCP_ACK, THEIRS - 100, OURS, 100);
    plan_all(&f);
    assert_int_equal(f.plans[0].sack_count, 0);
    done(&f);
}

/* ---- what we find ---- */

static void three_segments_behind_a_hole_tell_that_it_is_lost(void **state)
{
    struct fix f;
    given_flight(&f);
    sacked(&f, 1, 2);
    assert_int_equal(plan_all(&f), 0);
    sacked(&f, 1, 3);
    assert_int_equal(plan_all(&f), 0);
    sacked(&f, 1, 4);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS, MSS);
    assert_int_equal(f.counters.fast_retransmits, 1);
    assert_int_equal(f.c.ssthresh, 5 * MSS);
    done(&f);
}

static void only_the_holes_are_sent_again(void **state)
{
    struct fix f;
    given_flight(&f);
    sacked(&f, 1, 3);
    sacked(&f, 4, 6);
    sacked(&f, 7, 10);
    assert_int_equal(plan_all(&f), 3);
    assert_plan(&f.plans[0], TCP_ACK, OURS, THEIRS, MSS);
    assert_plan(&f.plans[1], TCP_ACK, OURS + 3 * MSS, THEIRS, MSS);
    assert_plan(&f.plans[2], TCP_ACK, OURS + 6 * MSS, THEIRS, MSS);
    f.now += RTT;
    acked(&f, 10);
    assert_int_equal(plan_all(&f), 0);
    assert_int_equal(f.counters.retransmits, 3);
    assert_int_equal(f.c.cwnd, 5 * MSS);
    assert_int_equal(f.c.board, 0);
    done(&f);
}

static void a_single_segment_behind_a_hole_tells_it_after_a_quarter_of_a_round_trip(void **state)
{
    struct fix f;
    given_flight(&f);
    sacked(&f, 1, 2);
    assert_int_equal(tcp_deadline(&f.c), f.now + RTT / 4);
    passes(&f, RTT / 4);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS, MSS);
    assert_int_equal(f.counters.fast_retransmits, 1);
    done(&f);
}

static void a_repair_that_is_lost_too_is_noticed_by_what_was_sent_after_it(void **state)
{
    struct fix f;
    given_flight(&f);
    sacked(&f, 1, 10);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS, MSS);
    f.now += MS;
    f.pending = 3 * MSS;
    assert_int_equal(plan_all(&f), 3);
    f.now += RTT;
    sacked(&f, 10, 13);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS, MSS);
    assert_int_equal(f.counters.fast_retransmits, 1);
    assert_int_equal(f.counters.timeouts, 0);
    done(&f);
}

static void reordering_once_seen_is_waited_for(void **state)
{
    struct fix f;
    given_flight(&f);
    sacked(&f, 1, 2);
    acked(&f, 2); /* the first was only late */
    assert_true(f.c.repair & TCP_R_REORDERED);
    sacked(&f, 3, 7);
    assert_int_equal(plan_all(&f), 0);
    acked(&f, 7);
    assert_int_equal(f.counters.fast_retransmits, 0);
    done(&f);
}

static void duplicates_reported_make_it_more_patient(void **state)
{
    struct fix f;
    given_flight(&f);
    f.c.repair |= TCP_R_REORDERED;
    sacked(&f, 1, 2);
    passes(&f, RTT / 4);
    assert_int_equal(plan_all(&f), 1);
    f.next.sack_count = 1;
    f.next.sack[0] = (struct tcp_range){OURS, OURS + MSS};
    acked(&f, 2);
    f.next.sack_count = 0;
    sacked(&f, 3, 4);
    uint64_t patience = tcp_deadline(&f.c) - f.now;
    assert_true(patience > RTT / 4 && patience <= RTT / 2);
    done(&f);
}

/* ---- what may be sent meanwhile ---- */

static void recovery_halves_the_rate_instead_of_falling_silent(void **state)
{
    struct fix f;
    given_flight(&f);
    f.pending = 20 * MSS;
    unsigned sent = 0;
    for (uint32_t i = 2; i <= 10; i++) {
        sacked(&f, 1, i);
        sent += (unsigned)plan_all(&f);
    }
    assert_in_range(sent, 4, 7); /* of nine delivered, the first two by limited transmit */
    assert_true(f.c.snd_nxt - f.c.snd_una <= 17 * MSS);
    done(&f);
}

static void the_window_is_ssthresh_after_recovery(void **state)
{
    struct fix f;
    given_flight(&f);
    sacked(&f, 1, 10);
    plan_all(&f);
    f.now += RTT;
    f.pending = 20 * MSS;
    acked(&f, 10);
    assert_false(f.c.flags & TCP_F_RECOVERY);
    assert_int_equal(f.c.cwnd, 5 * MSS);
    assert_int_equal(plan_all(&f), 5);
    done(&f);
}

static void an_echo_from_before_the_repair_undoes_the_reduction(void **state)
{
    struct fix f;
    given_timestamps(&f);
    f.c.flags |= TCP_F_SACK;
    f.c.srtt_us = f.c.rtt_min_us = RTT;
    f.c.rttvar_us = RTT / 2;
    sends(&f, 10 * MSS);
    uint32_t first_sent = f.plans[0].ts_val;
    f.now += RTT;
    f.next.ts_ecr = first_sent;
    sacked(&f, 1, 4);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS, MSS);
    assert_true(f.c.flags & TCP_F_RECOVERY);
    f.now += MS;
    acked(&f, 4); /* the first one came late, and its echo is its own */
    assert_false(f.c.flags & TCP_F_RECOVERY);
    assert_int_equal(f.c.ssthresh, 1u << 30);
    assert_true(f.c.cwnd >= 10 * MSS);
    done(&f);
}

static void an_echo_of_the_repair_does_not(void **state)
{
    struct fix f;
    given_timestamps(&f);
    f.c.flags |= TCP_F_SACK;
    f.c.srtt_us = f.c.rtt_min_us = RTT;
    sends(&f, 10 * MSS);
    f.now += RTT;
    f.next.ts_ecr = f.plans[0].ts_val;
    sacked(&f, 1, 4);
    plan_all(&f);
    f.next.ts_ecr = f.plans[0].ts_val;
    f.now += RTT;
    acked(&f, 4);
    assert_true(f.c.flags & TCP_F_RECOVERY);
    assert_int_equal(f.c.ssthresh, 5 * MSS);
    done(&f);
}

/* ---- timeouts ---- */

static void after_a_timeout_what_was_sacked_is_not_sent_again(void **state)
{
    struct fix f;
    given_flight(&f);
    f.c.repair |= TCP_R_REORDERED;
    sacked(&f, 9, 10);
    while (!f.counters.timeouts)
        passes(&f, 300 * MS), plan_all(&f);
    f.now += RTT;
    acked(&f, 1);
    plan_all(&f);
    for (uint32_t i = 2; i < 9; i++) {
        f.now += RTT;
        acked(&f, i);
        plan_all(&f);
    }
    acked(&f, 10);
    assert_true(f.counters.retransmits <= 11);
    assert_true(f.c.snd_nxt == OURS + 10 * MSS);
    done(&f);
}

static void a_second_timeout_forgets_what_the_peer_sacked(void **state)
{
    struct fix f;
    given_flight(&f);
    sacked(&f, 1, 10);
    plan_all(&f);
    for (int i = 0; i < 2; i++)
        passes(&f, 5 * S), plan_all(&f);
    assert_int_equal(f.counters.timeouts, 2);
    f.c.cwnd = 20 * MSS;
    assert_int_equal(plan_all(&f), 9); /* all but the first, which has just gone out */
    done(&f);
}

static void a_peer_that_acknowledges_up_to_what_it_sacked_took_it_back(void **state)
{
    struct fix f;
    given_flight(&f);
    sacked(&f, 1, 10);
    plan_all(&f);
    f.now += RTT;
    acked(&f, 1); /* and not 10 */
    f.c.cwnd = 20 * MSS;
    assert_true(plan_all(&f) >= 9);
    assert_plan(&f.plans[0], TCP_ACK, OURS + MSS, THEIRS, MSS);
    done(&f);
}

/* ---- probes of the tail ---- */

static void a_lost_tail_is_probed_before_the_timeout(void **state)
{
    struct fix f;
    given_flight(&f);
    acked(&f, 7);
    assert_int_equal(tcp_deadline(&f.c), f.now + 2 * f.c.srtt_us);
    passes(&f, 2 * f.c.srtt_us);
    assert_one_plan(&f, TCP_ACK, OURS + 9 * MSS, THEIRS, MSS);
    assert_int_equal(f.counters.timeouts, 0);
    assert_int_equal(f.counters.tail_probes, 1);
    f.now += RTT;
    sacked(&f, 9, 10);
    passes(&f, RTT);
    assert_one_plan(&f, TCP_ACK, OURS + 7 * MSS, THEIRS, MSS); /* what the probe showed to be missing */
    f.now += RTT;
    acked(&f, 8);
    assert_one_plan(&f, TCP_ACK, OURS + 8 * MSS, THEIRS, MSS);
    done(&f);
}

static void a_probe_takes_new_bytes_if_there_are_any(void **state)
{
    struct fix f;
    given_flight(&f);
    acked(&f, 7);
    f.c.cwnd = 3 * MSS; /* used up */
    f.pending = MSS;
    assert_int_equal(plan_all(&f), 0);
    passes(&f, 2 * f.c.srtt_us);
    assert_one_plan(&f, TCP_ACK, OURS + 10 * MSS, THEIRS, MSS);
    assert_int_equal(f.counters.retransmits, 0);
    done(&f);
}

static void a_probe_that_repaired_a_loss_is_answered_for(void **state)
{
    struct fix f;
    given_flight(&f);
    acked(&f, 9);
    f.c.rttvar_us = 200 * MS;
    f.c.cwnd = 10 * MSS;
    f.now += MS;
    sends(&f, MSS);
    passes(&f, 2 * f.c.srtt_us);
    assert_int_equal(f.counters.tail_probes, 1);
    plan_all(&f);
    f.now += RTT;
    acked(&f, 11);
    assert_true(f.c.cwnd < 10 * MSS);
    done(&f);
}

static void a_probe_that_was_not_needed_costs_nothing(void **state)
{
    struct fix f;
    given_flight(&f);
    acked(&f, 7);
    passes(&f, 2 * f.c.srtt_us);
    plan_all(&f);
    uint32_t window = f.c.cwnd;
    f.next.sack_count = 1;
    f.next.sack[0] = (struct tcp_range){OURS + 9 * MSS, OURS + 10 * MSS};
    acked(&f, 10);
    assert_true(f.c.cwnd >= window);
    done(&f);
}

static void only_one_probe_goes_out_and_then_the_timeout_counts(void **state)
{
    struct fix f;
    given_flight(&f);
    acked(&f, 7);
    passes(&f, 2 * f.c.srtt_us);
    plan_all(&f);
    passes(&f, S);
    assert_int_equal(f.counters.tail_probes, 1);
    assert_int_equal(f.counters.timeouts, 1);
    done(&f);
}

/* ---- what we do not believe ---- */

static void blocks_beyond_what_was_sent_are_refused(void **state)
{
    struct fix f;
    given_flight(&f);
    assert_int_equal(sacked(&f, 9, 11), DROP_TCP_SACK_UNACCEPTABLE);
    assert_int_equal(f.c.board, 0);
    assert_int_equal(sacked(&f, 3, 3), DROP_TCP_SACK_UNACCEPTABLE);
    assert_int_equal(sacked(&f, 5, 3), DROP_TCP_SACK_UNACCEPTABLE);
    assert_int_equal(sacked(&f, 0, 3), DROP_TCP_SACK_UNACCEPTABLE);
    assert_int_equal(f.c.board, 0);
    done(&f);
}

static void a_refused_block_does_not_cost_the_segment_its_text(void **state)
{
    struct fix f;
    given_flight(&f);
    f.next.sack_count = 1;
    f.next.sack[0] = (struct tcp_range){OURS + 20 * MSS, OURS + 21 * MSS};
    assert_int_equal(arrives(&f, TCP_ACK, THEIRS, OURS + MSS, 10), DROP_TCP_SACK_UNACCEPTABLE);
    assert_true(f.out.events & TCP_EV_DATA);
    assert_int_equal(f.c.snd_una, OURS + MSS);
    done(&f);
}

/* Every second byte is sacked, in hundreds of blocks: memory and work stay bounded, and nothing breaks. */
static void crumbs_of_blocks_do_not_make_us_work_without_end(void **state)
{
    struct fix f;
    given_flight(&f);
    f.c.cwnd = 100 * MSS;
    uint64_t before = f.counters.segments_out;
    for (uint32_t i = 1; i < 1000; i++) {
        f.next.sack_count = 1;
        f.next.sack[0] = (struct tcp_range){OURS + 2 * i, OURS + 2 * i + 1};
        arrives(&f, TCP_ACK, THEIRS, OURS, 0);
        plan_all(&f);
    }
    assert_int_equal(f.blocks->used, 1);
    assert_true(f.counters.segments_out - before < 200);
    f.next.sack_count = 0;
    acked(&f, 10);
    assert_int_equal(f.blocks->used, 0);
    done(&f);
}

static void without_a_block_to_spare_it_repairs_as_without_sack(void **state)
{
    struct fix f;
    given_flight(&f);
    struct chain all = {0};
    while (chain_grow(&all, f.blocks, NULL))
        ;
    for (uint32_t i = 2; i <= 4; i++)
        sacked(&f, 1, i);
    assert_one_plan(&f, TCP_ACK, OURS, THEIRS, MSS);
    assert_int_equal(f.c.board, 0);
    acked(&f, 10);
    assert_false(f.c.flags & TCP_F_RECOVERY);
    all.length = 1;
    chain_free(&all, f.blocks, NULL);
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_latest_range_is_told_first),
        cmocka_unit_test(beside_a_timestamp_three_blocks_are_told),
        cmocka_unit_test(a_duplicate_is_reported_once),
        cmocka_unit_test(a_duplicate_of_what_is_held_out_of_order_is_reported_before_it),
        cmocka_unit_test(a_full_segment_has_no_room_for_blocks_and_an_ack_of_their_own_follows),
        cmocka_unit_test(blocks_ride_on_a_small_segment),
        cmocka_unit_test(without_negotiation_nothing_is_told),
        cmocka_unit_test(three_segments_behind_a_hole_tell_that_it_is_lost),
        cmocka_unit_test(only_the_holes_are_sent_again),
        cmocka_unit_test(a_single_segment_behind_a_hole_tells_it_after_a_quarter_of_a_round_trip),
        cmocka_unit_test(a_repair_that_is_lost_too_is_noticed_by_what_was_sent_after_it),
        cmocka_unit_test(reordering_once_seen_is_waited_for),
        cmocka_unit_test(duplicates_reported_make_it_more_patient),
        cmocka_unit_test(recovery_halves_the_rate_instead_of_falling_silent),
        cmocka_unit_test(the_window_is_ssthresh_after_recovery),
        cmocka_unit_test(an_echo_from_before_the_repair_undoes_the_reduction),
        cmocka_unit_test(an_echo_of_the_repair_does_not),
        cmocka_unit_test(after_a_timeout_what_was_sacked_is_not_sent_again),
        cmocka_unit_test(a_second_timeout_forgets_what_the_peer_sacked),
        cmocka_unit_test(a_peer_that_acknowledges_up_to_what_it_sacked_took_it_back),
        cmocka_unit_test(a_lost_tail_is_probed_before_the_timeout),
        cmocka_unit_test(a_probe_takes_new_bytes_if_there_are_any),
        cmocka_unit_test(a_probe_that_repaired_a_loss_is_answered_for),
        cmocka_unit_test(a_probe_that_was_not_needed_costs_nothing),
        cmocka_unit_test(only_one_probe_goes_out_and_then_the_timeout_counts),
        cmocka_unit_test(blocks_beyond_what_was_sent_are_refused),
        cmocka_unit_test(a_refused_block_does_not_cost_the_segment_its_text),
        cmocka_unit_test(crumbs_of_blocks_do_not_make_us_work_without_end),
        cmocka_unit_test(without_a_block_to_spare_it_repairs_as_without_sack),
    };
    return cmocka_run_group_tests_name("tcp sack", tests, NULL, NULL);
}
