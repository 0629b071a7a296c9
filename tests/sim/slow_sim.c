/*
 * Peers that take their time, in virtual time: ten thousand at once that are slow in their handshake, their request's head or body, or
 * in reading an answer are gone within fifteen seconds, each with a counted reason, and those who behave notice nothing. Then
 * deadlines one by one.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/ws/frame.h"
#include "sim_box.h"

#define CROWD  10000u
#define BURST  400u
#define SECOND 1000000u

static const char upgrade_echo[] =
    "GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static struct region_geometry geometry = {.workers = 1,
                                          .connections = 10240,
                                          .blocks = 40960,
                                          .descriptors = 32768,
                                          .items = 16384,
                                          .chunks = 256,
                                          .topic_chunks = 8,
                                          .rooms = 4,
                                          .members = 8,
                                          .sessions = SESSIONS,
                                          .topics = 4,
                                          .control_blocks = 4,
                                          .log_segments = 2,
                                          .ring_bytes = 4u << 20,
                                          .capture_bytes = 1u << 16,
                                          .undo_bytes = 256u << 10};

static struct sim sim;

static uint64_t drops(enum drop_reason why)
{
    return sim.worker->counters->drop[why];
}

/* ---- a crowd: each a few numbers, and no more than it needs to be a nuisance ---- */

enum habit { NO_HELLO, NO_REQUEST, SLOW_HEAD, SLOW_BODY, SLOW_CHUNKS, SLOW_READER, HABITS };

struct slow {
    uint32_t seq, ack;
    uint32_t record; /* its next TLS record's number */
    bool gone;       /* it was told: FIN or RST */
};

static struct slow crowd[CROWD];

static uint16_t port_of(uint32_t k)
{
    return (uint16_t)(20000 + k); /* the clients' are above 40000 */
}

static enum habit habit_of(uint32_t k)
{
    return k % HABITS;
}

static size_t fill_from(void *stream, uint64_t pos, uint8_t *dst, size_t len)
{
    memcpy(dst, stream, len);
    return len;
}

static void put_segment(uint32_t k, uint8_t flags, uint8_t *bytes, uint16_t len, uint16_t window)
{
    struct frame *f = &sim.in[sim.in_count++];
    struct net_path path = {0};
    struct tcp_plan p = {.flags = flags, .seq = crowd[k].seq, .ack = crowd[k].ack, .len = len, .window = window};
    memcpy(p.tuple.local, sim_client_ip, 16);
    memcpy(p.tuple.remote, sim_server_ip, 16);
    p.tuple.local_port = port_of(k);
    p.tuple.remote_port = 443;
    p.mss = flags & TCP_SYN ? 1460 : 0;
    memcpy(path.source, sim_client_ip, 16);
    memcpy(path.destination, sim_server_ip, 16);
    memcpy(path.source_mac, sim_client_mac, 6);
    memcpy(path.next_hop_mac, sim_server_mac, 6);
    size_t head = net_header_len(path.destination);
    f->length = (uint32_t)net_emit_ip(f->bytes, &path, TCP_PROTOCOL,
                                      tcp_build(&p, fill_from, bytes, f->bytes + head, sizeof f->bytes - head));
    crowd[k].seq += len + !!(flags & TCP_SYN);
}

static void put_record(uint32_t k, const char *text, size_t len, uint16_t window)
{
    uint8_t sealed[1200];
    struct tls_keys keys;
    struct tls_secrets secrets;
    struct tls_conn tls = {0};
    struct tls_span span = {(const uint8_t *)text, len};
    sim_secrets(&secrets);
    tls_conn_start(&tls, &secrets, true);
    assert_true(tls_keys_write(&keys, &tls, tls.write_epoch));
    size_t n = tls_seal(&keys, crowd[k].record++, TLS_APPLICATION_DATA, &span, 1, sealed);
    put_segment(k, TCP_ACK | TCP_PSH, sealed, (uint16_t)n, window);
}

/* What came for the crowd: each acknowledges it, as far as it reads at all. */
static void crowd_hears(void)
{
    for (uint32_t i = 0; i < sim.out_count; i++) {
        struct net_packet p;
        struct tcp_segment s;
        if (net_parse(sim.out[i].bytes, sim.out[i].length, &p) != NET_TCP || tcp_parse(p.l4, p.l4_len, &s) != DROP_NONE)
            continue;
        uint32_t k = (uint32_t)p.destination_port - 20000;
        if (k >= CROWD)
            continue;
        crowd[k].gone |= s.flags & (TCP_FIN | TCP_RST);
        uint32_t end = s.seq + s.len + !!(s.flags & TCP_SYN);
        if (s.flags & TCP_SYN || (s.seq == crowd[k].ack && s.len && habit_of(k) != SLOW_READER))
            crowd[k].ack = end;
    }
}

static void turn(void)
{
    for (uint32_t i = 0; i < CLIENTS; i++)
        sim_gather(&sim, &sim.client[i]);
    sim_work(&sim, false);
    crowd_hears();
    sim_control(&sim, false);
}

/* Does something for everybody, some at a time. */
static void everybody(void (*act)(uint32_t k))
{
    for (uint32_t k = 0; k < CROWD; k++) {
        if (!crowd[k].gone)
            act(k);
        if (k % BURST == BURST - 1)
            turn();
    }
    turn();
}

static void connect_one(uint32_t k)
{
    crowd[k] = (struct slow){.seq = k * 7919};
    put_segment(k, TCP_SYN, NULL, 0, 30000);
}

static void say_hello(uint32_t k)
{
    static uint8_t hello[] = {22, 3, 1, 0, 5, 1, 0, 0, 1, 0};
    if (habit_of(k) == NO_HELLO)
        put_segment(k, TCP_ACK, NULL, 0, 30000);
    else
        put_segment(k, TCP_ACK, hello, sizeof hello, 30000);
}

static void begin_request(uint32_t k)
{
    static const char *const begin[HABITS] = {[SLOW_HEAD] = "GET / HTTP/1.1\r\n",
                                              [SLOW_BODY] = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n",
                                              [SLOW_CHUNKS] = "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n",
                                              [SLOW_READER] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"};
    const char *text = begin[habit_of(k)];
    if (text)
        put_record(k, text, strlen(text), habit_of(k) == SLOW_READER ? 10 : 30000);
}

static void drip(uint32_t k)
{
    switch (habit_of(k)) {
    case SLOW_HEAD:
        put_record(k, "X-a: b\r\n", 8, 30000);
        break;
    case SLOW_BODY:
        put_record(k, "x", 1, 30000);
        break;
    case SLOW_CHUNKS:
        put_record(k, "1\r\nx\r\n", 6, 30000);
        break;
    case SLOW_READER:
        put_segment(k, TCP_ACK, NULL, 0, 10); /* it is there, and takes nothing */
        break;
    default:
        break;
    }
}

static void seconds_as_configured_by_default(void)
{
    sim.config.handshake_us = sim.config.head_us = sim.config.reader_us = 10 * SECOND;
    sim.config.answer_us = 30 * SECOND;
    sim.config.keep_alive_us = sim.config.close_us = 60 * SECOND;
    sim.config.tcp.time_wait_us = 60 * SECOND;
    sim.config.heartbeat_interval_ms = 41250;
    sim.config.syn_max = 20000;
    sim.answers_arp = true;
}

static void ten_thousand_slow_peers_are_gone_within_fifteen_seconds(void **state)
{
    static uint8_t frame[64];
    sim_start(&sim, &geometry, 1);
    seconds_as_configured_by_default();
    sim.answer_bytes = 3000;
    struct sim_client *c = &sim.client[0];
    sim_client_start(c, 50000, 7, sim.now_us);
    sim_turns(&sim, 4);
    assert_true(sim_client_record(c, TLS_APPLICATION_DATA, upgrade_echo, sizeof upgrade_echo - 1));
    sim_turns(&sim, 4);
    uint64_t start = sim.now_us, heard = c->heard, asked = 0;
    everybody(connect_one);
    everybody(say_hello);
    everybody(begin_request);
    assert_int_equal(sim.worker->connections->used, CROWD + 1);
    while (sim.now_us - start < 14 * SECOND + SECOND / 2) {
        everybody(drip);
        assert_true(sim_client_record(c, TLS_APPLICATION_DATA, frame, sim_frame(frame, WS_OP_TEXT, true, "hello", 5)));
        asked++;
        sim.now_us += SECOND;
        turn();
    }
    turn();
    assert_true(sim.now_us - start <= 15 * SECOND + SECOND / 2);
    assert_int_equal(sim.worker->connections->used, 1);
    assert_int_equal(c->heard - heard, 7 * asked);
    const uint64_t each = CROWD / HABITS;
    assert_true(drops(DROP_TLS_HANDSHAKE_TIMEOUT) >= each);
    assert_true(drops(DROP_HTTP_IDLE) >= each);
    assert_true(drops(DROP_HTTP_TIMEOUT) >= each);
    assert_true(drops(DROP_HTTP_BODY_TIMEOUT) >= 2 * each);
    assert_true(drops(DROP_CONN_READER_SLOW) >= each);
    sim_client_start(&sim.client[1], 50001, 7, sim.now_us);
    sim_turns(&sim, 4);
    assert_int_equal(sim.client[1].tcp.state, TCP_ESTABLISHED);
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
}

/* ---- one by one ---- */

static const struct region_geometry small = {.workers = 1,
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

static struct sim_client *one(const char *request, uint32_t window)
{
    struct sim_client *c = &sim.client[0];
    sim_start(&sim, &small, 1);
    seconds_as_configured_by_default();
    sim_client_start(c, 50000, 7, sim.now_us);
    c->config.rcv_limit = window;
    sim_turns(&sim, 4);
    assert_int_equal(c->tcp.state, TCP_ESTABLISHED);
    assert_true(sim_client_record(c, TLS_APPLICATION_DATA, request, strlen(request)));
    sim_turns(&sim, 4);
    return c;
}

static void after(uint64_t us)
{
    for (uint64_t end = sim.now_us + us; sim.now_us < end;) {
        sim.now_us += SECOND / 10;
        sim_turn(&sim);
    }
}

static void a_request_that_the_control_plane_does_not_answer_is_answered_for_it(void **state)
{
    struct sim_client *c = &sim.client[0];
    sim_start(&sim, &small, 1);
    seconds_as_configured_by_default();
    sim.control_rests = true;
    sim_client_start(c, 50000, 7, sim.now_us);
    sim_turns(&sim, 4);
    static const char get[] = "GET / HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_true(sim_client_record(c, TLS_APPLICATION_DATA, get, sizeof get - 1));
    after(29 * SECOND);
    assert_int_equal(c->heard, 0);
    sim_restart(&sim); /* it does not forget */
    after(2 * SECOND);
    assert_int_equal(drops(DROP_HTTP_NO_ANSWER), 1);
    assert_true(c->heard > 50); /* 504 */
    uint64_t heard = c->heard;
    sim.answer_bytes = 500; /* the request still lies in the ring, and is answered now */
    sim.control_rests = false;
    after(SECOND);
    assert_int_equal(c->heard, heard);
    assert_true(drops(DROP_CONN_STALE_VERB) >= 1);
    assert_true(c->tcp.state == TCP_CLOSE_WAIT);
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
}

static void an_answer_taken_slowly_but_steadily_is_not_cut_off(void **state)
{
    struct sim_client *c = one("GET /half HT", 3000);
    sim.answer_bytes = 90000;
    c->reads = false;
    static const char rest[] = "TP/1.1\r\nHost: x\r\n\r\n";
    assert_true(sim_client_record(c, TLS_APPLICATION_DATA, rest, sizeof rest - 1));
    for (unsigned i = 0; i < 40 && c->heard < 90000; i++) { /* some 6 KB each time */
        after(4 * SECOND);
        for (unsigned k = 0; k < 4; k++) {
            c->reads = true;
            sim_client_read(c);
            c->reads = false;
            sim_turns(&sim, 2);
        }
        assert_int_equal(drops(DROP_CONN_READER_SLOW) + drops(DROP_HTTP_READER_SLOW), 0);
    }
    assert_int_equal(c->heard, 90000);
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
}

static void a_websocket_reader_whose_window_stays_closed_is_gone_although_it_speaks(void **state)
{
    struct sim_client *c = one(upgrade_echo, 3000);
    static uint8_t frame[9000], text[8000];
    c->reads = false;
    for (unsigned i = 0; i < 2; i++)
        assert_true(sim_client_record(c, TLS_APPLICATION_DATA, frame, sim_frame(frame, WS_OP_BINARY, true, text, sizeof text)));
    after(9 * SECOND);
    assert_int_equal(sim.worker->connections->used, 1);
    after(4 * SECOND);
    assert_int_equal(drops(DROP_CONN_READER_SLOW), 1);
    assert_int_equal(sim.worker->connections->used, 0);
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
}

static void an_echo_that_takes_longer_than_a_heartbeat_is_not_idle(void **state)
{
    struct sim_client *c = one(upgrade_echo, 3000);
    static uint8_t frame[9000], text[8000];
    uint64_t before = c->heard, began = sim.now_us;
    c->reads = false;
    for (unsigned i = 0; i < 24; i++) {
        assert_true(sim_client_record(c, TLS_APPLICATION_DATA, frame, sim_frame(frame, WS_OP_BINARY, true, text, sizeof text)));
        sim_turns(&sim, 4);
    }
    for (unsigned i = 0; i < 40 && c->heard < before + 24 * sizeof text; i++) { /* some 6 KB each time */
        after(4 * SECOND);
        for (unsigned k = 0; k < 4; k++) {
            c->reads = true;
            sim_client_read(c);
            c->reads = false;
            sim_turns(&sim, 2);
        }
        assert_int_equal(drops(DROP_CONN_IDLE) + drops(DROP_CONN_READER_SLOW), 0);
    }
    assert_true(c->heard >= before + 24 * sizeof text);
    assert_true(sim.now_us - began > 62 * SECOND);
    after(64 * SECOND); /* and then it is as anybody */
    assert_int_equal(drops(DROP_CONN_IDLE), 1);
    sim_stop(&sim);
}

static void a_connection_is_kept_for_the_next_request_and_not_for_ever(void **state)
{
    struct sim_client *c = one("GET /a HTTP/1.1\r\nHost: x\r\n", 30000);
    sim.answer_bytes = 100;
    static const char end[] = "\r\n", again[] = "GET /b HTTP/1.1\r\nHost: x\r\n\r\nGET /c HTTP/1.1\r\nHost: x\r\n\r\n";
    assert_true(sim_client_record(c, TLS_APPLICATION_DATA, end, sizeof end - 1));
    after(SECOND);
    assert_int_equal(c->heard, 100);
    after(50 * SECOND);
    assert_true(sim_client_record(c, TLS_APPLICATION_DATA, again, sizeof again - 1));
    after(SECOND);
    assert_int_equal(c->heard, 300); /* both */
    after(58 * SECOND);
    assert_int_equal(drops(DROP_HTTP_IDLE), 0);
    after(3 * SECOND);
    assert_int_equal(drops(DROP_HTTP_IDLE), 1);
    assert_int_equal(c->tcp.state, TCP_CLOSE_WAIT);
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
}

/* A body in records of one byte each: what is done for each of them does not grow with what is there. */
static void a_body_of_one_byte_records_is_read_once(void **state)
{
    static const char head[] = "POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n";
    struct sim_client *c = one(head, 30000);
    sim.answer_bytes = 100;
    char chunk[] = "1\r\n?\r\n";
    unsigned gathered = 0;
    for (unsigned i = 0; i < 1500; i++) {
        chunk[3] = (char)('a' + i % 26);
        assert_true(sim_client_record(c, TLS_APPLICATION_DATA, chunk, 6));
        if (i % 100 == 99) {
            sim_turns(&sim, 3);
            gathered = conn_at(sim.worker, 0)->carry.length;
            assert_int_equal(gathered, sizeof head - 1 + i + 1); /* decoded as it came: nothing of it is looked at again */
            assert_int_equal(conn_at(sim.worker, 0)->app.length, 0);
        }
    }
    assert_true(sim_client_record(c, TLS_APPLICATION_DATA, "0\r\n\r\nGET /next HTTP/1.1\r\nHost: x\r\n\r\n", 5 + 31));
    sim_turns(&sim, 6);
    assert_int_equal(c->heard, 200);
    assert_int_equal(sim.worker->counters->count[COUNT_http_requests], 2);
    assert_int_equal(conn_at(sim.worker, 0)->carry.blocks, 0);
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
}

static void nobody_is_closed_for_what_could_not_be_heard_before_a_restart(void **state)
{
    struct sim_client *c = one(upgrade_echo, 3000);
    after(61 * SECOND); /* 1.5 heartbeats are 61.9 s */
    sim.now_us += 30 * SECOND;
    sim_restart(&sim);
    after(61 * SECOND);
    assert_int_equal(drops(DROP_CONN_IDLE), 0);
    assert_int_equal(c->tcp.state, TCP_ESTABLISHED);
    after(2 * SECOND);
    assert_int_equal(drops(DROP_CONN_IDLE), 1);
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
}

static int set_up(void **state)
{
    return aead_init(AEAD_BACKEND_AUTO) ? 0 : -1;
}

/* A record a turn at least, either way: nobody waits for a delayed ACK or a timer in the middle. */
static void a_message_longer_than_the_window_is_echoed_without_a_pause(void **state)
{
    static uint8_t text[400000], frame[sizeof text + WS_HEAD_MAX];
    struct sim_client *c = &sim.client[0];
    memset(text, 'x', sizeof text);
    sim_start(&sim, &geometry, 7);
    sim_client_start(c, 40000, 1, sim.now_us);
    sim_turns(&sim, 8);
    assert_true(sim_client_record(c, TLS_APPLICATION_DATA, upgrade_echo, sizeof upgrade_echo - 1));
    sim_turns(&sim, 8);
    uint64_t heard = c->heard;
    size_t n = sim_frame(frame, WS_OP_BINARY, true, text, sizeof text);
    for (size_t at = 0, take; at < n; at += take) {
        take = n - at < TLS_PLAINTEXT_MAX ? n - at : TLS_PLAINTEXT_MAX;
        assert_true(sim_client_record(c, TLS_APPLICATION_DATA, frame + at, take));
    }
    unsigned up = 0, down = 0, most = sizeof text / TLS_PLAINTEXT_MAX + 2;
    for (; c->heard == heard && up <= most; up++)
        sim_turn(&sim);
    for (; c->heard < heard + sizeof text && down <= most; down++)
        sim_turn(&sim);
    assert_true(up <= most);
    assert_true(down <= most);
    sim_stop(&sim);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ten_thousand_slow_peers_are_gone_within_fifteen_seconds),
        cmocka_unit_test(a_request_that_the_control_plane_does_not_answer_is_answered_for_it),
        cmocka_unit_test(an_answer_taken_slowly_but_steadily_is_not_cut_off),
        cmocka_unit_test(a_websocket_reader_whose_window_stays_closed_is_gone_although_it_speaks),
        cmocka_unit_test(an_echo_that_takes_longer_than_a_heartbeat_is_not_idle),
        cmocka_unit_test(a_connection_is_kept_for_the_next_request_and_not_for_ever),
        cmocka_unit_test(a_message_longer_than_the_window_is_echoed_without_a_pause),
        cmocka_unit_test(a_body_of_one_byte_records_is_read_once),
        cmocka_unit_test(nobody_is_closed_for_what_could_not_be_heard_before_a_restart),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
