/*
 * The operator's verbs on members, bans and invites.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/guilds/admin_verb.h"

#include <stdlib.h>
#include <string.h>

static json_t *member_json(const struct model *m, const struct guild_state *g, const struct member *mb)
{
    const struct user *u = model_user(m, mb->user_id);
    json_t *roles = json_array();
    for (size_t i = 0; i < mb->role_count; i++)
        json_array_append_new(roles, admin_id_json(mb->roles[i]));
    return json_pack("{s:o, s:s, s:s?, s:b, s:I, s:o}", "account", admin_id_json(mb->user_id), "name",
                     u ? u->username : "", "nick", mb->nick, "owner", (int)(g->row.owner_id == mb->user_id),
                     "joined_ms", (json_int_t)mb->joined_at_ms, "roles", roles);
}

static int member_order(const void *a, const void *b)
{
    uint64_t x = (*(const struct member *const *)a)->user_id, y = (*(const struct member *const *)b)->user_id;
    return x < y ? -1 : x > y;
}

void admin_member_list(struct admin *a)
{
    const struct guild_state *g = admin_guild(a);
    const struct member *mb;
    size_t count = 0;
    if (!g)
        return;
    const struct member **sorted = calloc(g->members.count + 1, sizeof *sorted);
    json_t *list = json_array();
    if (!sorted)
        abort();
    for (size_t i = 0; (mb = id_map_next(&g->members, &i));)
        sorted[count++] = mb;
    qsort(sorted, count, sizeof *sorted, member_order);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, member_json(a->m, g, sorted[i]));
    free(sorted);
    a->result = json_pack("{s:o}", "members", list);
    admin_finish(a);
}

/* The member named by "guild" and "account"; NULL when the verb has been answered. */
static const struct member *member_of(struct admin *a, const struct guild_state **g)
{
    const struct member *mb = (*g = admin_guild(a)) ? model_member(*g, admin_id(a, "account")) : NULL;
    if (*g && !mb)
        admin_fail(a, "is no member");
    return mb;
}

void admin_member_show(struct admin *a)
{
    const struct guild_state *g;
    const struct member *mb = member_of(a, &g);
    if (!mb)
        return;
    json_t *may = json_array();
    for (uint64_t set = model_permissions(a->m, g, NULL, mb->user_id); set; set &= set - 1)
        if (strcmp(permission_name(set), "none") != 0)
            json_array_append_new(may, json_string(permission_name(set)));
    a->result = member_json(a->m, g, mb);
    json_object_set_new(a->result, "may", may);
    json_object_set_new(a->result, "timeout_until_ms", json_integer(mb->timeout_until_ms));
    admin_finish(a);
}

void admin_member_update(struct admin *a)
{
    const struct guild_state *g;
    const struct member *mb = member_of(a, &g);
    struct member now;
    if (!mb)
        return;
    const char *nick = json_string_value(json_object_get(a->args, "nick"));
    if (!nick || strlen(nick) > 128) {
        admin_fail(a, "nick: at most 128 bytes; empty takes it away");
        return;
    }
    member_copy(&now, mb);
    free(now.nick);
    now.nick = *nick ? text_copy(nick) : NULL;
    a->change = change_begin(a->m, NULL, g->row.id);
    action_member_update(a->change, a->m, g, &now);
    json_t *result = member_json(a->m, g, &now);
    member_clear(&now);
    admin_commit(a, result);
}

void admin_member_ban(struct admin *a)
{
    const struct guild_state *g = admin_guild(a);
    const struct user *u = g ? admin_account(a) : NULL;
    if (!u)
        return;
    const char *reason = admin_text(a, "reason");
    uint64_t days = admin_id(a, "delete_days");
    if (u->id == g->row.owner_id || id_map_get(&g->bans, u->id) || (reason && strlen(reason) > 512) ||
        days > 7) {
        admin_fail(a, u->id == g->row.owner_id      ? "the owner cannot be banned"
                      : id_map_get(&g->bans, u->id) ? "is banned already"
                      : days > 7                    ? "delete_days: 0 to 7"
                                                    : "reason: at most 512 bytes");
        return;
    }
    a->change = change_begin(a->m, NULL, g->row.id);
    action_ban(a->change, a->m, g, u->id, reason);
    if (days)
        action_words_delete(a->change, g->row.id, u->id,
                            snowflake_floor(a->m->now_ms - (int64_t)days * 86400000));
    admin_commit(a,
                 json_pack("{s:o, s:o}", "guild", admin_id_json(g->row.id), "account", admin_id_json(u->id)));
}

void admin_member_unban(struct admin *a)
{
    const struct guild_state *g = admin_guild(a);
    uint64_t id = admin_id(a, "account");
    if (!g)
        return;
    if (!id_map_get(&g->bans, id)) {
        admin_fail(a, "is not banned");
        return;
    }
    a->change = change_begin(a->m, NULL, g->row.id);
    action_unban(a->change, a->m, g->row.id, id);
    admin_commit(a, json_pack("{s:o, s:o}", "guild", admin_id_json(g->row.id), "account", admin_id_json(id)));
}

void admin_member_bans(struct admin *a)
{
    const struct guild_state *g = admin_guild(a);
    const struct ban *b;
    if (!g)
        return;
    json_t *list = json_array();
    for (size_t i = 0; (b = id_map_next(&g->bans, &i));) {
        const struct user *u = model_user(a->m, b->user_id);
        json_array_append_new(list, json_pack("{s:o, s:s, s:s?}", "account", admin_id_json(b->user_id),
                                              "name", u ? u->username : "", "reason", b->reason));
    }
    a->result = json_pack("{s:o}", "bans", list);
    admin_finish(a);
}

/* ---- invites ---- */

static json_t *invite_json(const struct invite *i)
{
    char code[INVITE_CODE_MAX];
    invite_code_write(i->id, code);
    return json_pack("{s:s, s:o, s:o, s:o, s:I, s:I, s:I, s:I, s:b}", "code", code, "guild",
                     admin_id_json(i->guild_id), "channel", admin_id_json(i->channel_id), "inviter",
                     admin_id_json(i->inviter_id), "created_ms", (json_int_t)i->created_ms, "max_age",
                     (json_int_t)i->max_age_s, "max_uses", (json_int_t)i->max_uses, "uses",
                     (json_int_t)i->uses, "temporary", (int)i->temporary);
}

void admin_invite_create(struct admin *a)
{
    const struct channel *c = model_channel(a->m, admin_id(a, "channel"));
    const struct guild_state *g = c ? model_guild(a->m, c->guild_id) : NULL;
    uint64_t age = json_object_get(a->args, "max_age") ? admin_id(a, "max_age") : 86400,
             uses = admin_id(a, "max_uses");
    if (!g || c->type == CHANNEL_CATEGORY || age > 604800 || uses > 100) {
        admin_fail(a, !g                            ? "no such channel"
                      : c->type == CHANNEL_CATEGORY ? "nobody is invited to a category"
                                                    : "max_age: 0 to 604800 seconds, max_uses: 0 to 100");
        return;
    }
    struct invite now = {.id = invite_id_make(),
                         .guild_id = g->row.id,
                         .channel_id = c->id,
                         .inviter_id = g->row.owner_id,
                         .created_ms = a->m->now_ms,
                         .max_age_s = (uint32_t)age,
                         .max_uses = (uint32_t)uses,
                         .temporary = json_is_true(json_object_get(a->args, "temporary"))};
    a->change = change_begin(a->m, NULL, g->row.id);
    action_invite_create(a->change, a->m, &now);
    admin_commit(a, invite_json(&now));
}

void admin_invite_list(struct admin *a)
{
    const struct guild_state *g = admin_guild(a);
    const struct invite *i;
    if (!g)
        return;
    json_t *list = json_array();
    for (size_t at = 0; (i = id_map_next(&g->invites, &at));)
        json_array_append_new(list, invite_json(i));
    a->result = json_pack("{s:o}", "invites", list);
    admin_finish(a);
}

/* The invite named by "code"; NULL when the verb has been answered. */
static const struct invite *invite_of(struct admin *a)
{
    const char *code = admin_text(a, "code");
    const struct invite *i = code ? model_invite(a->m, code, strlen(code)) : NULL;
    if (!i)
        admin_fail(a, "no such invite");
    return i;
}

void admin_invite_show(struct admin *a)
{
    const struct invite *i = invite_of(a);
    if (!i)
        return;
    a->result = invite_json(i);
    admin_finish(a);
}

void admin_invite_delete(struct admin *a)
{
    const struct invite *i = invite_of(a);
    if (!i)
        return;
    a->change = change_begin(a->m, NULL, i->guild_id);
    action_invite_delete(a->change, a->m, i);
    admin_commit(a, invite_json(i));
}
