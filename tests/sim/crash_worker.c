/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "crash_worker.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "crash_client.h"
#include "store_trap.h"

#define KILLS_AT_ONCE 2
#define CONNECTIONS   8u
#define SESSIONS      8u

static const struct region_geometry geometry = {.workers = 1,
                                                .connections = CONNECTIONS,
                                                .blocks = 64,
                                                .descriptors = 256,
                                                .items = 64,
                                                .chunks = 64,
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

struct region region;
struct worker_config config;

static struct kill {
    pid_t pid; /* 0: none runs */
    uint64_t store;
    void *copy; /* of the region, as the dead worker left it */
} kills[KILLS_AT_ONCE];

static uint64_t stores;    /* that the workers have come to */
static uint64_t harmful;   /* the first store at which a kill did harm; 0: none so far */
static struct kill *death; /* in a fork: what it is about; it dies once */

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

/* A frame is on the wire the moment the port has it: the parent sees it even if the next store is the last.
 */
static bool child_tx(void *user, const uint8_t *frame, size_t len)
{
    struct child_port *p = user;
    return send(p->socket, frame, len, 0) == (ssize_t)len;
}

/* What a worker says beside frames, which are longer: a round is over, or the next store is the one with this
 * number. */
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

static bool submit_nothing(void *user, unsigned worker, uint64_t handle, bool first, const uint8_t *record,
                           uint32_t len)
{
    return true;
}

static void cancel_nothing(void *user, unsigned worker, uint64_t handle)
{
}

static bool poll_nothing(void *user, unsigned worker, struct tls_helper_result *out)
{
    return false;
}

/* Whoever shakes hands does so for ever, whichever worker lives. */
static const struct handshake_source patient = {
    .submit = submit_nothing, .cancel = cancel_nothing, .poll = poll_nothing, .lasting = true};

static void child_main(int sock, int go, bool stops, uint64_t virtual_now_us)
{
    static struct round round;
    struct child_port port = {.socket = sock};
    struct port_virtual virtual_port = {
        .rx = child_rx, .tx = child_tx, .user = &port, .mac = {2, 0, 0, 0, 0, 1}};
    struct port_queue *queue = port_virtual_open(&virtual_port);
    char why[256];
    worker_socket = sock;
    worker_go = go;
    if (stops) {
        store_trap_watch(stop_at_store);
        store_trap_arm(region.base, region.size, 0);
    }
    struct worker *w = worker_new_with(&region, 0, &config, queue, &patient, virtual_now_us, why);
    if (!w)
        abort();
    w->answers_link = true;
    if (!stops)
        send(sock, &(struct report){0}, sizeof(struct report), 0);
    while (recv(sock, &round, sizeof round, 0) == (ssize_t)sizeof round) {
        port.in = &round.frames;
        port.next = 0;
        while (worker_step(w, round.now_us) || port.next < round.frames.count)
            ;
        send(sock, &(struct report){0}, sizeof(struct report), 0);
    }
    _exit(0);
}

void crash_child_start(struct child *c, bool stops, uint64_t now_us)
{
    int pair[2], go[2];
    struct report begun;
    stops = stops && !death;
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
    if (!stops) /* what it recovers it has recovered */
        assert_int_equal(recv(c->socket, &begun, sizeof begun, 0), sizeof begun);
}

/* In a fork the child is another process's, which waits for it. */
void crash_child_end(struct child *c)
{
    close(c->socket);
    close(c->go);
    waitpid(c->pid, NULL, 0);
}

/* ---- kills: a fork each ---- */

static void wait_for_kill(struct kill *k)
{
    int status;
    if (k->pid && waitpid(k->pid, &status, 0) == k->pid && status && !harmful)
        harmful = k->store;
    k->pid = 0;
}

/* True in the fork in which the worker is dead. */
static bool fork_at_store(void)
{
    struct kill *k = &kills[++stores % KILLS_AT_ONCE];
    wait_for_kill(k);
    k->store = stores;
    memcpy(k->copy, region.base, region.size); /* the worker goes on as soon as it is told to */
    k->pid = fork();
    assert_true(k->pid >= 0);
    if (k->pid == 0)
        death = k;
    return k->pid == 0;
}

/* Connections and sessions as they were when the transaction under way began: whatever is saved of them, and
 * when, undoing it must bring back all of it. */
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
    assert_ptr_equal(
        mremap(death->copy, region.size, region.size, MREMAP_MAYMOVE | MREMAP_FIXED, region.base),
        region.base);
    expect_undone();
}

bool crash_round(struct child *c, const struct round *in, struct frames *out)
{
    out->count = 0;
    assert_int_equal(send(c->socket, in, sizeof *in, MSG_NOSIGNAL), sizeof *in);
    for (;;) {
        static uint8_t buffer[2048];
        struct report report;
        ssize_t n = recv(c->socket, buffer, sizeof buffer, 0);
        assert_true(n > 0);
        if (n > (ssize_t)sizeof report) {
            assert_true(out->count < CRASH_FRAMES_MAX);
            memcpy(out->bytes[out->count], buffer, (size_t)n);
            out->length[out->count++] = (uint32_t)n;
            continue;
        }
        memcpy(&report, buffer, sizeof report);
        if (report.store == 0)
            return true;
        remember_beginning();
        if (fork_at_store()) {
            crash_child_end(c);
            take_copy_of_region();
            crash_child_start(c, false, in->now_us);
            return false;
        }
        assert_int_equal(write(c->go, "", 1), 1);
    }
}

bool crash_is_fork(void)
{
    return death != NULL;
}

uint64_t crash_kills(void)
{
    for (int i = 0; i < KILLS_AT_ONCE; i++)
        wait_for_kill(&kills[i]);
    if (harmful)
        fail_msg("the kill at store %llu of %llu did harm", (unsigned long long)harmful,
                 (unsigned long long)stores);
    print_message("%llu stores\n", (unsigned long long)stores);
    return stores;
}

/* ---- beginning ---- */

bool crash_set_up(void)
{
    uint8_t boot_id[16] = {1};
    size_t size = region_bytes(&geometry);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED || !aead_init(AEAD_BACKEND_AUTO))
        return false;
    for (int i = 0; i < KILLS_AT_ONCE; i++)
        if ((kills[i].copy = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0)) ==
            MAP_FAILED)
            return false;
    region_format(&region, memory, &geometry, boot_id);
    struct route_tables *routes = region_section(&region, SECTION_ROUTES);
    unsigned half;
    struct route_hop link = {0};
    uint8_t prefix[16] = {[10] = 0xff, [11] = 0xff, 198, 18};
    if (!route_write(&routes->swap, &half) || !route_add(&routes->table[half], prefix, 111, &link))
        return false;
    route_publish(&routes->swap, NULL);
    config = (struct worker_config){
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
    net_addresses_add(&config.addresses, server_ip);
    return true;
}
