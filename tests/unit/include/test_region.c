/*
 * Creating and attaching the region: by two processes, on ordinary memory and on hugepages, and every reason
 * to refuse, word for word.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "region.h"

#define MIB (1u << 20)

static const struct region_geometry small = {.workers = 2,
                                             .connections = 8,
                                             .blocks = 16,
                                             .descriptors = 16,
                                             .items = 8,
                                             .chunks = 16,
                                             .topic_chunks = 4,
                                             .rooms = 2,
                                             .members = 4,
                                             .sessions = 8,
                                             .topics = 4,
                                             .control_blocks = 4,
                                             .log_segments = 2,
                                             .ring_bytes = MIB,
                                             .capture_bytes = 1u << 16,
                                             .undo_bytes = 64u << 10};

static char directory[64], path[96], note[256], why[256];

static int set_up(void **state)
{
    snprintf(directory, sizeof directory, "/tmp/voxpop-region-XXXXXX");
    if (!mkdtemp(directory))
        return -1;
    snprintf(path, sizeof path, "%s/region-%d", directory, (int)getpid());
    return 0;
}

static int tear_down(void **state)
{
    region_remove(path);
    return rmdir(directory);
}

static void create(struct region *r)
{
    if (!region_create(r, path, NULL, &small, note, why))
        fail_msg("%s", why);
}

/* ---- two processes ---- */

static void second_process_finds_what_the_first_one_made(void **state)
{
    struct region r;
    create(&r);
    assert_false(r.huge);
    assert_int_equal(r.size, region_bytes(&small));
    snprintf(why, sizeof why, "region of %u MiB on ordinary memory: not enough free hugepages",
             (unsigned)(r.size >> 20));
    assert_string_equal(note, why);
    struct session *s = session_at(&r, 7);
    s->user_id = 4711;
    pid_t pid = fork();
    if (pid == 0) {
        struct region other;
        region_detach(&r);
        if (!region_attach(&other, path, true, why) || session_at(&other, 7)->user_id != 4711)
            _exit(1);
        region_process_enter(&other, PROCESS_DATAPLANE);
        session_at(&other, 7)->user_id = 4712;
        _exit(memcmp(&other.header->geometry, &small, sizeof small) ? 2 : 0);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    assert_int_equal(s->user_id, 4712);
    assert_int_equal(r.header->process[PROCESS_DATAPLANE].pid, pid);
    assert_int_equal(r.header->process[PROCESS_DATAPLANE].lives, 1);
    region_detach(&r);
}

static void reader_cannot_write(void **state)
{
    struct region r, reader;
    create(&r);
    assert_true(region_attach(&reader, path, false, why));
    pid_t pid = fork();
    if (pid == 0) {
        signal(SIGSEGV, SIG_DFL);
        session_at(&reader, 0)->user_id = 1;
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_not_equal(status, 0);
    assert_int_equal(session_at(&r, 0)->user_id, 0);
    region_detach(&reader);
    region_detach(&r);
}

static void region_made_anew_is_empty_and_the_old_file_is_gone(void **state)
{
    struct region r, second;
    char first[256] = {0}, now[256] = {0};
    create(&r);
    session_at(&r, 3)->user_id = 9;
    assert_true(readlink(path, first, sizeof first - 1) > 0);
    pid_t pid = fork(); /* another supervisor, another process id */
    if (pid == 0) {
        struct region mine;
        _exit(!region_create(&mine, path, NULL, &small, note, why));
    }
    int status;
    waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
    assert_true(readlink(path, now, sizeof now - 1) > 0);
    assert_string_not_equal(first, now);
    assert_int_equal(access(first, F_OK), -1);
    assert_true(region_attach(&second, path, true, why));
    assert_int_equal(session_at(&second, 3)->user_id, 0);
    assert_int_equal(session_at(&r, 3)->user_id, 9); /* who still has the old one mapped keeps it */
    region_detach(&second);
    region_detach(&r);
}

/* A supervisor that was killed before its link stood, and whose process id came round again, is not in the
 * way. */
static void file_left_by_another_life_with_the_same_process_id_is_replaced(void **state)
{
    struct region r;
    char file[160];
    snprintf(file, sizeof file, "/dev/shm/voxpop-%d-region-%d", (int)getpid(), (int)getpid());
    region_remove(path);
    int fd = open(file, O_CREAT | O_WRONLY, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "left", 4), 4);
    close(fd);
    create(&r);
    region_detach(&r);
}

static bool hugepages_suffice(void)
{
    unsigned long long pages = 0;
    FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
    bool known = f && fscanf(f, "%llu", &pages) == 1;
    if (f)
        fclose(f);
    return known && pages * 2 * MIB >= region_bytes(&small);
}

/* In a process with mounts of its own. Returns the line that went wrong. */
static int try_hugepages(const char *mounted)
{
    struct region r, other;
    char file[256] = {0};
    bool can =
        unshare(CLONE_NEWNS) == 0 &&
        syscall(SYS_mount, "none", "/", NULL, 1ul << 14 | 1ul << 18, NULL) == 0 && /* MS_REC | MS_PRIVATE */
        syscall(SYS_mount, "nodev", mounted, "hugetlbfs", 0ul, "pagesize=2M") == 0;
    bool before =
        hugepages_suffice(); /* others take and give them back: only what holds on both sides is sure */
    if (!region_create(&r, path, mounted, &small, note, why) || readlink(path, file, sizeof file - 1) < 0)
        return __LINE__;
    if (can && before && !r.huge && hugepages_suffice())
        return __LINE__;
    const char *where = r.huge ? mounted : "/dev/shm/";
    if (r.huge != !note[0] || (r.huge && !can) || strncmp(file, where, strlen(where)) != 0)
        return __LINE__;
    if (!region_attach(&other, path, true, why))
        return __LINE__;
    session_at(&r, 1)->user_id = 77;
    if (session_at(&other, 1)->user_id != 77)
        return __LINE__;
    region_detach(&other);
    region_detach(&r);
    region_remove(path);
    return 0;
}

static void hugepages_are_used_when_they_suffice_and_else_it_is_said(void **state)
{
    char mounted[96];
    snprintf(mounted, sizeof mounted, "%s/huge", directory);
    assert_int_equal(mkdir(mounted, 0700), 0);
    pid_t pid = fork();
    if (pid == 0)
        _exit(try_hugepages(mounted) & 0xff);
    int status;
    waitpid(pid, &status, 0);
    rmdir(mounted);
    assert_int_equal(status, 0);
}

/* ---- refusals ---- */

static void expect_refusal(const char *want)
{
    struct region r;
    assert_false(region_attach(&r, path, true, why));
    assert_string_equal(why, want);
}

static void missing_region_is_refused(void **state)
{
    char want[256];
    region_remove(path);
    snprintf(want, sizeof want, "no region at %s (No such file or directory): is `voxpop supervise` running?",
             path);
    expect_refusal(want);
}

static void what_is_not_a_region_is_refused(void **state)
{
    region_remove(path);
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, "not a region", 12), 12);
    expect_refusal("this is not a voxpop region");
    assert_int_equal(ftruncate(fd, 0), 0);
    expect_refusal("this is not a voxpop region");
    struct region r;
    close(fd);
    unlink(path);
    create(&r);
    r.header->magic ^= 1;
    expect_refusal("this is not a voxpop region");
    r.header->magic ^= 1;
    assert_true(region_attach(&r, path, true, why));
    region_detach(&r);
}

static void region_of_another_build_is_refused(void **state)
{
    struct region r;
    char want[256];
    create(&r);
    r.header->layout_hash ^= 5;
    snprintf(want, sizeof want,
             "the region was made by another build (layout %016llx, this build has %016llx): a cold start is "
             "needed, stop `voxpop "
             "supervise` and start it again",
             (unsigned long long)r.header->layout_hash, (unsigned long long)region_layout_hash());
    expect_refusal(want);
    r.header->layout_hash ^= 5;
    r.header->version++;
    snprintf(want, sizeof want,
             "the region was made by another build (layout %016llx, this build has %016llx): a cold start is "
             "needed, stop `voxpop "
             "supervise` and start it again",
             (unsigned long long)region_layout_hash(), (unsigned long long)region_layout_hash());
    expect_refusal(want);
    region_detach(&r);
}

static void region_of_another_size_than_it_says_is_refused(void **state)
{
    struct region r;
    create(&r);
    assert_int_equal(truncate(path, (off_t)r.size + 4096), 0);
    expect_refusal("the region's size is not what its header says: a cold start is needed");
    assert_int_equal(truncate(path, (off_t)r.size), 0);
    r.header->header_size--;
    expect_refusal("the region's size is not what its header says: a cold start is needed");
    region_detach(&r);
}

static void region_of_an_earlier_boot_is_refused(void **state)
{
    struct region r;
    char want[256];
    create(&r);
    r.header->boot_id[3] ^= 0x80;
    snprintf(want, sizeof want, "the region at %s is from before the last boot: start `voxpop supervise`",
             path);
    expect_refusal(want);
    region_detach(&r);
}

static void boot_id_is_the_kernels(void **state)
{
    uint8_t id[16];
    char text[40] = {0}, mine[40];
    FILE *f = fopen("/proc/sys/kernel/random/boot_id", "r");
    assert_non_null(f);
    assert_non_null(fgets(text, sizeof text, f));
    fclose(f);
    assert_true(region_boot_id(id));
    int n = 0;
    for (unsigned i = 0; i < 16; i++)
        n += sprintf(mine + n, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id[i]);
    assert_memory_equal(text, mine, 36);
}

/* ---- geometry ---- */

#define REFUSED(field, v, words)                                                                             \
    do {                                                                                                     \
        struct region_geometry g = small;                                                                    \
        g.field = (v);                                                                                       \
        assert_false(region_geometry_check(&g, why));                                                        \
        assert_string_equal(why, words);                                                                     \
    } while (0)

static void geometry_that_cannot_be_is_refused(void **state)
{
    assert_true(region_geometry_check(&small, why));
    REFUSED(workers, 0, "workers: 0 is not between 1 and 32");
    REFUSED(workers, 33, "workers: 33 is not between 1 and 32");
    REFUSED(log_segments, 1, "event log segments: 1 is not a power of two between 2 and 32768");
    REFUSED(log_segments, 12, "event log segments: 12 is not a power of two between 2 and 32768");
    REFUSED(log_segments, 65536, "event log segments: 65536 is not a power of two between 2 and 32768");
    REFUSED(ring_bytes, MIB / 2, "ring bytes: 524288 is not a power of two of at least 1 MiB");
    REFUSED(ring_bytes, 3 * MIB, "ring bytes: 3145728 is not a power of two of at least 1 MiB");
    REFUSED(capture_bytes, 32768, "capture bytes: 32768 is not a power of two of at least 64 KiB");
    REFUSED(undo_bytes, 65535, "undo bytes: 65535 is less than 64 KiB");
    REFUSED(topics, 0, "a pool of 0 elements: must be between 1 and 2^28");
    REFUSED(items, (1u << 28) + 1, "a pool of 268435457 elements: must be between 1 and 2^28");
    REFUSED(connections, 1u << 28,
            "2 workers with 268435456 connections and 4 members each: more than 2^28 of a kind");
    REFUSED(members, 1u << 28,
            "2 workers with 8 connections and 268435456 members each: more than 2^28 of a kind");
}

static void refused_geometry_creates_nothing(void **state)
{
    struct region r;
    struct region_geometry g = small;
    region_remove(path);
    g.log_segments = 3;
    assert_false(region_create(&r, path, NULL, &g, note, why));
    assert_int_equal(access(path, F_OK), -1);
}

static int by_offset(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static void no_two_parts_share_a_page(void **state)
{
    struct region r;
    uint64_t at[SECTION_COUNT + 2 * PART_COUNT + 1];
    unsigned n = 0;
    create(&r);
    for (unsigned s = 0; s < SECTION_COUNT; s++)
        at[n++] = r.header->section[s];
    for (unsigned w = 0; w < 2; w++)
        for (unsigned p = 0; p < PART_COUNT; p++)
            at[n++] = r.header->part[w][p];
    qsort(at, n, sizeof *at, by_offset);
    assert_true(at[0] >= sizeof *r.header);
    at[n] = r.size;
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(at[i] % 4096, 0);
        assert_true(at[i + 1] >= at[i] + 4096 || i + 1 == n);
    }
    /* The last element of each pool still lies before what follows it. */
    const struct pool *last = region_part(&r, 1, PART_MEMBERS);
    assert_true((const uint8_t *)pool_at(last, last->capacity) <= r.base + r.size);
    const struct pool *blocks = region_part(&r, 0, PART_BLOCKS);
    assert_true((const uint8_t *)pool_at(blocks, blocks->capacity) <=
                r.base + r.header->part[0][PART_DESCRIPTORS]);
    region_detach(&r);
}

static void handle_of_a_slot_used_again_is_not_the_slots(void **state)
{
    struct region r;
    uint32_t worker;
    create(&r);
    struct connection *c = connection_at(&r, 1, 3);
    c->generation = 9;
    c->kind = CONNECTION_HTTP;
    uint64_t handle = connection_handle(8 + 3, 9);
    assert_ptr_equal(connection_of(&r, handle, &worker), c);
    assert_int_equal(worker, 1);
    c->generation = 10;
    assert_null(connection_of(&r, handle, &worker));
    assert_null(connection_of(&r, connection_handle(16, 0), &worker));
    region_detach(&r);
}

/*
 * The layout is a published format. When this fails, the region has changed: raise REGION_VERSION in
 * include/layout.h if a field changed its place or meaning without a struct changing its size, and write the
 * new hash here.
 */
static void layout_is_the_published_one(void **state)
{
    static const uint64_t golden = 0x0912a4c3b176e60f;
    if (region_layout_hash() != golden)
        fail_msg("the layout hash is %016llx, published is %016llx: was that intended? Then see the comment "
                 "above this test",
                 (unsigned long long)region_layout_hash(), (unsigned long long)golden);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(second_process_finds_what_the_first_one_made),
        cmocka_unit_test(reader_cannot_write),
        cmocka_unit_test(region_made_anew_is_empty_and_the_old_file_is_gone),
        cmocka_unit_test(file_left_by_another_life_with_the_same_process_id_is_replaced),
        cmocka_unit_test(hugepages_are_used_when_they_suffice_and_else_it_is_said),
        cmocka_unit_test(missing_region_is_refused),
        cmocka_unit_test(what_is_not_a_region_is_refused),
        cmocka_unit_test(region_of_another_build_is_refused),
        cmocka_unit_test(region_of_another_size_than_it_says_is_refused),
        cmocka_unit_test(region_of_an_earlier_boot_is_refused),
        cmocka_unit_test(boot_id_is_the_kernels),
        cmocka_unit_test(geometry_that_cannot_be_is_refused),
        cmocka_unit_test(refused_geometry_creates_nothing),
        cmocka_unit_test(no_two_parts_share_a_page),
        cmocka_unit_test(handle_of_a_slot_used_again_is_not_the_slots),
        cmocka_unit_test(layout_is_the_published_one),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
