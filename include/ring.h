/*
 * A single-producer single-consumer ring of numbered entries of any length, between two processes that may
 * each die at any store. Written within the producer's transaction, read within the consumer's: an entry
 * appears when the producer's transaction is published, and is gone when the consumer's is.
 *
 * An entry's number is its position in bytes since the ring was made: unique for the ring's life, growing,
 * the same after any restart. Entries are contiguous, 16-byte aligned; a filler entry (type 0) closes the
 * space before a wrap.
 *
 * `done` lets the consumer finish entries out of order (a stored message is answered when it is durable): the
 * published head stays before the oldest entry that is not done, and a restarted consumer skips what is done
 * after it.
 *
 * Full: ring_reserve returns NULL and the producer's own policy applies. The consumer never waits.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_RING_H
#define VOXPOP_RING_H

#include "undo.h"

#define RING_ALIGN 16u

/* In the region; `size` bytes of entries follow. */
struct ring {
    /* producer's line. Writer: the producer, by intent */
    _Atomic uint64_t tail; /* position behind the last published entry */
    uint64_t full;         /* times ring_reserve found no room */
    uint8_t pad0[48];
    /* consumer's line. Writer: the consumer, by intent */
    _Atomic uint64_t head; /* position of the oldest entry that is not done */
    uint8_t pad1[56];
    /* constant after creation */
    uint64_t size; /* bytes, a power of two */
    uint8_t pad2[56];
};
_Static_assert(sizeof(struct ring) == 192, "ring is a published format");
_Static_assert(offsetof(struct ring, head) == 64 && offsetof(struct ring, size) == 128,
               "ring is a published format");

/* The head of an entry. Writer: the producer; after publication `done` alone, by the consumer. */
struct ring_entry {
    uint32_t length; /* bytes of payload, without this head and the padding */
    uint16_t type;   /* 0: filler */
    uint16_t done;
    uint64_t number; /* its position */
    uint8_t payload[];
};
_Static_assert(sizeof(struct ring_entry) == 16, "ring_entry is a published format");

/* A producer's or consumer's own cursor, on its heap. */
struct ring_end {
    struct ring *ring;
    uint64_t cursor; /* producer: behind the last entry written. consumer: behind the last entry seen */
    uint64_t oldest; /* consumer: the oldest entry not done */
};

static inline uint8_t *ring_data(const struct ring *r)
{
    return (uint8_t *)r + sizeof *r;
}

static inline void ring_init(struct ring *r, uint64_t size)
{
    memset(r, 0, sizeof *r);
    r->size = size;
}

static inline void ring_producer(struct ring_end *e, struct ring *r)
{
    *e = (struct ring_end){r, atomic_load_explicit(&r->tail, memory_order_acquire), 0};
}

static inline void ring_consumer(struct ring_end *e, struct ring *r)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_acquire);
    *e = (struct ring_end){r, head, head};
}

static inline uint64_t ring_entry_bytes(uint64_t length)
{
    return (sizeof(struct ring_entry) + length + RING_ALIGN - 1) & ~(uint64_t)(RING_ALIGN - 1);
}

/* The longest payload that is sure to fit an empty ring. */
static inline uint64_t ring_payload_max(const struct ring *r)
{
    return r->size / 2 - sizeof(struct ring_entry);
}

/* Bytes of entries that can still be written (without the loss at a wrap). */
static inline uint64_t ring_room(const struct ring_end *e)
{
    return e->ring->size - (e->cursor - atomic_load_explicit(&e->ring->head, memory_order_acquire));
}

/*
 * Producer: room for an entry of `length` bytes, to be filled in before the transaction commits; NULL when
 * the ring is full. Published together with the transaction.
 */
static inline struct ring_entry *ring_reserve(struct ring_end *e, struct txn *t, uint16_t type,
                                              uint32_t length)
{
    struct ring *r = e->ring;
    uint64_t need = ring_entry_bytes(length), at = e->cursor & (r->size - 1);
    uint64_t filler = at + need > r->size ? r->size - at : 0;
    if (ring_room(e) < filler + need) {
        r->full++;
        return NULL;
    }
    if (filler) {
        struct ring_entry *f = (struct ring_entry *)(void *)(ring_data(r) + at);
        *f = (struct ring_entry){.length = (uint32_t)(filler - sizeof *f), .number = e->cursor};
        e->cursor += filler;
    }
    struct ring_entry *n = (struct ring_entry *)(void *)(ring_data(r) + (e->cursor & (r->size - 1)));
    *n = (struct ring_entry){.length = length, .type = type, .number = e->cursor};
    e->cursor += need;
    txn_intend(t, &r->tail, e->cursor);
    return n;
}

/* Consumer: the next entry not yet seen that is not done, or NULL. It stays valid until it is done. */
static inline struct ring_entry *ring_next(struct ring_end *e)
{
    struct ring *r = e->ring;
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
    while (e->cursor != tail) {
        struct ring_entry *n = (struct ring_entry *)(void *)(ring_data(r) + (e->cursor & (r->size - 1)));
        e->cursor += ring_entry_bytes(n->length);
        if (n->type && !n->done)
            return n;
    }
    return NULL;
}

/* Consumer: this entry has had its effect, all of it within this transaction. Entries may be done in any
 * order. */
static inline void ring_done(struct ring_end *e, struct txn *t, struct ring_entry *n)
{
    struct ring *r = e->ring;
    txn_save(t, n, sizeof *n);
    n->done = 1;
    /* Up to the tail, not only to the cursor: what an earlier life has done must not keep its room for ever.
     */
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
    while (e->oldest != tail) {
        struct ring_entry *o = (struct ring_entry *)(void *)(ring_data(r) + (e->oldest & (r->size - 1)));
        if (o->type && !o->done)
            break;
        if (e->cursor == e->oldest)
            e->cursor += ring_entry_bytes(o->length);
        e->oldest += ring_entry_bytes(o->length);
    }
    txn_intend(t, &r->head, e->oldest);
}

#endif
