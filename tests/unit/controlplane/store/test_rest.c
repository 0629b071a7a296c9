/*
 * REST driven in the process on a real store: messages, pages, reactions, errors, headers (reference/rest.md
 * 1-7).
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
#define THUMB "%F0%9F%91%8D"

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

static uint64_t post(const char *token, const char *content)
{
    char body[256];
    snprintf(body, sizeof body, "{\"content\":\"%s\"}", content);
    assert_int_equal(fixture_ask(&f, token, "POST", body, "/channels/%llu/messages", ID(f.text)), 200);
    return json_id_of(f.json, "id");
}

static void a_message_is_answered_stored_and_dispatched_once(void **state)
{
    (void)state;
    uint64_t id = post(f.owner_token, "hi");
    assert_string_equal(fixture_text(&f, "content"), "hi");
    assert_int_equal(f.effect_count, 1);
    const struct kept_effect *e = fixture_event(&f, "MESSAGE_CREATE");
    assert_non_null(e);
    assert_int_equal(e->e.guild_id, f.guild);
    assert_int_equal(e->e.view_channel, f.text);
    assert_int_equal(e->e.author_id, f.owner);
    assert_int_equal(e->e.intent, 1 << 9);
    json_t *d = dispatch_d(e->body, strlen(e->body), "MESSAGE_CREATE");
    assert_int_equal(json_id_of(d, "id"), id);
    assert_string_equal(json_string_value(json_object_get(d, "content")), "hi");
    json_decref(d);
    assert_null(strstr(e->redacted, "\"hi\""));
    assert_int_equal(
        fixture_ask(&f, f.other_token, "GET", NULL, "/channels/%llu/messages/%llu", ID(f.text), ID(id)), 200);
    assert_string_equal(fixture_text(&f, "content"), "hi");
    assert_int_equal(model_channel(f.m, f.text)->last_message_id, id);
}

static void a_reply_has_the_head_that_clients_compare(void **state)
{
    (void)state;
    fixture_ask(&f, f.owner_token, "GET", NULL, "/users/@me");
    assert_int_equal(strncmp(f.raw, "HTTP/1.1 200 OK\r\n", 17), 0);
    assert_non_null(strstr(f.raw, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(f.raw, "\r\nDate: Sun, 15 Jun 2025 15:06:40 GMT\r\n"));
    assert_non_null(strstr(f.raw, "\r\nX-RateLimit-Limit: 100\r\n"));
    assert_non_null(strstr(f.raw, "\r\nX-RateLimit-Remaining: 99\r\n"));
    assert_non_null(strstr(f.raw, "\r\nX-RateLimit-Bucket: "));
    assert_non_null(strstr(f.raw, "\r\nConnection: keep-alive\r\n"));
    char length[64];
    snprintf(length, sizeof length, "\r\nContent-Length: %zu\r\n", strlen(strstr(f.raw, "\r\n\r\n") + 4));
    assert_non_null(strstr(f.raw, length));
    fixture_ask(&f, f.owner_token, "POST", NULL, "/channels/%llu/typing", ID(f.text));
    assert_int_equal(f.status, 204);
    assert_null(strstr(f.raw, "Content-Type"));
    assert_int_equal(strlen(strstr(f.raw, "\r\n\r\n")), 4);
}

static void typing_is_an_event_with_the_full_member(void **state)
{
    (void)state;
    fixture_ask(&f, f.other_token, "POST", NULL, "/channels/%llu/typing", ID(f.text));
    const struct kept_effect *e = fixture_event(&f, "TYPING_START");
    assert_non_null(e);
    json_t *d = dispatch_d(e->body, strlen(e->body), "TYPING_START");
    assert_int_equal(json_id_of(d, "user_id"), f.other);
    assert_int_equal(json_id_of(json_object_get(json_object_get(d, "member"), "user"), "id"), f.other);
    assert_int_equal(json_integer_value(json_object_get(d, "timestamp")), 1750000000);
    json_decref(d);
}

/* Asks for a page and checks that it holds exactly these indices of `ids`. */
static void assert_page(const uint64_t *ids, const char *query, const int *want, size_t count)
{
    assert_int_equal(
        fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu/messages?%s", ID(f.text), query), 200);
    assert_int_equal(json_array_size(f.json), count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(json_id_of(json_array_get(f.json, i), "id"), ids[want[i]]);
}

static void pages_are_newest_first_whatever_the_direction(void **state)
{
    (void)state;
    uint64_t ids[10];
    char query[64];
    for (int i = 0; i < 10; i++)
        ids[i] = post(f.owner_token, "x");
    assert_page(ids, "limit=3", (int[]){9, 8, 7}, 3);
    snprintf(query, sizeof query, "limit=3&before=%llu", ID(ids[5]));
    assert_page(ids, query, (int[]){4, 3, 2}, 3);
    snprintf(query, sizeof query, "after=%llu&limit=3", ID(ids[5]));
    assert_page(ids, query, (int[]){8, 7, 6}, 3);
    snprintf(query, sizeof query, "limit=5&around=%llu", ID(ids[5]));
    assert_page(ids, query, (int[]){7, 6, 5, 4, 3}, 5);
    snprintf(query, sizeof query, "limit=4&around=%llu", ID(ids[5]));
    assert_page(ids, query, (int[]){6, 5, 4, 3}, 4);
    snprintf(query, sizeof query, "limit=2&before=%llu", ID(ids[1] + 1));
    assert_page(ids, query, (int[]){1, 0}, 2);
    assert_page(ids, "after=0&limit=2", (int[]){1, 0}, 2);
    assert_page(ids, "before=0&limit=2", NULL, 0);
    assert_page(ids, "", (int[]){9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, 10);
    fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu/messages?limit=101", ID(f.text));
    fixture_refused(&f, 400, 50035);
    fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu/messages?after=1&before=2", ID(f.text));
    fixture_refused(&f, 400, 50035);
}

static void only_the_author_edits_and_only_managers_delete_what_is_not_theirs(void **state)
{
    (void)state;
    uint64_t id = post(f.owner_token, "mine");
    fixture_ask(&f, f.other_token, "PATCH", "{\"content\":\"yours\"}", "/channels/%llu/messages/%llu",
                ID(f.text), ID(id));
    fixture_refused(&f, 403, 50005);
    fixture_ask(&f, f.other_token, "DELETE", NULL, "/channels/%llu/messages/%llu", ID(f.text), ID(id));
    fixture_refused(&f, 403, 50013);
    fixture_forget_effects(&f);
    assert_int_equal(fixture_ask(&f, f.owner_token, "PATCH", "{\"content\":\"better\"}",
                                 "/channels/%llu/messages/%llu", ID(f.text), ID(id)),
                     200);
    assert_string_equal(fixture_text(&f, "content"), "better");
    assert_true(json_is_string(json_object_get(f.json, "edited_timestamp")));
    assert_non_null(fixture_event(&f, "MESSAGE_UPDATE"));
    uint64_t theirs = post(f.other_token, "spam");
    fixture_ask(&f, f.owner_token, "PATCH", "{\"content\":\"\"}", "/channels/%llu/messages/%llu", ID(f.text),
                ID(id));
    fixture_refused(&f, 400, 50006);
    assert_int_equal(fixture_ask(&f, f.owner_token, "DELETE", NULL, "/channels/%llu/messages/%llu",
                                 ID(f.text), ID(theirs)),
                     204);
    const struct kept_effect *e = fixture_event(&f, "MESSAGE_DELETE");
    json_t *d = dispatch_d(e->body, strlen(e->body), "MESSAGE_DELETE");
    assert_int_equal(json_id_of(d, "id"), theirs);
    json_decref(d);
    fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu/messages/%llu", ID(f.text), ID(theirs));
    fixture_refused(&f, 404, 10008);
    fixture_ask(&f, f.owner_token, "DELETE", NULL, "/channels/%llu/messages/%llu", ID(f.text), ID(theirs));
    fixture_refused(&f, 404, 10008);
}

static void many_messages_are_deleted_at_once(void **state)
{
    (void)state;
    char body[128];
    uint64_t a = post(f.owner_token, "a"), b = post(f.owner_token, "b");
    snprintf(body, sizeof body, "{\"messages\":[\"%llu\"]}", ID(a));
    fixture_ask(&f, f.owner_token, "POST", body, "/channels/%llu/messages/bulk-delete", ID(f.text));
    fixture_refused(&f, 400, 50016);
    fixture_ask(&f, f.owner_token, "POST", "{\"messages\":[\"1\",\"2\"]}",
                "/channels/%llu/messages/bulk-delete", ID(f.text));
    fixture_refused(&f, 400, 50034);
    snprintf(body, sizeof body, "{\"messages\":[\"%llu\",\"%llu\"]}", ID(a), ID(b));
    assert_int_equal(
        fixture_ask(&f, f.owner_token, "POST", body, "/channels/%llu/messages/bulk-delete", ID(f.text)), 204);
    const struct kept_effect *e = fixture_event(&f, "MESSAGE_DELETE_BULK");
    json_t *d = dispatch_d(e->body, strlen(e->body), "MESSAGE_DELETE_BULK");
    assert_int_equal(json_array_size(json_object_get(d, "ids")), 2);
    json_decref(d);
    assert_page(NULL, "", NULL, 0);
}

static void a_reply_shows_what_it_answers_and_mentions_its_author(void **state)
{
    (void)state;
    char body[256];
    uint64_t id = post(f.other_token, "question");
    snprintf(body, sizeof body, "{\"content\":\"answer\",\"message_reference\":{\"message_id\":\"%llu\"}}",
             ID(id));
    assert_int_equal(fixture_ask(&f, f.owner_token, "POST", body, "/channels/%llu/messages", ID(f.text)),
                     200);
    assert_int_equal(json_integer_value(json_object_get(f.json, "type")), 19);
    assert_int_equal(json_id_of(json_object_get(f.json, "referenced_message"), "id"), id);
    assert_int_equal(json_id_of(json_array_get(json_object_get(f.json, "mentions"), 0), "id"), f.other);
    fixture_ask(&f, f.owner_token, "POST", "{\"content\":\"x\",\"message_reference\":{\"message_id\":\"5\"}}",
                "/channels/%llu/messages", ID(f.text));
    fixture_refused(&f, 400, 50035);
    assert_int_equal(fixture_ask(&f, f.owner_token, "POST",
                                 "{\"content\":\"x\",\"message_reference\":{\"message_id\":\"5\","
                                 "\"fail_if_not_exists\":false}}",
                                 "/channels/%llu/messages", ID(f.text)),
                     200);
    assert_int_equal(json_integer_value(json_object_get(f.json, "type")), 0);
}

static void mentions_are_those_that_exist_and_are_allowed(void **state)
{
    (void)state;
    char body[400];
    snprintf(body, sizeof body, "{\"content\":\"<@%llu> <@!%llu> <@12345> @everyone\"}", ID(f.other),
             ID(f.owner));
    fixture_ask(&f, f.other_token, "POST", body, "/channels/%llu/messages", ID(f.text));
    assert_int_equal(json_array_size(json_object_get(f.json, "mentions")), 2);
    assert_true(json_is_false(json_object_get(f.json, "mention_everyone")));
    assert_int_equal(fixture_event(&f, "MESSAGE_CREATE")->e.mentioned_count, 2);
    snprintf(body, sizeof body,
             "{\"content\":\"<@%llu> @everyone\",\"allowed_mentions\":{\"parse\":[\"everyone\"]}}",
             ID(f.other));
    fixture_ask(&f, f.owner_token, "POST", body, "/channels/%llu/messages", ID(f.text));
    assert_int_equal(json_array_size(json_object_get(f.json, "mentions")), 0);
    assert_true(json_is_true(json_object_get(f.json, "mention_everyone")));
}

static void a_nonce_is_echoed_and_enforced_when_asked(void **state)
{
    (void)state;
    const char *body = "{\"content\":\"once\",\"nonce\":\"n1\",\"enforce_nonce\":true}";
    fixture_ask(&f, f.owner_token, "POST", body, "/channels/%llu/messages", ID(f.text));
    uint64_t first = json_id_of(f.json, "id");
    assert_string_equal(fixture_text(&f, "nonce"), "n1");
    fixture_ask(&f, f.owner_token, "POST", body, "/channels/%llu/messages", ID(f.text));
    assert_int_equal(json_id_of(f.json, "id"), first);
    assert_int_equal(f.effect_count, 1);
    fixture_ask(&f, f.other_token, "POST", body, "/channels/%llu/messages", ID(f.text));
    assert_int_not_equal(json_id_of(f.json, "id"), first);
    f.m->now_ms += 10 * 60 * 1000;
    fixture_ask(&f, f.owner_token, "POST", body, "/channels/%llu/messages", ID(f.text));
    assert_int_not_equal(json_id_of(f.json, "id"), first);
    fixture_ask(&f, f.owner_token, "POST", "{\"content\":\"x\",\"nonce\":7}", "/channels/%llu/messages",
                ID(f.text));
    assert_int_equal(json_integer_value(json_object_get(f.json, "nonce")), 7);
}

static void reactions_are_counted_and_shown_to_the_one_who_reacted(void **state)
{
    (void)state;
    uint64_t id = post(f.owner_token, "react");
    fixture_forget_effects(&f);
    for (int i = 0; i < 2; i++)
        assert_int_equal(fixture_ask(&f, f.other_token, "PUT", NULL,
                                     "/channels/%llu/messages/%llu/reactions/%s/@me", ID(f.text), ID(id),
                                     THUMB),
                         204);
    assert_int_equal(f.effect_count, 1);
    json_t *d = dispatch_d(f.effects[0].body, strlen(f.effects[0].body), "MESSAGE_REACTION_ADD");
    assert_int_equal(json_id_of(d, "message_author_id"), f.owner);
    assert_string_equal(json_string_value(json_object_get(json_object_get(d, "emoji"), "name")),
                        "\xf0\x9f\x91\x8d");
    json_decref(d);
    fixture_ask(&f, f.owner_token, "PUT", NULL,
                "/channels/%llu/messages/%llu/reactions/blob%%3A123456789012345678/@me", ID(f.text), ID(id));
    fixture_ask(&f, f.other_token, "GET", NULL, "/channels/%llu/messages/%llu", ID(f.text), ID(id));
    const json_t *reactions = json_object_get(f.json, "reactions");
    assert_int_equal(json_array_size(reactions), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(reactions, 0), "count")), 1);
    assert_true(json_is_true(json_object_get(json_array_get(reactions, 0), "me")));
    assert_true(json_is_false(json_object_get(json_array_get(reactions, 1), "me")));
    fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu/messages/%llu/reactions/%s", ID(f.text),
                ID(id), THUMB);
    assert_int_equal(json_id_of(json_array_get(f.json, 0), "id"), f.other);
    assert_int_equal(fixture_ask(&f, f.other_token, "DELETE", NULL,
                                 "/channels/%llu/messages/%llu/reactions/%s/@me", ID(f.text), ID(id), THUMB),
                     204);
    assert_non_null(fixture_event(&f, "MESSAGE_REACTION_REMOVE"));
    fixture_ask(&f, f.owner_token, "PUT", NULL, "/channels/%llu/messages/%llu/reactions/abc/@me", ID(f.text),
                ID(id));
    fixture_refused(&f, 404, 10014);
    fixture_ask(&f, f.owner_token, "PUT", NULL, "/channels/%llu/messages/5/reactions/%s/@me", ID(f.text),
                THUMB);
    fixture_refused(&f, 404, 10008);
}

static void the_21st_emoji_is_refused(void **state)
{
    (void)state;
    uint64_t id = post(f.owner_token, "react");
    for (int i = 0; i < 21; i++, f.m->now_ms += 1000)
        fixture_ask(&f, f.owner_token, "PUT", NULL,
                    "/channels/%llu/messages/%llu/reactions/%%F0%%9F%%98%%%02X/@me", ID(f.text), ID(id),
                    0x80 + i);
    fixture_refused(&f, 403, 30010);
}

static void pins_are_shown_on_the_message(void **state)
{
    (void)state;
    uint64_t id = post(f.other_token, "keep");
    fixture_ask(&f, f.other_token, "PUT", NULL, "/channels/%llu/pins/%llu", ID(f.text), ID(id));
    fixture_refused(&f, 403, 50013);
    assert_int_equal(
        fixture_ask(&f, f.owner_token, "PUT", NULL, "/channels/%llu/pins/%llu", ID(f.text), ID(id)), 204);
    assert_non_null(fixture_event(&f, "CHANNEL_PINS_UPDATE"));
    fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu/messages/%llu", ID(f.text), ID(id));
    assert_true(json_is_true(json_object_get(f.json, "pinned")));
}

/* What is sent, and the answer to it. */
static const struct {
    const char *body;
    int status, code;
} bodies[] = {
    {"{\"content\":\"\"}", 400, 50006},
    {"{\"content\":\"  \\n\"}", 400, 50006},
    {"{}", 400, 50006},
    {"{\"content\":5}", 400, 50035},
    {"{\"content\":\"x\",\"embeds\":{}}", 400, 50035},
    {"{\"content\":\"x\",\"embeds\":[5]}", 400, 50035},
    {"{\"content\":\"x\",\"components\":[5]}", 400, 50035},
    {"{\"content\":\"x\",\"nonce\":\"abcdefghijklmnopqrstuvwxyz\"}", 400, 50035},
    {"{\"content\":\"x\",\"nonce\":[]}", 400, 50035},
    {"{\"content\":\"x\",\"message_reference\":{}}", 400, 50035},
    {"{\"content\":\"x\",\"message_reference\":{\"message_id\":\"1\",\"channel_id\":\"2\"}}", 400, 50035},
    {"{\"content\":", 400, 50109},
    {"{\"content\":\"\xff\"}", 400, 50109},
    {"[]", 400, 50035},
    {"\"x\"", 400, 50035},
    {"{\"content\":\"it's \\\"; DROP TABLE messages; --\"}", 200, 0},
    {"{\"embeds\":[{\"title\":\"t\"}]}", 200, 0},
};

static void bodies_that_are_wrong_get_the_protocols_error(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++) {
        fixture_ask(&f, f.owner_token, "POST", bodies[i].body, "/channels/%llu/messages", ID(f.text));
        if (f.status != bodies[i].status)
            fail_msg("%s: %d", bodies[i].body, f.status);
        assert_int_equal(json_integer_value(json_object_get(f.json, "code")), bodies[i].code);
    }
    fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu/messages?limit=1", ID(f.text));
    assert_int_equal(json_array_size(f.json), 1);
}

static void content_is_counted_in_characters(void **state)
{
    (void)state;
    char *body = calloc(1, 3 * 2001 + 32);
    for (int extra = 0; extra < 2; extra++) {
        strcpy(body, "{\"content\":\"");
        for (int i = 0; i < 2000 + extra; i++)
            strcat(body, "\xe2\x82\xac");
        strcat(body, "\"}");
        fixture_ask(&f, f.owner_token, "POST", body, "/channels/%llu/messages", ID(f.text));
        assert_int_equal(f.status, extra ? 400 : 200);
    }
    fixture_refused(&f, 400, 50035);
    const json_t *errors = json_object_get(json_object_get(f.json, "errors"), "content");
    assert_true(json_is_array(json_object_get(errors, "_errors")));
    free(body);
}

static void json_that_is_too_deep_is_refused_before_it_is_parsed(void **state)
{
    (void)state;
    char body[4096] = "{\"content\":\"[[[[\",\"embeds\":";
    memset(body + strlen(body), '[', 3000);
    fixture_ask(&f, f.owner_token, "POST", body, "/channels/%llu/messages", ID(f.text));
    fixture_refused(&f, 400, 50109);
}

static void an_unknown_route_is_404_even_without_a_token(void **state)
{
    (void)state;
    fixture_ask(&f, NULL, "GET", NULL, "/nothing");
    fixture_refused(&f, 404, 0);
    assert_string_equal(fixture_text(&f, "message"), "404: Not Found");
    fixture_ask(&f, NULL, "POST", NULL, "/channels/%llu/webhooks", ID(f.text));
    fixture_refused(&f, 404, 0);
    fixture_ask(&f, NULL, "PUT", NULL, "/gateway");
    fixture_refused(&f, 405, 0);
    fixture_ask(&f, NULL, "GET", NULL, "/channels/%llux", ID(f.text));
    fixture_refused(&f, 404, 0);
}

static void without_a_good_token_the_answer_is_401(void **state)
{
    (void)state;
    char token[TOKEN_TEXT_MAX];
    fixture_ask(&f, NULL, "GET", NULL, "/users/@me");
    fixture_refused(&f, 401, 0);
    strcpy(token, f.owner_token);
    token[strlen(token) - 1] ^= 1;
    fixture_ask(&f, token, "GET", NULL, "/users/@me");
    fixture_refused(&f, 401, 0);
    fixture_ask(&f, f.owner_token, "GET", NULL, "/users/@me");
    assert_int_equal(json_id_of(f.json, "id"), f.owner);
    fixture_admin(&f, "token revoke", "{\"account\":\"%llu\"}", ID(f.owner));
    assert_non_null(fixture_effect(&f, EFFECT_ACCOUNT_REVOKED));
    fixture_ask(&f, f.owner_token, "GET", NULL, "/users/@me");
    fixture_refused(&f, 401, 0);
}

static void strangers_see_nothing(void **state)
{
    (void)state;
    fixture_ask(&f, f.stranger_token, "GET", NULL, "/channels/%llu", ID(f.text));
    fixture_refused(&f, 403, 50001);
    fixture_ask(&f, f.stranger_token, "POST", "{\"content\":\"x\"}", "/channels/%llu/messages", ID(f.text));
    fixture_refused(&f, 403, 50001);
    fixture_ask(&f, f.stranger_token, "GET", NULL, "/guilds/%llu", ID(f.guild));
    fixture_refused(&f, 403, 50001);
    fixture_ask(&f, f.stranger_token, "GET", NULL, "/channels/5");
    fixture_refused(&f, 404, 10003);
    fixture_ask(&f, f.stranger_token, "GET", NULL, "/guilds/5");
    fixture_refused(&f, 404, 10004);
    fixture_ask(&f, f.stranger_token, "GET", NULL, "/guilds/0");
    fixture_refused(&f, 404, 10004);
    fixture_ask(&f, f.stranger_token, "DELETE", NULL, "/channels/0");
    fixture_refused(&f, 404, 10003);
}

static void the_gateway_is_told_as_clients_need_it(void **state)
{
    (void)state;
    fixture_ask(&f, NULL, "GET", NULL, "/gateway");
    assert_string_equal(fixture_text(&f, "url"), "wss://localhost");
    fixture_ask(&f, f.owner_token, "GET", NULL, "/gateway/bot");
    const json_t *limit = json_object_get(f.json, "session_start_limit");
    assert_int_equal(json_integer_value(json_object_get(limit, "max_concurrency")), 1);
    assert_int_equal(json_integer_value(json_object_get(limit, "remaining")), 1000);
    assert_true(json_is_integer(json_object_get(limit, "reset_after")));
    fixture_ask(&f, NULL, "GET", NULL, "/gateway/bot");
    fixture_refused(&f, 401, 0);
}

static void a_bucket_that_is_empty_answers_429_with_when_to_come_back(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++)
        assert_int_equal(fixture_ask(&f, f.owner_token, "POST", NULL, "/channels/%llu/typing", ID(f.text)),
                         204);
    assert_non_null(strstr(f.raw, "X-RateLimit-Remaining: 0\r\n"));
    assert_non_null(strstr(f.raw, "X-RateLimit-Reset-After: 5.000\r\n"));
    assert_int_equal(fixture_ask(&f, f.owner_token, "POST", NULL, "/channels/%llu/typing", ID(f.text)), 429);
    assert_non_null(strstr(f.raw, "\r\nRetry-After: 0.250\r\n"));
    assert_non_null(strstr(f.raw, "X-RateLimit-Scope: user\r\n"));
    assert_true(json_is_false(json_object_get(f.json, "global")));
    assert_int_equal(fixture_ask(&f, f.owner_token, "POST", NULL, "/channels/%llu/typing", ID(f.voice)), 204);
    assert_int_equal(fixture_ask(&f, f.other_token, "POST", NULL, "/channels/%llu/typing", ID(f.text)), 204);
    f.m->now_ms += 250;
    assert_int_equal(fixture_ask(&f, f.owner_token, "POST", NULL, "/channels/%llu/typing", ID(f.text)), 204);
}

struct flood {
    unsigned served, limited;
};

static void flood_answered(void *ctx, const struct rest_reply *reply)
{
    struct flood *c = ctx;
    c->served += reply->status == 200;
    c->limited += reply->status == 429;
    assert_int_equal(memmem(reply->data, reply->length, "\r\nRetry-After: ", 15) != NULL,
                     reply->status == 429);
}

/* Over channels and guilds that there are and many that are not: no way of asking gives more than the share.
 */
static void a_hundred_thousand_requests_a_second_from_one_token_get_its_share(void **state)
{
    (void)state;
    struct rest_config rc;
    struct flood flood = {0, 0};
    char path[96], authorization[128];
    rest_close(f.rest);
    rest_config_defaults(&rc);
    f.rest = rest_open(f.m, &rc);
    snprintf(authorization, sizeof authorization, "Bot %s", f.owner_token);
    for (unsigned i = 0; i < 100000; i++) {
        f.m->now_ms += i % 100 == 99;
        snprintf(path, sizeof path, "/api/v10/%s/%llu", i % 2 ? "channels" : "guilds",
                 i % 3 ? 100000ull + i : ID(i % 2 ? f.text : f.guild));
        struct rest_request q = {.method = REST_GET,
                                 .path = path,
                                 .path_length = strlen(path),
                                 .authorization = authorization,
                                 .authorization_length = strlen(authorization),
                                 .keep_alive = true};
        rest_handle(f.rest, &q, flood_answered, &flood);
    }
    assert_in_range(flood.served, 15, 100);
    assert_true(flood.limited >= 100000 - 100);
    assert_int_equal(fixture_ask(&f, f.other_token, "GET", NULL, "/channels/%llu", ID(f.text)), 200);
    f.m->now_ms += 1000;
    assert_int_equal(fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu", ID(f.text)), 200);
}

static void everything_is_still_there_after_a_restart(void **state)
{
    (void)state;
    uint64_t id = post(f.owner_token, "stays");
    fixture_restart(&f);
    assert_int_equal(model_channel(f.m, f.text)->last_message_id, id);
    assert_int_equal(
        fixture_ask(&f, f.other_token, "GET", NULL, "/channels/%llu/messages/%llu", ID(f.text), ID(id)), 200);
    assert_string_equal(fixture_text(&f, "content"), "stays");
    assert_true(post(f.owner_token, "next") > id);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_message_is_answered_stored_and_dispatched_once),
        CASE(a_reply_has_the_head_that_clients_compare),
        CASE(typing_is_an_event_with_the_full_member),
        CASE(pages_are_newest_first_whatever_the_direction),
        CASE(only_the_author_edits_and_only_managers_delete_what_is_not_theirs),
        CASE(many_messages_are_deleted_at_once),
        CASE(a_reply_shows_what_it_answers_and_mentions_its_author),
        CASE(mentions_are_those_that_exist_and_are_allowed),
        CASE(a_nonce_is_echoed_and_enforced_when_asked),
        CASE(reactions_are_counted_and_shown_to_the_one_who_reacted),
        CASE(the_21st_emoji_is_refused),
        CASE(pins_are_shown_on_the_message),
        CASE(bodies_that_are_wrong_get_the_protocols_error),
        CASE(content_is_counted_in_characters),
        CASE(json_that_is_too_deep_is_refused_before_it_is_parsed),
        CASE(an_unknown_route_is_404_even_without_a_token),
        CASE(without_a_good_token_the_answer_is_401),
        CASE(strangers_see_nothing),
        CASE(the_gateway_is_told_as_clients_need_it),
        CASE(a_bucket_that_is_empty_answers_429_with_when_to_come_back),
        CASE(a_hundred_thousand_requests_a_second_from_one_token_get_its_share),
        CASE(everything_is_still_there_after_a_restart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
