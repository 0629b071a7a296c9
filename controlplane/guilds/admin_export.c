/*
 * A guild written down, all but its messages, and made anew from that. Roles and channels get new ids;
 * accounts keep theirs, and those that do not exist here are left out.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/guilds/admin_verb.h"

#include <stdlib.h>
#include <string.h>

#define ROLES_MAX    250
#define CHANNELS_MAX 500

static json_t *export_roles(const struct guild_state *g)
{
    json_t *list = json_array();
    for (size_t i = 0; i < g->role_count; i++) {
        const struct role *r = g->roles[i];
        json_array_append_new(list,
                              json_pack("{s:o, s:s, s:o, s:i, s:i, s:b, s:b}", "id", admin_id_json(r->id),
                                        "name", r->name, "permissions", admin_id_json(r->permissions),
                                        "color", (int)r->color, "position", (int)r->position, "hoist",
                                        (int)r->hoist, "mentionable", (int)r->mentionable));
    }
    return list;
}

static json_t *export_channels(const struct guild_state *g)
{
    json_t *list = json_array();
    for (size_t i = 0; i < g->channel_count; i++) {
        const struct channel *c = g->channels[i];
        json_t *o =
            json_pack("{s:o, s:s, s:s, s:s?, s:i, s:b, s:i, s:i, s:i, s:o}", "id", admin_id_json(c->id),
                      "type", admin_channel_type_name(c->type), "name", c->name ? c->name : "", "topic",
                      c->topic, "position", (int)c->position, "nsfw", (int)c->nsfw, "bitrate",
                      (int)c->bitrate, "user_limit", (int)c->user_limit, "rate_limit_per_user",
                      (int)c->rate_limit_per_user, "overwrites", admin_overwrites(c));
        if (c->parent_id)
            json_object_set_new(o, "parent", admin_id_json(c->parent_id));
        json_array_append_new(list, o);
    }
    return list;
}

static int id_order(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* The ids of a map, ascending; to be freed. */
static uint64_t *ids_of(const struct id_map *m)
{
    uint64_t *ids = calloc(m->count + 1, sizeof *ids);
    size_t n = 0;
    if (!ids)
        abort();
    for (size_t i = 0; i < m->size; i++)
        if (m->slots[i].id)
            ids[n++] = m->slots[i].id;
    qsort(ids, n, sizeof *ids, id_order);
    return ids;
}

static json_t *export_people(const struct guild_state *g)
{
    json_t *list = json_array();
    uint64_t *ids = ids_of(&g->members);
    for (size_t i = 0; i < g->members.count; i++) {
        const struct member *mb = model_member(g, ids[i]);
        json_t *roles = json_array();
        for (size_t k = 0; k < mb->role_count; k++)
            json_array_append_new(roles, admin_id_json(mb->roles[k]));
        json_array_append_new(list, json_pack("{s:o, s:s?, s:o}", "account", admin_id_json(mb->user_id),
                                              "nick", mb->nick, "roles", roles));
    }
    free(ids);
    return list;
}

static json_t *export_bans(const struct guild_state *g)
{
    json_t *list = json_array();
    uint64_t *ids = ids_of(&g->bans);
    for (size_t i = 0; i < g->bans.count; i++) {
        const struct ban *b = id_map_get(&g->bans, ids[i]);
        json_array_append_new(
            list, json_pack("{s:o, s:s?}", "account", admin_id_json(b->user_id), "reason", b->reason));
    }
    free(ids);
    return list;
}

void admin_guild_export(struct admin *a)
{
    const struct guild_state *g = admin_guild(a);
    if (!g)
        return;
    a->result = json_pack("{s:i, s:o, s:s, s:s?, s:o, s:i, s:o, s:o, s:o, s:o}", "version", 1, "guild",
                          admin_id_json(g->row.id), "name", g->row.name, "description", g->row.description,
                          "owner", admin_id_json(g->row.owner_id), "afk_timeout", (int)g->row.afk_timeout,
                          "roles", export_roles(g), "channels", export_channels(g), "members",
                          export_people(g), "bans", export_bans(g));
    admin_finish(a);
}

/* ---- and back ---- */

struct import {
    struct admin *a;
    const json_t *data;
    uint64_t guild_id, owner;
    struct id_map ids; /* what an old id is now: the number itself as the pointer */
};

static uint64_t id_in(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    uint64_t id;
    return text && snowflake_parse(text, strlen(text), &id) && id <= INT64_MAX ? id : 0;
}

static uint64_t id_now(const struct import *in, uint64_t old)
{
    return (uint64_t)(uintptr_t)id_map_get(&in->ids, old);
}

static int64_t number_in(const json_t *o, const char *key, int64_t max)
{
    int64_t n = json_integer_value(json_object_get(o, key));
    return n < 0 || n > max ? 0 : n;
}

static char *name_in(const json_t *o, const char *key, size_t max)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text && *text && strlen(text) <= max ? text_copy(text) : NULL;
}

/* New ids for roles and channels; false: the data is not what export writes. */
static bool make_ids(struct import *in)
{
    static const char *const lists[] = {"roles", "channels"};
    const json_t *list, *o;
    size_t i;
    for (size_t k = 0; k < 2; k++) {
        list = json_object_get(in->data, lists[k]);
        if (!json_is_array(list) || json_array_size(list) > (k ? CHANNELS_MAX : ROLES_MAX))
            return false;
        json_array_foreach(list, i, o)
        {
            uint64_t old = id_in(o, "id");
            bool everyone = old && old == id_in(in->data, "guild");
            const char *name = json_string_value(json_object_get(o, "name"));
            if (!old || !name || !*name || strlen(name) > 400 || id_map_get(&in->ids, old))
                return false;
            uint64_t now = everyone ? in->guild_id : snowflake_next(&in->a->m->ids, in->a->m->now_ms);
            id_map_put(&in->ids, old, (void *)(uintptr_t)now);
        }
    }
    return id_now(in, id_in(in->data, "guild")) == in->guild_id; /* @everyone is among the roles */
}

static void import_roles(struct import *in, struct change *c)
{
    const json_t *o;
    size_t i;
    json_array_foreach(json_object_get(in->data, "roles"), i, o)
    {
        struct role *r = &change_row(c, ROW_ROLE)->role;
        *r = (struct role){.id = id_now(in, id_in(o, "id")),
                           .guild_id = in->guild_id,
                           .name = name_in(o, "name", 400),
                           .permissions = id_in(o, "permissions") & PERM_ALL,
                           .color = (uint32_t)number_in(o, "color", 0xffffff),
                           .position = (uint16_t)number_in(o, "position", 1000),
                           .hoist = json_is_true(json_object_get(o, "hoist")),
                           .mentionable = json_is_true(json_object_get(o, "mentionable"))};
        if (r->id == in->guild_id)
            r->position = 0;
        else if (!r->position)
            r->position = 1;
    }
}

static void import_overwrites(struct import *in, const json_t *list, struct channel *c)
{
    const json_t *o;
    size_t i;
    c->overwrites = calloc(json_array_size(list) + 1, sizeof *c->overwrites);
    if (!c->overwrites)
        abort();
    json_array_foreach(list, i, o)
    {
        const char *type = json_string_value(json_object_get(o, "type"));
        bool member = type && !strcmp(type, "member"), twice = false;
        uint64_t id = member ? id_in(o, "id") : id_now(in, id_in(o, "id"));
        for (size_t k = 0; k < c->overwrite_count; k++)
            twice |= c->overwrites[k].id == id;
        if (id && !twice)
            c->overwrites[c->overwrite_count++] = (struct overwrite){.id = id,
                                                                     .allow = id_in(o, "allow") & PERM_ALL,
                                                                     .deny = id_in(o, "deny") & PERM_ALL,
                                                                     .member = member};
    }
}

static void import_channels(struct import *in, struct change *c)
{
    const json_t *o;
    size_t i;
    json_array_foreach(json_object_get(in->data, "channels"), i, o)
    {
        int type = admin_channel_type(json_string_value(json_object_get(o, "type")));
        struct channel *ch = &change_row(c, ROW_CHANNEL)->channel;
        *ch = (struct channel){.id = id_now(in, id_in(o, "id")),
                               .guild_id = in->guild_id,
                               .parent_id = id_now(in, id_in(o, "parent")),
                               .type = (uint8_t)(type < 0 ? CHANNEL_TEXT : type),
                               .name = name_in(o, "name", 400),
                               .topic = name_in(o, "topic", 4096),
                               .position = (uint16_t)number_in(o, "position", 10000),
                               .nsfw = json_is_true(json_object_get(o, "nsfw")),
                               .bitrate = (uint32_t)number_in(o, "bitrate", 384000),
                               .user_limit = (uint16_t)number_in(o, "user_limit", 10000),
                               .rate_limit_per_user = (uint32_t)number_in(o, "rate_limit_per_user", 21600)};
        import_overwrites(in, json_object_get(o, "overwrites"), ch);
    }
}

static void import_member(struct import *in, struct change *c, uint64_t user_id, const json_t *o)
{
    const json_t *roles = json_object_get(o, "roles"), *v;
    size_t i;
    struct member *mb = &change_row(c, ROW_MEMBER)->member;
    *mb = (struct member){.guild_id = in->guild_id,
                          .user_id = user_id,
                          .nick = name_in(o, "nick", 128),
                          .joined_at_ms = in->a->m->now_ms,
                          .roles = calloc(json_array_size(roles) + 1, sizeof *mb->roles)};
    if (!mb->roles)
        abort();
    json_array_foreach(roles, i, v)
    {
        uint64_t old, id;
        const char *text = json_string_value(v);
        id = text && snowflake_parse(text, strlen(text), &old) ? id_now(in, old) : 0;
        if (id && id != in->guild_id && !member_has_role(mb, id))
            mb->roles[mb->role_count++] = id;
    }
    change_effect(
        c, &(struct effect){.kind = EFFECT_GUILD_JOINED, .guild_id = in->guild_id, .user_id = user_id});
}

static json_int_t import_people(struct import *in, struct change *c)
{
    const json_t *o;
    size_t i;
    struct id_map seen = {0};
    json_int_t count = 1;
    bool owner_in = false;
    id_map_put(&seen, in->owner, in);
    json_array_foreach(json_object_get(in->data, "members"), i, o)
    {
        uint64_t id = id_in(o, "account");
        if (id == in->owner && !owner_in) {
            import_member(in, c, id, o);
            owner_in = true;
        }
        if (!id || !model_user(in->a->m, id) || id_map_get(&seen, id))
            continue;
        id_map_put(&seen, id, in);
        import_member(in, c, id, o);
        count++;
    }
    if (!owner_in)
        import_member(in, c, in->owner, NULL);
    json_array_foreach(json_object_get(in->data, "bans"), i, o)
    {
        uint64_t id = id_in(o, "account");
        if (id && !id_map_get(&seen, id))
            change_row(c, ROW_BAN)->ban =
                (struct ban){.guild_id = in->guild_id, .user_id = id, .reason = name_in(o, "reason", 512)};
    }
    id_map_free(&seen);
    return count;
}

void admin_guild_import(struct admin *a)
{
    struct import in = {.a = a, .data = json_object_get(a->args, "data")};
    uint64_t owner = admin_id(a, "owner");
    char *name = name_in(in.data, "name", 400);
    in.owner = owner ? owner : id_in(in.data, "owner");
    in.guild_id = snowflake_next(&a->m->ids, a->m->now_ms);
    if (!name || !model_user(a->m, in.owner) || !make_ids(&in)) {
        const char *why = !name ? "the file holds no exported guild"
                          : !model_user(a->m, in.owner)
                              ? "owner: no such account"
                              : "the file's roles or channels are not what export writes";
        free(name);
        id_map_free(&in.ids);
        admin_fail(a, why);
        return;
    }
    a->change = change_begin(a->m, NULL, in.guild_id);
    change_row(a->change, ROW_GUILD)->guild =
        (struct guild){.id = in.guild_id,
                       .owner_id = in.owner,
                       .name = name,
                       .description = name_in(in.data, "description", 1200),
                       .afk_timeout = (uint32_t)number_in(in.data, "afk_timeout", 3600)};
    import_roles(&in, a->change);
    import_channels(&in, a->change);
    json_int_t members = import_people(&in, a->change);
    id_map_free(&in.ids);
    admin_commit(a, json_pack("{s:o, s:s, s:I, s:I, s:I}", "id", admin_id_json(in.guild_id), "name", name,
                              "roles", (json_int_t)json_array_size(json_object_get(in.data, "roles")),
                              "channels", (json_int_t)json_array_size(json_object_get(in.data, "channels")),
                              "members", members));
}
