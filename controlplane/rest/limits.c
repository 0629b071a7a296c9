/*
 * The generic cell rate algorithm: `full_us` is when the bucket would be full; each request moves it one
 * interval on.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/limits.h"

#include <stdlib.h>

#define LIMIT_SETS 16384u
#define LIMIT_WAYS 4u

struct limit_entry {
    uint64_t user_id, major_id;
    int64_t full_us;
    uint32_t bucket;
    uint32_t pad;
};

struct limits {
    struct limit_entry entries[LIMIT_SETS][LIMIT_WAYS];
};

struct limits *limits_open(void)
{
    struct limits *l = calloc(1, sizeof *l);
    if (!l)
        abort();
    return l;
}

void limits_close(struct limits *l)
{
    free(l);
}

static struct limit_entry *limits_entry(struct limits *l, uint32_t bucket, uint64_t user_id,
                                        uint64_t major_id)
{
    uint64_t h =
        (user_id * UINT64_C(0x9E3779B97F4A7C15)) ^ (major_id * UINT64_C(0xC2B2AE3D27D4EB4F)) ^ bucket;
    h = (h ^ h >> 29) * UINT64_C(0xBF58476D1CE4E5B9);
    struct limit_entry *set = l->entries[h >> 40 & (LIMIT_SETS - 1)], *oldest = set;
    for (uint32_t i = 0; i < LIMIT_WAYS; i++) {
        struct limit_entry *e = &set[i];
        if (e->user_id == user_id && e->major_id == major_id && e->bucket == bucket)
            return e;
        if (e->full_us < oldest->full_us)
            oldest = e;
    }
    *oldest = (struct limit_entry){.user_id = user_id, .major_id = major_id, .bucket = bucket};
    return oldest;
}

bool limits_take(struct limits *l, uint32_t bucket, uint64_t user_id, uint64_t major_id, uint32_t requests,
                 uint32_t window_ms, int64_t now_ms, struct limit_state *state)
{
    struct limit_entry *e = limits_entry(l, bucket, user_id, major_id);
    int64_t now = now_ms * 1000, window = (int64_t)window_ms * 1000,
            interval = window / requests > 0 ? window / requests : 1;
    int64_t full = e->full_us > now ? e->full_us : now;
    bool pass = full + interval - now <= window;
    if (pass)
        e->full_us = full += interval;
    *state = (struct limit_state){.limit = requests,
                                  .remaining = (uint32_t)((window - (full - now)) / interval),
                                  .reset_after_ms = (full - now + 999) / 1000};
    if (!pass)
        state->retry_after_ms = (full + interval - now - window + 999) / 1000;
    return pass;
}
