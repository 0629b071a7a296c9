/*
 * Blocks of 2 KiB in the region, and chains of them: bytes that must outlive a burst. A chain is a byte
 * queue: received bytes that are not a whole record or message yet, and private bytes to send (handshake
 * flights, REST answers).
 *
 * Bytes are appended beyond `length`, where an undone transaction leaves harmless garbage; only heads are
 * saved. One writer: the worker that owns the pool. Full: chain_append appends nothing and returns false; the
 * caller's policy applies.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_BLOCK_H
#define VOXPOP_BLOCK_H

#include "pool.h"

#define BLOCK_SIZE 2048u
#define BLOCK_DATA (BLOCK_SIZE - 16u)

/* In the region. Writer: the worker that owns the pool. */
struct block {
    uint32_t next; /* next block of the chain; undefined in the last one */
    uint32_t pad0;
    uint64_t stamp;
    uint8_t data[BLOCK_DATA];
};
_Static_assert(sizeof(struct block) == BLOCK_SIZE, "block is a published format");

/*
 * A byte queue, embedded in its holder, whose transaction touch covers it. All zero is an empty chain. Bytes
 * [offset, offset + length) from the start of the head block are its content.
 */
struct chain {
    uint32_t head; /* index of the first block; meaningless while blocks == 0 */
    uint32_t tail;
    uint32_t length; /* bytes of content */
    uint16_t offset; /* bytes of the head block that are consumed */
    uint16_t blocks; /* blocks held */
};
_Static_assert(sizeof(struct chain) == 16, "chain is a published format");

static inline struct block *block_at(const struct pool *blocks, uint32_t index)
{
    return pool_at(blocks, index);
}

/* Adds an empty block at the end. */
static inline bool chain_grow(struct chain *c, struct pool *blocks, struct txn *t)
{
    uint32_t index = c->blocks == UINT16_MAX ? POOL_NONE : pool_get(blocks, t);
    if (index == POOL_NONE)
        return false;
    if (c->blocks) {
        struct block *last = block_at(blocks, c->tail);
        txn_touch(t, last, offsetof(struct block, data), &last->stamp);
        last->next = index;
    } else {
        c->head = index;
    }
    c->tail = index;
    c->blocks++;
    return true;
}

/* Appends all of it, or nothing. */
static inline bool chain_append(struct chain *c, struct pool *blocks, struct txn *t, const void *data,
                                uint32_t len)
{
    const uint8_t *from = data;
    uint64_t have = (uint64_t)c->blocks * BLOCK_DATA, end = (uint64_t)c->offset + c->length;
    uint64_t need = (end + len + BLOCK_DATA - 1) / BLOCK_DATA;
    if (need > c->blocks && (need - c->blocks > pool_free(blocks, t) || need > UINT16_MAX))
        return false;
    uint32_t left = len;
    while (left) {
        if (end == have) {
            if (!chain_grow(c, blocks, t))
                return false;
            have += BLOCK_DATA;
        }
        uint32_t at = (uint32_t)(end % BLOCK_DATA), n = BLOCK_DATA - at < left ? BLOCK_DATA - at : left;
        memcpy(block_at(blocks, c->tail)->data + at, from, n);
        from += n;
        left -= n;
        end += n;
    }
    c->length += len;
    return true;
}

/* Copies up to `len` bytes from `position` bytes into the content; returns how many there were. */
static inline uint32_t chain_read(const struct chain *c, const struct pool *blocks, uint32_t position,
                                  void *to, uint32_t len)
{
    uint8_t *out = to;
    if (position >= c->length)
        return 0;
    if (len > c->length - position)
        len = c->length - position;
    uint64_t at = (uint64_t)c->offset + position;
    uint32_t index = c->head;
    for (; at >= BLOCK_DATA; at -= BLOCK_DATA)
        index = block_at(blocks, index)->next;
    for (uint32_t left = len; left;) {
        const struct block *b = block_at(blocks, index);
        uint32_t n = BLOCK_DATA - (uint32_t)at < left ? BLOCK_DATA - (uint32_t)at : left;
        memcpy(out, b->data + at, n);
        out += n;
        left -= n;
        at = 0;
        if (left)
            index = b->next;
    }
    return len;
}

/* Gives back the first `len` bytes (at most all) and every block that is empty then. */
static inline void chain_consume(struct chain *c, struct pool *blocks, struct txn *t, uint32_t len)
{
    if (len > c->length)
        len = c->length;
    c->length -= len;
    uint64_t at = (uint64_t)c->offset + len;
    uint32_t first = c->head, last = first, empty = 0;
    while (c->blocks && (at >= BLOCK_DATA || c->length == 0)) {
        last = c->head;
        empty++;
        if (--c->blocks)
            c->head = block_at(blocks, last)->next;
        at = at >= BLOCK_DATA ? at - BLOCK_DATA : 0;
    }
    if (empty) /* as a list: the undo log pays once, however long the chain was */
        pool_put_list(blocks, t, first, last, empty);
    c->offset = c->blocks ? (uint16_t)at : 0;
}

static inline void chain_free(struct chain *c, struct pool *blocks, struct txn *t)
{
    chain_consume(c, blocks, t, c->length);
}

#endif
