/*
 * The table of sessions; see session_table.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/sessions/session_table.h"

#include "controlplane/presence/presence.h"

#include <stdlib.h>
#include <sys/random.h>

#include "controlplane/protocol/intents.h"
#include "controlplane/routes/maps.h"
#include "controlplane/sessions/turns.h"

#define SLOT_TRIES 64u

static uint64_t id_key(const uint8_t id[16])
{
    uint64_t key;
    memcpy(&key, id, sizeof key);
    return key;
}

static void user_link_add(struct control *c, uint32_t session, uint64_t user_id)
{
    uint32_t first = session_first_of(c, user_id);
    c->user_links[session] = (struct user_link){first, SESSION_NONE};
    if (first != SESSION_NONE)
        c->user_links[first].prev = session;
    else
        map_put(c->owner_map, user_id, THIS_BOX);
    index_map_put(&c->by_user, user_id, session);
}

static void user_link_remove(struct control *c, uint32_t session, uint64_t user_id)
{
    struct user_link l = c->user_links[session];
    if (l.next != SESSION_NONE)
        c->user_links[l.next].prev = l.prev;
    if (l.prev != SESSION_NONE)
        c->user_links[l.prev].next = l.next;
    else if (l.next != SESSION_NONE)
        index_map_put(&c->by_user, user_id, l.next);
    else {
        index_map_remove(&c->by_user, user_id);
        map_remove(c->owner_map, user_id);
    }
}

static void count_kind(struct control *c, uint8_t kind, int by)
{
    if (kind == SESSION_GATEWAY)
        c->gateway_sessions += (uint32_t)by;
    else
        c->voice_sessions += (uint32_t)by;
}

static void index_session(struct control *c, uint32_t i, const struct session_control *s)
{
    index_map_put(&c->by_id, id_key(s->id), i);
    if (s->connection)
        index_map_put(&c->by_connection, s->connection, i);
    user_link_add(c, i, s->user_id);
    count_kind(c, s->kind, 1);
}

/* Connections that have not identified owe it by a time counted anew from this start. */
static void index_strangers(struct control *c)
{
    struct region *r = c->link->region;
    for (uint32_t w = 0; w < c->link->workers; w++) {
        const struct pool *p = region_part(r, w, PART_CONNECTIONS);
        for (uint32_t i = 0; i < p->fresh; i++) {
            const struct connection *n = connection_at(r, w, i);
            uint64_t handle = connection_handle(w * r->header->geometry.connections + i, n->generation);
            if ((n->kind != CONNECTION_GATEWAY && n->kind != CONNECTION_VOICE) ||
                index_map_get(&c->by_connection, handle) != INDEX_NONE)
                continue;
            if (n->kind == CONNECTION_GATEWAY && c->link->area->turns_until_ms > c->now_ms)
                turns_forgotten(c, handle);
            else
                deadlines_add(&c->deadlines,
                              c->now_ms + (n->kind == CONNECTION_VOICE ? c->config.identify_voice_ms
                                                                       : c->config.identify_gateway_ms),
                              DEADLINE_IDENTIFY, handle);
        }
    }
}

void session_table_open(struct control *c)
{
    uint32_t sessions = c->link->region->header->geometry.sessions;
    c->user_links = calloc(sessions, sizeof *c->user_links);
    if (!c->user_links)
        abort();
    for (uint32_t i = 0; i < c->link->sessions->fresh; i++) {
        const struct session_control *s = session_of(c, i);
        if (s->kind == SESSION_FREE)
            continue;
        index_session(c, i, s);
        if (!s->connection && s->away_since_ms)
            deadlines_add(&c->deadlines,
                          s->away_since_ms + (s->kind == SESSION_VOICE ? c->config.keep_voice_ms
                                                                       : c->config.keep_gateway_ms),
                          DEADLINE_AWAY, session_subject(c, i));
        if (s->kind == SESSION_GATEWAY)
            presence_open(c, i);
    }
    index_strangers(c);
}

void session_table_close(struct control *c)
{
    index_map_free(&c->by_connection);
    index_map_free(&c->by_id);
    index_map_free(&c->by_user);
    free(c->user_links);
    c->user_links = NULL;
}

/* Has the worker that had the slot let go of it, or will it have before `worker` hears of its next use? No
 * ring orders what two workers do. */
static bool let_go(const struct control *c, uint32_t i, uint32_t worker)
{
    return session_at(c->link->region, i)->kind == SESSION_FREE || session_of(c, i)->worker == worker;
}

/* Slots that are still held elsewhere are passed over and go back. */
static uint32_t free_slot(struct control *c, uint32_t worker)
{
    uint32_t held[SLOT_TRIES], n = 0, i = POOL_NONE;
    while (n < SLOT_TRIES) {
        i = pool_get(c->link->sessions, &c->link->txn);
        if (i == POOL_NONE || let_go(c, i, worker))
            break;
        held[n++] = i;
        i = POOL_NONE;
    }
    while (n)
        pool_put(c->link->sessions, &c->link->txn, held[--n]);
    return i;
}

uint32_t session_take(struct control *c, enum session_kind kind, uint64_t user_id, uint32_t worker)
{
    uint32_t i = free_slot(c, worker);
    if (i == POOL_NONE)
        return SESSION_NONE;
    struct session_control *s = session_of(c, i);
    txn_save(&c->link->txn, s, sizeof *s);
    uint32_t generation = s->generation + 1;
    *s = (struct session_control){.generation = generation ? generation : 1,
                                  .stamp = txn_number(&c->link->txn),
                                  .kind = (uint8_t)kind,
                                  .user_id = user_id,
                                  .peer = SESSION_NONE,
                                  .member = MEMBER_NONE,
                                  .room = ROOM_NONE};
    if (getrandom(s->id, sizeof s->id, 0) != (ssize_t)sizeof s->id)
        abort();
    s->id[14] = (uint8_t)(c->config.box >> 8);
    s->id[15] = (uint8_t)c->config.box;
    index_session(c, i, s);
    return i;
}

uint32_t session_move(struct control *c, uint32_t session, uint32_t worker)
{
    struct session_control *from = session_touch(c, session);
    uint32_t i = session_take(c, from->kind, from->user_id, worker);
    if (i == SESSION_NONE)
        return SESSION_NONE;
    struct session_control *to = session_of(c, i);
    uint32_t generation = to->generation;
    uint64_t stamp = to->stamp;
    uint8_t id[16];
    index_map_remove(&c->by_id, id_key(to->id));
    memcpy(id, to->id, sizeof id);
    *to = *from;
    to->generation = generation;
    to->stamp = stamp;
    to->worker = (uint8_t)worker;
    /* What goes with the old slot is nothing that anybody knows. */
    memcpy(from->id, id, sizeof id);
    from->activities = (struct chain){0};
    from->lists = (struct chain){0};
    from->connection = 0;
    index_map_put(&c->by_id, id_key(to->id), i);
    if (to->connection)
        index_map_put(&c->by_connection, to->connection, i);
    session_give(c, session);
    return i;
}

void session_give(struct control *c, uint32_t session)
{
    struct session_control *s = session_touch(c, session);
    index_map_remove(&c->by_id, id_key(s->id));
    if (s->connection)
        index_map_remove(&c->by_connection, s->connection);
    user_link_remove(c, session, s->user_id);
    count_kind(c, s->kind, -1);
    chain_free(&s->activities, c->link->blocks, &c->link->txn);
    chain_free(&s->lists, c->link->blocks, &c->link->txn);
    explicit_bzero(s->voice_token, sizeof s->voice_token);
    explicit_bzero(s->key, sizeof s->key);
    s->kind = SESSION_FREE;
    s->connection = 0;
    pool_put(c->link->sessions, &c->link->txn, session);
}

uint32_t session_by_connection(const struct control *c, uint64_t connection)
{
    return (uint32_t)index_map_get(&c->by_connection, connection);
}

static bool id_parse(const char *text, uint8_t id[16])
{
    if (strlen(text) != SESSION_ID_TEXT - 1)
        return false;
    for (int i = 0; i < 32; i++) {
        const char *digits = "0123456789abcdef", *d = strchr(digits, text[i]);
        if (!d)
            return false;
        id[i / 2] = (uint8_t)(id[i / 2] << 4 | (d - digits));
    }
    return true;
}

uint32_t session_by_id_text(const struct control *c, const char *text)
{
    uint8_t id[16] = {0};
    return id_parse(text, id) ? session_by_id(c, id) : SESSION_NONE;
}

uint32_t session_by_id(const struct control *c, const uint8_t id[16])
{
    uint8_t different = 0;
    uint32_t i = (uint32_t)index_map_get(&c->by_id, id_key(id));
    if (i == SESSION_NONE)
        return SESSION_NONE;
    const struct session_control *s = session_of(c, i);
    for (int k = 0; k < 16; k++)
        different |= id[k] ^ s->id[k];
    return !different && s->kind == SESSION_GATEWAY ? i : SESSION_NONE;
}

uint16_t session_id_box(const char *text)
{
    uint8_t id[16] = {0};
    return id_parse(text, id) ? (uint16_t)(id[14] << 8 | id[15]) : 0;
}

void session_id_text(const struct session_control *s, char text[SESSION_ID_TEXT])
{
    for (int i = 0; i < 16; i++) {
        text[2 * i] = "0123456789abcdef"[s->id[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[s->id[i] & 15];
    }
    text[32] = 0;
}

uint8_t session_flags(const struct session_control *s)
{
    return (uint8_t)((s->intents & INTENT_MESSAGE_CONTENT ? SESSION_CONTENT : 0) |
                     (s->compress == COMPRESS_PAYLOADS ? SESSION_COMPRESSED : 0));
}

uint32_t session_first_of(const struct control *c, uint64_t user_id)
{
    return (uint32_t)index_map_get(&c->by_user, user_id);
}

void session_connect(struct control *c, uint32_t session, uint64_t connection)
{
    struct session_control *s = session_touch(c, session);
    if (s->connection)
        index_map_remove(&c->by_connection, s->connection);
    s->connection = connection;
    if (connection)
        index_map_put(&c->by_connection, connection, session);
    s->away_since_ms = connection ? 0 : c->now_ms;
}

uint32_t session_of_subject(const struct control *c, uint64_t subject)
{
    uint32_t i = (uint32_t)subject;
    if (i >= c->link->region->header->geometry.sessions)
        return SESSION_NONE;
    const struct session_control *s = session_of(c, i);
    return s->kind != SESSION_FREE && s->generation == (uint32_t)(subject >> 32) ? i : SESSION_NONE;
}
