/*
 * Topics' indices and subscriptions, as the workers are told them; see audience.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/events/audience.h"
#include "controlplane/events/topics.h"

/* Snowflakes have their top bits clear for some thousand years, and so have the ids of lists, whose kind
 * leaves them so: kinds do not collide. */
static uint64_t topic_key(enum topic_kind kind, uint64_t id)
{
    return id ^ (uint64_t)kind << 62;
}

void topics_open(struct control *c)
{
    struct pool *p = c->link->topics;
    for (uint32_t i = 0; i < p->fresh; i++) {
        const struct topic_control *t = pool_at(p, i);
        if (t->kind != TOPIC_FREE)
            index_map_put(&c->topics, topic_key(t->kind, t->id), i);
    }
}

uint32_t topic_find(struct control *c, enum topic_kind kind, uint64_t id, bool make)
{
    uint64_t found = index_map_get(&c->topics, topic_key(kind, id));
    if (found != INDEX_NONE || !make)
        return (uint32_t)found;
    uint32_t i = pool_get(c->link->topics, &c->link->txn);
    if (i == POOL_NONE)
        return POOL_NONE;
    struct topic_control *t = pool_at(c->link->topics, i);
    txn_save(&c->link->txn, t, sizeof *t);
    *t = (struct topic_control){.kind = (uint8_t)kind, .stamp = txn_number(&c->link->txn), .id = id};
    index_map_put(&c->topics, topic_key(kind, id), i);
    return i;
}

void topic_end(struct control *c, enum topic_kind kind, uint64_t id)
{
    uint64_t found = index_map_remove(&c->topics, topic_key(kind, id));
    if (found == INDEX_NONE)
        return;
    struct topic_control *t = pool_at(c->link->topics, (uint32_t)found);
    for (uint32_t w = 0; w < c->link->workers; w++) {
        struct verb_walk *v = link_verb(c->link, w, VERB_TOPIC_END, sizeof *v);
        v->topic = (uint32_t)found;
    }
    txn_touch(&c->link->txn, t, sizeof *t, &t->stamp);
    t->kind = TOPIC_FREE;
    pool_put(c->link->topics, &c->link->txn, (uint32_t)found);
}

static void subscription(struct control *c, enum verb verb, uint32_t topic, uint32_t session, uint32_t class)
{
    const struct session_control *s = session_of(c, session);
    if (topic == POOL_NONE)
        return;
    struct verb_subscribe *v = link_verb(c->link, s->worker, verb, sizeof *v);
    *v = (struct verb_subscribe){.session = session,
                                 .generation = s->generation,
                                 .topic = topic,
                                 .class = (uint16_t) class,
                                 .from = c->link->log_cursor};
}

void topic_subscribe(struct control *c, uint32_t topic, uint32_t session, uint32_t class)
{
    subscription(c, VERB_SUBSCRIBE, topic, session, class);
}

void topic_unsubscribe(struct control *c, uint32_t topic, uint32_t session)
{
    subscription(c, VERB_UNSUBSCRIBE, topic, session, 0);
}
