/*
 * READY and GUILD_CREATE; see snapshot.h and reference/gateway.md 5 and 6.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/sessions/snapshot.h"

#include <stdlib.h>

#include "controlplane/events/audience.h"
#include "controlplane/events/event_writer.h"
#include "controlplane/events/publish.h"
#include "controlplane/presence/presence.h"
#include "controlplane/protocol/intents.h"
#include "controlplane/sessions/session_table.h"
#include "controlplane/voice/voice.h"

static void *array(size_t count, size_t size)
{
    void *p = calloc(count + 1, size);
    if (!p)
        abort();
    return p;
}

size_t snapshot_guild_count(const struct control *c, uint32_t session)
{
    const struct session_control *s = session_of(c, session);
    const struct account *a = model_account(c->model, s->user_id);
    size_t n = 0;
    for (size_t i = 0; a && i < a->guild_count; i++)
        n += shard_has(s, a->guilds[i]->row.id);
    return n;
}

const struct guild_state *snapshot_next_guild(const struct control *c, uint32_t session, uint64_t after)
{
    const struct guild_state *next = NULL;
    if (session == SESSION_NONE)
        return NULL;
    const struct session_control *s = session_of(c, session);
    const struct account *a = model_account(c->model, s->user_id);
    for (size_t i = 0; a && i < a->guild_count; i++) {
        const struct guild_state *g = a->guilds[i];
        if (g->row.id > after && shard_has(s, g->row.id) && (!next || g->row.id < next->row.id))
            next = g;
    }
    return next;
}

/* What a user account is told of its friends; bots have none. */
struct friends {
    struct relation_view *relations;
    struct presence *presences;
    struct presence_view *texts;
};

static void friends_open(const struct control *c, const struct account *a, struct friends *f, struct ready *r)
{
    f->relations = array(a->relation_count, sizeof *f->relations);
    f->presences = array(a->relation_count, sizeof *f->presences);
    f->texts = array(a->relation_count, sizeof *f->texts);
    for (size_t i = 0; i < a->relation_count; i++) {
        const struct relation *one = &a->relations[i];
        const struct user *u = model_user(c->model, one->user_id);
        if (!u)
            continue;
        f->relations[r->relation_count++] = (struct relation_view){u, (int)one->type};
        if (one->type == RELATION_FRIEND && presence_of(c, u->id, &f->texts[r->presence_count])) {
            f->presences[r->presence_count] = f->texts[r->presence_count].shown;
            r->presence_count++;
        }
    }
    r->relations = f->relations;
    r->presences = f->presences;
}

static void friends_close(struct friends *f)
{
    free(f->relations);
    free(f->presences);
    free(f->texts);
}

void snapshot_ready(struct control *c, uint32_t session)
{
    const struct session_control *s = session_of(c, session);
    const struct account *a = model_account(c->model, s->user_id);
    struct friends friends;
    uint64_t *ids = array(a->guild_count, sizeof *ids);
    char id[SESSION_ID_TEXT];
    struct ready r = {.user = &a->user,
                      .session_id = id,
                      .resume_gateway_url = c->config.gateway_url,
                      .application_id = a->user.id,
                      .guild_ids = ids,
                      .shard_id = s->shard_id,
                      .shard_count = s->shard_count};
    session_id_text(s, id);
    for (size_t i = 0; i < a->guild_count; i++)
        if (shard_has(s, a->guilds[i]->row.id))
            ids[r.guild_count++] = a->guilds[i]->row.id;
    friends_open(c, a, &friends, &r);
    dispatch_ready(&c->out, &r);
    publish_session(c, session, &c->out);
    friends_close(&friends);
    free(ids);
}

/* ---- a guild as its reader sees it ---- */

struct view {
    struct guild_view g;
    const struct channel **channels;
    struct member_ref *members;
    struct index_map listed; /* user id -> 1 */
    struct voice_state *voice;
    char (*voice_ids)[SESSION_ID_TEXT];
    struct presence *presences;
    struct presence_view *presence_texts;
};

static void list_member(const struct control *c, struct view *v, const struct guild_state *g,
                        uint64_t user_id)
{
    if (index_map_get(&v->listed, user_id) != INDEX_NONE ||
        !model_member_ref(c->model, g, user_id, &v->members[v->g.member_listed]))
        return;
    index_map_put(&v->listed, user_id, 1);
    v->g.member_listed++;
}

/* Who is listed (reference/gateway.md 6.6), and never more than SNAPSHOT_MEMBERS_MAX. */
static void list_members(const struct control *c, struct view *v, const struct guild_state *g,
                         const struct audience *a, const struct session_control *s)
{
    size_t max = SNAPSHOT_MEMBERS_MAX;
    bool presences = s->intents & INTENT_GUILD_PRESENCES;
    v->g.member_count = g->members.count;
    v->g.large = g->members.count > s->large_threshold;
    list_member(c, v, g, s->user_id);
    for (uint32_t i = 0; a && i < a->voice_count && v->g.member_listed < max; i++)
        list_member(c, v, g, session_of(c, a->voice[i])->user_id);
    if (presences && !v->g.large) {
        const struct member *m;
        for (size_t at = 0; (m = id_map_next(&g->members, &at)) != NULL && v->g.member_listed < max;)
            list_member(c, v, g, m->user_id);
    }
    for (uint32_t i = 0; presences && a && i < a->count && v->g.member_listed < max; i++)
        list_member(c, v, g, session_of(c, a->members[i].session)->user_id);
}

static void list_voice(const struct control *c, struct view *v, const struct guild_state *g,
                       const struct audience *a, uint64_t reader)
{
    for (uint32_t i = 0; a && i < a->voice_count; i++) {
        const struct session_control *s = session_of(c, a->voice[i]);
        const struct channel *channel = model_channel(c->model, s->channel_id);
        if (!channel || !(model_permissions(c->model, g, channel, reader) & PERM_VIEW_CHANNEL) ||
            index_map_get(&v->listed, s->user_id) == INDEX_NONE)
            continue;
        size_t n = v->g.voice_state_count++;
        voice_state_of(c, a->voice[i], &v->voice[n], v->voice_ids[n]);
    }
}

static void list_presences(const struct control *c, struct view *v)
{
    for (size_t i = 0; i < v->g.member_listed; i++) {
        size_t n = v->g.presence_count;
        if (!presence_of(c, v->members[i].user->id, &v->presence_texts[n]))
            continue;
        v->presences[n] = v->presence_texts[n].shown;
        v->g.presence_count++;
    }
}

static void list_channels(const struct control *c, struct view *v, const struct guild_state *g,
                          uint64_t reader)
{
    for (size_t i = 0; i < g->channel_count; i++)
        if (model_permissions(c->model, g, g->channels[i], reader) & PERM_VIEW_CHANNEL)
            v->channels[v->g.channel_count++] = g->channels[i];
}

static void view_open(const struct control *c, struct view *v, const struct guild_state *g,
                      const struct audience *a, const struct session_control *s)
{
    size_t members = g->members.count < SNAPSHOT_MEMBERS_MAX ? g->members.count : SNAPSHOT_MEMBERS_MAX;
    size_t voice = a ? a->voice_count : 0;
    bool presences = s->intents & INTENT_GUILD_PRESENCES;
    const struct member *own = model_member(g, s->user_id);
    *v = (struct view){.g = {.guild = &g->row,
                             .roles = (const struct role *const *)g->roles,
                             .role_count = g->role_count,
                             .joined_at_ms = own ? own->joined_at_ms : 0}};
    v->channels = array(g->channel_count, sizeof *v->channels);
    v->members = array(members + 1, sizeof *v->members);
    v->voice = array(voice, sizeof *v->voice);
    v->voice_ids = array(voice, sizeof *v->voice_ids);
    v->presences = array(presences ? members : 0, sizeof *v->presences);
    v->presence_texts = array(presences ? members : 0, sizeof *v->presence_texts);
    v->g.channels = v->channels;
    v->g.members = v->members;
    v->g.voice_states = v->voice;
    v->g.presences = v->presences;
    list_channels(c, v, g, s->user_id);
    list_members(c, v, g, a, s);
    list_voice(c, v, g, a, s->user_id);
    if (presences)
        list_presences(c, v);
}

static void view_close(struct view *v)
{
    index_map_free(&v->listed);
    free(v->channels);
    free(v->members);
    free(v->voice);
    free(v->voice_ids);
    free(v->presences);
    free(v->presence_texts);
}

/* A guild that no event can hold is told in less detail: without presences, then with its reader alone. */
static void encode(struct control *c, struct view *v)
{
    dispatch_guild_create(&c->out, &v->g);
    if (event_text_fits(c->out.length))
        return;
    v->g.presence_count = 0;
    v->g.large = true;
    dispatch_guild_create(&c->out, &v->g);
    if (event_text_fits(c->out.length))
        return;
    v->g.member_listed = v->g.member_listed ? 1 : 0;
    v->g.voice_state_count = 0;
    dispatch_guild_create(&c->out, &v->g);
    if (!event_text_fits(c->out.length))
        dispatch_guild_delete(&c->out, v->g.guild->id, true);
}

void snapshot_guild(struct control *c, uint32_t session, const struct guild_state *g)
{
    const struct session_control *s = session_of(c, session);
    if (s->intents & INTENT_GUILDS) {
        struct view v;
        view_open(c, &v, g, audience_of(c, g->row.id), s);
        encode(c, &v);
        publish_session(c, session, &c->out);
        view_close(&v);
    }
    audience_join(c, g->row.id, session);
}
