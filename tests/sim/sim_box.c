/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sim_box.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "dataplane/net/arp.h"
#include "dataplane/net/neighbour.h"

#define TOPIC        1u
#define TURN_US      5000u
#define SEGMENTS_MAX 64u /* of the event log */

uint32_t sim_chance(struct sim *s, uint32_t n)
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

/* Record 0 under the server's key, as a handshake's last flight. */
static void send_ticket(struct sim *s, struct tls_step_result *step)
{
    static const uint8_t ticket[] = {4, 0, 0, 2, 'h', 'i'};
    struct tls_keys keys;
    tls_keys_derive(&keys, step->secrets.suite, step->secrets.server, 0);
    step->send_len =
        (uint32_t)tls_seal(&keys, 0, TLS_HANDSHAKE, &(struct tls_span){ticket, sizeof ticket}, 1, s->ticket);
    step->send = s->ticket;
    step->secrets.server_records = 1;
}

static bool shake_submit(void *user, unsigned worker, uint64_t handle, bool first, const uint8_t *record,
                         uint32_t len)
{
    struct sim *s = user;
    if (s->results == RESULTS)
        return false;
    struct tls_helper_result *r = &s->result[(s->result_first + s->results++) % RESULTS];
    *r = (struct tls_helper_result){.handle = handle, .step = {.step = TLS_STEP_DONE}};
    sim_secrets(&r->step.secrets);
    if (s->tickets)
        send_ticket(s, &r->step);
    return true;
}

static void shake_cancel(void *user, unsigned worker, uint64_t handle)
{
}

static bool shake_poll(void *user, unsigned worker, struct tls_helper_result *out)
{
    struct sim *s = user;
    if (!s->results || s->helper_rests || (s->shakes_per_turn && !s->shakes_left))
        return false;
    s->shakes_left -= s->shakes_left != 0;
    *out = s->result[s->result_first];
    s->result_first = (s->result_first + 1) % RESULTS;
    s->results--;
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
    return s->handles ? s->handle[sim_chance(s, s->handles)] : 1;
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
        .seq = was->seq_sent ? was->seq_sent - sim_chance(s, was->seq_sent < 40 ? was->seq_sent : 40) : 0};
    post(s, &s->fanout, VERB_SESSION_RESUME, &v, sizeof v, NULL, 0);
}

static void end_session(struct sim *s, uint32_t session)
{
    struct verb_session_ref v = {
        .session = session, .generation = s->generation[session], .close_code = sim_chance(s, 2) ? 4000 : 0};
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
        .connection = handle, .code = sim_chance(s, 3) ? 4001 : 0, .after_events = (uint8_t)sim_chance(s, 2)};
    post(s, &s->command, VERB_CLOSE, &v, sizeof v, "why", sim_chance(s, 2) ? 3 : 0);
}

static void hear(struct sim *s, const struct ring_entry *e)
{
    uint64_t connection;
    memcpy(&connection, e->payload, sizeof connection);
    if (e->type == NOTICE_OPEN) {
        remember(s, connection);
        if (sim_chance(s, 4))
            bind_session(s, connection, sim_chance(s, SESSIONS));
        else
            resume_session(s, connection, sim_chance(s, SESSIONS));
    } else if (e->type == NOTICE_REQUEST) {
        remember(s, connection);
        if (s->answer_bytes)
            send_text(s, connection, 0, s->answer_bytes, SEND_END);
        else if (sim_chance(s, 8))
            send_text(s, connection, 0, 1 + sim_chance(s, 9000),
                      SEND_END | (sim_chance(s, 10) ? 0 : SEND_CLOSE));
    } else if (e->type == NOTICE_MESSAGE) {
        if (sim_chance(s, 2))
            send_text(s, connection, 1, sim_chance(s, sim_chance(s, 8) ? 200 : 60000),
                      sim_chance(s, 20) ? 0 : SEND_CLOSE);
        walk(s);
    } else if (e->type == NOTICE_CLOSED) {
        s->closed++;
        if (sim_chance(s, 3) == 0)
            end_session(s, sim_chance(s, SESSIONS));
    }
}

static void caprice(struct sim *s)
{
    switch (sim_chance(s, 24)) {
    case 0:
        close_connection(s, some_handle(s));
        break;
    case 1:
        end_session(s, sim_chance(s, SESSIONS));
        break;
    case 2:
        resume_session(s, some_handle(s), sim_chance(s, SESSIONS));
        break;
    case 3:
        bind_session(s, some_handle(s), sim_chance(s, SESSIONS));
        break;
    case 4:
        send_text(s, some_handle(s), (uint8_t)sim_chance(s, 2), sim_chance(s, 3000),
                  (uint8_t)sim_chance(s, 8));
        break;
    case 5:
        post(s, &s->fanout, VERB_SHED, &(struct verb_shed){.segment = sim_chance(s, 2)},
             sizeof(struct verb_shed), NULL, 0);
        break;
    case 6:
        for (unsigned i = 0; i < 40; i++)
            walk(s);
        break;
    default:
        dispatch(s, sim_chance(s, SESSIONS));
    }
}

void sim_control(struct sim *s, bool capricious)
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

/* What the control plane does on purpose, about the connection that it heard of last. */
void sim_order(struct sim *s, enum sim_order what, uint32_t session)
{
    uint64_t handle = s->handle[s->handles - 1];
    struct verb_close close = {.connection = handle, .code = 4001};
    struct verb_session_ref end = {
        .session = session, .generation = s->generation[session], .close_code = what == SIM_END ? 4004 : 0};
    txn_begin(&s->txn);
    switch (what) {
    case SIM_BIND:
        bind_session(s, handle, session);
        break;
    case SIM_DISPATCH:
        dispatch(s, session);
        break;
    case SIM_CLOSE:
        post(s, &s->command, VERB_CLOSE, &close, sizeof close, NULL, 0);
        break;
    case SIM_END:
    case SIM_END_QUIETLY:
        post(s, &s->fanout, VERB_SESSION_END, &end, sizeof end, NULL, 0);
        break;
    }
    txn_commit(&s->txn);
    txn_publish(&s->txn);
}

/* ---- scarcity ---- */

void sim_starve(struct sim *s, struct pool *p, uint32_t left)
{
    struct txn *t = &s->worker->txn;
    s->starved = p;
    s->taken = malloc(p->capacity * sizeof *s->taken);
    txn_begin(t);
    pool_leave_limbo(p, t);
    while (pool_free(p, t) > left) {
        if (txn_room(t) < 4096) {
            txn_commit(t);
            txn_publish(t);
            txn_begin(t);
        }
        s->taken[s->taken_count++] = pool_get(p, t);
    }
    txn_commit(t);
    txn_publish(t);
}

void sim_feed(struct sim *s)
{
    struct txn *t = &s->worker->txn;
    for (uint32_t i = 0; i < s->taken_count; i++) {
        txn_begin(t);
        pool_put(s->starved, t, s->taken[i]);
        txn_commit(t);
        txn_publish(t);
    }
    free(s->taken);
    s->taken = NULL;
    s->starved = NULL;
    s->taken_count = 0;
}

static uint32_t used(const struct sim *s, const struct pool *p)
{
    return p->used - (p == s->starved ? s->taken_count : 0);
}

/* ---- what must hold ---- */

struct found {
    uint32_t connections, records, items, blocks, chunks, handshakes;
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
    f->handshakes += c->kind == CONNECTION_HANDSHAKE;
    for (uint32_t i = c->record_head; i != POOL_NONE; records++) {
        const struct tx_record *r = pool_at(w->records, i);
        assert_true(!records || r->pos == pos);
        pos = r->pos + r->length;
        if (r->kind != SOURCE_EVENT && r->item != POOL_NONE && r->item != last_item &&
            r->item != first_waiting)
            count_item(s, f, r->item);
        if (r->kind != SOURCE_EVENT && r->item != POOL_NONE) /* a KeyUpdate may come in the middle of one */
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
    f->blocks += c->app.blocks + c->carry.blocks + c->tcp.rcv.blocks + (c->tcp.board != 0);
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
    uint32_t pins[SEGMENTS_MAX] = {0}, *real = w->queues.pins;
    w->queues.pins = pins;
    for (uint32_t i = 0; i < s->region.header->geometry.sessions; i++) {
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
    assert_memory_equal(pins, real, s->region.header->geometry.log_segments * sizeof *pins);
    assert_int_equal(f.connections, used(s, w->connections));
    assert_int_equal(f.records, used(s, w->records));
    assert_int_equal(f.items, used(s, w->items));
    assert_int_equal(f.blocks, used(s, w->blocks));
    assert_int_equal(f.chunks, used(s, w->queues.chunks));
    assert_int_equal(f.handshakes, w->handshakes);
}

/* ---- turns ---- */

static void deliver(struct sim *s, const struct frame *f)
{
    struct net_packet p;
    struct tcp_segment seg;
    enum net_class class = net_parse(f->bytes, f->length, &p);
    if (class == NET_ARP && s->answers_arp && s->in_count < FRAMES_MAX) { /* asked for a client: it makes itself known */
        struct frame *hello = &s->in[s->in_count++];
        hello->length = (uint32_t)arp_request(hello->bytes, sim_client_ip, sim_client_mac, sim_server_ip);
    }
    if (class != NET_TCP)
        return;
    assert_true(tcp_checksum_ok(p.l4, p.l4_len, p.source, p.destination));
    assert_int_equal(tcp_parse(p.l4, p.l4_len, &seg), DROP_NONE);
    for (uint32_t i = 0; i < CLIENTS; i++)
        if (s->client[i].tcp.tuple.local_port == p.destination_port && !s->client[i].deaf &&
            !(s->client[i].thankless && seg.len))
            sim_client_frame(&s->client[i], &seg, s->now_us);
}

void sim_gather(struct sim *s, struct sim_client *c)
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
void sim_work(struct sim *s, bool lossy)
{
    s->out_count = 0;
    s->shakes_left = s->shakes_per_turn;
    for (unsigned i = 0; i < 200 && (worker_step(s->worker, s->now_us) || s->in_next != s->in_count); i++)
        ;
    s->in_next = s->in_count = 0;
    if (!s->check_every || s->turns++ % s->check_every == 0)
        check(s);
    for (uint32_t i = 0; i < s->out_count; i++)
        if (!lossy || sim_chance(s, 20))
            deliver(s, &s->out[i]);
    s->now_us += TURN_US;
}

void sim_turn(struct sim *s)
{
    for (uint32_t i = 0; i < CLIENTS; i++)
        sim_gather(s, &s->client[i]);
    sim_work(s, false);
    sim_control(s, false);
}

void sim_turns(struct sim *s, unsigned n)
{
    while (n--)
        sim_turn(s);
}

/* ---- beginning and end ---- */

static void start_worker(struct sim *s)
{
    char why[256];
    struct handshake_source source = {
        .user = s, .submit = shake_submit, .cancel = shake_cancel, .poll = shake_poll};
    s->worker = worker_new_with(&s->region, 0, &s->config, s->port, &source, s->now_us, why);
    assert_non_null(s->worker);
    s->worker->answers_link = true;
}

void sim_restart(struct sim *s)
{
    worker_free(s->worker);
    s->results = 0;
    start_worker(s);
}

void sim_start(struct sim *s, const struct region_geometry *g, uint64_t seed)
{
    uint8_t boot_id[16] = {1}, prefix[16] = {[10] = 0xff, [11] = 0xff, 198, 18}, anyone[16] = {[10] = 0xff, [11] = 0xff};
    struct route_hop link = {0}, gateway = {0}; /* everybody else is behind the clients' host */
    unsigned half;
    memcpy(gateway.gateway, sim_client_ip, sizeof gateway.gateway);
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
    assert_true(route_write(&routes->swap, &half) && route_add(&routes->table[half], prefix, 111, &link) &&
                route_add(&routes->table[half], anyone, 96, &gateway));
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
        .answer_us = 3000000,
        .reader_us = 2000000,
        .close_us = 1000000,
        .unsent_max = 64,
        .keep_max = 96,
        .syn_max = 8,
        .echo = true,
        .echo_max = 16u << 20};
    s->config.tcp.time_wait_us = 500000;
    net_addresses_add(&s->config.addresses, sim_server_ip);
    struct port_virtual port = {.rx = port_in, .tx = port_out, .user = s, .mac = {2, 0, 0, 0, 0, 1}};
    s->port = port_virtual_open(&port);
    start_worker(s);
    txn_attach(&s->txn, s->region.base, region_section(&s->region, SECTION_CONTROL_TXN));
    ring_consumer(&s->notice, region_part(&s->region, 0, PART_RING_NOTICE));
    ring_producer(&s->command, region_part(&s->region, 0, PART_RING_COMMAND));
    ring_producer(&s->fanout, region_part(&s->region, 0, PART_RING_FANOUT));
    s->log_head = ((struct event_log *)region_section(&s->region, SECTION_EVENT_LOG))->head;
    s->log_end = s->log_head + (1u << 20);
    s->in[0].length = (uint32_t)arp_request(s->in[0].bytes, sim_client_ip, sim_client_mac, sim_server_ip);
    s->in_count = 1;
    sim_work(s, false);
}

void sim_stop(struct sim *s)
{
    worker_free(s->worker);
    port_virtual_close(s->port);
    munmap(s->region.base, s->region.size);
}

/* Clients are gone without a word and the control plane ends what it knows: all must come back. */
void sim_everything_is_given_back(struct sim *s)
{
    s->control_rests = s->helper_rests = false;
    for (uint32_t i = 0; i < CLIENTS; i++)
        s->client[i].silent = s->client[i].deaf = true;
    for (unsigned i = 0; i < 60; i++) {
        sim_work(s, false);
        sim_control(s, false);
        s->now_us += 5000000;
    }
    for (unsigned i = 0; i < 60; i++) {
        sim_work(s, false);
        sim_control(s, false);
        txn_begin(&s->txn);
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
