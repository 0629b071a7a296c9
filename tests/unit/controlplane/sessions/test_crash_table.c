/*
 * What crashes real clients is never sent (the table of reference/gateway.md 6, and 2, 9, 10, 11): every
 * payload that a busy guild gives its clients is held against every row. And the other way round: whatever a
 * client sends in place of a field is answered by a close code, and disturbs nobody.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "controlplane/protocol/intents.h"
#include "tests/unit/controlplane/sessions/world.h"

#define ALL   (INTENTS_KNOWN)
#define ID(x) ((unsigned long long)(x))

/* ---- rows of the table ---- */

static const char *const lists[] = {"activities",
                                    "attachments",
                                    "channels",
                                    "components",
                                    "embeds",
                                    "emojis",
                                    "features",
                                    "guilds",
                                    "groups",
                                    "guild_scheduled_events",
                                    "items",
                                    "members",
                                    "mentions",
                                    "mention_roles",
                                    "not_found",
                                    "ops",
                                    "permission_overwrites",
                                    "presences",
                                    "private_channels",
                                    "reactions",
                                    "recipients",
                                    "relationships",
                                    "roles",
                                    "soundboard_sounds",
                                    "stage_instances",
                                    "stickers",
                                    "threads",
                                    "voice_states"};

static const char *const never_null[] = {"activity",
                                         "application",
                                         "colors",
                                         "flags",
                                         "message_reference",
                                         "permissions",
                                         "resolved",
                                         "role_subscription_data",
                                         "thread",
                                         "token"};

static bool among(const char *key, const char *const *list, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(key, list[i]) == 0)
            return true;
    return false;
}

static void check_role(const json_t *role)
{
    const json_t *colors = json_object_get(role, "colors");
    assert_true(json_is_string(json_object_get(role, "permissions")));
    assert_true(json_is_integer(json_object_get(colors, "primary_color")));
    assert_non_null(json_object_get(colors, "secondary_color"));
    assert_non_null(json_object_get(colors, "tertiary_color"));
}

static void check_member(const json_t *member, bool with_user)
{
    if (with_user)
        assert_true(json_is_string(json_object_get(json_object_get(member, "user"), "id")));
    assert_true(json_is_string(json_object_get(member, "joined_at")));
    assert_true(json_is_array(json_object_get(member, "roles")));
}

static void check_presence(const json_t *presence)
{
    assert_true(json_is_string(json_object_get(json_object_get(presence, "user"), "id")));
    assert_true(json_is_array(json_object_get(presence, "activities")));
    assert_string_not_equal(json_string_value(json_object_get(presence, "status")), "invisible");
}

static void check_tree(const json_t *value)
{
    const char *key;
    json_t *v;
    size_t i;
    json_array_foreach(value, i, v) check_tree(v);
    if (!json_is_object(value))
        return;
    json_object_foreach((json_t *)(uintptr_t)value, key, v)
    {
        if (among(key, lists, sizeof lists / sizeof *lists) && !json_is_array(v))
            fail_msg("%s is no list", key);
        if (among(key, never_null, sizeof never_null / sizeof *never_null) && json_is_null(v))
            fail_msg("%s is null", key);
        check_tree(v);
    }
}

static void check_guild(const json_t *guild, uint64_t reader)
{
    const json_t *v;
    size_t i;
    bool own = false, everyone = false;
    json_array_foreach(json_object_get(guild, "roles"), i, v)
    {
        check_role(v);
        everyone |= json_id(v, "id") == json_id(guild, "id");
    }
    json_array_foreach(json_object_get(guild, "members"), i, v)
    {
        check_member(v, true);
        own |= json_id(json_object_get(v, "user"), "id") == reader;
    }
    json_array_foreach(json_object_get(guild, "channels"), i, v)
    {
        json_int_t type = json_integer_value(json_object_get(v, "type"));
        assert_true(type == 0 || type == 2 || type == 4 || type == 5 || type == 13);
        assert_true(json_is_array(json_object_get(v, "permission_overwrites")));
    }
    json_array_foreach(json_object_get(guild, "presences"), i, v) check_presence(v);
    assert_true(own && everyone);
    for (i = 0; i < 4; i++)
        assert_true(json_is_array(
            json_object_get(guild, (const char *const[]){"features", "emojis", "stickers", "threads"}[i])));
}

static void check_message(const json_t *m)
{
    assert_true(json_is_object(json_object_get(m, "author")));
    assert_true(json_is_array(json_object_get(m, "mentions")));
    if (json_object_get(m, "member"))
        check_member(json_object_get(m, "member"), false);
}

static void check_ready(const json_t *d)
{
    assert_true(json_is_object(json_object_get(d, "user")));
    assert_true(json_is_array(json_object_get(d, "guilds")) &&
                json_is_array(json_object_get(d, "private_channels")));
    assert_true(json_is_string(json_object_get(json_object_get(d, "application"), "id")));
    assert_null(strchr(json_string_value(json_object_get(d, "resume_gateway_url")), '?'));
    const json_t *g;
    size_t i;
    json_array_foreach(json_object_get(d, "guilds"), i, g)
        assert_true(json_is_true(json_object_get(g, "unavailable")));
}

static void check_voice_state(const json_t *d)
{
    check_member(json_object_get(d, "member"), true);
    assert_true(*json_string_value(json_object_get(d, "session_id")));
}

static void check_payload(const json_t *j, uint64_t reader)
{
    const char *t = json_string_value(json_object_get(j, "t"));
    const json_t *d = json_object_get(j, "d"), *v;
    json_int_t op = json_integer_value(json_object_get(j, "op"));
    size_t i;
    check_tree(j);
    if (op == 9)
        assert_true(json_is_boolean(d));
    if (op)
        return;
    assert_true(t && json_is_integer(json_object_get(j, "s")) && json_is_object(d));
    if (strcmp(t, "READY") == 0)
        check_ready(d);
    else if (strcmp(t, "GUILD_CREATE") == 0)
        check_guild(d, reader);
    else if (strncmp(t, "GUILD_ROLE_", 11) == 0 && json_object_get(d, "role"))
        check_role(json_object_get(d, "role"));
    else if (strcmp(t, "GUILD_MEMBER_ADD") == 0 || strcmp(t, "GUILD_MEMBER_UPDATE") == 0)
        check_member(d, true);
    else if (strcmp(t, "PRESENCE_UPDATE") == 0)
        check_presence(d);
    else if (strcmp(t, "MESSAGE_CREATE") == 0 || strcmp(t, "MESSAGE_UPDATE") == 0)
        check_message(d);
    else if (strcmp(t, "VOICE_STATE_UPDATE") == 0)
        check_voice_state(d);
    else if (strcmp(t, "VOICE_SERVER_UPDATE") == 0)
        assert_true(json_is_string(json_object_get(d, "token")));
    else if (strcmp(t, "GUILD_MEMBERS_CHUNK") == 0)
        json_array_foreach(json_object_get(d, "members"), i, v) check_member(v, true);
}

/* ---- a busy guild ---- */

static void request(struct world *w, unsigned who, uint8_t method, const char *body, const char *format, ...)
{
    char path[160];
    va_list args;
    va_start(args, format);
    vsnprintf(path, sizeof path, format, args);
    va_end(args);
    struct client *c = client_request(w, who, method, path, body);
    world_run(w);
    if (!strstr(c->http, "HTTP/1.1 20"))
        fail_msg("%s: %s", path, c->http);
}

static void set_status(struct world *w, struct client *c, const char *status, const char *activities)
{
    client_say(w, c, "{\"op\":3,\"d\":{\"status\":\"%s\",\"activities\":%s,\"since\":null,\"afk\":false}}",
               status, activities);
    world_pass(w, 600);
}

static void say_and_react(struct world *w)
{
    char message[64], body[160];
    snprintf(body, sizeof body, "{\"content\":\"<@%llu> hello\",\"nonce\":7}", ID(w->user[1]));
    struct client *c;
    snprintf(message, sizeof message, "/channels/%llu/messages", ID(w->text));
    c = client_request(w, 0, 3, message, body);
    world_run(w);
    json_t *made = json_loads(strstr(c->http, "\r\n\r\n") + 4, 0, NULL);
    uint64_t id = json_id(made, "id");
    json_decref(made);
    request(w, 1, 4, NULL, "/channels/%llu/messages/%llu/reactions/%%F0%%9F%%91%%8D/@me", ID(w->text),
            ID(id));
    request(w, 0, 5, "{\"content\":\"again\"}", "/channels/%llu/messages/%llu", ID(w->text), ID(id));
    snprintf(body, sizeof body, "{\"content\":\"re\",\"message_reference\":{\"message_id\":\"%llu\"}}",
             ID(id));
    request(w, 1, 3, body, "/channels/%llu/messages", ID(w->text));
    request(w, 0, 3, NULL, "/channels/%llu/typing", ID(w->text));
    request(w, 0, 6, NULL, "/channels/%llu/messages/%llu", ID(w->text), ID(id));
}

static void change_the_guild(struct world *w)
{
    request(w, 0, 3, "{\"name\":\"crew\",\"hoist\":true,\"color\":255}", "/guilds/%llu/roles", ID(w->guild));
    request(w, 0, 3, "{\"name\":\"more\",\"type\":0}", "/guilds/%llu/channels", ID(w->guild));
    request(w, 0, 5, "{\"topic\":\"t\"}", "/channels/%llu", ID(w->text));
    request(w, 0, 5, "{\"name\":\"renamed\"}", "/guilds/%llu", ID(w->guild));
    request(w, 0, 5, "{\"nick\":\"bee\"}", "/guilds/%llu/members/%llu", ID(w->guild), ID(w->user[1]));
    request(w, 0, 4, "{\"type\":1,\"deny\":\"2048\"}", "/channels/%llu/permissions/%llu", ID(w->text),
            ID(w->user[1]));
}

static void nothing_that_crashes_a_client_is_ever_sent(void **state)
{
    struct world *w = malloc(sizeof *w);
    world_open(w);
    w->control.config.max_concurrency = 0;
    struct client *c[4];
    uint64_t reader[4] = {w->user[0], w->user[1], w->user[2], w->user[1]};
    c[0] = client_login(w, 0, 0, ALL, "");
    c[1] = client_login(w, 1, 1, ALL, ",\"presence\":{\"status\":\"offline\",\"activities\":null}");
    set_status(w, c[1], "idle", "[{\"name\":\"x\",\"type\":4,\"state\":\"s\"}]");
    set_status(w, c[1], "invisible", "null");
    client_say(w, c[1], "{\"op\":4,\"d\":{\"guild_id\":\"%llu\",\"channel_id\":\"%llu\"}}", ID(w->guild),
               ID(w->voice));
    world_run(w);
    c[2] = client_login(w, 2, 0, ALL, ""); /* somebody is in voice already */
    say_and_react(w);
    change_the_guild(w);
    client_say(w, c[0],
               "{\"op\":8,\"d\":{\"guild_id\":\"%llu\",\"query\":\"\",\"limit\":0,\"presences\":true}}",
               ID(w->guild));
    client_say(w, c[0], "{\"op\":31,\"d\":{\"guild_ids\":[\"%llu\"]}}", ID(w->guild));
    client_say(w, c[0], "{\"op\":43,\"d\":{\"guild_id\":\"%llu\",\"fields\":[]}}", ID(w->guild));
    client_say(w, c[1], "{\"op\":4,\"d\":{\"guild_id\":\"%llu\",\"channel_id\":null}}", ID(w->guild));
    world_run(w);
    c[3] = client_login(w, 1, 0, INTENT_GUILDS, "");
    client_gone(w, c[1], 1000);
    request(w, 0, 6, NULL, "/guilds/%llu/members/%llu", ID(w->guild), ID(w->user[2]));
    world_run(w);
    unsigned kinds = 0, seen = 0;
    for (int i = 0; i < 4; i++) {
        for (unsigned k = 0; k < c[i]->count; k++) {
            json_t *j = json_loads(c[i]->text[k], 0, NULL);
            assert_non_null(j);
            check_payload(j, reader[i]);
            kinds += strstr(c[i]->text[k], "MESSAGE_") != NULL;
            seen++;
            json_decref(j);
        }
    }
    assert_true(seen > 60 && kinds > 5);
    world_close(w);
    free(w);
}

/* ---- the other way round ---- */

static const char *const wrong_values[] = {"null",
                                           "true",
                                           "-1",
                                           "0",
                                           "1.5",
                                           "1e400",
                                           "18446744073709551616",
                                           "\"\"",
                                           "\"x\"",
                                           "\"99999999999999999999999\"",
                                           "[]",
                                           "[[]]",
                                           "[null]",
                                           "{}",
                                           "{\"a\":{}}",
                                           "\"\\ud800\"",
                                           "[1,2,3,4,5]",
                                           "{\"id\":1,\"id\":2}"};

static const struct {
    int op;
    const char *fields[8]; /* each is made wrong in turn; the others are good */
    const char *good[8];
} shapes[] = {
    {2,
     {"token", "properties", "intents", "compress", "large_threshold", "shard", "presence", NULL},
     {"\"%s\"", "{}", "1", "false", "50", "[0,1]", "{\"status\":\"online\"}"}},
    {3, {"status", "since", "activities", "afk", NULL}, {"\"idle\"", "null", "[]", "false"}},
    {4, {"guild_id", "channel_id", "self_mute", "self_deaf", NULL}, {"\"1\"", "null", "false", "false"}},
    {6, {"token", "session_id", "seq", NULL}, {"\"%s\"", "\"x\"", "1"}},
    {8,
     {"guild_id", "query", "limit", "user_ids", "presences", "nonce", NULL},
     {"\"1\"", "\"\"", "0", "null", "false", "\"n\""}},
    {14, {"guild_id", "channels", "typing", NULL}, {"\"1\"", "{}", "true"}},
    {37, {"subscriptions", NULL}, {"{}"}},
};

static void whatever_stands_in_a_field_is_answered_and_disturbs_nobody(void **state)
{
    unsigned closed = 0, tried = 0;
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        for (size_t f = 0; shapes[s].fields[f]; f++) {
            struct world *w = malloc(sizeof *w);
            world_open(w);
            w->control.config.max_concurrency = 0;
            struct client *calm = client_login(w, 1, 1, ALL, "");
            for (size_t v = 0; v < sizeof wrong_values / sizeof *wrong_values; v++) {
                char text[1024];
                int n = snprintf(text, sizeof text, "{\"op\":%d,\"d\":{", shapes[s].op);
                for (size_t k = 0; shapes[s].fields[k]; k++) {
                    n += snprintf(text + n, sizeof text - (size_t)n, "%s\"%s\":", k ? "," : "",
                                  shapes[s].fields[k]);
                    const char *value = k == f ? wrong_values[v] : shapes[s].good[k];
                    n += strstr(value, "%s")
                             ? snprintf(text + n, sizeof text - (size_t)n, "\"%s\"", w->token[0])
                             : snprintf(text + n, sizeof text - (size_t)n, "%s", value);
                }
                snprintf(text + n, sizeof text - (size_t)n, "}}");
                bool before = shapes[s].op == 2 || shapes[s].op == 6;
                struct client *c = before ? client_open(w, 0, CONNECTION_GATEWAY, 10)
                                          : client_login(w, 0, 0, INTENT_GUILDS, "");
                client_say(w, c, "%s", text);
                world_run(w);
                uint16_t code = c->close_code;
                if (code && code != 4002 && code != 4004 && code != 4007 && code != 4010 && code != 4013 &&
                    code != 4014 && code != 4001)
                    fail_msg("%u: %s", code, text);
                tried++;
                closed += code != 0;
                if (!code) {
                    client_gone(w, c, 1000);
                    world_run(w);
                }
            }
            assert_int_equal(calm->close_code, 0);
            client_skip(calm);
            client_say(w, calm, "{\"op\":8,\"d\":{\"guild_id\":\"%llu\",\"query\":\"\",\"limit\":1}}",
                       ID(w->guild));
            world_run(w);
            assert_int_equal(client_count_events(calm, "GUILD_MEMBERS_CHUNK"), 1);
            world_close(w);
            free(w);
        }
    }
    assert_true(closed * 2 > tried);
}

static void deep_and_broken_json_closes_with_4002(void **state)
{
    struct world *w = malloc(sizeof *w);
    world_open(w);
    char deep[4001];
    memset(deep, '[', 4000);
    deep[4000] = 0;
    const char *const list[] = {deep,       "{\"op\":1e1,\"d\":1}", "{\"op\":2,\"op\":2}", "{\"op\":3,}",
                                "\"op\"",   "{\"op\":-1}",          "{\"op\":70000}",      "{\"d\":{}}",
                                "\xff\xfe", "{\"op\":1} x"};
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct client *c = client_open(w, 0, CONNECTION_GATEWAY, 10);
        client_say(w, c, "%s", list[i]);
        world_run(w);
        assert_int_equal(c->close_code, 4002);
    }
    world_close(w);
    free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_that_crashes_a_client_is_ever_sent),
        cmocka_unit_test(whatever_stands_in_a_field_is_answered_and_disturbs_nobody),
        cmocka_unit_test(deep_and_broken_json_closes_with_4002),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
