/*
 * The worker is killed at its n-th store into the region, for every n, and its next life goes on. A client and the control plane's
 * side of the rings live in this process and see to it that
 *
 *   - the connection is never reset and every byte of its stream is the same each time it is sent: no (key, nonce) has two plaintexts;
 *   - every message of the client reaches the control plane exactly once, in order;
 *   - every event and every private answer reaches the client exactly once, in order;
 *   - no voice counter of a receiver's key is used twice.
 *
 * The worker runs in a process of its own on the same memory; one round of the conversation is: frames to it, one or more of its
 * iterations, its frames back. All kills are had from one run: ahead of each store the worker stops and says so, and this process
 * forks. In the fork the worker is dead at this store: the fork copies the region, starts the next worker on the copy, and holds the
 * rest of the conversation. What was on its way to the dead worker is lost, as on a network.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash_client.h"
#include "dataplane/worker.h"
#include "store_trap.h"

#define KILLS_AT_ONCE 2
#define FRAMES_MAX 64
#define ROUND_US   20000
#define ROUNDS_MAX 400
#define MESSAGES   2
#define TALK       4 /* voice packets of each member */
#define SSRC_SPEAKER 1001
#define SSRC_LISTENER 1002

#define CONNECTIONS 8u
#define SESSIONS    8u

static const struct region_geometry geometry = {
    .workers = 1, .connections = CONNECTIONS, .blocks = 64, .descriptors = 256, .items = 64, .chunks = 64, .topic_chunks = 8, .rooms = 4,
    .members = 8, .sessions = SESSIONS, .topics = 4, .control_blocks = 4, .log_segments = 2, .ring_bytes = 1u << 20,
    .capture_bytes = 1u << 16, .undo_bytes = 256u << 10};

static struct region region;
static struct worker_config config;

struct frames {
    uint32_t count;
    uint32_t length[FRAMES_MAX];
    uint8_t bytes[FRAMES_MAX][1600];
};

/* ---- the child: a worker on a virtual port ---- */

struct child_port {
    const struct frames *in;
    uint32_t next;
    int socket;
};

static size_t child_rx(void *user, uint8_t *frame, size_t room)
{
    struct child_port *p = user;
    if (!p->in || p->next == p->in->count)
        return 0;
    size_t n = p->in->length[p->next];
    memcpy(frame, p->in->bytes[p->next++], n);
    return n;
}

/* A frame is on the wire the moment the port has it: the parent sees it even if the next store is the last. */
static bool child_tx(void *user, const uint8_t *frame, size_t len)
{
    struct child_port *p = user;
    return send(p->socket, frame, len, 0) == (ssize_t)len;
}

struct round {
    uint64_t now_us;
    struct frames frames;
};

/* What a worker says beside frames, which are longer: a round is over, or the next store is the one with this number. */
struct report {
    uint64_t store; /* 0: the round is over */
};

static int worker_socket, worker_go;

/* Runs in the handler of the store's fault. */
static void stop_at_store(uint64_t number)
{
    struct report stop = {.store = number};
    char go;
    if (send(worker_socket, &stop, sizeof stop, 0) != sizeof stop || read(worker_go, &go, 1) != 1)
        _exit(0);
}

static void child_main(int sock, int go, bool stops, uint64_t virtual_now_us)
{
    static struct round round;
    struct child_port port = {.socket = sock};
    struct port_virtual virtual_port = {.rx = child_rx, .tx = child_tx, .user = &port, .mac = {2, 0, 0, 0, 0, 1}};
    struct port_queue *queue = port_virtual_open(&virtual_port);
    char why[256];
    worker_socket = sock;
    worker_go = go;
    if (stops) {
        store_trap_watch(stop_at_store);
        store_trap_arm(region.base, region.size, 0);
    }
    struct worker *w = worker_new(&region, 0, &config, queue, NULL, virtual_now_us, why);
    if (!w)
        abort();
    w->answers_link = true;
    while (recv(sock, &round, sizeof round, 0) == (ssize_t)sizeof round) {
        port.in = &round.frames;
        port.next = 0;
        while (worker_step(w, round.now_us) || port.next < round.frames.count)
            ;
        send(sock, &(struct report){0}, sizeof(struct report), 0);
    }
    _exit(0);
}

struct child {
    pid_t pid;
    int socket; /* for rounds and frames */
    int go;     /* a byte lets it go on at a store */
};

static void child_start(struct child *c, bool stops, uint64_t now_us)
{
    int pair[2], go[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    assert_int_equal(pipe(go), 0);
    int size = 1 << 20;
    setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    setsockopt(pair[1], SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    c->pid = fork();
    assert_true(c->pid >= 0);
    if (c->pid == 0) {
        close(pair[0]);
        close(go[1]);
        child_main(pair[1], go[0], stops, now_us);
    }
    close(pair[1]);
    close(go[0]);
    c->socket = pair[0];
    c->go = go[1];
}

/* In a fork the child is another process's, which waits for it. */
static void child_end(struct child *c)
{
    close(c->socket);
    close(c->go);
    waitpid(c->pid, NULL, 0);
}

/* ---- kills: a fork each ---- */

static struct kill {
    pid_t pid; /* 0: none runs */
    uint64_t store;
    void *copy; /* of the region, as the dead worker left it */
} kills[KILLS_AT_ONCE];

static uint64_t stores;    /* that the worker has come to */
static uint64_t harmful;   /* the first store at which a kill did harm; 0: none so far */
static struct kill *death; /* in a fork: what it is about */

static void wait_for_kill(struct kill *k)
{
    int status;
    if (k->pid && waitpid(k->pid, &status, 0) == k->pid && status && !harmful)
        harmful = k->store;
    k->pid = 0;
}

/* True in the fork in which the worker is dead. */
static bool fork_at_store(uint64_t number)
{
    struct kill *k = &kills[number % KILLS_AT_ONCE];
    wait_for_kill(k);
    stores = k->store = number;
    memcpy(k->copy, region.base, region.size); /* the worker goes on as soon as it is told to */
    k->pid = fork();
    assert_true(k->pid >= 0);
    if (k->pid == 0)
        death = k;
    return k->pid == 0;
}

/* Connections and sessions as they were when the transaction under way began: whatever is saved of them, and when, undoing it must
 * bring back all of it. */
static struct {
    uint64_t number;
    uint8_t connections[CONNECTIONS * CONNECTION_STRIDE];
    struct session sessions[SESSIONS];
} before;

static struct txn_log *worker_log(void)
{
    return region_part(&region, 0, PART_TXN);
}

/* At each store: the first of a transaction is ahead of every change. */
static void remember_beginning(void)
{
    const struct txn_log *l = worker_log();
    if (atomic_load(&l->phase) != TXN_OPEN || before.number == atomic_load(&l->number))
        return;
    before.number = atomic_load(&l->number);
    memcpy(before.connections, connection_at(&region, 0, 0), sizeof before.connections);
    memcpy(before.sessions, session_at(&region, 0), sizeof before.sessions);
}

/* In a fork, of the copy: what the dead worker's open transaction did is undone. */
static void expect_undone(void)
{
    struct txn t;
    txn_attach(&t, region.base, worker_log());
    if (txn_recover(&t) != TXN_OPEN)
        return;
    assert_int_equal(before.number, atomic_load(&worker_log()->number));
    assert_memory_equal(before.connections, connection_at(&region, 0, 0), sizeof before.connections);
    assert_memory_equal(before.sessions, session_at(&region, 0), sizeof before.sessions);
}

/* From here on this fork and its worker have a region of their own. */
static void take_copy_of_region(void)
{
    assert_ptr_equal(mremap(death->copy, region.size, region.size, MREMAP_MAYMOVE | MREMAP_FIXED, region.base), region.base);
    expect_undone();
}

/* Hands a round to the child and collects what it sends. False: it died. */
static bool child_round(struct child *c, const struct round *in, struct frames *out)
{
    out->count = 0;
    assert_int_equal(send(c->socket, in, sizeof *in, MSG_NOSIGNAL), sizeof *in);
    for (;;) {
        static uint8_t buffer[2048];
        struct report report;
        ssize_t n = recv(c->socket, buffer, sizeof buffer, 0);
        assert_true(n > 0);
        if (n > (ssize_t)sizeof report) {
            assert_true(out->count < FRAMES_MAX);
            memcpy(out->bytes[out->count], buffer, (size_t)n);
            out->length[out->count++] = (uint32_t)n;
            continue;
        }
        memcpy(&report, buffer, sizeof report);
        if (report.store == 0)
            return true;
        remember_beginning();
        if (fork_at_store(report.store))
            return false;
        assert_int_equal(write(c->go, "", 1), 1);
    }
}

/* ---- the control plane's side ---- */

struct control {
    struct txn txn;
    struct ring_end notice, command, fanout;
    uint32_t heard;   /* messages of the client, all in order */
    uint32_t opened;  /* NOTICE_OPEN */
    uint32_t closed;
    uint32_t voice_heard;
    uint64_t log_head;
};

static void control_attach(struct control *k)
{
    *k = (struct control){0};
    txn_attach(&k->txn, region.base, region_section(&region, SECTION_CONTROL_TXN));
    ring_consumer(&k->notice, region_part(&region, 0, PART_RING_NOTICE));
    ring_producer(&k->command, region_part(&region, 0, PART_RING_COMMAND));
    ring_producer(&k->fanout, region_part(&region, 0, PART_RING_FANOUT));
    k->log_head = ((struct event_log *)region_section(&region, SECTION_EVENT_LOG))->head;
}

static void post(struct control *k, struct ring_end *ring, enum verb what, const void *body, size_t n, const void *more, size_t extra)
{
    struct ring_entry *e = ring_reserve(ring, &k->txn, (uint16_t)what, (uint32_t)(n + extra));
    if (!e)
        abort(); /* the rings are larger than the conversation */
    memcpy(e->payload, body, n);
    memcpy(e->payload + n, more, extra);
}

static uint64_t write_event(struct control *k, const char *text)
{
    struct event_log *log = region_section(&region, SECTION_EVENT_LOG);
    struct event *e = event_at(log, k->log_head);
    uint64_t position = k->log_head;
    uint32_t n = (uint32_t)strlen(text);
    *e = (struct event){.length = (uint32_t)((sizeof *e + n + 15) & ~15u), .position = position, .classes = ~0ull,
                        .except_session = UINT32_MAX, .variant = {{sizeof *e, n}}};
    memcpy((uint8_t *)e + sizeof *e, text, n);
    k->log_head += e->length;
    txn_intend(&k->txn, &log->head, k->log_head);
    return position;
}

static void dispatch(struct control *k, const char *text)
{
    struct verb_dispatch v = {.session = 3, .generation = 7, .event = write_event(k, text)};
    post(k, &k->fanout, VERB_DISPATCH, &v, sizeof v, NULL, 0);
}

static void walk(struct control *k, const char *text)
{
    struct verb_walk v = {.topic = 1, .event = write_event(k, text)};
    post(k, &k->fanout, VERB_WALK, &v, sizeof v, NULL, 0);
}

static void answer_open(struct control *k, uint64_t connection)
{
    struct verb_session bind = {.session = 3, .generation = 7, .connection = connection, .user_id = 42, .intents = ~0u,
                                .kind = SESSION_GATEWAY, .flags = SESSION_CONTENT};
    struct verb_subscribe sub = {.session = 3, .generation = 7, .topic = 1};
    k->opened++;
    post(k, &k->fanout, VERB_SESSION_BIND, &bind, sizeof bind, NULL, 0);
    dispatch(k, "\"t\":\"READY\"}");
    sub.from = k->log_head;
    post(k, &k->fanout, VERB_SUBSCRIBE, &sub, sizeof sub, NULL, 0);
    walk(k, "\"t\":\"WALK\"}");
}

static void answer_message(struct control *k, const struct notice_message *n, uint32_t length)
{
    char want[32], reply[64];
    snprintf(want, sizeof want, "message %u", k->heard);
    assert_int_equal(length, strlen(want));
    assert_memory_equal(n->text, want, length);
    snprintf(reply, sizeof reply, "reply %u", k->heard);
    struct verb_send send_head = {.connection = n->connection, .total = (uint32_t)strlen(reply), .opcode = 1};
    post(k, &k->command, VERB_SEND, &send_head, sizeof send_head, reply, strlen(reply));
    snprintf(reply, sizeof reply, "\"t\":\"ECHO %u\"}", k->heard++);
    walk(k, reply);
}

static void control_step(struct control *k)
{
    struct ring_entry *e;
    while ((e = ring_next(&k->notice))) {
        txn_begin(&k->txn);
        if (e->type == NOTICE_OPEN)
            answer_open(k, ((const struct notice_open *)(const void *)e->payload)->connection);
        else if (e->type == NOTICE_MESSAGE)
            answer_message(k, (const void *)e->payload, e->length - (uint32_t)sizeof(struct notice_message));
        else if (e->type == NOTICE_CLOSED)
            k->closed++;
        else if (e->type == NOTICE_HEARD)
            k->voice_heard++;
        ring_done(&k->notice, &k->txn, e);
        txn_commit(&k->txn);
        txn_publish(&k->txn);
    }
}

static void post_members(struct control *k)
{
    txn_begin(&k->txn);
    for (uint32_t i = 0; i < 2; i++) {
        struct verb_member m = {.member = i, .generation = 1, .room = 0, .session = i, .user_id = 100 + i, .channel_id = 9,
                                .ssrc = i ? SSRC_LISTENER : SSRC_SPEAKER, .mode = VOICE_AES256_GCM_RTPSIZE};
        memset(m.key, (int)i + 1, sizeof m.key);
        post(k, &k->command, VERB_MEMBER_SET, &m, sizeof m, NULL, 0);
    }
    txn_commit(&k->txn);
    txn_publish(&k->txn);
}

/* ---- voice of the client's side ---- */

struct talk {
    uint32_t counter[2]; /* of what the two members send */
    uint32_t heard[256]; /* counters seen by the listener */
    uint32_t heard_count;
};

static size_t voice_frame(struct talk *t, uint32_t member, uint8_t *frame)
{
    struct net_path path = {0};
    uint8_t *p = frame + net_header_len(client_ip) + 8, key[32], nonce[12] = {0};
    struct aead_key expanded;
    uint32_t counter = ++t->counter[member];
    memset(key, (int)member + 1, sizeof key);
    aead_key_expand(&expanded, AEAD_AES_256_GCM, key);
    memcpy(p, (uint8_t[]){0x80, 0x78}, 2);
    put_be16(p + 2, (uint16_t)counter);
    put_be32(p + 4, counter * 960);
    put_be32(p + 8, member ? SSRC_LISTENER : SSRC_SPEAKER);
    put_be32(nonce, counter);
    aead_seal(&expanded, nonce, p, 12, (const uint8_t *)"opus", 4, p + 12, p + 16);
    put_be32(p + 32, counter);
    memcpy(path.source, client_ip, 16);
    memcpy(path.destination, server_ip, 16);
    memcpy(path.source_mac, client_mac, 6);
    memcpy(path.next_hop_mac, server_mac, 6);
    return net_emit_udp(frame, &path, (uint16_t)(6000 + member), 50000, 36);
}

static void hear(struct talk *t, const struct net_packet *p)
{
    if (p->payload_len != 36 || p->destination_port != 6001)
        return;
    uint32_t counter = be32(p->payload + 32);
    assert_true(counter >= VOICE_COUNTER_FIRST);
    for (uint32_t i = 0; i < t->heard_count; i++)
        assert_int_not_equal(t->heard[i], counter);
    t->heard[t->heard_count++ % 256] = counter;
}

/* ---- the conversation ---- */

struct world {
    struct client client;
    struct control control;
    struct talk talk;
    struct child child;
    uint64_t now_us;
    struct round in;
    struct frames out;
};

static void gather(struct world *w)
{
    struct frames *f = &w->in.frames;
    f->count = 0;
    client_timer(&w->client, w->now_us);
    size_t n;
    while (f->count < FRAMES_MAX - 4 &&
           (n = client_next(&w->client, f->bytes[f->count], sizeof f->bytes[0], w->now_us)))
        f->length[f->count++] = (uint32_t)n;
}

static void play(struct world *w)
{
    w->in.now_us = w->now_us;
    bool alive = child_round(&w->child, &w->in, &w->out);
    for (uint32_t i = 0; i < w->out.count; i++) {
        struct net_packet p;
        if (net_parse(w->out.bytes[i], w->out.length[i], &p) == NET_UDP)
            hear(&w->talk, &p);
        else
            client_frame(&w->client, w->out.bytes[i], w->out.length[i], w->now_us);
    }
    if (!alive) {
        child_end(&w->child);
        take_copy_of_region();
        child_start(&w->child, false, w->now_us);
    }
    control_step(&w->control);
    w->now_us += ROUND_US;
    assert_false(w->client.reset);
}

static void play_quietly(struct world *w, unsigned rounds)
{
    for (unsigned i = 0; i < rounds; i++) {
        gather(w);
        play(w);
    }
}

/* A neighbour solicitation of ours is answered, so that frames find their way. */
static void teach_neighbour(struct world *w)
{
    struct frames *f = &w->in.frames;
    f->count = 1;
    f->length[0] = (uint32_t)arp_request(f->bytes[0], client_ip, client_mac, server_ip);
    play(w);
}

static void say(struct world *w, uint32_t i)
{
    char text[32];
    snprintf(text, sizeof text, "message %u", i);
    client_say_text(&w->client, text);
}

static void expect_text(struct world *w)
{
    /* What the client must have been told, once each: events in the order of their numbers. */
    char want[64];
    const char *text = (const char *)w->client.text;
    const char *at = text;
    for (uint32_t s = 1; s <= MESSAGES + 2; s++) {
        if (s == 1)
            snprintf(want, sizeof want, "{\"s\":1,\"t\":\"READY\"}");
        else if (s == 2)
            snprintf(want, sizeof want, "{\"s\":2,\"t\":\"WALK\"}");
        else
            snprintf(want, sizeof want, "{\"s\":%u,\"t\":\"ECHO %u\"}", s, s - 3);
        at = memmem(at, (size_t)(text + w->client.text_length - at), want, strlen(want));
        assert_non_null(at);
        at += strlen(want);
    }
    snprintf(want, sizeof want, "{\"s\":%u,", MESSAGES + 3);
    assert_null(memmem(text, w->client.text_length, want, strlen(want)));
    for (uint32_t i = 0; i < MESSAGES; i++) {
        snprintf(want, sizeof want, "reply %u", i);
        const char *first = memmem(text, w->client.text_length, want, strlen(want));
        assert_non_null(first);
        assert_null(memmem(first + 1, (size_t)(text + w->client.text_length - first - 1), want, strlen(want)));
    }
}

static bool was_told(const struct world *w, const char *what, uint32_t i)
{
    char want[64];
    snprintf(want, sizeof want, "%s %u", what, i);
    return memmem(w->client.text, w->client.text_length, want, strlen(want)) != NULL;
}

/* Everything up to the first byte of HTTP, in a worker that is not killed. */
static void prepare(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->now_us = 1000000;
    control_attach(&w->control);
    child_start(&w->child, false, w->now_us);
    teach_neighbour(w);
    client_start(&w->client, w->now_us);
    play_quietly(w, 4);
    assert_int_equal(w->client.tcp.state, TCP_ESTABLISHED);
    child_end(&w->child);

    struct tls_secrets secrets = {.suite = TLS_AES_128_GCM_SHA256};
    memset(secrets.client, 5, sizeof secrets.client);
    memset(secrets.server, 6, sizeof secrets.server);
    client_keys(&w->client, &secrets);
    struct connection *c = connection_at(&region, 0, 0);
    tls_conn_start(&c->tls, &secrets, false);
    c->kind = CONNECTION_HTTP;
    c->deadline_us = w->now_us + config.keep_alive_us;
}

/* The conversation under test. The control plane and the client speak whenever it is their turn, alive or not. */
static void converse(struct world *w)
{
    static const char upgrade[] = "GET /?v=10&encoding=json HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    post_members(&w->control);
    client_say(&w->client, upgrade, sizeof upgrade - 1);
    uint32_t said = 0;
    for (unsigned i = 0; i < ROUNDS_MAX; i++) {
        gather(w);
        if (w->talk.counter[1] < TALK)
            for (uint32_t m = 0; m < 2; m++) {
                struct frames *f = &w->in.frames;
                f->length[f->count] = (uint32_t)voice_frame(&w->talk, m, f->bytes[f->count]);
                f->count++;
            }
        play(w);
        if (said < MESSAGES && w->control.heard == said && w->control.opened)
            say(w, said++);
        bool all = w->control.heard == MESSAGES && was_told(w, "ECHO", MESSAGES - 1) && was_told(w, "reply", MESSAGES - 1) && w->talk.counter[1] >= TALK;
        if (all && i > 8)
            break;
    }
    play_quietly(w, 3);
}

static void check(const struct world *w)
{
    assert_int_equal(w->control.opened, 1);
    assert_int_equal(w->control.heard, MESSAGES);
    assert_int_equal(w->control.closed, 0);
    assert_int_equal(w->control.voice_heard, 2);
    assert_true(w->talk.heard_count > 0);
}

static void worker_killed_at_every_store_loses_and_doubles_nothing(void **state)
{
    static struct world w;
    prepare(&w);
    child_start(&w.child, true, w.now_us);
    converse(&w);
    child_end(&w.child);
    expect_text(&w);
    check(&w);
    if (death)
        _exit(0);
    for (int i = 0; i < KILLS_AT_ONCE; i++)
        wait_for_kill(&kills[i]);
    assert_true(stores > 500);
    if (harmful)
        fail_msg("the kill at store %llu of %llu did harm", (unsigned long long)harmful, (unsigned long long)stores);
    print_message("%llu stores\n", (unsigned long long)stores);
}

static int set_up(void **state)
{
    uint8_t boot_id[16] = {1};
    size_t size = region_bytes(&geometry);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || !aead_init(AEAD_BACKEND_AUTO))
        return -1;
    for (int i = 0; i < KILLS_AT_ONCE; i++)
        if ((kills[i].copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) == MAP_FAILED)
            return -1;
    region_format(&region, memory, &geometry, boot_id);
    struct route_tables *routes = region_section(&region, SECTION_ROUTES);
    unsigned half;
    struct route_hop link = {0};
    uint8_t prefix[16] = {[10] = 0xff, [11] = 0xff, 198, 18};
    if (!route_write(&routes->swap, &half) || !route_add(&routes->table[half], prefix, 111, &link))
        return -1;
    route_publish(&routes->swap, NULL);
    config = (struct worker_config){.tcp = tcp_config_default(),
                                    .voice = {.packets_per_second_max = 1000, .discoveries_per_second_max = 10, .pending_max = 64},
                                    .tls_port = 443, .voice_port_base = 50000, .heartbeat_interval_ms = 41250,
                                    .voice_heartbeat_interval_ms = 13750, .payload_max = 4096, .body_max = 65536,
                                    .handshake_us = 10000000, .head_us = 10000000, .keep_alive_us = 60000000, .answer_us = 30000000, .reader_us = 10000000, .close_us = 10000000,
                                    .unsent_max = 64, .keep_max = 64, .syn_max = 4};
    net_addresses_add(&config.addresses, server_ip);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(worker_killed_at_every_store_loses_and_doubles_nothing)};
    return cmocka_run_group_tests(tests, set_up, NULL);
}
