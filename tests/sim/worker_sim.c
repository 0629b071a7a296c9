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
#include <sys/mman.h>

#include "dataplane/net/arp.h"
#include "dataplane/net/neighbour.h"
#include "dataplane/worker.h"
#include "dataplane/ws/frame.h"
#include "sim_client.h"

#define CLIENTS    6u
#define PORTS      9u /* fewer than connections: tuples come again */
#define FRAMES_MAX 2048u
#define RESULTS    64u
#define SESSIONS   8u
#define TOPIC      1u
#define TURN_US    5000u
#define SEEDS      60u
#define TURNS      400u

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

struct frame {
    uint32_t length;
    uint8_t bytes[1600];
};

struct sim {
    struct region region;
    struct worker_config config;
    struct worker *worker;
    struct port_queue *port;
    uint64_t now_us, seed;
    struct sim_client client[CLIENTS];
    struct frame in[FRAMES_MAX], out[FRAMES_MAX];
    uint32_t in_count, in_next, out_count;
    struct tls_helper_result result[RESULTS];
    uint32_t results;
    bool helper_rests;
    /* the control plane's side */
    struct txn txn;
    struct ring_end notice, command, fanout;
    uint64_t log_head, log_end;
    uint64_t handle[32]; /* connections it has heard of, the latest last */
    uint32_t handles;
    uint32_t generation[SESSIONS];
    bool control_rests;
    uint32_t closed;
};

static struct sim sim;

static uint32_t chance(struct sim *s, uint32_t n)
{
    s->seed ^= s->seed << 13;
    s->seed ^= s->seed >> 7;
    s->seed ^= s->seed << 17;
    return (uint32_t)(s->seed >> 20) % n;
}

/* ---- the wire and the helper ---- */

static size_t port_in(void *user, uint8_t *frame, size_t room)
{
    struct sim *s = user;
    if (s->in_next == s->in_count)
        return 0;
    const struct frame *f = &s->in[s->in_next++];
    memcpy(frame, f->bytes, f->length);
    return f->length;
}

static bool port_out(void *user, const uint8_t *frame, size_t len)
{
    struct sim *s = user;
    if (s->out_count == FRAMES_MAX)
        return false;
    s->out[s->out_count].length = (uint32_t)len;
    memcpy(s->out[s->out_count++].bytes, frame, len);
    return true;
}

static bool shake_submit(void *user, unsigned worker, uint64_t handle, bool first, const uint8_t *record,
                         uint32_t len)
{
    struct sim *s = user;
    if (s->results == RESULTS)
        return false;
    struct tls_helper_result *r = &s->result[s->results++];
    *r = (struct tls_helper_result){.handle = handle, .step = {.step = TLS_STEP_DONE}};
    sim_secrets(&r->step.secrets);
    return true;
}

static void shake_cancel(void *user, unsigned worker, uint64_t handle)
{
}

static bool shake_poll(void *user, unsigned worker, struct tls_helper_result *out)
{
    struct sim *s = user;
    if (!s->results || s->helper_rests)
        return false;
    *out = s->result[0];
    memmove(s->result, s->result + 1, --s->results * sizeof s->result[0]);
    return true;
}

/* ---- the control plane ---- */

static void post(struct sim *s, struct ring_end *ring, enum verb what, const void *body, size_t n,
                 const void *more, size_t extra)
{
    struct ring_entry *e = ring_reserve(ring, &s->txn, (uint16_t)what, (uint32_t)(n + extra));
    if (!e)
        return;
    memcpy(e->payload, body, n);
    if (extra)
        memcpy(e->payload + n, more, extra);
}

static uint64_t write_event(struct sim *s)
{
    static const char text[] =
        "\"op\":0,\"t\":\"MESSAGE_CREATE\",\"d\":{\"content\":\"what everybody is told\"}}";
    struct event_log *log = region_section(&s->region, SECTION_EVENT_LOG);
    uint32_t n = sizeof text - 1, length = (uint32_t)((sizeof(struct event) + n + 15) & ~15u);
    if (s->log_head + length > s->log_end) /* one segment is enough; the last event again */
        return s->log_head - length;
    struct event *e = event_at(log, s->log_head);
    uint64_t position = s->log_head;
    *e = (struct event){.length = length,
                        .position = position,
                        .classes = ~0ull,
                        .except_session = UINT32_MAX,
                        .variant = {{sizeof *e, n}}};
    memcpy((uint8_t *)e + sizeof *e, text, n);
    s->log_head += length;
    txn_intend(&s->txn, &log->head, s->log_head);
    return position;
}

static uint64_t some_handle(struct sim *s)
{
    return s->handles ? s->handle[chance(s, s->handles)] : 1;
}

static void remember(struct sim *s, uint64_t handle)
{
    if (s->handles == 32)
        memmove(s->handle, s->handle + 1, --s->handles * sizeof s->handle[0]);
    s->handle[s->handles++] = handle;
}

static void send_text(struct sim *s, uint64_t connection, uint8_t opcode, uint32_t n, uint8_t flags)
{
    static uint8_t text[100000];
    struct verb_send v = {.connection = connection, .total = n, .opcode = opcode, .flags = flags};
    post(s, &s->command, VERB_SEND, &v, sizeof v, text, n);
}

static void bind_session(struct sim *s, uint64_t connection, uint32_t session)
{
    struct verb_session v = {.session = session,
                             .generation = ++s->generation[session],
                             .connection = connection,
                             .user_id = 42,
                             .intents = ~0u,
                             .kind = SESSION_GATEWAY,
                             .flags = SESSION_CONTENT};
    struct verb_subscribe sub = {.session = session, .generation = v.generation, .topic = TOPIC};
    post(s, &s->fanout, VERB_SESSION_BIND, &v, sizeof v, NULL, 0);
    post(s, &s->fanout, VERB_SUBSCRIBE, &sub, sizeof sub, NULL, 0);
}

static void resume_session(struct sim *s, uint64_t connection, uint32_t session)
{
    const struct session *was = s->worker->sessions + session;
    struct verb_resume v = {
        .session = {.session = session, .generation = s->generation[session], .connection = connection},
        .seq = was->seq_sent ? was->seq_sent - chance(s, was->seq_sent < 40 ? was->seq_sent : 40) : 0};
    post(s, &s->fanout, VERB_SESSION_RESUME, &v, sizeof v, NULL, 0);
}

static void end_session(struct sim *s, uint32_t session)
{
    struct verb_session_ref v = {
        .session = session, .generation = s->generation[session], .close_code = chance(s, 2) ? 4000 : 0};
    post(s, &s->fanout, VERB_SESSION_END, &v, sizeof v, NULL, 0);
}

static void walk(struct sim *s)
{
    struct verb_walk v = {.topic = TOPIC, .event = write_event(s)};
    post(s, &s->fanout, VERB_WALK, &v, sizeof v, NULL, 0);
}

static void dispatch(struct sim *s, uint32_t session)
{
    struct verb_dispatch v = {
        .session = session, .generation = s->generation[session], .event = write_event(s)};
    post(s, &s->fanout, VERB_DISPATCH, &v, sizeof v, NULL, 0);
}

static void close_connection(struct sim *s, uint64_t handle)
{
    struct verb_close v = {
        .connection = handle, .code = chance(s, 3) ? 4001 : 0, .after_events = (uint8_t)chance(s, 2)};
    post(s, &s->command, VERB_CLOSE, &v, sizeof v, "why", chance(s, 2) ? 3 : 0);
}

static void hear(struct sim *s, const struct ring_entry *e)
{
    uint64_t connection;
    memcpy(&connection, e->payload, sizeof connection);
    if (e->type == NOTICE_OPEN) {
        remember(s, connection);
        if (chance(s, 4))
            bind_session(s, connection, chance(s, SESSIONS));
        else
            resume_session(s, connection, chance(s, SESSIONS));
    } else if (e->type == NOTICE_REQUEST) {
        remember(s, connection);
        if (chance(s, 8))
            send_text(s, connection, 0, 1 + chance(s, 9000), SEND_END | (chance(s, 10) ? 0 : SEND_CLOSE));
    } else if (e->type == NOTICE_MESSAGE) {
        if (chance(s, 2))
            send_text(s, connection, 1, chance(s, chance(s, 8) ? 200 : 60000),
                      chance(s, 20) ? 0 : SEND_CLOSE);
        walk(s);
    } else if (e->type == NOTICE_CLOSED) {
        s->closed++;
        if (chance(s, 3) == 0)
            end_session(s, chance(s, SESSIONS));
    }
}

static void caprice(struct sim *s)
{
    switch (chance(s, 24)) {
    case 0:
        close_connection(s, some_handle(s));
        break;
    case 1:
        end_session(s, chance(s, SESSIONS));
        break;
    case 2:
        resume_session(s, some_handle(s), chance(s, SESSIONS));
        break;
    case 3:
        bind_session(s, some_handle(s), chance(s, SESSIONS));
        break;
    case 4:
        send_text(s, some_handle(s), (uint8_t)chance(s, 2), chance(s, 3000), (uint8_t)chance(s, 8));
        break;
    case 5:
        post(s, &s->fanout, VERB_SHED, &(struct verb_shed){.segment = chance(s, 2)}, sizeof(struct verb_shed),
             NULL, 0);
        break;
    case 6:
        for (unsigned i = 0; i < 40; i++)
            walk(s);
        break;
    default:
        dispatch(s, chance(s, SESSIONS));
    }
}

static void control_step(struct sim *s, bool capricious)
{
    struct ring_entry *e;
    if (s->control_rests)
        return;
    txn_begin(&s->txn);
    for (unsigned n = 0; n < 64 && (e = ring_next(&s->notice)); n++) {
        hear(s, e);
        ring_done(&s->notice, &s->txn, e);
    }
    if (capricious)
        caprice(s);
    txn_commit(&s->txn);
    txn_publish(&s->txn);
}

/* ---- what must hold ---- */

struct found {
    uint32_t connections, records, items, blocks, chunks, handshakes;
    uint32_t pins[2];
};

static void count_item(const struct sim *s, struct found *f, uint32_t index)
{
    const struct tx_item *i = pool_at(s->worker->items, index);
    f->items++;
    f->blocks += i->bytes.blocks;
}

static void check_connection(struct sim *s, struct found *f, struct connection *c)
{
    struct worker *w = s->worker;
    uint32_t records = 0, items = 0, last_item = POOL_NONE, first_waiting = c->item_head;
    uint64_t pos = 0;
    tcp_check(&c->tcp);
    f->connections++;
    f->handshakes += (c->kind == CONNECTION_CLOSING ? c->kind_was : c->kind) == CONNECTION_HANDSHAKE;
    for (uint32_t i = c->record_head; i != POOL_NONE; records++) {
        const struct tx_record *r = pool_at(w->records, i);
        assert_true(!records || r->pos == pos);
        pos = r->pos + r->length;
        if (r->kind != SOURCE_EVENT && r->item != POOL_NONE && r->item != last_item &&
            r->item != first_waiting)
            count_item(s, f, r->item);
        if (r->kind != SOURCE_EVENT)
            last_item = r->item;
        i = r->next;
    }
    for (uint32_t i = c->item_head; i != POOL_NONE; items++) {
        count_item(s, f, i);
        i = ((const struct tx_item *)pool_at(w->items, i))->next;
    }
    assert_int_equal(records, c->records);
    assert_int_equal(items, c->items);
    if (records)
        assert_true(pos == c->tcp.snd_end);
    f->records += records;
    f->blocks += c->app.blocks + c->carry.blocks + c->tcp.rcv.blocks;
    if (c->session != SESSION_NONE) {
        const struct session *x = &w->sessions[c->session];
        assert_int_equal(x->generation, c->session_generation);
        assert_int_equal(x->connection, conn_index(w, c));
    }
}

static void check(struct sim *s)
{
    struct worker *w = s->worker;
    struct found f = {0};
    for (uint32_t i = 0; i < w->connections->fresh; i++)
        if (conn_at(w, i)->kind != CONNECTION_FREE)
            check_connection(s, &f, conn_at(w, i));
    uint32_t pins[2] = {0}, *real = w->queues.pins;
    w->queues.pins = pins;
    for (uint32_t i = 0; i < SESSIONS; i++) {
        const struct session *x = &w->sessions[i];
        if (x->kind == SESSION_FREE)
            continue;
        queue_check(&w->queues, x);
        queue_recount(&w->queues, x);
        f.chunks += x->chunks;
        if (x->connection != UINT32_MAX)
            assert_int_equal(conn_at(w, x->connection)->session, i);
    }
    w->queues.pins = real;
    assert_memory_equal(pins, real, sizeof pins);
    assert_int_equal(f.connections, w->connections->used);
    assert_int_equal(f.records, w->records->used);
    assert_int_equal(f.items, w->items->used);
    assert_int_equal(f.blocks, w->blocks->used);
    assert_int_equal(f.chunks, w->queues.chunks->used);
    assert_int_equal(f.handshakes, w->handshakes);
}

/* ---- turns ---- */

static void deliver(struct sim *s, const struct frame *f)
{
    struct net_packet p;
    struct tcp_segment seg;
    if (net_parse(f->bytes, f->length, &p) != NET_TCP)
        return;
    assert_true(tcp_checksum_ok(p.l4, p.l4_len, p.source, p.destination));
    assert_int_equal(tcp_parse(p.l4, p.l4_len, &seg), DROP_NONE);
    for (uint32_t i = 0; i < CLIENTS; i++)
        if (s->client[i].tcp.tuple.local_port == p.destination_port && !s->client[i].deaf &&
            !(s->client[i].thankless && seg.len))
            sim_client_frame(&s->client[i], &seg, s->now_us);
}

static void gather(struct sim *s, struct sim_client *c)
{
    sim_client_timer(c, s->now_us);
    while (s->in_count < FRAMES_MAX) {
        struct frame *f = &s->in[s->in_count];
        if (!(f->length = (uint32_t)sim_client_next(c, f->bytes, sizeof f->bytes, s->now_us)))
            return;
        s->in_count++;
    }
}

/* What is in `in` is received, and what it causes comes back. */
static void work(struct sim *s, bool lossy)
{
    s->out_count = 0;
    for (unsigned i = 0; i < 200 && (worker_step(s->worker, s->now_us) || s->in_next != s->in_count); i++)
        ;
    s->in_next = s->in_count = 0;
    check(s);
    for (uint32_t i = 0; i < s->out_count; i++)
        if (!lossy || chance(s, 20))
            deliver(s, &s->out[i]);
    s->now_us += TURN_US;
}

static void turn(struct sim *s)
{
    for (uint32_t i = 0; i < CLIENTS; i++)
        gather(s, &s->client[i]);
    work(s, false);
    control_step(s, false);
}

static void turns(struct sim *s, unsigned n)
{
    while (n--)
        turn(s);
}

/* ---- beginning and end ---- */

static void start(struct sim *s, const struct region_geometry *g, uint64_t seed)
{
    uint8_t boot_id[16] = {1}, prefix[16] = {[10] = 0xff, [11] = 0xff, 198, 18};
    struct route_hop link = {0};
    unsigned half;
    char why[256];
    memset(s, 0, offsetof(struct sim, client));
    for (uint32_t i = 0; i < CLIENTS; i++)
        memset(&s->client[i].tcp, 0, sizeof s->client[i].tcp);
    memset((uint8_t *)s + offsetof(struct sim, in_count), 0, sizeof *s - offsetof(struct sim, in_count));
    s->seed = seed * 0x9e3779b97f4a7c15ull + 1;
    s->now_us = 1000000;
    size_t size = region_bytes(g);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    region_format(&s->region, memory, g, boot_id);
    struct route_tables *routes = region_section(&s->region, SECTION_ROUTES);
    assert_true(route_write(&routes->swap, &half) && route_add(&routes->table[half], prefix, 111, &link));
    route_publish(&routes->swap, NULL);
    s->config = (struct worker_config){
        .tcp = tcp_config_default(),
        .voice = {.packets_per_second_max = 1000, .discoveries_per_second_max = 10, .pending_max = 64},
        .tls_port = 443,
        .voice_port_base = 50000,
        .heartbeat_interval_ms = 4000,
        .voice_heartbeat_interval_ms = 2000,
        .payload_max = 4096,
        .body_max = 65536,
        .handshake_us = 1000000,
        .head_us = 1000000,
        .keep_alive_us = 2000000,
        .close_us = 1000000,
        .unsent_max = 64,
        .keep_max = 96,
        .syn_max = 8,
        .echo = true,
        .echo_max = 16u << 20};
    s->config.tcp.time_wait_us = 500000;
    net_addresses_add(&s->config.addresses, sim_server_ip);
    struct port_virtual port = {.rx = port_in, .tx = port_out, .user = s, .mac = {2, 0, 0, 0, 0, 1}};
    struct handshake_source source = {
        .user = s, .submit = shake_submit, .cancel = shake_cancel, .poll = shake_poll};
    s->port = port_virtual_open(&port);
    s->worker = worker_new_with(&s->region, 0, &s->config, s->port, &source, s->now_us, why);
    assert_non_null(s->worker);
    s->worker->answers_link = true;
    txn_attach(&s->txn, s->region.base, region_section(&s->region, SECTION_CONTROL_TXN));
    ring_consumer(&s->notice, region_part(&s->region, 0, PART_RING_NOTICE));
    ring_producer(&s->command, region_part(&s->region, 0, PART_RING_COMMAND));
    ring_producer(&s->fanout, region_part(&s->region, 0, PART_RING_FANOUT));
    s->log_head = ((struct event_log *)region_section(&s->region, SECTION_EVENT_LOG))->head;
    s->log_end = s->log_head + (1u << 20);
    s->in[0].length = (uint32_t)arp_request(s->in[0].bytes, sim_client_ip, sim_client_mac, sim_server_ip);
    s->in_count = 1;
    work(s, false);
}

static void stop(struct sim *s)
{
    worker_free(s->worker);
    port_virtual_close(s->port);
    munmap(s->region.base, s->region.size);
}

/* Clients are gone without a word and the control plane ends what it knows: all must come back. */
static void everything_is_given_back(struct sim *s)
{
    s->control_rests = s->helper_rests = false;
    for (uint32_t i = 0; i < CLIENTS; i++)
        s->client[i].silent = s->client[i].deaf = true;
    for (unsigned i = 0; i < 60; i++) {
        work(s, false);
        control_step(s, false);
        s->now_us += 5000000;
    }
    for (unsigned i = 0; i < 60; i++) {
        work(s, false);
        control_step(s, false);
        txn_begin(&s->txn);
        for (uint32_t k = 0; k < s->worker->connections->fresh; k++) /* requests that nobody answered */
            if (conn_at(s->worker, k)->flags & CONN_REQUEST_OPEN)
                post(s, &s->command, VERB_CLOSE,
                     &(struct verb_close){.connection = conn_handle(s->worker, conn_at(s->worker, k))},
                     sizeof(struct verb_close), NULL, 0);
        for (uint32_t k = 0; k < SESSIONS; k++)
            end_session(s, k);
        txn_commit(&s->txn);
        txn_publish(&s->txn);
        s->now_us += 5000000;
    }
    const struct worker *w = s->worker;
    assert_int_equal(w->connections->used, 0);
    assert_int_equal(w->records->used, 0);
    assert_int_equal(w->items->used, 0);
    assert_int_equal(w->blocks->used, 0);
    assert_int_equal(w->queues.chunks->used, 0);
    assert_int_equal(w->queues.pins[0] + w->queues.pins[1], 0);
    assert_int_equal(w->handshakes, 0);
}

/* ---- what one client can do ---- */

static struct sim_client *connected(struct sim *s, const char *upgrade)
{
    struct sim_client *c = &s->client[0];
    sim_client_start(c, 40000, 7, s->now_us);
    turns(s, 4);
    assert_int_equal(c->tcp.state, TCP_ESTABLISHED);
    if (upgrade)
        assert_true(sim_client_record(c, TLS_APPLICATION_DATA, upgrade, strlen(upgrade)));
    turns(s, 4);
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
        turn(s);
    }
}

static void thousands_of_records_acknowledged_at_once_do_not_overflow_the_undo_log(void **state)
{
    start(&sim, &usual, 1);
    struct sim_client *c = connected(&sim, upgrade_echo);
    pile_up(&sim, c);
    assert_true(sim.worker->records->used > 1500);
    struct connection *slot = conn_at(sim.worker, 0);
    c->thankless = false;
    c->tcp.rcv_nxt = slot->tcp.snd_nxt; /* as if all had come */
    c->tcp.flags |= TCP_F_ACK_NOW;
    c->reads = false;
    turns(&sim, 3);
    assert_true(sim.worker->records->used < 10);
    everything_is_given_back(&sim);
    stop(&sim);
}

static void a_reset_with_thousands_of_records_in_flight_does_not_overflow_the_undo_log(void **state)
{
    start(&sim, &usual, 1);
    struct sim_client *c = connected(&sim, upgrade_echo);
    pile_up(&sim, c);
    assert_true(sim.worker->records->used > 1500);
    tcp_abort(&c->tcp);
    turns(&sim, 3);
    assert_int_equal(sim.worker->connections->used, 0);
    everything_is_given_back(&sim);
    stop(&sim);
}

static void a_long_gathered_message_goes_with_its_connection(void **state)
{
    struct region_geometry g = usual;
    g.blocks = 20000;
    g.undo_bytes = 160u << 10;
    start(&sim, &g, 1);
    struct sim_client *c = connected(&sim, upgrade_echo);
    static uint8_t piece[16000];
    for (unsigned i = 0; i < 30; i++) {
        say(c, i ? WS_OP_CONTINUATION : WS_OP_BINARY, false, piece, sizeof piece, 1);
        turns(&sim, 4);
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
    turns(&sim, 3);
    assert_int_equal(sim.worker->blocks->used, 0);
    everything_is_given_back(&sim);
    stop(&sim);
}

static void an_answer_planned_before_the_reset_in_the_same_burst_is_not_sent(void **state)
{
    start(&sim, &usual, 1);
    struct sim_client *c = connected(&sim, upgrade_gateway);
    static const char beat[] = "{\"op\":1,\"d\":null}";
    say(c, WS_OP_TEXT, true, beat, sizeof beat - 1, 1);
    gather(&sim, c);
    tcp_abort(&c->tcp);
    gather(&sim, c);
    assert_int_equal(sim.in_count, 2);
    work(&sim, false);
    assert_int_equal(sim.worker->connections->used, 0);
    for (uint32_t i = 0; i < sim.out_count; i++) {
        struct net_packet p;
        struct tcp_segment seg;
        if (net_parse(sim.out[i].bytes, sim.out[i].length, &p) == NET_TCP &&
            tcp_parse(p.l4, p.l4_len, &seg) == DROP_NONE)
            assert_int_equal(seg.len, 0);
    }
    everything_is_given_back(&sim);
    stop(&sim);
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
    const char *what = request[chance(s, sizeof request / sizeof request[0])];
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
    switch (chance(s, 12)) {
    case 0:
        say(c, WS_OP_PING, true, "ping", chance(s, 5), 1 + chance(s, 300));
        break;
    case 1:
        say(c, WS_OP_TEXT, true, beat, sizeof beat - 1, 1 + chance(s, 3));
        break;
    case 2:
        say(c, WS_OP_TEXT, true, voice_beat, sizeof voice_beat - 1, 1);
        break;
    case 3:
        say(c, WS_OP_TEXT, chance(s, 2), bytes, chance(s, 4000), 1);
        break;
    case 4:
        say(c, WS_OP_CONTINUATION, chance(s, 2), bytes, chance(s, 9000), 1);
        break;
    case 5:
        if (chance(s, 4) == 0)
            say(c, WS_OP_CLOSE, true, "\x03\xe8", 2, 1);
        break;
    case 6:
        if (chance(s, 8) == 0)
            sim_client_record(c, TLS_APPLICATION_DATA, bytes, chance(s, 50));
        break;
    case 7:
        sim_client_record(c, TLS_APPLICATION_DATA, "\x81", 1); /* half a head */
        break;
    default:
        say(c, WS_OP_TEXT, true, bytes, chance(s, 600), 1);
    }
}

static void tls(struct sim *s, struct sim_client *c)
{
    switch (chance(s, 5)) {
    case 0:
        sim_client_record(c, TLS_ALERT_RECORD, "\x01\x00", 2);
        break;
    case 1: { /* KeyUpdate, with or without a request */
        uint8_t update[TLS_KEY_UPDATE_SIZE] = {24, 0, 0, 1, (uint8_t)chance(s, 2)};
        if (!(c->tls.flags & TLS_PREVIOUS_HELD) &&
            sim_client_record(c, TLS_HANDSHAKE, update, sizeof update)) {
            tls_write_epoch_next(&c->tls);
            tls_write_previous_release(&c->tls);
        }
        break;
    }
    case 2:
        if (chance(s, 4) == 0 && c->sent_length + 50 < SIM_STREAM_MAX)
            c->sent_length += 30; /* not a record */
        break;
    default:
        break;
    }
}

static void misbehave(struct sim *s, struct sim_client *c, uint32_t number)
{
    if (c->tcp.state == TCP_CLOSED || c->tcp.state == TCP_TIME_WAIT) {
        if (chance(s, 6) == 0)
            sim_client_start(c, (uint16_t)(40000 + number + CLIENTS * chance(s, 2)), (uint32_t)s->now_us * 3,
                             s->now_us);
        return;
    }
    uint32_t what = chance(s, 200);
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
        sim_client_start(c, (uint16_t)(40000 + number + CLIENTS * chance(s, 2)), (uint32_t)s->now_us * 3,
                         s->now_us);
    }
}

static void live(struct sim *s, unsigned n)
{
    while (n--) {
        for (uint32_t i = 0; i < CLIENTS; i++) {
            misbehave(s, &s->client[i], i);
            gather(s, &s->client[i]);
        }
        for (uint32_t i = 0; i < s->in_count; i++) /* some are lost */
            if (chance(s, 30) == 0)
                s->in[i--] = s->in[--s->in_count];
        work(s, true);
        control_step(s, chance(s, 3) == 0);
        s->control_rests ^= chance(s, 60) == 0;
        s->helper_rests ^= chance(s, 20) == 0;
        if (chance(s, 20) == 0)
            s->now_us += chance(s, 3000000);
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
        start(&sim, g, i);
        live(&sim, TURNS);
        everything_is_given_back(&sim);
        stop(&sim);
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
        cmocka_unit_test(whatever_clients_and_control_plane_do_everything_is_given_back),
        cmocka_unit_test(it_is_so_with_each_pool_too_small),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
