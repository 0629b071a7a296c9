/*
 * Reads guilds as JSON, one a line, as GUILD_CREATE has them, and answers each with a line of permissions:
 * for every member in the guild and in every channel. For tests that compare with another computation.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/guilds/model.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t number(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? strtoull(text, NULL, 10) : 0;
}

static void read_roles(struct model *m, const json_t *list, uint64_t guild_id)
{
    const json_t *o;
    size_t i;
    json_array_foreach(list, i, o)
    {
        struct role r = {.id = number(o, "id"),
                         .guild_id = guild_id,
                         .permissions = number(o, "permissions"),
                         .position = (uint16_t)i};
        model_put_role(m, &r);
    }
}

static void read_member(struct model *m, const json_t *o, uint64_t guild_id)
{
    const json_t *roles = json_object_get(o, "roles"), *v;
    uint64_t ids[64];
    size_t i;
    struct user u = {.id = number(json_object_get(o, "user"), "id"), .username = (char *)"u"};
    struct member mb = {.guild_id = guild_id, .user_id = u.id, .roles = ids};
    json_array_foreach(roles, i, v)
    {
        if (mb.role_count < 64)
            ids[mb.role_count++] = strtoull(json_string_value(v), NULL, 10);
    }
    model_put_user(m, &u);
    model_put_member(m, &mb);
}

static void read_channel(struct model *m, const json_t *o, uint64_t guild_id)
{
    const json_t *list = json_object_get(o, "permission_overwrites"), *w;
    struct overwrite overwrites[64];
    size_t i;
    struct channel c = {.id = number(o, "id"),
                        .guild_id = guild_id,
                        .type = (uint8_t)json_integer_value(json_object_get(o, "type")),
                        .overwrites = overwrites};
    json_array_foreach(list, i, w)
    {
        if (c.overwrite_count < 64)
            overwrites[c.overwrite_count++] =
                (struct overwrite){.id = number(w, "id"),
                                   .allow = number(w, "allow"),
                                   .deny = number(w, "deny"),
                                   .member = json_integer_value(json_object_get(w, "type")) == 1};
    }
    model_put_channel(m, &c);
}

static void answer(const struct model *m, const json_t *o, const struct guild_state *g)
{
    const json_t *members = json_object_get(o, "members"), *channels = json_object_get(o, "channels"), *mb,
                 *c;
    size_t i, k;
    json_array_foreach(members, i, mb)
    {
        uint64_t user_id = number(json_object_get(mb, "user"), "id");
        printf("%s%" PRIu64, i ? " " : "", model_permissions(m, g, NULL, user_id));
        json_array_foreach(channels, k, c)
        {
            printf(" %" PRIu64, model_permissions(m, g, model_channel(m, number(c, "id")), user_id));
        }
    }
    putchar('\n');
}

int main(void)
{
    static struct model m;
    char *line = NULL;
    size_t room = 0, i;
    while (getline(&line, &room, stdin) > 0) {
        json_t *o = json_loads(line, 0, NULL);
        const json_t *each;
        struct guild g = {.id = number(o, "id"), .owner_id = number(o, "owner_id"), .name = (char *)"g"};
        if (!o)
            return 1;
        model_put_guild(&m, &g);
        read_roles(&m, json_object_get(o, "roles"), g.id);
        json_array_foreach(json_object_get(o, "members"), i, each)
        {
            read_member(&m, each, g.id);
        }
        json_array_foreach(json_object_get(o, "channels"), i, each)
        {
            read_channel(&m, each, g.id);
        }
        answer(&m, o, model_guild(&m, g.id));
        model_remove_guild(&m, g.id);
        json_decref(o);
    }
    free(line);
    return 0;
}
