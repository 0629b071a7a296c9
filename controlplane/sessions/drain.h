/*
 * Draining: the box asks its clients to go (op 7) in waves over a while, and admits none meanwhile.
 *
 *      serving --drain_begin--> asking, a wave every 100 ms --all asked--> empty
 *         ^________________________drain_end or cold start_____________________|
 *
 * Sessions that are asked stay, and may be resumed when serving goes on. Who comes while the box drains is
 * told to come again later (turns.h). The state is in the region (control_area).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_DRAIN_H
#define VOXPOP_DRAIN_H

#include "controlplane/sessions/control.h"

#define DRAIN_WAVE_MS 100u

struct drain_progress {
    bool draining;
    uint32_t asked;     /* clients that were */
    uint32_t connected; /* gateway sessions that still have a connection */
    uint32_t sessions;
    uint32_t looked_at, slots; /* of the table of sessions */
    bool done;                 /* all were asked */
};

/* Within a transaction, all of these. */
void drain_begin(struct control *c, uint32_t over_ms);
void drain_end(struct control *c);
/* DEADLINE_DRAIN. */
void drain_wave(struct control *c);
/* At start: a drain under way goes on. */
void drain_open(struct control *c);

struct drain_progress drain_progress(const struct control *c);

#endif
