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

/* ---- messages ---- */

static void a_message_reaches_everybody_once_and_its_content_those_who_may(void **state)
{
    struct world *w;
    begin(&w);
    struct client *a = client_login(w, 0, 0, USUAL, "");
    struct client *b = client_login(w, 1, 1, USUAL & ~(uint32_t)INTENT_MESSAGE_CONTENT, "");
    struct client *c = client_login(w, 2, 1, INTENT_GUILDS, "");
    char path[96];
    snprintf(path, sizeof path, "/channels/%llu/messages", ID(w->text));
    struct client *http = client_request(w, 0, 3, path, "{\"content\":\"hello\"}");
    world_run(w);
    assert_non_null(http->http);
    assert_non_null(strstr(http->http, "200 OK"));
    json_t *d = client_expect(a, "MESSAGE_CREATE", 3);
    assert_string_equal(json_string_value(json_object_get(d, "content")), "hello");
    json_decref(d);
    d = client_expect(b, "MESSAGE_CREATE", 3);
    assert_string_equal(json_string_value(json_object_get(d, "content")), "");
    json_decref(d);
    assert_null(client_next(a));
    assert_null(client_next(b));
    assert_null(client_next(c));
    finish(w);
}

static void a_message_in_flight_at_a_death_is_sent_and_answered_once(void **state)
{
    struct world *w;
    begin(&w);
    struct client *b = client_login(w, 1, 1, USUAL, "");
    char path[96];
    snprintf(path, sizeof path, "/channels/%llu/messages", ID(w->text));
    struct client *http = client_request(w, 0, 3, path, "{\"content\":\"once\"}");
    assert_true(control_step(&w->control, w->now_ms)); /* the store has it */
    world_restart(w);
    assert_true(control_step(&w->control, w->now_ms));
    world_restart(w);
    world_run(w);
    assert_non_null(http->http);
    assert_non_null(strstr(http->http, "200 OK"));
    assert_null(strstr(strstr(http->http, "200 OK") + 1, "HTTP/1.1"));
    assert_int_equal(client_count_events(b, "MESSAGE_CREATE"), 1);
    finish(w);
}

static void typing_reaches_those_with_the_intent(void **state)
{
    struct world *w;
    begin(&w);
    struct client *b = client_login(w, 1, 1, ALL, ""), *c = client_login(w, 2, 0, USUAL, "");
    char path[96];
    snprintf(path, sizeof path, "/channels/%llu/typing", ID(w->text));
    client_skip(b);
    client_request(w, 0, 3, path, NULL);
    world_run(w);
    assert_int_equal(client_count_events(b, "TYPING_START"), 1);
    assert_int_equal(client_count_events(c, "TYPING_START"), 0);
    finish(w);
}

static void who_cannot_see_a_channel_hears_nothing_of_it(void **state)
{
    struct world *w;
    char path[96], body[256];
    begin(&w);
    struct client *b = client_login(w, 1, 1, USUAL, ""), *c = client_login(w, 2, 0, USUAL, "");
    snprintf(path, sizeof path, "/channels/%llu/permissions/%llu", ID(w->text), ID(w->user[1]));
    snprintf(body, sizeof body, "{\"type\":1,\"allow\":\"0\",\"deny\":\"1024\"}");
    struct client *put = client_request(w, 0, 4, path, body);
    world_run(w);
    assert_non_null(strstr(put->http, "204"));
    client_skip(b);
    client_skip(c);
    w->die_after_each = true;
    snprintf(path, sizeof path, "/channels/%llu/messages", ID(w->text));
    client_request(w, 0, 3, path, "{\"content\":\"secret\"}");
    world_run(w);
    assert_int_equal(client_count_events(b, "MESSAGE_CREATE"), 0);
    assert_int_equal(client_count_events(c, "MESSAGE_CREATE"), 1);
    finish(w);
}

static void who_joins_or_leaves_a_guild_is_told(void **state)
{
    struct world *w;
    begin(&w);
    const json_t *g = world_admin(w, "guild create", "{\"name\":\"two\",\"owner\":\"%llu\"}", ID(w->user[0]));
    uint64_t guild = json_id(g, "id");
    struct client *b = client_login(w, 1, 1, ALL, "");
    world_admin(w, "guild join", "{\"guild\":\"%llu\",\"account\":\"%llu\"}", ID(guild), ID(w->user[1]));
    json_t *d = client_expect(b, "GUILD_CREATE", 3);
    assert_int_equal(json_id(d, "id"), guild);
    json_decref(d);
    world_admin(w, "guild leave", "{\"guild\":\"%llu\",\"account\":\"%llu\"}", ID(guild), ID(w->user[1]));
    assert_int_equal(client_count_events(b, "GUILD_DELETE"), 1);
    world_admin(w, "guild delete", "{\"guild\":\"%llu\"}", ID(w->guild));
    assert_int_equal(client_count_events(b, "GUILD_DELETE"), 1);
    finish(w);
}

/* ---- uploads ---- */

/* As a worker leaves them: a body behind the head in the connection's blocks, and a request that tells of it.
 */
static struct client *upload(struct world *w, const char *head, const char *body)
{
    union {
        struct notice_request n;
        char bytes[1024];
    } m = {.n = {.method = 3, .keep_alive = 1}};
    char path[96], authorization[128];
    snprintf(path, sizeof path, "/api/v10/channels/%llu/messages", ID(w->text));
    snprintf(authorization, sizeof authorization, "Bot %s", w->token[0]);
    const char *texts[REQUEST_TEXTS] = {[REQUEST_PATH] = path,
                                        [REQUEST_AUTHORIZATION] = authorization,
                                        [REQUEST_CONTENT_TYPE] = "multipart/form-data; boundary=edge"};
    struct client *c = client_request(w, 0, 1, "/gateway", NULL);
    world_run(w);
    struct connection *n = connection_of(&w->region, c->handle, NULL);
    struct pool *blocks = region_part(&w->region, 0, PART_BLOCKS);
    txn_begin(&w->worker[0].txn);
    assert_true(chain_append(&n->carry, blocks, &w->worker[0].txn, head, (uint32_t)strlen(head)));
    assert_true(chain_append(&n->carry, blocks, &w->worker[0].txn, body, (uint32_t)strlen(body)));
    txn_commit(&w->worker[0].txn);
    txn_publish(&w->worker[0].txn);
    n->http.phase = HTTP_PHASE_ASKED;
    m.n.connection = c->handle;
    m.n.carried = (uint32_t)strlen(body);
    m.n.carried_at = (uint32_t)strlen(head);
    size_t at = sizeof m.n;
    for (int i = 0; i < REQUEST_TEXTS; i++) {
        m.n.length[i] = texts[i] ? (uint32_t)strlen(texts[i]) : 0;
        memcpy(m.bytes + at, texts[i] ? texts[i] : "", m.n.length[i]);
        at += m.n.length[i];
    }
    c->http_length = 0;
    notice(w, 0, NOTICE_REQUEST, &m, at);
    return c;
}

static void a_body_too_long_for_the_ring_is_read_from_its_connection(void **state)
{
    static char head[2500], body[6000];
    struct world *w;
    begin(&w);
    memset(head, 'h', sizeof head - 1); /* longer than a block */
    int n =
        snprintf(body, sizeof body,
                 "--edge\r\nContent-Disposition: form-data; name=\"files[0]\"; filename=\"a.bin\"\r\n\r\n");
    memset(body + n, 'f', 5000);
    strcpy(body + n + 5000, "\r\n--edge--\r\n");
    struct client *c = upload(w, head, body);
    assert_true(control_step(&w->control, w->now_ms)); /* with the store */
    world_restart(w);                                  /* and read once more by the next life */
    world_run(w);
    assert_non_null(strstr(c->http, " 200 OK"));
    assert_non_null(strstr(c->http, "\"size\":5000"));
    finish(w);
}

static void a_body_whose_connection_has_ended_meanwhile_is_no_request(void **state)
{
    struct world *w;
    begin(&w);
    struct client *c = upload(w, "head",
                              "--edge\r\nContent-Disposition: form-data; name=\"payload_json\"\r\n\r\n"
                              "{\"content\":\"x\"}\r\n--edge--\r\n");
    struct connection *n = connection_of(&w->region, c->handle, NULL);
    n->http.phase = HTTP_PHASE_REFUSED;
    world_run(w);
    assert_int_equal(c->http_length, 0);
    char path[96];
    snprintf(path, sizeof path, "/channels/%llu/messages", ID(w->text));
    c = client_request(w, 0, 1, path, NULL);
    world_run(w);
    assert_non_null(strstr(c->http, "\r\n\r\n[]"));
    finish(w);
}

/* This box's few blocks are for everything else. */
static void an_answer_that_would_fill_the_blocks_is_put_off(void **state)
{
    static char body[8000];
    struct world *w;
    char path[96];
    begin(&w);
    strcpy(body, "{\"content\":\"");
    for (unsigned i = 0; i < 2000; i++)
        strcat(body + 12 + 3 * i, "\xe2\x82\xac");
    strcat(body, "\"}");
    snprintf(path, sizeof path, "/channels/%llu/messages", ID(w->text));
    struct client *c = client_request(w, 0, 3, path, body);
    world_run(w);
    assert_non_null(strstr(c->http, " 200 OK"));
    for (unsigned i = 1; i < 100; i++) {
        client_ask(w, c, 0, 3, path, body);
        world_pass(w, 200);
    }
    snprintf(path, sizeof path, "/channels/%llu/messages?limit=100", ID(w->text));
    client_ask(w, c, 0, 1, path, NULL);
    world_run(w);
    assert_non_null(strstr(c->http, " 503 "));
    assert_non_null(strstr(c->http, "Retry-After: 1\r\n"));
    snprintf(path, sizeof path, "/channels/%llu/messages?limit=10", ID(w->text));
    client_ask(w, c, 0, 1, path, NULL);
    world_run(w);
    assert_non_null(strstr(c->http, " 200 OK"));
    finish(w);
}

/* ---- visitors ---- */

/* bob is in a guild of ann's by an invite of these terms. */
static uint64_t invite_bob(struct world *w, const char *terms)
{
    char path[96], code[16];
    uint64_t guild = json_id(
        world_admin(w, "guild create", "{\"name\":\"two\",\"owner\":\"%llu\"}", ID(w->user[0])), "id");
    const json_t *g = world_admin(w, "channel list", "{\"guild\":\"%llu\"}", ID(guild));
    uint64_t channel = json_id(json_array_get(json_object_get(g, "channels"), 0), "id");
    snprintf(path, sizeof path, "/channels/%llu/invites", ID(channel));
    struct client *made = client_request(w, 0, 3, path, terms);
    world_run(w);
    const char *at = strstr(made->http, "\"code\":\"");
    assert_non_null(at);
    snprintf(code, sizeof code, "%.10s", at + 8);
    snprintf(path, sizeof path, "/invites/%s", code);
    client_request(w, 1, 3, path, NULL);
    world_run(w);
    assert_non_null(model_member(model_guild(w->model, guild), w->user[1]));
    return guild;
}

static bool bob_is_in(struct world *w, uint64_t guild)
{
    return model_member(model_guild(w->model, guild), w->user[1]) != NULL;
}

static void whoever_came_by_a_temporary_invite_leaves_with_the_last_session(void **state)
{
    struct world *w;
    begin(&w);
    struct client *a = client_login(w, 0, 0, ALL, ""), *b = client_login(w, 1, 1, ALL, ""),
                  *again = client_login(w, 1, 0, ALL, "");
    uint64_t kept = invite_bob(w, "{}"), left = invite_bob(w, "{\"temporary\":true}");
    client_gone(w, b, 1000);
    world_run(w);
    assert_true(bob_is_in(w, left)); /* another session is there */
    client_skip(a);
    client_gone(w, again, 1000);
    world_run(w);
    assert_false(bob_is_in(w, left));
    assert_true(bob_is_in(w, kept));
    assert_int_equal(client_count_events(a, "GUILD_MEMBER_REMOVE"), 1);
    world_restart(w);
    assert_false(bob_is_in(w, left));
    finish(w);
}

static void a_role_makes_a_temporary_member_stay(void **state)
{
    struct world *w;
    begin(&w);
    struct client *b = client_login(w, 1, 1, ALL, "");
    uint64_t guild = invite_bob(w, "{\"temporary\":true}");
    uint64_t role = json_id(
        world_admin(w, "role create", "{\"guild\":\"%llu\",\"name\":\"r\",\"permissions\":\"0\"}", ID(guild)),
        "id");
    world_admin(w, "role give", "{\"guild\":\"%llu\",\"account\":\"%llu\",\"role\":\"%llu\"}", ID(guild),
                ID(w->user[1]), ID(role));
    client_gone(w, b, 1000);
    world_run(w);
    assert_true(bob_is_in(w, guild));
    finish(w);
}

static void a_temporary_member_missed_by_a_dying_process_leaves_a_minute_after_the_start(void **state)
{
    struct world *w;
    begin(&w);
    uint64_t guild = invite_bob(w, "{\"temporary\":true}"); /* never logged in */
    world_restart(w);
    world_pass(w, 30000);
    assert_true(bob_is_in(w, guild));
    world_pass(w, 31000);
    assert_false(bob_is_in(w, guild));
    finish(w);
}

static void revoked_tokens_close_their_sessions(void **state)
{
    struct world *w;
    begin(&w);
    struct client *b = client_login(w, 1, 1, USUAL, "");
    world_admin(w, "token revoke", "{\"account\":\"%llu\"}", ID(w->user[1]));
    assert_int_equal(b->close_code, 4004);
    assert_int_equal(w->control.gateway_sessions, 0);
    finish(w);
}

/* ---- who sees a channel ---- */

static void hide(struct world *w, unsigned from, bool hidden)
{
    char path[96];
    snprintf(path, sizeof path, "/channels/%llu/permissions/%llu", ID(w->text), ID(w->user[from]));
    struct client *put = client_request(w, 0, hidden ? 4 : 6, path,
                                        hidden ? "{\"type\":1,\"allow\":\"0\",\"deny\":\"1024\"}" : NULL);
    world_run(w);
    assert_non_null(strstr(put->http, "204"));
}

static void a_channel_vanishes_for_who_may_no_longer_see_it_and_comes_back(void **state)
{
    struct world *w;
    begin(&w);
    struct client *a = client_login(w, 0, 0, USUAL, ""), *b = client_login(w, 1, 1, USUAL, "");
    struct client *c = client_login(w, 2, 1, INTENT_GUILD_MESSAGES, "");
    hide(w, 1, true);
    json_t *d = client_expect(b, "CHANNEL_DELETE", 3);
    assert_int_equal(json_id(d, "id"), w->text);
    assert_string_equal(json_string_value(json_object_get(d, "name")), ""); /* nothing but that it is gone */
    assert_int_equal(json_array_size(json_object_get(d, "permission_overwrites")), 0);
    json_decref(d);
    assert_int_equal(client_count_events(b, "CHANNEL_UPDATE"), 0);
    assert_int_equal(client_count_events(a, "CHANNEL_UPDATE"), 1);
    hide(w, 1, false);
    d = client_expect(b, "CHANNEL_CREATE", 4);
    assert_int_equal(json_id(d, "id"), w->text);
    assert_string_equal(json_string_value(json_object_get(d, "name")), "general");
    json_decref(d);
    assert_int_equal(client_count_events(a, "CHANNEL_CREATE") + client_count_events(a, "CHANNEL_DELETE"), 0);
    assert_null(client_next(c));
    finish(w);
}

static void a_role_that_opens_a_channel_shows_it_to_who_gets_it(void **state)
{
    struct world *w;
    char path[160], body[128];
    begin(&w);
    struct client *b = client_login(w, 1, 1, USUAL, "");
    snprintf(path, sizeof path, "/channels/%llu/permissions/%llu", ID(w->text), ID(w->guild));
    client_request(w, 0, 4, path, "{\"type\":0,\"allow\":\"0\",\"deny\":\"1024\"}");
    world_run(w);
    assert_int_equal(client_count_events(b, "CHANNEL_DELETE"), 1);
    uint64_t role =
        json_id(world_admin(w, "role create", "{\"guild\":\"%llu\",\"name\":\"in\"}", ID(w->guild)), "id");
    snprintf(path, sizeof path, "/channels/%llu/permissions/%llu", ID(w->text), ID(role));
    snprintf(body, sizeof body, "{\"type\":0,\"allow\":\"1024\",\"deny\":\"0\"}");
    client_request(w, 0, 4, path, body);
    world_run(w);
    client_skip(b);
    snprintf(path, sizeof path, "/guilds/%llu/members/%llu/roles/%llu", ID(w->guild), ID(w->user[1]),
             ID(role));
    client_request(w, 0, 4, path, NULL);
    world_run(w);
    assert_int_equal(client_count_events(b, "CHANNEL_CREATE"), 1);
    client_request(w, 0, 6, path, NULL);
    world_run(w);
    assert_int_equal(client_count_events(b, "CHANNEL_DELETE"), 1);
    finish(w);
}

static void a_new_channel_and_a_removed_one_are_told_once_to_those_who_see_them(void **state)
{
    struct world *w;
    char path[96], body[256];
    begin(&w);
    struct client *a = client_login(w, 0, 0, USUAL, ""), *b = client_login(w, 1, 1, USUAL, "");
    snprintf(path, sizeof path, "/guilds/%llu/channels", ID(w->guild));
    snprintf(
        body, sizeof body,
        "{\"name\":\"secret\",\"permission_overwrites\":[{\"id\":\"%llu\",\"type\":1,\"deny\":\"1024\"}]}",
        ID(w->user[1]));
    client_request(w, 0, 3, path, body);
    world_run(w);
    json_t *d = client_expect(a, "CHANNEL_CREATE", 3);
    uint64_t id = json_id(d, "id");
    json_decref(d);
    assert_null(client_next(a));
    assert_null(client_next(b));
    snprintf(path, sizeof path, "/channels/%llu", ID(id));
    client_request(w, 0, 6, path, NULL);
    world_run(w);
    assert_int_equal(client_count_events(a, "CHANNEL_DELETE"), 1);
    assert_null(client_next(b)); /* he never saw it */
    snprintf(path, sizeof path, "/guilds/%llu/channels", ID(w->guild));
    client_request(w, 0, 3, path, "{\"name\":\"open\"}");
    world_run(w);
    assert_int_equal(client_count_events(a, "CHANNEL_CREATE"), 1);
    assert_int_equal(client_count_events(b, "CHANNEL_CREATE"), 1);
    finish(w);
}

/* ---- direct messages ---- */

static void what_two_write_reaches_their_sessions_alone(void **state)
{
    struct world *w;
    char path[96], body[96];
    begin(&w);
    struct client *a = client_login(w, 0, 0, ALL, ""), *b = client_login(w, 1, 1, INTENT_DIRECT_MESSAGES, ""),
                  *c = client_login(w, 2, 0, ALL, "");
    struct client *shard = client_login(w, 1, 0, INTENT_DIRECT_MESSAGES, ",\"shard\":[1,2]");
    client_skip(a);
    client_skip(c);
    snprintf(body, sizeof body, "{\"recipient_id\":\"%llu\"}", ID(w->user[1]));
    struct client *made = client_request(w, 0, 3, "/users/@me/channels", body);
    world_run(w);
    json_t *dm = json_loads(strstr(made->http, "\r\n\r\n") + 4, 0, NULL);
    assert_int_equal(client_count_events(a, "CHANNEL_CREATE"), 1);
    assert_int_equal(client_count_events(b, "CHANNEL_CREATE"), 1);
    w->die_after_each = true;
    snprintf(path, sizeof path, "/channels/%llu/messages", ID(json_id(dm, "id")));
    client_request(w, 0, 3, path, "{\"content\":\"psst\"}");
    world_run(w);
    assert_int_equal(client_count_events(a, "MESSAGE_CREATE"), 1);
    json_t *d = client_expect(b, "MESSAGE_CREATE", b->count);
    assert_string_equal(json_string_value(json_object_get(d, "content")),
                        "psst"); /* without the content intent */
    json_decref(d);
    assert_int_equal(client_count_events(c, "MESSAGE_CREATE"), 0);
    assert_int_equal(client_count_events(shard, "MESSAGE_CREATE"), 0); /* shard 0 hears of them */
    json_decref(dm);
    finish(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_channel_vanishes_for_who_may_no_longer_see_it_and_comes_back),
        cmocka_unit_test(a_role_that_opens_a_channel_shows_it_to_who_gets_it),
        cmocka_unit_test(a_new_channel_and_a_removed_one_are_told_once_to_those_who_see_them),
        cmocka_unit_test(what_two_write_reaches_their_sessions_alone),
        cmocka_unit_test(a_message_reaches_everybody_once_and_its_content_those_who_may),
        cmocka_unit_test(a_message_in_flight_at_a_death_is_sent_and_answered_once),
        cmocka_unit_test(typing_reaches_those_with_the_intent),
        cmocka_unit_test(who_cannot_see_a_channel_hears_nothing_of_it),
        cmocka_unit_test(who_joins_or_leaves_a_guild_is_told),
        cmocka_unit_test(a_body_too_long_for_the_ring_is_read_from_its_connection),
        cmocka_unit_test(a_body_whose_connection_has_ended_meanwhile_is_no_request),
        cmocka_unit_test(an_answer_that_would_fill_the_blocks_is_put_off),
        cmocka_unit_test(whoever_came_by_a_temporary_invite_leaves_with_the_last_session),
        cmocka_unit_test(a_role_makes_a_temporary_member_stay),
        cmocka_unit_test(a_temporary_member_missed_by_a_dying_process_leaves_a_minute_after_the_start),
        cmocka_unit_test(revoked_tokens_close_their_sessions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
