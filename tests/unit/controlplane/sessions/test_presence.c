/*
 * Presence and relationships: what others see of somebody, how often they are told, and that nobody is a
 * ghost; starts of sessions, and draining.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "controlplane/presence/presence.h"
#include "controlplane/protocol/intents.h"
#include "controlplane/sessions/drain.h"
#include "controlplane/sessions/starts.h"
#include "tests/unit/controlplane/sessions/world.h"

#define ALL   (INTENTS_KNOWN)
#define USUAL (INTENT_GUILDS | INTENT_GUILD_MESSAGES)
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

static void set_status(struct world *w, struct client *c, const char *status)
{
    client_say(w, c, "{\"op\":3,\"d\":{\"status\":\"%s\",\"activities\":[],\"since\":null,\"afk\":false}}",
               status);
    world_run(w);
}

/* The status of the last PRESENCE_UPDATE that the client was sent. */
static const char *last_status(struct client *c)
{
    static char status[16];
    *status = 0;
    for (unsigned i = 0; i < c->count; i++) {
        json_t *j = json_loads(c->text[i], 0, NULL);
        const char *t = json_string_value(json_object_get(j, "t"));
        const char *s = json_string_value(json_object_get(json_object_get(j, "d"), "status"));
        if (t && strcmp(t, "PRESENCE_UPDATE") == 0)
            snprintf(status, sizeof status, "%s", s);
        json_decref(j);
    }
    return status;
}

static void a_user_that_flaps_is_told_of_twice_a_second_at_most(void **state)
{
    struct world *w;
    begin(&w);
    struct client *a = client_login(w, 0, 0, ALL, ""), *b = client_login(w, 1, 1, USUAL, "");
    client_skip(a);
    for (int i = 0; i < 50; i++) {
        set_status(w, b, i % 2 ? "idle" : "dnd");
        world_pass(w, 10);
    }
    assert_in_range(client_count_events(a, "PRESENCE_UPDATE"), 1, 2);
    world_pass(w, PRESENCE_GAP_MS);
    assert_string_equal(last_status(a), "idle");
    finish(w);
}

static void who_flaps_back_is_not_told_of_at_all(void **state)
{
    struct world *w;
    begin(&w);
    struct client *a = client_login(w, 0, 0, ALL, ""), *b = client_login(w, 1, 1, USUAL, "");
    set_status(w, b, "idle");
    client_skip(a);
    set_status(w, b, "dnd");
    set_status(w, b, "idle");
    world_pass(w, 10 * PRESENCE_GAP_MS);
    assert_int_equal(client_count_events(a, "PRESENCE_UPDATE"), 0);
    finish(w);
}

static void a_change_that_waits_survives_the_process(void **state)
{
    struct world *w;
    begin(&w);
    struct client *a = client_login(w, 0, 0, ALL, ""), *b = client_login(w, 1, 1, USUAL, "");
    set_status(w, b, "idle");
    client_skip(a);
    set_status(w, b, "dnd");
    assert_int_equal(client_count_events(a, "PRESENCE_UPDATE"), 0);
    world_restart(w);
    world_pass(w, PRESENCE_GAP_MS);
    assert_int_equal(client_count_events(a, "PRESENCE_UPDATE"), 1);
    assert_string_equal(last_status(a), "dnd");
    world_restart(w);
    world_pass(w, PRESENCE_GAP_MS);
    set_status(w, b, "dnd");
    assert_int_equal(client_count_events(a, "PRESENCE_UPDATE"), 0);
    finish(w);
}

static void session_id_of(struct client *c, char id[33])
{
    json_t *j = json_loads(c->text[0], 0, NULL);
    strcpy(id, json_string_value(json_object_get(json_object_get(j, "d"), "session_id")));
    json_decref(j);
}

static void gone(struct world *w, struct client *c, uint16_t code, bool by_peer)
{
    struct notice_closed n = {.connection = c->handle,
                              .session = c->session,
                              .code = code,
                              .by_peer = by_peer,
                              .kind = CONNECTION_GATEWAY};
    notice(w, c->worker, NOTICE_CLOSED, &n, sizeof n);
    world_run(w);
}

static void who_fell_silent_is_offline_at_once_and_back_with_its_resume(void **state)
{
    struct world *w;
    char id[33];
    begin(&w);
    struct client *a = client_login(w, 0, 0, ALL, ""), *b = client_login(w, 1, 1, USUAL, "");
    session_id_of(b, id);
    client_skip(a);
    gone(w, b, 4009, false);
    assert_int_equal(client_count_events(a, "PRESENCE_UPDATE"), 1);
    assert_string_equal(last_status(a), "offline");
    world_pass(w, 2000);
    struct client *again = client_open(w, 1, CONNECTION_GATEWAY, 10);
    client_say(w, again, "{\"op\":6,\"d\":{\"token\":\"%s\",\"session_id\":\"%s\",\"seq\":2}}", w->token[1],
               id);
    world_run(w);
    json_decref(client_expect(again, "RESUMED", 3));
    assert_int_equal(client_count_events(a, "PRESENCE_UPDATE"), 1);
    assert_string_equal(last_status(a), "online");
    finish(w);
}

static void a_drop_that_is_resumed_at_once_is_nobodys_business(void **state)
{
    struct world *w;
    char id[33];
    begin(&w);
    struct client *a = client_login(w, 0, 0, ALL, ""), *b = client_login(w, 1, 1, USUAL, "");
    session_id_of(b, id);
    client_skip(a);
    client_gone(w, b, 1006);
    world_pass(w, PRESENCE_AWAY_MS / 2);
    struct client *again = client_open(w, 1, CONNECTION_GATEWAY, 10);
    client_say(w, again, "{\"op\":6,\"d\":{\"token\":\"%s\",\"session_id\":\"%s\",\"seq\":2}}", w->token[1],
               id);
    world_run(w);
    json_decref(client_expect(again, "RESUMED", 3));
    world_pass(w, PRESENCE_AWAY_MS);
    assert_int_equal(client_count_events(a, "PRESENCE_UPDATE"), 0);
    finish(w);
}

/* ---- user accounts ---- */

struct person {
    uint64_t user;
    char token[TOKEN_TEXT_MAX];
};

static void make_user(struct world *w, const char *name, struct person *u)
{
    const json_t *made = world_admin(w, "account create", "{\"name\":\"%s\",\"bot\":false}", name);
    u->user = json_id(made, "id");
    snprintf(u->token, sizeof u->token, "%s", json_string_value(json_object_get(made, "token")));
}

static struct client *login(struct world *w, const struct person *u)
{
    struct client *c = client_open(w, 0, CONNECTION_GATEWAY, 9);
    client_say(w, c, "{\"op\":2,\"d\":{\"token\":\"%s\",\"properties\":{},\"capabilities\":16381}}",
               u->token);
    world_run(w);
    return c;
}

static unsigned put_friend(struct world *w, const struct person *of, uint64_t other, uint8_t method)
{
    char path[96];
    snprintf(path, sizeof path, "/users/@me/relationships/%llu", ID(other));
    strcpy(w->token[2], of->token);
    struct client *c = client_request(w, 2, method, path, method == 4 ? "{}" : NULL);
    world_run(w);
    return (unsigned)strtoul(c->http + 9, NULL, 10);
}

static void friends_are_told_of_each_other_and_of_nothing_after(void **state)
{
    struct world *w;
    struct person eve, fay;
    begin(&w);
    make_user(w, "eve", &eve);
    make_user(w, "fay", &fay);
    struct client *e = login(w, &eve), *f = login(w, &fay);
    client_skip(e);
    client_skip(f);
    assert_int_equal(put_friend(w, &eve, fay.user, 4), 204);
    json_t *d = client_expect(e, "RELATIONSHIP_ADD", 2);
    assert_int_equal(json_integer_value(json_object_get(d, "type")), 4);
    json_decref(d);
    d = client_expect(f, "RELATIONSHIP_ADD", 2);
    assert_int_equal(json_integer_value(json_object_get(d, "type")), 3);
    assert_int_equal(json_id(d, "id"), eve.user);
    json_decref(d);
    assert_int_equal(put_friend(w, &fay, eve.user, 4), 204);
    d = client_expect(e, "RELATIONSHIP_ADD", 3);
    assert_int_equal(json_integer_value(json_object_get(d, "type")), 1);
    json_decref(d);
    d = client_expect(e, "PRESENCE_UPDATE", 4);
    assert_int_equal(json_id(json_object_get(d, "user"), "id"), fay.user);
    assert_null(json_object_get(d, "guild_id"));
    json_decref(d);
    client_skip(f);
    set_status(w, e, "dnd");
    assert_int_equal(client_count_events(f, "PRESENCE_UPDATE"), 1);
    /* READY says who is a friend and online, after a restart too */
    world_restart(w);
    struct client *second = login(w, &fay);
    d = client_expect(second, "READY", 1);
    assert_int_equal(json_array_size(json_object_get(d, "relationships")), 1);
    assert_string_equal(
        json_string_value(json_object_get(json_array_get(json_object_get(d, "presences"), 0), "status")),
        "dnd");
    json_decref(d);
    world_pass(w, 1000);
    assert_int_equal(put_friend(w, &eve, fay.user, 6), 204);
    assert_int_equal(client_count_events(f, "RELATIONSHIP_REMOVE"), 1);
    set_status(w, e, "idle");
    assert_int_equal(client_count_events(f, "PRESENCE_UPDATE"), 0);
    assert_int_equal(put_friend(w, &eve, fay.user, 6), 404);
    finish(w);
}

static void bots_have_no_friends(void **state)
{
    struct world *w;
    struct person eve, bot;
    begin(&w);
    make_user(w, "eve", &eve);
    bot.user = w->user[0];
    strcpy(bot.token, w->token[0]);
    assert_int_equal(put_friend(w, &bot, eve.user, 4), 403);
    assert_int_equal(put_friend(w, &eve, bot.user, 4), 400);
    assert_int_equal(put_friend(w, &eve, eve.user, 4), 400);
    assert_int_equal(put_friend(w, &eve, 5, 4), 404);
    finish(w);
}

/* ---- starts ---- */

static void an_account_starts_so_many_sessions_within_five_seconds(void **state)
{
    struct world *w;
    begin(&w);
    w->control.config.max_concurrency = 2;
    for (int i = 0; i < 2; i++)
        client_login(w, 0, 0, USUAL, "");
    struct client *c = client_open(w, 0, CONNECTION_GATEWAY, 10);
    const char *identify = "{\"op\":2,\"d\":{\"token\":\"%s\",\"properties\":{},\"intents\":1}}";
    client_say(w, c, identify, w->token[0]);
    world_run(w);
    json_t *d = client_expect_op(c, 9);
    assert_true(json_is_false(d));
    json_decref(d);
    assert_int_equal(starts_left(&w->control, w->user[0]).remaining,
                     w->control.config.identifies_per_day - 2);
    world_pass(w, STARTS_WINDOW_MS);
    client_say(w, c, identify, w->token[0]); /* on the same connection, as some clients do */
    world_run(w);
    json_decref(client_expect(c, "READY", 1));
    finish(w);
}

static void an_account_asks_for_the_privileged_intents_of_its_list(void **state)
{
    struct world *w;
    struct person eve;
    begin(&w);
    make_user(w, "eve", &eve);
    assert_null(json_object_get(
        world_admin(w, "account set", "{\"account\":\"%llu\",\"intents\":\"members,content\"}", ID(eve.user)),
        "error"));
    strcpy(w->token[2], eve.token);
    world_restart(w);
    assert_int_equal(client_login(w, 2, 0, INTENT_GUILD_MEMBERS | INTENT_MESSAGE_CONTENT, "")->close_code, 0);
    assert_int_equal(client_login(w, 2, 0, INTENT_GUILD_PRESENCES, "")->close_code, 4014);
    finish(w);
}

/* ---- draining ---- */

static void a_draining_box_asks_everybody_and_admits_nobody_until_it_serves_again(void **state)
{
    struct world *w;
    char id[33];
    begin(&w);
    struct client *a = client_login(w, 0, 0, USUAL, ""), *b = client_login(w, 1, 1, USUAL, "");
    session_id_of(a, id);
    link_begin(&w->link);
    drain_begin(&w->control, 1000);
    link_end(&w->link);
    unsigned asked = 0;
    for (int i = 0; i < 12; i++) {
        world_pass(w, 2 * DRAIN_WAVE_MS);
        if (i == 3)
            world_restart(w);
        asked = drain_progress(&w->control).asked;
    }
    assert_int_equal(asked, 2);
    assert_true(drain_progress(&w->control).done);
    json_decref(client_expect_op(a, 7));
    json_decref(client_expect_op(b, 7));
    client_gone(w, a, 4200);
    struct client *again = client_open(w, 0, CONNECTION_GATEWAY, 10);
    client_say(w, again, "{\"op\":6,\"d\":{\"token\":\"%s\",\"session_id\":\"%s\",\"seq\":2}}", w->token[0],
               id);
    world_run(w);
    assert_int_equal(again->close_code, 0);
    world_pass(w, 5000);
    json_decref(client_expect_op(again, 7)); /* after which every client comes again, and reports no error */
    assert_int_equal(again->close_code, 0);
    world_pass(w, 5000);
    assert_int_equal(again->close_code, 1012); /* it did not */
    link_begin(&w->link);
    drain_end(&w->control);
    link_end(&w->link);
    again = client_open(w, 0, CONNECTION_GATEWAY, 10);
    client_say(w, again, "{\"op\":6,\"d\":{\"token\":\"%s\",\"session_id\":\"%s\",\"seq\":2}}", w->token[0],
               id);
    world_run(w);
    json_decref(client_expect(again, "RESUMED", 3));
    finish(w);
}

static void a_session_id_names_its_box(void **state)
{
    struct world *w;
    char id[33];
    begin(&w);
    session_id_of(client_login(w, 0, 0, USUAL, ""), id);
    assert_string_equal(id + 28, "0001");
    memcpy(id + 28, "0002", 4);
    struct client *c = client_open(w, 0, CONNECTION_GATEWAY, 10);
    client_say(w, c, "{\"op\":6,\"d\":{\"token\":\"%s\",\"session_id\":\"%s\",\"seq\":1}}", w->token[0], id);
    world_run(w);
    json_decref(client_expect_op(c, 9));
    finish(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_user_that_flaps_is_told_of_twice_a_second_at_most),
        cmocka_unit_test(who_flaps_back_is_not_told_of_at_all),
        cmocka_unit_test(a_change_that_waits_survives_the_process),
        cmocka_unit_test(who_fell_silent_is_offline_at_once_and_back_with_its_resume),
        cmocka_unit_test(a_drop_that_is_resumed_at_once_is_nobodys_business),
        cmocka_unit_test(friends_are_told_of_each_other_and_of_nothing_after),
        cmocka_unit_test(bots_have_no_friends),
        cmocka_unit_test(an_account_starts_so_many_sessions_within_five_seconds),
        cmocka_unit_test(an_account_asks_for_the_privileged_intents_of_its_list),
        cmocka_unit_test(a_draining_box_asks_everybody_and_admits_nobody_until_it_serves_again),
        cmocka_unit_test(a_session_id_names_its_box),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
