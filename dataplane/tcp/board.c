/*
 * The scoreboard; see board.h.
 *
 * Undo: the first touch of a transaction saves the head and the spans in use; those written behind them are
 * garbage once `count` is what it was.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tcp/board.h"

#include <assert.h>

#include "dataplane/tcp/internal.h"

#define RESERVE     4   /* the pool's last 1/4 is for bytes in order */
#define SPANS_SPARE 12u /* what one ACK, or one segment sent, may add */

static struct block *block_with(const struct tcp_conn *c, const struct tcp_env *env)
{
    return c->board ? block_at(env->blocks, c->board - 1) : NULL;
}

const struct tcp_board *board_peek(const struct tcp_conn *c, const struct tcp_env *env)
{
    const struct block *b = block_with(c, env);
    return b ? (const struct tcp_board *)(const void *)b->data : NULL;
}

struct tcp_board *board_of(const struct tcp_conn *c, const struct tcp_env *env)
{
    struct block *at = block_with(c, env);
    if (!at)
        return NULL;
    struct tcp_board *b = (struct tcp_board *)(void *)at->data;
    size_t used =
        offsetof(struct block, data) + offsetof(struct tcp_board, spans) + b->count * sizeof b->spans[0];
    txn_touch(env->txn, at, used, &at->stamp);
    return b;
}

struct tcp_board *board_open(struct tcp_conn *c, const struct tcp_env *env)
{
    if (c->board)
        return board_of(c, env);
    if (pool_free(env->blocks, env->txn) <= env->blocks->capacity / RESERVE)
        return NULL;
    uint32_t index = pool_get(env->blocks, env->txn);
    if (index == POOL_NONE)
        return NULL;
    struct block *at = block_at(env->blocks, index);
    at->stamp = txn_number(env->txn); /* nothing in it is worth saving */
    c->board = index + 1;
    struct tcp_board *b = (struct tcp_board *)(void *)at->data;
    memset(b, 0, offsetof(struct tcp_board, spans));
    b->reo_steps = 1;
    b->dsack_next = c->snd_una;
    return b;
}

void board_close(struct tcp_conn *c, const struct tcp_env *env)
{
    if (!c->board)
        return;
    pool_put(env->blocks, env->txn, c->board - 1);
    c->board = 0;
}

void board_count(struct tcp_board *b)
{
    uint32_t at = b->start;
    b->pipe = 0;
    for (unsigned i = 0; i < b->count; at = b->spans[i++].end)
        if (!(b->spans[i].state & (TCP_SPAN_SACKED | TCP_SPAN_LOST)))
            b->pipe += b->spans[i].end - at;
}

uint32_t board_sacked_bytes(const struct tcp_board *b)
{
    uint32_t at = b->start, sum = 0;
    for (unsigned i = 0; i < b->count; at = b->spans[i++].end)
        if (b->spans[i].state & TCP_SPAN_SACKED)
            sum += b->spans[i].end - at;
    return sum;
}

bool board_resent(const struct tcp_board *b)
{
    for (unsigned i = 0; i < b->count; i++)
        if (b->spans[i].state & TCP_SPAN_RESENT)
            return true;
    return false;
}

static void append(struct tcp_board *b, uint32_t end, uint32_t first_us, uint32_t sent_us, uint32_t state)
{
    b->spans[b->count++] = (struct tcp_span){end, first_us, sent_us, state};
}

void board_begin(struct tcp_board *b, struct tcp_conn *c)
{
    assert(b->count == 0 && flight(c));
    b->start = b->fack = c->snd_una;
    b->flags &= (uint8_t)~TCP_BOARD_RACK;
    uint32_t at = c->snd_una, again = c->snd_resend;
    if (again != c->snd_nxt) { /* going back: what is ahead of it is given up */
        if (again != at)
            append(b, again, c->mark_us, c->sent_us, TCP_SPAN_RESENT);
        append(b, c->snd_nxt, c->mark_us, c->sent_us, TCP_SPAN_LOST);
        c->snd_resend = c->snd_nxt;
    } else {
        if (seq_gt(c->mark_end, at) && seq_lt(c->mark_end, c->snd_nxt))
            append(b, c->mark_end, c->mark_us - c->srtt_us, c->mark_us, 0); /* a flight takes no longer */
        append(b, c->snd_nxt, c->mark_us, c->sent_us, 0);
    }
    board_count(b);
}

/* Spans that need not be told apart become one. `blur`: whenever they were sent. */
static void merge(struct tcp_board *b, bool blur)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < b->count; i++) {
        struct tcp_span *last = kept ? &b->spans[kept - 1] : NULL, one = b->spans[i];
        bool timeless = one.state & (TCP_SPAN_SACKED | TCP_SPAN_LOST);
        if (last && last->state == one.state && (timeless || blur || last->sent_us == one.sent_us)) {
            last->end = one.end;
            last->first_us = seq_min(last->first_us, one.first_us);
            last->sent_us = seq_max(last->sent_us, one.sent_us);
        } else {
            b->spans[kept++] = one;
        }
    }
    b->count = (uint16_t)kept;
}

/* The last sacked span is not sacked any more, and one with its neighbours. */
static void forget_one(struct tcp_board *b)
{
    unsigned i = b->count - 1u;
    while (i > 0 && !(b->spans[i].state & TCP_SPAN_SACKED))
        i--;
    unsigned first = i ? i - 1 : 0, last = i + 1u < b->count ? i + 1 : i;
    struct tcp_span one = b->spans[first];
    one.end = b->spans[last].end;
    one.state = TCP_SPAN_LOST | TCP_SPAN_RESENT;
    for (unsigned k = first; k <= last; k++) {
        if (b->spans[k].state & TCP_SPAN_SACKED)
            continue;
        one.state &= b->spans[k].state;
        one.first_us = seq_min(one.first_us, b->spans[k].first_us);
        one.sent_us = seq_max(one.sent_us, b->spans[k].sent_us);
    }
    b->spans[first] = one;
    memmove(&b->spans[first + 1], &b->spans[last + 1], (b->count - last - 1u) * sizeof one);
    b->count -= (uint16_t)(last - first);
}

static void make_room(struct tcp_board *b)
{
    if (b->count <= TCP_SPANS_MAX - SPANS_SPARE)
        return;
    merge(b, true);
    while (b->count > TCP_SPANS_MAX - SPANS_SPARE)
        forget_one(b);
    board_count(b);
}

void board_tidy(struct tcp_board *b, const struct tcp_conn *c)
{
    uint32_t any = c->flags & TCP_F_RECOVERY || b->flags & TCP_BOARD_TIMEOUT;
    merge(b, false);
    for (unsigned i = 0; i < b->count; i++)
        any |= b->spans[i].state;
    if (!any)
        b->count = 0;
    else
        make_room(b);
}

/* The span that begins at seq: cut there if need be. seq at the end: count. */
static unsigned cut(struct tcp_board *b, uint32_t seq)
{
    unsigned i = 0;
    uint32_t at = b->start;
    while (i < b->count && seq_le(b->spans[i].end, seq))
        at = b->spans[i++].end;
    if (i == b->count || seq_le(seq, at))
        return i;
    assert(b->count < TCP_SPANS_MAX);
    memmove(&b->spans[i + 1], &b->spans[i], (b->count - i) * sizeof b->spans[0]);
    b->count++;
    b->spans[i].end = seq;
    return i + 1;
}

void board_sent(struct tcp_board *b, uint32_t seq, uint32_t end, uint32_t now_us, uint32_t blur_us)
{
    uint32_t last_end = b->spans[b->count - 1].end;
    make_room(b);
    if (seq_ge(seq, last_end)) {
        struct tcp_span *last = &b->spans[b->count - 1];
        if (last->state == 0 && now_us - last->first_us < blur_us) {
            last->end = end;
            last->sent_us = now_us;
        } else {
            append(b, end, now_us, now_us, 0);
        }
        b->pipe += end - seq;
        return;
    }
    unsigned from = cut(b, seq), to = cut(b, end);
    for (unsigned i = from; i < to; i++) {
        struct tcp_span *s = &b->spans[i];
        if (!(s->state & TCP_SPAN_SACKED))
            *s = (struct tcp_span){s->end, now_us, now_us, TCP_SPAN_RESENT};
    }
    if (seq_gt(end, last_end)) { /* a probe that takes new bytes along */
        append(b, end, now_us, now_us, TCP_SPAN_RESENT);
    }
    board_count(b);
}

static void deliver(const struct tcp_span *s, tcp_delivered_fn *delivered, void *user)
{
    struct tcp_delivery d = {s->end, s->first_us, s->state & TCP_SPAN_RESENT};
    delivered(user, &d);
}

uint32_t board_acked(struct tcp_board *b, uint32_t ack, tcp_delivered_fn *delivered, void *user)
{
    uint32_t fresh = 0, at = b->start;
    make_room(b);
    unsigned gone = cut(b, ack);
    for (unsigned i = 0; i < gone; at = b->spans[i++].end) {
        if (b->spans[i].state & TCP_SPAN_SACKED)
            continue;
        fresh += b->spans[i].end - at;
        deliver(&b->spans[i], delivered, user);
    }
    memmove(b->spans, b->spans + gone, (b->count - gone) * sizeof b->spans[0]);
    b->count -= (uint16_t)gone;
    b->start = ack;
    b->fack = seq_max(b->fack, ack);
    board_count(b);
    return fresh;
}

uint32_t board_sacked(struct tcp_board *b, uint32_t start, uint32_t end, tcp_delivered_fn *delivered,
                      void *user)
{
    uint32_t fresh = 0;
    make_room(b);
    unsigned from = cut(b, start), to = cut(b, end);
    uint32_t at = from ? b->spans[from - 1].end : b->start;
    for (unsigned i = from; i < to; at = b->spans[i++].end) {
        if (b->spans[i].state & TCP_SPAN_SACKED)
            continue;
        fresh += b->spans[i].end - at;
        deliver(&b->spans[i], delivered, user);
        b->spans[i].state = TCP_SPAN_SACKED;
    }
    if (fresh) {
        merge(b, false);
        b->fack = seq_max(b->fack, end);
        board_count(b);
    }
    return fresh;
}

void board_give_up(struct tcp_board *b, uint32_t now_us, uint32_t age_us)
{
    for (unsigned i = 0; i < b->count; i++) {
        struct tcp_span *s = &b->spans[i];
        if (!(s->state & TCP_SPAN_SACKED) && (i == 0 || now_us - s->sent_us >= age_us))
            s->state |= TCP_SPAN_LOST;
    }
    board_count(b);
}

void board_forget_sacks(struct tcp_board *b)
{
    for (unsigned i = 0; i < b->count; i++)
        if (b->spans[i].state & TCP_SPAN_SACKED)
            b->spans[i].state = TCP_SPAN_LOST;
    board_count(b);
}

void board_unlose(struct tcp_board *b)
{
    for (unsigned i = 0; i < b->count; i++)
        b->spans[i].state &= ~(uint32_t)TCP_SPAN_LOST;
    board_count(b);
}

uint32_t board_lost(const struct tcp_board *b, uint32_t most, uint32_t *seq)
{
    uint32_t at = b->start;
    for (unsigned i = 0; i < b->count; at = b->spans[i++].end) {
        if (!(b->spans[i].state & TCP_SPAN_LOST))
            continue;
        *seq = at;
        return (uint32_t)min_u64(b->spans[i].end - at, most);
    }
    return 0;
}

void board_check(const struct tcp_board *b, const struct tcp_conn *c)
{
    uint32_t at = b->start, pipe = 0;
    assert(b->count <= TCP_SPANS_MAX);
    if (!b->count)
        return;
    assert(b->start == c->snd_una);
    for (unsigned i = 0; i < b->count; at = b->spans[i++].end) {
        assert(seq_gt(b->spans[i].end, at));
        if (!(b->spans[i].state & (TCP_SPAN_SACKED | TCP_SPAN_LOST)))
            pipe += b->spans[i].end - at;
    }
    assert(at == c->snd_nxt && pipe == b->pipe);
}
