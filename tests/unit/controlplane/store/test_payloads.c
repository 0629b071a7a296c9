/*
 * Payloads against the table of what crashes real clients (reference/gateway.md 5, 6, 10, 11): parsed back,
 * each rule a check.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/controlplane/store/fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static struct user alice = {.id = 300, .username = (char *)"alice", .bot = true};
static struct member alice_member = {.guild_id = 100, .user_id = 300, .joined_at_ms = 1714566896789};
static struct role everyone = {
    .id = 100, .guild_id = 100, .name = (char *)"@everyone", .permissions = UINT64_C(1) << 52};
static struct guild demo = {.id = 100, .owner_id = 300, .name = (char *)"demo"};

static json_t *take(struct json_out *o, const char *event)
{
    json_t *d = dispatch_d(o->data, o->length, event);
    json_out_free(o);
    return d;
}

static json_t *at(const json_t *o, const char *key)
{
    json_t *v = json_object_get(o, key);
    if (!v)
        fail_msg("no %s", key);
    return v;
}

static void assert_text(const json_t *o, const char *key, const char *want)
{
    assert_true(json_is_string(at(o, key)));
    assert_string_equal(json_string_value(at(o, key)), want);
}

static void assert_lists(const json_t *o, const char *const *keys, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (!json_is_array(json_object_get(o, keys[i])))
            fail_msg("%s is not a list", keys[i]);
}

static void ready_has_what_every_client_needs(void **state)
{
    (void)state;
    struct json_out o = {0};
    uint64_t guilds[] = {100, 101};
    struct ready r = {.user = &alice,
                      .session_id = "abc",
                      .resume_gateway_url = "wss://host",
                      .application_id = 300,
                      .guild_ids = guilds,
                      .guild_count = 2,
                      .shard_count = 1};
    dispatch_ready(&o, &r);
    json_t *d = take(&o, "READY");
    assert_int_equal(json_integer_value(at(d, "v")), 10);
    assert_true(json_is_true(at(at(d, "user"), "bot")));
    assert_text(at(d, "user"), "id", "300");
    assert_text(at(d, "application"), "id", "300");
    assert_text(d, "session_id", "abc");
    assert_text(d, "resume_gateway_url", "wss://host");
    assert_int_equal(json_array_size(at(d, "private_channels")), 0);
    assert_true(json_is_array(at(d, "private_channels")));
    assert_int_equal(json_array_size(at(d, "guilds")), 2);
    assert_true(json_is_true(at(json_array_get(at(d, "guilds"), 1), "unavailable")));
    assert_int_equal(json_array_size(at(d, "shard")), 2);
    json_decref(d);
}

static void guild_create_has_lists_and_never_null_for_them(void **state)
{
    (void)state;
    static const char *const lists[] = {"roles",
                                        "emojis",
                                        "stickers",
                                        "features",
                                        "channels",
                                        "members",
                                        "voice_states",
                                        "presences",
                                        "threads",
                                        "stage_instances",
                                        "guild_scheduled_events",
                                        "soundboard_sounds"};
    struct json_out o = {0};
    const struct role *roles[] = {&everyone};
    struct overwrite w = {.id = 100, .allow = 1024};
    struct channel text = {.id = 1, .guild_id = 100, .name = (char *)"general"};
    struct channel voice = {.id = 2,
                            .guild_id = 100,
                            .type = CHANNEL_VOICE,
                            .name = (char *)"General",
                            .bitrate = 64000,
                            .overwrites = &w,
                            .overwrite_count = 1};
    const struct channel *channels[] = {&text, &voice};
    struct member_ref who = {&alice_member, &alice};
    struct voice_state vs = {.guild_id = 100, .channel_id = 2, .user_id = 300, .session_id = "abc"};
    struct presence p = {.user_id = 300, .status = "online"};
    struct guild_view view = {.guild = &demo,
                              .roles = roles,
                              .role_count = 1,
                              .channels = channels,
                              .channel_count = 2,
                              .members = &who,
                              .member_listed = 1,
                              .voice_states = &vs,
                              .voice_state_count = 1,
                              .presences = &p,
                              .presence_count = 1,
                              .member_count = 1,
                              .joined_at_ms = 1714566896789};
    dispatch_guild_create(&o, &view);
    json_t *d = take(&o, "GUILD_CREATE");
    assert_lists(d, lists, sizeof lists / sizeof *lists);
    const json_t *role = json_array_get(at(d, "roles"), 0);
    assert_text(role, "id", "100");
    assert_text(role, "permissions", "4503599627370496");
    assert_true(json_is_integer(at(at(role, "colors"), "primary_color")));
    const json_t *channel = json_array_get(at(d, "channels"), 1);
    assert_int_equal(json_array_size(at(channel, "permission_overwrites")), 1);
    assert_text(json_array_get(at(channel, "permission_overwrites"), 0), "allow", "1024");
    assert_true(json_is_array(at(json_array_get(at(d, "channels"), 0), "permission_overwrites")));
    assert_text(at(json_array_get(at(d, "members"), 0), "user"), "id", "300");
    assert_text(json_array_get(at(d, "members"), 0), "joined_at", "2024-05-01T12:34:56.789000+00:00");
    assert_null(json_object_get(json_array_get(at(d, "voice_states"), 0), "guild_id"));
    assert_true(json_is_array(at(json_array_get(at(d, "presences"), 0), "activities")));
    assert_text(at(json_array_get(at(d, "presences"), 0), "user"), "id", "300");
    assert_false(json_is_true(at(d, "unavailable")));
    json_decref(d);
}

static void a_voice_state_carries_the_full_member_and_keeps_its_session_when_leaving(void **state)
{
    (void)state;
    struct json_out o = {0};
    struct member_ref who = {&alice_member, &alice};
    struct voice_state left = {.guild_id = 100, .user_id = 300, .session_id = "abc"};
    dispatch_voice_state_update(&o, &left, &who);
    json_t *d = take(&o, "VOICE_STATE_UPDATE");
    assert_true(json_is_null(at(d, "channel_id")));
    assert_text(d, "session_id", "abc");
    assert_text(d, "guild_id", "100");
    assert_text(at(at(d, "member"), "user"), "username", "alice");
    assert_true(json_is_string(at(at(d, "member"), "joined_at")));
    json_decref(d);
}

static void a_voice_server_update_without_a_server_says_null(void **state)
{
    (void)state;
    struct json_out o = {0};
    dispatch_voice_server_update(&o, 100, "secret", NULL);
    json_t *d = take(&o, "VOICE_SERVER_UPDATE");
    assert_text(d, "token", "secret");
    assert_true(json_is_null(at(d, "endpoint")));
    json_decref(d);
}

static struct message_view hello = {.message = {.id = 1000,
                                                .channel_id = 1,
                                                .author_id = 300,
                                                .content = (char *)"a \"quoted\"\nline \\ \x01 \xe2\x82\xac",
                                                .embeds = (char *)"[{\"type\":\"rich\"}]"}};

static void message_create_has_no_null_where_clients_break(void **state)
{
    (void)state;
    static const char *const lists[] = {"mentions", "mention_roles", "attachments", "embeds", "components"};
    static const char *const absent[] = {
        "message_reference", "activity",   "application", "thread",
        "reactions",         "webhook_id", "nonce",       "referenced_message"};
    struct json_out o = {0};
    struct message_full full = {.view = &hello, .author = &alice, .member = &alice_member, .guild_id = 100};
    dispatch_message(&o, "MESSAGE_CREATE", &full, true);
    json_t *d = take(&o, "MESSAGE_CREATE");
    assert_text(d, "content", hello.message.content);
    assert_lists(d, lists, sizeof lists / sizeof *lists);
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++)
        assert_null(json_object_get(d, absent[i]));
    assert_true(json_is_integer(at(d, "flags")));
    assert_text(at(d, "author"), "username", "alice");
    assert_null(json_object_get(at(d, "member"), "user"));
    assert_text(d, "guild_id", "100");
    json_decref(d);
}

static void without_message_content_the_words_are_empty_and_the_rest_stays(void **state)
{
    (void)state;
    struct json_out o = {0};
    struct message_full full = {.view = &hello, .author = &alice, .guild_id = 100};
    dispatch_message(&o, "MESSAGE_CREATE", &full, false);
    json_t *d = take(&o, "MESSAGE_CREATE");
    assert_text(d, "content", "");
    assert_int_equal(json_array_size(at(d, "embeds")), 0);
    assert_text(d, "id", "1000");
    json_decref(d);
}

static void a_reply_to_a_deleted_message_says_null(void **state)
{
    (void)state;
    struct json_out o = {0};
    struct message_view v = hello;
    v.message.type = MESSAGE_REPLY;
    v.message.reference_id = 999;
    struct message_full full = {.view = &v, .author = &alice, .guild_id = 100};
    object_message(&o, &full);
    json_t *d = json_loadb(o.data, o.length, 0, NULL);
    assert_text(at(d, "message_reference"), "message_id", "999");
    assert_true(json_is_null(at(d, "referenced_message")));
    assert_null(json_object_get(d, "guild_id"));
    json_decref(d);
    json_out_free(&o);
}

static void an_emoji_is_unicode_or_custom(void **state)
{
    (void)state;
    struct json_out o = {0};
    object_emoji(&o, "\xf0\x9f\x91\x8d");
    assert_memory_equal(o.data, "{\"id\":null,\"name\":\"\xf0\x9f\x91\x8d\"}", o.length);
    json_out_reset(&o);
    object_emoji(&o, "blob:123");
    assert_memory_equal(o.data, "{\"id\":\"123\",\"name\":\"blob\"}", o.length);
    json_out_free(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ready_has_what_every_client_needs),
        cmocka_unit_test(guild_create_has_lists_and_never_null_for_them),
        cmocka_unit_test(a_voice_state_carries_the_full_member_and_keeps_its_session_when_leaving),
        cmocka_unit_test(a_voice_server_update_without_a_server_says_null),
        cmocka_unit_test(message_create_has_no_null_where_clients_break),
        cmocka_unit_test(without_message_content_the_words_are_empty_and_the_rest_stays),
        cmocka_unit_test(a_reply_to_a_deleted_message_says_null),
        cmocka_unit_test(an_emoji_is_unicode_or_custom),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
