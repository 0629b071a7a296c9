/*
 * Who may be in a guild and how one gets there, over REST: bans, invites, joining and leaving, roles given
 * and moved; and direct messages of two, who alone hear of them.
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

static void invite(const char *body, char code[16])
{
    assert_int_equal(fixture_ask(&f, f.owner_token, "POST", body, "/channels/%llu/invites", ID(f.text)), 200);
    assert_int_equal(strlen(fixture_text(&f, "code")), 10);
    strcpy(code, fixture_text(&f, "code"));
}

static void an_invite_is_made_listed_used_and_used_up(void **state)
{
    (void)state;
    char code[16], again[16];
    invite("{\"max_uses\":1,\"max_age\":3600}", code);
    const struct kept_effect *e = fixture_event(&f, "INVITE_CREATE");
    assert_int_equal(e->e.view_channel, f.text);
    assert_int_equal(e->e.intent, 1 << 6);
    assert_non_null(strstr(e->body, code));
    invite("{\"max_uses\":1,\"max_age\":3600}", again);
    assert_string_equal(again, code); /* the same is asked for: the same is given */
    invite("{\"max_uses\":1,\"max_age\":3600,\"unique\":true}", again);
    assert_string_not_equal(again, code);
    fixture_restart(&f);
    fixture_ask(&f, f.owner_token, "GET", NULL, "/guilds/%llu/invites", ID(f.guild));
    assert_int_equal(json_array_size(f.json), 2);
    fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu/invites", ID(f.voice));
    assert_int_equal(json_array_size(f.json), 0);
    fixture_forget_effects(&f);
    assert_int_equal(fixture_ask(&f, f.stranger_token, "GET", NULL, "/invites/%s?with_counts=true", code),
                     200);
    assert_int_equal(json_integer_value(json_object_get(f.json, "approximate_member_count")), 2);
    assert_int_equal(json_id_of(json_object_get(f.json, "guild"), "id"), f.guild);
    assert_int_equal(fixture_ask(&f, f.stranger_token, "POST", NULL, "/invites/%s", code), 200);
    assert_non_null(model_member(model_guild(f.m, f.guild), f.stranger));
    assert_int_equal(fixture_effect(&f, EFFECT_GUILD_JOINED)->e.user_id, f.stranger);
    assert_non_null(fixture_event(&f, "GUILD_MEMBER_ADD"));
    assert_non_null(fixture_event(&f, "INVITE_DELETE"));
    fixture_ask(&f, f.owner_token, "GET", NULL, "/invites/%s", code);
    fixture_refused(&f, 404, 10006);
}

static void an_invite_ends_with_its_time_its_channel_and_by_hand(void **state)
{
    (void)state;
    char old[16], gone[16], last[16];
    invite("{\"max_age\":60}", old);
    invite("{\"max_age\":0}", gone);
    f.m->now_ms += 61000;
    fixture_ask(&f, f.stranger_token, "POST", NULL, "/invites/%s", old);
    fixture_refused(&f, 404, 10006);
    fixture_ask(&f, f.other_token, "DELETE", NULL, "/invites/%s", gone);
    fixture_refused(&f, 403, 50013);
    assert_int_equal(fixture_ask(&f, f.owner_token, "DELETE", NULL, "/invites/%s", gone), 200);
    assert_non_null(fixture_event(&f, "INVITE_DELETE"));
    invite("{\"max_age\":0}", last);
    assert_int_equal(fixture_ask(&f, f.owner_token, "DELETE", NULL, "/channels/%llu", ID(f.text)), 200);
    fixture_ask(&f, f.stranger_token, "POST", NULL, "/invites/%s", last);
    fixture_refused(&f, 404, 10006);
    fixture_restart(&f);
    fixture_ask(&f, f.owner_token, "GET", NULL, "/guilds/%llu/invites", ID(f.guild));
    assert_int_equal(json_array_size(f.json), 0);
    fixture_ask(&f, f.stranger_token, "GET", NULL, "/invites/%s", "..%2F..%2Fetc");
    fixture_refused(&f, 404, 10006);
}

static void a_ban_puts_out_keeps_out_and_ends(void **state)
{
    (void)state;
    char code[16];
    invite("{}", code);
    fixture_forget_effects(&f);
    fixture_ask(&f, f.other_token, "PUT", "{}", "/guilds/%llu/bans/%llu", ID(f.guild), ID(f.stranger));
    fixture_refused(&f, 403, 50013);
    fixture_give_role(&f, PERM_BAN_MEMBERS);
    fixture_ask(&f, f.other_token, "PUT", "{}", "/guilds/%llu/bans/%llu", ID(f.guild), ID(f.owner));
    fixture_refused(&f, 403, 50013); /* nobody bans above them */
    assert_int_equal(fixture_ask(&f, f.owner_token, "PUT", "{\"reason\":\"spam\"}", "/guilds/%llu/bans/%llu",
                                 ID(f.guild), ID(f.other)),
                     204);
    assert_int_equal(fixture_effect(&f, EFFECT_GUILD_LEFT)->e.user_id, f.other);
    assert_non_null(fixture_event(&f, "GUILD_MEMBER_REMOVE"));
    assert_int_equal(fixture_event(&f, "GUILD_BAN_ADD")->e.intent, 1 << 2);
    fixture_ask(&f, f.other_token, "POST", NULL, "/invites/%s", code);
    fixture_refused(&f, 403, 40007);
    fixture_restart(&f);
    fixture_ask(&f, f.other_token, "POST", NULL, "/invites/%s", code);
    fixture_refused(&f, 403, 40007);
    fixture_ask(&f, f.owner_token, "GET", NULL, "/guilds/%llu/bans/%llu", ID(f.guild), ID(f.other));
    assert_string_equal(fixture_text(&f, "reason"), "spam");
    fixture_ask(&f, f.owner_token, "GET", NULL, "/guilds/%llu/bans?limit=10", ID(f.guild));
    assert_int_equal(json_array_size(f.json), 1);
    fixture_ask(&f, f.owner_token, "GET", NULL, "/guilds/%llu/bans?after=%llu", ID(f.guild), ID(f.other));
    assert_int_equal(json_array_size(f.json), 0);
    assert_int_equal(
        fixture_ask(&f, f.owner_token, "DELETE", NULL, "/guilds/%llu/bans/%llu", ID(f.guild), ID(f.other)),
        204);
    assert_non_null(fixture_event(&f, "GUILD_BAN_REMOVE"));
    fixture_ask(&f, f.owner_token, "GET", NULL, "/guilds/%llu/bans/%llu", ID(f.guild), ID(f.other));
    fixture_refused(&f, 404, 10026);
    assert_int_equal(fixture_ask(&f, f.other_token, "POST", NULL, "/invites/%s", code), 200);
}

static void say(const char *token, unsigned times)
{
    for (unsigned i = 0; i < times; i++, f.m->now_ms += 200, fixture_forget_effects(&f))
        assert_int_equal(
            fixture_ask(&f, token, "POST", "{\"content\":\"x\"}", "/channels/%llu/messages", ID(f.text)),
            200);
}

static size_t words_left(void)
{
    fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu/messages?limit=100", ID(f.text));
    return json_array_size(f.json);
}

/* How many ids the MESSAGE_DELETE_BULK events had, and in how many events. */
static size_t told_deleted(size_t *events)
{
    size_t ids = 0;
    *events = 0;
    for (size_t i = 0; i < f.effect_count; i++) {
        const struct kept_effect *e = &f.effects[i];
        if (e->e.kind != EFFECT_EVENT || strcmp(e->name, "MESSAGE_DELETE_BULK") != 0)
            continue;
        assert_int_equal(e->e.view_channel, f.text);
        json_t *d = dispatch_d(e->body, strlen(e->body), "MESSAGE_DELETE_BULK");
        ids += json_array_size(json_object_get(d, "ids"));
        json_decref(d);
        ++*events;
    }
    return ids;
}

static void a_ban_takes_along_what_was_said_lately_and_tells_of_it(void **state)
{
    (void)state;
    size_t events;
    say(f.other_token, 2);
    f.m->now_ms += 3600000;
    say(f.owner_token, 3);
    say(f.other_token, 120);
    fixture_forget_effects(&f);
    uint64_t published = f.published;
    fixture_ask(&f, f.owner_token, "PUT", "{\"delete_message_seconds\":604801}", "/guilds/%llu/bans/%llu",
                ID(f.guild), ID(f.other));
    fixture_refused(&f, 400, 50035);
    assert_int_equal(fixture_ask(&f, f.owner_token, "PUT", "{\"delete_message_seconds\":1800}",
                                 "/guilds/%llu/bans/%llu", ID(f.guild), ID(f.other)),
                     204);
    assert_int_equal(told_deleted(&events), 120);
    assert_int_equal(events, 2);
    assert_int_equal(words_left(), 2 + 3);
    fixture_restart(&f); /* and the next process would tell the same */
    fixture_forget_effects(&f);
    f.published = published;
    assert_int_equal(effects_recover(f.m, published), STORE_OK);
    assert_int_equal(told_deleted(&events), 120);
    assert_non_null(fixture_event(&f, "GUILD_BAN_ADD"));
    fixture_ask(&f, f.owner_token, "DELETE", NULL, "/guilds/%llu/bans/%llu", ID(f.guild), ID(f.other));
    fixture_forget_effects(&f);
    assert_int_equal(fixture_ask(&f, f.owner_token, "PUT", "{\"delete_message_days\":1}",
                                 "/guilds/%llu/bans/%llu", ID(f.guild), ID(f.other)),
                     204);
    assert_int_equal(told_deleted(&events), 2);
    assert_int_equal(words_left(), 3);
}

static void many_are_banned_at_once_and_the_answer_says_who(void **state)
{
    (void)state;
    char body[160];
    snprintf(body, sizeof body, "{\"user_ids\":[\"%llu\",\"%llu\",\"%llu\",\"5\"]}", ID(f.other),
             ID(f.stranger), ID(f.owner));
    assert_int_equal(fixture_ask(&f, f.owner_token, "POST", body, "/guilds/%llu/bulk-ban", ID(f.guild)), 200);
    assert_int_equal(json_array_size(json_object_get(f.json, "banned_users")), 2);
    assert_int_equal(json_array_size(json_object_get(f.json, "failed_users")), 2);
    assert_null(model_member(model_guild(f.m, f.guild), f.other));
    fixture_ask(&f, f.owner_token, "POST", body, "/guilds/%llu/bulk-ban", ID(f.guild));
    fixture_refused(&f, 500, 500000);
}

static void whoever_leaves_is_out_but_for_the_owner(void **state)
{
    (void)state;
    fixture_ask(&f, f.owner_token, "DELETE", NULL, "/users/@me/guilds/%llu", ID(f.guild));
    fixture_refused(&f, 400, 50055);
    assert_int_equal(fixture_ask(&f, f.other_token, "DELETE", NULL, "/users/@me/guilds/%llu", ID(f.guild)),
                     204);
    assert_int_equal(fixture_effect(&f, EFFECT_GUILD_LEFT)->e.user_id, f.other);
    fixture_ask(&f, f.other_token, "DELETE", NULL, "/users/@me/guilds/%llu", ID(f.guild));
    fixture_refused(&f, 403, 50001);
}

static void a_guild_is_made_and_removed_by_its_owner_alone(void **state)
{
    (void)state;
    assert_int_equal(fixture_ask(&f, f.stranger_token, "POST", "{\"name\":\"mine\"}", "/guilds"), 201);
    uint64_t id = json_id_of(f.json, "id");
    assert_int_equal(json_id_of(f.json, "owner_id"), f.stranger);
    assert_int_equal(fixture_effect(&f, EFFECT_GUILD_JOINED)->e.user_id, f.stranger);
    fixture_ask(&f, f.stranger_token, "GET", NULL, "/guilds/%llu/channels", ID(id));
    assert_int_equal(json_array_size(f.json), 2);
    assert_int_equal(fixture_ask(&f, f.stranger_token, "GET", NULL, "/guilds/%llu/preview", ID(id)), 200);
    fixture_ask(&f, f.owner_token, "DELETE", NULL, "/guilds/%llu", ID(id));
    fixture_refused(&f, 403, 50001);
    assert_int_equal(fixture_ask(&f, f.stranger_token, "DELETE", NULL, "/guilds/%llu", ID(id)), 204);
    assert_non_null(fixture_effect(&f, EFFECT_GUILD_DELETED));
    fixture_restart(&f);
    assert_null(model_guild(f.m, id));
}

static void a_role_is_given_and_taken_below_ones_own(void **state)
{
    (void)state;
    uint64_t low = json_id_of(
        fixture_admin(&f, "role create", "{\"guild\":\"%llu\",\"name\":\"low\"}", ID(f.guild)), "id");
    uint64_t own = fixture_give_role(&f, PERM_MANAGE_ROLES);
    fixture_ask(&f, f.other_token, "PUT", NULL, "/guilds/%llu/members/%llu/roles/%llu", ID(f.guild),
                ID(f.owner), ID(own));
    fixture_refused(&f, 403, 50013);
    assert_int_equal(fixture_ask(&f, f.other_token, "PUT", NULL, "/guilds/%llu/members/%llu/roles/%llu",
                                 ID(f.guild), ID(f.owner), ID(low)),
                     204);
    assert_int_equal(fixture_event(&f, "GUILD_MEMBER_UPDATE")->e.always_user, f.owner);
    fixture_restart(&f);
    assert_true(member_has_role(model_member(model_guild(f.m, f.guild), f.owner), low));
    assert_int_equal(fixture_ask(&f, f.other_token, "DELETE", NULL, "/guilds/%llu/members/%llu/roles/%llu",
                                 ID(f.guild), ID(f.owner), ID(low)),
                     204);
    assert_false(member_has_role(model_member(model_guild(f.m, f.guild), f.owner), low));
    fixture_ask(&f, f.other_token, "PUT", NULL, "/guilds/%llu/members/%llu/roles/%llu", ID(f.guild),
                ID(f.owner), ID(f.guild));
    fixture_refused(&f, 404, 10011);
}

static void roles_and_channels_move_together(void **state)
{
    (void)state;
    char body[400];
    uint64_t a = fixture_give_role(&f, 0),
             b = fixture_give_role(&f, PERM_MANAGE_ROLES | PERM_MANAGE_CHANNELS);
    uint64_t top = json_id_of(
        fixture_admin(&f, "role create", "{\"guild\":\"%llu\",\"name\":\"top\"}", ID(f.guild)), "id");
    snprintf(body, sizeof body, "[{\"id\":\"%llu\",\"position\":2},{\"id\":\"%llu\",\"position\":1}]", ID(a),
             ID(b));
    fixture_ask(&f, f.other_token, "PATCH", body, "/guilds/%llu/roles", ID(f.guild));
    fixture_refused(&f, 403, 50013); /* to where one's own highest role is */
    snprintf(body, sizeof body, "[{\"id\":\"%llu\",\"position\":1}]", ID(top));
    fixture_ask(&f, f.other_token, "PATCH", body, "/guilds/%llu/roles", ID(f.guild));
    fixture_refused(&f, 403, 50013);
    snprintf(body, sizeof body,
             "[{\"id\":\"%llu\",\"position\":1},{\"id\":\"%llu\",\"position\":2},"
             "{\"id\":\"%llu\",\"position\":3}]",
             ID(top), ID(a), ID(b));
    assert_int_equal(fixture_ask(&f, f.owner_token, "PATCH", body, "/guilds/%llu/roles", ID(f.guild)), 200);
    assert_int_equal(json_id_of(json_array_get(f.json, 1), "id"), top);
    assert_int_equal(json_id_of(json_array_get(f.json, 3), "id"), b);
    assert_non_null(fixture_event(&f, "GUILD_ROLE_UPDATE"));
    snprintf(body, sizeof body, "[{\"id\":\"%llu\",\"position\":4},{\"id\":\"%llu\",\"position\":1}]",
             ID(f.text), ID(f.voice));
    assert_int_equal(fixture_ask(&f, f.other_token, "PATCH", body, "/guilds/%llu/channels", ID(f.guild)),
                     204);
    fixture_restart(&f);
    assert_int_equal(model_channel(f.m, f.text)->position, 4);
    assert_int_equal(model_guild(f.m, f.guild)->channels[0]->id, f.voice);
    fixture_ask(&f, f.owner_token, "PATCH", "[{\"id\":\"7\",\"position\":1}]", "/guilds/%llu/channels",
                ID(f.guild));
    fixture_refused(&f, 404, 10003);
    fixture_ask(&f, f.owner_token, "PATCH", "{}", "/guilds/%llu/channels", ID(f.guild));
    fixture_refused(&f, 400, 50035);
}

static uint64_t open_dm(const char *token, uint64_t with)
{
    char body[64];
    snprintf(body, sizeof body, "{\"recipient_id\":\"%llu\"}", ID(with));
    assert_int_equal(fixture_ask(&f, token, "POST", body, "/users/@me/channels"), 200);
    assert_int_equal(json_integer_value(json_object_get(f.json, "type")), 1);
    assert_int_equal(json_id_of(json_array_get(json_object_get(f.json, "recipients"), 0), "id"), with);
    return json_id_of(f.json, "id");
}

static void two_have_one_channel_whoever_asks_first_and_however_often(void **state)
{
    (void)state;
    char body[64];
    size_t before = f.answers;
    snprintf(body, sizeof body, "{\"recipient_id\":\"%llu\"}", ID(f.other));
    for (int i = 0; i < 8; i++)
        fixture_start(&f, NULL, f.owner_token, "POST", body, "/users/@me/channels");
    fixture_wait(&f, before + 8);
    uint64_t dm = open_dm(f.owner_token, f.other);
    assert_int_equal(open_dm(f.other_token, f.owner), dm);
    fixture_restart(&f);
    assert_int_equal(open_dm(f.other_token, f.owner), dm);
    assert_int_equal(f.effect_count, 2); /* one CHANNEL_CREATE for each */
    assert_int_equal(f.effects[0].e.topic, EFFECT_TO_USER);
    assert_true(f.effects[0].e.user_id != f.effects[1].e.user_id);
    snprintf(body, sizeof body, "{\"recipient_id\":\"%llu\"}", ID(f.stranger));
    fixture_ask(&f, f.owner_token, "POST", body, "/users/@me/channels");
    fixture_refused(&f, 400, 50007); /* no guild in common */
}

static void what_two_write_is_told_to_both_and_to_nobody_else(void **state)
{
    (void)state;
    uint64_t dm = open_dm(f.owner_token, f.other);
    fixture_forget_effects(&f);
    assert_int_equal(
        fixture_ask(&f, f.other_token, "POST", "{\"content\":\"psst\"}", "/channels/%llu/messages", ID(dm)),
        200);
    uint64_t id = json_id_of(f.json, "id");
    assert_int_equal(f.effect_count, 2);
    for (size_t i = 0; i < 2; i++) {
        const struct kept_effect *e = &f.effects[i];
        assert_string_equal(e->name, "MESSAGE_CREATE");
        assert_int_equal(e->e.topic, EFFECT_TO_USER);
        assert_int_equal(e->e.intent, 1 << 12);
        assert_null(e->redacted);
        json_t *d = dispatch_d(e->body, strlen(e->body), "MESSAGE_CREATE");
        assert_null(json_object_get(d, "guild_id"));
        assert_int_equal(json_integer_value(json_object_get(d, "channel_type")), 1);
        json_decref(d);
    }
    assert_int_equal(f.effects[0].e.user_id + f.effects[1].e.user_id, f.owner + f.other);
    fixture_ask(&f, f.stranger_token, "GET", NULL, "/channels/%llu/messages", ID(dm));
    fixture_refused(&f, 403, 50001);
    fixture_ask(&f, f.owner_token, "DELETE", NULL, "/channels/%llu/messages/%llu", ID(dm), ID(id));
    fixture_refused(&f, 403, 50013);
    fixture_ask(&f, f.owner_token, "PATCH", "{\"name\":\"x\"}", "/channels/%llu", ID(dm));
    fixture_refused(&f, 403, 50003);
    fixture_forget_effects(&f);
    assert_int_equal(fixture_ask(&f, f.owner_token, "POST", NULL, "/channels/%llu/typing", ID(dm)), 204);
    assert_int_equal(f.effect_count, 2);
    assert_int_equal(fixture_ask(&f, f.owner_token, "PUT", NULL, "/channels/%llu/pins/%llu", ID(dm), ID(id)),
                     204);
    fixture_ask(&f, f.other_token, "GET", NULL, "/channels/%llu/pins", ID(dm));
    assert_int_equal(json_array_size(f.json), 1);
}

static void pins_are_listed_the_last_first_and_told(void **state)
{
    (void)state;
    uint64_t ids[3];
    for (int i = 0; i < 3; i++) {
        fixture_ask(&f, f.owner_token, "POST", "{\"content\":\"x\"}", "/channels/%llu/messages", ID(f.text));
        ids[i] = json_id_of(f.json, "id");
    }
    static const int order[] = {1, 0, 2};
    fixture_forget_effects(&f);
    for (int i = 0; i < 3; i++) {
        f.m->now_ms += 1000;
        assert_int_equal(fixture_ask(&f, f.owner_token, "PUT", NULL, "/channels/%llu/messages/pins/%llu",
                                     ID(f.text), ID(ids[order[i]])),
                         204);
    }
    assert_non_null(strstr(fixture_event(&f, "CHANNEL_PINS_UPDATE")->body, "2025-06-15T15:06:41"));
    fixture_restart(&f);
    fixture_ask(&f, f.other_token, "GET", NULL, "/channels/%llu/messages/pins?limit=2", ID(f.text));
    const json_t *items = json_object_get(f.json, "items");
    assert_int_equal(json_array_size(items), 2);
    assert_int_equal(json_id_of(json_object_get(json_array_get(items, 0), "message"), "id"), ids[2]);
    assert_true(json_is_true(json_object_get(f.json, "has_more")));
    fixture_ask(&f, f.other_token, "GET", NULL, "/channels/%llu/messages/pins?before=%s", ID(f.text),
                "2025-06-15T15:06:43%2B00:00");
    assert_int_equal(json_array_size(json_object_get(f.json, "items")), 2);
    assert_true(json_is_false(json_object_get(f.json, "has_more")));
    fixture_ask(&f, f.other_token, "GET", NULL, "/channels/%llu/pins", ID(f.text));
    assert_int_equal(json_id_of(json_array_get(f.json, 2), "id"), ids[1]);
    fixture_forget_effects(&f);
    fixture_ask(&f, f.owner_token, "PUT", NULL, "/channels/%llu/pins/%llu", ID(f.text), ID(ids[0]));
    assert_int_equal(f.effect_count, 0); /* it is pinned already */
    assert_int_equal(fixture_ask(&f, f.owner_token, "DELETE", NULL, "/channels/%llu/messages/%llu",
                                 ID(f.text), ID(ids[2])),
                     204);
    assert_int_equal(
        fixture_ask(&f, f.owner_token, "DELETE", NULL, "/channels/%llu/pins/%llu", ID(f.text), ID(ids[1])),
        204);
    fixture_ask(&f, f.other_token, "GET", NULL, "/channels/%llu/pins", ID(f.text));
    assert_int_equal(json_array_size(f.json), 1);
    assert_true(json_is_true(json_object_get(json_array_get(f.json, 0), "pinned")));
}

#define THUMB "%F0%9F%91%8D"

static void reactions_are_cleared_by_emoji_or_all(void **state)
{
    (void)state;
    fixture_ask(&f, f.owner_token, "POST", "{\"content\":\"x\"}", "/channels/%llu/messages", ID(f.text));
    uint64_t id = json_id_of(f.json, "id");
    static const char *const emoji[] = {THUMB, "abc:123456789012345678"};
    for (int i = 0; i < 4; i++)
        assert_int_equal(fixture_ask(&f, i & 1 ? f.owner_token : f.other_token, "PUT", NULL,
                                     "/channels/%llu/messages/%llu/reactions/%s/@me", ID(f.text), ID(id),
                                     emoji[i / 2]),
                         204);
    fixture_ask(&f, f.other_token, "DELETE", NULL, "/channels/%llu/messages/%llu/reactions", ID(f.text),
                ID(id));
    fixture_refused(&f, 403, 50013);
    assert_int_equal(fixture_ask(&f, f.owner_token, "DELETE", NULL,
                                 "/channels/%llu/messages/%llu/reactions/%s", ID(f.text), ID(id), THUMB),
                     204);
    assert_non_null(fixture_event(&f, "MESSAGE_REACTION_REMOVE_EMOJI"));
    fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu/messages/%llu", ID(f.text), ID(id));
    assert_int_equal(json_array_size(json_object_get(f.json, "reactions")), 1);
    assert_int_equal(fixture_ask(&f, f.owner_token, "DELETE", NULL, "/channels/%llu/messages/%llu/reactions",
                                 ID(f.text), ID(id)),
                     204);
    assert_non_null(fixture_event(&f, "MESSAGE_REACTION_REMOVE_ALL"));
    fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu/messages/%llu", ID(f.text), ID(id));
    assert_null(json_object_get(f.json, "reactions"));
}

static void slow_mode_binds_members_and_not_who_looks_after_the_channel(void **state)
{
    (void)state;
    assert_int_equal(
        fixture_ask(&f, f.owner_token, "PATCH", "{\"rate_limit_per_user\":10}", "/channels/%llu", ID(f.text)),
        200);
    for (int i = 0; i < 3; i++)
        assert_int_equal(fixture_ask(&f, f.owner_token, "POST", "{\"content\":\"x\"}",
                                     "/channels/%llu/messages", ID(f.text)),
                         200);
    assert_int_equal(
        fixture_ask(&f, f.other_token, "POST", "{\"content\":\"x\"}", "/channels/%llu/messages", ID(f.text)),
        200);
    fixture_ask(&f, f.other_token, "POST", "{\"content\":\"x\"}", "/channels/%llu/messages", ID(f.text));
    fixture_refused(&f, 429, 20016);
    assert_non_null(strstr(f.raw, "\r\nRetry-After: 10.000\r\n"));
    f.m->now_ms += 10000;
    assert_int_equal(
        fixture_ask(&f, f.other_token, "POST", "{\"content\":\"x\"}", "/channels/%llu/messages", ID(f.text)),
        200);
}

static void a_channel_vanishes_with_an_event_for_those_who_saw_it(void **state)
{
    (void)state;
    assert_int_equal(fixture_ask(&f, f.owner_token, "DELETE", NULL, "/channels/%llu", ID(f.text)), 200);
    assert_int_equal(fixture_event(&f, "CHANNEL_DELETE")->e.view_channel, f.text);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(an_invite_is_made_listed_used_and_used_up),
        CASE(an_invite_ends_with_its_time_its_channel_and_by_hand),
        CASE(a_ban_puts_out_keeps_out_and_ends),
        CASE(a_ban_takes_along_what_was_said_lately_and_tells_of_it),
        CASE(many_are_banned_at_once_and_the_answer_says_who),
        CASE(whoever_leaves_is_out_but_for_the_owner),
        CASE(a_guild_is_made_and_removed_by_its_owner_alone),
        CASE(a_role_is_given_and_taken_below_ones_own),
        CASE(roles_and_channels_move_together),
        CASE(two_have_one_channel_whoever_asks_first_and_however_often),
        CASE(what_two_write_is_told_to_both_and_to_nobody_else),
        CASE(pins_are_listed_the_last_first_and_told),
        CASE(reactions_are_cleared_by_emoji_or_all),
        CASE(slow_mode_binds_members_and_not_who_looks_after_the_channel),
        CASE(a_channel_vanishes_with_an_event_for_those_who_saw_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
