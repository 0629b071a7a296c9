/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "histogram.h"

/* Below 2 * STEPS a bucket is one microsecond; above, the top seven bits say which. */
static uint32_t bucket_of(uint64_t us)
{
    if (us < 2 * HISTOGRAM_STEPS)
        return (uint32_t)us;
    unsigned shift = 57 - (unsigned)__builtin_clzll(us);
    uint64_t bucket = (uint64_t)shift * HISTOGRAM_STEPS + (us >> shift);
    return bucket < HISTOGRAM_BUCKETS ? (uint32_t)bucket : HISTOGRAM_BUCKETS - 1;
}

static uint64_t last_of(uint32_t bucket)
{
    if (bucket < 2 * HISTOGRAM_STEPS)
        return bucket;
    unsigned shift = bucket / HISTOGRAM_STEPS - 1;
    return ((uint64_t)(bucket - shift * HISTOGRAM_STEPS + 1) << shift) - 1;
}

void histogram_add(struct histogram *h, uint64_t us)
{
    h->count++;
    h->max = us > h->max ? us : h->max;
    h->bucket[bucket_of(us)]++;
}

uint64_t histogram_at(const struct histogram *h, double share)
{
    uint64_t want = (uint64_t)(share * (double)h->count + 0.5), seen = 0;
    if (!h->count)
        return 0;
    for (uint32_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        seen += h->bucket[i];
        if (seen && seen >= want)
            return last_of(i) < h->max ? last_of(i) : h->max;
    }
    return h->max;
}
