/*
 * A pool of equal elements in the region, named by index: no pointers, no general allocator. One writer a
 * pool.
 *
 * Owns: which element is free. Refuses: nothing but "none left" (POOL_NONE), which the caller must have a
 * policy for. Elements never handed out are taken in order (`fresh`), so that creating a pool of a million
 * touches no memory; returned ones form a list through their first four bytes. An element's first uint32_t
 * therefore belongs to the pool while it is free, and to its holder afterwards. All changes go through the
 * transaction. An element returned in a transaction is not handed out again in the same one: undoing must
 * find its content as it was.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_POOL_H
#define VOXPOP_POOL_H

#include "undo.h"

#define POOL_NONE UINT32_MAX

/* In the region. Writer: the pool's one owner. */
struct pool {
    uint64_t stamp;
    uint64_t elements;    /* bytes from this struct to element 0 */
    uint32_t stride;      /* bytes an element */
    uint32_t capacity;    /* elements */
    uint32_t fresh;       /* elements [fresh, capacity) were never handed out */
    uint32_t head;        /* first returned element, or POOL_NONE */
    uint32_t used;        /* elements handed out now */
    uint32_t used_max;    /* the most there ever were */
    uint32_t refused;     /* times that none was left */
    uint32_t limbo_count; /* elements in limbo */
    uint32_t limbo_head;  /* elements returned in transaction `limbo_number`: not to be handed out before it
                             stands */
    uint32_t limbo_tail;
    uint64_t limbo_number;
};
_Static_assert(sizeof(struct pool) == 64, "pool is a published format");

static inline void pool_init(struct pool *p, void *elements, uint32_t stride, uint32_t capacity)
{
    *p = (struct pool){.elements = (uint64_t)((uint8_t *)elements - (uint8_t *)p),
                       .stride = stride,
                       .capacity = capacity,
                       .head = POOL_NONE,
                       .limbo_head = POOL_NONE};
}

static inline void *pool_at(const struct pool *p, uint32_t index)
{
    return (uint8_t *)p + p->elements + (uint64_t)index * p->stride;
}

/* Elements that pool_get can hand out in this transaction. */
static inline uint32_t pool_free(const struct pool *p, const struct txn *t)
{
    uint32_t limbo = t && p->limbo_head != POOL_NONE && p->limbo_number == txn_number(t) ? p->limbo_count : 0;
    return p->capacity - p->used - limbo;
}

/* Makes elements returned in an earlier transaction available. */
static inline void pool_leave_limbo(struct pool *p, struct txn *t)
{
    if (p->limbo_head == POOL_NONE || (t && p->limbo_number == txn_number(t)))
        return;
    txn_save(t, pool_at(p, p->limbo_tail), sizeof(uint32_t));
    memcpy(pool_at(p, p->limbo_tail), &p->head, sizeof p->head);
    p->head = p->limbo_head;
    p->limbo_head = POOL_NONE;
}

/* Hands out an element with undefined content, or POOL_NONE. */
static inline uint32_t pool_get(struct pool *p, struct txn *t)
{
    txn_touch(t, p, sizeof *p, &p->stamp);
    pool_leave_limbo(p, t);
    uint32_t index;
    if (p->head != POOL_NONE) {
        index = p->head;
        memcpy(&p->head, pool_at(p, index), sizeof p->head);
    } else if (p->fresh < p->capacity) {
        index = p->fresh++;
    } else {
        p->refused++;
        return POOL_NONE;
    }
    /* The link must survive an undo: the holder may overwrite it in this very transaction. */
    txn_save(t, pool_at(p, index), sizeof(uint32_t));
    if (++p->used > p->used_max)
        p->used_max = p->used;
    return index;
}

/*
 * Takes back `count` elements that are linked by their first four bytes, `first` to `last`. Costs the undo
 * log one link, however many they are.
 */
static inline void pool_put_list(struct pool *p, struct txn *t, uint32_t first, uint32_t last, uint32_t count)
{
    assert(first < p->fresh && last < p->fresh && count <= p->used);
    txn_touch(t, p, sizeof *p, &p->stamp);
    pool_leave_limbo(p, t);
    txn_save(t, pool_at(p, last), sizeof(uint32_t));
    memcpy(pool_at(p, last), &p->limbo_head, sizeof p->limbo_head);
    if (p->limbo_head == POOL_NONE) {
        p->limbo_tail = last;
        p->limbo_count = 0;
    }
    p->limbo_head = first;
    p->limbo_count += count;
    p->limbo_number = txn_number(t);
    p->used -= count;
}

/* Takes an element back. */
static inline void pool_put(struct pool *p, struct txn *t, uint32_t index)
{
    pool_put_list(p, t, index, index, 1);
}

#endif
