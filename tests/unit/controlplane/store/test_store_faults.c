/*
 * Disks that fail: each operation says why, nothing is half done, and it goes on when the disk does.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/controlplane/store/fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
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

static int post(const char *content)
{
    char body[200];
    snprintf(body, sizeof body, "{\"content\":\"%s\"}", content);
    return fixture_ask(&f, f.owner_token, "POST", body, "/channels/%llu/messages", ID(f.text));
}

/* No file may grow beyond what the store's file has: a full disk, for this process. */
static void set_file_limit(rlim_t bytes)
{
    struct rlimit l = {bytes, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

static void a_disk_that_takes_no_more_fails_the_write_and_nothing_else(void **state)
{
    (void)state;
    char wal[128];
    struct stat st;
    assert_int_equal(post("before"), 200);
    snprintf(wal, sizeof wal, "%s-wal", f.path);
    assert_int_equal(stat(wal, &st), 0);
    fixture_forget_effects(&f);
    set_file_limit((rlim_t)st.st_size);
    int failed = post("lost");
    size_t events = f.effect_count;
    int read = fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu/messages", ID(f.text));
    size_t listed = json_array_size(f.json);
    int change =
        fixture_ask(&f, f.owner_token, "PATCH", "{\"topic\":\"lost\"}", "/channels/%llu", ID(f.text));
    set_file_limit(RLIM_INFINITY);
    assert_true(failed == 503 || failed == 507);
    assert_true(change == 503 || change == 507);
    assert_int_equal(events, 0);
    assert_int_equal(read, 200);
    assert_int_equal(listed, 1);
    assert_null(model_channel(f.m, f.text)->topic);
    assert_int_equal(post("after"), 200);
    assert_int_equal(
        fixture_ask(&f, f.owner_token, "PATCH", "{\"topic\":\"kept\"}", "/channels/%llu", ID(f.text)), 200);
    fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu/messages", ID(f.text));
    assert_int_equal(json_array_size(f.json), 2);
}

static void keep_line(void *ctx, const char *line)
{
    (void)line;
    (*(int *)ctx)++;
}

static void a_damaged_file_is_named_as_such(void **state)
{
    (void)state;
    char copy[128], error[256] = "";
    int lines = 0;
    assert_int_equal(post("x"), 200);
    assert_true(store_check(f.path, keep_line, &lines));
    snprintf(copy, sizeof copy, "%s/bad.db", f.dir);
    int fd = open(copy, O_CREAT | O_WRONLY, 0600);
    for (int i = 0; i < 64; i++)
        assert_int_equal(write(fd, "this is no database, and it is long enough to look like one....", 64),
                         64);
    close(fd);
    struct store_config c = {.path = copy};
    assert_null(store_open(&c, error, sizeof error));
    assert_non_null(strstr(error, "not a database"));
    assert_false(store_check(copy, keep_line, &lines));
    assert_true(lines >= 2);
}

static void a_file_of_a_newer_program_is_refused(void **state)
{
    (void)state;
    char copy[128], error[256];
    sqlite3 *h;
    snprintf(copy, sizeof copy, "%s/new.db", f.dir);
    assert_int_equal(sqlite3_open(copy, &h), SQLITE_OK);
    assert_int_equal(sqlite3_exec(h, "PRAGMA user_version = 99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(h);
    struct store_config c = {.path = copy};
    assert_null(store_open(&c, error, sizeof error));
    assert_non_null(strstr(error, "newer"));
}

static void ignore(struct store_op *op, void *ctx)
{
    (void)op;
    (*(size_t *)ctx)++;
}

static void a_full_queue_refuses_and_keeps_what_it_has(void **state)
{
    (void)state;
    char path[128], error[256];
    size_t done = 0, accepted = 0;
    snprintf(path, sizeof path, "%s/queue.db", f.dir);
    struct store_config c = {.path = path, .queue_max = 8, .group_max = 1};
    struct store *s = store_open(&c, error, sizeof error);
    assert_non_null(s);
    for (int i = 0; i < 2000; i++) {
        struct store_op *op = store_op_new(STORE_MESSAGE_CREATE, ignore, &done);
        op->message = (struct message){.id = (uint64_t)i + 1, .channel_id = 1, .content = text_copy("x")};
        if (store_submit(s, op))
            accepted++;
        else
            store_op_free(op);
    }
    assert_true(accepted >= 8 && accepted < 2000);
    while (done < accepted && store_wait(s, 10000))
        store_drain(s, 3);
    assert_int_equal(done, accepted);
    store_close(s);
}

static void count_ops(struct store_op *op, void *ctx)
{
    (*(size_t *)ctx)++;
}

static void published_rows_go_and_the_rest_stays(void **state)
{
    (void)state;
    char path[128], error[256];
    size_t done = 0, left = 0;
    snprintf(path, sizeof path, "%s/prune.db", f.dir);
    struct store_config c = {.path = path, .outbox_keep = 100};
    struct store *s = store_open(&c, error, sizeof error);
    for (int i = 0; i < 3000; i++) {
        struct store_op *op = store_op_new(STORE_MESSAGE_CREATE, ignore, &done);
        op->message = (struct message){.id = (uint64_t)i + 1, .channel_id = 1, .content = text_copy("x")};
        assert_true(store_submit(s, op));
        while (i % 100 == 99 && done <= (size_t)i && store_wait(s, 10000))
            store_drain(s, 1000);
        store_published(s, done > 500 ? done - 500 : 0);
    }
    store_close(s);
    s = store_open(&c, error, sizeof error);
    store_outbox_after(s, 0, count_ops, &left);
    assert_true(left >= 600 && left < 2000);
    store_close(s);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_disk_that_takes_no_more_fails_the_write_and_nothing_else),
        CASE(a_damaged_file_is_named_as_such),
        CASE(a_file_of_a_newer_program_is_refused),
        CASE(a_full_queue_refuses_and_keeps_what_it_has),
        CASE(published_rows_go_and_the_rest_stays),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
