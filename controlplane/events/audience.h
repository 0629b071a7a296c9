/*
 * Audiences: which sessions are told what happens in a guild, and which of them may see which channel.
 *
 * Sessions that see the same channels share a permission class; an event that belongs to a channel carries
 * the bitmap of the classes that see it. Class 0 sees every channel, now and later. Where a guild would need
 * more than 64 classes (overflow), its restricted events go to each session apart.
 *
 * A guild's topic is made with its first subscriber and kept until the guild is gone. Without a free topic,
 * its events go to each session apart.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_AUDIENCE_H
#define VOXPOP_AUDIENCE_H

#include "controlplane/sessions/control.h"

/* From the region and the model: topics, then every gateway session's guilds; classes other than 0 are told
 * to the workers anew, since their numbers are. */
void audiences_open(struct control *c);
void audiences_close(struct control *c);

/* NULL: nobody has subscribed since the start. */
struct audience *audience_of(const struct control *c, uint64_t guild_id);
/* Makes it if need be, without subscribers. */
struct audience *audience_make(struct control *c, uint64_t guild_id);

/* The session hears of the guild from here on: events written later. Within a transaction. */
void audience_join(struct control *c, uint64_t guild_id, uint32_t session);
void audience_leave(struct control *c, uint64_t guild_id, uint32_t session);
/* The session is in another slot now: it takes the old one's place, and subscribes anew. */
void audience_moved(struct control *c, uint32_t from, uint32_t to);
/* What the session wants in the way of compression has changed. */
void audience_encoding(struct control *c, uint32_t session);
/* The guild is no more: ends the topic. */
void audience_end(struct control *c, uint64_t guild_id);
/* Permissions or channels changed: computes every class anew, tells the workers what changed. `before` (may
 * be NULL) is called for each session before its class becomes another. */
typedef void audience_before_fn(void *ctx, const struct audience *a, const struct audience_member *m);
void audience_recompute(struct control *c, uint64_t guild_id, audience_before_fn *before, void *ctx);
/* Was the channel visible to this member when its class was computed? */
bool audience_saw(const struct audience *a, const struct audience_member *m, uint64_t channel_id);

/* Classes that may see the channel (0: all). */
uint64_t audience_classes(const struct audience *a, uint64_t channel_id);
/* May this session's user see the channel (0: yes)? From the model. */
bool audience_sees(const struct control *c, const struct audience *a, uint32_t session, uint64_t channel_id);

/* Would the session be told of an event of that channel now? */
bool audience_tells(const struct control *c, const struct audience *a, uint32_t session, uint64_t channel_id);

/* Does a session of this shard take part in the guild? */
static inline bool shard_has(const struct session_control *s, uint64_t guild_id)
{
    return !s->shard_count || (guild_id >> 22) % s->shard_count == s->shard_id;
}

/* Topic of this kind and id; made when `make`. POOL_NONE: none, or none left. */
uint32_t topic_find(struct control *c, enum topic_kind kind, uint64_t id, bool make);
void topic_end(struct control *c, enum topic_kind kind, uint64_t id);

/* VERB_SUBSCRIBE for events from here on. */
void topic_subscribe(struct control *c, uint32_t topic, uint32_t session, uint32_t class);
void topic_unsubscribe(struct control *c, uint32_t topic, uint32_t session);

#endif
