/*
 * The operator's verbs: one table, one function each.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/guilds/model_admin.h"

#include "controlplane/guilds/account_admin.h"
#include "controlplane/guilds/actions.h"
#include "controlplane/guilds/admin_verb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void admin_finish(struct admin *a)
{
    a->done(a->ctx, a->result);
    json_decref(a->args);
    free(a);
}

void admin_fail(struct admin *a, const char *sentence)
{
    json_decref(a->result);
    a->result = json_pack("{s:s}", "error", sentence);
    admin_finish(a);
}

static void admin_committed(void *ctx, enum store_status status, int http_status, const char *body)
{
    struct admin *a = ctx;
    if (status == STORE_OK)
        admin_finish(a);
    else
        admin_fail(a, store_status_text(status));
}

void admin_commit(struct admin *a, json_t *result)
{
    a->result = result;
    if (!change_submit(a->change, admin_committed, a))
        admin_fail(a, "the store's queue is full, try again");
}

json_t *admin_id_json(uint64_t id)
{
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)id);
    return json_string(text);
}

/* An id argument: a string of digits, or a number. */
uint64_t admin_id(const struct admin *a, const char *key)
{
    const json_t *v = json_object_get(a->args, key);
    const char *text = json_string_value(v);
    uint64_t id = (uint64_t)json_integer_value(v);
    if (text && !snowflake_parse(text, strlen(text), &id))
        return 0;
    return id;
}

const char *admin_text(const struct admin *a, const char *key)
{
    const char *text = json_string_value(json_object_get(a->args, key));
    return text && *text ? text : NULL;
}

/* The guild named by "guild", by "channel" or by an invite's "code". */
uint64_t admin_guild_id(const struct admin *a)
{
    const struct channel *c = model_channel(a->m, admin_id(a, "channel"));
    const char *code = admin_text(a, "code");
    const struct invite *i = code ? model_invite(a->m, code, strlen(code)) : NULL;
    return c ? c->guild_id : i ? i->guild_id : admin_id(a, "guild");
}

/* The guild; NULL when the verb has been answered and `a` is gone. */
struct guild_state *admin_guild(struct admin *a)
{
    struct guild_state *g = model_guild(a->m, admin_guild_id(a));
    if (!g)
        admin_fail(a, "no such guild");
    return g;
}

const struct user *admin_account(struct admin *a)
{
    const struct user *u = model_user(a->m, admin_id(a, "account"));
    if (!u)
        admin_fail(a, "no such account");
    return u;
}

bool admin_name_fits(const char *name, size_t max)
{
    return name && strlen(name) <= max;
}

static void account_create(struct admin *a)
{
    const char *name = admin_text(a, "name");
    const json_t *bot = json_object_get(a->args, "bot");
    char token[TOKEN_TEXT_MAX];
    if (!admin_name_fits(name, 128)) {
        admin_fail(a, "name: 1 to 128 bytes are needed");
        return;
    }
    a->change = change_begin(a->m, NULL, 0);
    uint64_t id = action_account_create(a->change, a->m, name, !json_is_false(bot));
    action_token_create(a->change, a->m, id, token);
    admin_commit(a, json_pack("{s:o, s:s, s:s}", "id", admin_id_json(id), "name", name, "token", token));
}

static void account_list(struct admin *a)
{
    const struct account *each;
    json_t *list = json_array();
    for (size_t i = 0; (each = id_map_next(&a->m->accounts, &i));)
        json_array_append_new(list, json_pack("{s:o, s:s, s:b, s:I}", "id", admin_id_json(each->user.id),
                                              "name", each->user.username, "bot", (int)each->user.bot,
                                              "guilds", (json_int_t)each->guild_count));
    a->result = json_pack("{s:o}", "accounts", list);
    admin_finish(a);
}

static void token_create(struct admin *a)
{
    const struct user *u = admin_account(a);
    char token[TOKEN_TEXT_MAX];
    if (!u)
        return;
    a->change = change_begin(a->m, NULL, 0);
    action_token_create(a->change, a->m, u->id, token);
    admin_commit(a, json_pack("{s:o, s:s}", "account", admin_id_json(u->id), "token", token));
}

static void token_revoke(struct admin *a)
{
    const struct user *u = admin_account(a);
    if (!u)
        return;
    a->change = change_begin(a->m, NULL, 0);
    action_tokens_revoke(a->change, u->id);
    admin_commit(a, json_pack("{s:o}", "account", admin_id_json(u->id)));
}

static void guild_create(struct admin *a)
{
    const char *name = admin_text(a, "name");
    const struct user *owner = model_user(a->m, admin_id(a, "owner"));
    if (!admin_name_fits(name, 400) || !owner) {
        admin_fail(a, owner ? "name: 1 to 400 bytes are needed" : "owner: no such account");
        return;
    }
    uint64_t id = snowflake_next(&a->m->ids, a->m->now_ms);
    a->change = change_begin(a->m, NULL, id);
    struct guild_created g = action_guild_create(a->change, a->m, id, name, owner->id);
    admin_commit(a, json_pack("{s:o, s:s, s:o, s:o}", "id", admin_id_json(id), "name", name,
                              "text_channel_id", admin_id_json(g.text_channel_id), "voice_channel_id",
                              admin_id_json(g.voice_channel_id)));
}

static void guild_delete(struct admin *a)
{
    const struct guild_state *g = admin_guild(a);
    if (!g)
        return;
    a->change = change_begin(a->m, NULL, g->row.id);
    action_guild_delete(a->change, g);
    admin_commit(a, json_pack("{s:o}", "id", admin_id_json(g->row.id)));
}

static void guild_list(struct admin *a)
{
    const struct guild_state *g;
    json_t *list = json_array();
    for (size_t i = 0; (g = id_map_next(&a->m->guilds, &i));)
        json_array_append_new(list, json_pack("{s:o, s:s, s:o, s:I, s:I}", "id", admin_id_json(g->row.id),
                                              "name", g->row.name, "owner", admin_id_json(g->row.owner_id),
                                              "members", (json_int_t)g->members.count, "channels",
                                              (json_int_t)g->channel_count));
    a->result = json_pack("{s:o}", "guilds", list);
    admin_finish(a);
}

static void guild_join(struct admin *a)
{
    const struct guild_state *g = admin_guild(a);
    const struct user *u = g ? admin_account(a) : NULL;
    if (!u)
        return;
    if (model_member(g, u->id)) {
        admin_fail(a, "is a member already");
        return;
    }
    a->change = change_begin(a->m, NULL, g->row.id);
    action_member_join(a->change, a->m, g->row.id, u->id, false);
    admin_commit(a,
                 json_pack("{s:o, s:o}", "guild", admin_id_json(g->row.id), "account", admin_id_json(u->id)));
}

static void guild_leave(struct admin *a)
{
    const struct guild_state *g = admin_guild(a);
    const struct user *u = g ? admin_account(a) : NULL;
    if (!u)
        return;
    if (!model_member(g, u->id) || g->row.owner_id == u->id) {
        admin_fail(a, model_member(g, u->id) ? "the owner cannot leave" : "is no member");
        return;
    }
    a->change = change_begin(a->m, NULL, g->row.id);
    action_member_leave(a->change, a->m, g->row.id, u->id);
    admin_commit(a,
                 json_pack("{s:o, s:o}", "guild", admin_id_json(g->row.id), "account", admin_id_json(u->id)));
}

static const struct {
    const char *name;
    enum channel_type type;
} channel_types[] = {{"text", CHANNEL_TEXT},
                     {"voice", CHANNEL_VOICE},
                     {"category", CHANNEL_CATEGORY},
                     {"announcement", CHANNEL_ANNOUNCEMENT},
                     {"stage", CHANNEL_STAGE}};
#define CHANNEL_TYPES (sizeof channel_types / sizeof *channel_types)

int admin_channel_type(const char *name)
{
    for (size_t i = 0; i < CHANNEL_TYPES; i++)
        if (name && !strcmp(channel_types[i].name, name))
            return channel_types[i].type;
    return name ? -1 : CHANNEL_TEXT;
}

const char *admin_channel_type_name(enum channel_type type)
{
    for (size_t i = 0; i < CHANNEL_TYPES; i++)
        if (channel_types[i].type == type)
            return channel_types[i].name;
    return "text";
}

static void channel_create(struct admin *a)
{
    const struct guild_state *g = admin_guild(a);
    if (!g)
        return;
    const char *name = admin_text(a, "name");
    int type = admin_channel_type(admin_text(a, "type"));
    if (!admin_name_fits(name, 400) || type < 0) {
        admin_fail(a, type < 0 ? "type: text, voice, category, announcement or stage"
                               : "name: 1 to 400 bytes are needed");
        return;
    }
    struct channel now = {.id = snowflake_next(&a->m->ids, a->m->now_ms),
                          .guild_id = g->row.id,
                          .type = (uint8_t)type,
                          .name = (char *)name,
                          .position = (uint16_t)g->channel_count,
                          .bitrate = type == CHANNEL_VOICE || type == CHANNEL_STAGE ? 64000 : 0};
    a->change = change_begin(a->m, NULL, g->row.id);
    action_channel_create(a->change, &now);
    admin_commit(a, json_pack("{s:o, s:s, s:i}", "id", admin_id_json(now.id), "name", name, "type", type));
}

static void channel_delete(struct admin *a)
{
    const struct channel *c = model_channel(a->m, admin_id(a, "channel"));
    if (!c || !c->guild_id) {
        admin_fail(a, "no such channel");
        return;
    }
    a->change = change_begin(a->m, NULL, c->guild_id);
    action_channel_delete(a->change, model_guild(a->m, c->guild_id), c);
    admin_commit(a, json_pack("{s:o}", "id", admin_id_json(c->id)));
}

static void channel_list(struct admin *a)
{
    const struct guild_state *g = admin_guild(a);
    json_t *list = json_array();
    for (size_t i = 0; g && i < g->channel_count; i++)
        json_array_append_new(list,
                              json_pack("{s:o, s:s, s:i}", "id", admin_id_json(g->channels[i]->id), "name",
                                        g->channels[i]->name, "type", (int)g->channels[i]->type));
    if (!g) {
        json_decref(list);
        return;
    }
    a->result = json_pack("{s:o}", "channels", list);
    admin_finish(a);
}

static void role_create(struct admin *a)
{
    const struct guild_state *g = admin_guild(a);
    if (!g)
        return;
    const char *name = admin_text(a, "name");
    if (!admin_name_fits(name, 400)) {
        admin_fail(a, "name: 1 to 400 bytes are needed");
        return;
    }
    struct role now = {.id = snowflake_next(&a->m->ids, a->m->now_ms),
                       .guild_id = g->row.id,
                       .name = (char *)name,
                       .permissions = admin_id(a, "permissions") & PERM_ALL,
                       .position = (uint16_t)g->role_count};
    a->change = change_begin(a->m, NULL, g->row.id);
    action_role_create(a->change, &now);
    admin_commit(a, json_pack("{s:o, s:s}", "id", admin_id_json(now.id), "name", name));
}

static void role_give(struct admin *a)
{
    const struct guild_state *g = admin_guild(a);
    if (!g)
        return;
    uint64_t role = admin_id(a, "role");
    const struct member *mb = model_member(g, admin_id(a, "account"));
    if (!mb || !model_role(g, role) || role == g->row.id) {
        admin_fail(a, mb ? "no such role" : "is no member");
        return;
    }
    struct member now;
    member_copy(&now, mb);
    if (!member_has_role(&now, role)) {
        now.roles = realloc(now.roles, (now.role_count + 1) * sizeof *now.roles);
        if (!now.roles)
            abort();
        now.roles[now.role_count++] = role;
    }
    a->change = change_begin(a->m, NULL, g->row.id);
    action_member_update(a->change, a->m, g, &now);
    member_clear(&now);
    admin_commit(a,
                 json_pack("{s:o, s:o}", "account", admin_id_json(mb->user_id), "role", admin_id_json(role)));
}

static const struct admin_verb verbs[] = {
    {{"account create", "name, [bot=true]", "makes an account; shows its token once"}, account_create},
    {{"account list", "", "lists accounts"}, account_list},
    {{"token create", "account", "makes one more token; shows it once"}, token_create},
    {{"token revoke", "account", "voids every token of the account and closes its sessions"}, token_revoke},
    {{"guild create", "name, owner", "makes a guild with a text and a voice channel"}, guild_create},
    {{"guild delete", "guild", "removes a guild with everything in it"}, guild_delete},
    {{"guild list", "", "lists guilds"}, guild_list},
    {{"guild show", "guild", "a guild with its roles and channels"}, admin_guild_show},
    {{"guild update", "guild, [name], [owner]", "renames a guild, or gives it to another member"},
     admin_guild_update},
    {{"guild export", "guild", "all of a guild but its messages"}, admin_guild_export},
    {{"guild import", "data, [owner]", "makes a guild of what was exported"}, admin_guild_import},
    {{"guild join", "guild, account", "makes the account a member"}, guild_join},
    {{"guild leave", "guild, account", "ends the membership"}, guild_leave},
    {{"channel create", "guild, name, [type=text]", "makes a channel"}, channel_create},
    {{"channel delete", "channel", "removes a channel with its messages"}, channel_delete},
    {{"channel list", "guild", "lists a guild's channels"}, channel_list},
    {{"channel show", "channel", "a channel with its overwrites"}, admin_channel_show},
    {{"channel update", "channel, [name], [topic]", "renames a channel, or sets its topic"},
     admin_channel_update},
    {{"role create", "guild, name, [permissions=0]", "makes a role"}, role_create},
    {{"role give", "guild, account, role", "gives a member a role"}, role_give},
    {{"role take", "guild, account, role", "takes a role from a member"}, admin_role_take},
    {{"role list", "guild", "lists a guild's roles"}, admin_role_list},
    {{"role show", "guild, role", "a role and who has it"}, admin_role_show},
    {{"role update", "guild, role, [name], [permissions]", "changes a role"}, admin_role_update},
    {{"role delete", "guild, role", "removes a role"}, admin_role_delete},
    {{"member list", "guild", "lists a guild's members"}, admin_member_list},
    {{"member show", "guild, account", "a member with roles and permissions"}, admin_member_show},
    {{"member update", "guild, account, [nick]", "sets a nickname"}, admin_member_update},
    {{"member kick", "guild, account", "ends the membership"}, guild_leave},
    {{"member ban", "guild, account, [reason], [delete_days=0]", "puts out and keeps out"}, admin_member_ban},
    {{"member unban", "guild, account", "ends a ban"}, admin_member_unban},
    {{"member bans", "guild", "lists who is banned"}, admin_member_bans},
    {{"invite create", "channel, [max_age=86400], [max_uses=0], [temporary]", "makes an invite"}, admin_invite_create},
    {{"invite list", "guild", "lists invites"}, admin_invite_list},
    {{"invite show", "code", "an invite"}, admin_invite_show},
    {{"invite delete", "code", "voids an invite"}, admin_invite_delete},
    {{"message list", "channel, [limit=50], [before]", "messages, newest first"}, admin_message_list},
    {{"message show", "channel, message", "a message"}, admin_message_show},
    {{"message send", "channel, account, text", "sends a message in a member's name"}, admin_message_send},
    {{"message delete", "channel, message", "removes a message"}, admin_message_delete},
    {{"store status", "", "what the store has done since the start"}, admin_store_status},
};

static void admin_run(void *ctx)
{
    struct admin *a = ctx;
    bool full;
    if (change_wait(a->m, admin_guild_id(a), admin_run, a, &full))
        return;
    if (full)
        admin_fail(a, "too many changes wait for this guild, try again");
    else
        a->verb->run(a);
}

bool admin_call(struct model *m, const char *verb, const json_t *args, admin_done_fn *done, void *ctx)
{
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        if (strcmp(verbs[i].text.verb, verb))
            continue;
        struct admin *a = calloc(1, sizeof *a);
        if (!a)
            abort();
        *a =
            (struct admin){.m = m, .verb = &verbs[i], .args = json_deep_copy(args), .done = done, .ctx = ctx};
        admin_run(a);
        return true;
    }
    return account_admin_call(m, verb, args, done, ctx);
}

const struct admin_verb_text *admin_verb_at(size_t i)
{
    size_t own = sizeof verbs / sizeof *verbs;
    return i < own ? &verbs[i].text : account_admin_verb_at(i - own);
}
