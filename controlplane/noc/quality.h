/*
 * How good voice is, from the region alone: how long packets were in the box, how long iterations that
 * forwarded them took, and what came of what the members sent (RFC 3550).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_NOC_QUALITY_H
#define VOXPOP_NOC_QUALITY_H

#include <jansson.h>
#include <stdio.h>

#include "region.h"

/* Microseconds below which this share of a histogram's packets lies: the upper end of a bucket; 0: it is
 * empty. */
uint32_t quality_below_us(const uint64_t buckets[RESIDENCE_BUCKETS], double share);

/* A room's residence, as counted since it was opened. */
json_t *quality_residence(const uint32_t buckets[RESIDENCE_BUCKETS]);

/* The box's. Streams: of the members that there are now. */
struct quality {
    uint64_t residence[RESIDENCE_BUCKETS], iteration[RESIDENCE_BUCKETS];
    uint64_t packets, lost, reordered, concealed;
    uint64_t jitter_max; /* of a stream, timestamp units */
};

void quality_read(const struct region *r, struct quality *q);
/* As status and page show it; the caller owns it. */
json_t *quality_json(const struct quality *q);

/* Prometheus text. */
void quality_metrics(FILE *to, const struct region *r);

#endif
