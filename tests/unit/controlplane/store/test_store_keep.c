/*
 * What the store does beside storing: equal reads answered by one, an operation that ends the process put
 * aside, files of the first schema brought up, backups made while it works and put back.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/controlplane/store/fixture.h"

#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
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

static uint64_t post(const char *content)
{
    char body[200];
    snprintf(body, sizeof body, "{\"content\":\"%s\"}", content);
    assert_int_equal(fixture_ask(&f, f.owner_token, "POST", body, "/channels/%llu/messages", ID(f.text)),
                     200);
    return json_id_of(f.json, "id");
}

static void pages_asked_for_at_once_are_read_once_and_are_each_readers_own(void **state)
{
    (void)state;
    char path[96];
    struct store_counts before, after;
    uint64_t id = post("x");
    fixture_ask(&f, f.other_token, "PUT", NULL, "/channels/%llu/messages/%llu/reactions/%%F0%%9F%%91%%8D/@me",
                ID(f.text), ID(id));
    for (int i = 0; i < 60; i++) { /* pages take a while to read */
        f.m->now_ms += 100;
        post("a message among many");
    }
    store_counts(f.m->store, &before);
    snprintf(path, sizeof path, "/channels/%llu/messages?limit=100", ID(f.text));
    size_t answers = f.answers;
    for (int i = 0; i < 400; i++, f.m->now_ms += 100)
        fixture_start(&f, NULL, i & 1 ? f.other_token : f.owner_token, "GET", NULL, path);
    for (size_t i = 0; i < 400; i++) {
        fixture_wait(&f, answers + i + 1);
        const json_t *m = json_array_get(f.json, 60);
        assert_int_equal(json_id_of(m, "id"), id);
        assert_int_equal(json_array_size(json_object_get(m, "reactions")), 1);
    }
    store_counts(f.m->store, &after);
    assert_int_equal(after.read - before.read, 400);
    assert_true(after.coalesced - before.coalesced >= 20);
    for (int i = 0; i < 2; i++) { /* whose reaction it is differs still */
        fixture_start(&f, NULL, f.owner_token, "GET", NULL, path);
        fixture_start(&f, NULL, f.other_token, "GET", NULL, path);
        answers = f.answers;
        for (size_t k = 0; k < 2; k++) {
            while (f.answers == answers + k) {
                assert_true(store_wait(f.m->store, 10000));
                store_drain(f.m->store, 1);
            }
            const json_t *r = json_array_get(json_object_get(json_array_get(f.json, 60), "reactions"), 0);
            assert_int_equal(json_is_true(json_object_get(r, "me")), k == 1);
        }
    }
}

/* ---- an operation that ends the process ---- */

static struct request_key key(uint64_t entry)
{
    return (struct request_key){.boot = "boot id 16 bytes", .worker = 1, .entry = entry};
}

static void told(struct store_op *op, void *ctx)
{
    enum store_status *status = ctx;
    *status = op->status;
}

static struct store_op *message_op(uint64_t entry, const char *content, enum store_status *status)
{
    struct store_op *op = store_op_new(STORE_MESSAGE_CREATE, told, status);
    op->key = key(entry);
    op->message = (struct message){.id = entry, .channel_id = f.text, .author_id = f.owner};
    op->message.content = (char *)content;
    return op;
}

/* A life in which these are asked for at once, one of which the writer dies of. */
static void life_that_dies(void)
{
    pid_t child = fork();
    if (child == 0) {
        signal(SIGSEGV, SIG_DFL); /* cmocka has its own */
        char error[128];
        struct store_config c = {.path = f.path};
        struct store *s = store_open(&c, error, sizeof error);
        enum store_status status = STORE_CLOSED;
        for (uint64_t i = 1; i <= 5; i++)
            store_submit(s, message_op(i, i == 3 ? (const char *)8 : strdup("sound"),
                                       &status)); /* 8: no text is there */
        for (;;) {
            store_wait(s, 1000);
            store_drain(s, 1);
        }
    }
    int status;
    waitpid(child, &status, 0);
    assert_true(WIFSIGNALED(status));
}

static void an_operation_that_ends_the_process_is_put_aside_and_the_others_are_done(void **state)
{
    (void)state;
    char error[128];
    model_close(f.m);
    rest_close(f.rest);
    for (int i = 0; i < 4; i++)
        life_that_dies();
    struct store_config c = {.path = f.path};
    struct store *s = store_open(&c, error, sizeof error);
    enum store_status status[6];
    struct store_counts counts;
    for (uint64_t i = 1; i <= 5; i++) {
        status[i] = STORE_CLOSED;
        struct store_op *op = message_op(i, NULL, &status[i]);
        op->message.content = strdup("sound"); /* even so: it is the entry that is known */
        assert_true(store_submit(s, op));
    }
    for (int i = 1; i <= 5; i++)
        while (status[i] == STORE_CLOSED && store_wait(s, 10000))
            store_drain(s, 1);
    for (int i = 1; i <= 5; i++)
        assert_int_equal(status[i], i == 3 ? STORE_POISONED : STORE_OK);
    store_counts(s, &counts);
    assert_int_equal(counts.poisoned, 1);
    enum store_status later = STORE_CLOSED;
    struct store_op *op = message_op(6, NULL, &later);
    op->message.content = strdup("sound");
    store_submit(s, op);
    while (later == STORE_CLOSED && store_wait(s, 10000))
        store_drain(s, 1);
    assert_int_equal(later, STORE_OK);
    store_close(s);
    fixture_attach(&f);
    fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu/messages", ID(f.text));
    assert_int_equal(json_array_size(f.json), 5);
}

/* ---- files ---- */

static void run_sql(const char *path, const char *sql)
{
    sqlite3 *h;
    char *why = NULL;
    assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
    if (sqlite3_exec(h, sql, NULL, NULL, &why) != SQLITE_OK)
        fail_msg("%s", why);
    sqlite3_close(h);
}

static void a_file_of_the_first_schema_is_brought_up(void **state)
{
    (void)state;
    uint64_t id = post("old");
    fixture_ask(&f, f.owner_token, "PUT", NULL, "/channels/%llu/pins/%llu", ID(f.text), ID(id));
    model_close(f.m);
    rest_close(f.rest);
    run_sql(f.path,
            "ALTER TABLE channels DROP COLUMN recipient_a; ALTER TABLE channels DROP COLUMN recipient_b;"
            "DROP TABLE pins; DROP TABLE attachments; DROP TABLE bans; DROP TABLE invites;"
            "CREATE UNIQUE INDEX requests ON outbox(boot, worker, entry) WHERE boot IS NOT NULL;"
            "ALTER TABLE members DROP COLUMN temporary; PRAGMA user_version = 1;");
    fixture_attach(&f);
    fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu/pins", ID(f.text));
    assert_int_equal(json_array_size(f.json), 1);
    assert_string_equal(json_string_value(json_object_get(json_array_get(f.json, 0), "content")), "old");
}

struct report {
    int lines, steps;
    uint64_t done, total;
    char last[160];
};

static void keep_line(void *ctx, const char *line)
{
    struct report *r = ctx;
    r->lines++;
    snprintf(r->last, sizeof r->last, "%s", line);
}

static void keep_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct report *r = ctx;
    assert_true(done >= r->done && done <= total);
    r->steps++;
    r->done = done;
    r->total = total;
    if (f.m) /* the store takes messages meanwhile */
        post("meanwhile");
}

static void a_backup_is_of_one_moment_and_comes_back(void **state)
{
    (void)state;
    char to[128];
    struct report r = {0};
    snprintf(to, sizeof to, "%s/copy.db", f.dir);
    for (int i = 0; i < 20; i++)
        post("before");
    assert_true(store_backup(f.path, to, keep_progress, keep_line, &r));
    assert_true(r.steps >= 1 && r.done == r.total && r.total > 10);
    assert_false(store_backup(f.path, to, keep_progress, keep_line, &r)); /* it is there already */
    assert_true(store_check(to, keep_line, &r));
    post("after");
    assert_false(store_restore(f.path, to, NULL, keep_line, &r));
    assert_non_null(strstr(r.last, "stop the control plane"));
    model_close(f.m);
    rest_close(f.rest);
    f.m = NULL;
    r.done = f.published = 0; /* the outbox is the backup's, too */
    assert_true(store_restore(f.path, to, keep_progress, keep_line, &r));
    fixture_attach(&f);
    fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu/messages?limit=100", ID(f.text));
    assert_int_equal(json_array_size(f.json), 20);
    post("again");
}

static void what_is_no_sound_backup_is_not_put_back(void **state)
{
    (void)state;
    char bad[128];
    struct report r = {0};
    snprintf(bad, sizeof bad, "%s/bad.db", f.dir);
    FILE *out = fopen(bad, "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is no database", out);
    fclose(out);
    post("kept");
    model_close(f.m);
    rest_close(f.rest);
    f.m = NULL;
    assert_false(store_restore(f.path, bad, NULL, keep_line, &r));
    assert_true(r.lines > 0);
    fixture_attach(&f);
    fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu/messages", ID(f.text));
    assert_int_equal(json_array_size(f.json), 1);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(pages_asked_for_at_once_are_read_once_and_are_each_readers_own),
        CASE(an_operation_that_ends_the_process_is_put_aside_and_the_others_are_done),
        CASE(a_file_of_the_first_schema_is_brought_up),
        CASE(a_backup_is_of_one_moment_and_comes_back),
        CASE(what_is_no_sound_backup_is_not_put_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
