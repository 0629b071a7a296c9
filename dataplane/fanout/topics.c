/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/fanout/topics.h"

static struct topic_chunk *chunk_at(const struct topics *t, uint32_t index)
{
    return pool_at(t->chunks, index);
}

static uint64_t key_of(uint32_t topic, uint32_t session)
{
    return ((uint64_t)topic + 1) << 32 | session;
}

static void touch_chunk(struct topics *t, struct topic_chunk *c)
{
    txn_touch(t->txn, c, sizeof *c, &c->stamp);
}

static void touch_topic(struct topics *t, struct topic *o)
{
    txn_touch(t->txn, o, sizeof *o, &o->stamp);
}

bool topics_attach(struct topics *t)
{
    if (!map_init(&t->index, 1024))
        return false;
    for (uint32_t i = 0; i < t->count; i++) {
        uint32_t chunk = t->topic[i].head;
        for (uint32_t n = 0; n < t->topic[i].chunks; n++) {
            const struct topic_chunk *c = chunk_at(t, chunk);
            for (uint32_t slot = 0; slot < TOPIC_CHUNK_SUBSCRIPTIONS; slot++)
                if (c->subscription[slot].session != SESSION_NONE &&
                    !map_put(&t->index, key_of(i, c->subscription[slot].session), (uint64_t)chunk << 32 | slot))
                    return false;
            chunk = c->next;
        }
    }
    return true;
}

void topics_detach(struct topics *t)
{
    map_free(&t->index);
}

static bool find(const struct topics *t, uint32_t topic, uint32_t session, uint32_t *chunk, uint32_t *slot)
{
    uint64_t value;
    if (!map_get(&t->index, key_of(topic, session), &value))
        return false;
    *chunk = (uint32_t)(value >> 32);
    *slot = (uint32_t)value;
    return true;
}

/* Adds an empty chunk at the end. */
static bool grow(struct topics *t, struct topic *o)
{
    uint32_t index = pool_get(t->chunks, t->txn);
    if (index == POOL_NONE)
        return false;
    struct topic_chunk *c = chunk_at(t, index);
    txn_save(t->txn, c, sizeof *c);
    c->used = 0;
    for (uint32_t slot = 0; slot < TOPIC_CHUNK_SUBSCRIPTIONS; slot++)
        c->subscription[slot].session = SESSION_NONE;
    if (o->chunks) {
        struct topic_chunk *last = chunk_at(t, o->tail);
        touch_chunk(t, last);
        last->next = index;
    } else {
        o->head = index;
    }
    o->tail = index;
    o->chunks++;
    return true;
}

bool topic_subscribe(struct topics *t, uint32_t topic, const struct subscription *s)
{
    struct topic *o = &t->topic[topic];
    uint32_t chunk, slot;
    if (find(t, topic, s->session, &chunk, &slot)) {
        struct topic_chunk *c = chunk_at(t, chunk);
        touch_chunk(t, c);
        struct subscription was = c->subscription[slot];
        c->subscription[slot] = *s;
        if (was.generation == s->generation) {
            c->subscription[slot].from = was.from;
            c->subscription[slot].from_high = was.from_high;
        }
        return true;
    }
    touch_topic(t, o);
    if ((!o->chunks || chunk_at(t, o->tail)->used == TOPIC_CHUNK_SUBSCRIPTIONS) && !grow(t, o))
        return false;
    struct topic_chunk *c = chunk_at(t, o->tail);
    touch_chunk(t, c);
    for (slot = 0; c->subscription[slot].session != SESSION_NONE; slot++)
        ;
    if (!map_put(&t->index, key_of(topic, s->session), (uint64_t)o->tail << 32 | slot))
        return false;
    c->subscription[slot] = *s;
    c->used++;
    o->count++;
    return true;
}

static void remove_at(struct topics *t, uint32_t topic, struct topic_chunk *c, uint32_t slot)
{
    struct topic *o = &t->topic[topic];
    touch_topic(t, o);
    touch_chunk(t, c);
    map_remove(&t->index, key_of(topic, c->subscription[slot].session));
    c->subscription[slot].session = SESSION_NONE;
    c->used--;
    o->count--;
}

bool topic_unsubscribe(struct topics *t, uint32_t topic, uint32_t session)
{
    uint32_t chunk, slot;
    if (!find(t, topic, session, &chunk, &slot))
        return false;
    remove_at(t, topic, chunk_at(t, chunk), slot);
    return true;
}

void topic_clear(struct topics *t, uint32_t topic)
{
    struct topic *o = &t->topic[topic];
    touch_topic(t, o);
    uint32_t index = o->head;
    for (uint32_t n = 0; n < o->chunks; n++, index = chunk_at(t, index)->next) {
        const struct topic_chunk *c = chunk_at(t, index);
        for (uint32_t slot = 0; slot < TOPIC_CHUNK_SUBSCRIPTIONS; slot++)
            if (c->subscription[slot].session != SESSION_NONE)
                map_remove(&t->index, key_of(topic, c->subscription[slot].session));
    }
    if (o->chunks)
        pool_put_list(t->chunks, t->txn, o->head, o->tail, o->chunks);
    o->head = o->tail = POOL_NONE;
    o->count = o->chunks = 0;
}

/* Gives back the empty chunk behind `before`, which is not the last one. */
static void unlink_behind(struct topics *t, struct topic *o, uint32_t before)
{
    uint32_t index = chunk_at(t, before)->next;
    touch_topic(t, o);
    touch_chunk(t, chunk_at(t, before));
    chunk_at(t, before)->next = chunk_at(t, index)->next;
    o->chunks--;
    pool_put(t->chunks, t->txn, index);
}

/* Clearing up may wait for a later walk; the undo log of this transaction may not overflow. */
static bool may_clear_up(const struct topics *t)
{
    return !t->txn || txn_room(t->txn) >= TOPIC_CLEAR_ROOM;
}

const struct subscription *topic_walk_chunk(const struct topics *t, const struct topic_cursor *c, uint32_t *n)
{
    *n = TOPIC_CHUNK_SUBSCRIPTIONS;
    return chunk_at(t, c->chunk)->subscription;
}

/*
 * A walk comes to a chunk: fetches the sessions of the next one, and the one behind that. Always inline: gcc
 * 12 takes a function that only fetches for one without effect and drops the call.
 */
static inline __attribute__((always_inline)) void walk_ahead(const struct topics *t, const struct topic *o,
                                                             uint32_t chunk)
{
    if (chunk == o->tail)
        return;
    uint32_t next = chunk_at(t, chunk)->next;
    const struct topic_chunk *k = chunk_at(t, next);
    for (uint32_t slot = 0; slot < TOPIC_CHUNK_SUBSCRIPTIONS; slot++) {
        if (k->subscription[slot].session != SESSION_NONE)
            __builtin_prefetch(&t->session[k->subscription[slot].session], 1);
    }
    if (next == o->tail)
        return;
    const uint8_t *p = (const uint8_t *)chunk_at(t, k->next);
    for (size_t at = 0; at < sizeof *k; at += 64)
        __builtin_prefetch(p + at);
}

const struct subscription *topic_walk(struct topics *t, uint32_t topic, struct topic_cursor *c)
{
    struct topic *o = &t->topic[topic];
    if (!c->begun)
        *c = (struct topic_cursor){o->chunks ? o->head : POOL_NONE, 0, true};
    while (c->chunk != POOL_NONE) {
        struct topic_chunk *k = chunk_at(t, c->chunk);
        if (c->slot == 0)
            walk_ahead(t, o, c->chunk);
        while (c->slot < TOPIC_CHUNK_SUBSCRIPTIONS) {
            uint32_t slot = c->slot++;
            const struct subscription *s = &k->subscription[slot];
            if (s->session == SESSION_NONE)
                continue;
            if (t->session[s->session].generation == s->generation)
                return s;
            if (may_clear_up(t))
                remove_at(t, topic, k, slot);
        }
        uint32_t next = c->chunk == o->tail ? POOL_NONE : k->next;
        /* An empty chunk behind the one just left is given back here, where what leads to it is known. */
        while (next != POOL_NONE && next != o->tail && chunk_at(t, next)->used == 0 && may_clear_up(t)) {
            unlink_behind(t, o, c->chunk);
            next = k->next;
        }
        *c = (struct topic_cursor){next, 0, true};
    }
    return NULL;
}
