/*
 * The simulated network and its two endpoints; see tcp_net.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/sim/tcp_net.h"

#include <stdio.h>
#include <stdlib.h>

#include "dataplane/base/bytes.h"
#include "tcp_board.h"

#define TIME_LIMIT_US (3600ull * 1000000)
#define EVENT_LIMIT   2000000
#define UNDO_SIZE     65536
#define PLANS_MAX     512
#define SLOTS         4
#define READ_EVERY_US 20000
#define ASLEEP_US     30000000
#define START_US      1000000

struct frame {
    uint64_t at_us;
    uint64_t number; /* keeps frames of one moment in order */
    uint16_t len;
    uint8_t to;
    uint8_t bytes[NET_FRAME_MAX];
};

/* An endpoint's progress: undone with the transaction, as its slot in a worker would be. */
struct progress {
    uint64_t described;  /* bytes handed to the stream */
    uint64_t read;       /* bytes read and compared */
    uint64_t read_at_us; /* next time a slow reader reads; 0: never */
    uint64_t last_us;    /* when the last byte was read */
    bool open, peer_fin, closed, close_called, aborted;
    const char *complaint;
};

/* The region of an endpoint. */
struct endpoint {
    struct progress progress;
    unsigned slot; /* which of the slots holds the connection */
    uint64_t stamp;
    struct tcp_conn slots[SLOTS];
    struct pool *blocks;
    struct txn_log *log;
    struct txn txn;
    uint8_t *region;
    struct tcp_env env;
    struct net_side side;
    struct tcp_counters counters;
    struct tcp_tuple tuple;
    uint8_t number;
    uint64_t link_free_us; /* when the link away from here has sent what it was given */
    struct net *net;
};

struct net {
    struct net_params p;
    uint64_t random, now_us, frames_sent, corrupted, deaths;
    struct endpoint end[2];
    struct frame *frames;
    unsigned frame_count;
};

uint64_t net_random(uint64_t *state)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15; /* splitmix64 */
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
    z = (z ^ z >> 27) * 0x94d049bb133111eb;
    return z ^ z >> 31;
}

static bool chance(struct net *n, uint32_t per_mille)
{
    return per_mille && net_random(&n->random) % 1000 < per_mille;
}

static uint64_t below(struct net *n, uint64_t bound)
{
    return bound ? net_random(&n->random) % bound : 0;
}

/* The byte that `sender` has at a stream position. */
static uint8_t content(const struct net *n, unsigned sender, uint64_t pos)
{
    uint64_t state = n->p.seed * 2 + sender + (pos >> 3) * 0x2545f4914f6cdd1d;
    return (uint8_t)(net_random(&state) >> (pos & 7) * 8);
}

static struct tcp_conn *conn_of(struct endpoint *e)
{
    return &e->slots[e->slot];
}

static void complain(struct endpoint *e, const char *what)
{
    if (!e->progress.complaint)
        e->progress.complaint = what;
}

static void trace(const struct net *n, const struct endpoint *e, const char *what,
                  const struct tcp_segment *s)
{
    if (!n->p.trace)
        return;
    const struct tcp_conn *c = &e->slots[e->slot];
    printf("%9.3f ms  %c %-12s %-7s", (double)(n->now_us - START_US) / 1000, "AP"[e->number],
           tcp_state_name(c->state), what);
    if (s)
        printf(" %c%c%c%c seq %u ack %u len %u win %u", s->flags & TCP_SYN ? 'S' : '-',
               s->flags & TCP_FIN ? 'F' : '-', s->flags & TCP_RST ? 'R' : '-', s->flags & TCP_ACK ? 'A' : '-',
               s->seq, s->ack, s->len, s->window);
    printf("  una %u nxt %u wnd %u cwnd %u ssthresh %u rcv %u+%u", c->snd_una, c->snd_nxt, c->snd_wnd,
           c->cwnd, c->ssthresh, c->rcv_nxt, c->rcv.length);
    for (unsigned i = 0; s && i < s->sack_count; i++)
        printf(" sack %u-%u", s->sack[i].start, s->sack[i].end);
    if (c->board) {
        const struct tcp_board *b = (const void *)block_at(e->blocks, c->board - 1)->data;
        printf("%s spans %u pipe %u", c->flags & TCP_F_RECOVERY ? " recovery" : "", b->count, b->pipe);
    }
    printf("\n");
}

static void put_frame(struct net *n, unsigned to, const uint8_t *bytes, size_t len, uint64_t at_us)
{
    if (n->frame_count == NET_FRAMES)
        return; /* a full queue loses it */
    struct frame *f = &n->frames[n->frame_count++];
    *f = (struct frame){.at_us = at_us, .number = n->frames_sent++, .len = (uint16_t)len, .to = (uint8_t)to};
    memcpy(f->bytes, bytes, len);
}

/* Through the bad network. */
static void transmit(struct net *n, struct endpoint *from, uint8_t *bytes, size_t len)
{
    uint64_t at = n->now_us;
    if (n->p.bits_per_s) {
        uint64_t start = max_u64(at, from->link_free_us), took = len * 8 * 1000000 / n->p.bits_per_s;
        if ((start - at) * n->p.bits_per_s / 8000000 > n->p.queue_bytes)
            return;
        at = from->link_free_us = start + took;
    }
    at += n->p.delay_us;
    if (chance(n, n->p.loss))
        return;
    if (chance(n, n->p.reorder))
        at += below(n, 3ull * n->p.delay_us + 1000);
    if (chance(n, n->p.duplicate))
        put_frame(n, !from->number, bytes, len, at + below(n, 2 * n->p.delay_us + 100));
    if (chance(n, n->p.corrupt))
        bytes[below(n, len)] ^= (uint8_t)(1 << below(n, 8));
    put_frame(n, !from->number, bytes, len, at);
}

static size_t fill(void *stream, uint64_t pos, uint8_t *dst, size_t len)
{
    struct endpoint *e = stream;
    for (size_t i = 0; i < len; i++)
        dst[i] = content(e->net, e->number, pos + i);
    return len;
}

static uint64_t available(const struct endpoint *e)
{
    if (!e->side.bytes_per_ms)
        return e->side.total;
    return min_u64(e->side.total, (e->net->now_us - START_US) / 1000 * e->side.bytes_per_ms);
}

static void close_when_done(struct endpoint *e)
{
    struct progress *p = &e->progress;
    if (p->close_called || !p->open || p->described < e->side.total ||
        (e->side.close_after_peer && !p->peer_fin))
        return;
    p->close_called = true;
    tcp_close(conn_of(e));
}

static size_t extend(void *stream, size_t room)
{
    struct endpoint *e = stream;
    uint64_t left = available(e) - e->progress.described;
    uint64_t len = min_u64(left, room);
    if (room < TCP_ROOM_MIN)
        complain(e, "offered less room than promised");
    if (e->side.record_max)
        len = min_u64(len, 1 + below(e->net, e->side.record_max));
    if (len < left && len < e->side.record_min)
        len = room >= e->side.record_min ? min_u64(left, e->side.record_min) : 0;
    e->progress.described += len;
    close_when_done(e);
    return len;
}

static void compare(struct endpoint *e, const uint8_t *data, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        if (data[i] != content(e->net, !e->number, e->progress.read + i)) {
            complain(e, "read a byte that was not sent there");
            return;
        }
    }
    e->progress.read += len;
    e->progress.last_us = e->net->now_us;
    if (e->progress.read > e->net->end[!e->number].side.total)
        complain(e, "read more than was sent");
}

/* Reads at most `most` buffered bytes. */
static void read_buffered(struct endpoint *e, uint32_t most)
{
    uint8_t buffer[3000];
    struct tcp_conn *c = conn_of(e);
    while (most && tcp_readable(c)) {
        uint32_t want = most < sizeof buffer ? most : (uint32_t)sizeof buffer;
        uint32_t n = tcp_peek(c, &e->env, 0, buffer, want);
        compare(e, buffer, n);
        tcp_consume(c, &e->env, n);
        most -= n;
    }
}

static void on_data(struct endpoint *e, const struct tcp_out *out)
{
    struct net *n = e->net;
    uint32_t now = out->len;
    if (e->side.reader == READER_PICKY)
        now = (uint32_t)below(n, out->len + 1);
    if (e->side.reader == READER_SLOW ||
        (e->side.reader == READER_ASLEEP && n->now_us < START_US + ASLEEP_US))
        now = 0;
    if (out->data) {
        compare(e, out->data, now);
        tcp_keep(conn_of(e), &e->env, out->data + now, out->len - now);
    } else if (e->side.reader == READER_EAGER) {
        read_buffered(e, UINT32_MAX);
    } else if (e->side.reader == READER_PICKY) {
        read_buffered(e, (uint32_t)below(n, tcp_readable(conn_of(e)) + 1));
    }
    if (tcp_readable(conn_of(e)) && !e->progress.read_at_us) {
        uint64_t wake = e->side.reader == READER_ASLEEP ? START_US + ASLEEP_US : 0;
        e->progress.read_at_us = max_u64(n->now_us + READ_EVERY_US, wake);
    }
}

static void on_events(struct endpoint *e, uint32_t events)
{
    const struct tcp_conn *c = conn_of(e);
    if (events & TCP_EV_ESTABLISHED)
        e->progress.open = true;
    if (events & TCP_EV_PEER_FIN)
        e->progress.peer_fin = true;
    bool abrupt = e->net->end[0].side.abort_us || e->net->end[1].side.abort_us;
    if (events & TCP_EV_TIMEOUT && !abrupt)
        complain(e, "given up");
    if (events & TCP_EV_RESET && !abrupt && !(e->progress.peer_fin && c->snd_una_pos == e->side.total))
        complain(e, "reset");
    if (c->snd_una_pos > e->progress.described)
        complain(e, "acknowledged what was not sent");
    if (events & TCP_EV_CLOSED)
        e->progress.closed = true;
}

enum cause { CAUSE_FRAME, CAUSE_TIMER, CAUSE_READ, CAUSE_WAKE, CAUSE_ABORT };

static bool take_frame(struct endpoint *e, const struct frame *f, struct tcp_plan *reply)
{
    struct tcp_segment s;
    struct tcp_out out;
    struct tcp_conn *c = conn_of(e);
    if (!tcp_checksum_ok(f->bytes, f->len, e->tuple.remote, e->tuple.local) ||
        tcp_parse(f->bytes, f->len, &s)) {
        e->net->corrupted++;
        return false;
    }
    trace(e->net, e, "gets", &s);
    if (c->state == TCP_CLOSED && !e->progress.closed && e->number == 1) {
        if (s.flags != TCP_SYN)
            return tcp_reset_for(&s, &e->tuple, reply);
        uint32_t iss = e->net->p.strange_iss ? 0xffffff00u : (uint32_t)net_random(&e->net->random);
        tcp_accept(c, &e->env, &e->tuple, &s, iss, e->net->now_us);
        return false;
    }
    tcp_input(c, &e->env, &s, e->net->now_us, &out);
    tcp_check_all(c, &e->env);
    on_events(e, out.events);
    if (out.events & TCP_EV_DATA)
        on_data(e, &out);
    return out.events & TCP_EV_REPLY_RST && tcp_reset_for(&s, &e->tuple, reply);
}

/* What a worker does for one cause, within the transaction. Returns how many plans there are. */
static unsigned work(struct endpoint *e, enum cause cause, const struct frame *f, struct tcp_plan *plans)
{
    struct tcp_conn *c = conn_of(e);
    unsigned count = 0;
    txn_touch(&e->txn, c, sizeof *c, &e->stamp);
    if (cause == CAUSE_FRAME)
        count += take_frame(e, f, plans);
    if (cause == CAUSE_TIMER)
        on_events(e, tcp_on_timer(c, &e->env, e->net->now_us));
    if (cause == CAUSE_READ) {
        bool slow = e->side.reader == READER_SLOW;
        read_buffered(e, slow ? 700 : UINT32_MAX);
        e->progress.read_at_us = tcp_readable(c) ? e->net->now_us + READ_EVERY_US : 0;
    }
    if (cause == CAUSE_ABORT) {
        e->progress.aborted = e->progress.closed = true;
        tcp_abort(c);
    }
    close_when_done(e);
    while (count < PLANS_MAX && tcp_plan(c, &e->env, e->net->now_us, &plans[count])) {
        tcp_check_all(c, &e->env);
        count++;
    }
    if (count == PLANS_MAX)
        complain(e, "plans without end");
    if (e->progress.closed)
        read_buffered(e, UINT32_MAX), tcp_release(c, &e->env);
    tcp_check_all(c, &e->env);
    return count;
}

/* The connection moves to another address, and its old place is overwritten: what TCP needs is in the slot,
 * or it is lost. */
static void move_slot(struct endpoint *e)
{
    unsigned to = (e->slot + 1) % SLOTS;
    e->slots[to] = e->slots[e->slot];
    memset(&e->slots[e->slot], 0xa5, sizeof e->slots[0]);
    e->slot = to;
}

static void transact(struct net *n, struct endpoint *e, enum cause cause, const struct frame *f)
{
    static struct tcp_plan plans[PLANS_MAX];
    struct progress before = e->progress;
    struct tcp_conn saved = *conn_of(e);
    e->stamp = 0;
    txn_begin(&e->txn);
    unsigned count = work(e, cause, f, plans);
    if (chance(n, n->p.death)) {
        const char *complaint = e->progress.complaint;
        txn_recover(&e->txn);
        e->progress = before;
        if (complaint)
            complain(e, complaint);
        if (memcmp(&saved, conn_of(e), sizeof saved) != 0)
            complain(e, "undoing left the connection changed");
        n->deaths++;
        return;
    }
    txn_commit(&e->txn);
    txn_publish(&e->txn);
    for (unsigned i = 0; i < count; i++) {
        uint8_t bytes[NET_FRAME_MAX];
        struct tcp_segment s;
        size_t len = tcp_build(&plans[i], fill, e, bytes, sizeof bytes);
        if (len == 0 || tcp_parse(bytes, len, &s) != DROP_NONE) {
            complain(e, "built no segment");
            continue;
        }
        trace(n, e, "sends", &s);
        transmit(n, e, bytes, len);
    }
    if (below(n, 8) == 0)
        move_slot(e);
}

static void endpoint_open(struct net *n, unsigned number)
{
    struct endpoint *e = &n->end[number];
    size_t pool_bytes = sizeof(struct pool) + (size_t)n->p.side[number].blocks * BLOCK_SIZE;
    size_t log_bytes = sizeof(struct txn_log) + UNDO_SIZE;
    *e = (struct endpoint){.side = n->p.side[number], .number = (uint8_t)number, .net = n};
    /* One allocation is the endpoint's region, except for the slots: they are near enough for 64-bit offsets.
     */
    e->region = calloc(1, log_bytes + pool_bytes);
    e->log = (struct txn_log *)(void *)e->region;
    e->log->undo_size = UNDO_SIZE;
    txn_attach(&e->txn, e->region, e->log);
    e->blocks = (struct pool *)(void *)(e->region + log_bytes);
    pool_init(e->blocks, e->blocks + 1, BLOCK_SIZE, e->side.blocks);
    e->env = (struct tcp_env){.config = &e->side.config,
                              .blocks = e->blocks,
                              .txn = &e->txn,
                              .extend = extend,
                              .stream = e,
                              .counters = &e->counters};
    static const uint8_t ip4[2][16] = {{[10] = 0xff, 0xff, 198, 18, 0, 2},
                                       {[10] = 0xff, 0xff, 198, 18, 0, 1}};
    static const uint8_t ip6[2][16] = {{0xfd, 0, 0, 0x18, [15] = 2}, {0xfd, 0, 0, 0x18, [15] = 1}};
    memcpy(e->tuple.local, n->p.ip6 ? ip6[number] : ip4[number], 16);
    memcpy(e->tuple.remote, n->p.ip6 ? ip6[!number] : ip4[!number], 16);
    e->tuple.local_port = number ? 443 : 40000;
    e->tuple.remote_port = number ? 40000 : 443;
}

static struct frame *next_frame(struct net *n)
{
    struct frame *first = NULL;
    for (unsigned i = 0; i < n->frame_count; i++) {
        struct frame *f = &n->frames[i];
        if (!first || f->at_us < first->at_us || (f->at_us == first->at_us && f->number < first->number))
            first = f;
    }
    return first;
}

/* When an endpoint has something to do by itself. */
static uint64_t wakes(struct endpoint *e, enum cause *cause)
{
    uint64_t at = tcp_deadline(conn_of(e));
    *cause = CAUSE_TIMER;
    if (e->side.abort_us && !e->progress.closed && START_US + e->side.abort_us < at) {
        at = START_US + e->side.abort_us;
        *cause = CAUSE_ABORT;
    }
    if (e->progress.read_at_us && e->progress.read_at_us < at) {
        at = e->progress.read_at_us;
        *cause = CAUSE_READ;
    }
    uint64_t later = e->net->now_us + 10000;
    if (e->side.bytes_per_ms && e->progress.open && !e->progress.closed &&
        e->progress.described < e->side.total && later < at) {
        at = later;
        *cause = CAUSE_WAKE;
    }
    return at;
}

/* One event; false when there is none left. */
static bool step(struct net *n)
{
    struct frame *f = next_frame(n);
    uint64_t at = f ? f->at_us : UINT64_MAX;
    int who = -1;
    enum cause cause = CAUSE_FRAME;
    for (int i = 0; i < 2; i++) {
        enum cause its;
        uint64_t t = wakes(&n->end[i], &its);
        if (t < at) {
            at = t;
            who = i;
            cause = its;
        }
    }
    if (at == UINT64_MAX)
        return false;
    n->now_us = max_u64(n->now_us, at);
    if (who >= 0) {
        trace(n, &n->end[who], cause == CAUSE_TIMER ? "timer" : "reads", NULL);
        transact(n, &n->end[who], cause, NULL);
        return true;
    }
    struct frame copy = *f;
    *f = n->frames[--n->frame_count];
    transact(n, &n->end[copy.to], CAUSE_FRAME, &copy);
    return true;
}

static struct net_result conclude(struct net *n)
{
    struct net_result r = {.end_us = n->now_us - START_US, .corrupted = n->corrupted, .deaths = n->deaths};
    for (int i = 0; i < 2; i++) {
        struct endpoint *e = &n->end[i];
        bool abrupt = e->side.abort_us || n->end[!i].side.abort_us;
        if (!e->progress.closed && !(abrupt && conn_of(e)->state == TCP_CLOSED)) /* or it never opened */
            complain(e, "did not reach CLOSED");
        if (!e->progress.peer_fin && !abrupt)
            complain(e, "never saw the peer's FIN");
        if (e->progress.read != n->end[!i].side.total && !abrupt)
            complain(e, "did not read every byte");
        if (e->blocks->used)
            complain(e, "kept receive blocks");
        r.blocks_left[i] = e->blocks->used;
        r.counters[i] = e->counters;
        r.delivered_us =
            max_u64(r.delivered_us, e->progress.last_us > START_US ? e->progress.last_us - START_US : 0);
        if (e->progress.complaint && !r.complaint)
            r.complaint = e->progress.complaint;
        free(e->region);
    }
    free(n->frames);
    r.complete = !r.complaint;
    return r;
}

struct net_result net_run(const struct net_params *p)
{
    static struct net n;
    n = (struct net){.p = *p, .random = p->seed, .now_us = START_US};
    n.frames = calloc(NET_FRAMES, sizeof *n.frames);
    endpoint_open(&n, 0);
    endpoint_open(&n, 1);
    uint32_t death = n.p.death;
    n.p.death = 0; /* the first SYN has no timer before it */
    for (unsigned i = 0; i <= p->both_open; i++) {
        struct endpoint *active = &n.end[i];
        uint32_t iss = p->strange_iss ? 0xfffffff0u : (uint32_t)net_random(&n.random);
        tcp_connect(conn_of(active), &active->env, &active->tuple, iss, n.now_us);
        transact(&n, active, CAUSE_WAKE, NULL);
    }
    n.p.death = death;
    for (unsigned events = 0; events < EVENT_LIMIT && n.now_us < TIME_LIMIT_US; events++) {
        if (n.end[0].progress.complaint || n.end[1].progress.complaint || !step(&n))
            break;
    }
    return conclude(&n);
}
