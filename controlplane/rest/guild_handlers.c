/*
 * Guilds and roles. Nobody makes or moves a role at or above their own highest, nor gives one what they lack.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/call.h"

#include <stdlib.h>
#include <string.h>

#define ROLES_MAX        250
#define GUILDS_OWNED_MAX 100

static const struct role *const *guild_roles(const struct guild_state *g)
{
    return (const struct role *const *)g->roles;
}

void rest_guild_get(struct rest_call *c)
{
    struct json_out body = {0};
    object_guild_open(&body, &c->guild->row, guild_roles(c->guild), c->guild->role_count);
    if (query_flag(c, "with_counts")) {
        out_field_int(&body, "approximate_member_count", (int64_t)c->guild->members.count);
        out_field_int(&body, "approximate_presence_count", (int64_t)rest_online(c, c->guild->row.id));
    }
    out_object_end(&body);
    rest_send_out(c, 200, &body);
}

uint64_t rest_online(const struct rest_call *c, uint64_t guild_id)
{
    const struct rest_config *config = &c->rest->config;
    return config->online_count ? config->online_count(config->hook_ctx, guild_id) : 0;
}

void rest_guild_preview(struct rest_call *c)
{
    const struct guild *g = &c->guild->row;
    struct json_out body = {0};
    out_object(&body);
    out_field_id(&body, "id", g->id);
    out_field_string(&body, "name", g->name);
    out_field_string(&body, "icon", g->icon);
    out_field_null(&body, "splash");
    out_field_null(&body, "discovery_splash");
    out_field_string(&body, "description", g->description);
    out_field_empty_list(&body, "emojis");
    out_field_empty_list(&body, "stickers");
    out_field_empty_list(&body, "features");
    out_field_int(&body, "approximate_member_count", (int64_t)c->guild->members.count);
    out_field_int(&body, "approximate_presence_count", (int64_t)rest_online(c, g->id));
    out_object_end(&body);
    rest_send_out(c, 200, &body);
}

void rest_guild_post(struct rest_call *c)
{
    const struct account *a = model_account(c->m, c->user_id);
    const char *name = NULL;
    size_t owned = 0;
    if (!field_text(c, "name", 2, 100, &name, NULL))
        return;
    if (!name) {
        rest_invalid(c, "name", "BASE_TYPE_REQUIRED", "This field is required");
        return;
    }
    for (size_t i = 0; i < a->guild_count; i++)
        owned += a->guilds[i]->row.owner_id == c->user_id;
    if (owned >= GUILDS_OWNED_MAX) {
        rest_error(c, 400, 30001, "Maximum number of guilds reached (100)");
        return;
    }
    uint64_t id = snowflake_next(&c->m->ids, c->m->now_ms);
    struct change *change = change_begin(c->m, &c->key, id);
    struct json_out body = {0};
    action_guild_create(change, c->m, id, name, c->user_id);
    struct role everyone = {
        .id = id, .guild_id = id, .name = (char *)"@everyone", .permissions = PERM_DEFAULT};
    const struct role *const roles[] = {&everyone};
    object_guild(&body,
                 &(struct guild){.id = id, .owner_id = c->user_id, .name = (char *)name, .afk_timeout = 300},
                 roles, 1);
    char *reply = json_out_take(&body);
    change_reply(change, 201, reply);
    free(reply);
    rest_commit(c, change);
}

void rest_guild_delete(struct rest_call *c)
{
    if (c->guild->row.owner_id != c->user_id) {
        rest_error(c, 403, 50013, "Missing Permissions");
        return;
    }
    struct change *change = rest_change(c);
    action_guild_delete(change, c->guild);
    rest_commit(c, change);
}

void rest_guild_leave(struct rest_call *c)
{
    if (c->guild->row.owner_id == c->user_id) {
        rest_error(c, 400, 50055, "Invalid Guild");
        return;
    }
    struct change *change = rest_change(c);
    action_member_leave(change, c->m, c->guild->row.id, c->user_id);
    rest_commit(c, change);
}

void rest_role_get(struct rest_call *c)
{
    const struct role *r = model_role(c->guild, c->match.role_id);
    struct json_out body = {0};
    if (!r) {
        rest_unknown(c, 10011);
        return;
    }
    object_role(&body, r);
    rest_send_out(c, 200, &body);
}

/* A channel of this guild of this type, or none at all; false when it has answered. */
static bool guild_channel_field(struct rest_call *c, const char *key, enum channel_type type, uint64_t *id)
{
    bool given;
    uint64_t value = 0;
    if (!field_id(c, key, &value, &given))
        return false;
    const struct channel *ch = given ? model_channel(c->m, value) : NULL;
    if (given && (!ch || ch->guild_id != c->guild->row.id || ch->type != type)) {
        rest_invalid(c, key, "CHANNEL_INVALID", "Not such a channel of this guild");
        return false;
    }
    if (given || field_is_null(c, key))
        *id = value;
    return true;
}

static bool owner_field(struct rest_call *c, struct guild *now)
{
    bool given;
    uint64_t owner;
    if (!field_id(c, "owner_id", &owner, &given) || !given)
        return !given;
    if (now->owner_id != c->user_id || !model_member(c->guild, owner)) {
        rest_error(c, 403, 50013, "Missing Permissions");
        return false;
    }
    now->owner_id = owner;
    return true;
}

void rest_guild_patch(struct rest_call *c)
{
    struct guild now;
    const char *name = NULL, *description = NULL;
    int64_t timeout = c->guild->row.afk_timeout;
    guild_copy(&now, &c->guild->row);
    if (field_text(c, "name", 2, 100, &name, NULL) &&
        field_text(c, "description", 0, 300, &description, NULL) &&
        field_int(c, "afk_timeout", 60, 3600, &timeout, NULL) &&
        guild_channel_field(c, "afk_channel_id", CHANNEL_VOICE, &now.afk_channel_id) &&
        guild_channel_field(c, "system_channel_id", CHANNEL_TEXT, &now.system_channel_id) &&
        owner_field(c, &now)) {
        struct change *change = rest_change(c);
        if (name) {
            free(now.name);
            now.name = text_copy(name);
        }
        if (description || field_is_null(c, "description")) {
            free(now.description);
            now.description = text_copy(description);
        }
        now.afk_timeout = (uint32_t)timeout;
        action_guild_update(change, c->guild, &now);
        rest_commit(c, change);
    }
    guild_clear(&now);
}

void rest_roles_get(struct rest_call *c)
{
    struct json_out body = {0};
    out_list(&body);
    for (size_t i = 0; i < c->guild->role_count; i++)
        object_role(&body, c->guild->roles[i]);
    out_list_end(&body);
    rest_send_out(c, 200, &body);
}

/* The body's fields into `now`; false when it has answered. */
static bool role_fields(struct rest_call *c, struct role *now)
{
    const char *name = NULL;
    int64_t color = now->color;
    uint64_t permissions = now->permissions;
    if (!field_text(c, "name", 1, 100, &name, NULL) || !field_int(c, "color", 0, 0xffffff, &color, NULL) ||
        !field_bool(c, "hoist", &now->hoist, NULL) ||
        !field_bool(c, "mentionable", &now->mentionable, NULL) ||
        !field_permissions(c, "permissions", &permissions, NULL))
        return false;
    uint64_t handed_out = permissions ^ now->permissions;
    if (!(c->permissions & PERM_ADMINISTRATOR) && (handed_out & ~c->permissions)) {
        rest_error(c, 403, 50013, "Missing Permissions");
        return false;
    }
    if (name) {
        free(now->name);
        now->name = text_copy(name);
    }
    now->color = (uint32_t)color;
    now->permissions = permissions;
    return true;
}

void rest_role_post(struct rest_call *c)
{
    if (c->guild->role_count >= ROLES_MAX) {
        rest_error(c, 400, 30005, "Maximum number of guild roles reached (250)");
        return;
    }
    const struct role *everyone = model_role(c->guild, c->guild->row.id);
    struct role now = {.id = snowflake_next(&c->m->ids, c->m->now_ms),
                       .guild_id = c->guild->row.id,
                       .name = text_copy("new role"),
                       .permissions = everyone ? everyone->permissions & c->permissions : 0,
                       .position = 1};
    if (role_fields(c, &now)) {
        struct change *change = rest_change(c);
        action_role_create(change, &now);
        rest_commit(c, change);
    }
    role_clear(&now);
}

/* The role of the path, below the asker's highest; NULL when it has answered. */
static const struct role *role_below(struct rest_call *c)
{
    const struct role *r = model_role(c->guild, c->match.role_id);
    if (!r) {
        rest_unknown(c, 10011);
        return NULL;
    }
    if (r->position >= model_rank(c->guild, c->user_id) && r->id != c->guild->row.id) {
        rest_error(c, 403, 50013, "Missing Permissions");
        return NULL;
    }
    return r;
}

void rest_role_patch(struct rest_call *c)
{
    const struct role *r = role_below(c);
    struct role now;
    if (!r)
        return;
    role_copy(&now, r);
    if (role_fields(c, &now)) {
        struct change *change = rest_change(c);
        action_role_update(change, &now);
        rest_commit(c, change);
    }
    role_clear(&now);
}

void rest_role_delete(struct rest_call *c)
{
    const struct role *r = role_below(c);
    if (!r)
        return;
    if (r->id == c->guild->row.id || r->managed) {
        rest_error(c, 400, 50028, "Invalid role");
        return;
    }
    struct change *change = rest_change(c);
    action_role_delete(change, c->guild->row.id, r->id);
    rest_commit(c, change);
}
