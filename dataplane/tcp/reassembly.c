/*
 * The receive chain: bytes received in order that the owner has not consumed, and behind them, each at its
 * own place, bytes received out of order (RFC 9293 3.10.7.4, seventh check). The chain's `length` counts the
 * former; up to four ranges tell the latter.
 *
 * First received wins: a byte that is held is never overwritten, so an undone transaction finds accepted
 * bytes unchanged, and a peer cannot change what it said. Bound: the advertised window, and four ranges.
 * Policy: a fifth range is refused; out-of-order bytes are refused while fewer than a quarter of all blocks
 * are free; in-order bytes when none is.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tcp/internal.h"

#define OUT_OF_ORDER_RESERVE 4 /* the pool's last 1/4 is for bytes in order */

/* Makes the chain long enough to hold `bytes` bytes from its content's start. All or nothing. */
static bool reserve(struct tcp_conn *c, const struct tcp_env *env, uint64_t bytes, bool in_order)
{
    uint64_t need = (c->rcv.offset + bytes + BLOCK_DATA - 1) / BLOCK_DATA;
    if (need <= c->rcv.blocks)
        return true;
    uint64_t more = need - c->rcv.blocks,
             spared = in_order ? 0 : env->blocks->capacity / OUT_OF_ORDER_RESERVE;
    if (need > UINT16_MAX || more + spared > pool_free(env->blocks, env->txn))
        return false;
    while (c->rcv.blocks < need) {
        if (!chain_grow(&c->rcv, env->blocks, env->txn))
            return false;
    }
    return true;
}

/* Writes at `position` bytes from the content's start, within reserved blocks. */
static void write_at(struct tcp_conn *c, const struct tcp_env *env, uint64_t position, const uint8_t *data,
                     uint32_t len)
{
    uint64_t at = c->rcv.offset + position;
    uint32_t index = c->rcv.head;
    for (; len && at >= BLOCK_DATA; at -= BLOCK_DATA)
        index = block_at(env->blocks, index)->next;
    while (len) {
        struct block *b = block_at(env->blocks, index);
        uint32_t n = (uint32_t)min_u64(BLOCK_DATA - at, len);
        memcpy(b->data + at, data, n);
        data += n;
        len -= n;
        at = 0;
        if (len)
            index = b->next;
    }
}

/* The ranges held together with [start, end), which lies at or behind rcv_nxt. Returns how many there are
 * then. */
static unsigned merged(const struct tcp_conn *c, uint32_t start, uint32_t end,
                       struct tcp_range out[TCP_RANGES_MAX + 1])
{
    unsigned i = 0, n = 0;
    while (i < c->range_count && seq_lt(c->ranges[i].end, start))
        out[n++] = c->ranges[i++];
    for (; i < c->range_count && seq_le(c->ranges[i].start, end); i++) {
        start = seq_min(start, c->ranges[i].start);
        end = seq_max(end, c->ranges[i].end);
    }
    out[n++] = (struct tcp_range){start, end};
    while (i < c->range_count)
        out[n++] = c->ranges[i++];
    return n;
}

/* Writes the parts of [seq, seq+len) that are not held; returns how many bytes they were. */
static uint32_t write_gaps(struct tcp_conn *c, const struct tcp_env *env, uint32_t seq, const uint8_t *data,
                           uint32_t len)
{
    uint32_t at = seq, end = seq + len, written = 0;
    for (unsigned i = 0; i <= c->range_count && seq_lt(at, end); i++) {
        uint32_t stop = i < c->range_count ? seq_min(c->ranges[i].start, end) : end;
        if (seq_lt(at, stop)) {
            write_at(c, env, (uint64_t)c->rcv.length + (at - c->rcv_nxt), data + (at - seq), stop - at);
            written += stop - at;
        }
        if (i < c->range_count)
            at = seq_max(at, c->ranges[i].end);
    }
    return written;
}

/* The range that holds seq is the first to tell of. */
static void set_recent(struct tcp_conn *c, uint32_t seq)
{
    unsigned i = 0;
    while (i < c->range_count && seq_le(c->ranges[i].end, seq))
        i++;
    c->repair = (uint8_t)((c->repair & ~TCP_R_RECENT) | (i % TCP_RANGES_MAX) << TCP_R_RECENT_SHIFT);
}

/* Takes text at or behind rcv_nxt, within the window. */
enum drop_reason tcp_insert(struct tcp_conn *c, const struct tcp_env *env, uint32_t seq, const uint8_t *data,
                            uint32_t len)
{
    struct tcp_range all[TCP_RANGES_MAX + 1];
    unsigned n = merged(c, seq, seq + len, all);
    bool in_order = all[0].start == c->rcv_nxt;
    if (n > TCP_RANGES_MAX && !in_order)
        return DROP_TCP_REASSEMBLY_FULL;
    if (!reserve(c, env, (uint64_t)c->rcv.length + (seq + len - c->rcv_nxt), in_order))
        return DROP_TCP_NO_BUFFER;
    uint32_t written = write_gaps(c, env, seq, data, len);
    if (in_order) {
        c->rcv.length += all[0].end - c->rcv_nxt;
        c->rcv_nxt = all[0].end;
        n--;
    }
    memcpy(c->ranges, all + in_order, n * sizeof *all);
    c->range_count = (uint8_t)n;
    if (n == TCP_RANGES_MAX)
        c->repair &= (uint8_t)~TCP_R_DSACK;
    set_recent(c, seq);
    if (!written)
        tcp_duplicate(c, seq, seq + len);
    return written ? DROP_NONE : DROP_TCP_DUPLICATE;
}

void tcp_duplicate(struct tcp_conn *c, uint32_t start, uint32_t end)
{
    if (!(c->flags & TCP_F_SACK) || c->range_count == TCP_RANGES_MAX)
        return;
    c->ranges[TCP_RANGES_MAX - 1] = (struct tcp_range){start, end};
    c->repair |= TCP_R_DSACK;
}

unsigned tcp_sack_blocks(struct tcp_conn *c, unsigned most, struct tcp_range out[])
{
    unsigned n = 0, recent = (c->repair & TCP_R_RECENT) >> TCP_R_RECENT_SHIFT;
    if (c->repair & TCP_R_DSACK)
        out[n++] = c->ranges[TCP_RANGES_MAX - 1];
    if (recent < c->range_count && n < most)
        out[n++] = c->ranges[recent];
    for (unsigned i = 0; i < c->range_count && n < most; i++)
        if (i != recent)
            out[n++] = c->ranges[i];
    c->repair &= (uint8_t)~TCP_R_DSACK;
    return n;
}

bool tcp_keep(struct tcp_conn *c, const struct tcp_env *env, const uint8_t *data, uint32_t len)
{
    if (len == 0 || c->state == TCP_CLOSED)
        return true;
    assert(c->range_count == 0);
    if (!reserve(c, env, (uint64_t)c->rcv.length + len, true)) {
        c->rcv_nxt -= len;
        c->flags |= TCP_F_ACK_NOW;
        return false;
    }
    write_at(c, env, c->rcv.length, data, len);
    c->rcv.length += len;
    return true;
}

uint32_t tcp_peek(const struct tcp_conn *c, const struct tcp_env *env, uint32_t off, void *dst, uint32_t len)
{
    return chain_read(&c->rcv, env->blocks, off, dst, len);
}

void tcp_consume(struct tcp_conn *c, const struct tcp_env *env, uint32_t n)
{
    assert(n <= c->rcv.length);
    /* The chain must not let go of blocks that only hold bytes out of order. */
    uint32_t behind = c->range_count ? c->ranges[c->range_count - 1].end - c->rcv_nxt : 0;
    c->rcv.length += behind;
    chain_consume(&c->rcv, env->blocks, env->txn, n);
    c->rcv.length -= behind;
}
