/*
 * Bans, invites, and who writes to whom directly.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/call.h"

#include <stdlib.h>
#include <string.h>

#define BULK_BANS_MAX    200
#define INVITES_MAX      1000 /* of a guild */
#define MAX_AGE_S        604800
#define MAX_USES         100
#define MAX_AGE_S_USUAL  86400
#define DAY_S            86400
#define DELETE_SECONDS_S (7 * DAY_S)

/* ---- bans ---- */

static void ban_out(struct json_out *o, const struct rest_call *c, const struct ban *b)
{
    const struct user *u = model_user(c->m, b->user_id);
    struct user gone = {.id = b->user_id, .username = (char *)"deleted"};
    out_object(o);
    out_field_string(o, "reason", b->reason);
    out_key(o, "user");
    object_user(o, u ? u : &gone);
    out_object_end(o);
}

static int ban_order(const void *a, const void *b)
{
    uint64_t x = (*(const struct ban *const *)a)->user_id, y = (*(const struct ban *const *)b)->user_id;
    return x < y ? -1 : x > y;
}

/* Ascending by id; those before an id are the nearest to it. */
void rest_bans_get(struct rest_call *c)
{
    const struct ban **list = calloc(c->guild->bans.count + 1, sizeof *list), *b;
    uint64_t limit, before = UINT64_MAX, after = 0;
    struct json_out body = {0};
    size_t count = 0;
    if (!list)
        abort();
    if (!query_limit(c, 1000, 1000, &limit)) {
        free(list);
        return;
    }
    bool backwards = query_number(c, "before", &before);
    query_number(c, "after", &after);
    for (size_t i = 0; (b = id_map_next(&c->guild->bans, &i));)
        if (b->user_id > after && b->user_id < before)
            list[count++] = b;
    qsort(list, count, sizeof *list, ban_order);
    size_t first = backwards && count > limit ? count - limit : 0;
    out_list(&body);
    for (size_t i = first; i < count && i < first + limit; i++)
        ban_out(&body, c, list[i]);
    out_list_end(&body);
    free(list);
    rest_send_out(c, 200, &body);
}

void rest_ban_get(struct rest_call *c)
{
    const struct ban *b = id_map_get(&c->guild->bans, c->match.user_id);
    struct json_out body = {0};
    if (!b) {
        rest_unknown(c, 10026);
        return;
    }
    ban_out(&body, c, b);
    rest_send_out(c, 200, &body);
}

/* From which id on the banned one's messages go; 0: they stay. False when it has answered. */
static bool deletion(struct rest_call *c, uint64_t *since_id)
{
    int64_t seconds = 0, days = 0;
    if (!field_int(c, "delete_message_seconds", 0, DELETE_SECONDS_S, &seconds, NULL) ||
        !field_int(c, "delete_message_days", 0, 7, &days, NULL))
        return false;
    seconds = seconds ? seconds : days * DAY_S;
    *since_id = seconds ? snowflake_floor(c->m->now_ms - 1000 * seconds) : 0;
    return true;
}

static void ban(struct rest_call *c, struct change *change, uint64_t id, const char *reason,
                uint64_t since_id)
{
    action_ban(change, c->m, c->guild, id, reason);
    if (since_id)
        action_words_delete(change, c->guild->row.id, id, since_id);
}

void rest_ban_put(struct rest_call *c)
{
    uint64_t id = c->match.user_id;
    const char *reason = c->reason;
    uint64_t since_id;
    if (!deletion(c, &since_id) || !field_text(c, "reason", 0, 512, &reason, NULL))
        return;
    if (!model_user(c->m, id)) {
        rest_unknown(c, 10013);
        return;
    }
    if (!rest_outranks(c, id))
        return;
    if (id_map_get(&c->guild->bans, id)) {
        rest_send(c, 204, NULL);
        return;
    }
    struct change *change = rest_change(c);
    ban(c, change, id, reason, since_id);
    rest_commit(c, change);
}

void rest_ban_delete(struct rest_call *c)
{
    if (!id_map_get(&c->guild->bans, c->match.user_id)) {
        rest_unknown(c, 10026);
        return;
    }
    struct change *change = rest_change(c);
    action_unban(change, c->m, c->guild->row.id, c->match.user_id);
    rest_commit(c, change);
}

static bool bannable(const struct rest_call *c, uint64_t id)
{
    return model_user(c->m, id) && !id_map_get(&c->guild->bans, id) &&
           model_rank(c->guild, id) < model_rank(c->guild, c->user_id);
}

/* The ids of "user_ids", each once; NULL when it has answered. */
static uint64_t *bulk_ids(struct rest_call *c, size_t *count)
{
    const json_t *list = json_object_get(c->body, "user_ids"), *v;
    size_t i, n = json_array_size(list);
    uint64_t *ids = calloc(n + 1, sizeof *ids);
    if (!ids)
        abort();
    *count = 0;
    bool sound = n >= 1 && n <= BULK_BANS_MAX;
    json_array_foreach(list, i, v)
    {
        uint64_t id;
        size_t k = 0;
        const char *text = json_string_value(v);
        sound &= text && snowflake_parse(text, strlen(text), &id) && id <= INT64_MAX;
        if (!sound)
            break;
        while (k < *count && ids[k] != id)
            k++;
        if (k == *count)
            ids[(*count)++] = id;
    }
    if (sound)
        return ids;
    rest_invalid(c, "user_ids", "BASE_TYPE_BAD_LENGTH", "Must be a list of 1 to 200 snowflakes.");
    free(ids);
    return NULL;
}

static void ids_out(struct json_out *o, const char *key, const uint64_t *ids, size_t count)
{
    out_key(o, key);
    out_list(o);
    for (size_t i = 0; i < count; i++)
        out_id(o, ids[i]);
    out_list_end(o);
}

void rest_bans_post(struct rest_call *c)
{
    size_t count, banned = 0;
    uint64_t since_id, *ids = deletion(c, &since_id) ? bulk_ids(c, &count) : NULL;
    struct json_out body = {0};
    if (!ids)
        return;
    struct change *change = rest_change(c);
    for (size_t i = 0; i < count; i++) {
        uint64_t id = ids[i];
        if (!bannable(c, id))
            continue;
        ban(c, change, id, c->reason, since_id);
        ids[i] = ids[banned];
        ids[banned++] = id;
    }
    if (!banned) {
        change_abandon(change);
        free(ids);
        rest_error(c, 500, 500000, "Failed to ban users");
        return;
    }
    out_object(&body);
    ids_out(&body, "banned_users", ids, banned);
    ids_out(&body, "failed_users", ids + banned, count - banned);
    out_object_end(&body);
    char *reply = json_out_take(&body);
    change_reply(change, 200, reply);
    free(reply);
    free(ids);
    rest_commit(c, change);
}

/* ---- invites ---- */

/* One that is as asked for and was made by the asker; NULL: none. */
static const struct invite *invite_alike(const struct rest_call *c, const struct invite *want)
{
    const struct invite *i;
    for (size_t at = 0; (i = id_map_next(&c->guild->invites, &at));)
        if (i->channel_id == want->channel_id && i->inviter_id == want->inviter_id &&
            i->max_age_s == want->max_age_s && i->max_uses == want->max_uses && !i->uses &&
            i->temporary == want->temporary &&
            (!i->max_age_s || i->created_ms + INT64_C(500) * i->max_age_s > c->m->now_ms))
            return i;
    return NULL;
}

static void invite_reply(struct rest_call *c, const struct invite *i, uint64_t online)
{
    struct json_out body = {0};
    object_invite(&body, c->m, i, online);
    rest_send_out(c, 200, &body);
}

/* Room for one more: invites that hold no longer go. False when it has answered. */
static bool invite_room(struct rest_call *c, struct change *change)
{
    const struct invite *i;
    size_t live = 0;
    for (size_t at = 0; (i = id_map_next(&c->guild->invites, &at));) {
        if (i->max_age_s && i->created_ms + INT64_C(1000) * i->max_age_s <= c->m->now_ms)
            action_invite_delete(change, c->m, i);
        else
            live++;
    }
    if (live < INVITES_MAX)
        return true;
    change_abandon(change);
    rest_error(c, 400, 30016, "Maximum number of invites reached (1000)");
    return false;
}

void rest_invite_post(struct rest_call *c)
{
    int64_t age = MAX_AGE_S_USUAL, uses = 0;
    bool unique = false, temporary = false;
    if (!field_int(c, "max_age", 0, MAX_AGE_S, &age, NULL) ||
        !field_int(c, "max_uses", 0, MAX_USES, &uses, NULL) || !field_bool(c, "unique", &unique, NULL) ||
        !field_bool(c, "temporary", &temporary, NULL))
        return;
    if (c->channel->type == CHANNEL_CATEGORY) {
        rest_error(c, 403, 50024, "Cannot execute action on this channel type");
        return;
    }
    struct invite now = {.id = invite_id_make(),
                         .guild_id = c->guild->row.id,
                         .channel_id = c->channel->id,
                         .inviter_id = c->user_id,
                         .created_ms = c->m->now_ms,
                         .max_age_s = (uint32_t)age,
                         .max_uses = (uint32_t)uses,
                         .temporary = temporary};
    const struct invite *have = unique ? NULL : invite_alike(c, &now);
    if (have) {
        invite_reply(c, have, UINT64_MAX);
        return;
    }
    struct change *change = rest_change(c);
    if (!invite_room(c, change))
        return;
    action_invite_create(change, c->m, &now);
    rest_commit(c, change);
}

static int invite_order(const void *a, const void *b)
{
    const struct invite *x = *(const struct invite *const *)a, *y = *(const struct invite *const *)b;
    if (x->created_ms != y->created_ms)
        return x->created_ms < y->created_ms ? -1 : 1;
    return x->id < y->id ? -1 : x->id > y->id;
}

/* Those that hold, of one channel or (0) of all. */
static void invites_out(struct rest_call *c, uint64_t channel_id)
{
    const struct invite **list = calloc(c->guild->invites.count + 1, sizeof *list), *i;
    struct json_out body = {0};
    size_t count = 0;
    if (!list)
        abort();
    for (size_t at = 0; (i = id_map_next(&c->guild->invites, &at));)
        if ((!channel_id || i->channel_id == channel_id) &&
            (!i->max_age_s || i->created_ms + INT64_C(1000) * i->max_age_s > c->m->now_ms))
            list[count++] = i;
    qsort(list, count, sizeof *list, invite_order);
    out_list(&body);
    for (size_t k = 0; k < count; k++)
        object_invite(&body, c->m, list[k], UINT64_MAX);
    out_list_end(&body);
    free(list);
    rest_send_out(c, 200, &body);
}

void rest_channel_invites(struct rest_call *c)
{
    invites_out(c, c->channel->id);
}

void rest_guild_invites(struct rest_call *c)
{
    invites_out(c, 0);
}

void rest_invite_get(struct rest_call *c)
{
    invite_reply(c, c->invite, query_flag(c, "with_counts") ? rest_online(c, c->guild->row.id) : UINT64_MAX);
}

void rest_invite_join(struct rest_call *c)
{
    if (id_map_get(&c->guild->bans, c->user_id)) {
        rest_error(c, 403, 40007, "The user is banned from this guild.");
        return;
    }
    if (model_member(c->guild, c->user_id)) {
        invite_reply(c, c->invite, UINT64_MAX);
        return;
    }
    struct change *change = rest_change(c);
    action_invite_use(change, c->m, c->invite, c->user_id);
    rest_commit(c, change);
}

void rest_invite_delete(struct rest_call *c)
{
    const struct channel *ch = model_channel(c->m, c->invite->channel_id);
    uint64_t there = ch ? model_permissions(c->m, c->guild, ch, c->user_id) : 0;
    if (!(c->permissions & PERM_MANAGE_GUILD) && !(there & PERM_MANAGE_CHANNELS)) {
        rest_error(c, 403, 50013, "Missing Permissions");
        return;
    }
    struct change *change = rest_change(c);
    action_invite_delete(change, c->m, c->invite);
    rest_commit(c, change);
}

/* ---- direct messages ---- */

static bool share_guild(const struct model *m, uint64_t a, uint64_t b)
{
    const struct account *of = model_account(m, a);
    for (size_t i = 0; i < of->guild_count; i++)
        if (model_member(of->guilds[i], b))
            return true;
    return false;
}

void rest_direct_post(struct rest_call *c)
{
    uint64_t other = 0;
    bool given;
    if (!field_id(c, "recipient_id", &other, &given))
        return;
    if (!given) {
        rest_invalid(c, "recipient_id", "BASE_TYPE_REQUIRED", "This field is required");
        return;
    }
    if (!model_user(c->m, other)) {
        rest_unknown(c, 10013);
        return;
    }
    if (other == c->user_id || !(model_dm(c->m, c->user_id, other) || share_guild(c->m, c->user_id, other))) {
        rest_error(c, 400, 50007, "Cannot send messages to this user");
        return;
    }
    uint64_t lock = other < c->user_id ? other : c->user_id; /* two who ask for the same channel meet here */
    if (rest_wait(c, lock))
        return;
    const struct channel *have = model_dm(c->m, c->user_id, other);
    struct json_out body = {0};
    if (have) {
        object_direct(&body, c->m, have, c->user_id);
        rest_send_out(c, 200, &body);
        return;
    }
    struct change *change = rest_change(c);
    change_lock(change, lock);
    action_direct_create(change, c->m, c->user_id, other);
    rest_commit(c, change);
}
