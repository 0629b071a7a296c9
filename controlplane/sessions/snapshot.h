/*
 * What a session is told when it begins: READY and a GUILD_CREATE for each of its guilds, as its user sees
 * them.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_SNAPSHOT_H
#define VOXPOP_SNAPSHOT_H

#include "controlplane/sessions/control.h"

#define SNAPSHOT_MEMBERS_MAX 1000u /* members listed in one GUILD_CREATE; op 8 gives the rest */

void snapshot_ready(struct control *c, uint32_t session);
/* GUILD_CREATE, if the session has the GUILDS intent, and its subscription. */
void snapshot_guild(struct control *c, uint32_t session, const struct guild_state *g);
/* The guild with the smallest id above `after` that this session takes part in; NULL: none. */
const struct guild_state *snapshot_next_guild(const struct control *c, uint32_t session, uint64_t after);
size_t snapshot_guild_count(const struct control *c, uint32_t session);

#endif
