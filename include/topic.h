/*
 * Topics: who is to be told. A topic is a guild, a voice room's gateway side, or a user. Each core keeps its
 * own list of the subscriptions whose sessions it owns; core k alone writes core k's lists. Which topic has
 * which index is the control plane's business (topic_control).
 *
 * A list is a chain of chunks; a subscription that ended leaves a hole (session == SESSION_NONE) that the
 * next one fills, so that a walk's cursor (chunk, slot) stays good however often it is cut into slices.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TOPIC_H
#define VOXPOP_TOPIC_H

#include "pool.h"

#define TOPIC_CHUNK_SUBSCRIPTIONS 15u
#define TOPIC_CLASSES             64u

/* Writer: the core that owns the session. */
struct subscription {
    uint32_t session;    /* index, or UINT32_MAX: a hole */
    uint32_t generation; /* of the session */
    uint32_t from; /* log position / 16, low and high bits: events before it are not for this one. 48 bits, */
    uint16_t from_high; /* for a subscription may see any number of bytes go by */
    uint8_t class;      /* permission class, < TOPIC_CLASSES */
    uint8_t flags;
};
_Static_assert(sizeof(struct subscription) == 16, "subscription is a published format");
_Static_assert(offsetof(struct subscription, class) == 14, "subscription is a published format");

/* Events from this log position on are for it. */
static inline void subscription_start(struct subscription *s, uint64_t position)
{
    s->from = (uint32_t)(position / 16);
    s->from_high = (uint16_t)(position / 16 >> 32);
}

static inline bool subscription_wants(const struct subscription *s, uint64_t position)
{
    return position / 16 >= ((uint64_t)s->from_high << 32 | s->from);
}

struct topic_chunk {
    uint32_t next;
    uint32_t used; /* slots that are not holes */
    uint64_t stamp;
    struct subscription subscription[TOPIC_CHUNK_SUBSCRIPTIONS];
};
_Static_assert(sizeof(struct topic_chunk) == 256, "topic_chunk is a published format");

/* One a core and topic. Writer: that core. */
struct topic {
    uint64_t stamp;
    uint32_t head; /* first chunk, POOL_NONE: empty */
    uint32_t tail;
    uint32_t count; /* subscriptions */
    uint32_t chunks;
    uint64_t pad;
};
_Static_assert(sizeof(struct topic) == 32, "topic is a published format");

enum topic_kind { TOPIC_FREE = 0, TOPIC_GUILD = 1, TOPIC_USER = 2, TOPIC_VOICE = 3, TOPIC_LIST = 4 };

/* One a topic. Writer: control plane. */
struct topic_control {
    uint32_t link; /* the pool's while free */
    uint8_t kind;  /* enum topic_kind */
    uint8_t pad0[3];
    uint64_t stamp;
    uint64_t id; /* snowflake of the guild, user or voice channel */
    uint64_t pad1;
};
_Static_assert(sizeof(struct topic_control) == 32, "topic_control is a published format");

#endif
