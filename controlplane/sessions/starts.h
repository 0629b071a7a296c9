/*
 * How often an account may start a session (reference/gateway.md 13): so many identifies within 5 s
 * (max_concurrency), so many within 24 h. What `GET /gateway/bot` says of it is what holds here. Counted
 * since the process began.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_STARTS_H
#define VOXPOP_STARTS_H

#include "controlplane/sessions/control.h"

#define STARTS_WINDOW_MS 5000u
#define STARTS_DAY_MS    86400000u

struct starts_left {
    uint32_t total, remaining;
    uint32_t reset_after_ms;
    uint32_t max_concurrency;
};

/* May it start one now? */
bool starts_may(struct control *c, uint64_t user_id);
/* It does. */
void starts_take(struct control *c, uint64_t user_id);
struct starts_left starts_left(const struct control *c, uint64_t user_id);
void starts_free(struct control *c);

#endif
