/*
 * Audiences and permission classes; see audience.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/events/audience.h"

#include <stdlib.h>

#include "controlplane/presence/lists.h"
#include "controlplane/sessions/session_table.h"

struct audience *audience_of(const struct control *c, uint64_t guild_id)
{
    return index_map_pointer(&c->audiences, guild_id);
}

struct audience *audience_make(struct control *c, uint64_t guild_id)
{
    struct audience *a = audience_of(c, guild_id);
    if (a)
        return a;
    a = calloc(1, sizeof *a);
    if (!a)
        abort();
    a->guild_id = guild_id;
    a->topic = topic_find(c, TOPIC_GUILD, guild_id, false);
    index_map_put(&c->audiences, guild_id, (uint64_t)(uintptr_t)a);
    return a;
}

static void classes_free(struct audience *a)
{
    for (uint32_t i = 0; i < TOPIC_CLASSES; i++)
        free(a->class[i].visible);
    memset(a->class, 0, sizeof a->class);
}

static void audience_free(struct audience *a)
{
    classes_free(a);
    index_map_free(&a->at);
    free(a->members);
    free(a->voice);
    free(a);
}

/* ---- classes ---- */

/* Ids of the channels that the user sees, ascending; NULL with *all when that is every one. */
static uint64_t *visible_channels(const struct control *c, const struct guild_state *g, uint64_t user_id,
                                  size_t *count, bool *all)
{
    uint64_t *ids = malloc((g->channel_count + 1) * sizeof *ids);
    if (!ids)
        abort();
    *count = 0;
    for (size_t i = 0; i < g->channel_count; i++) {
        if (!(model_permissions(c->model, g, g->channels[i], user_id) & PERM_VIEW_CHANNEL))
            continue;
        size_t at = (*count)++;
        for (; at && ids[at - 1] > g->channels[i]->id; at--)
            ids[at] = ids[at - 1];
        ids[at] = g->channels[i]->id;
    }
    *all = *count == g->channel_count;
    if (*all) {
        free(ids);
        return NULL;
    }
    return ids;
}

/* Number of the class with exactly these channels; takes `visible` over. Sets overflow when there is none
 * left. */
static uint32_t class_for(struct audience *a, uint64_t *visible, size_t count)
{
    uint32_t empty = 0;
    for (uint32_t i = 1; i < TOPIC_CLASSES; i++) {
        const struct permission_class *k = &a->class[i];
        if (!k->used) {
            empty = empty ? empty : i;
        } else if (k->count == count &&
                   (!count || memcmp(k->visible, visible, count * sizeof *visible) == 0)) {
            free(visible);
            return i;
        }
    }
    if (!empty) {
        a->overflow = true;
        free(visible);
        return TOPIC_CLASSES - 1;
    }
    a->class[empty] = (struct permission_class){visible, count, true};
    return empty;
}

static uint32_t class_of_user(struct control *c, struct audience *a, uint64_t user_id)
{
    const struct guild_state *g = model_guild(c->model, a->guild_id);
    size_t count;
    bool all;
    if (!g)
        return 0;
    uint64_t *visible = visible_channels(c, g, user_id, &count, &all);
    return all ? 0 : class_for(a, visible, count);
}

static bool class_sees(const struct permission_class *k, uint64_t channel_id)
{
    size_t low = 0, high = k->used ? k->count : 0;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (k->visible[mid] < channel_id)
            low = mid + 1;
        else
            high = mid;
    }
    return k->used && low < k->count && k->visible[low] == channel_id;
}

uint64_t audience_classes(const struct audience *a, uint64_t channel_id)
{
    uint64_t classes = 1;
    if (!channel_id)
        return ~0ull;
    for (uint32_t i = 1; i < TOPIC_CLASSES; i++)
        classes |= (uint64_t)class_sees(&a->class[i], channel_id) << i;
    return classes;
}

bool audience_saw(const struct audience *a, const struct audience_member *m, uint64_t channel_id)
{
    return !m->class || class_sees(&a->class[m->class], channel_id);
}

bool audience_sees(const struct control *c, const struct audience *a, uint32_t session, uint64_t channel_id)
{
    const struct guild_state *g = model_guild(c->model, a->guild_id);
    const struct channel *channel = channel_id ? model_channel(c->model, channel_id) : NULL;
    if (!channel_id)
        return true;
    return g && channel &&
           model_permissions(c->model, g, channel, session_of(c, session)->user_id) & PERM_VIEW_CHANNEL;
}

bool audience_tells(const struct control *c, const struct audience *a, uint32_t session, uint64_t channel_id)
{
    uint64_t at = index_map_get(&a->at, (uint64_t)session + 1);
    if (at == INDEX_NONE)
        return false;
    if (a->topic == POOL_NONE || a->overflow)
        return audience_sees(c, a, session, channel_id);
    return audience_classes(a, channel_id) >> a->members[at].class & 1;
}

/* ---- members ---- */

static void member_put(const struct control *c, struct audience *a, uint32_t session, uint32_t class)
{
    uint64_t at = index_map_get(&a->at, (uint64_t)session + 1);
    bool compressed = session_of(c, session)->compress;
    if (at != INDEX_NONE) {
        a->compressed += (uint32_t)compressed - a->members[at].compressed;
        a->members[at].compressed = compressed;
        a->members[at].class = (uint16_t) class;
        return;
    }
    if (a->count == a->capacity) {
        a->capacity = a->capacity ? a->capacity * 2 : 8;
        a->members = realloc(a->members, a->capacity * sizeof *a->members);
        if (!a->members)
            abort();
    }
    index_map_put(&a->at, (uint64_t)session + 1, a->count);
    a->members[a->count++] = (struct audience_member){session, (uint16_t) class, compressed};
    a->compressed += compressed;
}

static void member_drop(struct audience *a, uint32_t session)
{
    uint64_t at = index_map_remove(&a->at, (uint64_t)session + 1);
    if (at == INDEX_NONE)
        return;
    a->compressed -= a->members[at].compressed;
    struct audience_member last = a->members[--a->count];
    if (last.session != session) {
        a->members[at] = last;
        index_map_put(&a->at, (uint64_t)last.session + 1, at);
    }
}

void audience_join(struct control *c, uint64_t guild_id, uint32_t session)
{
    struct audience *a = audience_make(c, guild_id);
    if (!a->count) /* later, the members so far would miss what goes through it */
        a->topic = topic_find(c, TOPIC_GUILD, guild_id, true);
    uint32_t class = class_of_user(c, a, session_of(c, session)->user_id);
    member_put(c, a, session, class);
    topic_subscribe(c, a->topic, session, class);
}

void audience_leave(struct control *c, uint64_t guild_id, uint32_t session)
{
    struct audience *a = audience_of(c, guild_id);
    if (!a)
        return;
    member_drop(a, session);
    topic_unsubscribe(c, a->topic, session);
}

void audience_moved(struct control *c, uint32_t from, uint32_t to)
{
    const struct session_control *s = session_of(c, to);
    const struct account *account = model_account(c->model, s->user_id);
    for (size_t i = 0; account && i < account->guild_count; i++) {
        uint64_t guild_id = account->guilds[i]->row.id;
        struct audience *a = shard_has(s, guild_id) ? audience_of(c, guild_id) : NULL;
        uint64_t at = a ? index_map_get(&a->at, (uint64_t)from + 1) : INDEX_NONE;
        if (at == INDEX_NONE)
            continue;
        uint32_t class = a->members[at].class;
        member_drop(a, from);
        member_put(c, a, to, class);
        topic_subscribe(c, a->topic, to, class);
    }
    lists_moved(c, to);
}

void audience_encoding(struct control *c, uint32_t session)
{
    const struct session_control *s = session_of(c, session);
    const struct account *account = model_account(c->model, s->user_id);
    for (size_t i = 0; account && i < account->guild_count; i++) {
        struct audience *a = audience_of(c, account->guilds[i]->row.id);
        uint64_t at = a ? index_map_get(&a->at, (uint64_t)session + 1) : INDEX_NONE;
        if (at != INDEX_NONE)
            member_put(c, a, session, a->members[at].class);
    }
}

void audience_end(struct control *c, uint64_t guild_id)
{
    struct audience *a = audience_of(c, guild_id);
    lists_guild_end(c, guild_id);
    topic_end(c, TOPIC_GUILD, guild_id);
    if (!a)
        return;
    index_map_remove(&c->audiences, guild_id);
    audience_free(a);
}

void audience_recompute(struct control *c, uint64_t guild_id, audience_before_fn *before, void *ctx)
{
    struct audience *a = audience_of(c, guild_id);
    if (!a)
        return;
    uint32_t used[TOPIC_CLASSES] = {0};
    if (a->overflow)
        before = NULL; /* a class says too little then */
    a->overflow = false;
    for (uint32_t i = 0; i < a->count; i++) {
        struct audience_member *m = &a->members[i];
        if (before)
            before(ctx, a, m);
        uint32_t class = class_of_user(c, a, session_of(c, m->session)->user_id);
        used[class]++;
        if (class != m->class) {
            m->class = (uint16_t) class;
            topic_subscribe(c, a->topic, m->session, class);
            link_cut_if_long(c->link);
        }
    }
    for (uint32_t i = 1; i < TOPIC_CLASSES; i++) {
        if (!used[i] && a->class[i].used) {
            free(a->class[i].visible);
            a->class[i] = (struct permission_class){0};
        }
    }
    lists_recompute(c, guild_id);
}

/* ---- start and end ---- */

void audiences_open(struct control *c)
{
    for (uint32_t i = 0; i < c->link->sessions->fresh; i++) {
        const struct session_control *s = session_of(c, i);
        const struct account *account =
            s->kind == SESSION_GATEWAY ? model_account(c->model, s->user_id) : NULL;
        for (size_t k = 0; account && k < account->guild_count; k++) {
            uint64_t guild_id = account->guilds[k]->row.id;
            if (!shard_has(s, guild_id))
                continue;
            struct audience *a = audience_make(c, guild_id);
            uint32_t class = class_of_user(c, a, s->user_id);
            member_put(c, a, i, class);
            if (class && a->topic != POOL_NONE) {
                link_wait(c->link);
                link_begin(c->link);
                topic_subscribe(c, a->topic, i, class);
                link_end(c->link);
            }
        }
    }
}

void audiences_close(struct control *c)
{
    const struct index_slot *s;
    for (size_t at = 0; (s = index_map_next(&c->audiences, &at)) != NULL;)
        audience_free((struct audience *)(uintptr_t)s->value);
    index_map_free(&c->audiences);
    index_map_free(&c->topics);
}
