/*
 * The operator's verbs on guilds, channels, roles, members, invites and messages: what they change, what
 * everybody is told of it, and that a guild comes out of its export as it was.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/controlplane/store/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define ID(x) ((unsigned long long)(x))

static struct fixture f;

static int setup(void **state)
{
    (void)state;
    fixture_open(&f);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    fixture_close(&f);
    return 0;
}

/* The verb with "guild" and more arguments. */
#define ADMIN(verb, more, ...)                                                                               \
    fixture_admin(&f, verb, "{\"guild\":\"%llu\"" more "}", ID(f.guild), ##__VA_ARGS__)

static const char *text_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    return text ? text : "";
}

static void a_guild_channel_and_role_are_shown_and_changed(void **state)
{
    (void)state;
    assert_int_equal(json_array_size(json_object_get(ADMIN("guild show", ""), "channels")), 2);
    assert_string_equal(
        text_of(ADMIN("guild update", ",\"name\":\"new\",\"owner\":\"%llu\"", ID(f.other)), "name"), "new");
    assert_non_null(fixture_event(&f, "GUILD_UPDATE"));
    assert_int_equal(model_guild(f.m, f.guild)->row.owner_id, f.other);
    assert_string_equal(text_of(ADMIN("guild update", ",\"owner\":\"%llu\"", ID(f.stranger)), "error"),
                        "owner: is no member");
    fixture_admin(&f, "channel update", "{\"channel\":\"%llu\",\"name\":\"lobby\",\"topic\":\"t\"}",
                  ID(f.text));
    assert_non_null(fixture_event(&f, "CHANNEL_UPDATE"));
    assert_string_equal(
        text_of(fixture_admin(&f, "channel show", "{\"channel\":\"%llu\"}", ID(f.text)), "name"), "lobby");
    uint64_t role = json_id_of(ADMIN("role create", ",\"name\":\"r\",\"permissions\":\"8\""), "id");
    ADMIN("role give", ",\"account\":\"%llu\",\"role\":\"%llu\"", ID(f.owner), ID(role));
    const json_t *shown = ADMIN("role show", ",\"role\":\"%llu\"", ID(role));
    assert_string_equal(json_string_value(json_array_get(json_object_get(shown, "may"), 0)), "ADMINISTRATOR");
    assert_int_equal(json_array_size(json_object_get(shown, "members")), 1);
    ADMIN("role update", ",\"role\":\"%llu\",\"permissions\":\"16\"", ID(role));
    assert_int_equal(model_role(model_guild(f.m, f.guild), role)->permissions, 16);
    ADMIN("role take", ",\"account\":\"%llu\",\"role\":\"%llu\"", ID(f.owner), ID(role));
    assert_false(member_has_role(model_member(model_guild(f.m, f.guild), f.owner), role));
    assert_int_equal(json_array_size(json_object_get(ADMIN("role list", ""), "roles")), 2);
    ADMIN("role delete", ",\"role\":\"%llu\"", ID(role));
    assert_non_null(fixture_event(&f, "GUILD_ROLE_DELETE"));
    assert_string_equal(text_of(ADMIN("role delete", ",\"role\":\"%llu\"", ID(f.guild)), "error"),
                        "@everyone stays");
}

static void members_are_listed_named_banned_and_let_in_again(void **state)
{
    (void)state;
    assert_int_equal(json_array_size(json_object_get(ADMIN("member list", ""), "members")), 2);
    ADMIN("member update", ",\"account\":\"%llu\",\"nick\":\"Nick\"", ID(f.other));
    assert_string_equal(text_of(ADMIN("member show", ",\"account\":\"%llu\"", ID(f.other)), "nick"), "Nick");
    ADMIN("member ban", ",\"account\":\"%llu\",\"reason\":\"why\"", ID(f.other));
    assert_non_null(fixture_event(&f, "GUILD_BAN_ADD"));
    assert_string_equal(
        text_of(json_array_get(json_object_get(ADMIN("member bans", ""), "bans"), 0), "reason"), "why");
    assert_string_equal(text_of(ADMIN("member ban", ",\"account\":\"%llu\"", ID(f.other)), "error"),
                        "is banned already");
    assert_string_equal(text_of(ADMIN("member ban", ",\"account\":\"%llu\"", ID(f.owner)), "error"),
                        "the owner cannot be banned");
    ADMIN("member unban", ",\"account\":\"%llu\"", ID(f.other));
    assert_string_equal(text_of(ADMIN("member unban", ",\"account\":\"%llu\"", ID(f.other)), "error"),
                        "is not banned");
}

static void invites_are_made_and_voided(void **state)
{
    (void)state;
    char code[16];
    snprintf(
        code, sizeof code, "%s",
        text_of(fixture_admin(&f, "invite create", "{\"channel\":\"%llu\",\"max_uses\":\"3\"}", ID(f.text)),
                "code"));
    assert_int_equal(fixture_ask(&f, f.stranger_token, "POST", NULL, "/invites/%s", code), 200);
    const json_t *list = json_object_get(ADMIN("invite list", ""), "invites");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(list, 0), "uses")), 1);
    assert_string_equal(text_of(fixture_admin(&f, "invite show", "{\"code\":\"%s\"}", code), "code"), code);
    fixture_admin(&f, "invite delete", "{\"code\":\"%s\"}", code);
    assert_string_equal(text_of(fixture_admin(&f, "invite show", "{\"code\":\"%s\"}", code), "error"),
                        "no such invite");
}

static void messages_are_sent_shown_and_removed_as_clients_see_it(void **state)
{
    (void)state;
    uint64_t id = json_id_of(fixture_admin(&f, "message send",
                                           "{\"channel\":\"%llu\",\"account\":\"%llu\",\"text\":\"hello\"}",
                                           ID(f.text), ID(f.other)),
                             "id");
    assert_int_equal(fixture_event(&f, "MESSAGE_CREATE")->e.author_id, f.other);
    fixture_admin(&f, "message send", "{\"channel\":\"%llu\",\"account\":\"%llu\",\"text\":\"x\"}",
                  ID(f.text), ID(f.stranger));
    assert_string_equal(text_of(f.json, "error"), "account: may not write there");
    const json_t *list = json_object_get(
        fixture_admin(&f, "message list", "{\"channel\":\"%llu\",\"limit\":\"5\"}", ID(f.text)), "messages");
    assert_string_equal(text_of(json_array_get(list, 0), "text"), "hello");
    fixture_admin(&f, "message show", "{\"channel\":\"%llu\",\"message\":\"%llu\"}", ID(f.text), ID(id));
    assert_string_equal(text_of(f.json, "name"), "other");
    fixture_admin(&f, "message delete", "{\"channel\":\"%llu\",\"message\":\"%llu\"}", ID(f.text), ID(id));
    assert_non_null(fixture_event(&f, "MESSAGE_DELETE"));
    fixture_admin(&f, "message show", "{\"channel\":\"%llu\",\"message\":\"%llu\"}", ID(f.text), ID(id));
    assert_string_equal(text_of(f.json, "error"), "no such message");
    assert_true(json_integer_value(json_object_get(fixture_admin(&f, "store status", "{}"), "written")) >= 2);
}

/* What an export says without the ids that are new each time. */
static char *shape_of(json_t *export)
{
    static const char *const lists[] = {"roles", "channels", "members"};
    json_t *all = json_deep_copy(export), *o, *w;
    size_t i, k;
    json_object_del(all, "guild");
    for (size_t n = 0; n < 3; n++)
        json_array_foreach(json_object_get(all, lists[n]), i, o)
        {
            json_object_del(o, "id");
            json_object_set_new(o, "parent", json_boolean(json_object_get(o, "parent") != NULL));
            if (n == 2)
                json_object_set_new(o, "roles",
                                    json_integer((json_int_t)json_array_size(json_object_get(o, "roles"))));
            char overwrites[512] = ""; /* in no order: theirs is by id */
            for (int type = 0; type < 2; type++)
                json_array_foreach(json_object_get(o, "overwrites"), k, w)
                {
                    if ((strcmp(text_of(w, "type"), "member") == 0) == type)
                        snprintf(overwrites + strlen(overwrites), sizeof overwrites - strlen(overwrites),
                                 "%s +%s -%s;", text_of(w, "type"), text_of(w, "allow"), text_of(w, "deny"));
                }
            json_object_set_new(o, "overwrites", json_string(overwrites));
        }
    char *text = json_dumps(all, JSON_COMPACT | JSON_SORT_KEYS);
    json_decref(all);
    return text;
}

static void a_guild_comes_out_of_its_export_as_it_was(void **state)
{
    (void)state;
    char body[256];
    uint64_t role = json_id_of(ADMIN("role create", ",\"name\":\"r\",\"permissions\":\"1024\""), "id");
    ADMIN("role give", ",\"account\":\"%llu\",\"role\":\"%llu\"", ID(f.other), ID(role));
    fixture_ask(&f, f.owner_token, "POST", "{\"name\":\"cat\",\"type\":4}", "/guilds/%llu/channels",
                ID(f.guild));
    snprintf(
        body, sizeof body,
        "{\"parent_id\":\"%llu\",\"permission_overwrites\":[{\"id\":\"%llu\",\"type\":0,\"deny\":\"2048\"},"
        "{\"id\":\"%llu\",\"type\":1,\"allow\":\"1024\"}]}",
        ID(json_id_of(f.json, "id")), ID(role), ID(f.other));
    assert_int_equal(fixture_ask(&f, f.owner_token, "PATCH", body, "/channels/%llu", ID(f.text)), 200);
    fixture_forget_effects(&f);
    ADMIN("member ban", ",\"account\":\"%llu\"", ID(f.stranger));
    json_t *data = json_deep_copy(ADMIN("guild export", "")),
           *parsed = json_pack("{s:o}", "data", json_deep_copy(data));
    fixture_admin_json(&f, "guild import", parsed);
    uint64_t id = json_id_of(f.json, "id");
    assert_true(id && id != f.guild);
    fixture_restart(&f);
    json_t *again = json_deep_copy(fixture_admin(&f, "guild export", "{\"guild\":\"%llu\"}", ID(id)));
    char *a = shape_of(data), *b = shape_of(again);
    assert_string_equal(a, b);
    const struct guild_state *g = model_guild(f.m, id);
    uint64_t lobby = g->channels[0]->parent_id   ? g->channels[0]->id
                     : g->channels[1]->parent_id ? g->channels[1]->id
                                                 : g->channels[2]->id;
    assert_int_equal(model_permissions(f.m, g, model_channel(f.m, lobby), f.other) & PERM_SEND_MESSAGES, 0);
    json_object_del(json_object_get(parsed, "data"), "roles");
    fixture_admin_json(&f, "guild import", parsed);
    assert_non_null(strstr(text_of(f.json, "error"), "not what export writes"));
    free(a);
    free(b);
    json_decref(parsed);
    json_decref(data);
    json_decref(again);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_guild_channel_and_role_are_shown_and_changed),
        CASE(members_are_listed_named_banned_and_let_in_again),
        CASE(invites_are_made_and_voided),
        CASE(messages_are_sent_shown_and_removed_as_clients_see_it),
        CASE(a_guild_comes_out_of_its_export_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
