/*
 * Guilds, channels, roles, overwrites and members over REST: who may, what everybody is told, what remains
 * after a restart.
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

static void a_new_guild_has_everyone_and_two_channels(void **state)
{
    (void)state;
    fixture_ask(&f, f.other_token, "GET", NULL, "/guilds/%llu?with_counts=true", ID(f.guild));
    assert_int_equal(f.status, 200);
    assert_int_equal(json_id_of(json_array_get(json_object_get(f.json, "roles"), 0), "id"), f.guild);
    assert_int_equal(json_integer_value(json_object_get(f.json, "approximate_member_count")), 2);
    assert_null(json_object_get(f.json, "members"));
    fixture_ask(&f, f.other_token, "GET", NULL, "/guilds/%llu/channels", ID(f.guild));
    assert_int_equal(json_array_size(f.json), 2);
    fixture_ask(&f, f.other_token, "GET", NULL, "/channels/%llu", ID(f.voice));
    assert_int_equal(json_id_of(f.json, "guild_id"), f.guild);
    assert_int_equal(json_integer_value(json_object_get(f.json, "bitrate")), 64000);
}

static void a_channel_is_made_changed_hidden_and_removed(void **state)
{
    (void)state;
    char body[256];
    fixture_ask(&f, f.other_token, "POST", "{\"name\":\"x\"}", "/guilds/%llu/channels", ID(f.guild));
    fixture_refused(&f, 403, 50013);
    assert_int_equal(fixture_ask(&f, f.owner_token, "POST",
                                 "{\"name\":\"secret\",\"type\":0,\"topic\":\"t\"}", "/guilds/%llu/channels",
                                 ID(f.guild)),
                     201);
    uint64_t id = json_id_of(f.json, "id");
    const struct kept_effect *e = fixture_event(&f, "CHANNEL_CREATE");
    assert_int_equal(e->e.view_channel, id);
    snprintf(body, sizeof body, "{\"type\":0,\"deny\":\"1024\",\"allow\":\"0\"}");
    assert_int_equal(
        fixture_ask(&f, f.owner_token, "PUT", body, "/channels/%llu/permissions/%llu", ID(id), ID(f.guild)),
        204);
    assert_non_null(fixture_effect(&f, EFFECT_PERMISSIONS_CHANGED));
    fixture_ask(&f, f.other_token, "GET", NULL, "/channels/%llu", ID(id));
    fixture_refused(&f, 403, 50001);
    fixture_ask(&f, f.other_token, "GET", NULL, "/guilds/%llu/channels", ID(f.guild));
    assert_int_equal(json_array_size(f.json), 2);
    fixture_restart(&f);
    fixture_ask(&f, f.other_token, "GET", NULL, "/channels/%llu", ID(id));
    fixture_refused(&f, 403, 50001);
    assert_int_equal(fixture_ask(&f, f.owner_token, "PATCH",
                                 "{\"name\":\"open\",\"topic\":null,\"permission_overwrites\":[]}",
                                 "/channels/%llu", ID(id)),
                     200);
    assert_true(json_is_null(json_object_get(f.json, "topic")));
    assert_int_equal(fixture_ask(&f, f.other_token, "GET", NULL, "/channels/%llu", ID(id)), 200);
    assert_string_equal(fixture_text(&f, "name"), "open");
    assert_int_equal(fixture_ask(&f, f.owner_token, "DELETE", NULL, "/channels/%llu", ID(id)), 200);
    assert_non_null(fixture_event(&f, "CHANNEL_DELETE"));
    assert_non_null(fixture_effect(&f, EFFECT_CHANNEL_DELETED));
    fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu", ID(id));
    fixture_refused(&f, 404, 10003);
}

static void nobody_hands_out_what_they_do_not_have(void **state)
{
    (void)state;
    char body[160];
    uint64_t role = fixture_give_role(&f, PERM_MANAGE_ROLES | PERM_MANAGE_CHANNELS);
    fixture_ask(&f, f.other_token, "POST", "{\"name\":\"up\",\"permissions\":\"8\"}", "/guilds/%llu/roles",
                ID(f.guild));
    fixture_refused(&f, 403, 50013);
    fixture_ask(&f, f.other_token, "PATCH", "{\"permissions\":\"8\"}", "/guilds/%llu/roles/%llu", ID(f.guild),
                ID(role));
    fixture_refused(&f, 403, 50013);
    fixture_ask(&f, f.other_token, "PATCH", "{\"permissions\":\"8\"}", "/guilds/%llu/roles/%llu", ID(f.guild),
                ID(f.guild));
    fixture_refused(&f, 403, 50013);
    fixture_ask(&f, f.other_token, "PUT", "{\"type\":1,\"allow\":\"8192\"}",
                "/channels/%llu/permissions/%llu", ID(f.text), ID(f.other));
    fixture_refused(&f, 403, 50013);
    snprintf(body, sizeof body, "{\"permission_overwrites\":[{\"id\":\"%llu\",\"type\":1,\"allow\":\"8\"}]}",
             ID(f.other));
    fixture_ask(&f, f.other_token, "PATCH", body, "/channels/%llu", ID(f.text));
    fixture_refused(&f, 403, 50013);
    fixture_ask(&f, f.other_token, "PATCH", "{\"owner_id\":\"1\"}", "/guilds/%llu", ID(f.guild));
    fixture_refused(&f, 403, 50013);
    uint64_t top =
        json_id_of(fixture_admin(&f, "role create",
                                 "{\"guild\":\"%llu\",\"name\":\"top\",\"permissions\":\"8\"}", ID(f.guild)),
                   "id");
    snprintf(body, sizeof body, "{\"roles\":[\"%llu\",\"%llu\"]}", ID(role), ID(top));
    fixture_ask(&f, f.other_token, "PATCH", body, "/guilds/%llu/members/%llu", ID(f.guild), ID(f.other));
    fixture_refused(&f, 403, 50013);
    fixture_ask(&f, f.other_token, "DELETE", NULL, "/guilds/%llu/roles/%llu", ID(f.guild), ID(top));
    fixture_refused(&f, 403, 50013);
    assert_int_equal(model_permissions(f.m, model_guild(f.m, f.guild), NULL, f.other) & PERM_ADMINISTRATOR,
                     0);
}

static void a_role_lives_and_takes_its_traces_along(void **state)
{
    (void)state;
    char body[128];
    assert_int_equal(fixture_ask(&f, f.owner_token, "POST",
                                 "{\"name\":\"dj\",\"permissions\":\"256\",\"color\":255}",
                                 "/guilds/%llu/roles", ID(f.guild)),
                     200);
    uint64_t id = json_id_of(f.json, "id");
    assert_string_equal(fixture_text(&f, "permissions"), "256");
    snprintf(body, sizeof body, "{\"roles\":[\"%llu\"]}", ID(id));
    assert_int_equal(
        fixture_ask(&f, f.owner_token, "PATCH", body, "/guilds/%llu/members/%llu", ID(f.guild), ID(f.other)),
        200);
    assert_int_equal(fixture_event(&f, "GUILD_MEMBER_UPDATE")->e.always_user, f.other);
    fixture_restart(&f);
    assert_true(model_permissions(f.m, model_guild(f.m, f.guild), NULL, f.other) & 256);
    assert_int_equal(
        fixture_ask(&f, f.owner_token, "DELETE", NULL, "/guilds/%llu/roles/%llu", ID(f.guild), ID(id)), 204);
    fixture_ask(&f, f.owner_token, "GET", NULL, "/guilds/%llu/members/%llu", ID(f.guild), ID(f.other));
    assert_int_equal(json_array_size(json_object_get(f.json, "roles")), 0);
}

static void muting_and_moving_need_voice_and_become_effects(void **state)
{
    (void)state;
    char body[64];
    fixture_ask(&f, f.owner_token, "PATCH", "{\"mute\":true}", "/guilds/%llu/members/%llu", ID(f.guild),
                ID(f.other));
    fixture_refused(&f, 400, 40032);
    f.in_voice = f.voice;
    fixture_ask(&f, f.other_token, "PATCH", "{\"mute\":true}", "/guilds/%llu/members/%llu", ID(f.guild),
                ID(f.owner));
    fixture_refused(&f, 403, 50013);
    assert_int_equal(fixture_ask(&f, f.owner_token, "PATCH", "{\"mute\":true}", "/guilds/%llu/members/%llu",
                                 ID(f.guild), ID(f.other)),
                     200);
    assert_true(json_is_true(json_object_get(f.json, "mute")));
    const struct kept_effect *e = fixture_effect(&f, EFFECT_VOICE);
    assert_true(e->e.voice_set_mute && e->e.voice_mute && !e->e.voice_set_deaf && !e->e.voice_move);
    assert_int_equal(e->e.user_id, f.other);
    fixture_forget_effects(&f);
    fixture_ask(&f, f.owner_token, "PATCH", "{\"channel_id\":null}", "/guilds/%llu/members/%llu", ID(f.guild),
                ID(f.other));
    e = fixture_effect(&f, EFFECT_VOICE);
    assert_true(e->e.voice_move && e->e.voice_channel_id == 0);
    fixture_forget_effects(&f);
    snprintf(body, sizeof body, "{\"channel_id\":\"%llu\"}", ID(f.voice));
    fixture_ask(&f, f.owner_token, "PATCH", body, "/guilds/%llu/members/%llu", ID(f.guild), ID(f.other));
    assert_int_equal(fixture_effect(&f, EFFECT_VOICE)->e.voice_channel_id, f.voice);
    snprintf(body, sizeof body, "{\"channel_id\":\"%llu\"}", ID(f.text));
    fixture_ask(&f, f.owner_token, "PATCH", body, "/guilds/%llu/members/%llu", ID(f.guild), ID(f.other));
    fixture_refused(&f, 403, 50024);
}

static void a_timeout_takes_the_voice_away_until_it_ends(void **state)
{
    (void)state;
    fixture_give_role(&f, PERM_MODERATE_MEMBERS);
    fixture_ask(&f, f.other_token, "PATCH", "{\"communication_disabled_until\":\"2025-06-15T15:30:00Z\"}",
                "/guilds/%llu/members/%llu", ID(f.guild), ID(f.owner));
    fixture_refused(&f, 403, 50013);
    assert_int_equal(fixture_ask(&f, f.owner_token, "PATCH",
                                 "{\"communication_disabled_until\":\"2025-06-15T15:30:00Z\"}",
                                 "/guilds/%llu/members/%llu", ID(f.guild), ID(f.other)),
                     200);
    fixture_ask(&f, f.other_token, "POST", "{\"content\":\"x\"}", "/channels/%llu/messages", ID(f.text));
    fixture_refused(&f, 403, 50013);
    f.m->now_ms += 3600 * 1000;
    assert_int_equal(
        fixture_ask(&f, f.other_token, "POST", "{\"content\":\"x\"}", "/channels/%llu/messages", ID(f.text)),
        200);
}

static void nicknames_are_ones_own_or_the_managers(void **state)
{
    (void)state;
    assert_int_equal(
        fixture_ask(&f, f.other_token, "PATCH", "{\"nick\":\"Me\"}", "/guilds/%llu/members/@me", ID(f.guild)),
        200);
    assert_string_equal(fixture_text(&f, "nick"), "Me");
    fixture_ask(&f, f.other_token, "PATCH", "{\"nick\":\"You\"}", "/guilds/%llu/members/%llu", ID(f.guild),
                ID(f.owner));
    fixture_refused(&f, 403, 50013);
    fixture_ask(&f, f.other_token, "GET", NULL, "/guilds/%llu/members/search?query=m%%45&limit=5",
                ID(f.guild));
    assert_int_equal(json_array_size(f.json), 1);
    fixture_ask(&f, f.other_token, "GET", NULL, "/guilds/%llu/members?limit=1&after=%llu", ID(f.guild),
                ID(f.owner));
    assert_int_equal(json_id_of(json_object_get(json_array_get(f.json, 0), "user"), "id"), f.other);
}

static void whoever_is_kicked_is_out(void **state)
{
    (void)state;
    fixture_ask(&f, f.other_token, "DELETE", NULL, "/guilds/%llu/members/%llu", ID(f.guild), ID(f.owner));
    fixture_refused(&f, 403, 50013);
    assert_int_equal(
        fixture_ask(&f, f.owner_token, "DELETE", NULL, "/guilds/%llu/members/%llu", ID(f.guild), ID(f.other)),
        204);
    assert_int_equal(fixture_effect(&f, EFFECT_GUILD_LEFT)->e.user_id, f.other);
    assert_non_null(fixture_event(&f, "GUILD_MEMBER_REMOVE"));
    fixture_ask(&f, f.other_token, "GET", NULL, "/guilds/%llu", ID(f.guild));
    fixture_refused(&f, 403, 50001);
    fixture_ask(&f, f.owner_token, "GET", NULL, "/guilds/%llu/members/%llu", ID(f.guild), ID(f.other));
    fixture_refused(&f, 404, 10007);
    fixture_ask(&f, f.owner_token, "GET", NULL, "/guilds/%llu/members/7", ID(f.guild));
    fixture_refused(&f, 404, 10013);
}

static void changes_of_one_guild_asked_for_at_once_all_hold(void **state)
{
    (void)state;
    char path[64], body[64];
    size_t before = f.answers;
    snprintf(path, sizeof path, "/channels/%llu", ID(f.text));
    fixture_start(&f, NULL, f.owner_token, "PATCH", "{\"name\":\"both\"}", path);
    fixture_start(&f, NULL, f.owner_token, "PATCH", "{\"topic\":\"hold\"}", path);
    for (int i = 0; i < 20; i++) {
        snprintf(body, sizeof body, "{\"name\":\"r%d\"}", i);
        snprintf(path, sizeof path, "/guilds/%llu/roles", ID(f.guild));
        fixture_start(&f, NULL, f.owner_token, "POST", body, path);
    }
    fixture_wait(&f, before + 22);
    fixture_restart(&f);
    assert_string_equal(model_channel(f.m, f.text)->name, "both");
    assert_string_equal(model_channel(f.m, f.text)->topic, "hold");
    assert_int_equal(model_guild(f.m, f.guild)->role_count, 21);
}

static void ones_guilds_are_listed_by_id(void **state)
{
    (void)state;
    uint64_t second = json_id_of(
        fixture_admin(&f, "guild create", "{\"name\":\"second\",\"owner\":\"%llu\"}", ID(f.other)), "id");
    assert_non_null(fixture_effect(&f, EFFECT_GUILD_JOINED));
    fixture_ask(&f, f.other_token, "GET", NULL, "/users/@me/guilds");
    assert_int_equal(json_array_size(f.json), 2);
    assert_int_equal(json_id_of(json_array_get(f.json, 0), "id"), f.guild);
    assert_true(json_is_true(json_object_get(json_array_get(f.json, 1), "owner")));
    fixture_ask(&f, f.other_token, "GET", NULL, "/users/@me/guilds?after=%llu", ID(f.guild));
    assert_int_equal(json_id_of(json_array_get(f.json, 0), "id"), second);
    fixture_admin(&f, "guild delete", "{\"guild\":\"%llu\"}", ID(second));
    assert_non_null(fixture_effect(&f, EFFECT_GUILD_DELETED));
    fixture_ask(&f, f.other_token, "GET", NULL, "/users/@me/guilds");
    assert_int_equal(json_array_size(f.json), 1);
    fixture_restart(&f);
    assert_null(model_guild(f.m, second));
}

static void the_operators_verbs_say_what_is_wrong(void **state)
{
    (void)state;
    static const struct {
        const char *verb, *args;
    } wrong[] = {{"account create", "{}"},
                 {"guild create", "{\"name\":\"x\",\"owner\":\"5\"}"},
                 {"guild join", "{\"guild\":\"5\",\"account\":\"5\"}"},
                 {"channel create", "{\"guild\":\"5\"}"},
                 {"role create", "{\"guild\":\"5\"}"},
                 {"role give", "{\"guild\":\"5\"}"},
                 {"channel list", "{}"},
                 {"guild leave", "{\"guild\":\"5\"}"},
                 {"channel delete", "{\"channel\":[]}"},
                 {"token create", "{\"account\":\"x\"}"}};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_true(
            json_is_string(json_object_get(fixture_admin(&f, wrong[i].verb, "%s", wrong[i].args), "error")));
    assert_false(admin_call(f.m, "no such", NULL, NULL, NULL));
    fixture_admin(&f, "account list", "{}");
    assert_int_equal(json_array_size(json_object_get(f.json, "accounts")), 3);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_new_guild_has_everyone_and_two_channels),
        CASE(a_channel_is_made_changed_hidden_and_removed),
        CASE(nobody_hands_out_what_they_do_not_have),
        CASE(a_role_lives_and_takes_its_traces_along),
        CASE(muting_and_moving_need_voice_and_become_effects),
        CASE(a_timeout_takes_the_voice_away_until_it_ends),
        CASE(nicknames_are_ones_own_or_the_managers),
        CASE(whoever_is_kicked_is_out),
        CASE(changes_of_one_guild_asked_for_at_once_all_hold),
        CASE(ones_guilds_are_listed_by_id),
        CASE(the_operators_verbs_say_what_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
