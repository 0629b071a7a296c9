/*
 * Members who came by a temporary invite: they leave the guild when their last gateway session ends, unless
 * they were given a role (guilds/actions.c clears the mark).
 *
 * A session that ends makes its user leave at once. Whoever was missed, because the process died in between
 * or the guild was changing, is found by looking through all guilds: a minute after the start, in which
 * clients of a box that begins anew log in again, and soon after a change that was in the way.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_VISITORS_H
#define VOXPOP_VISITORS_H

#include "controlplane/sessions/control.h"

void visitors_open(struct control *c);
/* The user has lost a session. */
void visitors_gone(struct control *c, uint64_t user_id);
/* DEADLINE_VISITORS */
void visitors_due(struct control *c);

#endif
