/*
 * Sockets over the TCP core; see drive.h. What is written stays in a buffer until it is acknowledged: here it
 * is the source that retransmissions are re-created from.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tcp/drive.h"

#include <errno.h>
#include <stdlib.h>

#include "dataplane/tcp/internal.h"

#define BLOCKS      4096u
#define IP4_HEADER  20u
#define IP6_HEADER  40u
#define HOP_LIMIT   64
#define LOCAL_PORTS 49152u

struct socket {
    bool used, listening, owned; /* owned: somebody holds its number */
    bool accepted, peer_done;    /* accepted: handed out, or opened by ourselves */
    int error;                   /* why it ended */
    int listener;
    uint16_t port;
    struct tcp_conn c;
    uint8_t *bytes;   /* written, from stream position `start` on */
    uint64_t start;   /* acknowledged up to here */
    uint64_t written; /* stream position behind the last byte written */
};

struct drive {
    struct tcp_config config;
    struct drive_setup setup;
    uint8_t local[2][16];
    uint64_t now_us;
    struct socket sockets[DRIVE_SOCKETS];
    struct pool *blocks;
    bool reply_waits;
    struct tcp_plan reply; /* to a segment that belongs to nobody */
};

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

/* ---- the stream of a socket ---- */

static size_t extend(void *stream, size_t room)
{
    struct socket *s = stream;
    return (size_t)min_u64(s->written - s->c.snd_end, room);
}

static size_t fill(void *stream, uint64_t pos, uint8_t *dst, size_t len)
{
    const struct socket *s = stream;
    for (size_t i = 0; i < len; i++)
        dst[i] = s->bytes[(pos + i) % DRIVE_BUFFER];
    return len;
}

static struct tcp_env env_of(struct drive *d, struct socket *s)
{
    return (struct tcp_env){.config = &d->config, .blocks = d->blocks, .extend = extend, .stream = s};
}

/* ---- beginning and end ---- */

struct drive *drive_new(const struct drive_setup *s)
{
    struct drive *d = calloc(1, sizeof *d);
    struct pool *blocks = d ? malloc(sizeof *blocks + (size_t)BLOCKS * BLOCK_SIZE) : NULL;
    if (!blocks || !s->random) {
        free(d);
        free(blocks);
        return NULL;
    }
    pool_init(blocks, blocks + 1, BLOCK_SIZE, BLOCKS);
    d->blocks = blocks;
    d->setup = *s;
    d->now_us = s->now_us;
    struct tcp_config *c = &d->config;
    *c = tcp_config_default();
    uint16_t mtu = s->mtu ? s->mtu : 1500;
    c->mss4 = (uint16_t)(mtu - IP4_HEADER - 20);
    c->mss6 = (uint16_t)(mtu - IP6_HEADER - 20);
    c->rcv_limit = s->receive_window ? s->receive_window : c->rcv_limit;
    c->keepalive_idle_us = (uint64_t)s->keepalive_ms * TCP_US_PER_MS;
    if (s->keepalive_interval_ms)
        c->keepalive_interval_us = (uint64_t)s->keepalive_interval_ms * TCP_US_PER_MS;
    if (s->time_wait_ms)
        c->time_wait_us = (uint64_t)s->time_wait_ms * TCP_US_PER_MS;
    if (s->fin_wait_2_ms)
        c->fin_wait_2_us = (uint64_t)s->fin_wait_2_ms * TCP_US_PER_MS;
    c->congestion = s->newreno ? TCP_NEWRENO : TCP_CUBIC;
    c->sack = !s->no_sack;
    c->timestamps = !s->no_timestamps;
    memcpy(d->local[0], mapped, sizeof mapped);
    memcpy(d->local[0] + sizeof mapped, s->local4, sizeof s->local4);
    memcpy(d->local[1], s->local6, sizeof s->local6);
    return d;
}

void drive_free(struct drive *d)
{
    for (int i = 0; d && i < DRIVE_SOCKETS; i++)
        free(d->sockets[i].bytes);
    if (d)
        free(d->blocks);
    free(d);
}

static int take_socket(struct drive *d)
{
    for (int i = 0; i < DRIVE_SOCKETS; i++) {
        struct socket *s = &d->sockets[i];
        if (s->used)
            continue;
        *s = (struct socket){.used = true, .listener = -1};
        return i;
    }
    return -ENFILE;
}

/* Frees what TCP is through with and nobody holds. */
static void let_go(struct drive *d, struct socket *s)
{
    if (!s->used || s->owned || s->listening || s->c.state != TCP_CLOSED || s->c.flags & TCP_F_RESET)
        return;
    struct tcp_env env = env_of(d, s);
    tcp_release(&s->c, &env);
    free(s->bytes);
    *s = (struct socket){0};
}

static bool open_stream(struct socket *s)
{
    s->bytes = malloc(DRIVE_BUFFER);
    if (!s->bytes)
        s->used = false;
    return s->bytes;
}

static struct socket *socket_of(const struct drive *d, int number)
{
    if (number < 0 || number >= DRIVE_SOCKETS || !d->sockets[number].used || !d->sockets[number].owned)
        return NULL;
    return (struct socket *)(uintptr_t)&d->sockets[number];
}

int drive_listen(struct drive *d, uint16_t port)
{
    for (int i = 0; i < DRIVE_SOCKETS; i++)
        if (d->sockets[i].used && d->sockets[i].listening && d->sockets[i].port == port)
            return -EADDRINUSE;
    int i = take_socket(d);
    if (i < 0)
        return i;
    d->sockets[i].listening = d->sockets[i].owned = true;
    d->sockets[i].port = port;
    return i;
}

int drive_accept(struct drive *d, int listener)
{
    struct socket *l = socket_of(d, listener);
    if (!l || !l->listening)
        return -EINVAL;
    for (int i = 0; i < DRIVE_SOCKETS; i++) {
        struct socket *s = &d->sockets[i];
        if (!s->used || s->accepted || s->listener != listener || s->c.state < TCP_ESTABLISHED)
            continue;
        s->accepted = s->owned = true;
        return i;
    }
    return -EAGAIN;
}

int drive_connect(struct drive *d, const uint8_t *address, size_t address_len, uint16_t port,
                  uint16_t local_port)
{
    struct tcp_tuple t = {.remote_port = port, .local_port = local_port};
    if (address_len != 4 && address_len != 16)
        return -EINVAL;
    memcpy(t.remote, mapped, sizeof mapped);
    memcpy(t.remote + 16 - address_len, address, address_len);
    memcpy(t.local, d->local[address_len == 16], 16);
    if (!local_port)
        t.local_port = (uint16_t)(LOCAL_PORTS + d->setup.random(d->setup.user) % (65536 - LOCAL_PORTS));
    for (int i = 0; i < DRIVE_SOCKETS; i++)
        if (d->sockets[i].used && !d->sockets[i].listening &&
            memcmp(&d->sockets[i].c.tuple, &t, sizeof t) == 0)
            return -EADDRINUSE;
    int i = take_socket(d);
    if (i < 0)
        return i;
    struct socket *s = &d->sockets[i];
    if (!open_stream(s))
        return -ENOMEM;
    struct tcp_env env = env_of(d, s);
    s->owned = s->accepted = true;
    tcp_connect(&s->c, &env, &t, d->setup.random(d->setup.user), d->now_us);
    return i;
}

/* ---- reading and writing ---- */

long drive_read(struct drive *d, int socket, void *to, size_t len)
{
    struct socket *s = socket_of(d, socket);
    if (!s || s->listening)
        return -EBADF;
    struct tcp_env env = env_of(d, s);
    uint32_t n = tcp_peek(&s->c, &env, 0, to, (uint32_t)min_u64(len, UINT32_MAX));
    tcp_consume(&s->c, &env, n);
    if (n)
        return n;
    if (s->error)
        return -s->error;
    return s->peer_done ? 0 : -EAGAIN;
}

long drive_write(struct drive *d, int socket, const void *from, size_t len)
{
    struct socket *s = socket_of(d, socket);
    if (!s || s->listening)
        return -EBADF;
    if (s->error)
        return -s->error;
    if (s->c.state == TCP_CLOSED || s->c.flags & TCP_F_CLOSE)
        return -EPIPE;
    uint64_t room = DRIVE_BUFFER - (s->written - s->start);
    size_t n = (size_t)min_u64(len, room);
    for (size_t i = 0; i < n; i++)
        s->bytes[(s->written + i) % DRIVE_BUFFER] = ((const uint8_t *)from)[i];
    s->written += n;
    return n ? (long)n : -EAGAIN;
}

/* The FIN comes behind all that was written: TCP is told when all of it is described. */
static void close_when_described(struct socket *s)
{
    if (s->c.state != TCP_CLOSED && s->c.snd_end == s->written)
        tcp_close(&s->c);
}

int drive_shutdown(struct drive *d, int socket)
{
    struct socket *s = socket_of(d, socket);
    if (!s || s->listening)
        return -EBADF;
    if (s->c.state == TCP_CLOSED)
        return -ENOTCONN;
    s->c.snd_end = s->written; /* described: cut when it goes out */
    close_when_described(s);
    return 0;
}

int drive_close(struct drive *d, int socket)
{
    struct socket *s = socket_of(d, socket);
    if (!s)
        return -EBADF;
    s->owned = false;
    if (s->listening) {
        s->listening = false;
    } else if (tcp_readable(&s->c)) {
        tcp_abort(&s->c);
    } else if (s->c.state != TCP_CLOSED) {
        s->c.snd_end = s->written;
        close_when_described(s);
    }
    let_go(d, s);
    return 0;
}

int drive_abort(struct drive *d, int socket)
{
    struct socket *s = socket_of(d, socket);
    if (!s || s->listening)
        return -EBADF;
    s->owned = false;
    tcp_abort(&s->c);
    let_go(d, s);
    return 0;
}

int drive_state(const struct drive *d, int socket)
{
    const struct socket *s = socket_of(d, socket);
    if (!s)
        return -EBADF;
    return s->listening ? DRIVE_LISTEN : s->c.state;
}

/* ---- packets in ---- */

static void on_events(struct drive *d, struct socket *s, const struct tcp_out *out)
{
    struct tcp_env env = env_of(d, s);
    if (out->data && s->owned | !s->accepted)
        tcp_keep(&s->c, &env, out->data, out->len);
    if (!s->owned && s->accepted)
        tcp_consume(&s->c, &env, tcp_readable(&s->c));
    if (out->events & TCP_EV_ACKED)
        s->start = s->c.snd_una_pos;
    if (out->events & TCP_EV_PEER_FIN)
        s->peer_done = true;
    if (out->events & TCP_EV_RESET)
        s->error = s->accepted && s->written == 0 && s->c.rcv_nxt == 0 ? ECONNREFUSED : ECONNRESET;
    if (out->events & TCP_EV_TIMEOUT)
        s->error = ETIMEDOUT;
    let_go(d, s);
}

static struct socket *listener_at(struct drive *d, uint16_t port, int *number)
{
    for (int i = 0; i < DRIVE_SOCKETS; i++) {
        if (d->sockets[i].used && d->sockets[i].listening && d->sockets[i].port == port) {
            *number = i;
            return &d->sockets[i];
        }
    }
    return NULL;
}

static void to_listener(struct drive *d, const struct tcp_tuple *t, const struct tcp_segment *seg)
{
    int number, i;
    if (!listener_at(d, t->local_port, &number) ||
        (seg->flags & (TCP_SYN | TCP_ACK | TCP_RST | TCP_FIN)) != TCP_SYN) {
        bool refused =
            seg->flags & TCP_SYN || seg->flags & TCP_ACK || !listener_at(d, t->local_port, &number);
        if (refused && tcp_reset_for(seg, t, &d->reply))
            d->reply_waits = true;
        return;
    }
    if ((i = take_socket(d)) < 0 || !open_stream(&d->sockets[i]))
        return;
    struct socket *s = &d->sockets[i];
    struct tcp_env env = env_of(d, s);
    s->listener = number;
    tcp_accept(&s->c, &env, t, seg, d->setup.random(d->setup.user), d->now_us);
}

static void segment(struct drive *d, const struct tcp_tuple *t, const struct tcp_segment *seg)
{
    for (int i = 0; i < DRIVE_SOCKETS; i++) {
        struct socket *s = &d->sockets[i];
        if (!s->used || s->listening || s->c.state == TCP_CLOSED || memcmp(&s->c.tuple, t, sizeof *t) != 0)
            continue;
        struct tcp_env env = env_of(d, s);
        struct tcp_out out;
        tcp_input(&s->c, &env, seg, d->now_us, &out);
        tcp_check_all(&s->c, &env);
        if (out.events & TCP_EV_REPLY_RST)
            d->reply_waits = tcp_reset_for(seg, t, &d->reply);
        on_events(d, s, &out);
        if (out.events & TCP_EV_REOPEN)
            to_listener(d, t, seg);
        return;
    }
    to_listener(d, t, seg);
}

void drive_receive(struct drive *d, const void *packet, size_t len)
{
    const uint8_t *p = packet;
    struct tcp_tuple t = {.local_port = 0};
    struct tcp_segment seg;
    size_t head = len && p[0] >> 4 == 6 ? IP6_HEADER : IP4_HEADER;
    if (len < head ||
        (head == IP4_HEADER ? p[0] != 0x45 || p[9] != TCP_PROTOCOL : p[0] >> 4 != 6 || p[6] != TCP_PROTOCOL))
        return;
    size_t whole = head == IP4_HEADER ? be16(p + 2) : IP6_HEADER + (size_t)be16(p + 4);
    if (whole > len || whole < head)
        return;
    if (head == IP4_HEADER) {
        memcpy(t.remote, mapped, sizeof mapped);
        memcpy(t.local, mapped, sizeof mapped);
        memcpy(t.remote + 12, p + 12, 4);
        memcpy(t.local + 12, p + 16, 4);
    } else {
        memcpy(t.remote, p + 8, 16);
        memcpy(t.local, p + 24, 16);
    }
    if (memcmp(t.local, d->local[head == IP6_HEADER], 16) != 0 ||
        !tcp_checksum_ok(p + head, whole - head, t.remote, t.local) ||
        tcp_parse(p + head, whole - head, &seg) != DROP_NONE)
        return;
    t.remote_port = seg.src_port;
    t.local_port = seg.dst_port;
    segment(d, &t, &seg);
}

/* ---- packets out, and time ---- */

static uint16_t ip4_checksum(const uint8_t *p)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < IP4_HEADER; i += 2)
        sum += be16(p + i);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    return (uint16_t) ~((sum & UINT16_MAX) + (sum >> 16));
}

static size_t emit(const struct tcp_plan *plan, struct socket *s, uint8_t *p, size_t cap)
{
    bool ip4 = memcmp(plan->tuple.remote, mapped, sizeof mapped) == 0;
    size_t head = ip4 ? IP4_HEADER : IP6_HEADER;
    size_t len = cap > head ? tcp_build(plan, fill, s, p + head, cap - head) : 0;
    if (!len)
        return 0;
    memset(p, 0, head);
    if (ip4) {
        p[0] = 0x45;
        put_be16(p + 2, (uint16_t)(head + len));
        p[6] = 0x40; /* don't fragment */
        p[8] = HOP_LIMIT;
        p[9] = TCP_PROTOCOL;
        memcpy(p + 12, plan->tuple.local + 12, 4);
        memcpy(p + 16, plan->tuple.remote + 12, 4);
        put_be16(p + 10, ip4_checksum(p));
    } else {
        p[0] = 0x60;
        put_be16(p + 4, (uint16_t)len);
        p[6] = TCP_PROTOCOL;
        p[7] = HOP_LIMIT;
        memcpy(p + 8, plan->tuple.local, 16);
        memcpy(p + 24, plan->tuple.remote, 16);
    }
    return head + len;
}

size_t drive_send(struct drive *d, void *packet, size_t cap)
{
    struct tcp_plan plan;
    if (d->reply_waits) {
        d->reply_waits = false;
        return emit(&d->reply, NULL, packet, cap);
    }
    for (int i = 0; i < DRIVE_SOCKETS; i++) {
        struct socket *s = &d->sockets[i];
        struct tcp_env env = env_of(d, s);
        if (!s->used || s->listening || !tcp_plan(&s->c, &env, d->now_us, &plan))
            continue;
        size_t n = emit(&plan, s, packet, cap);
        let_go(d, s);
        return n;
    }
    return 0;
}

void drive_clock(struct drive *d, uint64_t now_us)
{
    d->now_us = max_u64(d->now_us, now_us);
    for (int i = 0; i < DRIVE_SOCKETS; i++) {
        struct socket *s = &d->sockets[i];
        if (!s->used || s->listening || tcp_deadline(&s->c) > d->now_us)
            continue;
        struct tcp_env env = env_of(d, s);
        struct tcp_out out = {.events = tcp_on_timer(&s->c, &env, d->now_us)};
        on_events(d, s, &out);
    }
}

uint64_t drive_deadline(const struct drive *d)
{
    uint64_t first = UINT64_MAX;
    for (int i = 0; i < DRIVE_SOCKETS; i++)
        if (d->sockets[i].used && !d->sockets[i].listening)
            first = min_u64(first, tcp_deadline(&d->sockets[i].c));
    return first;
}
