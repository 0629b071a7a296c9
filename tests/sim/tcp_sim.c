/*
 * TCP against itself through a bad network: every byte arrives, once, in order, and both ends come to CLOSED,
 * whatever is lost, late, twice or damaged, and however often a process dies before its commit.
 *
 * A failing seed says how to run it alone with a trace:  tcp_sim --seed N [--test NAME]
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/sim/tcp_net.h"

#ifdef __SANITIZE_ADDRESS__ /* where a quarter takes as long */
#define SEEDS 50
#else
#define SEEDS 200
#endif

static struct net_params quiet_network(uint64_t seed)
{
    struct net_params p = {.seed = seed, .delay_us = 10000};
    for (int i = 0; i < 2; i++) {
        p.side[i] = (struct net_side){.total = 60000, .blocks = 256, .config = tcp_config_default()};
        p.side[i].config.retransmit_max = 60;
        p.side[i].config.syn_retransmit_max = 60;
        p.side[i].config.rto_max_us = 5000000;
        p.side[i].config.fin_wait_2_us = 3600000000; /* half-closed connections go on as long as they need */
    }
    return p;
}

/* Each seed draws its own sizes, readers, limits and addresses. */
static struct net_params drawn_network(uint64_t seed)
{
    static const uint32_t limits[] = {536, 1460, 3000, 8192, 32768, 65535, 300000};
    static const uint16_t sizes[] = {1460, 1460, 536, 88, 1200};
    uint64_t r = seed ^ 0x5eed;
    struct net_params p = quiet_network(seed);
    p.ip6 = net_random(&r) % 2;
    p.strange_iss = net_random(&r) % 2;
    p.delay_us = 100 + (uint32_t)(net_random(&r) % 50000);
    for (int i = 0; i < 2; i++) {
        struct net_side *s = &p.side[i];
        s->total = net_random(&r) % 4 == 0 ? net_random(&r) % 50 : net_random(&r) % 60000;
        s->record_max = net_random(&r) % 3 == 0 ? 300 : 0;
        s->reader = net_random(&r) % 3; /* not asleep */
        s->close_after_peer = i == 1 && net_random(&r) % 2;
        s->bytes_per_ms = net_random(&r) % 4 == 0 ? 40 : 0;
        s->config.rcv_limit = limits[net_random(&r) % 7];
        s->config.mss4 = s->config.mss6 = sizes[net_random(&r) % 5];
        s->config.timestamps = net_random(&r) % 4 != 0;
        s->config.sack = seed / 8 % 4 != 3;
        s->config.congestion = seed / 4 % 2 ? TCP_NEWRENO : TCP_CUBIC;
    }
    return p;
}

/* What the command line chose; 0 and NULL: all. */
static uint64_t only_seed;
static const char *only_test;

static void run(const char *test, struct net_params (*of)(uint64_t), uint64_t seeds)
{
    if (only_test && strcmp(only_test, test) != 0)
        return;
    for (uint64_t seed = 1; seed <= (only_seed ? only_seed : seeds); seed++) {
        if (only_seed && seed != only_seed)
            continue;
        struct net_params p = of(seed);
        p.trace = only_seed != 0;
        struct net_result r = net_run(&p);
        if (!r.complete)
            fail_msg("seed %lu: %s (after %.3f s of virtual time). Replay: tcp_sim --test %s --seed %lu",
                     seed, r.complaint, (double)r.end_us / 1e6, test, seed);
    }
}

static struct net_params lossy(uint64_t seed)
{
    struct net_params p = drawn_network(seed);
    p.loss = (uint32_t)(seed % 7 * 50); /* 0 to 30 % */
    return p;
}

static void every_byte_arrives_through_loss(void **state)
{
    run(__func__, lossy, SEEDS);
}

static struct net_params shuffled(uint64_t seed)
{
    struct net_params p = drawn_network(seed);
    p.reorder = 300;
    p.duplicate = 200;
    p.loss = 10;
    return p;
}

static void every_byte_arrives_once_through_reordering_and_duplication(void **state)
{
    run(__func__, shuffled, SEEDS);
}

static struct net_params damaged(uint64_t seed)
{
    struct net_params p = drawn_network(seed);
    p.corrupt = 100;
    p.duplicate = 50;
    return p;
}

static void no_damaged_byte_is_delivered(void **state)
{
    run(__func__, damaged, SEEDS);
}

static struct net_params dying(uint64_t seed)
{
    struct net_params p = drawn_network(seed);
    p.death = 100;
    p.loss = 20;
    p.reorder = 100;
    return p;
}

static void a_death_before_the_commit_looks_like_loss(void **state)
{
    run(__func__, dying, SEEDS);
}

static struct net_params few_blocks(uint64_t seed)
{
    struct net_params p = drawn_network(seed);
    p.loss = 30;
    p.reorder = 200;
    for (int i = 0; i < 2; i++) {
        p.side[i].blocks = 2 + (uint32_t)(seed % 3);
        p.side[i].reader = READER_PICKY;
    }
    return p;
}

static void a_small_block_pool_slows_but_never_stops(void **state)
{
    run(__func__, few_blocks, SEEDS);
}

static struct net_params asleep(uint64_t seed)
{
    struct net_params p = drawn_network(seed);
    p.side[seed % 2].reader = READER_ASLEEP;
    p.side[seed % 2].config.rcv_limit = 2000;
    p.side[!(seed % 2)].total = 30000;
    p.side[!(seed % 2)].record_min = seed % 3 ? 0 : 70;
    p.loss = (uint32_t)(seed % 4 * 50);
    return p;
}

static void a_closed_window_is_probed_until_it_opens(void **state)
{
    run(__func__, asleep, SEEDS / 2);
}

static struct net_params dreadful(uint64_t seed)
{
    struct net_params p = drawn_network(seed);
    p.loss = 150;
    p.reorder = 200;
    p.duplicate = 100;
    p.corrupt = 50;
    p.death = 30;
    return p;
}

static void every_byte_arrives_through_all_of_it(void **state)
{
    run(__func__, dreadful, SEEDS);
}

static struct net_params crossing(uint64_t seed)
{
    struct net_params p = drawn_network(seed);
    p.both_open = true;
    p.loss = (uint32_t)(seed % 5 * 50);
    p.reorder = seed % 2 ? 100 : 0;
    return p;
}

static void both_may_open_at_once(void **state)
{
    run(__func__, crossing, SEEDS);
}

static struct net_params short_and_both_close(uint64_t seed)
{
    struct net_params p = drawn_network(seed);
    p.side[0].total = p.side[1].total = 1 + seed % 3;
    p.side[0].close_after_peer = p.side[1].close_after_peer = false;
    p.side[0].bytes_per_ms = p.side[1].bytes_per_ms = 0;
    p.loss = (uint32_t)(seed % 7 * 50);
    p.duplicate = p.reorder = 100;
    return p;
}

static void both_may_close_at_once(void **state)
{
    run(__func__, short_and_both_close, SEEDS);
}

/* One side aborts in the middle: the other one learns it from the RST, or from the answer to its next probe.
 */
static struct net_params aborting(uint64_t seed)
{
    struct net_params p = drawn_network(seed);
    p.loss = (uint32_t)(seed % 5 * 50);
    p.side[seed % 2].abort_us = 1 + seed * 7919 % 400000;
    for (int i = 0; i < 2; i++) {
        p.side[i].total = 60000;
        p.side[i].config.keepalive_idle_us = 10000000;
        p.side[i].config.keepalive_interval_us = 1000000;
    }
    return p;
}

static void an_abort_ends_both_sides_and_keeps_nothing(void **state)
{
    run(__func__, aborting, SEEDS);
}

static struct net_params wide(uint64_t seed)
{
    struct net_params p = quiet_network(seed);
    p.bits_per_s = 100000000;
    p.queue_bytes = 100000;
    p.side[1].total = 4000000;
    p.side[0].total = 0;
    p.side[0].config.rcv_limit = 1000000;
    p.side[0].blocks = 1024;
    p.side[0].close_after_peer = true;
    return p;
}

/* 4 MB at 100 Mbit/s take 0.34 s at least; slow start over a round trip of 20 ms may take 0.2 s more. */
static void a_clean_wide_link_is_filled(void **state)
{
    struct net_params p = wide(1);
    p.queue_bytes = 2000000;
    struct net_result r = net_run(&p);
    assert_true(r.complete);
    assert_in_range(r.delivered_us, 340000, 600000);
}

/* Slow start overruns the queue and loses most of a window: repaired even without SACK, within a second or
 * two. */
static void an_overrun_queue_is_recovered_from(void **state)
{
    struct net_params p = wide(1);
    p.side[0].config.sack = false;
    struct net_result r = net_run(&p);
    assert_true(r.complete);
    assert_true(r.counters[1].retransmits > 50);
    assert_in_range(r.delivered_us, 340000, 2500000);
}

static void one_percent_loss_is_repaired_mostly_without_timeouts(void **state)
{
    struct net_params p = wide(2);
    p.loss = 10;
    struct net_result r = net_run(&p);
    assert_true(r.complete);
    assert_true(r.counters[1].fast_retransmits > 3 * r.counters[1].timeouts);
    assert_true(r.counters[1].retransmits < 4000000 / 1448 / 10);
}

static void nothing_is_sent_twice_on_a_clean_link(void **state)
{
    struct net_params p = quiet_network(3);
    struct net_result r = net_run(&p);
    assert_true(r.complete);
    assert_int_equal(r.counters[0].retransmits, 0);
    assert_int_equal(r.counters[1].retransmits, 0);
}

static void the_same_seed_gives_the_same_run(void **state)
{
    struct net_params p = dreadful(4);
    struct net_result a = net_run(&p), b = net_run(&p);
    assert_int_equal(a.end_us, b.end_us);
    assert_memory_equal(a.counters, b.counters, sizeof a.counters);
    assert_true(a.corrupted && a.deaths);
}

int main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        if (strcmp(argv[i], "--seed") == 0)
            only_seed = strtoull(argv[i + 1], NULL, 10);
        if (strcmp(argv[i], "--test") == 0)
            only_test = argv[i + 1];
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_sent_twice_on_a_clean_link),
        cmocka_unit_test(every_byte_arrives_through_loss),
        cmocka_unit_test(every_byte_arrives_once_through_reordering_and_duplication),
        cmocka_unit_test(no_damaged_byte_is_delivered),
        cmocka_unit_test(a_death_before_the_commit_looks_like_loss),
        cmocka_unit_test(a_small_block_pool_slows_but_never_stops),
        cmocka_unit_test(a_closed_window_is_probed_until_it_opens),
        cmocka_unit_test(every_byte_arrives_through_all_of_it),
        cmocka_unit_test(both_may_open_at_once),
        cmocka_unit_test(both_may_close_at_once),
        cmocka_unit_test(an_abort_ends_both_sides_and_keeps_nothing),
        cmocka_unit_test(a_clean_wide_link_is_filled),
        cmocka_unit_test(an_overrun_queue_is_recovered_from),
        cmocka_unit_test(one_percent_loss_is_repaired_mostly_without_timeouts),
        cmocka_unit_test(the_same_seed_gives_the_same_run),
    };
    return cmocka_run_group_tests_name("tcp_sim", tests, NULL, NULL);
}
