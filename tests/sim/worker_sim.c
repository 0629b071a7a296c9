/*
 * A worker on a virtual port in virtual time, clients that behave badly, and a control plane's side that
 * answers late, never, or for what is gone: what it may not do whatever they do. After every turn everything
 * that the pools gave out is reachable from a connection or a session, and the pins are what a recount says;
 * at the end everything is given back.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/ws/frame.h"
#include "sim_box.h"

#define SEEDS 60u
#define TURNS 400u

static const char upgrade_gateway[] =
    "GET /?v=10&encoding=json HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
static const char upgrade_echo[] =
    "GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
static const char upgrade_voice[] =
    "GET /voice?v=8 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static const struct region_geometry usual = {.workers = 1,
                                             .connections = 16,
                                             .blocks = 2048,
                                             .descriptors = 8192,
                                             .items = 4096,
                                             .chunks = 256,
                                             .topic_chunks = 8,
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

/* ---- what one client can do ---- */

static struct sim_client *connected(struct sim *s, const char *upgrade)
{
    struct sim_client *c = &s->client[0];
    sim_client_start(c, 40000, 7, s->now_us);
    sim_turns(s, 4);
    assert_int_equal(c->tcp.state, TCP_ESTABLISHED);
    if (upgrade)
        assert_true(sim_client_record(c, TLS_APPLICATION_DATA, upgrade, strlen(upgrade)));
    sim_turns(s, 4);
    return c;
}

static void say(struct sim_client *c, uint8_t opcode, bool fin, const void *data, size_t len, unsigned times)
{
    static uint8_t plain[16384];
    size_t n = 0;
    for (unsigned i = 0; i < times && n + len + 14 < sizeof plain; i++)
        n += sim_frame(plain + n, opcode, fin, data, len);
    sim_client_record(c, TLS_APPLICATION_DATA, plain, n);
}

/* Small answers by the thousand, none acknowledged, and then all at once. */
static void pile_up(struct sim *s, struct sim_client *c)
{
    conn_at(s->worker, 0)->tcp.cwnd = 1u << 20; /* as after a long download */
    c->thankless = true;
    for (unsigned i = 0; i < 30; i++) {
        say(c, WS_OP_PING, true, "", 0, 100);
        sim_turn(s);
    }
}

static void thousands_of_records_acknowledged_at_once_do_not_overflow_the_undo_log(void **state)
{
    sim_start(&sim, &usual, 1);
    struct sim_client *c = connected(&sim, upgrade_echo);
    pile_up(&sim, c);
    assert_true(sim.worker->records->used > 1500);
    struct connection *slot = conn_at(sim.worker, 0);
    c->thankless = false;
    c->tcp.rcv_nxt = slot->tcp.snd_nxt; /* as if all had come */
    c->tcp.flags |= TCP_F_ACK_NOW;
    c->reads = false;
    sim_turns(&sim, 3);
    assert_true(sim.worker->records->used < 10);
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
}

static void a_reset_with_thousands_of_records_in_flight_does_not_overflow_the_undo_log(void **state)
{
    sim_start(&sim, &usual, 1);
    struct sim_client *c = connected(&sim, upgrade_echo);
    pile_up(&sim, c);
    assert_true(sim.worker->records->used > 1500);
    tcp_abort(&c->tcp);
    sim_turns(&sim, 3);
    assert_int_equal(sim.worker->connections->used, 0);
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
}

static void a_long_gathered_message_goes_with_its_connection(void **state)
{
    struct region_geometry g = usual;
    g.blocks = 20000;
    g.undo_bytes = 160u << 10;
    sim_start(&sim, &g, 1);
    struct sim_client *c = connected(&sim, upgrade_echo);
    static uint8_t piece[16000];
    for (unsigned i = 0; i < 30; i++) {
        say(c, i ? WS_OP_CONTINUATION : WS_OP_BINARY, false, piece, sizeof piece, 1);
        sim_turns(&sim, 4);
    }
    struct chain *app = &conn_at(sim.worker, 0)->app;
    assert_true(app->blocks > 200);
    static uint8_t more[1u << 20];
    for (unsigned i = 0; i < 15; i++) { /* as if the client had gone on */
        txn_begin(&sim.worker->txn);
        for (unsigned k = 0; k < 16; k++)
            assert_true(chain_append(app, sim.worker->blocks, &sim.worker->txn, more + (k << 16), 1u << 16));
        txn_commit(&sim.worker->txn);
        txn_publish(&sim.worker->txn);
    }
    tcp_abort(&c->tcp);
    sim_turns(&sim, 3);
    assert_int_equal(sim.worker->blocks->used, 0);
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
}

static void an_answer_planned_before_the_reset_in_the_same_burst_is_not_sent(void **state)
{
    sim_start(&sim, &usual, 1);
    struct sim_client *c = connected(&sim, upgrade_gateway);
    static const char beat[] = "{\"op\":1,\"d\":null}";
    say(c, WS_OP_TEXT, true, beat, sizeof beat - 1, 1);
    sim_gather(&sim, c);
    tcp_abort(&c->tcp);
    sim_gather(&sim, c);
    assert_int_equal(sim.in_count, 2);
    sim_work(&sim, false);
    assert_int_equal(sim.worker->connections->used, 0);
    for (uint32_t i = 0; i < sim.out_count; i++) {
        struct net_packet p;
        struct tcp_segment seg;
        if (net_parse(sim.out[i].bytes, sim.out[i].length, &p) == NET_TCP &&
            tcp_parse(p.l4, p.l4_len, &seg) == DROP_NONE)
            assert_int_equal(seg.len, 0);
    }
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
}

/* Three events, the last two of them lost on the way, and then the end; returns what the client has heard of it. */
static uint64_t events_and_an_end(enum sim_order end, bool lost)
{
    sim_start(&sim, &usual, 1);
    sim.control_rests = true;
    struct sim_client *c = connected(&sim, upgrade_gateway);
    sim.control_rests = false;
    sim_control(&sim, false);
    sim_order(&sim, SIM_BIND, 0);
    sim_order(&sim, SIM_DISPATCH, 0);
    sim_turns(&sim, 3);
    uint64_t heard = c->heard;
    c->deaf = lost;
    sim_order(&sim, SIM_DISPATCH, 0);
    sim_order(&sim, SIM_DISPATCH, 0);
    sim_turns(&sim, 2);
    sim_order(&sim, end, 0);
    sim_turns(&sim, 2);
    c->deaf = false;
    sim_turns(&sim, 150);
    heard = c->heard - heard;
    if (end != SIM_END_QUIETLY)
        assert_int_equal(c->tcp.state, TCP_CLOSE_WAIT);
    else
        assert_int_equal(conn_at(sim.worker, 0)->session, SESSION_NONE);
    if (end != SIM_CLOSE)
        assert_int_equal(sim.worker->sessions[0].kind, SESSION_FREE);
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
    return heard;
}

static void events_lost_in_flight_are_made_again_after_their_session_is_closed_or_ended(void **state)
{
    for (enum sim_order end = SIM_CLOSE; end <= SIM_END_QUIETLY; end++) {
        uint64_t whole = events_and_an_end(end, false);
        assert_true(whole > 2 * 60);
        assert_int_equal(events_and_an_end(end, true), whole);
    }
}

/* ---- anything ---- */

static void http(struct sim *s, struct sim_client *c)
{
    static const char *const request[] = {
        "GET /api/v10/gateway HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "POST /c HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        "hello",
        "POST /d HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
        "POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 9999999\r\n\r\n",
        "GET /half HT",
        "\r\n\r\n",
        upgrade_gateway,
        upgrade_gateway,
        upgrade_echo,
        upgrade_voice,
        upgrade_gateway,
        "GET /nothing HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"};
    const char *what = request[sim_chance(s, sizeof request / sizeof request[0])];
    if (strstr(what, "Sec-WebSocket"))
        c->upgraded = true;
    sim_client_record(c, TLS_APPLICATION_DATA, what, strlen(what));
}

static void websocket(struct sim *s, struct sim_client *c)
{
    static uint8_t bytes[12000];
    static const char beat[] = "{\"op\":1,\"d\":3}",
                      voice_beat[] = "{\"op\":3,\"d\":{\"t\":1,\"seq_ack\":1}}";
    memset(bytes, 'a', sizeof bytes);
    switch (sim_chance(s, 12)) {
    case 0:
        say(c, WS_OP_PING, true, "ping", sim_chance(s, 5), 1 + sim_chance(s, 300));
        break;
    case 1:
        say(c, WS_OP_TEXT, true, beat, sizeof beat - 1, 1 + sim_chance(s, 3));
        break;
    case 2:
        say(c, WS_OP_TEXT, true, voice_beat, sizeof voice_beat - 1, 1);
        break;
    case 3:
        say(c, WS_OP_TEXT, sim_chance(s, 2), bytes, sim_chance(s, 4000), 1);
        break;
    case 4:
        say(c, WS_OP_CONTINUATION, sim_chance(s, 2), bytes, sim_chance(s, 9000), 1);
        break;
    case 5:
        if (sim_chance(s, 4) == 0)
            say(c, WS_OP_CLOSE, true, "\x03\xe8", 2, 1);
        break;
    case 6:
        if (sim_chance(s, 8) == 0)
            sim_client_record(c, TLS_APPLICATION_DATA, bytes, sim_chance(s, 50));
        break;
    case 7:
        sim_client_record(c, TLS_APPLICATION_DATA, "\x81", 1); /* half a head */
        break;
    default:
        say(c, WS_OP_TEXT, true, bytes, sim_chance(s, 600), 1);
    }
}

static void tls(struct sim *s, struct sim_client *c)
{
    switch (sim_chance(s, 5)) {
    case 0:
        sim_client_record(c, TLS_ALERT_RECORD, "\x01\x00", 2);
        break;
    case 1: { /* KeyUpdate, with or without a request */
        uint8_t update[TLS_KEY_UPDATE_SIZE] = {24, 0, 0, 1, (uint8_t)sim_chance(s, 2)};
        if (!(c->tls.flags & TLS_PREVIOUS_HELD) &&
            sim_client_record(c, TLS_HANDSHAKE, update, sizeof update)) {
            tls_write_epoch_next(&c->tls);
            tls_write_previous_release(&c->tls);
        }
        break;
    }
    case 2:
        if (sim_chance(s, 4) == 0 && c->sent_length + 50 < SIM_STREAM_MAX)
            c->sent_length += 30; /* not a record */
        break;
    default:
        break;
    }
}

static void misbehave(struct sim *s, struct sim_client *c, uint32_t number)
{
    if (c->tcp.state == TCP_CLOSED || c->tcp.state == TCP_TIME_WAIT) {
        if (sim_chance(s, 6) == 0)
            sim_client_start(c, (uint16_t)(40000 + number + CLIENTS * sim_chance(s, 2)),
                             (uint32_t)s->now_us * 3, s->now_us);
        return;
    }
    uint32_t what = sim_chance(s, 200);
    if (what < 60) {
        if (c->upgraded)
            websocket(s, c);
        else
            http(s, c);
    } else if (what < 64) {
        tls(s, c);
    } else if (what < 66) {
        tcp_close(&c->tcp);
    } else if (what < 68) {
        tcp_abort(&c->tcp);
    } else if (what < 72) {
        c->reads = !c->reads;
        sim_client_read(c);
    } else if (what < 74) {
        c->silent = !c->silent;
    } else if (what < 76) {
        c->deaf = !c->deaf;
    } else if (what == 76) { /* gone; another will have its port */
        sim_client_start(c, (uint16_t)(40000 + number + CLIENTS * sim_chance(s, 2)), (uint32_t)s->now_us * 3,
                         s->now_us);
    }
}

static void live(struct sim *s, unsigned n)
{
    while (n--) {
        for (uint32_t i = 0; i < CLIENTS; i++) {
            misbehave(s, &s->client[i], i);
            sim_gather(s, &s->client[i]);
        }
        for (uint32_t i = 0; i < s->in_count; i++) /* some are lost */
            if (sim_chance(s, 30) == 0)
                s->in[i--] = s->in[--s->in_count];
        sim_work(s, true);
        sim_control(s, sim_chance(s, 3) == 0);
        s->control_rests ^= sim_chance(s, 60) == 0;
        s->helper_rests ^= sim_chance(s, 20) == 0;
        if (sim_chance(s, 20) == 0)
            s->now_us += sim_chance(s, 3000000);
    }
}

static void seeds(const struct region_geometry *g, unsigned count)
{
    unsigned first = getenv("SIM_SEED") ? (unsigned)atoi(getenv("SIM_SEED")) : 1;
    if (getenv("SIM_SEEDS"))
        count = (unsigned)atoi(getenv("SIM_SEEDS"));
    for (unsigned i = first; i < first + count; i++) {
        if (getenv("SIM_SAY"))
            fprintf(stderr, "seed %u\n", i);
        sim_start(&sim, g, i);
        live(&sim, TURNS);
        sim_everything_is_given_back(&sim);
        sim_stop(&sim);
    }
}

static void whatever_clients_and_control_plane_do_everything_is_given_back(void **state)
{
    seeds(&usual, SEEDS);
}

static void it_is_so_with_each_pool_too_small(void **state)
{
    struct region_geometry g = usual;
    g.blocks = 24;
    seeds(&g, SEEDS / 4);
    g = usual;
    g.descriptors = 24;
    seeds(&g, SEEDS / 4);
    g = usual;
    g.items = 12;
    seeds(&g, SEEDS / 4);
    g = usual;
    g.chunks = 6;
    seeds(&g, SEEDS / 4);
    g = usual;
    g.connections = 3;
    seeds(&g, SEEDS / 4);
    g = usual;
    g.undo_bytes = 100u << 10;
    seeds(&g, SEEDS / 4);
}

static int set_up(void **state)
{
    return aead_init(AEAD_BACKEND_AUTO) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thousands_of_records_acknowledged_at_once_do_not_overflow_the_undo_log),
        cmocka_unit_test(a_reset_with_thousands_of_records_in_flight_does_not_overflow_the_undo_log),
        cmocka_unit_test(a_long_gathered_message_goes_with_its_connection),
        cmocka_unit_test(an_answer_planned_before_the_reset_in_the_same_burst_is_not_sent),
        cmocka_unit_test(events_lost_in_flight_are_made_again_after_their_session_is_closed_or_ended),
        cmocka_unit_test(whatever_clients_and_control_plane_do_everything_is_given_back),
        cmocka_unit_test(it_is_so_with_each_pool_too_small),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
