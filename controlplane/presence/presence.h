/*
 * Presence: what others are shown of a user, out of all of his gateway sessions. The session that spoke last
 * and is not offline gives status and activities; client_status names each platform's.
 *
 * Others are told at once, and, unless the user has just come, then not again for PRESENCE_GAP_MS: what
 * changes meanwhile is told together, if anything is left of it. What they were last told stands in the
 * region with the user's sessions, so that a restart neither forgets a change nor tells one twice. A client
 * that lost its connection stays visible for PRESENCE_AWAY_MS; one that fell silent goes at once, for it has
 * been gone for a while.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_PRESENCE_H
#define VOXPOP_PRESENCE_H

#include "controlplane/sessions/control.h"

#include <jansson.h>

#define PRESENCE_ACTIVITIES_MAX 2048u /* bytes of JSON; more than that is refused */
#define PRESENCE_ACTIVITY_COUNT 10u
#define PRESENCE_GAP_MS         500u
#define PRESENCE_AWAY_MS        10000u

enum presence_status { STATUS_OFFLINE, STATUS_ONLINE, STATUS_IDLE, STATUS_DND, STATUS_INVISIBLE };

/* d of op 3, or presence of identify; borrowed from the JSON it was read from. */
struct presence_update {
    uint64_t since_ms;
    enum presence_status status;
    bool afk;
    const json_t *activities; /* array; NULL: none */
};

/* Pure: false when it is not of the form that reference/gateway.md 8.1 gives. */
bool presence_parse(const json_t *d, struct presence_update *out);
/* The activities as others are shown them: known fields only. False: over PRESENCE_ACTIVITIES_MAX. */
bool presence_activities(struct json_out *o, const json_t *activities, uint64_t now_ms);

/* A user's presence as others see it, with the text that it points to. */
struct presence_view {
    struct presence shown; /* guild_id 0 */
    char activities[PRESENCE_ACTIVITIES_MAX + 1];
    char client_status[96];
};

/* False: offline (and `v` says so). */
bool presence_of(const struct control *c, uint64_t user_id, struct presence_view *v);

/* Stores what the session says of itself and tells its guilds if others see a difference. False: activities
 * too long. Within a transaction. */
bool presence_set(struct control *c, uint32_t session, const struct presence_update *u);
/* The session ends: others are told if they see a difference. */
void presence_clear(struct control *c, uint32_t session);
/* A session begins beside those that its user may have. */
void presence_begin(struct control *c, uint32_t session);
/* Its client is away (silent: and has been for long), or back. */
void presence_away(struct control *c, uint32_t session, bool silent);
void presence_back(struct control *c, uint32_t session);
/* DEADLINE_GONE and DEADLINE_PRESENCE. */
void presence_gone(struct control *c, uint32_t session);
void presence_due(struct control *c, uint32_t session);
/* After a start: the deadlines of a session. */
void presence_open(struct control *c, uint32_t session);
/* Two accounts are friends from here on: each is told of the other. */
void presence_befriend(struct control *c, uint64_t user_id, uint64_t other_id);

/* Distinct users of the guild who are not offline. */
uint64_t presence_online_count(const struct control *c, uint64_t guild_id);

#endif
