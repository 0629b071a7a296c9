/*
 * Disks that are full, read-only or broken: the operation that needs them says which it is, everything else
 * goes on, and the store goes on when the disk does.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/controlplane/store/fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <cmocka.h>

#define ID(x) ((unsigned long long)(x))

static struct fixture f;

/* What SQLite writes with, for the whole of this program: with an error set, nothing is written. */
static _Atomic int write_error;

ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at);
ssize_t pwrite64(int fd, const void *data, size_t length, off64_t at)
{
    if (write_error) {
        errno = write_error;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, data, length, at);
}

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
    char body[2048];
    snprintf(body, sizeof body, "{\"content\":\"%s\"}", content);
    return fixture_ask(&f, f.owner_token, "POST", body, "/channels/%llu/messages", ID(f.text));
}

static size_t listed(void)
{
    assert_int_equal(
        fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu/messages?limit=100", ID(f.text)), 200);
    return json_array_size(f.json);
}

static void a_disk_that_refuses_writes_is_named(int error, int status, const char *text)
{
    assert_int_equal(post("before"), 200);
    fixture_forget_effects(&f);
    write_error = error;
    assert_int_equal(post("lost"), status);
    assert_string_equal(fixture_text(&f, "message"), text);
    assert_int_equal(
        fixture_ask(&f, f.owner_token, "PATCH", "{\"topic\":\"lost\"}", "/channels/%llu", ID(f.text)),
        status);
    assert_int_equal(f.effect_count, 0);
    assert_int_equal(listed(), 1);
    assert_int_equal(fixture_ask(&f, f.owner_token, "POST", NULL, "/channels/%llu/typing", ID(f.text)), 204);
    write_error = 0;
    assert_int_equal(post("after"), 200);
    assert_int_equal(listed(), 2);
    fixture_restart(&f);
    assert_int_equal(listed(), 2);
}

static void a_disk_that_has_become_read_only_is_named(void **state)
{
    (void)state;
    a_disk_that_refuses_writes_is_named(EROFS, 503, "store is read-only");
}

static void a_disk_that_fails_is_named(void **state)
{
    (void)state;
    a_disk_that_refuses_writes_is_named(EIO, 503, "input/output error");
}

static void a_quota_that_is_used_up_is_a_full_disk(void **state)
{
    (void)state;
    a_disk_that_refuses_writes_is_named(EDQUOT, 507, "disk full");
}

static void a_small_disk_that_is_full_takes_messages_again_once_there_is_room(void **state)
{
    (void)state;
    static const char filler[] = "/tmp/filler", block[4096];
    int writes = 0;
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("none", "/tmp", "tmpfs", 0, "size=3m"))
        skip(); /* without the rights to a small disk of one's own */
    fixture_open(&f);
    assert_int_equal(post("before"), 200);
    int fd = open(filler, O_CREAT | O_WRONLY, 0600);
    while (write(fd, block, sizeof block) == sizeof block)
        writes++;
    close(fd);
    assert_true(writes > 10);
    int status = 200, kept = 1;
    for (int i = 0; i < 64 && status == 200; i++) /* the log has a little room of its own */
        kept += (status = post("more")) == 200;
    assert_int_equal(status, 507);
    assert_string_equal(fixture_text(&f, "message"), "disk full");
    assert_int_equal(listed(), kept);
    unlink(filler);
    assert_int_equal(post("after"), 200);
    assert_int_equal(listed(), kept + 1);
    fixture_close(&f);
    umount("/tmp");
}

static void nothing(void *ctx, const char *line)
{
    (void)line;
    (*(int *)ctx)++;
}

static void pages_that_were_changed_fail_what_needs_them_and_nothing_else(void **state)
{
    (void)state;
    struct stat st;
    int lines = 0, damaged = 0;
    for (int i = 0; i < 200; i++, f.m->now_ms += 200) {
        char content[1900];
        memset(content, 'a' + i % 26, sizeof content);
        content[sizeof content - 1] = 0;
        assert_int_equal(post(content), 200);
        fixture_forget_effects(&f);
    }
    model_close(f.m); /* everything is in the one file now */
    rest_close(f.rest);
    assert_int_equal(stat(f.path, &st), 0);
    int fd = open(f.path, O_RDWR);
    for (off_t page = 1; page * 4096 < st.st_size; page++) {
        char bytes[4096];
        assert_int_equal(pread(fd, bytes, sizeof bytes, page * 4096), sizeof bytes);
        if (!memmem(bytes, sizeof bytes, "mmmmmmmmmmmmmmmm", 16))
            continue; /* no page of messages */
        for (size_t i = 0; i < 8; i++)
            bytes[i] ^= 0x55;
        assert_int_equal(pwrite(fd, bytes, 8, page * 4096), 8);
        damaged++;
    }
    close(fd);
    assert_false(store_check(f.path, nothing, &lines));
    assert_true(lines > 0 && damaged > 0);
    fixture_attach(&f);
    assert_int_equal(fixture_ask(&f, f.owner_token, "GET", NULL, "/guilds/%llu", ID(f.guild)), 200);
    assert_int_equal(
        fixture_ask(&f, f.owner_token, "GET", NULL, "/channels/%llu/messages?limit=100", ID(f.text)), 503);
    assert_string_equal(fixture_text(&f, "message"), "store file is corrupt");
    assert_int_equal(fixture_ask(&f, f.owner_token, "POST", NULL, "/channels/%llu/typing", ID(f.text)), 204);
}

static void a_file_on_a_read_only_disk_is_refused_with_a_sentence(void **state)
{
    (void)state;
    char error[256] = "", path[160];
    struct store_config c = {.path = path};
    snprintf(path, sizeof path, "%s/ro/store.db", f.dir);
    char folder[160];
    snprintf(folder, sizeof folder, "%s/ro", f.dir);
    assert_int_equal(mkdir(folder, 0700), 0);
    if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
        mount("none", folder, "tmpfs", MS_RDONLY, "size=1m"))
        skip();
    assert_null(store_open(&c, error, sizeof error));
    assert_true(*error);
    umount(folder);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_small_disk_that_is_full_takes_messages_again_once_there_is_room),
        CASE(a_disk_that_has_become_read_only_is_named),
        CASE(a_disk_that_fails_is_named),
        CASE(a_quota_that_is_used_up_is_a_full_disk),
        CASE(pages_that_were_changed_fail_what_needs_them_and_nothing_else),
        CASE(a_file_on_a_read_only_disk_is_refused_with_a_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
