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

/* A channel as the store has it; what messages move in it stays. */
static void channel_renew(struct channel *have, const struct channel *c)
{
    uint64_t last = have->last_message_id;
    int64_t pin = have->last_pin_ms;
    channel_clear(have);
    channel_copy(have, c);
    if (last > have->last_message_id)
        have->last_message_id = last;
    if (pin)
        have->last_pin_ms = pin;
}

static void put_direct(struct model *m, const struct channel *c)
{
    struct account *a = id_map_get(&m->accounts, c->recipients[0]),
                   *b = id_map_get(&m->accounts, c->recipients[1]);
    struct channel *have = model_channel(m, c->id);
    if (!a || !b)
        return;
    if (!have)
        id_map_put(&m->channels, c->id, have = zeroed(sizeof *have));
    channel_renew(have, c);
    id_map_put(&a->dms, b->user.id, have);
    id_map_put(&b->dms, a->user.id, have);
}

void model_put_channel(struct model *m, const struct channel *c)
{
    struct guild_state *g = model_guild(m, c->guild_id);
    struct channel *have = model_channel(m, c->id);
    if (c->type == CHANNEL_DM)
        put_direct(m, c);
    if (!g)
        return;
    if (!have) {
        g->channels = realloc(g->channels, (g->channel_count + 1) * sizeof *g->channels);
        if (!g->channels)
            abort();
        g->channels[g->channel_count++] = have = zeroed(sizeof *have);
        id_map_put(&m->channels, c->id, have);
    }
    channel_renew(have, c);
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

void model_free_channel(struct channel *c)
{
    channel_clear(c);
    free(c);
}

static void remove_direct(struct model *m, const struct channel *c)
{
    for (size_t i = 0; i < 2; i++) {
        struct account *a = id_map_get(&m->accounts, c->recipients[i]);
        if (a)
            id_map_remove(&a->dms, c->recipients[1 - i]);
    }
}

void model_put_ban(struct model *m, const struct ban *b)
{
    struct guild_state *g = model_guild(m, b->guild_id);
    struct ban *have = g ? id_map_get(&g->bans, b->user_id) : NULL;
    if (!g)
        return;
    if (!have)
        id_map_put(&g->bans, b->user_id, have = zeroed(sizeof *have));
    ban_clear(have);
    ban_copy(have, b);
}

void model_remove_ban(struct model *m, uint64_t guild_id, uint64_t user_id)
{
    struct guild_state *g = model_guild(m, guild_id);
    struct ban *b = g ? id_map_remove(&g->bans, user_id) : NULL;
    if (b)
        ban_clear(b);
    free(b);
}

void model_put_invite(struct model *m, const struct invite *i)
{
    struct guild_state *g = model_guild(m, i->guild_id);
    struct invite *have = id_map_get(&m->invites, i->id);
    if (!g)
        return;
    if (!have) {
        id_map_put(&m->invites, i->id, have = zeroed(sizeof *have));
        id_map_put(&g->invites, i->id, have);
    }
    *have = *i;
}

void model_remove_invite(struct model *m, uint64_t id)
{
    struct invite *i = id_map_remove(&m->invites, id);
    struct guild_state *g = i ? model_guild(m, i->guild_id) : NULL;
    if (g)
        id_map_remove(&g->invites, id);
    free(i);
}

/* The invites to a channel go with it. */
static void channel_drop_invites(struct model *m, const struct guild_state *g, uint64_t channel_id)
{
    uint64_t found = 1;
    while (found) {
        const struct invite *i;
        found = 0;
        for (size_t at = 0; !found && (i = id_map_next(&g->invites, &at));)
            found = i->channel_id == channel_id ? i->id : 0;
        if (found)
            model_remove_invite(m, found);
    }
}

void model_remove_channel(struct model *m, uint64_t id)
{
    struct channel *c = id_map_remove(&m->channels, id);
    struct guild_state *g = c ? model_guild(m, c->guild_id) : NULL;
    if (c && !g)
        remove_direct(m, c);
    if (g)
        channel_drop_invites(m, g, id);
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
        model_free_channel(c);
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
    struct ban *b;
    for (size_t i = 0; (b = id_map_next(&g->bans, &i));) {
        ban_clear(b);
        free(b);
    }
    const struct invite *v;
    for (size_t i = 0; (v = id_map_next(&g->invites, &i));)
        free(id_map_remove(&m->invites, v->id));
    id_map_free(&g->bans);
    id_map_free(&g->invites);
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
    const struct channel *direct;
    for (size_t i = 0; (direct = id_map_next(&a->dms, &i)); i = 0)
        model_remove_channel(m, direct->id);
    id_map_free(&a->dms);
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
    case ROW_BAN:
        model_put_ban(m, &r->ban);
        break;
    case ROW_INVITE:
        model_put_invite(m, &r->invite);
        break;
    case ROW_WORDS:
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
    case ROW_BAN:
        model_remove_ban(m, r->ban.guild_id, r->ban.user_id);
        break;
    case ROW_INVITE:
        model_remove_invite(m, r->invite.id);
        break;
    case ROW_WORDS: /* messages are not in the model */
        break;
    }
}
