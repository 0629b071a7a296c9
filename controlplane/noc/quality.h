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

#define QUALITY_POOR                                                                                         \
    310u /* a score, times 100: below it nearly all users are dissatisfied (G.107 annex B: R 60) */

/* The scores of one member, as {"mos_from", "mos_to", "round_trip_ms"}, null where nothing is known; the
 * caller owns it. */
json_t *quality_member(const struct region *r, uint32_t member);
/* The worse of the two times 100; 0: none is known. */
uint32_t quality_score(const struct region *r, uint32_t member);

/* Microseconds below which this share of a histogram's packets lies: the upper end of a bucket; 0: it is
 * empty. */
uint32_t quality_below_us(const uint64_t buckets[RESIDENCE_BUCKETS], double share);

/* A room's residence, as counted since it was opened. */
json_t *quality_residence(const uint32_t buckets[RESIDENCE_BUCKETS]);

/* The box's. Streams: of the members that there are now. */
struct quality {
    uint64_t residence[RESIDENCE_BUCKETS], iteration[RESIDENCE_BUCKETS];
    uint64_t packets, lost, reordered, concealed;
    uint64_t jitter_max;   /* of a stream, timestamp units */
    uint64_t judged, poor; /* members with a score (E-model), and those below QUALITY_POOR */
    uint64_t mos_sum;      /* of their scores, times 100 */
};

void quality_read(const struct region *r, struct quality *q);
/* As status and page show it; the caller owns it. */
json_t *quality_json(const struct quality *q);

/* Prometheus text. */
void quality_metrics(FILE *to, const struct region *r);

#endif
