/*
 * The other end of the capture rings (include/capture_ring.h): turning captures on and off, and reading what
 * the workers wrote. One process at a time.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_DRAIN_H
#define VOXPOP_DRAIN_H

#include "region.h"

static inline struct capture_ring *drain_ring(const struct region *r, uint32_t worker)
{
    return region_part(r, worker, PART_CAPTURE);
}

/* Forgets what an earlier capture left, then tells every worker what is wanted from now on. Returns the
 * generation. */
uint32_t drain_start(struct region *r, enum capture_filter wanted, uint64_t subject);

/* Tells every worker to stop. */
void drain_stop(struct region *r);

/* Whether anybody wants a capture. */
bool drain_wanted(const struct region *r);

/* The oldest entry not done with, or NULL; its bytes are behind it, and stay until drain_done. */
const struct capture_entry *drain_next(struct capture_ring *r);
void drain_done(struct capture_ring *r, const struct capture_entry *e);

/* Bytes that an entry takes. */
static inline uint64_t drain_entry_bytes(const struct capture_entry *e)
{
    return (sizeof *e + (uint64_t)e->length + 7) & ~7ull;
}

#endif
