/*
 * Members. Whoever changes another must rank above them; what each field needs is in the table of
 * member_fields.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/call.h"

#include "controlplane/protocol/timestamp.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define TIMEOUT_MS_MAX (INT64_C(28) * 24 * 3600 * 1000)

static void member_reply(struct rest_call *c, uint64_t user_id)
{
    struct member_ref who;
    struct json_out body = {0};
    if (!model_member_ref(c->m, c->guild, user_id, &who)) {
        rest_unknown(c, model_user(c->m, user_id) ? 10007 : 10013);
        return;
    }
    object_member(&body, who.member, who.user);
    rest_send_out(c, 200, &body);
}

void rest_member_get(struct rest_call *c)
{
    member_reply(c, c->match.user_id);
}

static int member_order(const void *a, const void *b)
{
    uint64_t x = (*(struct member *const *)a)->user_id, y = (*(struct member *const *)b)->user_id;
    return x < y ? -1 : x > y;
}

typedef bool member_filter(const struct member_ref *who, const void *arg);

/* The first `limit` members that pass, ascending by id. */
static void members_reply(struct rest_call *c, member_filter *filter, const void *arg, uint64_t limit)
{
    const struct member **found = calloc(c->guild->members.count + 1, sizeof *found), *mb;
    struct json_out body = {0};
    struct member_ref who;
    size_t count = 0;
    if (!found)
        abort();
    for (size_t i = 0; (mb = id_map_next(&c->guild->members, &i));)
        if (model_member_ref(c->m, c->guild, mb->user_id, &who) && filter(&who, arg))
            found[count++] = mb;
    qsort(found, count, sizeof *found, member_order);
    out_list(&body);
    for (size_t i = 0; i < count && i < limit; i++)
        object_member(&body, found[i], model_user(c->m, found[i]->user_id));
    out_list_end(&body);
    free(found);
    rest_send_out(c, 200, &body);
}

static bool member_after(const struct member_ref *who, const void *arg)
{
    return who->member->user_id > *(const uint64_t *)arg;
}

static bool member_named(const struct member_ref *who, const void *arg)
{
    size_t n = strlen(arg);
    return !strncasecmp(who->user->username, arg, n) ||
           (who->member->nick && !strncasecmp(who->member->nick, arg, n)) ||
           (who->user->global_name && !strncasecmp(who->user->global_name, arg, n));
}

void rest_members_get(struct rest_call *c)
{
    uint64_t limit, after = 0;
    query_number(c, "after", &after);
    if (query_limit(c, 1, 1000, &limit))
        members_reply(c, member_after, &after, limit);
}

void rest_members_search(struct rest_call *c)
{
    uint64_t limit;
    char encoded[512], query[512];
    if (!query_limit(c, 1, 1000, &limit))
        return;
    if (!query_text(c, "query", encoded, sizeof encoded) ||
        !percent_decode(encoded, strlen(encoded), query, sizeof query)) {
        rest_invalid(c, "query", "BASE_TYPE_REQUIRED", "This field is required");
        return;
    }
    members_reply(c, member_named, query, limit);
}

/* A change to a member in the making. */
struct member_patch {
    struct member now;
    bool touched;  /* something of the row is given */
    bool self;     /* one's own */
    bool outranks; /* the asker ranks above */
    bool move;
    uint64_t move_to;
};

static bool patch_allowed(struct rest_call *c, const struct member_patch *p, uint64_t permission, bool rank)
{
    if ((c->permissions & permission) && (!rank || p->self || p->outranks))
        return true;
    rest_error(c, 403, 50013, "Missing Permissions");
    return false;
}

static bool patch_nick(struct rest_call *c, struct member_patch *p)
{
    const char *nick = NULL;
    bool given;
    if (!field_text(c, "nick", 0, 32, &nick, &given))
        return false;
    if (!given && !field_is_null(c, "nick"))
        return true;
    if (!patch_allowed(c, p, p->self ? PERM_CHANGE_NICKNAME | PERM_MANAGE_NICKNAMES : PERM_MANAGE_NICKNAMES,
                       true))
        return false;
    free(p->now.nick);
    p->now.nick = text_copy(nick && *nick ? nick : NULL);
    p->touched = true;
    return true;
}

/* Every role that comes or goes must be below the asker's highest. */
static bool roles_within_rank(struct rest_call *c, const struct member *was, const struct member *now)
{
    uint32_t rank = model_rank(c->guild, c->user_id);
    for (size_t i = 0; i < c->guild->role_count; i++) {
        const struct role *r = c->guild->roles[i];
        if (member_has_role(was, r->id) != member_has_role(now, r->id) && r->position >= rank)
            return false;
    }
    return true;
}

static bool patch_roles(struct rest_call *c, struct member_patch *p)
{
    const json_t *list = json_object_get(c->body, "roles"), *v;
    const struct member *was = model_member(c->guild, p->now.user_id);
    size_t i;
    if (!list || json_is_null(list))
        return true;
    if (!json_is_array(list)) {
        rest_invalid(c, "roles", "BASE_TYPE_LIST", "Must be a list of snowflakes.");
        return false;
    }
    if (!patch_allowed(c, p, PERM_MANAGE_ROLES, false))
        return false;
    free(p->now.roles);
    p->now.role_count = 0;
    p->now.roles = calloc(json_array_size(list) + 1, sizeof *p->now.roles);
    if (!p->now.roles)
        abort();
    json_array_foreach(list, i, v)
    {
        uint64_t id = 0;
        const char *text = json_string_value(v);
        if (!text || !snowflake_parse(text, strlen(text), &id) || !model_role(c->guild, id)) {
            rest_unknown(c, 10011);
            return false;
        }
        if (id != c->guild->row.id && !member_has_role(&p->now, id))
            p->now.roles[p->now.role_count++] = id;
    }
    if (!roles_within_rank(c, was, &p->now)) {
        rest_error(c, 403, 50013, "Missing Permissions");
        return false;
    }
    p->touched = true;
    return true;
}

static bool patch_timeout(struct rest_call *c, struct member_patch *p)
{
    const char *until = NULL;
    bool given;
    if (!field_text(c, "communication_disabled_until", 1, 40, &until, &given))
        return false;
    if (!given && !field_is_null(c, "communication_disabled_until"))
        return true;
    if (p->self || !patch_allowed(c, p, PERM_MODERATE_MEMBERS, true)) {
        if (p->self)
            rest_error(c, 403, 50013, "Missing Permissions");
        return false;
    }
    p->now.timeout_until_ms = 0;
    if (given && (!timestamp_parse(until, &p->now.timeout_until_ms) ||
                  p->now.timeout_until_ms > c->m->now_ms + TIMEOUT_MS_MAX)) {
        rest_invalid(c, "communication_disabled_until", "DATE_TIME_TYPE_PARSE",
                     "An ISO 8601 time within 28 days.");
        return false;
    }
    p->touched = true;
    return true;
}

/* The member's voice channel, or NULL after having answered that there is none. */
static const struct channel *patch_in_voice(struct rest_call *c, const struct member_patch *p)
{
    const struct rest_config *config = &c->rest->config;
    uint64_t id =
        config->voice_channel ? config->voice_channel(config->hook_ctx, c->guild->row.id, p->now.user_id) : 0;
    const struct channel *in = model_channel(c->m, id);
    if (!in)
        rest_error(c, 400, 40032, "Target user is not connected to voice.");
    return in;
}

/* mute or deaf: the permission counts in the channel where the member is. */
static bool patch_voice_flag(struct rest_call *c, struct member_patch *p, const char *key,
                             uint64_t permission, bool *flag)
{
    bool value = false, given;
    if (!field_bool(c, key, &value, &given))
        return false;
    if (!given)
        return true;
    const struct channel *in = patch_in_voice(c, p);
    if (!in)
        return false;
    if (!(model_permissions(c->m, c->guild, in, c->user_id) & permission)) {
        rest_error(c, 403, 50013, "Missing Permissions");
        return false;
    }
    *flag = value;
    p->touched = true;
    return true;
}

static bool patch_move(struct rest_call *c, struct member_patch *p)
{
    bool given;
    if (!field_id(c, "channel_id", &p->move_to, &given))
        return false;
    p->move = given || field_is_null(c, "channel_id");
    if (!p->move)
        return true;
    const struct channel *in = patch_in_voice(c, p), *to = given ? model_channel(c->m, p->move_to) : NULL;
    if (!in)
        return false;
    if (given && (!to || to->guild_id != c->guild->row.id)) {
        rest_unknown(c, 10003);
        return false;
    }
    if (to && to->type != CHANNEL_VOICE && to->type != CHANNEL_STAGE) {
        rest_error(c, 403, 50024, "Cannot execute action on this channel type");
        return false;
    }
    uint64_t here = model_permissions(c->m, c->guild, in, c->user_id);
    uint64_t there = to ? model_permissions(c->m, c->guild, to, c->user_id) : PERM_CONNECT;
    if (!(here & PERM_MOVE_MEMBERS) || !(there & PERM_CONNECT)) {
        rest_error(c, 403, 50013, "Missing Permissions");
        return false;
    }
    return true;
}

static void patch_commit(struct rest_call *c, struct member_patch *p)
{
    struct change *change = rest_change(c);
    action_member_update(change, c->m, c->guild, &p->now);
    if (p->move) {
        struct effect e = {.kind = EFFECT_VOICE,
                           .guild_id = c->guild->row.id,
                           .user_id = p->now.user_id,
                           .voice_move = true,
                           .voice_channel_id = p->move_to};
        change_effect(change, &e);
    }
    rest_commit(c, change);
}

void rest_member_patch(struct rest_call *c)
{
    const struct member *was = model_member(c->guild, c->match.user_id);
    if (!was) {
        rest_unknown(c, model_user(c->m, c->match.user_id) ? 10007 : 10013);
        return;
    }
    struct member_patch p = {.self = was->user_id == c->user_id,
                             .outranks =
                                 model_rank(c->guild, c->user_id) > model_rank(c->guild, was->user_id)};
    member_copy(&p.now, was);
    if (patch_nick(c, &p) && patch_roles(c, &p) && patch_timeout(c, &p) &&
        patch_voice_flag(c, &p, "mute", PERM_MUTE_MEMBERS, &p.now.mute) &&
        patch_voice_flag(c, &p, "deaf", PERM_DEAFEN_MEMBERS, &p.now.deaf) && patch_move(c, &p)) {
        if (p.touched || p.move)
            patch_commit(c, &p);
        else
            member_reply(c, was->user_id);
    }
    member_clear(&p.now);
}

void rest_member_self_patch(struct rest_call *c)
{
    struct member_patch p = {.self = true};
    member_copy(&p.now, model_member(c->guild, c->user_id));
    if (patch_nick(c, &p)) {
        if (p.touched)
            patch_commit(c, &p);
        else
            member_reply(c, c->user_id);
    }
    member_clear(&p.now);
}

bool rest_outranks(struct rest_call *c, uint64_t user_id)
{
    if (model_rank(c->guild, user_id) < model_rank(c->guild, c->user_id))
        return true;
    rest_error(c, 403, 50013, "Missing Permissions");
    return false;
}

/* Gives or takes the role of the path. */
static void member_role(struct rest_call *c, bool give)
{
    const struct member *was = model_member(c->guild, c->match.user_id);
    const struct role *r = model_role(c->guild, c->match.role_id);
    if (!was || !r || r->id == c->guild->row.id) {
        rest_unknown(c, was ? 10011 : model_user(c->m, c->match.user_id) ? 10007 : 10013);
        return;
    }
    if (r->position >= model_rank(c->guild, c->user_id)) {
        rest_error(c, 403, 50013, "Missing Permissions");
        return;
    }
    if (member_has_role(was, r->id) == give) {
        rest_send(c, 204, NULL);
        return;
    }
    struct member_patch p = {.self = false};
    member_copy(&p.now, was);
    p.now.role_count = 0;
    p.now.roles = realloc(p.now.roles, (was->role_count + 1) * sizeof *p.now.roles);
    if (!p.now.roles)
        abort();
    for (size_t i = 0; i < was->role_count; i++)
        if (was->roles[i] != r->id)
            p.now.roles[p.now.role_count++] = was->roles[i];
    if (give)
        p.now.roles[p.now.role_count++] = r->id;
    struct change *change = rest_change(c);
    action_member_update(change, c->m, c->guild, &p.now);
    change_reply(change, 204, NULL);
    member_clear(&p.now);
    rest_commit(c, change);
}

void rest_member_role_put(struct rest_call *c)
{
    member_role(c, true);
}

void rest_member_role_delete(struct rest_call *c)
{
    member_role(c, false);
}

void rest_member_delete(struct rest_call *c)
{
    uint64_t id = c->match.user_id;
    if (!model_member(c->guild, id)) {
        rest_unknown(c, model_user(c->m, id) ? 10007 : 10013);
        return;
    }
    if (!rest_outranks(c, id))
        return;
    struct change *change = rest_change(c);
    action_member_leave(change, c->m, c->guild->row.id, id);
    rest_commit(c, change);
}
