/*
 * Presence; see presence.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/presence/presence.h"

#include <stdio.h>

#include "controlplane/events/audience.h"
#include "controlplane/events/publish.h"
#include "controlplane/presence/lists.h"
#include "controlplane/protocol/intents.h"
#include "controlplane/sessions/session_table.h"

static const char *const status_names[] = {"offline", "online", "idle", "dnd", "invisible"};
static const char *const platform_names[] = {"web", "desktop", "mobile"};
#define PLATFORMS 3

/* ---- what others see ---- */

static bool visible(const struct session_control *s)
{
    return s->kind == SESSION_GATEWAY && !s->away_gone && s->status >= STATUS_ONLINE &&
           s->status <= STATUS_DND;
}

static void client_status(const struct session_control *const latest[PLATFORMS], char *text, size_t size)
{
    size_t n = 0;
    text[n++] = '{';
    for (unsigned i = 0; i < PLATFORMS; i++)
        if (latest[i])
            n += (size_t)snprintf(text + n, size - n, "%s\"%s\":\"%s\"", n > 1 ? "," : "", platform_names[i],
                                  status_names[latest[i]->status]);
    snprintf(text + n, size - n, "}");
}

bool presence_of(const struct control *c, uint64_t user_id, struct presence_view *v)
{
    const struct session_control *latest = NULL, *by_platform[PLATFORMS] = {NULL};
    for (uint32_t i = session_first_of(c, user_id); i != SESSION_NONE; i = session_next_of(c, i)) {
        const struct session_control *s = session_of(c, i);
        if (!visible(s))
            continue;
        const struct session_control **p = &by_platform[s->platform % PLATFORMS];
        if (!latest || s->presence_ms > latest->presence_ms)
            latest = s;
        if (!*p || s->presence_ms > (*p)->presence_ms)
            *p = s;
    }
    uint32_t n =
        latest ? chain_read(&latest->activities, c->link->blocks, 0, v->activities, sizeof v->activities - 1)
               : 0;
    v->activities[n] = 0;
    client_status(by_platform, v->client_status, sizeof v->client_status);
    v->shown = (struct presence){.user_id = user_id,
                                 .status = status_names[latest ? latest->status : STATUS_OFFLINE],
                                 .activities = n ? v->activities : "[]",
                                 .client_status = v->client_status};
    return latest != NULL;
}

/* ---- telling others ---- */

static void tell_friends(struct control *c, const struct account *account, struct presence_view *v)
{
    bool encoded = false;
    v->shown.guild_id = 0;
    for (size_t i = 0; i < account->relation_count; i++) {
        if (account->relations[i].type != RELATION_FRIEND ||
            session_first_of(c, account->relations[i].user_id) == SESSION_NONE)
            continue;
        if (!encoded)
            dispatch_presence_update(&c->out, &v->shown);
        encoded = true;
        publish_user(c, account->relations[i].user_id,
                     &(struct publication){
                         .except_session = SESSION_NONE, .text = c->out.data, .length = c->out.length});
        link_cut_if_long(c->link);
    }
}

static void publish(struct control *c, uint64_t user_id, struct presence_view *v)
{
    const struct account *account = model_account(c->model, user_id);
    for (size_t i = 0; account && i < account->guild_count; i++) {
        v->shown.guild_id = account->guilds[i]->row.id;
        if (!audience_of(c, v->shown.guild_id))
            continue;
        dispatch_presence_update(&c->out, &v->shown);
        publish_guild(c, v->shown.guild_id,
                      &(struct publication){.intents = INTENT_GUILD_PRESENCES,
                                            .except_session = SESSION_NONE,
                                            .text = c->out.data,
                                            .length = c->out.length});
        link_cut_if_long(c->link);
    }
    if (account)
        tell_friends(c, account, v);
    lists_touch(c, user_id, 0);
}

/* FNV-1a over everything that others see; 0: offline. */
static uint64_t view_hash(const struct presence_view *v, bool online)
{
    const char *const texts[] = {v->shown.status, v->shown.activities, v->shown.client_status};
    uint64_t hash = 0xcbf29ce484222325ull;
    if (!online)
        return 0;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        for (const char *p = texts[i]; *p; p++)
            hash = (hash ^ (uint8_t)*p) * 0x100000001b3ull;
    return hash ? hash : 1;
}

/* Writes what is known of the telling to every gateway session of the user. */
static void note(struct control *c, uint64_t user_id, uint64_t told, uint64_t after_ms, bool due)
{
    for (uint32_t i = session_first_of(c, user_id); i != SESSION_NONE; i = session_next_of(c, i)) {
        if (session_of(c, i)->kind != SESSION_GATEWAY)
            continue;
        struct session_control *s = session_touch(c, i);
        s->presence_told = told;
        s->presence_after_ms = after_ms;
        s->presence_due = due;
    }
}

/* Others see something else of this session's user, perhaps. */
static void changed(struct control *c, uint32_t session, bool now)
{
    const struct session_control *s = session_of(c, session);
    uint64_t user_id = s->user_id, told = s->presence_told, after_ms = s->presence_after_ms;
    struct presence_view v;
    bool online = presence_of(c, user_id, &v), was_due = s->presence_due;
    uint64_t hash = view_hash(&v, online);
    if (hash == told) {
        if (was_due)
            note(c, user_id, told, after_ms, false);
        return;
    }
    if (now || c->now_ms >= after_ms) {
        note(c, user_id, hash, told ? c->now_ms + PRESENCE_GAP_MS : c->now_ms, false);
        publish(c, user_id, &v);
        return;
    }
    if (!was_due) {
        note(c, user_id, told, after_ms, true);
        deadlines_add(&c->deadlines, after_ms, DEADLINE_PRESENCE, session_subject(c, session));
    }
}

void presence_due(struct control *c, uint32_t session)
{
    if (session_of(c, session)->presence_due)
        changed(c, session, true);
}

/* Are these the activities that the session has, since when it has them? */
static bool same_activities(struct control *c, const struct session_control *s, const json_t *activities)
{
    char have[PRESENCE_ACTIVITIES_MAX];
    uint32_t n = chain_read(&s->activities, c->link->blocks, 0, have, sizeof have);
    return n && presence_activities(&c->out, activities, s->activities_ms) && c->out.length == n &&
           memcmp(c->out.data, have, n) == 0;
}

bool presence_set(struct control *c, uint32_t session, const struct presence_update *u)
{
    struct session_control *s = session_touch(c, session);
    if (!same_activities(c, s, u->activities)) {
        if (!presence_activities(&c->out, u->activities, c->now_ms))
            return false;
        chain_free(&s->activities, c->link->blocks, &c->link->txn);
        /* Without a block left, the status still counts. */
        if (c->out.length > 2)
            chain_append(&s->activities, c->link->blocks, &c->link->txn, c->out.data,
                         (uint32_t)c->out.length);
        s->activities_ms = c->now_ms;
    }
    s->status = (uint8_t)u->status;
    s->afk = u->afk;
    s->since_ms = u->since_ms;
    s->presence_ms = c->now_ms;
    changed(c, session, false);
    return true;
}

/* ---- beginning, being away, ending ---- */

void presence_begin(struct control *c, uint32_t session)
{
    struct session_control *s = session_of(c, session);
    for (uint32_t i = session_first_of(c, s->user_id); i != SESSION_NONE; i = session_next_of(c, i)) {
        const struct session_control *other = session_of(c, i);
        if (i == session || other->kind != SESSION_GATEWAY)
            continue;
        s = session_touch(c, session);
        s->presence_told = other->presence_told;
        s->presence_after_ms = other->presence_after_ms;
        s->presence_due = other->presence_due;
        if (s->presence_due)
            deadlines_add(&c->deadlines, s->presence_after_ms, DEADLINE_PRESENCE,
                          session_subject(c, session));
        return;
    }
}

void presence_clear(struct control *c, uint32_t session)
{
    session_touch(c, session)->status = STATUS_OFFLINE;
    changed(c, session, true);
}

void presence_gone(struct control *c, uint32_t session)
{
    const struct session_control *s = session_of(c, session);
    if (s->connection || s->away_gone || c->now_ms < s->away_since_ms + PRESENCE_AWAY_MS)
        return;
    session_touch(c, session)->away_gone = true;
    changed(c, session, true);
}

void presence_away(struct control *c, uint32_t session, bool silent)
{
    if (!silent) {
        deadlines_add(&c->deadlines, c->now_ms + PRESENCE_AWAY_MS, DEADLINE_GONE,
                      session_subject(c, session));
        return;
    }
    session_touch(c, session)->away_gone = true;
    changed(c, session, true);
}

void presence_back(struct control *c, uint32_t session)
{
    if (!session_of(c, session)->away_gone)
        return;
    session_touch(c, session)->away_gone = false;
    changed(c, session, false);
}

void presence_open(struct control *c, uint32_t session)
{
    const struct session_control *s = session_of(c, session);
    if (!s->connection && !s->away_gone && s->away_since_ms)
        deadlines_add(&c->deadlines, s->away_since_ms + PRESENCE_AWAY_MS, DEADLINE_GONE,
                      session_subject(c, session));
    if (s->presence_due)
        deadlines_add(&c->deadlines, s->presence_after_ms, DEADLINE_PRESENCE, session_subject(c, session));
}

void presence_befriend(struct control *c, uint64_t user_id, uint64_t other_id)
{
    struct presence_view v;
    if (session_first_of(c, user_id) == SESSION_NONE || !presence_of(c, other_id, &v))
        return;
    v.shown.guild_id = 0;
    dispatch_presence_update(&c->out, &v.shown);
    publish_user(
        c, user_id,
        &(struct publication){.except_session = SESSION_NONE, .text = c->out.data, .length = c->out.length});
}

uint64_t presence_online_count(const struct control *c, uint64_t guild_id)
{
    const struct audience *a = audience_of(c, guild_id);
    uint64_t online = 0;
    for (uint32_t i = 0; a && i < a->count; i++) {
        uint32_t session = a->members[i].session, first = SESSION_NONE;
        /* A user counts with the first of his sessions that others see. */
        for (uint32_t k = session_first_of(c, session_of(c, session)->user_id); k != SESSION_NONE;
             k = session_next_of(c, k)) {
            if (visible(session_of(c, k)) && index_map_get(&a->at, (uint64_t)k + 1) != INDEX_NONE) {
                first = k;
                break;
            }
        }
        online += first == session;
    }
    return online;
}
