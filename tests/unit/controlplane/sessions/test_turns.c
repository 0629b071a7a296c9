/*
 * Whose turn it is to begin or to resume a session: rates, waiting, "later", and what the next life does
 * about those who were waiting.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/controlplane/sessions/call.h"

#include "controlplane/sessions/session_table.h"

#define HOLD_MAX_MS 5000u /* nobody is kept waiting for longer before he is told */

static uint64_t drops(const struct world *w, enum drop_reason why)
{
    return w->link.counters->drop[why];
}

/* Logged in and dropped; `id` is its session. */
static struct client *dropped(struct world *w, unsigned who, uint32_t worker, char id[SESSION_ID_TEXT])
{
    struct client *c = client_login(w, who, worker, USUAL, "");
    session_id_text(session_of(&w->control, c->session), id);
    client_gone(w, c, 1006);
    world_run(w);
    return c;
}

static struct client *resumes(struct world *w, unsigned who, uint32_t worker, const char *id)
{
    struct client *c = client_open(w, worker, CONNECTION_GATEWAY, 10);
    client_say(w, c, "{\"op\":6,\"d\":{\"token\":\"%s\",\"session_id\":\"%s\",\"seq\":2}}", w->token[who],
               id);
    return c;
}

static bool is_resumed(struct client *c)
{
    return client_count_events(c, "RESUMED") == 1;
}

static void resumes_above_their_rate_wait_and_are_carried_out_in_their_order(void **state)
{
    struct world *w;
    char id[6][SESSION_ID_TEXT];
    struct client *c[6];
    begin(&w);
    w->control.config.resumes_per_second = 10; /* one at once, then one every 100 ms */
    for (unsigned i = 0; i < 6; i++)
        dropped(w, i % 3, i % 2, id[i]);
    for (unsigned i = 0; i < 6; i++)
        c[i] = resumes(w, i % 3, i % 2, id[i]);
    world_run(w);
    unsigned back = 0, first = 0;
    for (unsigned i = 0; i < 6; i++)
        back += is_resumed(c[i]);
    first = back;
    assert_in_range(first, 1, 2);
    for (unsigned ms = 0; ms < 450; ms += 10)
        world_pass(w, 10);
    back = 0;
    for (unsigned i = 0; i < 6; i++) {
        back += c[i]->session != SESSION_NONE;
        assert_int_equal(c[i]->close_code, 0);
    }
    assert_in_range(back, first + 3, first + 4);
    for (unsigned ms = 0; ms < 300; ms += 10)
        world_pass(w, 10);
    for (unsigned i = 0; i < 6; i++)
        assert_true(c[i]->session != SESSION_NONE);
    assert_int_equal(drops(w, DROP_GATEWAY_LATER), 0);
    assert_int_equal(w->link.counters->count[COUNT_resumes_waited], 6 - first);
    assert_int_equal(w->control.gateway_sessions, 6);
    finish(w);
}

static void what_two_seconds_cannot_hold_is_told_to_come_again_and_loses_nothing(void **state)
{
    struct world *w;
    char id[6][SESSION_ID_TEXT];
    struct client *c[6];
    begin(&w);
    w->control.config.resumes_per_second = 1; /* one at once, two wait */
    for (unsigned i = 0; i < 6; i++)
        dropped(w, i % 3, i % 2, id[i]);
    for (unsigned i = 0; i < 6; i++)
        c[i] = resumes(w, i % 3, i % 2, id[i]);
    world_run(w);
    assert_int_equal(drops(w, DROP_GATEWAY_LATER), 3);
    for (unsigned i = 0; i < 6; i++)
        client_skip(c[i]);
    for (unsigned ms = 0; ms < HOLD_MAX_MS; ms += 50)
        world_pass(w, 50);
    unsigned asked = 0;
    for (unsigned i = 0; i < 6; i++) {
        if (c[i]->session != SESSION_NONE)
            continue;
        asked++;
        json_decref(client_expect_op(c[i], 7));
        client_gone(w, c[i], 4200);
        c[i] = resumes(w, i % 3, i % 2, id[i]);
    }
    assert_int_equal(asked, 3);
    for (unsigned ms = 0; ms < 4000; ms += 50)
        world_pass(w, 50);
    for (unsigned i = 0; i < 6; i++)
        assert_true(c[i]->session != SESSION_NONE && c[i]->close_code == 0);
    assert_int_equal(w->control.gateway_sessions, 6);
    finish(w);
}

static void identifies_above_their_rate_are_told_later_and_cost_their_account_nothing(void **state)
{
    struct world *w;
    begin(&w);
    w->control.config.identifies_per_second = 2;
    w->control.config.max_concurrency = 4;
    struct client *c[6];
    for (unsigned i = 0; i < 6; i++) {
        c[i] = client_open(w, i % 2, CONNECTION_GATEWAY, 10);
        client_say(w, c[i], "{\"op\":2,\"d\":{\"token\":\"%s\",\"properties\":{},\"intents\":%u}}",
                   w->token[0], USUAL);
    }
    world_run(w);
    unsigned in = w->control.gateway_sessions;
    assert_in_range(in, 2, 3);
    assert_int_equal(drops(w, DROP_GATEWAY_LATER), 6 - in);
    w->control.config.identifies_per_second = 0;
    client_login(w, 0, 0, USUAL, ""); /* it may begin as many as were not begun */
    assert_int_equal(w->control.gateway_sessions, in + 1);
    world_pass(w, HOLD_MAX_MS);
    unsigned asked = 0;
    for (unsigned i = 0; i < 6; i++)
        if (c[i]->session == SESSION_NONE) {
            json_decref(client_expect_op(c[i], 7));
            assert_int_equal(c[i]->close_code, 0);
            asked++;
        }
    assert_int_equal(asked, 6 - in);
    world_pass(w, 5000);
    for (unsigned i = 0; i < 6; i++)
        if (c[i]->session == SESSION_NONE)
            assert_int_equal(c[i]->close_code, 1012); /* it did not go by itself */
    finish(w);
}

static void who_waited_when_the_process_died_is_asked_to_come_again(void **state)
{
    struct world *w;
    char id[3][SESSION_ID_TEXT];
    struct client *c[3];
    begin(&w);
    w->control.config.resumes_per_second = w->config.resumes_per_second = 1;
    for (unsigned i = 0; i < 3; i++)
        dropped(w, i, 0, id[i]);
    for (unsigned i = 0; i < 3; i++)
        c[i] = resumes(w, i, 0, id[i]);
    world_run(w);
    assert_true(c[0]->session != SESSION_NONE);
    world_restart(w);
    world_pass(w, 2000);
    for (unsigned i = 1; i < 3; i++) {
        json_decref(client_expect_op(c[i], 7));
        client_gone(w, c[i], 4200);
        c[i] = resumes(w, i, 0, id[i]);
        world_pass(w, 1000);
        world_pass(w, 1000);
        assert_true(c[i]->session != SESSION_NONE);
    }
    finish(w);
}

/* A session can move from a worker only when that has done all that it was told: until then its client waits.
 */
static void a_session_moves_when_its_worker_has_done_what_it_was_told(void **state)
{
    struct world *w;
    char id[SESSION_ID_TEXT];
    begin(&w);
    struct client *other = client_login(w, 1, 0, USUAL, "");
    dropped(w, 0, 0, id);
    client_say(w, other, "{\"op\":31,\"d\":{\"guild_ids\":[\"%llu\"]}}",
               ID(w->guild)); /* worker 0 is told its answer */
    struct client *c = resumes(w, 0, 1, id);
    world_run(w);
    assert_int_equal(client_count_events(other, "SOUNDBOARD_SOUNDS"), 1);
    world_pass(w, 5);
    assert_true(c->session != SESSION_NONE);
    assert_true(is_resumed(c));
    assert_int_equal(w->control.gateway_sessions, 2);
    finish(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resumes_above_their_rate_wait_and_are_carried_out_in_their_order),
        cmocka_unit_test(what_two_seconds_cannot_hold_is_told_to_come_again_and_loses_nothing),
        cmocka_unit_test(identifies_above_their_rate_are_told_later_and_cost_their_account_nothing),
        cmocka_unit_test(who_waited_when_the_process_died_is_asked_to_come_again),
        cmocka_unit_test(a_session_moves_when_its_worker_has_done_what_it_was_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
