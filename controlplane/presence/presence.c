/*
 * Presence; see presence.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/presence/presence.h"

#include <stdio.h>

#include "controlplane/events/audience.h"
#include "controlplane/events/publish.h"
#include "controlplane/protocol/intents.h"
#include "controlplane/sessions/session_table.h"

static const char *const status_names[] = {"offline", "online", "idle", "dnd", "invisible"};
static const char *const platform_names[] = {"web", "desktop", "mobile"};
#define PLATFORMS 3

/* ---- what others see ---- */

static bool visible(const struct session_control *s)
{
    return s->kind == SESSION_GATEWAY && s->status >= STATUS_ONLINE && s->status <= STATUS_DND;
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

void presence_publish(struct control *c, uint64_t user_id, uint64_t not_guild)
{
    const struct account *account = model_account(c->model, user_id);
    struct presence_view v;
    presence_of(c, user_id, &v);
    for (size_t i = 0; account && i < account->guild_count; i++) {
        v.shown.guild_id = account->guilds[i]->row.id;
        if (v.shown.guild_id == not_guild || !audience_of(c, v.shown.guild_id))
            continue;
        dispatch_presence_update(&c->out, &v.shown);
        publish_guild(c, v.shown.guild_id,
                      &(struct publication){.intents = INTENT_GUILD_PRESENCES,
                                            .except_session = SESSION_NONE,
                                            .text = c->out.data,
                                            .length = c->out.length});
        link_cut_if_long(c->link);
    }
}

static bool same(const struct presence_view *a, const struct presence_view *b)
{
    return strcmp(a->shown.status, b->shown.status) == 0 && strcmp(a->client_status, b->client_status) == 0 &&
           strcmp(a->activities, b->activities) == 0;
}

bool presence_set(struct control *c, uint32_t session, const struct presence_update *u)
{
    struct presence_view before, after;
    if (!presence_activities(&c->out, u->activities, c->now_ms))
        return false;
    struct session_control *s = session_touch(c, session);
    presence_of(c, s->user_id, &before);
    chain_free(&s->activities, c->link->blocks, &c->link->txn);
    /* Without a block left, the status still counts. */
    if (c->out.length > 2)
        chain_append(&s->activities, c->link->blocks, &c->link->txn, c->out.data, (uint32_t)c->out.length);
    s->status = (uint8_t)u->status;
    s->afk = u->afk;
    s->since_ms = u->since_ms;
    s->presence_ms = c->now_ms;
    presence_of(c, s->user_id, &after);
    if (!same(&before, &after))
        presence_publish(c, s->user_id, 0);
    return true;
}

void presence_clear(struct control *c, uint32_t session)
{
    struct presence_view before, after;
    struct session_control *s = session_touch(c, session);
    presence_of(c, s->user_id, &before);
    s->status = STATUS_OFFLINE;
    presence_of(c, s->user_id, &after);
    if (!same(&before, &after))
        presence_publish(c, s->user_id, 0);
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
