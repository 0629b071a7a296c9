/*
 * A single-producer single-consumer ring of equal elements between two threads of one process: packets handed to the worker that
 * owns them. Full: spsc_push returns false and the producer's policy applies.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_BASE_SPSC_H
#define VOXPOP_BASE_SPSC_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct spsc {
    _Alignas(64) _Atomic uint32_t tail; /* producer's */
    _Alignas(64) _Atomic uint32_t head; /* consumer's */
    _Alignas(64) uint32_t slots;        /* a power of two */
    uint32_t size;                      /* bytes an element */
    uint8_t *element;
};

static inline bool spsc_init(struct spsc *s, uint32_t slots, uint32_t size)
{
    atomic_init(&s->tail, 0);
    atomic_init(&s->head, 0);
    s->slots = slots;
    s->size = size;
    s->element = calloc(slots, size);
    return s->element != NULL;
}

static inline void spsc_free(struct spsc *s)
{
    free(s->element);
    s->element = NULL;
}

static inline bool spsc_push(struct spsc *s, const void *element)
{
    uint32_t tail = atomic_load_explicit(&s->tail, memory_order_relaxed);
    if (tail - atomic_load_explicit(&s->head, memory_order_acquire) == s->slots)
        return false;
    memcpy(s->element + (size_t)(tail & (s->slots - 1)) * s->size, element, s->size);
    atomic_store_explicit(&s->tail, tail + 1, memory_order_release);
    return true;
}

static inline bool spsc_pop(struct spsc *s, void *element)
{
    uint32_t head = atomic_load_explicit(&s->head, memory_order_relaxed);
    if (head == atomic_load_explicit(&s->tail, memory_order_acquire))
        return false;
    memcpy(element, s->element + (size_t)(head & (s->slots - 1)) * s->size, s->size);
    atomic_store_explicit(&s->head, head + 1, memory_order_release);
    return true;
}

#endif
