/*
 * Channels and their overwrites. Nobody gives through an overwrite what they do not have themselves.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/call.h"

#include <stdlib.h>
#include <string.h>

#define OVERWRITES_MAX 500
#define CHANNELS_MAX   500

void rest_channel_get(struct rest_call *c)
{
    struct json_out body = {0};
    if (c->guild)
        object_channel(&body, c->channel);
    else
        object_direct(&body, c->m, c->channel, c->user_id);
    rest_send_out(c, 200, &body);
}

void rest_guild_channels(struct rest_call *c)
{
    struct json_out body = {0};
    out_list(&body);
    for (size_t i = 0; i < c->guild->channel_count; i++)
        if (model_permissions(c->m, c->guild, c->guild->channels[i], c->user_id) & PERM_VIEW_CHANNEL)
            object_channel(&body, c->guild->channels[i]);
    out_list_end(&body);
    rest_send_out(c, 200, &body);
}

/* May the asker hand these bits out? Answers if not. */
static bool may_hand_out(struct rest_call *c, uint64_t bits)
{
    uint64_t own = model_permissions(c->m, c->guild, c->channel, c->user_id);
    if ((own & PERM_ADMINISTRATOR) || !(bits & ~own))
        return true;
    rest_error(c, 403, 50013, "Missing Permissions");
    return false;
}

static bool overwrite_field(const json_t *o, struct overwrite *w)
{
    const json_t *type = json_object_get(o, "type");
    const char *id = json_string_value(json_object_get(o, "id"));
    const struct {
        const char *key;
        uint64_t *bits;
    } sets[] = {{"allow", &w->allow}, {"deny", &w->deny}};
    *w = (struct overwrite){.member = json_integer_value(type) == 1};
    if (!id || !snowflake_parse(id, strlen(id), &w->id) || w->id == 0 || w->id > INT64_MAX)
        return false;
    for (size_t i = 0; i < 2; i++) {
        const json_t *v = json_object_get(o, sets[i].key);
        if (v && (!json_is_string(v) ||
                  !snowflake_parse(json_string_value(v), json_string_length(v), sets[i].bits)))
            return false;
        *sets[i].bits &= PERM_ALL;
    }
    return true;
}

static struct overwrite *overwrite_of(const struct channel *now, uint64_t id)
{
    for (size_t i = 0; i < now->overwrite_count; i++)
        if (now->overwrites[i].id == id)
            return &now->overwrites[i];
    return NULL;
}

/* The bits of every overwrite of `a` that is not the same in `b`. */
static uint64_t overwrites_changed(const struct channel *a, const struct channel *b)
{
    uint64_t bits = 0;
    for (size_t i = 0; i < a->overwrite_count; i++) {
        const struct overwrite *x = &a->overwrites[i], *y = overwrite_of(b, x->id);
        if (!y || x->allow != y->allow || x->deny != y->deny || x->member != y->member)
            bits |= x->allow | x->deny;
    }
    return bits;
}

static bool overwrites_read(struct rest_call *c, const json_t *list, struct channel *now)
{
    const json_t *o;
    size_t i;
    now->overwrites = calloc(json_array_size(list) + 1, sizeof *now->overwrites);
    if (!now->overwrites)
        abort();
    json_array_foreach(list, i, o)
    {
        struct overwrite w;
        if (!overwrite_field(o, &w)) {
            rest_invalid(c, "permission_overwrites", "MODEL_TYPE_CONVERT", "An overwrite is malformed.");
            return false;
        }
        if (overwrite_of(now, w.id)) {
            rest_invalid(c, "permission_overwrites", "SET_TYPE_ALREADY_CONTAINS_VALUE",
                         "An overwrite is doubled.");
            return false;
        }
        now->overwrites[now->overwrite_count++] = w;
    }
    return true;
}

/* "permission_overwrites": the whole list anew. Answers and returns false when it cannot be. */
static bool overwrites_field(struct rest_call *c, struct channel *now)
{
    const json_t *list = json_object_get(c->body, "permission_overwrites");
    struct channel fresh = {0};
    if (!list || json_is_null(list))
        return true;
    if (!json_is_array(list) || json_array_size(list) > OVERWRITES_MAX) {
        rest_invalid(c, "permission_overwrites", "BASE_TYPE_BAD_LENGTH", "Must be a list of overwrites.");
        return false;
    }
    if (!overwrites_read(c, list, &fresh)) {
        free(fresh.overwrites);
        return false;
    }
    uint64_t changed = overwrites_changed(now, &fresh) | overwrites_changed(&fresh, now);
    bool may = !changed || (c->permissions & PERM_MANAGE_ROLES);
    if (!may)
        rest_error(c, 403, 50013, "Missing Permissions");
    if (!may || !may_hand_out(c, changed)) {
        free(fresh.overwrites);
        return false;
    }
    free(now->overwrites);
    now->overwrites = fresh.overwrites;
    now->overwrite_count = fresh.overwrite_count;
    return true;
}

static bool parent_field(struct rest_call *c, struct channel *now)
{
    bool given;
    uint64_t parent = 0;
    if (!field_id(c, "parent_id", &parent, &given))
        return false;
    const struct channel *p = given ? model_channel(c->m, parent) : NULL;
    if (given && (!p || p->guild_id != c->guild->row.id || p->type != CHANNEL_CATEGORY ||
                  now->type == CHANNEL_CATEGORY)) {
        rest_invalid(c, "parent_id", "CHANNEL_PARENT_INVALID_TYPE", "Not a category of this guild");
        return false;
    }
    if (given || field_is_null(c, "parent_id"))
        now->parent_id = parent;
    return true;
}

/* The fields of a channel's body into `now`; false when it has answered. */
static bool channel_fields(struct rest_call *c, struct channel *now)
{
    const char *name = NULL, *topic = NULL;
    bool voice = now->type == CHANNEL_VOICE || now->type == CHANNEL_STAGE;
    int64_t position = now->position, bitrate = now->bitrate, users = now->user_limit,
            slow = now->rate_limit_per_user;
    if (!field_text(c, "name", 1, 100, &name, NULL) || !field_text(c, "topic", 0, 1024, &topic, NULL) ||
        !field_int(c, "position", 0, 10000, &position, NULL) ||
        !field_int(c, "bitrate", 8000, 384000, &bitrate, NULL) ||
        !field_int(c, "user_limit", 0, 10000, &users, NULL) ||
        !field_int(c, "rate_limit_per_user", 0, 21600, &slow, NULL) ||
        !field_bool(c, "nsfw", &now->nsfw, NULL) || !parent_field(c, now) || !overwrites_field(c, now))
        return false;
    if (name) {
        free(now->name);
        now->name = text_copy(name);
    }
    if (topic || field_is_null(c, "topic")) {
        free(now->topic);
        now->topic = text_copy(topic);
    }
    now->position = (uint16_t)position;
    now->bitrate = voice ? (uint32_t)bitrate : 0;
    now->user_limit = voice ? (uint16_t)users : 0;
    now->rate_limit_per_user = (uint32_t)slow;
    return true;
}

static bool channel_type_ok(int64_t type)
{
    return type == CHANNEL_TEXT || type == CHANNEL_VOICE || type == CHANNEL_CATEGORY ||
           type == CHANNEL_ANNOUNCEMENT || type == CHANNEL_STAGE;
}

void rest_guild_channel_post(struct rest_call *c)
{
    int64_t type = CHANNEL_TEXT;
    const char *name = NULL;
    if (!field_int(c, "type", 0, 255, &type, NULL) || !field_text(c, "name", 1, 100, &name, NULL))
        return;
    if (!name || !channel_type_ok(type)) {
        rest_invalid(c, name ? "type" : "name", name ? "BASE_TYPE_CHOICES" : "BASE_TYPE_REQUIRED",
                     name ? "Not a type of channel that can be made." : "This field is required");
        return;
    }
    if (c->guild->channel_count >= CHANNELS_MAX) {
        rest_error(c, 400, 30013, "Maximum number of guild channels reached (500)");
        return;
    }
    struct channel now = {.id = snowflake_next(&c->m->ids, c->m->now_ms),
                          .guild_id = c->guild->row.id,
                          .type = (uint8_t)type,
                          .position = (uint16_t)c->guild->channel_count,
                          .bitrate = 64000};
    if (channel_fields(c, &now)) {
        struct change *change = rest_change(c);
        action_channel_create(change, &now);
        rest_commit(c, change);
    }
    channel_clear(&now);
}

/* Puts a changed channel; takes `now` over. */
static void channel_commit(struct rest_call *c, struct channel *now, bool whole_reply)
{
    struct change *change = rest_change(c);
    action_channel_update(change, now);
    if (!whole_reply)
        change_reply(change, 204, NULL);
    channel_clear(now);
    rest_commit(c, change);
}

void rest_channel_patch(struct rest_call *c)
{
    struct channel now;
    channel_copy(&now, c->channel);
    if (channel_fields(c, &now))
        channel_commit(c, &now, true);
    else
        channel_clear(&now);
}

void rest_channel_delete(struct rest_call *c)
{
    struct change *change = rest_change(c);
    action_channel_delete(change, c->guild, c->channel);
    rest_commit(c, change);
}

void rest_overwrite_put(struct rest_call *c)
{
    struct overwrite w = {.id = c->match.overwrite_id};
    int64_t type = 0;
    if (!field_permissions(c, "allow", &w.allow, NULL) || !field_permissions(c, "deny", &w.deny, NULL) ||
        !field_int(c, "type", 0, 1, &type, NULL) || !may_hand_out(c, w.allow | w.deny))
        return;
    w.member = type == 1;
    if (w.member ? !model_user(c->m, w.id) : !model_role(c->guild, w.id)) {
        rest_unknown(c, w.member ? 10013 : 10011);
        return;
    }
    struct channel now;
    channel_copy(&now, c->channel);
    struct overwrite *have = overwrite_of(&now, w.id);
    if (!have && now.overwrite_count >= OVERWRITES_MAX) {
        channel_clear(&now);
        rest_error(c, 400, 30060, "Maximum number of permission overwrites reached (500)");
        return;
    }
    if (!have) {
        now.overwrites = realloc(now.overwrites, (now.overwrite_count + 1) * sizeof *now.overwrites);
        if (!now.overwrites)
            abort();
        have = &now.overwrites[now.overwrite_count++];
    }
    *have = w;
    channel_commit(c, &now, false);
}

void rest_overwrite_delete(struct rest_call *c)
{
    struct channel now;
    channel_copy(&now, c->channel);
    struct overwrite *have = overwrite_of(&now, c->match.overwrite_id);
    if (!have) {
        channel_clear(&now);
        rest_unknown(c, 10009);
        return;
    }
    if (!may_hand_out(c, have->allow | have->deny)) {
        channel_clear(&now);
        return;
    }
    *have = now.overwrites[--now.overwrite_count];
    channel_commit(c, &now, false);
}
