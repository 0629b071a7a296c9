/*
 * Rows of the model: put whole, removed with what hangs on them, and loaded at start.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/store/db.h"

#include <stdlib.h>
#include <string.h>

#define I(value) ((int64_t)(value))

static int put_channel(struct db *d, const struct channel *c)
{
    int rc = db_run(d, DB_CHANNEL_PUT, "iiiittiiiiiii", c->id, c->guild_id, c->parent_id, I(c->type), c->name,
                    c->topic, I(c->position), I(c->nsfw), I(c->bitrate), I(c->user_limit),
                    I(c->rate_limit_per_user), c->recipients[0], c->recipients[1]);
    if (rc == SQLITE_OK)
        rc = db_run(d, DB_OVERWRITES_DROP, "i", c->id);
    for (size_t i = 0; rc == SQLITE_OK && i < c->overwrite_count; i++) {
        const struct overwrite *o = &c->overwrites[i];
        rc = db_run(d, DB_OVERWRITE_PUT, "iiiii", c->id, o->id, I(o->member), o->allow, o->deny);
    }
    return rc;
}

static int put_member(struct db *d, const struct member *m)
{
    int rc = db_run(d, DB_MEMBER_PUT, "iitiiiii", m->guild_id, m->user_id, m->nick, m->joined_at_ms,
                    m->timeout_until_ms, I(m->deaf), I(m->mute), I(m->temporary));
    if (rc == SQLITE_OK)
        rc = db_run(d, DB_MEMBER_ROLES_DROP, "ii", m->guild_id, m->user_id);
    for (size_t i = 0; rc == SQLITE_OK && i < m->role_count; i++)
        rc = db_run(d, DB_MEMBER_ROLE_PUT, "iii", m->guild_id, m->user_id, m->roles[i]);
    return rc;
}

int db_put_row(struct db *d, const struct store_row *r)
{
    const struct user *u = &r->user;
    const struct guild *g = &r->guild;
    const struct role *o = &r->role;
    const struct invite *i = &r->invite;
    switch (r->kind) {
    case ROW_USER:
        return db_run(d, DB_USER_PUT, "itttii", u->id, u->username, u->global_name, u->avatar, I(u->flags),
                      I(u->bot));
    case ROW_TOKEN:
        return db_run(d, DB_TOKEN_PUT, "bii", (const void *)r->token.hash, (int)sizeof r->token.hash,
                      r->token.user_id, r->token.created_ms);
    case ROW_GUILD:
        return db_run(d, DB_GUILD_PUT, "iitttiii", g->id, g->owner_id, g->name, g->icon, g->description,
                      g->afk_channel_id, I(g->afk_timeout), g->system_channel_id);
    case ROW_ROLE:
        return db_run(d, DB_ROLE_PUT, "iitiiiiii", o->id, o->guild_id, o->name, o->permissions, I(o->color),
                      I(o->position), I(o->hoist), I(o->managed), I(o->mentionable));
    case ROW_CHANNEL:
        return put_channel(d, &r->channel);
    case ROW_NOTE:
        return note_put(d->handle, &r->note);
    case ROW_BAN:
        return db_run(d, DB_BAN_PUT, "iit", r->ban.guild_id, r->ban.user_id, r->ban.reason);
    case ROW_INVITE:
        return db_run(d, DB_INVITE_PUT, "iiiiiiiii", i->id, i->guild_id, i->channel_id, i->inviter_id,
                      i->created_ms, I(i->max_age_s), I(i->max_uses), I(i->uses), I(i->temporary));
    default:
        return put_member(d, &r->member);
    }
}

static int drop_channel(struct db *d, uint64_t id)
{
    static const enum db_statement drops[] = {
        DB_CHANNEL_REACTIONS_DROP, DB_CHANNEL_MESSAGES_DROP, DB_CHANNEL_FILES_DROP, DB_CHANNEL_PINS_DROP,
        DB_CHANNEL_INVITES_DROP,   DB_OVERWRITES_DROP,       DB_CHANNEL_DROP};
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof drops / sizeof *drops; i++)
        rc = db_run(d, drops[i], "i", id);
    return rc;
}

static int drop_guild(struct db *d, uint64_t id)
{
    static const enum db_statement drops[] = {DB_GUILD_ROLES_DROP,        DB_GUILD_MEMBERS_DROP,
                                              DB_GUILD_MEMBER_ROLES_DROP, DB_GUILD_BANS_DROP,
                                              DB_GUILD_INVITES_DROP,      DB_GUILD_DROP};
    uint64_t channel = 1;
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK && channel) {
        sqlite3_stmt *s = db_bind(d, DB_GUILD_CHANNELS, "i", id);
        if (!s)
            return sqlite3_extended_errcode(d->handle);
        rc = sqlite3_step(s);
        channel = rc == SQLITE_ROW ? db_u64(s, 0) : 0;
        rc = db_end(s, rc);
        if (rc == SQLITE_OK && channel)
            rc = drop_channel(d, channel);
    }
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof drops / sizeof *drops; i++)
        rc = db_run(d, drops[i], "i", id);
    return rc;
}

static int drop_role(struct db *d, const struct role *r)
{
    int rc = db_run(d, DB_ROLE_MEMBERS_DROP, "ii", r->guild_id, r->id);
    if (rc == SQLITE_OK)
        rc = db_run(d, DB_ROLE_OVERWRITES_DROP, "i", r->id);
    return rc == SQLITE_OK ? db_run(d, DB_ROLE_DROP, "i", r->id) : rc;
}

static int drop_member(struct db *d, const struct member *m)
{
    int rc = db_run(d, DB_MEMBER_ROLES_DROP, "ii", m->guild_id, m->user_id);
    return rc == SQLITE_OK ? db_run(d, DB_MEMBER_DROP, "ii", m->guild_id, m->user_id) : rc;
}

/* One token by its hash, or with a hash of zeros all of the user's. */
static int drop_token(struct db *d, const struct token *t)
{
    static const uint8_t all[sizeof t->hash];
    if (!memcmp(t->hash, all, sizeof all))
        return db_run(d, DB_TOKENS_DROP, "i", t->user_id);
    return db_run(d, DB_TOKEN_DROP, "b", (const void *)t->hash, (int)sizeof t->hash);
}

int db_remove_row(struct db *d, const struct store_row *r)
{
    switch (r->kind) {
    case ROW_USER:
        return db_run(d, DB_USER_DROP, "i", r->user.id);
    case ROW_TOKEN:
        return drop_token(d, &r->token);
    case ROW_GUILD:
        return drop_guild(d, r->guild.id);
    case ROW_ROLE:
        return drop_role(d, &r->role);
    case ROW_CHANNEL:
        return drop_channel(d, r->channel.id);
    case ROW_NOTE:
        return note_remove(d->handle, &r->note);
    case ROW_BAN:
        return db_run(d, DB_BAN_DROP, "ii", r->ban.guild_id, r->ban.user_id);
    case ROW_INVITE:
        return db_run(d, DB_INVITE_DROP, "i", r->invite.id);
    default:
        return drop_member(d, &r->member);
    }
}

struct load {
    struct db *d;
    const struct store_loader *to;
    uint64_t highest_id;
};

static void load_seen(struct load *l, uint64_t id)
{
    if (id > l->highest_id)
        l->highest_id = id;
}

static int load_user(struct load *l, sqlite3_stmt *s)
{
    struct user u = {.id = db_u64(s, 0),
                     .username = db_text(s, 1),
                     .global_name = db_text(s, 2),
                     .avatar = db_text(s, 3),
                     .flags = (uint32_t)db_u64(s, 4),
                     .bot = sqlite3_column_int(s, 5)};
    load_seen(l, u.id);
    l->to->user(l->to->ctx, &u);
    user_clear(&u);
    return SQLITE_OK;
}

static int load_token(struct load *l, sqlite3_stmt *s)
{
    struct token t = {.user_id = db_u64(s, 1), .created_ms = sqlite3_column_int64(s, 2)};
    if (sqlite3_column_bytes(s, 0) != (int)sizeof t.hash)
        return SQLITE_CORRUPT;
    memcpy(t.hash, sqlite3_column_blob(s, 0), sizeof t.hash);
    l->to->token(l->to->ctx, &t);
    return SQLITE_OK;
}

static int load_guild(struct load *l, sqlite3_stmt *s)
{
    struct guild g = {.id = db_u64(s, 0),
                      .owner_id = db_u64(s, 1),
                      .name = db_text(s, 2),
                      .icon = db_text(s, 3),
                      .description = db_text(s, 4),
                      .afk_channel_id = db_u64(s, 5),
                      .afk_timeout = (uint32_t)db_u64(s, 6),
                      .system_channel_id = db_u64(s, 7)};
    load_seen(l, g.id);
    l->to->guild(l->to->ctx, &g);
    guild_clear(&g);
    return SQLITE_OK;
}

static int load_role(struct load *l, sqlite3_stmt *s)
{
    struct role r = {.id = db_u64(s, 0),
                     .guild_id = db_u64(s, 1),
                     .name = db_text(s, 2),
                     .permissions = db_u64(s, 3),
                     .color = (uint32_t)db_u64(s, 4),
                     .position = (uint16_t)db_u64(s, 5),
                     .hoist = sqlite3_column_int(s, 6),
                     .managed = sqlite3_column_int(s, 7),
                     .mentionable = sqlite3_column_int(s, 8)};
    load_seen(l, r.id);
    l->to->role(l->to->ctx, &r);
    role_clear(&r);
    return SQLITE_OK;
}

static int load_overwrites(struct load *l, struct channel *c)
{
    sqlite3_stmt *s = db_bind(l->d, DB_LOAD_OVERWRITES, "i", c->id);
    int rc = s ? SQLITE_DONE : sqlite3_extended_errcode(l->d->handle);
    while (s && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        c->overwrites = realloc(c->overwrites, (c->overwrite_count + 1) * sizeof *c->overwrites);
        if (!c->overwrites)
            abort();
        c->overwrites[c->overwrite_count++] = (struct overwrite){.id = db_u64(s, 0),
                                                                 .member = sqlite3_column_int(s, 1),
                                                                 .allow = db_u64(s, 2),
                                                                 .deny = db_u64(s, 3)};
    }
    return db_end(s, rc);
}

static int load_last_message(struct load *l, struct channel *c)
{
    sqlite3_stmt *s = db_bind(l->d, DB_LAST_MESSAGE, "i", c->id);
    int rc = s ? sqlite3_step(s) : sqlite3_extended_errcode(l->d->handle);
    if (rc == SQLITE_ROW)
        c->last_message_id = db_u64(s, 0);
    load_seen(l, c->last_message_id);
    rc = db_end(s, rc);
    if (db_status(rc) == STORE_CORRUPT) /* damaged messages keep nobody from a call: reading them says so */
        return SQLITE_OK;
    if (rc != SQLITE_OK)
        return rc;
    s = db_bind(l->d, DB_LAST_PIN, "i", c->id);
    rc = s ? sqlite3_step(s) : sqlite3_extended_errcode(l->d->handle);
    if (rc == SQLITE_ROW)
        c->last_pin_ms = sqlite3_column_int64(s, 0);
    return db_end(s, rc);
}

static int load_channel(struct load *l, sqlite3_stmt *s)
{
    struct channel c = {.id = db_u64(s, 0),
                        .guild_id = db_u64(s, 1),
                        .parent_id = db_u64(s, 2),
                        .type = (uint8_t)db_u64(s, 3),
                        .name = db_text(s, 4),
                        .topic = db_text(s, 5),
                        .position = (uint16_t)db_u64(s, 6),
                        .nsfw = sqlite3_column_int(s, 7),
                        .bitrate = (uint32_t)db_u64(s, 8),
                        .user_limit = (uint16_t)db_u64(s, 9),
                        .rate_limit_per_user = (uint32_t)db_u64(s, 10),
                        .recipients = {db_u64(s, 11), db_u64(s, 12)}};
    load_seen(l, c.id);
    int rc = load_overwrites(l, &c);
    if (rc == SQLITE_OK)
        rc = load_last_message(l, &c);
    if (rc == SQLITE_OK)
        l->to->channel(l->to->ctx, &c);
    channel_clear(&c);
    return rc;
}

static int load_member(struct load *l, sqlite3_stmt *s)
{
    struct member m = {.guild_id = db_u64(s, 0),
                       .user_id = db_u64(s, 1),
                       .nick = db_text(s, 2),
                       .joined_at_ms = sqlite3_column_int64(s, 3),
                       .timeout_until_ms = sqlite3_column_int64(s, 4),
                       .deaf = sqlite3_column_int(s, 5),
                       .mute = sqlite3_column_int(s, 6),
                       .temporary = sqlite3_column_int(s, 7)};
    sqlite3_stmt *r = db_bind(l->d, DB_LOAD_MEMBER_ROLES, "ii", m.guild_id, m.user_id);
    int rc = r ? SQLITE_DONE : sqlite3_extended_errcode(l->d->handle);
    while (r && (rc = sqlite3_step(r)) == SQLITE_ROW) {
        m.roles = realloc(m.roles, (m.role_count + 1) * sizeof *m.roles);
        if (!m.roles)
            abort();
        m.roles[m.role_count++] = db_u64(r, 0);
    }
    rc = db_end(r, rc);
    if (rc == SQLITE_OK)
        l->to->member(l->to->ctx, &m);
    member_clear(&m);
    return rc;
}

static int load_ban(struct load *l, sqlite3_stmt *s)
{
    struct ban b = {.guild_id = db_u64(s, 0), .user_id = db_u64(s, 1), .reason = db_text(s, 2)};
    l->to->ban(l->to->ctx, &b);
    ban_clear(&b);
    return SQLITE_OK;
}

static int load_invite(struct load *l, sqlite3_stmt *s)
{
    struct invite i = {.id = db_u64(s, 0),
                       .guild_id = db_u64(s, 1),
                       .channel_id = db_u64(s, 2),
                       .inviter_id = db_u64(s, 3),
                       .created_ms = sqlite3_column_int64(s, 4),
                       .max_age_s = (uint32_t)db_u64(s, 5),
                       .max_uses = (uint32_t)db_u64(s, 6),
                       .uses = (uint32_t)db_u64(s, 7),
                       .temporary = sqlite3_column_int(s, 8)};
    l->to->invite(l->to->ctx, &i);
    return SQLITE_OK;
}

bool db_request_key(sqlite3_stmt *s, struct request_key *k)
{
    *k = (struct request_key){.worker = (uint32_t)db_u64(s, 1), .entry = db_u64(s, 2)};
    if (sqlite3_column_bytes(s, 0) != (int)sizeof k->boot)
        return false;
    memcpy(k->boot, sqlite3_column_blob(s, 0), sizeof k->boot);
    return true;
}

static int load_request(struct load *l, sqlite3_stmt *s)
{
    struct request_key k;
    if (!db_request_key(s, &k))
        return SQLITE_CORRUPT;
    l->to->request(l->to->ctx, &k);
    return SQLITE_OK;
}

int db_load(struct db *d, const struct store_loader *to, uint64_t *highest_id)
{
    static const struct {
        enum db_statement statement;
        int (*each)(struct load *l, sqlite3_stmt *s);
    } steps[] = {
        {DB_LOAD_USERS, load_user}, {DB_LOAD_TOKENS, load_token},     {DB_LOAD_GUILDS, load_guild},
        {DB_LOAD_ROLES, load_role}, {DB_LOAD_CHANNELS, load_channel}, {DB_LOAD_MEMBERS, load_member},
        {DB_LOAD_BANS, load_ban},   {DB_LOAD_INVITES, load_invite},   {DB_LOAD_REQUESTS, load_request}};
    struct load l = {d, to, 0};
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof steps / sizeof *steps; i++) {
        sqlite3_stmt *s = db_bind(d, steps[i].statement, "");
        rc = s ? SQLITE_DONE : sqlite3_extended_errcode(d->handle);
        int each = SQLITE_OK;
        while (s && each == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW)
            each = steps[i].each(&l, s);
        rc = db_end(s, rc);
        if (rc == SQLITE_OK)
            rc = each;
    }
    *highest_id = l.highest_id;
    return rc == SQLITE_OK ? notes_load(d->handle, to) : rc;
}
