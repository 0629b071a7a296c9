/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/capture/drain.h"

uint32_t drain_start(struct region *r, enum capture_filter wanted, uint64_t subject)
{
    uint32_t workers = r->header->geometry.workers, generation = 0;
    for (uint32_t k = 0; k < workers; k++) {
        struct capture_ring *c = drain_ring(r, k);
        generation = atomic_load(&c->generation) > generation ? atomic_load(&c->generation) : generation;
        atomic_store(&c->wanted, CAPTURE_OFF);
    }
    generation = generation + 1 ? generation + 1 : 1;
    for (uint32_t k = 0; k < workers; k++) {
        struct capture_ring *c = drain_ring(r, k);
        atomic_store(&c->head, atomic_load(&c->tail));
        atomic_store(&c->subject, subject);
        atomic_store(&c->generation, generation);
        atomic_store(&c->wanted, wanted);
    }
    return generation;
}

void drain_stop(struct region *r)
{
    for (uint32_t k = 0; k < r->header->geometry.workers; k++)
        atomic_store(&drain_ring(r, k)->wanted, CAPTURE_OFF);
}

bool drain_wanted(const struct region *r)
{
    for (uint32_t k = 0; k < r->header->geometry.workers; k++)
        if (atomic_load(&drain_ring(r, k)->wanted) != CAPTURE_OFF)
            return true;
    return false;
}

const struct capture_entry *drain_next(struct capture_ring *r)
{
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    const struct capture_entry *found = NULL;
    while (head != tail && !found) {
        uint64_t at = head & (r->size - 1), left = r->size - at;
        const struct capture_entry *e = (const void *)((const uint8_t *)(r + 1) + at);
        if (left < sizeof *e)
            head += left; /* too short for an entry: skipped by the worker, too */
        else if (drain_entry_bytes(e) > left || drain_entry_bytes(e) > tail - head)
            head = tail; /* written by no worker of ours */
        else if (!e->kind)
            head += drain_entry_bytes(e);
        else
            found = e;
    }
    atomic_store_explicit(&r->head, head, memory_order_release);
    return found;
}

void drain_done(struct capture_ring *r, const struct capture_entry *e)
{
    uint64_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    atomic_store_explicit(&r->head, head + drain_entry_bytes(e), memory_order_release);
}
