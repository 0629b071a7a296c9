/*
 * A ring of messages between two threads of one process: one producer, one consumer, no locks, nothing copied
 * twice.
 *
 * A message is contiguous: one that would wrap is preceded by a filler. Full: spsc_reserve returns NULL; the
 * caller's policy applies. The producer's view and the consumer's lie in different cache lines. Publishing
 * and releasing are sequentially consistent, so that a side may store a flag and then look for messages (or
 * the other way round) without both sides missing each other.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TLS_SPSC_H
#define VOXPOP_TLS_SPSC_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#define SPSC_FILLER 0 /* no message has this type */

struct spsc_message {
    uint32_t length; /* of the payload behind this header */
    uint32_t type;
    uint64_t handle;
};
_Static_assert(sizeof(struct spsc_message) == 16, "messages keep 16-byte alignment");

struct spsc {
    _Alignas(64) _Atomic uint64_t tail; /* written by the producer: end of what is published */
    uint64_t reserved;                  /* producer: end of what is reserved */
    _Alignas(64) _Atomic uint64_t head; /* written by the consumer: start of what is not released */
    _Alignas(64) uint8_t *data;
    uint32_t size; /* a power of two */
};

static inline bool spsc_init(struct spsc *r, uint32_t size)
{
    *r = (struct spsc){.size = size, .data = aligned_alloc(64, size)};
    return r->data != NULL;
}

static inline uint64_t spsc_bytes(uint32_t length)
{
    return (sizeof(struct spsc_message) + length + 15) & ~(uint64_t)15;
}

static inline struct spsc_message *spsc_at(const struct spsc *r, uint64_t position)
{
    return (struct spsc_message *)(void *)(r->data + (position & (r->size - 1)));
}

/* Producer: room for a message with `length` bytes of payload that leaves `spare` bytes free; NULL: too full.
 */
static inline struct spsc_message *spsc_reserve(struct spsc *r, uint32_t type, uint64_t handle,
                                                uint32_t length, uint64_t spare)
{
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed), need = spsc_bytes(length);
    uint64_t used = tail - atomic_load_explicit(&r->head, memory_order_acquire), at = tail & (r->size - 1);
    uint64_t filler = at + need > r->size ? r->size - at : 0;
    if (used + filler + need + spare > r->size)
        return NULL;
    if (filler) {
        *spsc_at(r, tail) =
            (struct spsc_message){(uint32_t)(filler - sizeof(struct spsc_message)), SPSC_FILLER, 0};
        tail += filler;
    }
    struct spsc_message *m = spsc_at(r, tail);
    *m = (struct spsc_message){length, type, handle};
    r->reserved = tail + need;
    return m;
}

/* Whether a message of `length` bytes would find room now, wherever the wrap falls. */
static inline bool spsc_has_room(const struct spsc *r, uint32_t length)
{
    uint64_t used = atomic_load_explicit(&r->tail, memory_order_relaxed) - atomic_load(&r->head);
    return used + 2 * spsc_bytes(length) <= r->size;
}

/* Producer: the message reserved last is complete. */
static inline void spsc_publish(struct spsc *r)
{
    atomic_store(&r->tail, r->reserved);
}

/* Consumer: the oldest message not released, or NULL. */
static inline struct spsc_message *spsc_peek(struct spsc *r)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    while (head != atomic_load(&r->tail)) {
        struct spsc_message *m = spsc_at(r, head);
        if (m->type != SPSC_FILLER)
            return m;
        head += spsc_bytes(m->length);
        atomic_store(&r->head, head);
    }
    return NULL;
}

/* Consumer: the message that spsc_peek gave is done with. */
static inline void spsc_release(struct spsc *r, const struct spsc_message *m)
{
    atomic_store(&r->head, atomic_load_explicit(&r->head, memory_order_relaxed) + spsc_bytes(m->length));
}

#endif
