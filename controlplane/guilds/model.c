/*
 * The model's maps and lists, and what can be asked of them.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/guilds/model.h"

#include "controlplane/guilds/change.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *zeroed(size_t size)
{
    void *p = calloc(1, size);
    if (!p)
        abort();
    return p;
}

const struct account *model_account(const struct model *m, uint64_t id)
{
    return id_map_get(&m->accounts, id);
}

const struct user *model_user(const struct model *m, uint64_t id)
{
    const struct account *a = model_account(m, id);
    return a ? &a->user : NULL;
}

struct guild_state *model_guild(const struct model *m, uint64_t id)
{
    return id_map_get(&m->guilds, id);
}

struct channel *model_channel(const struct model *m, uint64_t id)
{
    return id_map_get(&m->channels, id);
}

struct member *model_member(const struct guild_state *g, uint64_t user_id)
{
    return id_map_get(&g->members, user_id);
}

struct role *model_role(const struct guild_state *g, uint64_t id)
{
    for (size_t i = 0; i < g->role_count; i++)
        if (g->roles[i]->id == id)
            return g->roles[i];
    return NULL;
}

uint64_t model_permissions(const struct model *m, const struct guild_state *g, const struct channel *c,
                           uint64_t user_id)
{
    const struct member *mb = model_member(g, user_id);
    uint64_t granted = 0;
    if (!mb)
        return 0;
    for (size_t i = 0; i < g->role_count; i++)
        if (g->roles[i]->id == g->row.id || member_has_role(mb, g->roles[i]->id))
            granted |= g->roles[i]->permissions;
    uint64_t p = permissions_base(g->row.owner_id == user_id, granted);
    if (c)
        p = permissions_implied(permissions_in_channel(p, c, g->row.id, mb));
    if (mb->timeout_until_ms > m->now_ms && !(p & PERM_ADMINISTRATOR))
        p &= PERM_TIMEOUT;
    return p;
}

uint64_t model_channel_permissions(const struct model *m, const struct channel *c, uint64_t user_id)
{
    const struct guild_state *g = model_guild(m, c->guild_id);
    if (g)
        return model_permissions(m, g, c, user_id);
    return channel_has_recipient(c, user_id) ? PERM_DIRECT : 0;
}

bool channel_has_recipient(const struct channel *c, uint64_t user_id)
{
    return !c->guild_id && (c->recipients[0] == user_id || c->recipients[1] == user_id);
}

struct channel *model_dm(const struct model *m, uint64_t a, uint64_t b)
{
    const struct account *of = model_account(m, a);
    return of ? id_map_get(&of->dms, b) : NULL;
}

struct invite *model_invite(const struct model *m, const char *code, size_t length)
{
    uint64_t id;
    struct invite *i = invite_code_read(code, length, &id) ? id_map_get(&m->invites, id) : NULL;
    if (!i || (i->max_age_s && i->created_ms + INT64_C(1000) * i->max_age_s <= m->now_ms))
        return NULL;
    return i;
}

uint32_t model_rank(const struct guild_state *g, uint64_t user_id)
{
    const struct member *mb = model_member(g, user_id);
    uint32_t rank = 0;
    if (g->row.owner_id == user_id)
        return UINT32_MAX;
    for (size_t i = 0; mb && i < g->role_count; i++)
        if (member_has_role(mb, g->roles[i]->id) && g->roles[i]->position > rank)
            rank = g->roles[i]->position;
    return rank;
}

bool model_member_ref(const struct model *m, const struct guild_state *g, uint64_t user_id,
                      struct member_ref *ref)
{
    *ref = (struct member_ref){model_member(g, user_id), model_user(m, user_id)};
    return ref->member && ref->user;
}

void model_message_full(const struct model *m, const struct message_view *v, struct message_full *full)
{
    const struct channel *c = model_channel(m, v->message.channel_id);
    const struct guild_state *g = c ? model_guild(m, c->guild_id) : NULL;
    const struct user **mentions = NULL;
    *full = (struct message_full){.view = v,
                                  .author = model_user(m, v->message.author_id),
                                  .member = g ? model_member(g, v->message.author_id) : NULL,
                                  .guild_id = g ? g->row.id : 0,
                                  .channel_type = c ? c->type : CHANNEL_TEXT,
                                  .files_url = m->files_url ? m->files_url : ""};
    if (v->referenced)
        full->referenced_author = model_user(m, v->referenced->author_id);
    for (const char *at = v->message.mentions; at && *at;) {
        size_t n = strcspn(at, ",");
        uint64_t id;
        const struct user *u = snowflake_parse(at, n, &id) ? model_user(m, id) : NULL;
        if (u) {
            mentions = realloc(mentions, (full->mention_count + 1) * sizeof *mentions);
            if (!mentions)
                abort();
            mentions[full->mention_count++] = u;
        }
        at += n + (at[n] == ',');
    }
    full->mentions = mentions;
}

/* Loading: the store's rows, parents first. */
static void load_user(void *m, const struct user *u)
{
    model_put_user(m, u);
}

static void load_token(void *m, const struct token *t)
{
    model_put_token(m, t);
}

static void load_guild(void *m, const struct guild *g)
{
    model_put_guild(m, g);
}

static void load_role(void *m, const struct role *r)
{
    model_put_role(m, r);
}

static void load_channel(void *m, const struct channel *c)
{
    model_put_channel(m, c);
}

static void load_member(void *m, const struct member *mb)
{
    model_put_member(m, mb);
}

static void load_note(void *m, const struct note *n)
{
    model_put_note(m, n);
}

static void load_ban(void *m, const struct ban *b)
{
    model_put_ban(m, b);
}

static void load_invite(void *m, const struct invite *i)
{
    model_put_invite(m, i);
}

static void load_request(void *ctx, const struct request_key *k)
{
    struct model *m = ctx;
    if ((m->answered_count & (m->answered_count - 1)) == 0) {
        m->answered = realloc(m->answered, (m->answered_count ? m->answered_count * 2 : 1) * sizeof *k);
        if (!m->answered)
            abort();
    }
    m->answered[m->answered_count++] = *k;
}

static int key_order(const void *a, const void *b)
{
    const struct request_key *x = a, *y = b;
    int boot = memcmp(x->boot, y->boot, sizeof x->boot);
    if (boot)
        return boot;
    if (x->worker != y->worker)
        return x->worker < y->worker ? -1 : 1;
    return x->entry < y->entry ? -1 : x->entry > y->entry;
}

bool model_answered(const struct model *m, const struct request_key *k)
{
    return m->answered_count && bsearch(k, m->answered, m->answered_count, sizeof *k, key_order);
}

struct model *model_open(struct store *s, uint32_t worker, uint32_t process, int64_t now_ms, char *error,
                         size_t size)
{
    struct model *m = zeroed(sizeof *m);
    const struct store_loader loader = {m,         load_user,    load_token,   load_guild,
                                        load_role, load_channel, load_request, load_member,
                                        load_note, load_ban,     load_invite};
    uint64_t highest = 0;
    m->now_ms = now_ms;
    enum store_status status = store_load(s, &loader, &highest);
    m->store = s;
    if (status != STORE_OK) {
        snprintf(error, size, "cannot load the store: %s", store_status_text(status));
        m->store = NULL; /* still the caller's */
        model_close(m);
        return NULL;
    }
    if (m->answered_count)
        qsort(m->answered, m->answered_count, sizeof *m->answered, key_order);
    snowflake_seed(&m->ids, worker, process, highest);
    return m;
}

void model_close(struct model *m)
{
    struct guild_state *g;
    struct account *a;
    struct channel *c;
    if (m->store)
        store_close(m->store);
    for (size_t i = 0; (g = id_map_next(&m->guilds, &i));)
        model_free_guild(m, g);
    for (size_t i = 0; (c = id_map_next(&m->channels, &i));)
        model_free_channel(c); /* guilds have taken theirs along */
    for (size_t i = 0; (a = id_map_next(&m->accounts, &i));) {
        user_clear(&a->user);
        id_map_free(&a->dms);
        free(a->guilds);
        free(a->relations);
        free(a);
    }
    id_map_free(&m->invites);
    id_map_free(&m->changing);
    id_map_free(&m->guilds);
    id_map_free(&m->channels);
    id_map_free(&m->accounts);
    free(m->tokens);
    OPENSSL_cleanse(m->token_key, sizeof m->token_key);
    free(m->answered);
    change_forget(m);
    free(m);
}
