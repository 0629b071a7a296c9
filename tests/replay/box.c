/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "box.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../unit/tls/peer.h"
#include "dataplane/net/neighbour.h"

#define TOPIC 1u

static const struct region_geometry geometry = {.connections = 8,
                                                .blocks = 128,
                                                .descriptors = 256,
                                                .items = 64,
                                                .chunks = 64,
                                                .topic_chunks = 8,
                                                .rooms = 4,
                                                .members = 8,
                                                .sessions = 8,
                                                .topics = 4,
                                                .control_blocks = 4,
                                                .log_segments = 2,
                                                .ring_bytes = 1u << 20,
                                                .capture_bytes = 4u << 20,
                                                .undo_bytes = 256u << 10};

/* ---- the wire ---- */

static size_t port_in(void *user, uint8_t *frame, size_t room)
{
    const struct box_worker *l = user;
    struct box *b = l->box;
    if (l != &b->lane[0] || b->in_next == b->in_count)
        return 0;
    const struct frame *f = &b->in[b->in_next++];
    memcpy(frame, f->bytes, f->length);
    return f->length;
}

static void keep(struct frames *k, const struct frame *f)
{
    if (k->count == k->capacity) {
        k->capacity = k->capacity ? 2 * k->capacity : 256;
        k->frame = realloc(k->frame, k->capacity * sizeof *k->frame);
        assert_non_null(k->frame);
    }
    k->frame[k->count++] = *f;
}

static bool port_out(void *user, const uint8_t *frame, size_t len)
{
    struct box_worker *l = user;
    struct box *b = l->box;
    struct frame *f = &b->out[b->out_count];
    assert_true(b->out_count++ < FRAMES_MAX);
    f->time_us = b->now_us;
    f->length = (uint32_t)len;
    memcpy(f->bytes, frame, len);
    if (b->keep)
        keep(&l->kept, f);
    return true;
}

/* ---- handshakes ---- */

static struct shake *find_shake(struct box *b, uint64_t handle)
{
    for (unsigned i = 0; i < 8; i++)
        if (b->shake[i].handshake && b->shake[i].handle == handle)
            return &b->shake[i];
    return NULL;
}

static bool shake_submit(void *user, unsigned worker, uint64_t handle, bool first, const uint8_t *record,
                         uint32_t len)
{
    struct box *b = user;
    struct shake *s = find_shake(b, handle);
    struct shake_result *r = &b->result[b->results++];
    assert_true(b->results <= 8);
    for (unsigned i = 0; !s && i < 8; i++)
        if (!b->shake[i].handshake)
            *(s = &b->shake[i]) = (struct shake){handle, tls_handshake_new(b->server)};
    assert_non_null(s);
    r->worker = worker;
    r->result.handle = handle;
    tls_handshake_step(s->handshake, record, len, &r->result.step);
    assert_true(r->result.step.send_len <= sizeof r->send);
    if (r->result.step.send_len)
        memcpy(r->send, r->result.step.send, r->result.step.send_len);
    if (r->result.step.step != TLS_STEP_MORE) {
        tls_handshake_free(s->handshake);
        s->handshake = NULL;
    }
    return true;
}

static void shake_cancel(void *user, unsigned worker, uint64_t handle)
{
    struct shake *s = find_shake(user, handle);
    if (s) {
        tls_handshake_free(s->handshake);
        s->handshake = NULL;
    }
}

static bool shake_poll(void *user, unsigned worker, struct tls_helper_result *out)
{
    static struct shake_result taken;
    struct box *b = user;
    uint32_t at = 0;
    while (at < b->results && b->result[at].worker != worker)
        at++;
    if (at == b->results || b->results_held)
        return false;
    taken = b->result[at];
    memmove(b->result + at, b->result + at + 1, (--b->results - at) * sizeof b->result[0]);
    *out = taken.result;
    out->step.send = taken.send;
    return true;
}

/* ---- the control plane ---- */

static void post(struct box *b, struct ring_end *ring, enum verb what, const void *body, size_t n)
{
    struct ring_entry *e = ring_reserve(ring, &b->txn, (uint16_t)what, (uint32_t)n);
    assert_non_null(e);
    memcpy(e->payload, body, n);
}

static uint64_t write_event(struct box *b, const char *text)
{
    struct event_log *log = region_section(&b->region, SECTION_EVENT_LOG);
    uint64_t position = b->log_head;
    struct event *e = event_at(log, position);
    uint32_t n = (uint32_t)strlen(text);
    *e = (struct event){.length = (uint32_t)((sizeof *e + n + 15) & ~15u),
                        .position = position,
                        .classes = ~0ull,
                        .except_session = UINT32_MAX,
                        .variant = {{sizeof *e, n}}};
    memcpy(e + 1, text, n);
    b->log_head += e->length;
    txn_intend(&b->txn, &log->head, b->log_head);
    return position;
}

static void answer_open(struct box *b, struct box_worker *l, uint64_t connection)
{
    uint32_t session = b->opened;
    struct verb_session bind = {.session = session,
                                .generation = 7,
                                .connection = connection,
                                .user_id = 40 + session,
                                .intents = ~0u,
                                .kind = SESSION_GATEWAY,
                                .flags = SESSION_CONTENT};
    struct verb_dispatch ready = {
        .session = session, .generation = 7, .event = write_event(b, "\"op\":0,\"t\":\"READY\"}")};
    struct verb_subscribe sub = {.session = session, .generation = 7, .topic = TOPIC, .from = b->log_head};
    post(b, &l->fanout, VERB_SESSION_BIND, &bind, sizeof bind);
    post(b, &l->fanout, VERB_DISPATCH, &ready, sizeof ready);
    post(b, &l->fanout, VERB_SUBSCRIBE, &sub, sizeof sub);
    b->opened++;
}

/* What one said, all are told; and the one that said it gets an answer of its own. */
static void answer_message(struct box *b, struct box_worker *l, const struct notice_message *n,
                           uint32_t length)
{
    struct {
        struct verb_send head;
        char text[128];
    } reply = {.head = {.connection = n->connection, .opcode = 1}};
    char text[256];
    snprintf(text, sizeof text, "\"op\":0,\"t\":\"MESSAGE_CREATE\",\"d\":{\"content\":\"%.*s\"}}",
             (int)length, (const char *)n->text);
    struct verb_walk walk = {.topic = TOPIC, .event = write_event(b, text)};
    for (uint32_t k = 0; k < b->workers; k++)
        post(b, &b->lane[k].fanout, VERB_WALK, &walk, sizeof walk);
    reply.head.total =
        (uint32_t)snprintf(reply.text, sizeof reply.text, "stored: %.*s", (int)length, (const char *)n->text);
    post(b, &l->command, VERB_SEND, &reply, sizeof reply.head + reply.head.total);
    b->heard++;
}

static void control_input(struct box *b, struct box_worker *l, const struct ring_entry *e)
{
    if (e->type == NOTICE_OPEN)
        answer_open(b, l, ((const struct notice_open *)(const void *)e->payload)->connection);
    else if (e->type == NOTICE_MESSAGE)
        answer_message(b, l, (const void *)e->payload, e->length - (uint32_t)sizeof(struct notice_message));
    else if (e->type == NOTICE_HEARD)
        b->voices++;
}

static void control_step(struct box *b)
{
    struct ring_entry *e;
    for (uint32_t k = 0; k < b->workers; k++) {
        while ((e = ring_next(&b->lane[k].notice))) {
            txn_begin(&b->txn);
            control_input(b, &b->lane[k], e);
            ring_done(&b->lane[k].notice, &b->txn, e);
            txn_commit(&b->txn);
            txn_publish(&b->txn);
        }
    }
}

static void set_member(struct box *b, uint32_t index)
{
    struct verb_member m = {.member = (b->workers - 1) * geometry.members + index,
                            .generation = 1,
                            .session = index,
                            .user_id = 40 + index,
                            .channel_id = 9,
                            .ssrc = SSRC_OF + index,
                            .mode = (uint8_t)b->participant[index].mode};
    voice_key(index, m.key);
    txn_begin(&b->txn);
    post(b, &b->lane[b->workers - 1].command, VERB_MEMBER_SET, &m, sizeof m);
    txn_commit(&b->txn);
    txn_publish(&b->txn);
}

/* ---- turns ---- */

/* Every worker has an iteration. False: none has anything to do. */
static bool iterate(struct box *b)
{
    bool busy = false;
    for (uint32_t k = 0; k < b->workers; k++) {
        b->lane[k].worker->unix_s = UNIX_S + b->now_us / 1000000;
        busy |= worker_step(b->lane[k].worker, b->now_us);
    }
    return busy || b->in_next != b->in_count || (b->results && !b->results_held);
}

void box_work(struct box *b)
{
    b->out_count = 0;
    for (unsigned i = 0; i < 64 && iterate(b); i++)
        ;
    for (uint32_t i = 0; i < b->out_count; i++)
        for (uint32_t k = 0; k < b->participants; k++)
            participant_frame(&b->participant[k], b->out[i].bytes, b->out[i].length, b->now_us);
    control_step(b);
    b->now_us += TICK_US;
}

static uint8_t *next_in(struct box *b)
{
    assert_true(b->in_count < FRAMES_MAX);
    return b->in[b->in_count].bytes;
}

static void put_in(struct box *b, size_t length)
{
    b->in[b->in_count++].length = (uint32_t)length;
}

void box_turn(struct box *b, bool talk)
{
    if (b->in_next == b->in_count) /* else the worker stood still */
        b->in_next = b->in_count = 0;
    for (uint32_t k = 0; k < b->participants; k++) {
        struct participant *c = &b->participant[k];
        size_t n;
        participant_timer(c, b->now_us);
        while ((n = participant_next(c, next_in(b), sizeof b->in[0].bytes, b->now_us)))
            put_in(b, n);
        if (talk && k < b->opened)
            put_in(b, participant_talk(c, next_in(b)));
    }
    box_work(b);
}

void box_join(struct box *b)
{
    participant_start(&b->participant[b->participants], b->participants, b->client, b->now_us);
    b->participant[b->participants].voice_port = (uint16_t)(b->config.voice_port_base + b->workers - 1);
    b->participants++;
}

void box_enter(struct box *b, uint32_t index)
{
    static const char upgrade[] =
        "GET /?v=10&encoding=json HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    assert_int_equal(b->participant[index].tls.state, TLS_CONN_OPEN);
    participant_say(&b->participant[index], upgrade, sizeof upgrade - 1);
    set_member(b, index);
}

/* ---- beginning and end ---- */

static void *map(const char *file, size_t size)
{
    int fd = file ? open(file, O_RDWR | O_CREAT | O_TRUNC, 0600) : -1;
    if (file)
        assert_true(fd >= 0 && ftruncate(fd, (off_t)size) == 0);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | (file ? 0 : MAP_ANONYMOUS), fd, 0);
    if (file)
        close(fd);
    assert_true(memory != MAP_FAILED);
    return memory;
}

static void make_region(struct box *b, const char *file)
{
    uint8_t boot_id[16] = {1}, prefix[16] = {[10] = 0xff, [11] = 0xff, 198, 18};
    struct route_hop link = {0};
    unsigned half;
    if (file)
        region_boot_id(boot_id);
    struct region_geometry g = geometry;
    g.workers = b->workers;
    region_format(&b->region, map(file, region_bytes(&g)), &g, boot_id);
    memset(&b->region.header->secrets, 0x5a, sizeof b->region.header->secrets);
    struct route_tables *routes = region_section(&b->region, SECTION_ROUTES);
    assert_true(route_write(&routes->swap, &half) && route_add(&routes->table[half], prefix, 111, &link));
    route_publish(&routes->swap, NULL);
}

static void make_control(struct box *b)
{
    txn_attach(&b->txn, b->region.base, region_section(&b->region, SECTION_CONTROL_TXN));
    for (uint32_t k = 0; k < b->workers; k++) {
        ring_consumer(&b->lane[k].notice, region_part(&b->region, k, PART_RING_NOTICE));
        ring_producer(&b->lane[k].command, region_part(&b->region, k, PART_RING_COMMAND));
        ring_producer(&b->lane[k].fanout, region_part(&b->region, k, PART_RING_FANOUT));
    }
    b->log_head = ((struct event_log *)region_section(&b->region, SECTION_EVENT_LOG))->head;
    /* Its sessions, which a snapshot must know of. */
    struct pool *sessions = region_section(&b->region, SECTION_SESSIONS_CONTROL);
    for (uint32_t i = 0; i < PARTICIPANTS; i++)
        *session_control_at(&b->region, pool_get(sessions, NULL)) =
            (struct session_control){.kind = SESSION_GATEWAY, .peer = SESSION_NONE};
}

static void make_config(struct box *b)
{
    b->config = (struct worker_config){
        .tcp = tcp_config_default(),
        .voice = {.packets_per_second_max = 1000, .discoveries_per_second_max = 10, .pending_max = 64},
        .tls_port = 443,
        .voice_port_base = 50000,
        .heartbeat_interval_ms = 41250,
        .voice_heartbeat_interval_ms = 13750,
        .payload_max = 4096,
        .body_max = 65536,
        .handshake_us = 10000000,
        .head_us = 10000000,
        .keep_alive_us = 60000000,
        .answer_us = 30000000,
        .reader_us = 10000000,
        .close_us = 10000000,
        .unsent_max = 64,
        .keep_max = 64,
        .syn_max = 4};
    net_addresses_add(&b->config.addresses, server_ip);
}

static void make_worker(struct box *b, uint32_t k)
{
    struct box_worker *l = &b->lane[k];
    struct port_virtual port = {.rx = port_in, .tx = port_out, .user = l, .mac = {2, 0, 0, 0, 0, 1}};
    struct handshake_source source = {
        .user = b, .submit = shake_submit, .cancel = shake_cancel, .poll = shake_poll};
    char why[256];
    l->box = b;
    l->port = port_virtual_open(&port);
    l->worker = worker_new_with(&b->region, k, &b->config, l->port, &source, b->now_us, why);
    assert_non_null(l->worker);
    l->worker->answers_link = k == 0;
    if (b->workers == 1)
        return;
    for (uint32_t i = 0; i < b->workers; i++) {
        assert_true(spsc_init(&l->to[i], 64, sizeof(struct packet)));
        l->from[i] = &b->lane[i].to[k];
    }
    l->worker->to_worker = l->to;
    l->worker->from_worker = l->from;
}

/* Every worker keeps its own table of the link. */
static void learn_link(struct box *b)
{
    uint8_t frame[64], target[16];
    struct net_packet p;
    size_t n = arp_request(frame, client_ip, client_mac, server_ip);
    assert_int_equal(net_parse(frame, n, &p), NET_ARP);
    for (uint32_t k = 0; k < b->workers; k++) {
        neighbour_learn(b->lane[k].worker->neighbours, &p, &b->config.addresses, b->now_us);
        assert_false(neighbour_request(b->lane[k].worker->neighbours, b->now_us, target));
    }
}

struct box *box_new(uint32_t workers, const char *region_file)
{
    char error[TLS_ERROR_MAX];
    struct pki pki;
    struct box *b = aligned_alloc(64, (sizeof *b + 63) & ~(size_t)63);
    assert_non_null(b);
    memset(b, 0, sizeof *b);
    b->workers = workers;
    b->now_us = region_file ? region_now_us() : 1000000;
    pki_make(&pki, PKI_P256, 30);
    b->server = server_of(&pki);
    pki_remove(&pki);
    b->client = tls_client_new(NULL, 0, NULL, error);
    assert_non_null(b->client);
    make_region(b, region_file);
    make_control(b);
    make_config(b);
    for (uint32_t k = 0; k < workers; k++)
        make_worker(b, k);
    learn_link(b);
    return b;
}

void box_free(struct box *b)
{
    for (uint32_t k = 0; k < b->workers; k++) {
        worker_free(b->lane[k].worker);
        port_virtual_close(b->lane[k].port);
        for (uint32_t i = 0; i < LANES; i++)
            spsc_free(&b->lane[k].to[i]);
        free(b->lane[k].kept.frame);
    }
    for (uint32_t k = 0; k < b->participants; k++)
        participant_end(&b->participant[k]);
    for (unsigned i = 0; i < 8; i++)
        tls_handshake_free(b->shake[i].handshake);
    tls_client_free(b->client);
    tls_server_free(b->server);
    region_detach(&b->region);
    free(b);
}
