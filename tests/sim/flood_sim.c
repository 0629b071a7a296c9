/*
 * A worker under floods of packets from nobody, in virtual time: SYNs by the million, blind RSTs, SYNs, text and ACKs. Those who have a
 * connection notice nothing, those who want one get it, the memory is bounded, and every drop has a counted reason.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/ws/frame.h"
#include "sim_box.h"

#define BURST 1900u /* frames of the flood in one turn: 380,000 a second */

static const char upgrade_echo[] =
    "GET /echo HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

static const struct region_geometry geometry = {.workers = 1,
                                                .connections = 512,
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

static uint64_t drops(enum drop_reason why)
{
    return sim.worker->counters->drop[why];
}

static uint64_t counted(enum counter what)
{
    return sim.worker->counters->count[what];
}

static uint64_t all_drops(void)
{
    uint64_t sum = 0;
    for (unsigned i = 1; i < DROP_REASON_COUNT; i++)
        sum += drops(i);
    return sum;
}

/* ---- packets from nobody ---- */

static void forge(const uint8_t source[16], uint16_t port, const struct tcp_plan *like)
{
    struct frame *f = &sim.in[sim.in_count++];
    struct net_path path = {0};
    struct tcp_plan p = *like;
    memcpy(p.tuple.local, source, 16);
    memcpy(p.tuple.remote, sim_server_ip, 16);
    p.tuple.local_port = port;
    p.tuple.remote_port = 443;
    memcpy(path.source, source, 16);
    memcpy(path.destination, sim_server_ip, 16);
    memcpy(path.source_mac, sim_client_mac, 6);
    memcpy(path.next_hop_mac, sim_server_mac, 6);
    size_t head = net_header_len(path.destination);
    f->length = (uint32_t)net_emit_ip(f->bytes, &path, TCP_PROTOCOL,
                                      tcp_build(&p, NULL, NULL, f->bytes + head, sizeof f->bytes - head));
}

static void forge_from_anybody(const struct tcp_plan *like)
{
    uint8_t source[16] = {[10] = 0xff, [11] = 0xff, 10};
    put_be24(source + 13, sim_chance(&sim, 1u << 24));
    forge(source, (uint16_t)(1024 + sim_chance(&sim, 30000)), like);
}

static void flood_syns(unsigned n)
{
    struct tcp_plan syn = {.flags = TCP_SYN, .window = 1000, .mss = 1460};
    while (n--) {
        syn.seq = sim_chance(&sim, UINT32_MAX);
        forge_from_anybody(&syn);
    }
}

/* ---- honest clients ---- */

static struct sim_client *established(uint32_t k)
{
    struct sim_client *c = &sim.client[k];
    sim_client_start(c, (uint16_t)(40000 + k), 7, sim.now_us);
    sim_turns(&sim, 4);
    assert_int_equal(c->tcp.state, TCP_ESTABLISHED);
    assert_true(sim_client_record(c, TLS_APPLICATION_DATA, upgrade_echo, sizeof upgrade_echo - 1));
    sim_turns(&sim, 4);
    assert_true(c->heard > 100);
    return c;
}

static void ask(struct sim_client *c)
{
    uint8_t frame[64];
    assert_true(sim_client_record(c, TLS_APPLICATION_DATA, frame, sim_frame(frame, WS_OP_TEXT, true, "hello", 5)));
}

static void turn_under(void (*flood)(unsigned))
{
    for (uint32_t i = 0; i < CLIENTS; i++)
        sim_gather(&sim, &sim.client[i]);
    flood(BURST);
    sim_work(&sim, false);
    sim_control(&sim, false);
}

/* ---- SYNs ---- */

static void a_million_half_open_connections_cost_nobody_anything(void **state)
{
    sim_start(&sim, &geometry, 1);
    struct sim_client *old = established(0);
    uint64_t heard = old->heard, echoed = 0;
    unsigned tried = 0, served = 0, slots = sim.worker->connections->used;
    for (unsigned turn = 0; turn * BURST < 1000000; turn++) {
        struct sim_client *c = &sim.client[1 + turn % 5];
        if (turn % 2 == 0) {
            ask(old);
            echoed++;
        }
        if (turn >= 5) { /* what has come of the one who began five turns ago */
            served += c->heard > 100;
            tcp_abort(&c->tcp);
            sim_gather(&sim, c);
        }
        sim_client_start(c, (uint16_t)(40000 + turn % 5000), turn * 977, sim.now_us);
        assert_true(sim_client_record(c, TLS_APPLICATION_DATA, upgrade_echo, sizeof upgrade_echo - 1));
        tried++;
        turn_under(flood_syns);
        assert_true(sim.worker->connections->used <= slots + 10);
    }
    assert_true(served >= (tried - 5) * 99 / 100);
    sim_turns(&sim, 4);
    assert_int_equal(old->heard - heard, 7 * echoed); /* nobody's answer is late or missing */
    assert_true(counted(COUNT_syn_cookies_out) > 900000);
    assert_true(counted(COUNT_syn_cookies_in) > tried / 2);
    assert_int_equal(sim.worker->openings.table->used_max, sim.worker->openings.entries);
    assert_true(counted(COUNT_tcp_retransmits) <= sim.worker->openings.entries); /* SYN-ACKs, as long as there was room */
    sim_everything_is_given_back(&sim);
    assert_int_equal(sim.worker->openings.table->used, 0);
    assert_true(drops(DROP_TCP_HALF_OPEN_EXPIRED) >= sim.worker->openings.entries);
    sim_stop(&sim);
}

static void cookies_from_before_a_kill_are_good_after_it(void **state)
{
    sim_start(&sim, &geometry, 1);
    for (unsigned i = 0; i < 4; i++)
        turn_under(flood_syns);
    uint64_t in = counted(COUNT_syn_cookies_in), out = counted(COUNT_syn_cookies_out);
    struct sim_client *c = &sim.client[0];
    for (uint16_t port = 40000; counted(COUNT_syn_cookies_out) == out; port++) { /* one that is not remembered */
        out = counted(COUNT_syn_cookies_out);
        sim_client_start(c, port, 7, sim.now_us);
        sim_gather(&sim, c);
        sim_work(&sim, false);
    }
    assert_int_equal(c->tcp.state, TCP_ESTABLISHED); /* as it believes */
    sim_restart(&sim);
    sim_turns(&sim, 3);
    assert_int_equal(counted(COUNT_syn_cookies_in), in + 1);
    assert_int_equal(sim.worker->connections->used, 1);
    assert_true(sim_client_record(c, TLS_APPLICATION_DATA, upgrade_echo, sizeof upgrade_echo - 1));
    sim_turns(&sim, 4);
    assert_true(c->heard > 100);
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
}

static void half_open_connections_outlive_the_worker(void **state)
{
    sim_start(&sim, &geometry, 1);
    struct sim_client *c = &sim.client[0];
    sim_client_start(c, 40000, 7, sim.now_us);
    sim_gather(&sim, c);
    c->deaf = true; /* the SYN-ACK is lost */
    sim_work(&sim, false);
    sim_restart(&sim);
    c->deaf = false;
    c->silent = true; /* and it is not the client's SYN that brings it back */
    sim.now_us += 1000000;
    sim_turns(&sim, 3);
    assert_int_equal(c->tcp.state, TCP_ESTABLISHED);
    c->silent = false;
    sim_turns(&sim, 3);
    assert_int_equal(sim.worker->connections->used, 1);
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
}

static void when_all_slots_are_taken_openings_wait_and_then_go_on(void **state)
{
    struct region_geometry g = geometry;
    g.connections = 2;
    sim_start(&sim, &g, 1);
    struct sim_client *a = established(0), *late = &sim.client[2];
    established(1);
    sim_client_start(late, 40002, 7, sim.now_us);
    sim_turns(&sim, 3);
    assert_true(drops(DROP_TCP_NO_SLOT) > 0);
    ask(a);
    uint64_t heard = a->heard;
    sim_turns(&sim, 3);
    assert_int_equal(a->heard, heard + 7);
    tcp_abort(&a->tcp);
    sim_turns(&sim, 2);
    sim.now_us += 1000000; /* it asks again */
    sim_turns(&sim, 4);
    assert_int_equal(late->tcp.state, TCP_ESTABLISHED);
    assert_int_equal(sim.worker->connections->used, 2);
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
}

static void handshakes_that_failed_are_not_counted_among_those_under_way(void **state)
{
    sim_start(&sim, &geometry, 1);
    sim.config.syn_max = 2;
    for (unsigned i = 0; i < 20; i++) {
        struct sim_client *c = &sim.client[i % CLIENTS];
        sim_client_start(c, (uint16_t)(40000 + i), i, sim.now_us);
        memcpy(c->sent, "GET / HTTP", 10); /* no ClientHello */
        sim_turns(&sim, 4);
        tcp_close(&c->tcp);
        sim_turns(&sim, 4);
        assert_int_equal(sim.worker->handshakes, 0);
        assert_int_equal(sim.worker->connections->used, 0);
    }
    assert_int_equal(drops(DROP_TCP_SYN_LIMIT), 0);
    assert_int_equal(drops(DROP_TLS_PLAIN_HTTP), 20);
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
}

/* ---- TIME-WAIT ---- */

static struct sim_client *closed_by_us(uint16_t port, uint32_t iss)
{
    struct sim_client *c = &sim.client[0];
    sim_client_start(c, port, iss, sim.now_us);
    memcpy(c->sent, "GET / HTTP", 10);
    sim_turns(&sim, 4);
    c->thankless = false;
    tcp_close(&c->tcp);
    sim_turns(&sim, 4);
    assert_int_equal(sim.worker->connections->used, 0);
    return c;
}

static void a_connection_in_time_wait_has_no_slot_and_answers_a_fin_after_a_restart(void **state)
{
    sim_start(&sim, &geometry, 1);
    sim.config.tcp.time_wait_us = 60000000;
    struct sim_client *c = closed_by_us(40000, 7);
    assert_int_equal(counted(COUNT_time_waits), 1);
    sim_restart(&sim);
    struct tcp_plan fin = {.flags = TCP_FIN | TCP_ACK, .seq = c->tcp.snd_nxt - 1, .ack = c->tcp.rcv_nxt};
    forge(sim_client_ip, 40000, &fin);
    sim_work(&sim, false);
    assert_int_equal(sim.out_count, 1);
    struct net_packet p;
    struct tcp_segment s;
    assert_int_equal(net_parse(sim.out[0].bytes, sim.out[0].length, &p), NET_TCP);
    assert_int_equal(tcp_parse(p.l4, p.l4_len, &s), DROP_NONE);
    assert_int_equal(s.flags, TCP_ACK);
    assert_int_equal(s.ack, c->tcp.snd_nxt);
    assert_int_equal(s.seq, c->tcp.rcv_nxt);
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
}

static void a_new_connection_from_the_same_port_ends_the_waiting(void **state)
{
    sim_start(&sim, &geometry, 1);
    sim.config.tcp.time_wait_us = 60000000;
    for (uint32_t i = 0; i < 10; i++)
        closed_by_us(40000, 7 + i);
    assert_int_equal(counted(COUNT_time_waits), 10);
    assert_int_equal(drops(DROP_TCP_TIME_WAIT_RECYCLED), 0);
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
}

/* ---- blind segments ---- */

static const struct tcp_conn *victim;

/* Segments with the right addresses and guessed numbers: around every edge, and anywhere. */
static void flood_blindly(unsigned n)
{
    static const uint8_t flags[] = {TCP_RST, TCP_RST | TCP_ACK, TCP_SYN, TCP_SYN | TCP_ACK, TCP_ACK, TCP_ACK | TCP_FIN, TCP_FIN, 0};
    uint16_t port = victim->tuple.remote_port;
    while (n--) {
        struct tcp_plan p = {.flags = flags[sim_chance(&sim, sizeof flags)], .window = (uint16_t)sim_chance(&sim, 65536)};
        p.seq = sim_chance(&sim, 2) ? sim_chance(&sim, UINT32_MAX) : victim->rcv_nxt + 1 + sim_chance(&sim, 30000);
        p.ack = sim_chance(&sim, 2) ? sim_chance(&sim, UINT32_MAX) : victim->snd_nxt + 1 + sim_chance(&sim, 1u << 30);
        p.has_timestamps = sim_chance(&sim, 2);
        p.ts_val = sim_chance(&sim, UINT32_MAX);
        forge(sim_client_ip, port, &p);
    }
}

static void blind_segments_neither_end_nor_feed_a_connection(void **state)
{
    static const uint32_t numbers[] = {7, UINT32_MAX - 100, 0x7fffffff - 100}; /* two that wrap on the way */
    for (unsigned k = 0; k < 3; k++) {
        sim_start(&sim, &geometry, k + 1);
        struct sim_client *c = &sim.client[0];
        sim_client_start(c, 40000, numbers[k], sim.now_us);
        sim_turns(&sim, 4);
        assert_true(sim_client_record(c, TLS_APPLICATION_DATA, upgrade_echo, sizeof upgrade_echo - 1));
        sim_turns(&sim, 4);
        victim = &conn_at(sim.worker, 0)->tcp;
        uint64_t heard = c->heard, before = all_drops(), segments = counted(COUNT_tcp_segments_in);
        for (unsigned i = 0; i < 100; i++) {
            if (i % 5 == 0)
                ask(c);
            turn_under(flood_blindly);
            assert_int_equal(victim->state, TCP_ESTABLISHED);
        }
        sim_turns(&sim, 40);
        assert_int_equal(c->heard - heard, 20 * 7);
        uint64_t blind = 100 * (uint64_t)BURST;
        assert_true(counted(COUNT_tcp_segments_in) - segments > blind);
        assert_true(all_drops() - before >= blind * 99 / 100); /* pure ACKs with lucky numbers are ACKs */
        sim_everything_is_given_back(&sim);
        sim_stop(&sim);
    }
}

/* ACKs to nobody while cookies are out: none of them opens anything worth mentioning, and none is answered. */
static void flood_acks(unsigned n)
{
    struct tcp_plan ack = {.flags = TCP_ACK, .window = 1000};
    while (n--) {
        ack.seq = sim_chance(&sim, UINT32_MAX);
        ack.ack = sim_chance(&sim, UINT32_MAX);
        forge_from_anybody(&ack);
    }
}

static void acks_from_nobody_are_no_cookies(void **state)
{
    sim_start(&sim, &geometry, 1);
    flood_acks(1500);
    sim_work(&sim, false);
    assert_int_equal(drops(DROP_TCP_NO_CONNECTION), 1500);
    assert_int_equal(sim.out_count, 1000); /* RSTs, at their limit */
    assert_int_equal(drops(DROP_TCP_REPLY_RATE), 500);
    turn_under(flood_syns);
    for (unsigned i = 0; i < 50; i++)
        turn_under(flood_acks);
    assert_true(drops(DROP_TCP_COOKIE) >= 50 * BURST - 2);
    assert_true(sim.worker->connections->used <= 2);
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
}

/* ---- paths ---- */

/* A router's word on the frame of ours that stands in out[k]. */
static void packet_too_big(uint32_t k, uint16_t mtu, uint32_t seq_off)
{
    static const uint8_t router[16] = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 9};
    struct frame *f = &sim.in[sim.in_count++];
    struct net_path path = {0};
    uint8_t *icmp = f->bytes + 34;
    memset(icmp, 0, 36);
    icmp[0] = 3;
    icmp[1] = 4;
    put_be16(icmp + 6, mtu);
    memcpy(icmp + 8, sim.out[k].bytes + 14, 28);
    put_be32(icmp + 8 + 24, be32(icmp + 8 + 24) + seq_off);
    put_be16(icmp + 2, checksum(icmp, 36));
    memcpy(path.source, router, 16);
    memcpy(path.destination, sim_server_ip, 16);
    memcpy(path.source_mac, sim_client_mac, 6);
    memcpy(path.next_hop_mac, sim_server_mac, 6);
    f->length = (uint32_t)net_emit_ip(f->bytes, &path, NET_PROTOCOL_ICMP4, 36);
}

static uint32_t longest_sent(uint32_t *which)
{
    uint32_t longest = 0;
    for (uint32_t i = 0; i < sim.out_count; i++)
        if (sim.out[i].length > longest)
            longest = sim.out[*which = i].length;
    return longest;
}

/* The records that did not pass were sealed for large segments; they arrive in small ones, byte for byte. */
static void a_path_that_shrinks_slices_what_was_sealed_for_a_larger_one(void **state)
{
    static uint8_t plain[8200], text[8000];
    uint32_t k = 0;
    sim_start(&sim, &geometry, 1);
    struct sim_client *c = established(0);
    uint64_t heard = c->heard;
    memset(text, 'x', sizeof text);
    assert_true(sim_client_record(c, TLS_APPLICATION_DATA, plain, sim_frame(plain, WS_OP_TEXT, true, text, sizeof text)));
    c->thankless = true; /* what is larger than the path is lost */
    for (unsigned i = 0; i < 10 && longest_sent(&k) < 1400; i++)
        sim_turn(&sim);
    assert_int_equal(longest_sent(&k), 1514);
    packet_too_big(k, 700, 1u << 20); /* somebody who does not know what is in flight */
    packet_too_big(k, 1600, 0);
    sim_work(&sim, false);
    assert_int_equal(drops(DROP_ICMP_SEQUENCE), 1);
    assert_int_equal(drops(DROP_ICMP_MTU), 1);
    assert_int_equal(counted(COUNT_path_mtu), 0);
    c->thankless = false;
    sim.now_us += 300000; /* sent again, as large as before: and a router says so */
    sim_work(&sim, false);
    assert_true(longest_sent(&k) > 700 + 14);
    packet_too_big(k, 700, 0);
    sim_work(&sim, false);
    assert_int_equal(counted(COUNT_path_mtu), 1);
    for (unsigned i = 0; i < 100; i++) {
        sim_turn(&sim);
        assert_true(longest_sent(&k) <= 700 + 14);
    }
    assert_int_equal(c->heard - heard, 4 + sizeof text);
    sim_everything_is_given_back(&sim);
    sim_stop(&sim);
}

static int set_up(void **state)
{
    return aead_init(AEAD_BACKEND_AUTO) ? 0 : -1;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_million_half_open_connections_cost_nobody_anything),
        cmocka_unit_test(cookies_from_before_a_kill_are_good_after_it),
        cmocka_unit_test(half_open_connections_outlive_the_worker),
        cmocka_unit_test(when_all_slots_are_taken_openings_wait_and_then_go_on),
        cmocka_unit_test(handshakes_that_failed_are_not_counted_among_those_under_way),
        cmocka_unit_test(a_connection_in_time_wait_has_no_slot_and_answers_a_fin_after_a_restart),
        cmocka_unit_test(a_new_connection_from_the_same_port_ends_the_waiting),
        cmocka_unit_test(blind_segments_neither_end_nor_feed_a_connection),
        cmocka_unit_test(acks_from_nobody_are_no_cookies),
        cmocka_unit_test(a_path_that_shrinks_slices_what_was_sealed_for_a_larger_one),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
