/*
 * Presence: what others are shown of a user, out of all of his gateway sessions. The session that spoke last
 * and is not offline gives status and activities; client_status names each platform's.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_PRESENCE_H
#define VOXPOP_PRESENCE_H

#include "controlplane/sessions/control.h"

#include <jansson.h>

#define PRESENCE_ACTIVITIES_MAX 2048u /* bytes of JSON; more than that is refused */
#define PRESENCE_ACTIVITY_COUNT 10u

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
/* Tells every guild of the user but `not_guild`. */
void presence_publish(struct control *c, uint64_t user_id, uint64_t not_guild);

/* Distinct users of the guild who are not offline. */
uint64_t presence_online_count(const struct control *c, uint64_t guild_id);

#endif
