/*
 * What needs no guild: the gateway's address, users, regions, applications.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/call.h"

#include <stdlib.h>

void rest_gateway(struct rest_call *c)
{
    struct json_out body = {0};
    out_object(&body);
    out_field_string(&body, "url", c->rest->config.gateway_url);
    out_object_end(&body);
    rest_send_out(c, 200, &body);
}

void rest_gateway_bot(struct rest_call *c)
{
    const struct rest_config *rc = &c->rest->config;
    struct json_out body = {0};
    struct rest_starts s = {rc->session_start_total, rc->session_start_total, 0, 1};
    if (rc->starts)
        s = rc->starts(rc->hook_ctx, c->user_id);
    out_object(&body);
    out_field_string(&body, "url", rc->gateway_url);
    out_field_int(&body, "shards", 1);
    out_key(&body, "session_start_limit");
    out_object(&body);
    out_field_int(&body, "total", s.total);
    out_field_int(&body, "remaining", s.remaining);
    out_field_int(&body, "reset_after", s.reset_after_ms);
    out_field_int(&body, "max_concurrency", s.max_concurrency);
    out_object_end(&body);
    out_object_end(&body);
    rest_send_out(c, 200, &body);
}

void rest_voice_regions(struct rest_call *c)
{
    struct json_out body = {0};
    out_list(&body);
    out_object(&body);
    out_field_string(&body, "id", c->rest->config.region_id);
    out_field_string(&body, "name", c->rest->config.region_name);
    out_field_bool(&body, "optimal", true);
    out_field_bool(&body, "deprecated", false);
    out_field_bool(&body, "custom", false);
    out_object_end(&body);
    out_list_end(&body);
    rest_send_out(c, 200, &body);
}

void rest_user_self(struct rest_call *c)
{
    struct json_out body = {0};
    object_self(&body, model_user(c->m, c->user_id));
    rest_send_out(c, 200, &body);
}

void rest_user(struct rest_call *c)
{
    const struct user *u = model_user(c->m, c->match.user_id);
    struct json_out body = {0};
    if (!u) {
        rest_unknown(c, 10013);
        return;
    }
    object_user(&body, u);
    rest_send_out(c, 200, &body);
}

static int guild_order(const void *a, const void *b)
{
    uint64_t x = (*(struct guild_state *const *)a)->row.id, y = (*(struct guild_state *const *)b)->row.id;
    return x < y ? -1 : x > y;
}

static void user_guild(struct rest_call *c, struct json_out *body, const struct guild_state *g)
{
    out_object(body);
    out_field_id(body, "id", g->row.id);
    out_field_string(body, "name", g->row.name);
    out_field_string(body, "icon", g->row.icon);
    out_field_null(body, "banner");
    out_field_bool(body, "owner", g->row.owner_id == c->user_id);
    out_field_id(body, "permissions", model_permissions(c->m, g, NULL, c->user_id));
    out_field_empty_list(body, "features");
    if (query_flag(c, "with_counts")) {
        out_field_int(body, "approximate_member_count", (int64_t)g->members.count);
        out_field_int(body, "approximate_presence_count", (int64_t)rest_online(c, g->row.id));
    }
    out_object_end(body);
}

void rest_user_guilds(struct rest_call *c)
{
    const struct account *a = model_account(c->m, c->user_id);
    uint64_t before = UINT64_MAX, after = 0, limit;
    struct json_out body = {0};
    if (!query_limit(c, 200, 200, &limit))
        return;
    query_number(c, "before", &before);
    query_number(c, "after", &after);
    struct guild_state **sorted = calloc(a->guild_count + 1, sizeof(struct guild_state *));
    if (!sorted)
        abort();
    for (size_t i = 0; i < a->guild_count; i++)
        sorted[i] = a->guilds[i];
    qsort(sorted, a->guild_count, sizeof *sorted, guild_order);
    out_list(&body);
    for (size_t i = 0; i < a->guild_count && limit; i++)
        if (sorted[i]->row.id > after && sorted[i]->row.id < before) {
            user_guild(c, &body, sorted[i]);
            limit--;
        }
    out_list_end(&body);
    free(sorted);
    rest_send_out(c, 200, &body);
}

void rest_application(struct rest_call *c)
{
    const struct user *u = model_user(c->m, c->user_id);
    struct json_out body = {0};
    out_object(&body);
    out_field_id(&body, "id", u->id);
    out_field_string(&body, "name", u->username);
    out_field_null(&body, "icon");
    out_field_string(&body, "description", "");
    out_field_bool(&body, "bot_public", false);
    out_field_bool(&body, "bot_require_code_grant", false);
    out_field_string(&body, "verify_key", "");
    out_field_int(&body, "flags", 0);
    out_key(&body, "owner");
    object_user(&body, u);
    out_field_null(&body, "team");
    out_object_end(&body);
    rest_send_out(c, 200, &body);
}

void rest_sticker_packs(struct rest_call *c)
{
    rest_send(c, 200, "{\"sticker_packs\":[]}");
}

void rest_sounds(struct rest_call *c)
{
    rest_send(c, 200, "[]");
}
