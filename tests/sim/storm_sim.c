/*
 * Storms, in virtual time: a worker and the control plane's live half on one region, and ten thousand gateway
 * clients. All but a few lose their connections in one moment, while messages go on. They are back in time,
 * at the rate that is configured; what cannot be served yet is told to come again later, and does; nobody
 * misses, doubles or reorders an event, and those who never left have their heartbeats answered at once. Then
 * a hundred thousand identifies a second with wrong tokens, which nobody notices.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "storm_crowd.h"
#include "storm_plane.h"

#define SECOND   1000000u
#define ACCOUNTS 100u
#ifdef __SANITIZE_ADDRESS__ /* where a tenth takes as long */
#define CROWD 1000u
#define LIES  10000u
#define TIMES 1u
#else
#define CROWD 10000u
#define LIES  100000u
#define TIMES 10u
#endif
#define STEADY  64u    /* who never leave: the last of the crowd */
#define SOON_US 10000u /* two turns */

static struct region_geometry geometry = {.workers = 1,
                                          .connections = 16384,
                                          .blocks = 65536,
                                          .descriptors = 65536,
                                          .items = 65536,
                                          .chunks = 65536,
                                          .topic_chunks = 1024,
                                          .rooms = 4,
                                          .members = 8,
                                          .sessions = 10752,
                                          .topics = 16,
                                          .control_blocks = 4096,
                                          .log_segments = 64,
                                          .ring_bytes = 16u << 20,
                                          .capture_bytes = 1u << 16,
                                          .undo_bytes = 512u << 10};

static struct sim sim;
static struct crowd crowd;

/* ---- the world ---- */

static uint64_t drops(enum drop_reason why)
{
    return sim.worker->counters->drop[why] + plane_drops(why);
}

static void turn(void)
{
    crowd_act(&crowd);
    sim_work(&sim, false);
    crowd_hear(&crowd);
    plane_turn(sim.now_us);
}

static bool everybody_is_ready(uint32_t first, uint32_t behind)
{
    for (uint32_t k = first; k < behind; k++)
        if (!crowd.client[k].ready)
            return false;
    return true;
}

static bool everybody_has_heard_everything(void)
{
    for (uint32_t k = 0; k < crowd.count; k++)
        if (crowd.client[k].messages != plane_said())
            return false;
    return true;
}

static void turns_until(bool (*done)(void), unsigned most)
{
    for (unsigned i = 0; i < most && !done(); i++)
        turn();
    assert_true(done());
}

static bool all_ready(void)
{
    return everybody_is_ready(0, crowd.count);
}

/* `leavers` clients and those who stay, each with a session, and a message that all have heard. */
static void start(uint32_t leavers)
{
    sim_start(&sim, &geometry, 1);
    sim.answers_arp = true;
    sim.check_every = 16; /* it looks at everybody */
    sim.config.heartbeat_interval_ms = 41250;
    sim.config.unsent_max = 1024;
    sim.config.keep_max = 4096;
    sim.config.syn_max = 4096; /* tls.half_open_max */
    sim.config.handshake_us = 10 * SECOND;
    sim.config.head_us = sim.config.reader_us = 10 * SECOND;
    sim.config.tcp.time_wait_us = SECOND / 2;
    plane_open(&sim.region, sim.now_us, ACCOUNTS);
    crowd_open(&crowd, &sim, leavers + STEADY);
    plane_pace(0, 10000);
    for (uint32_t k = 0; k < crowd.count; k++) {
        crowd.client[k].token = plane_token(k % ACCOUNTS);
        crowd_come(&crowd, k, sim.now_us + k * 200ull); /* 5,000 a second */
    }
    turns_until(all_ready, 2000);
    assert_int_equal(crowd.identified, crowd.count);
    plane_say();
    turns_until(everybody_has_heard_everything, 200);
    plane_pace(1000, 10000);
}

static void stop(void)
{
    crowd_close(&crowd);
    plane_close();
    sim_stop(&sim);
}

/* Those who stay are heard all the time, each every 320 ms. */
static void beat(unsigned turn)
{
    crowd_beat(&crowd, crowd.count - STEADY + turn % STEADY);
}

/* Everybody but those who stay is gone in one moment, and tries to come back within the next 50 ms. */
static void drop_all(void)
{
    uint32_t leavers = crowd.count - STEADY;
    for (uint32_t k = 0; k < leavers; k++) {
        crowd_drop(&crowd, k);
        crowd_come(&crowd, k, sim.now_us + 5000 + sim_chance(&sim, 50000));
    }
}

struct storm {
    uint64_t took_us;      /* until all were back */
    uint64_t in_100ms_max; /* resumes */
};

/* Messages go on meanwhile, four a second. */
static struct storm storm(unsigned turns_max)
{
    struct storm s = {0};
    uint64_t began = sim.now_us;
    uint64_t before = plane_resumed();
    crowd.late_us = crowd.resumed = 0;
    drop_all();
    for (unsigned i = 0; i < turns_max && !everybody_is_ready(0, crowd.count); i++) {
        if (i % 50 == 1)
            plane_say();
        beat(i);
        turn();
        if (i % 20 == 19) {
            s.in_100ms_max = max_u64(s.in_100ms_max, plane_resumed() - before);
            before = plane_resumed();
        }
    }
    assert_true(everybody_is_ready(0, crowd.count));
    s.took_us = sim.now_us - began;
    turns_until(everybody_has_heard_everything, 400);
    return s;
}

static void nobody_lost_anything(uint32_t leavers)
{
    assert_int_equal(crowd.resumed, leavers);
    assert_int_equal(crowd.lost, 0);
    assert_int_equal(crowd.closes, 0);
    assert_int_equal(crowd.resets, 0);
    assert_int_equal(crowd.identified, crowd.count);
    assert_int_equal(plane_sessions(), crowd.count);
    assert_true(crowd.beats > CROWD / 100);
    assert_true(crowd.late_us <= SOON_US);
}

/* ---- storms ---- */

static void ten_thousand_that_lost_their_connections_are_back_within_five_seconds(void **state)
{
    start(CROWD);
    sim.shakes_per_turn = 20; /* 4,000 handshakes a second: one helper thread */
    plane_pace(1000, 3000);
    struct storm s = storm(4000);
    assert_true(s.took_us <= 5 * SECOND);
    assert_true(s.in_100ms_max <= 600); /* a tenth of a second's worth at once, and as many again */
    assert_int_equal(crowd.later, 0);
    nobody_lost_anything(CROWD);
    stop();
}

static void resumes_above_their_rate_wait_and_then_come_again_later(void **state)
{
    start(2000);
    plane_pace(1000, 250);
    struct storm s = storm(12000);
    assert_true(s.in_100ms_max <= 50); /* a tenth of a second's worth at once, and as many again */
    assert_true(s.took_us >= (2000 / 250 - 1) * (uint64_t)SECOND);
    assert_true(crowd.later >=
                2000 - 500 - 250); /* two seconds' worth wait, and some were let in meanwhile */
    assert_true(drops(DROP_GATEWAY_LATER) == crowd.later);
    nobody_lost_anything(2000);
    stop();
}

static void new_sessions_above_their_rate_come_again_later_and_all_begin(void **state)
{
    start(1000);
    plane_pace(100, 10000);
    uint32_t had = crowd.identified, beats = crowd.beats;
    crowd.late_us = 0;
    for (uint32_t k = 0; k < 1000; k++) { /* they have forgotten who they were */
        crowd.client[k].session_id[0] = 0;
        crowd.client[k].last_s = crowd.client[k].messages = 0;
    }
    drop_all();
    for (unsigned i = 0; i < 12000 && !everybody_is_ready(0, crowd.count); i++) {
        beat(i);
        turn();
    }
    assert_true(everybody_is_ready(0, crowd.count));
    assert_int_equal(crowd.identified - had, 1000);
    assert_true(crowd.later > 500);
    assert_int_equal(crowd.lost + crowd.closes + crowd.resets, 0);
    assert_true(crowd.beats - beats > 100 && crowd.late_us <= SOON_US);
    stop();
}

/* ---- silence ---- */

/* One and a half heartbeat intervals, and a moment for the news. */
static void silence(void)
{
    for (unsigned s = 0; s < 61; s++) {
        for (uint32_t k = crowd.count - STEADY; k < crowd.count; k++)
            crowd_beat(&crowd, k);
        turn();
        turn();
        sim.now_us += SECOND;
    }
    for (unsigned i = 0; i < 300; i++)
        turn();
}

static void after_a_hundred_thousand_silent_disconnects_nobody_is_seen_who_is_gone(void **state)
{
    start(CROWD);
    plane_pace(0, 0);
    for (unsigned round = 0; round < TIMES; round++) {
        assert_int_equal(plane_online(), ACCOUNTS);
        for (uint32_t k = 0; k < CROWD; k++)
            crowd_vanish(&crowd, k);
        silence();
        assert_int_equal(plane_online(), STEADY); /* of as many accounts, one each */
        assert_int_equal(sim.worker->connections->used, STEADY);
        for (uint32_t k = 0; k < CROWD; k++)
            crowd_come(&crowd, k, sim.now_us + k * 50ull);
        turns_until(all_ready, 2000);
        for (unsigned i = 0; i < 200; i++) /* others are told of a user twice a second at most */
            turn();
    }
    assert_int_equal(plane_online(), ACCOUNTS);
    assert_int_equal(crowd.resumed, TIMES * CROWD);
    assert_int_equal(crowd.lost + crowd.closes + crowd.resets, 0);
    stop();
}

/* ---- wrong tokens ---- */

static void a_hundred_thousand_wrong_tokens_a_second_are_nobodys_business(void **state)
{
    enum { LIARS = 2500 };
    static char wrong[CROWD_TOKEN_MAX];
    start(LIARS);
    strcpy(wrong, plane_token(0));
    char *last = wrong + strlen(wrong) - 1;
    *last = *last == 'A' ? 'B' : 'A';
    for (uint32_t k = 0; k < LIARS; k++) {
        crowd_drop(&crowd, k);
        crowd.client[k].session_id[0] = 0;
        crowd.client[k].last_s = 0;
        crowd.client[k].token = wrong;
    }
    turn();
    uint64_t inputs = plane_inputs(), refused = drops(DROP_CONTROL_TOKEN), began = 0;
    uint32_t told = 0, next = 0;
    crowd.late_us = 0;
    for (unsigned i = 0; told < LIES && i < 1000; i++) {
        began += !i ? sim.now_us : 0;
        for (unsigned n = 0; n < 500; n++, next = (next + 1) % LIARS) { /* a hundred thousand a second come */
            struct crowd_client *o = &crowd.client[next];
            if (o->close_code) {
                assert_int_equal(o->close_code, 4004);
                told++;
                crowd_drop(&crowd, next);
            }
            o->close_code = 0;
            if (o->stage == CROWD_AWAY && !o->comes_back)
                crowd_come(&crowd, next, 0);
        }
        beat(i);
        turn();
    }
    assert_true(told >= LIES);
    assert_true(sim.now_us - began <= SECOND * 11 / 10);
    assert_true(drops(DROP_CONTROL_TOKEN) - refused >= told);
    assert_int_equal(plane_drops(DROP_CONTROL_TOKEN), 0);       /* not one got as far as that */
    assert_true(plane_inputs() - inputs <= 2 * (told + LIARS)); /* that it opened, and that it closed */
    assert_true(crowd.late_us <= SOON_US);
    plane_say();
    for (unsigned i = 0; i < 3; i++)
        turn();
    for (uint32_t k = LIARS; k < crowd.count; k++)
        assert_int_equal(crowd.client[k].messages, plane_said());
    stop();
}

static int set_up(void **state)
{
    return aead_init(AEAD_BACKEND_AUTO) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_that_lost_their_connections_are_back_within_five_seconds),
        cmocka_unit_test(resumes_above_their_rate_wait_and_then_come_again_later),
        cmocka_unit_test(new_sessions_above_their_rate_come_again_later_and_all_begin),
        cmocka_unit_test(after_a_hundred_thousand_silent_disconnects_nobody_is_seen_who_is_gone),
        cmocka_unit_test(a_hundred_thousand_wrong_tokens_a_second_are_nobodys_business),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
