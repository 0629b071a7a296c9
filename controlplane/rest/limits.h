/*
 * Rate limits: a token bucket per (bucket, account, channel or guild), refilled evenly. Kept as the one time
 * at which the bucket would be full again, so an idle bucket needs no upkeep and a forgotten one is a full
 * one.
 *
 * A fixed table; when it is full the bucket that is nearest to full again is forgotten.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_REST_LIMITS_H
#define VOXPOP_REST_LIMITS_H

#include <stdbool.h>
#include <stdint.h>

/* Buckets beside those of rest.h. */
#define LIMIT_SLOW_MODE 1000u
#define LIMIT_PEER      1001u
#define LIMIT_WHIP      1002u

struct limits;

struct limit_state {
    uint32_t limit, remaining;
    int64_t reset_after_ms; /* until the bucket is full */
    int64_t retry_after_ms; /* until the next request passes; when refused */
};

struct limits *limits_open(void);
void limits_close(struct limits *l);
/* Takes one from the bucket; false: refused, nothing taken. */
bool limits_take(struct limits *l, uint32_t bucket, uint64_t user_id, uint64_t major_id, uint32_t requests,
                 uint32_t window_ms, int64_t now_ms, struct limit_state *state);

#endif
