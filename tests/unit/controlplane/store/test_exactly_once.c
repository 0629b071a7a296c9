/*
 * No answered message is lost and none is stored or published twice: repeated keys, restarts, and children
 * killed at random moments on a real file.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/controlplane/store/fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#define ID(x) ((unsigned long long)(x))
#define KILLS 12

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

static struct request_key key(uint64_t entry)
{
    return (struct request_key){.boot = "boot id 16 bytes", .worker = 1, .entry = entry};
}

static char *path(const char *format, ...)
{
    static char text[200];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    return text;
}

static void a_repeated_key_gives_the_first_outcome_and_no_second_event(void **state)
{
    (void)state;
    struct request_key k = key(16);
    char *to = path("/channels/%llu/messages", ID(f.text));
    fixture_ask_keyed(&f, &k, f.owner_token, "POST", "{\"content\":\"once\"}", to);
    uint64_t id = json_id_of(f.json, "id");
    fixture_forget_effects(&f);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(fixture_ask_keyed(&f, &k, f.owner_token, "POST", "{\"content\":\"once\"}", to), 200);
        assert_int_equal(json_id_of(f.json, "id"), id);
        assert_string_equal(fixture_text(&f, "content"), "once");
        fixture_restart(&f);
    }
    assert_int_equal(f.effect_count, 0);
    fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu/messages", ID(f.text));
    assert_int_equal(json_array_size(f.json), 1);
}

static void a_deletion_repeated_after_a_restart_is_still_answered_as_done(void **state)
{
    (void)state;
    struct request_key k = key(32), k2 = key(48);
    fixture_ask(&f, f.owner_token, "POST", "{\"content\":\"x\"}", "/channels/%llu/messages", ID(f.text));
    char *gone = path("/channels/%llu/messages/%llu", ID(f.text), ID(json_id_of(f.json, "id")));
    assert_int_equal(fixture_ask_keyed(&f, &k, f.owner_token, "DELETE", NULL, gone), 204);
    assert_int_equal(fixture_ask_keyed(&f, &k, f.owner_token, "DELETE", NULL, gone), 204);
    char *channel = path("/channels/%llu", ID(f.voice));
    assert_int_equal(fixture_ask_keyed(&f, &k2, f.owner_token, "DELETE", NULL, channel), 200);
    fixture_restart(&f);
    fixture_forget_effects(&f);
    assert_int_equal(fixture_ask_keyed(&f, &k2, f.owner_token, "DELETE", NULL, channel), 200);
    assert_int_equal(json_id_of(f.json, "id"), f.voice);
    assert_int_equal(f.effect_count, 0);
}

static void what_was_not_published_is_published_by_the_next_process_in_order(void **state)
{
    (void)state;
    uint64_t published = f.published;
    fixture_ask(&f, f.owner_token, "POST", "{\"content\":\"one\"}", "/channels/%llu/messages", ID(f.text));
    uint64_t first = f.published;
    fixture_ask(&f, f.owner_token, "PATCH", "{\"topic\":\"two\"}", "/channels/%llu", ID(f.text));
    fixture_ask(&f, f.owner_token, "POST", "{\"content\":\"three\"}", "/channels/%llu/messages", ID(f.text));
    assert_true(first > published);
    for (int from = 0; from < 2; from++) {
        fixture_restart(&f);
        fixture_forget_effects(&f);
        f.published = 0;
        assert_int_equal(effects_recover(f.m, from ? first : published), STORE_OK);
        const char *const want[] = {"MESSAGE_CREATE", NULL, "CHANNEL_UPDATE", "MESSAGE_CREATE"};
        assert_int_equal(f.effect_count, 4 - (size_t)from);
        for (size_t i = (size_t)from; i < 4; i++)
            if (want[i])
                assert_string_equal(f.effects[i - (size_t)from].name, want[i]);
        json_t *d = dispatch_d(f.effects[3 - from].body, strlen(f.effects[3 - from].body), "MESSAGE_CREATE");
        assert_string_equal(json_string_value(json_object_get(d, "content")), "three");
        json_decref(d);
    }
}

/* The child: posts under numbered keys as fast as it can, several at once, and tells each answered (key, id)
 * by pipe. */
struct told {
    uint64_t entry, id;
};

struct posting {
    int pipe;
    uint64_t entry;
    size_t under_way;
};

static void child_stored(struct store_op *op, void *ctx)
{
    struct posting *p = ctx;
    struct told t = {op->key.entry, op->status == STORE_OK && op->view_count ? op->views[0].message.id : 0};
    p->under_way--;
    if (t.id && write(p->pipe, &t, sizeof t) != sizeof t)
        _exit(2);
}

static void child_posts(const char *file, uint64_t channel, uint64_t author, uint64_t from, int pipe)
{
    char error[128];
    struct store_config c = {.path = file, .group_max = 16};
    struct store *s = store_open(&c, error, sizeof error);
    struct model *m = s ? model_open(s, 1, 1, 1750000000000, error, sizeof error) : NULL;
    struct posting p = {pipe, from, 0};
    if (!m)
        _exit(1);
    for (;;) {
        while (p.under_way < 40) {
            struct store_op *op = store_op_new(STORE_MESSAGE_CREATE, child_stored, &p);
            op->key = key(p.entry++);
            op->message = (struct message){.id = snowflake_next(&m->ids, m->now_ms),
                                           .channel_id = channel,
                                           .author_id = author,
                                           .content = path("%llu", ID(op->key.entry))};
            op->message.content = text_copy(op->message.content);
            if (!store_submit(s, op))
                _exit(3);
            p.under_way++;
        }
        store_wait(s, 1000);
        store_drain(s, 64);
    }
}

struct seen {
    struct told *told;
    size_t count, capacity;
    uint64_t next_entry;
};

static void seen_add(struct seen *s, struct told t)
{
    if (s->count == s->capacity) {
        s->capacity = s->capacity ? s->capacity * 2 : 1024;
        s->told = realloc(s->told, s->capacity * sizeof *s->told);
        assert_non_null(s->told);
    }
    s->told[s->count++] = t;
    if (t.entry >= s->next_entry)
        s->next_entry = t.entry + 1;
}

/* One life and its end: killed when it has told `enough`, at whatever it is doing then. */
static void run_and_kill(struct seen *s, size_t enough)
{
    int fds[2];
    struct told t;
    assert_int_equal(pipe(fds), 0);
    pid_t child = fork();
    if (child == 0) {
        close(fds[0]);
        child_posts(f.path, f.text, f.owner, s->next_entry, fds[1]);
    }
    close(fds[1]);
    for (size_t i = 0; i < enough; i++) {
        assert_int_equal(read(fds[0], &t, sizeof t), sizeof t);
        seen_add(s, t);
    }
    kill(child, SIGKILL);
    while (read(fds[0], &t, sizeof t) == sizeof t)
        seen_add(s, t);
    close(fds[0]);
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
    s->next_entry +=
        1000; /* entries beyond those told may have been committed: never used again by another message */
}

struct outbox_count {
    uint64_t last_id;
    size_t created;
};

static void count_outbox(struct store_op *op, void *ctx)
{
    struct outbox_count *c = ctx;
    assert_true(op->entry.id > c->last_id);
    c->last_id = op->entry.id;
    if (op->entry.kind != OUTBOX_MESSAGE_CREATE)
        return;
    assert_int_equal(op->view_count, 1);
    assert_int_equal(op->views[0].message.id, op->entry.message_id);
    c->created++;
}

static void count_history(struct store_op *op, void *ctx)
{
    *(size_t *)ctx += op->view_count;
    assert_int_equal(op->status, STORE_OK);
}

static void every_answered_message_survives_kills_exactly_once(void **state)
{
    (void)state;
    struct seen s = {.next_entry = 1};
    struct outbox_count outbox = {0, 0};
    model_close(f.m);
    rest_close(f.rest);
    srand(7);
    for (int i = 0; i < KILLS; i++)
        run_and_kill(&s, 50 + (size_t)rand() % 400);

    char error[128];
    struct store_config c = {.path = f.path};
    struct store *store = store_open(&c, error, sizeof error);
    assert_non_null(store);
    f.m = model_open(store, 1, 1, 1750000000000, error, sizeof error);
    struct rest_config rc;
    rest_config_defaults(&rc);
    rc.global.requests = rc.limits[REST_BUCKET_MESSAGE_CREATE].requests =
        rc.limits[REST_BUCKET_HISTORY].requests = 0;
    f.rest = rest_open(f.m, &rc);
    assert_int_equal(store_outbox_after(store, 0, count_outbox, &outbox), STORE_OK);

    size_t stored = 0;
    struct store_op *all = store_op_new(STORE_HISTORY, count_history, &stored);
    all->channel_id = f.text;
    all->limit = 1000000;
    assert_true(store_submit(store, all));
    while (!stored && store_wait(store, 20000))
        store_drain(store, 1);
    assert_int_equal(stored, outbox.created); /* each stored message has exactly one outbox row */
    assert_true(stored >= s.count);

    for (size_t i = 0; i < s.count;
         i += 1 + s.count / 400) { /* the same key again: the same id, the same words */
        struct request_key k = key(s.told[i].entry);
        fixture_ask_keyed(&f, &k, f.owner_token, "POST", "{\"content\":\"again\"}",
                          path("/channels/%llu/messages", ID(f.text)));
        assert_int_equal(f.status, 200);
        assert_int_equal(json_id_of(f.json, "id"), s.told[i].id);
        assert_string_equal(fixture_text(&f, "content"), path("%llu", ID(s.told[i].entry)));
    }
    free(s.told);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_repeated_key_gives_the_first_outcome_and_no_second_event),
        CASE(a_deletion_repeated_after_a_restart_is_still_answered_as_done),
        CASE(what_was_not_published_is_published_by_the_next_process_in_order),
        CASE(every_answered_message_survives_kills_exactly_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
