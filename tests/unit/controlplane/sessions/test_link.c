/*
 * What the live half stands on: inputs taken exactly once and set aside when they kill, waiting for room, the
 * event log's end, classes beyond 64, answers longer than a transaction, maps and routes, deadlines, the
 * log's limit.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "config/config.h"
#include "controlplane/events/audience.h"
#include "controlplane/events/event_writer.h"
#include "controlplane/protocol/intents.h"
#include "controlplane/routes/maps.h"
#include "controlplane/routes/routes.h"
#include "tests/unit/controlplane/sessions/world.h"

#define USUAL (INTENT_GUILDS | INTENT_GUILD_MESSAGES | INTENT_MESSAGE_CONTENT)
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

/* ---- poison ---- */

/* Dies of messages that begin with X; takes all others. */
static enum input_result deadly(void *ctx, uint32_t worker, const struct ring_entry *e, uint64_t *cursor)
{
    const struct notice_message *n = (const void *)e->payload;
    if (e->type == NOTICE_MESSAGE && n->text[0] == 'X')
        kill(getpid(), SIGKILL);
    return INPUT_DONE;
}

/* A life of a process that takes everything with that handler. True: it died of it. */
static bool one_life(struct world *w)
{
    pid_t pid = fork();
    if (pid == 0) {
        struct region_link l = {0};
        struct inputs in;
        link_open(&l, &w->region);
        inputs_open(&in, &l, deadly, NULL);
        while (inputs_step(&in))
            ;
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    return WIFSIGNALED(status);
}

static void an_input_that_kills_twice_is_set_aside_and_its_connection_closed_alone(void **state)
{
    struct world *w;
    begin(&w);
    struct client *good = client_open(w, 0, CONNECTION_GATEWAY, 10),
                  *bad = client_open(w, 1, CONNECTION_GATEWAY, 10);
    world_run(w);
    client_say(w, good, "fine");
    client_say(w, bad, "X");
    client_say(w, good, "fine too");
    client_say(w, bad, "fine again");
    assert_true(one_life(w));
    assert_true(one_life(w));
    assert_false(one_life(w));
    assert_int_equal(w->link.area->poisoned, 1);
    assert_int_equal(w->link.counters->drop[DROP_CONTROL_POISON], 1);
    assert_int_equal(w->link.area->handling_number, 0);
    for (uint32_t k = 0; k < WORLD_WORKERS; k++) {
        const struct ring *r = region_part(&w->region, k, PART_RING_NOTICE);
        assert_int_equal(r->head, r->tail);
    }
    world_restart(w);
    world_run(w);
    assert_int_equal(bad->close_code, 4000);
    assert_int_equal(good->close_code, 0);
    finish(w);
}

static void deaths_of_other_causes_in_between_do_not_set_it_aside(void **state)
{
    struct world *w;
    begin(&w);
    struct client *c = client_open(w, 0, CONNECTION_GATEWAY, 10);
    world_run(w);
    client_say(w, c, "X");
    assert_true(one_life(w));
    assert_int_equal(w->link.area->handling_deaths, 0);
    world_restart(w); /* a life that takes it */
    assert_int_equal(w->link.area->handling_deaths, 1);
    world_run(w);
    assert_int_equal(w->link.area->handling_deaths, 0);
    assert_int_equal(w->link.area->poisoned, 0);
    assert_int_equal(c->close_code, 4002); /* X is not JSON */
    finish(w);
}

/* ---- full rings, full log ---- */

static void a_full_ring_holds_inputs_back_and_loses_none(void **state)
{
    struct world *w;
    begin(&w);
    struct client *c = client_login(w, 0, 0, USUAL, "");
    char filler[64 << 10];
    memset(filler, 'x', sizeof filler);
    link_wait(&w->link);
    link_begin(&w->link);
    while (ring_room(&w->link.worker[1].command) > w->link.worker[1].command.ring->size / 4)
        link_send(&w->link, WORLD_CONNECTIONS + 1, 0, 0, filler, sizeof filler / 2);
    link_end(&w->link);
    client_say(w, c, "{\"op\":8,\"d\":{\"guild_id\":\"%llu\",\"query\":\"\",\"limit\":1}}", ID(w->guild));
    assert_false(control_step(&w->control, w->now_ms));
    assert_int_equal(c->count, c->read);
    world_run(w); /* the worker reads its ring */
    assert_int_equal(client_count_events(c, "GUILD_MEMBERS_CHUNK"), 1);
    finish(w);
}

static void the_event_log_goes_round_and_waits_for_a_reader_that_pins(void **state)
{
    struct world *w;
    begin(&w);
    struct client *c = client_login(w, 0, 0, USUAL, "");
    uint32_t *pins = region_part(&w->region, 0, PART_PINS);
    uint64_t first = w->link.log_cursor / EVENT_SEGMENT_BYTES, sheds = 0;
    pins[first % 4] = 1;
    char *body = malloc(300 << 10);
    memset(body, 'y', 300 << 10);
    unsigned written = 0;
    while (link_room(&w->link) && written < 100) {
        link_begin(&w->link);
        event_dispatch(&w->link, c->session,
                       event_write(&w->link, &(struct event_spec){.except_session = SESSION_NONE,
                                                                  .classes = ~0ull,
                                                                  .text = body,
                                                                  .length = 300 << 10}));
        link_end(&w->link);
        written++;
        struct ring_entry *e; /* the worker takes it, and drops it */
        struct fake_worker *f = &w->worker[0];
        while ((e = ring_next(&f->fanout)) != NULL) {
            sheds += e->type == VERB_SHED;
            txn_begin(&f->txn);
            ring_done(&f->fanout, &f->txn, e);
            txn_commit(&f->txn);
            txn_publish(&f->txn);
        }
    }
    assert_true(written >= 6 && written <= 12); /* 4 MiB, less what is kept ahead */
    struct ring_end shed = w->worker[0].fanout;
    struct ring_entry *e = ring_next(&shed);
    assert_true(sheds || (e && e->type == VERB_SHED));
    assert_true(w->link.log->oldest > first * EVENT_SEGMENT_BYTES);
    assert_false(link_room(&w->link));
    pins[first % 4] = 0;
    assert_true(link_room(&w->link));
    w->sessions[c->session].kind = SESSION_FREE; /* the fake reader has missed what was dropped above */
    struct fake_worker *f = &w->worker[0];
    while ((e = ring_next(&f->fanout)) != NULL) {
        txn_begin(&f->txn);
        ring_done(&f->fanout, &f->txn, e);
        txn_commit(&f->txn);
        txn_publish(&f->txn);
    }
    free(body);
    finish(w);
}

static void events_that_a_worker_has_yet_to_read_about_are_not_overwritten(void **state)
{
    struct world *w;
    begin(&w);
    char *body = malloc(300 << 10);
    memset(body, 'z', 300 << 10);
    unsigned written = 0;
    while (link_room(&w->link) && written < 100) {
        link_begin(&w->link);
        event_walk(&w->link, 3,
                   event_write(&w->link, &(struct event_spec){.except_session = SESSION_NONE,
                                                              .classes = ~0ull,
                                                              .text = body,
                                                              .length = 300 << 10}));
        link_end(&w->link);
        written++;
    }
    assert_true(written < 20);
    dataplane_run(w);
    assert_true(link_room(&w->link));
    free(body);
    finish(w);
}

/* ---- classes ---- */

static void with_more_than_64_classes_everybody_still_sees_what_he_may_and_no_more(void **state)
{
    struct world *w;
    begin(&w);
    struct client *a = client_login(w, 0, 0, USUAL, ""), *b = client_login(w, 1, 1, USUAL, ""),
                  *c = client_login(w, 2, 0, USUAL, "");
    struct channel hidden;
    channel_copy(&hidden, model_channel(w->model, w->text));
    hidden.overwrites = calloc(1, sizeof *hidden.overwrites);
    hidden.overwrites[0] = (struct overwrite){.id = w->user[1], .deny = PERM_VIEW_CHANNEL, .member = true};
    hidden.overwrite_count = 1;
    model_put_channel(w->model, &hidden);
    channel_clear(&hidden);
    struct audience *g = audience_of(&w->control, w->guild);
    for (uint32_t i = 1; i < TOPIC_CLASSES; i++) /* every class is somebody else's */
        g->class[i] = (struct permission_class){.visible = NULL, .count = 0, .used = true};
    g->class[1].visible = malloc(8);
    g->class[1].visible[0] = 1;
    g->class[1].count = 1;
    for (uint32_t i = 2; i < TOPIC_CLASSES; i++) {
        g->class[i].visible = malloc(8);
        g->class[i].visible[0] = i;
        g->class[i].count = 1;
    }
    link_begin(&w->link);
    audience_recompute(&w->control, w->guild, NULL, NULL);
    link_end(&w->link);
    assert_true(g->overflow);
    char path[96];
    snprintf(path, sizeof path, "/channels/%llu/messages", ID(w->text));
    client_request(w, 0, 3, path, "{\"content\":\"hello\"}");
    world_run(w);
    assert_int_equal(client_count_events(a, "MESSAGE_CREATE"), 1);
    assert_int_equal(client_count_events(b, "MESSAGE_CREATE"), 0);
    assert_int_equal(client_count_events(c, "MESSAGE_CREATE"), 1);
    finish(w);
}

static void members_beyond_a_thousand_come_in_whole_chunks(void **state)
{
    struct world *w;
    begin(&w);
    for (uint64_t i = 1; i <= 2000; i++) {
        char name[16];
        snprintf(name, sizeof name, "u%u", (unsigned)i);
        struct user u = {.id = i << 22, .username = name, .bot = true};
        struct member m = {.guild_id = w->guild, .user_id = i << 22, .joined_at_ms = 1};
        model_put_user(w->model, &u);
        model_put_member(w->model, &m);
    }
    struct client *c = client_login(w, 0, 0, USUAL | INTENT_GUILD_MEMBERS, "");
    client_say(w, c, "{\"op\":8,\"d\":{\"guild_id\":\"%llu\",\"query\":\"\",\"limit\":0}}", ID(w->guild));
    world_run(w);
    static const size_t expected[] = {1000, 1000, 3};
    for (uint32_t i = 0; i < 3; i++) {
        json_t *d = client_expect(c, "GUILD_MEMBERS_CHUNK", 3 + i);
        assert_int_equal(json_array_size(json_object_get(d, "members")), expected[i]);
        assert_int_equal(json_integer_value(json_object_get(d, "chunk_index")), i);
        assert_int_equal(json_integer_value(json_object_get(d, "chunk_count")), 3);
        json_decref(d);
    }
    assert_null(client_next(c));
    finish(w);
}

/* ---- effects ---- */

static void an_outbox_row_published_in_part_goes_on_where_it_stopped(void **state)
{
    struct world *w;
    begin(&w);
    struct client *c = client_login(w, 0, 0, USUAL, "");
    struct effect e[3];
    const char *body = "\"op\":0,\"t\":\"MESSAGE_CREATE\",\"d\":{}}";
    uint64_t row = w->link.area->outbox_published + 1;
    for (int i = 0; i < 2; i++)
        e[i] = (struct effect){.kind = EFFECT_EVENT,
                               .outbox_id = row,
                               .guild_id = w->guild,
                               .topic = EFFECT_TO_GUILD,
                               .name = "MESSAGE_CREATE",
                               .intent = INTENT_GUILD_MESSAGES,
                               .body = body,
                               .body_length = strlen(body)};
    e[2] = (struct effect){.kind = EFFECT_PUBLISHED, .outbox_id = row};
    control_effect(&w->control, &e[0]);
    assert_int_equal(w->link.area->outbox_published, row - 1);
    world_restart(w);
    for (int i = 0; i < 3; i++)
        control_effect(&w->control, &e[i]); /* what effects_recover would give again */
    assert_int_equal(w->link.area->outbox_published, row);
    world_run(w);
    assert_int_equal(client_count_events(c, "MESSAGE_CREATE"), 2);
    finish(w);
}

/* ---- answers ---- */

static void a_long_answer_arrives_whole(void **state)
{
    struct world *w;
    char path[96];
    begin(&w);
    char body[2100];
    int n = snprintf(body, sizeof body, "{\"content\":\"");
    memset(body + n, 'a', 1900);
    snprintf(body + n + 1900, sizeof body - (size_t)n - 1900, "\"}");
    snprintf(path, sizeof path, "/channels/%llu/messages", ID(w->text));
    for (int i = 0; i < 30; i++) {
        world_pass(w, 1000);
        client_request(w, 0, 3, path, body);
        world_run(w);
    }
    snprintf(path, sizeof path, "/channels/%llu/messages?limit=100", ID(w->text));
    struct client *c = client_request(w, 0, 1, path, NULL);
    world_run(w);
    assert_non_null(c->http);
    assert_true(c->http_length > LINK_SEND_PART); /* more than one part */
    json_t *list = json_loads(strstr(c->http, "\r\n\r\n") + 4, 0, NULL);
    assert_int_equal(json_array_size(list), 30);
    json_decref(list);
    finish(w);
}

static void an_answer_that_was_partly_sent_at_a_death_closes_its_connection_alone(void **state)
{
    struct world *w;
    begin(&w);
    struct client *c = client_request(w, 0, 1, "/gateway", NULL);
    const struct ring *r = region_part(&w->region, 0, PART_RING_NOTICE);
    w->link.area->reply_number = r->head + 1;
    w->link.area->reply_worker = 0;
    world_restart(w);
    world_run(w);
    assert_null(c->http);
    assert_false(c->open);
    assert_int_equal(w->link.area->reply_number, 0);
    finish(w);
}

/* ---- maps and routes ---- */

static void maps_follow_through_both_halves_and_across_restarts(void **state)
{
    struct world *w;
    uint64_t v = 0;
    begin(&w);
    struct route_map *m = region_section(&w->region, SECTION_BOX_MAP);
    struct map_writer *mw = map_writer_open(m);
    for (uint64_t round = 1; round <= 6; round++) {
        map_put(mw, round, round * 10);
        map_remove(mw, round - 2);
        assert_true(map_flush(mw, &w->link));
        for (uint64_t k = 1; k <= round; k++)
            assert_int_equal(route_map_get(m, route_active(&m->swap), k, &v), k + 2 > round);
    }
    map_writer_close(mw);
    mw = map_writer_open(m);
    map_put(mw, 100, 1);
    route_reader_start(&m->swap, 0); /* a worker that has not begun: nothing may change */
    assert_false(map_flush(mw, &w->link));
    route_read(&m->swap, 0);
    assert_true(map_flush(mw, &w->link));
    assert_true(route_map_get(m, route_active(&m->swap), 100, &v));
    assert_false(route_map_get(m, route_active(&m->swap), 6, &v));
    route_reader_stop(&m->swap, 0);
    map_writer_close(mw);
    finish(w);
}

static void count_answer(void *ctx, const char *error)
{
    int *answers = ctx;
    *answers += error ? 100 : 1;
}

static void routes_are_added_and_removed_and_refused(void **state)
{
    struct world *w;
    struct routes r;
    struct route_change c = {0}, d = {0};
    struct route_hop hop;
    uint8_t address[16];
    int answers = 0;
    begin(&w);
    routes_open(&r, &w->link);
    assert_true(config_prefix("198.18.4.0/24", c.prefix, &c.length));
    assert_int_equal(c.length, 120);
    assert_true(config_host("198.18.0.9", c.hop.gateway));
    assert_false(config_prefix("198.18.4.1/24", d.prefix, &d.length));
    assert_false(config_prefix("198.18.4.0/33", d.prefix, &d.length));
    assert_true(config_prefix("::/0", d.prefix, &d.length));
    routes_wish(&r, &c, count_answer, &answers);
    routes_wish(&r, &d, count_answer, &answers);
    routes_flush(&r, &w->link);
    assert_int_equal(answers, 2);
    assert_true(config_host("198.18.4.77", address));
    assert_true(route_lookup(routes_active(&r), address, &hop));
    assert_memory_equal(hop.gateway, c.hop.gateway, 16);
    c.remove = true;
    routes_wish(&r, &c, count_answer, &answers);
    routes_wish(&r, &c, count_answer, &answers); /* it is gone by then */
    routes_flush(&r, &w->link);
    assert_int_equal(answers, 103);
    assert_false(route_lookup(routes_active(&r), address, &hop));
    char text[ROUTE_TEXT_MAX];
    route_text(text, c.prefix, c.length, false);
    assert_string_equal(text, "198.18.4.0/24");
    routes_close(&r);
    finish(w);
}

/* ---- small things ---- */

static void deadlines_come_in_order(void **state)
{
    struct deadlines d = {0};
    struct deadline out;
    for (uint64_t i = 0; i < 1000; i++)
        deadlines_add(&d, i * 7919 % 1000, DEADLINE_AWAY, i);
    assert_int_equal(deadlines_next(&d), 0);
    for (uint64_t i = 0; i < 1000; i++) {
        assert_true(i == 0 || !deadlines_due(&d, i - 1, &out));
        assert_true(deadlines_due(&d, i, &out));
        assert_int_equal(out.due_ms, i);
    }
    assert_false(deadlines_due(&d, UINT64_MAX - 1, &out));
    deadlines_free(&d);
}

static void the_index_map_keeps_what_is_put_and_loses_what_is_removed(void **state)
{
    struct index_map m = {0};
    for (uint64_t i = 1; i <= 5000; i++)
        index_map_put(&m, i * 0x9e3779b97f4a7c15u, i);
    for (uint64_t i = 1; i <= 5000; i += 2)
        assert_int_equal(index_map_remove(&m, i * 0x9e3779b97f4a7c15u), i);
    for (uint64_t i = 1; i <= 5000; i++)
        assert_int_equal(index_map_get(&m, i * 0x9e3779b97f4a7c15u), i % 2 ? INDEX_NONE : i);
    assert_int_equal(m.count, 2500);
    index_map_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_input_that_kills_twice_is_set_aside_and_its_connection_closed_alone),
        cmocka_unit_test(deaths_of_other_causes_in_between_do_not_set_it_aside),
        cmocka_unit_test(a_full_ring_holds_inputs_back_and_loses_none),
        cmocka_unit_test(the_event_log_goes_round_and_waits_for_a_reader_that_pins),
        cmocka_unit_test(events_that_a_worker_has_yet_to_read_about_are_not_overwritten),
        cmocka_unit_test(with_more_than_64_classes_everybody_still_sees_what_he_may_and_no_more),
        cmocka_unit_test(members_beyond_a_thousand_come_in_whole_chunks),
        cmocka_unit_test(an_outbox_row_published_in_part_goes_on_where_it_stopped),
        cmocka_unit_test(a_long_answer_arrives_whole),
        cmocka_unit_test(an_answer_that_was_partly_sent_at_a_death_closes_its_connection_alone),
        cmocka_unit_test(maps_follow_through_both_halves_and_across_restarts),
        cmocka_unit_test(routes_are_added_and_removed_and_refused),
        cmocka_unit_test(deadlines_come_in_order),
        cmocka_unit_test(the_index_map_keeps_what_is_put_and_loses_what_is_removed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
