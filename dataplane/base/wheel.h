/*
 * Timers of many things named by index: a hierarchical wheel, four levels of 256 slots, ticks of 1024 us. Setting and
 * cancelling touch one list each; an idle million costs nothing. Lives on the heap: it can always be made again from the
 * deadlines that the things themselves keep. A deadline is never early and late by at most one tick and one loop.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_BASE_WHEEL_H
#define VOXPOP_BASE_WHEEL_H

#include <stdbool.h>
#include <stdint.h>

#define WHEEL_NEVER UINT64_MAX

struct wheel;

/* Timers 0 ... count-1, all unset. NULL: no memory. */
struct wheel *wheel_new(uint32_t count, uint64_t now_us);
void wheel_free(struct wheel *w);

/* Sets or moves a timer; WHEEL_NEVER unsets it. */
void wheel_set(struct wheel *w, uint32_t index, uint64_t deadline_us);

/* What it is set to. */
uint64_t wheel_deadline(const struct wheel *w, uint32_t index);

/* Fetches a timer that will be looked at soon. */
void wheel_ahead(const struct wheel *w, uint32_t index);

/* Moves time on. Returns one timer that is due and unsets it, or UINT32_MAX; call until then. */
uint32_t wheel_due(struct wheel *w, uint64_t now_us);

#endif
