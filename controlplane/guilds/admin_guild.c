/*
 * The operator's verbs on a guild, its channels and its roles.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/guilds/admin_verb.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *bits_json(uint64_t bits)
{
    return admin_id_json(bits);
}

json_t *admin_overwrites(const struct channel *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < c->overwrite_count; i++) {
        const struct overwrite *w = &c->overwrites[i];
        json_array_append_new(list, json_pack("{s:o, s:s, s:o, s:o}", "id", admin_id_json(w->id), "type",
                                              w->member ? "member" : "role", "allow", bits_json(w->allow),
                                              "deny", bits_json(w->deny)));
    }
    return list;
}

static json_t *channel_json(const struct channel *c)
{
    return json_pack("{s:o, s:s, s:s, s:i, s:o, s:s?, s:o}", "id", admin_id_json(c->id), "name",
                     c->name ? c->name : "", "type", admin_channel_type_name(c->type), "position",
                     (int)c->position, "parent", c->parent_id ? admin_id_json(c->parent_id) : json_null(),
                     "topic", c->topic, "last_message",
                     c->last_message_id ? admin_id_json(c->last_message_id) : json_null());
}

static json_t *role_json(const struct role *r)
{
    return json_pack("{s:o, s:s, s:i, s:o, s:b, s:b}", "id", admin_id_json(r->id), "name", r->name,
                     "position", (int)r->position, "permissions", bits_json(r->permissions), "hoist",
                     (int)r->hoist, "mentionable", (int)r->mentionable);
}

void admin_guild_show(struct admin *a)
{
    const struct guild_state *g = admin_guild(a);
    json_t *roles = json_array(), *channels = json_array();
    for (size_t i = 0; g && i < g->role_count; i++)
        json_array_append_new(roles, role_json(g->roles[i]));
    for (size_t i = 0; g && i < g->channel_count; i++)
        json_array_append_new(channels, channel_json(g->channels[i]));
    if (!g) {
        json_decref(roles);
        json_decref(channels);
        return;
    }
    a->result =
        json_pack("{s:o, s:s, s:s?, s:o, s:I, s:I, s:I, s:o, s:o}", "id", admin_id_json(g->row.id), "name",
                  g->row.name, "description", g->row.description, "owner", admin_id_json(g->row.owner_id),
                  "members", (json_int_t)g->members.count, "bans", (json_int_t)g->bans.count, "invites",
                  (json_int_t)g->invites.count, "roles", roles, "channels", channels);
    admin_finish(a);
}

void admin_guild_update(struct admin *a)
{
    const struct guild_state *g = admin_guild(a);
    const char *name = admin_text(a, "name");
    struct guild now;
    if (!g)
        return;
    uint64_t owner = admin_id(a, "owner");
    if ((name && !admin_name_fits(name, 400)) || (owner && !model_member(g, owner))) {
        admin_fail(a, owner ? "owner: is no member" : "name: 1 to 400 bytes are needed");
        return;
    }
    guild_copy(&now, &g->row);
    if (name) {
        free(now.name);
        now.name = text_copy(name);
    }
    if (owner)
        now.owner_id = owner;
    a->change = change_begin(a->m, NULL, g->row.id);
    action_guild_update(a->change, g, &now);
    json_t *result = json_pack("{s:o, s:s, s:o}", "id", admin_id_json(now.id), "name", now.name, "owner",
                               admin_id_json(now.owner_id));
    guild_clear(&now);
    admin_commit(a, result);
}

/* The guild channel named by "channel"; NULL when the verb has been answered. */
static const struct channel *channel_of(struct admin *a)
{
    const struct channel *c = model_channel(a->m, admin_id(a, "channel"));
    if (c && c->guild_id)
        return c;
    admin_fail(a, "no such channel");
    return NULL;
}

void admin_channel_show(struct admin *a)
{
    const struct channel *c = channel_of(a);
    if (!c)
        return;
    a->result = channel_json(c);
    json_object_set_new(a->result, "guild", admin_id_json(c->guild_id));
    json_object_set_new(a->result, "overwrites", admin_overwrites(c));
    admin_finish(a);
}

void admin_channel_update(struct admin *a)
{
    const struct channel *c = channel_of(a);
    const char *name, *topic;
    struct channel now;
    if (!c)
        return;
    name = admin_text(a, "name");
    topic = json_string_value(json_object_get(a->args, "topic"));
    if ((name && !admin_name_fits(name, 400)) || (topic && strlen(topic) > 4096)) {
        admin_fail(a, "name: 1 to 400 bytes, topic: at most 4096");
        return;
    }
    channel_copy(&now, c);
    if (name) {
        free(now.name);
        now.name = text_copy(name);
    }
    if (topic) {
        free(now.topic);
        now.topic = *topic ? text_copy(topic) : NULL;
    }
    a->change = change_begin(a->m, NULL, c->guild_id);
    action_channel_update(a->change, &now);
    json_t *result = channel_json(&now);
    channel_clear(&now);
    admin_commit(a, result);
}

/* The role named by "guild" and "role"; NULL when the verb has been answered. */
static const struct role *role_of(struct admin *a, const struct guild_state **g)
{
    const struct role *r = (*g = admin_guild(a)) ? model_role(*g, admin_id(a, "role")) : NULL;
    if (*g && !r)
        admin_fail(a, "no such role");
    return r;
}

void admin_role_list(struct admin *a)
{
    const struct guild_state *g = admin_guild(a);
    if (!g)
        return;
    json_t *list = json_array();
    for (size_t i = 0; i < g->role_count; i++)
        json_array_append_new(list, role_json(g->roles[i]));
    a->result = json_pack("{s:o}", "roles", list);
    admin_finish(a);
}

void admin_role_show(struct admin *a)
{
    const struct guild_state *g;
    const struct role *r = role_of(a, &g);
    const struct member *mb;
    if (!r)
        return;
    json_t *members = json_array(), *names = json_array();
    for (size_t i = 0; (mb = id_map_next(&g->members, &i));)
        if (member_has_role(mb, r->id))
            json_array_append_new(members, admin_id_json(mb->user_id));
    for (uint64_t set = r->permissions; set; set &= set - 1)
        json_array_append_new(names, json_string(permission_name(set)));
    a->result = role_json(r);
    json_object_set_new(a->result, "may", names);
    json_object_set_new(a->result, "members", members);
    admin_finish(a);
}

void admin_role_update(struct admin *a)
{
    const struct guild_state *g;
    const struct role *r = role_of(a, &g);
    struct role now;
    if (!r)
        return;
    const char *name = admin_text(a, "name");
    if (name && !admin_name_fits(name, 400)) {
        admin_fail(a, "name: 1 to 400 bytes are needed");
        return;
    }
    role_copy(&now, r);
    if (name) {
        free(now.name);
        now.name = text_copy(name);
    }
    if (json_object_get(a->args, "permissions"))
        now.permissions = admin_id(a, "permissions") & PERM_ALL;
    a->change = change_begin(a->m, NULL, g->row.id);
    action_role_update(a->change, &now);
    json_t *result = role_json(&now);
    role_clear(&now);
    admin_commit(a, result);
}

void admin_role_delete(struct admin *a)
{
    const struct guild_state *g;
    const struct role *r = role_of(a, &g);
    if (!r)
        return;
    if (r->id == g->row.id) {
        admin_fail(a, "@everyone stays");
        return;
    }
    a->change = change_begin(a->m, NULL, g->row.id);
    action_role_delete(a->change, g->row.id, r->id);
    admin_commit(a, json_pack("{s:o}", "id", admin_id_json(r->id)));
}

void admin_role_take(struct admin *a)
{
    const struct guild_state *g;
    const struct role *r = role_of(a, &g);
    const struct member *mb = r ? model_member(g, admin_id(a, "account")) : NULL;
    struct member now;
    if (!r)
        return;
    if (!mb || !member_has_role(mb, r->id)) {
        admin_fail(a, mb ? "has no such role" : "is no member");
        return;
    }
    member_copy(&now, mb);
    now.role_count = 0;
    for (size_t i = 0; i < mb->role_count; i++)
        if (mb->roles[i] != r->id)
            now.roles[now.role_count++] = mb->roles[i];
    a->change = change_begin(a->m, NULL, g->row.id);
    action_member_update(a->change, a->m, g, &now);
    member_clear(&now);
    admin_commit(
        a, json_pack("{s:o, s:o}", "account", admin_id_json(mb->user_id), "role", admin_id_json(r->id)));
}
