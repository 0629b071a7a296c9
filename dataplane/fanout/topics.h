/*
 * One core's part of the topics: who subscribes, and walking them all with an event.
 *
 * Owns: struct topic and the chunks of one core (include/topic.h), and on its heap an index from (session, topic) to the
 * subscription, made anew at a restart. A subscription whose session is gone (its generation moved on) is found and removed by a
 * later walk, mostly the next. Refuses: a subscription when no chunk is left. No I/O, no clock.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_FANOUT_TOPICS_H
#define VOXPOP_FANOUT_TOPICS_H

#include "dataplane/base/map.h"
#include "session.h"
#include "topic.h"

struct topics {
    struct txn *txn;
    struct topic *topic;           /* of this core, by topic index */
    uint32_t count;                /* topics */
    struct pool *chunks;           /* struct topic_chunk */
    const struct session *session; /* all sessions of the box */
    struct map index;              /* session, topic -> chunk, slot */
};

/* Makes the index from what stands in the region. False: no memory. */
bool topics_attach(struct topics *t);
void topics_detach(struct topics *t);

/* Adds a subscription, or changes class, flags and generation of the one there is. False: no chunk left. */
bool topic_subscribe(struct topics *t, uint32_t topic, const struct subscription *s);

/* False: there was none. */
bool topic_unsubscribe(struct topics *t, uint32_t topic, uint32_t session);

/* Removes all of a topic's subscriptions. */
void topic_clear(struct topics *t, uint32_t topic);

/* A walk's cursor: where it goes on. Start with TOPIC_WALK_START. */
struct topic_cursor {
    uint32_t chunk; /* POOL_NONE: not begun, or over */
    uint32_t slot;
    bool begun;
};
#define TOPIC_WALK_START (struct topic_cursor){POOL_NONE, 0, false}

/* Undo bytes that a walk leaves to its caller: with less it finds dead subscriptions without removing them. */
#define TOPIC_CLEAR_ROOM (128u << 10)

/*
 * The next subscription of a live session, or NULL: the walk is over. Between two calls anybody may subscribe and unsubscribe;
 * but the topic may not be cleared, and no second walk of it may be under way.
 */
const struct subscription *topic_walk(struct topics *t, uint32_t topic, struct topic_cursor *c);

/* The chunk that the walk is in: `n` subscriptions whose sessions have been fetched ahead, holes among them.
 */
const struct subscription *topic_walk_chunk(const struct topics *t, const struct topic_cursor *c,
                                            uint32_t *n);

#endif
