/*
 * The main gateway's core: what a client is told, by whom it is refused, and that restarts change nothing of
 * it.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "controlplane/presence/presence.h"
#include "controlplane/protocol/intents.h"
#include "tests/unit/controlplane/sessions/world.h"

#define ALL   (INTENTS_KNOWN)
#define USUAL (INTENT_GUILDS | INTENT_GUILD_MESSAGES | INTENT_GUILD_VOICE_STATES | INTENT_MESSAGE_CONTENT)
#define ID(x) ((unsigned long long)(x))

static void begin(struct world **w)
{
    *w = malloc(sizeof **w);
    world_open(*w);
}

static void finish(struct world *w)
{
    world_close(w);
    free(w);
}

static void identify_gives_ready_then_each_guild(void **state)
{
    struct world *w;
    begin(&w);
    struct client *c = client_open(w, 1, CONNECTION_GATEWAY, 10);
    client_say(w, c,
               "{\"op\":2,\"d\":{\"token\":\"Bot "
               "%s\",\"properties\":{\"os\":\"linux\"},\"intents\":%u,\"shard\":[0,1]}}",
               w->token[0], USUAL);
    world_run(w);
    json_t *ready = client_expect(c, "READY", 1);
    assert_int_equal(json_id(json_object_get(ready, "user"), "id"), w->user[0]);
    assert_string_equal(json_string_value(json_object_get(ready, "resume_gateway_url")), "wss://pop.test");
    assert_int_equal(strlen(json_string_value(json_object_get(ready, "session_id"))), 32);
    const json_t *stub = json_array_get(json_object_get(ready, "guilds"), 0);
    assert_int_equal(json_id(stub, "id"), w->guild);
    assert_true(json_is_true(json_object_get(stub, "unavailable")));
    json_decref(ready);
    json_t *guild = client_expect(c, "GUILD_CREATE", 2);
    assert_int_equal(json_id(guild, "id"), w->guild);
    assert_int_equal(json_array_size(json_object_get(guild, "channels")), 2);
    assert_int_equal(json_integer_value(json_object_get(guild, "member_count")), 3);
    assert_int_equal(
        json_id(json_object_get(json_array_get(json_object_get(guild, "members"), 0), "user"), "id"),
        w->user[0]);
    json_decref(guild);
    assert_null(client_next(c));
    finish(w);
}

struct refusal {
    const char *payload; /* %s: the token */
    uint16_t code;
};

static void wrong_payloads_are_refused_with_their_codes(void **state)
{
    static const struct refusal list[] = {
        {"{", 4002},
        {"[]", 4002},
        {"{\"op\":\"2\"}", 4002},
        {"{\"op\":3,\"d\":{\"status\":\"online\"}}", 4003},
        {"{\"op\":8,\"d\":{}}", 4003},
        {"{\"op\":2,\"d\":null}", 4002},
        {"{\"op\":2,\"d\":{\"token\":\"x%s\",\"properties\":{},\"intents\":1}}", 4004},
        {"{\"op\":2,\"d\":{\"token\":\"%s\",\"properties\":{},\"intents\":1,\"shard\":[1,1]}}", 4010},
        {"{\"op\":2,\"d\":{\"token\":\"%s\",\"properties\":{},\"intents\":1,\"shard\":[0,0]}}", 4010},
        {"{\"op\":2,\"d\":{\"token\":\"%s\",\"properties\":{},\"intents\":2147483648}}", 4013},
        {"{\"op\":2,\"d\":{\"token\":\"%s\",\"properties\":{}}}", 4013},
        {"{\"op\":2,\"d\":{\"token\":\"%s\",\"properties\":{},\"intents\":-1}}", 4013},
        {"{\"op\":6,\"d\":{\"token\":\"nonsense\",\"session_id\":\"x\",\"seq\":1}}", 4004},
    };
    struct world *w;
    begin(&w);
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct client *c = client_open(w, (uint32_t)i % 2, CONNECTION_GATEWAY, 10);
        char text[512];
        snprintf(text, sizeof text, list[i].payload, w->token[0]);
        client_say(w, c, "%s", text);
        world_run(w);
        if (c->close_code != list[i].code)
            fprintf(stderr, "%s\n", text);
        assert_int_equal(c->close_code, list[i].code);
        assert_int_equal(c->count, 0);
    }
    assert_int_equal(w->control.gateway_sessions, 0);
    finish(w);
}

/* oceanic.js names its stream where others say true or false. */
static void who_names_his_stream_in_identify_is_let_in(void **state)
{
    struct world *w;
    begin(&w);
    struct client *c = client_login(w, 0, 0, USUAL, ",\"compress\":\"zlib-stream\"");
    assert_int_equal(c->close_code, 0);
    assert_int_equal(session_of(&w->control, c->session)->compress, COMPRESS_NONE);
    c = client_login(w, 1, 0, USUAL, ",\"compress\":1");
    assert_int_equal(c->close_code, 4002);
    finish(w);
}

static void a_privileged_intent_that_is_not_allowed_is_refused(void **state)
{
    struct world *w;
    begin(&w);
    w->control.config.intents_allowed = ~(uint32_t)INTENT_GUILD_PRESENCES;
    struct client *c = client_login(w, 0, 0, ALL, "");
    assert_int_equal(c->close_code, 4014);
    finish(w);
}

static void other_versions_and_encodings_are_refused(void **state)
{
    struct world *w;
    begin(&w);
    struct client *old = client_open(w, 0, CONNECTION_GATEWAY, 8);
    struct client *nine = client_open(w, 0, CONNECTION_GATEWAY, 9);
    world_run(w);
    assert_int_equal(old->close_code, 4012);
    assert_int_equal(nine->close_code, 0);
    finish(w);
}

static void unknown_opcodes_and_a_second_identify_close_the_connection(void **state)
{
    struct world *w;
    begin(&w);
    struct client *a = client_login(w, 0, 0, USUAL, ""), *b = client_login(w, 1, 1, USUAL, "");
    client_say(w, a, "{\"op\":77,\"d\":null}");
    client_say(w, b, "{\"op\":2,\"d\":{\"token\":\"%s\",\"properties\":{},\"intents\":1}}", w->token[1]);
    world_run(w);
    assert_int_equal(a->close_code, 4001);
    assert_int_equal(b->close_code, 4005);
    assert_int_equal(w->control.gateway_sessions, 1); /* a may resume, b may not */
    finish(w);
}

static void heartbeats_that_come_here_are_answered(void **state)
{
    struct world *w;
    begin(&w);
    struct client *c = client_open(w, 0, CONNECTION_GATEWAY, 10);
    client_say(w, c, "{\"d\":null,\"op\":1,\"x\":[]}");
    world_run(w);
    json_decref(client_expect_op(c, 11));
    assert_int_equal(c->close_code, 0);
    finish(w);
}

static void more_than_120_payloads_a_minute_end_the_session(void **state)
{
    struct world *w;
    begin(&w);
    struct client *c = client_login(w, 0, 0, USUAL, "");
    for (int i = 0; i < 119; i++)
        client_say(w, c,
                   "{\"op\":3,\"d\":{\"status\":\"online\",\"activities\":[],\"since\":null,\"afk\":false}}");
    world_run(w);
    assert_int_equal(c->close_code, 0);
    world_pass(w, 60000);
    for (int i = 0; i < 120; i++)
        client_say(w, c, "{\"op\":5,\"d\":null}");
    world_run(w);
    assert_int_equal(c->close_code, 0);
    client_say(w, c, "{\"op\":5,\"d\":null}");
    world_run(w);
    assert_int_equal(c->close_code, 4008);
    assert_int_equal(w->control.gateway_sessions, 0);
    finish(w);
}

static void who_does_not_identify_is_closed(void **state)
{
    struct world *w;
    begin(&w);
    struct client *c = client_open(w, 0, CONNECTION_GATEWAY, 10), *v = client_open(w, 1, CONNECTION_VOICE, 8);
    world_run(w);
    world_restart(w);
    world_pass(w, w->config.identify_voice_ms);
    assert_int_equal(v->close_code, 4009);
    assert_int_equal(c->close_code, 0);
    world_pass(w, w->config.identify_gateway_ms);
    assert_int_equal(c->close_code, 4009);
    finish(w);
}

/* ---- presence ---- */

static void presence_reaches_members_with_the_intent_once_a_change(void **state)
{
    struct world *w;
    begin(&w);
    struct client *a = client_login(w, 0, 0, ALL, ""), *b = client_login(w, 1, 1, USUAL, "");
    json_t *d = client_expect(a, "PRESENCE_UPDATE", 3);
    assert_string_equal(json_string_value(json_object_get(d, "status")), "online");
    assert_int_equal(json_id(json_object_get(d, "user"), "id"), w->user[1]);
    json_decref(d);
    for (int i = 0; i < 2; i++)
        client_say(w, b,
                   "{\"op\":3,\"d\":{\"status\":\"dnd\",\"activities\":[{\"name\":\"x\",\"type\":0}],"
                   "\"since\":null,\"afk\":false}}");
    world_run(w);
    d = client_expect(a, "PRESENCE_UPDATE", 4);
    assert_string_equal(json_string_value(json_object_get(d, "status")), "dnd");
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(json_object_get(d, "activities"), 0), "name")), "x");
    assert_string_equal(json_string_value(json_object_get(json_object_get(d, "client_status"), "web")),
                        "dnd");
    json_decref(d);
    assert_null(client_next(a));
    assert_int_equal(client_count_events(b, "PRESENCE_UPDATE"), 0);
    finish(w);
}

static void invisible_is_offline_to_others(void **state)
{
    struct world *w;
    begin(&w);
    struct client *a = client_login(w, 0, 0, ALL, "");
    struct client *b = client_login(
        w, 1, 0, USUAL,
        ",\"presence\":{\"status\":\"invisible\",\"activities\":null,\"since\":null,\"afk\":false}");
    assert_int_equal(client_count_events(a, "PRESENCE_UPDATE"), 0);
    client_say(w, b, "{\"op\":3,\"d\":{\"status\":\"idle\",\"activities\":[],\"since\":1,\"afk\":true}}");
    world_run(w);
    assert_int_equal(client_count_events(a, "PRESENCE_UPDATE"), 1);
    finish(w);
}

static void of_two_sessions_the_last_one_to_go_takes_the_user_offline(void **state)
{
    struct world *w;
    begin(&w);
    struct client *a = client_login(w, 0, 0, ALL, ""), *b = client_login(w, 1, 1, USUAL, "");
    client_skip(a);
    struct client *b2 = client_login(w, 1, 0, USUAL, "");
    client_gone(w, b, 1000);
    world_run(w);
    assert_int_equal(client_count_events(a, "PRESENCE_UPDATE"), 0);
    client_gone(w, b2, 1001);
    world_run(w);
    json_t *last = json_loads(a->text[a->count - 1], 0, NULL);
    assert_string_equal(json_string_value(json_object_get(json_object_get(last, "d"), "status")), "offline");
    json_decref(last);
    assert_int_equal(client_count_events(a, "PRESENCE_UPDATE"), 1);
    finish(w);
}

/* ---- resume ---- */

static void session_id_of(struct client *c, char id[33])
{
    json_t *j = json_loads(c->text[0], 0, NULL);
    strcpy(id, json_string_value(json_object_get(json_object_get(j, "d"), "session_id")));
    json_decref(j);
}

static void a_dropped_client_resumes_and_gets_what_it_missed(void **state)
{
    struct world *w;
    char id[33];
    begin(&w);
    struct client *a = client_login(w, 0, 0, ALL, "");
    session_id_of(a, id);
    client_gone(w, a, 1006);
    world_run(w);
    client_login(w, 1, 1, USUAL, ""); /* its presence is number 3 */
    world_restart(w);
    struct client *again = client_open(w, 0, CONNECTION_GATEWAY, 10);
    client_say(w, again, "{\"op\":6,\"d\":{\"token\":\"%s\",\"session_id\":\"%s\",\"seq\":2}}", w->token[0],
               id);
    world_run(w);
    json_decref(client_expect(again, "PRESENCE_UPDATE", 3));
    json_decref(client_expect(again, "RESUMED", 4));
    assert_null(client_next(again));
    finish(w);
}

static void a_session_moves_to_the_worker_that_its_client_comes_back_to(void **state)
{
    for (int restarts = 0; restarts < 2; restarts++) {
        struct world *w;
        char id[33], path[96];
        begin(&w);
        w->die_in_each = restarts;
        struct client *a = client_login(w, 0, 0, USUAL, "");
        session_id_of(a, id);
        client_say(w, a, "{\"op\":4,\"d\":{\"guild_id\":\"%llu\",\"channel_id\":\"%llu\"}}", ID(w->guild),
                   ID(w->voice));
        world_run(w); /* 3 and 4 */
        client_gone(w, a, 1006);
        world_run(w);
        snprintf(path, sizeof path, "/channels/%llu/messages", ID(w->text));
        client_request(w, 1, 3, path, "{\"content\":\"missed\"}");
        world_run(w); /* 5 */
        struct client *again = client_open(w, 1, CONNECTION_GATEWAY, 10);
        client_say(w, again, "{\"op\":6,\"d\":{\"token\":\"%s\",\"session_id\":\"%s\",\"seq\":3}}",
                   w->token[0], id);
        world_run(w);
        json_decref(client_expect(again, "VOICE_SERVER_UPDATE", 4));
        json_decref(client_expect(again, "MESSAGE_CREATE", 5));
        json_decref(client_expect(again, "RESUMED", 6));
        client_request(w, 1, 3, path, "{\"content\":\"heard\"}");
        world_run(w);
        json_decref(client_expect(again, "MESSAGE_CREATE", 7));
        client_say(w, again, "{\"op\":4,\"d\":{\"guild_id\":\"%llu\",\"channel_id\":null}}", ID(w->guild));
        world_run(w);
        json_t *d = client_expect(again, "VOICE_STATE_UPDATE", 8);
        assert_string_equal(json_string_value(json_object_get(d, "session_id")), id);
        json_decref(d);
        assert_null(client_next(again));
        finish(w);
    }
}

static void a_number_never_sent_and_another_account_cannot_resume(void **state)
{
    struct world *w;
    char id[33];
    begin(&w);
    struct client *a = client_login(w, 0, 0, USUAL, "");
    session_id_of(a, id);
    client_gone(w, a, 4200);
    struct client *b = client_open(w, 0, CONNECTION_GATEWAY, 10),
                  *c = client_open(w, 0, CONNECTION_GATEWAY, 10);
    client_say(w, b, "{\"op\":6,\"d\":{\"token\":\"%s\",\"session_id\":\"%s\",\"seq\":3}}", w->token[0], id);
    client_say(w, c, "{\"op\":6,\"d\":{\"token\":\"%s\",\"session_id\":\"%s\",\"seq\":2}}", w->token[1], id);
    world_run(w);
    assert_int_equal(b->close_code, 4007);
    json_t *d = client_expect_op(c, 9);
    assert_true(json_is_false(d));
    json_decref(d);
    finish(w);
}

static void who_is_away_for_ten_seconds_is_offline_and_after_five_minutes_the_session_is_over(void **state)
{
    struct world *w;
    char id[33];
    begin(&w);
    struct client *a = client_login(w, 0, 0, ALL, ""), *b = client_login(w, 1, 1, USUAL, "");
    session_id_of(b, id);
    client_gone(w, b, 1006);
    world_run(w);
    client_skip(a);
    world_pass(w, PRESENCE_AWAY_MS - 1);
    assert_int_equal(client_count_events(a, "PRESENCE_UPDATE"), 0);
    world_restart(w);
    world_pass(w, 1);
    assert_int_equal(client_count_events(a, "PRESENCE_UPDATE"), 1);
    world_pass(w, w->config.keep_gateway_ms - PRESENCE_AWAY_MS - 1);
    assert_int_equal(w->control.gateway_sessions, 2);
    world_restart(w);
    world_pass(w, 1);
    assert_int_equal(w->control.gateway_sessions, 1);
    assert_int_equal(client_count_events(a, "PRESENCE_UPDATE"), 0);
    struct client *late = client_open(w, 1, CONNECTION_GATEWAY, 10);
    client_say(w, late, "{\"op\":6,\"d\":{\"token\":\"%s\",\"session_id\":\"%s\",\"seq\":2}}", w->token[1],
               id);
    world_run(w);
    json_decref(client_expect_op(late, 9));
    /* It may identify on the same connection. */
    client_say(w, late, "{\"op\":2,\"d\":{\"token\":\"%s\",\"properties\":{},\"intents\":1}}", w->token[1]);
    world_run(w);
    json_decref(client_expect(late, "READY", 1));
    finish(w);
}

/* ---- compression ---- */

/* The newest event that the client's session was sent. */
static const struct event *newest(struct world *w, const struct client *c)
{
    const struct fake_session *f = &w->sessions[c->session];
    return event_at(w->link.log, f->event[f->last - f->first]);
}

static void events_are_compressed_once_where_somebody_wants_them_so(void **state)
{
    struct world *w;
    char path[96];
    begin(&w);
    struct client *plain = client_login(w, 0, 0, USUAL, "");
    snprintf(path, sizeof path, "/channels/%llu/messages", ID(w->text));
    client_request(w, 1, 3, path, "{\"content\":\"nobody wants it\"}");
    world_run(w);
    assert_int_equal(newest(w, plain)->variant[EVENT_FULL].deflated, 0);
    struct client *one =
        client_login(w, 1, 1, USUAL & ~(uint32_t)INTENT_MESSAGE_CONTENT, ",\"compress\":true");
    assert_true(w->sessions[one->session].flags & SESSION_COMPRESSED);
    assert_int_not_equal(newest(w, one)->variant[EVENT_FULL].deflated, 0); /* its GUILD_CREATE */
    client_request(w, 2, 3, path, "{\"content\":\"somebody does\"}");
    world_run(w);
    assert_ptr_equal(newest(w, plain), newest(w, one));
    const struct event *e = newest(w, one);
    for (int k = 0; k < EVENT_VARIANTS; k++)
        assert_true(e->variant[k].deflated &&
                    e->variant[k].deflated + e->variant[k].deflated_length <= e->length);
    client_gone(w, one, 1000);
    client_request(w, 2, 3, path, "{\"content\":\"nobody any more\"}");
    world_run(w);
    assert_int_equal(newest(w, plain)->variant[EVENT_FULL].deflated, 0);
    finish(w);
}

/* ---- members ---- */

static void members_are_always_answered(void **state)
{
    struct world *w;
    begin(&w);
    struct client *c = client_login(w, 0, 0, ALL, "");
    client_say(w, c, "{\"op\":8,\"d\":{\"guild_id\":\"%llu\",\"query\":\"\",\"limit\":0,\"nonce\":\"n1\"}}",
               ID(w->guild));
    client_say(w, c, "{\"op\":8,\"d\":{\"guild_id\":\"%llu\",\"query\":\"BO\",\"limit\":5}}", ID(w->guild));
    client_say(w, c,
               "{\"op\":8,\"d\":{\"guild_id\":\"%llu\",\"user_ids\":[\"%llu\",\"5\"],\"presences\":true}}",
               ID(w->guild), ID(w->user[0]));
    client_say(w, c, "{\"op\":8,\"d\":{\"guild_id\":\"5\",\"query\":\"\",\"limit\":0}}");
    world_run(w);
    json_t *d = client_expect(c, "GUILD_MEMBERS_CHUNK", 3);
    assert_int_equal(json_array_size(json_object_get(d, "members")), 3);
    assert_string_equal(json_string_value(json_object_get(d, "nonce")), "n1");
    assert_int_equal(json_integer_value(json_object_get(d, "chunk_count")), 1);
    json_decref(d);
    d = client_expect(c, "GUILD_MEMBERS_CHUNK", 4);
    assert_int_equal(json_array_size(json_object_get(d, "members")), 1);
    json_decref(d);
    d = client_expect(c, "GUILD_MEMBERS_CHUNK", 5);
    assert_int_equal(json_array_size(json_object_get(d, "members")), 1);
    assert_int_equal(json_array_size(json_object_get(d, "not_found")), 1);
    assert_int_equal(json_array_size(json_object_get(d, "presences")), 1);
    json_decref(d);
    d = client_expect(c, "GUILD_MEMBERS_CHUNK", 6);
    assert_int_equal(json_array_size(json_object_get(d, "members")), 0);
    json_decref(d);
    finish(w);
}

/* ---- deaths ---- */

static void scenario(struct world *w, char **trace)
{
    struct client *a = client_login(w, 0, 0, ALL, ""), *b = client_login(w, 1, 1, ALL, "");
    char path[96], id[33], *out = NULL;
    size_t size;
    session_id_of(b, id);
    client_say(w, a,
               "{\"op\":3,\"d\":{\"status\":\"idle\",\"activities\":[{\"name\":\"y\",\"type\":3}],\"since\":"
               "null,\"afk\":false}}");
    client_say(w, a,
               "{\"op\":4,\"d\":{\"guild_id\":\"%llu\",\"channel_id\":\"%llu\",\"self_mute\":false,\"self_"
               "deaf\":false}}",
               ID(w->guild), ID(w->voice));
    world_run(w);
    client_gone(w, b, 1006);
    snprintf(path, sizeof path, "/channels/%llu/messages", ID(w->text));
    client_request(w, 0, 3, path, "{\"content\":\"hello\"}");
    world_run(w);
    struct client *b2 = client_open(w, 1, CONNECTION_GATEWAY, 10);
    client_say(w, b2, "{\"op\":6,\"d\":{\"token\":\"%s\",\"session_id\":\"%s\",\"seq\":3}}", w->token[1], id);
    client_say(w, a,
               "{\"op\":4,\"d\":{\"guild_id\":\"%llu\",\"channel_id\":null,\"self_mute\":false,\"self_deaf\":"
               "false}}",
               ID(w->guild));
    client_say(w, a, "{\"op\":8,\"d\":{\"guild_id\":\"%llu\",\"query\":\"\",\"limit\":0}}", ID(w->guild));
    world_run(w);
    client_gone(w, a, 1000);
    world_run(w);
    FILE *f = open_memstream(&out, &size);
    const struct client *all[] = {a, b, b2};
    for (int k = 0; k < 3; k++) {
        for (unsigned i = 0; i < all[k]->count; i++) {
            json_t *j = json_loads(all[k]->text[i], 0, NULL);
            const char *t = json_string_value(json_object_get(j, "t"));
            fprintf(f, "%d %lld %s\n", k, (long long)json_integer_value(json_object_get(j, "s")),
                    t ? t : "-");
            json_decref(j);
        }
    }
    fclose(f);
    *trace = out;
}

static void deaths_at_every_input_change_nothing(void **state)
{
    char *without, *between, *within;
    struct world *w;
    begin(&w);
    scenario(w, &without);
    assert_int_equal(w->lives, 1);
    finish(w);
    begin(&w);
    w->die_after_each = true;
    scenario(w, &between);
    assert_true(w->lives > 10);
    finish(w);
    begin(&w);
    w->die_in_each = true;
    scenario(w, &within);
    assert_true(w->lives > 10);
    finish(w);
    assert_string_equal(without, between);
    assert_string_equal(without, within);
    assert_non_null(strstr(without, "MESSAGE_CREATE"));
    assert_non_null(strstr(without, "RESUMED"));
    free(without);
    free(between);
    free(within);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identify_gives_ready_then_each_guild),
        cmocka_unit_test(wrong_payloads_are_refused_with_their_codes),
        cmocka_unit_test(who_names_his_stream_in_identify_is_let_in),
        cmocka_unit_test(a_privileged_intent_that_is_not_allowed_is_refused),
        cmocka_unit_test(other_versions_and_encodings_are_refused),
        cmocka_unit_test(unknown_opcodes_and_a_second_identify_close_the_connection),
        cmocka_unit_test(heartbeats_that_come_here_are_answered),
        cmocka_unit_test(more_than_120_payloads_a_minute_end_the_session),
        cmocka_unit_test(who_does_not_identify_is_closed),
        cmocka_unit_test(presence_reaches_members_with_the_intent_once_a_change),
        cmocka_unit_test(invisible_is_offline_to_others),
        cmocka_unit_test(of_two_sessions_the_last_one_to_go_takes_the_user_offline),
        cmocka_unit_test(a_dropped_client_resumes_and_gets_what_it_missed),
        cmocka_unit_test(a_session_moves_to_the_worker_that_its_client_comes_back_to),
        cmocka_unit_test(a_number_never_sent_and_another_account_cannot_resume),
        cmocka_unit_test(who_is_away_for_ten_seconds_is_offline_and_after_five_minutes_the_session_is_over),
        cmocka_unit_test(events_are_compressed_once_where_somebody_wants_them_so),
        cmocka_unit_test(members_are_always_answered),
        cmocka_unit_test(deaths_at_every_input_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
