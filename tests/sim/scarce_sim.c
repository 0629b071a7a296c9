/*
 * A worker whose pools run out, in virtual time. A scripted conversation goes through everything that takes an element of a pool. It is
 * held again and again: each time one pool has only so many elements left for one turn, so that every single allocation of the
 * conversation fails once. What is lost then is the connection that asked, with a counted reason; its neighbour goes on, and in the end
 * everything is given back.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "dataplane/ws/frame.h"
#include "sim_box.h"

static const char upgrade_gateway[] =
    "GET /?v=10&encoding=json HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
static const char upgrade_echo[] =
    "GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static const struct region_geometry geometry = {.workers = 1,
                                                .connections = 16,
                                                .blocks = 96,
                                                .descriptors = 128,
                                                .items = 64,
                                                .chunks = 16,
                                                .topic_chunks = 16,
                                                .rooms = 4,
                                                .members = 8,
                                                .sessions = SESSIONS,
                                                .topics = 4,
                                                .control_blocks = 4,
                                                .log_segments = 2,
                                                .ring_bytes = 1u << 20,
                                                .capture_bytes = 1u << 16,
                                                .undo_bytes = 256u << 10};

static struct sim sim;

static uint64_t drops(enum drop_reason why)
{
    return sim.worker->counters->drop[why];
}

static uint64_t all_drops(void)
{
    uint64_t sum = 0;
    for (unsigned i = 1; i < DROP_REASON_COUNT; i++)
        sum += drops(i);
    return sum;
}

static void say(struct sim_client *c, const char *text)
{
    sim_client_record(c, TLS_APPLICATION_DATA, text, strlen(text));
}

static void frame(struct sim_client *c, uint8_t opcode, bool fin, size_t len)
{
    static uint8_t bytes[20000], payload[16000];
    sim_client_record(c, TLS_APPLICATION_DATA, bytes, sim_frame(bytes, opcode, fin, payload, len));
}

/* ---- the conversation ---- */

#define TURNS 44u

/* The last frame gathered is lost, so that what follows it comes out of order. */
static void lose_one(void)
{
    if (sim.in_count)
        sim.in[0] = sim.in[--sim.in_count];
}

static void speak(unsigned turn)
{
    struct sim_client *http = &sim.client[1], *gateway = &sim.client[2], *echo = &sim.client[3];
    switch (turn) {
    case 0:
        sim_client_start(http, 40001, 7, sim.now_us);
        break;
    case 3:
        say(http, "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc");
        break;
    case 5:
        say(http, "\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n");
        break;
    case 10:
        sim_client_start(gateway, 40002, 7, sim.now_us);
        break;
    case 13:
        say(gateway, upgrade_gateway);
        break;
    case 16:
        sim_order(&sim, SIM_BIND, 0);
        break;
    case 17:
    case 18:
        for (unsigned i = 0; i < 16; i++)
            sim_order(&sim, SIM_DISPATCH, 0);
        break;
    case 20:
        frame(gateway, WS_OP_PING, true, 10);
        frame(gateway, WS_OP_TEXT, true, 3000);
        break;
    case 24:
        sim_client_start(echo, 40003, 7, sim.now_us);
        break;
    case 27:
        say(echo, upgrade_echo);
        break;
    case 29:
        frame(echo, WS_OP_BINARY, false, 5000);
        break;
    case 31:
        frame(echo, WS_OP_CONTINUATION, true, 9000);
        break;
    case 36:
        sim_order(&sim, SIM_CLOSE, 0);
        frame(echo, WS_OP_CLOSE, true, 0);
        tcp_close(&http->tcp);
        break;
    default:
        break;
    }
}

static struct pool *pool_of(unsigned which)
{
    struct worker *w = sim.worker;
    struct pool *const pools[] = {w->connections, w->blocks, w->records, w->items, w->queues.chunks, w->topics.chunks};
    return which < sizeof pools / sizeof *pools ? pools[which] : NULL;
}

/* What tells that each pool had nothing for somebody: every place that takes an element is behind one of these, but the scoreboards
 * of TCP, whose want nobody loses anything by. */
static const struct want {
    unsigned pool;
    enum drop_reason why;
} wants[] = {{0, DROP_TCP_NO_SLOT},       {1, DROP_TCP_NO_BUFFER},      {1, DROP_CONN_NO_BLOCK},  {2, DROP_CONN_NO_DESCRIPTOR},
             {3, DROP_CONN_NO_DESCRIPTOR}, {4, DROP_SESSION_NO_CHUNK}, {5, DROP_TOPIC_FULL}};
#define WANTS (sizeof wants / sizeof *wants)

static bool was_wanted[WANTS];

static void note_wants(unsigned pool)
{
    for (unsigned i = 0; i < WANTS; i++)
        was_wanted[i] |= wants[i].pool == pool && drops(wants[i].why) > 0;
}

static uint64_t usual_drops[TURNS]; /* what is dropped in each turn of a conversation that wants nothing */

/* True: something failed for want of an element. */
static bool conversation(unsigned which, unsigned hungry_turn, uint32_t left)
{
    sim_start(&sim, &geometry, 1);
    sim.answer_bytes = 5000;
    struct sim_client *neighbour = &sim.client[0];
    sim_client_start(neighbour, 40000, 7, sim.now_us);
    sim_turns(&sim, 4);
    say(neighbour, upgrade_echo);
    sim_turns(&sim, 4);
    uint64_t heard = neighbour->heard, asked = 0;
    struct pool *p = pool_of(which);
    bool failed = false;
    for (unsigned turn = 0; turn < TURNS; turn++) {
        bool hungry = p && turn == hungry_turn;
        uint64_t before = all_drops();
        if (hungry)
            sim_starve(&sim, p, left);
        if (!hungry && turn % 4 == 2 && turn + 1 != hungry_turn) { /* the neighbour wants nothing then */
            frame(neighbour, WS_OP_TEXT, true, 5);
            asked++;
        }
        speak(turn);
        for (uint32_t i = 0; i < CLIENTS; i++)
            sim_gather(&sim, &sim.client[i]);
        if (turn == 29 || turn == 31)
            lose_one();
        sim_work(&sim, false);
        sim_control(&sim, false);
        if (!p)
            usual_drops[turn] = all_drops() - before;
        if (hungry) {
            failed = all_drops() - before > usual_drops[turn];
            note_wants(which);
            sim_feed(&sim);
        }
    }
    for (unsigned i = 0; i < 200 && neighbour->heard - heard < 7 * asked; i++)
        sim_turn(&sim);
    assert_int_equal(neighbour->heard - heard, 7 * asked);
    assert_int_equal(neighbour->tcp.state, TCP_ESTABLISHED);
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
    return failed;
}

static void each_allocation_fails_once_and_only_the_one_who_asked_is_lost(void **state)
{
    unsigned failures[6] = {0};
    for (unsigned which = 0; which < 6; which++)
        for (unsigned turn = 0; turn < TURNS; turn++)
            for (uint32_t left = 0; conversation(which, turn, left); left++)
                failures[which]++;
    for (unsigned which = 1; which < 5; which++)
        assert_true(failures[which] >= 2);
    for (unsigned i = 0; i < WANTS; i++)
        assert_true(was_wanted[i]);
}

/* An answer over a wire that loses one frame in twenty. Did its connection keep a scoreboard? */
static bool answer_over_a_bad_wire(uint64_t seed, bool scarce)
{
    bool board = false;
    sim_start(&sim, &geometry, seed);
    sim.answer_bytes = 7000;
    struct sim_client *c = &sim.client[0];
    sim_client_start(c, 40000, 7, sim.now_us);
    sim_turns(&sim, 4);
    if (scarce)
        sim_starve(&sim, sim.worker->blocks, 8); /* for what the client says; fewer than scoreboards leave to others */
    say(c, "GET /a HTTP/1.1\r\nHost: x\r\n\r\n");
    uint64_t heard = c->heard;
    for (unsigned i = 0; i < 4000 && c->heard - heard < 7000; i++) {
        sim_gather(&sim, c);
        sim_work(&sim, true);
        sim_control(&sim, false);
        board |= connection_at(&sim.region, 0, 0)->tcp.board != 0;
    }
    assert_true(c->heard - heard >= 7000);
    assert_int_equal(c->tcp.state, TCP_ESTABLISHED);
    if (scarce)
        sim_feed(&sim);
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
    return board;
}

static void without_a_block_for_its_scoreboard_a_connection_repairs_what_is_lost_all_the_same(void **state)
{
    unsigned boards = 0;
    for (uint64_t seed = 1; seed <= 40; seed++) {
        boards += answer_over_a_bad_wire(seed, false);
        assert_false(answer_over_a_bad_wire(seed, true));
    }
    assert_true(boards > 0);
}

static void a_conversation_without_want_loses_nothing(void **state)
{
    assert_false(conversation(99, 0, 0));
}

/* ---- who is let in ---- */

static void when_any_pool_is_nearly_used_up_newcomers_wait_and_come_in_afterwards(void **state)
{
    for (unsigned which = 1; which < 5; which++) {
        sim_start(&sim, &geometry, 1);
        struct sim_client *old = &sim.client[0], *late = &sim.client[1];
        sim_client_start(old, 40000, 7, sim.now_us);
        sim_turns(&sim, 4);
        say(old, upgrade_echo);
        sim_turns(&sim, 4);
        uint64_t heard = old->heard;
        sim_starve(&sim, pool_of(which), (pool_of(which)->capacity + 15) / 16 - 1);
        sim_client_start(late, 40001, 7, sim.now_us);
        frame(old, WS_OP_TEXT, true, 5);
        sim_turns(&sim, 4);
        assert_int_equal(old->heard - heard, 7); /* what is left is for those who are here */
        assert_int_equal(late->tcp.state, TCP_SYN_SENT);
        assert_true(drops(DROP_TCP_SHED) > 0);
        sim_feed(&sim);
        sim.now_us += 1000000;
        sim_turns(&sim, 4);
        assert_int_equal(late->tcp.state, TCP_ESTABLISHED);
        sim_everything_is_given_back(&sim);
        sim_stop(&sim);
    }
}

static int set_up(void **state)
{
    return aead_init(AEAD_BACKEND_AUTO) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_conversation_without_want_loses_nothing),
        cmocka_unit_test(each_allocation_fails_once_and_only_the_one_who_asked_is_lost),
        cmocka_unit_test(without_a_block_for_its_scoreboard_a_connection_repairs_what_is_lost_all_the_same),
        cmocka_unit_test(when_any_pool_is_nearly_used_up_newcomers_wait_and_come_in_afterwards),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
