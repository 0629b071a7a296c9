/*
 * Latencies in microseconds, in buckets whose width grows with what they hold: 64 to each doubling, so that a
 * value is known within 1.6 %, whatever its size. Fixed memory; counting is two shifts and an increment.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_LOAD_HISTOGRAM_H
#define VOXPOP_LOAD_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS   64u /* to each doubling */
#define HISTOGRAM_BUCKETS (HISTOGRAM_STEPS * 36u)

/* All zero is an empty one. */
struct histogram {
    uint64_t count;
    uint64_t max; /* us */
    uint64_t bucket[HISTOGRAM_BUCKETS];
};

void histogram_add(struct histogram *h, uint64_t us);

/* The value that `share` of all are not above, us; 0 of none. */
uint64_t histogram_at(const struct histogram *h, double share);

#endif
