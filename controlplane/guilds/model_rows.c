/*
 * Rows put into the model and taken out of it, as the store has just committed them. A row whose parent is
 * gone is passed over: it is gone in the store as well.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/guilds/model.h"

#include "controlplane/protocol/intents.h"

#include <stdlib.h>

static void *zeroed(size_t size)
{
    void *p = calloc(1, size);
    if (!p)
        abort();
    return p;
}

void model_put_user(struct model *m, const struct user *u)
{
    struct account *a = id_map_get(&m->accounts, u->id);
    if (!a) {
        id_map_put(&m->accounts, u->id, a = zeroed(sizeof *a));
        a->intents_allowed = INTENTS_PRIVILEGED;
    }
    user_clear(&a->user);
    user_copy(&a->user, u);
}

void model_put_guild(struct model *m, const struct guild *g)
{
    struct guild_state *s = id_map_get(&m->guilds, g->id);
    if (!s)
        id_map_put(&m->guilds, g->id, s = zeroed(sizeof *s));
    guild_clear(&s->row);
    guild_copy(&s->row, g);
}

static int role_order(const void *a, const void *b)
{
    const struct role *x = *(struct role *const *)a, *y = *(struct role *const *)b;
    if (x->position != y->position)
        return x->position < y->position ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

static int channel_order(const void *a, const void *b)
{
    const struct channel *x = *(struct channel *const *)a, *y = *(struct channel *const *)b;
    if (x->position != y->position)
        return x->position < y->position ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

void model_put_role(struct model *m, const struct role *r)
{
    struct guild_state *g = model_guild(m, r->guild_id);
    struct role *have = g ? model_role(g, r->id) : NULL;
    if (!g)
        return;
    if (!have) {
        g->roles = realloc(g->roles, (g->role_count + 1) * sizeof *g->roles);
        if (!g->roles)
            abort();
        g->roles[g->role_count++] = have = zeroed(sizeof *have);
    }
    role_clear(have);
    role_copy(have, r);
    qsort(g->roles, g->role_count, sizeof *g->roles, role_order);
}

void model_put_channel(struct model *m, const struct channel *c)
{
    struct guild_state *g = model_guild(m, c->guild_id);
    struct channel *have = model_channel(m, c->id);
    if (!g)
        return;
    if (!have) {
        g->channels = realloc(g->channels, (g->channel_count + 1) * sizeof *g->channels);
        if (!g->channels)
            abort();
        g->channels[g->channel_count++] = have = zeroed(sizeof *have);
        id_map_put(&m->channels, c->id, have);
    }
    uint64_t last = have->last_message_id; /* messages move it, not rows */
    channel_clear(have);
    channel_copy(have, c);
    if (last > have->last_message_id)
        have->last_message_id = last;
    qsort(g->channels, g->channel_count, sizeof *g->channels, channel_order);
}

static void account_join(struct account *a, struct guild_state *g)
{
    a->guilds = realloc(a->guilds, (a->guild_count + 1) * sizeof(struct guild_state *));
    if (!a->guilds)
        abort();
    a->guilds[a->guild_count++] = g;
}

static void account_leave(struct account *a, const struct guild_state *g)
{
    for (size_t i = 0; a && i < a->guild_count; i++)
        if (a->guilds[i] == g) {
            a->guilds[i] = a->guilds[--a->guild_count];
            return;
        }
}

void model_put_member(struct model *m, const struct member *mb)
{
    struct guild_state *g = model_guild(m, mb->guild_id);
    struct account *a = id_map_get(&m->accounts, mb->user_id);
    if (!g || !a)
        return;
    struct member *have = model_member(g, mb->user_id);
    if (!have) {
        id_map_put(&g->members, mb->user_id, have = zeroed(sizeof *have));
        account_join(a, g);
    }
    member_clear(have);
    member_copy(have, mb);
}

static void member_drop_role(struct member *mb, uint64_t id)
{
    size_t kept = 0;
    for (size_t i = 0; i < mb->role_count; i++)
        if (mb->roles[i] != id)
            mb->roles[kept++] = mb->roles[i];
    mb->role_count = kept;
}

static void channel_drop_overwrite(struct channel *c, uint64_t role_id)
{
    size_t kept = 0;
    for (size_t i = 0; i < c->overwrite_count; i++)
        if (c->overwrites[i].member || c->overwrites[i].id != role_id)
            c->overwrites[kept++] = c->overwrites[i];
    c->overwrite_count = kept;
}

void model_remove_role(struct model *m, uint64_t guild_id, uint64_t id)
{
    struct guild_state *g = model_guild(m, guild_id);
    struct member *mb;
    for (size_t i = 0; g && i < g->role_count; i++)
        if (g->roles[i]->id == id) {
            role_clear(g->roles[i]);
            free(g->roles[i]);
            g->role_count--;
            for (size_t k = i; k < g->role_count; k++)
                g->roles[k] = g->roles[k + 1];
        }
    for (size_t i = 0; g && (mb = id_map_next(&g->members, &i));)
        member_drop_role(mb, id);
    for (size_t i = 0; g && i < g->channel_count; i++)
        channel_drop_overwrite(g->channels[i], id);
}

void model_remove_channel(struct model *m, uint64_t id)
{
    struct channel *c = id_map_remove(&m->channels, id);
    struct guild_state *g = c ? model_guild(m, c->guild_id) : NULL;
    for (size_t i = 0; g && i < g->channel_count; i++)
        if (g->channels[i] == c) {
            g->channel_count--;
            for (size_t k = i; k < g->channel_count; k++)
                g->channels[k] = g->channels[k + 1];
        }
    for (size_t i = 0; g && i < g->channel_count; i++)
        if (g->channels[i]->parent_id == id)
            g->channels[i]->parent_id = 0;
    if (c)
        channel_clear(c);
    free(c);
}

void model_remove_member(struct model *m, uint64_t guild_id, uint64_t user_id)
{
    struct guild_state *g = model_guild(m, guild_id);
    struct member *mb = g ? id_map_remove(&g->members, user_id) : NULL;
    if (!mb)
        return;
    account_leave(id_map_get(&m->accounts, user_id), g);
    member_clear(mb);
    free(mb);
}

void model_free_guild(struct model *m, struct guild_state *g)
{
    struct member *mb;
    for (size_t i = 0; (mb = id_map_next(&g->members, &i));) {
        account_leave(id_map_get(&m->accounts, mb->user_id), g);
        member_clear(mb);
        free(mb);
    }
    for (size_t i = 0; i < g->role_count; i++) {
        role_clear(g->roles[i]);
        free(g->roles[i]);
    }
    for (size_t i = 0; i < g->channel_count; i++) {
        id_map_remove(&m->channels, g->channels[i]->id);
        channel_clear(g->channels[i]);
        free(g->channels[i]);
    }
    id_map_free(&g->members);
    guild_clear(&g->row);
    free(g->roles);
    free(g->channels);
    free(g);
}

void model_remove_guild(struct model *m, uint64_t id)
{
    struct guild_state *g = id_map_remove(&m->guilds, id);
    if (g)
        model_free_guild(m, g);
}

void model_remove_user(struct model *m, uint64_t id)
{
    struct account *a = id_map_get(&m->accounts, id);
    struct token all = {.user_id = id};
    if (!a)
        return;
    while (a->guild_count)
        model_remove_member(m, a->guilds[0]->row.id, id);
    model_remove_token(m, &all);
    id_map_remove(&m->accounts, id);
    user_clear(&a->user);
    free(a->guilds);
    free(a->relations);
    free(a);
}

static void model_put(struct model *m, const struct store_row *r)
{
    switch (r->kind) {
    case ROW_USER:
        model_put_user(m, &r->user);
        break;
    case ROW_TOKEN:
        model_put_token(m, &r->token);
        break;
    case ROW_GUILD:
        model_put_guild(m, &r->guild);
        break;
    case ROW_ROLE:
        model_put_role(m, &r->role);
        break;
    case ROW_CHANNEL:
        model_put_channel(m, &r->channel);
        break;
    case ROW_MEMBER:
        model_put_member(m, &r->member);
        break;
    case ROW_NOTE:
        model_put_note(m, &r->note);
        break;
    }
}

void model_apply(struct model *m, const struct store_row *r)
{
    if (!r->remove) {
        model_put(m, r);
        return;
    }
    switch (r->kind) {
    case ROW_USER:
        model_remove_user(m, r->user.id);
        break;
    case ROW_TOKEN:
        model_remove_token(m, &r->token);
        break;
    case ROW_GUILD:
        model_remove_guild(m, r->guild.id);
        break;
    case ROW_ROLE:
        model_remove_role(m, r->role.guild_id, r->role.id);
        break;
    case ROW_CHANNEL:
        model_remove_channel(m, r->channel.id);
        break;
    case ROW_MEMBER:
        model_remove_member(m, r->member.guild_id, r->member.user_id);
        break;
    case ROW_NOTE:
        model_remove_note(m, &r->note);
        break;
    }
}
