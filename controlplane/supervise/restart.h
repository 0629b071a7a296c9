/*
 * When a process that died is started again: at once the first time, then after pauses that double, until it
 * has lived long enough to count as stable. No clock of its own.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_SUPERVISE_RESTART_H
#define VOXPOP_SUPERVISE_RESTART_H

#include <stdint.h>

struct restart {
    uint64_t pause_min_us;
    uint64_t pause_max_us;
    uint64_t stable_us;
    uint64_t pause_us; /* the last one; 0: none since the process was stable */
    uint32_t deaths;   /* in a row, none of them stable */
};

/* A process died that had lived `lived_us`: the pause before its next life. */
static inline uint64_t restart_pause(struct restart *r, uint64_t lived_us)
{
    if (lived_us >= r->stable_us)
        r->deaths = 0;
    if (r->deaths == 0)
        r->pause_us = 0;
    else if (r->pause_us == 0)
        r->pause_us = r->pause_min_us;
    else
        r->pause_us = r->pause_us < r->pause_max_us / 2 ? r->pause_us * 2 : r->pause_max_us;
    r->deaths++;
    return r->pause_us;
}

#endif
