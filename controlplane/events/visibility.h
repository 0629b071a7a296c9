/*
 * Channels that appear and vanish: a session that may see a channel now and could not before is told
 * CHANNEL_CREATE, one that no longer may CHANNEL_DELETE, which says no more than the id. Others hear nothing.
 *
 * What a session saw before is what its permission class was made of (audience.h). In a guild with more
 * classes than there can be, nobody is told.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_VISIBILITY_H
#define VOXPOP_VISIBILITY_H

#include "controlplane/sessions/control.h"

/* The model has changed: classes are computed anew, and with `tell` sessions are told. `made` (or 0) is a
 * channel of which everybody who may is told otherwise. Within a transaction. */
void visibility_changed(struct control *c, uint64_t guild_id, uint64_t made, bool tell);

/* After a death between a change and its publication nobody knows what was seen before: everybody is told
 * how it is now, of this channel, or (0) of all. */
void visibility_told(struct control *c, uint64_t guild_id, uint64_t channel_id);

#endif
