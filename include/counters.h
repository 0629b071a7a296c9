/*
 * Counters: written by one worker each, read by anybody. Plain 64-bit words, never reset, not part of any
 * transaction (a killed worker's last burst stays counted).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_COUNTERS_H
#define VOXPOP_COUNTERS_H

#include <stdint.h>

#include "drop_reason.h"

enum counter {
#define COUNTER(name, metric, help) COUNT_##name,
#include "counter.def"
#undef COUNTER
    COUNTER_COUNT
};

#define COUNTERS_MAX 64
#define DROPS_MAX    192
_Static_assert(COUNTER_COUNT <= COUNTERS_MAX && DROP_REASON_COUNT <= DROPS_MAX,
               "counters have outgrown their room");

/* Writer: the worker it belongs to (the control plane has one of its own). */
struct counters {
    uint64_t count[COUNTERS_MAX];
    uint64_t drop[DROPS_MAX];
};
_Static_assert(sizeof(struct counters) == 2048, "counters is a published format");

static inline void count(struct counters *c, enum counter which)
{
    c->count[which]++;
}

static inline void count_drop(struct counters *c, enum drop_reason why)
{
    c->drop[why]++;
}

#endif
