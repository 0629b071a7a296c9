/*
 * The ring between two processes: wraps, fillers, full, done out of order and across restarts; and a million
 * entries between two processes that are killed again and again.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "random.h"
#include "transfer.h"

#define KILLS_EVERY 4000u /* entries, on average */

static struct {
    struct ring ring;
    uint8_t data[1024];
} small;

static struct ring_end out, in;

static void begin(void)
{
    ring_init(&small.ring, sizeof small.data);
    ring_producer(&out, &small.ring);
    ring_consumer(&in, &small.ring);
}

static struct ring_entry *put(uint32_t length)
{
    return ring_reserve(&out, NULL, 1, length);
}

static void entries_are_aligned_numbered_by_position_and_never_cross_the_end(void **state)
{
    begin();
    uint64_t seed = 1, at = 0;
    for (unsigned i = 0; i < 5000; i++) {
        uint32_t length = random_below(&seed, (uint32_t)ring_payload_max(&small.ring) + 1);
        struct ring_entry *e = put(length);
        assert_non_null(e);
        assert_int_equal(e, ring_next(&in));
        assert_int_equal(e->length, length);
        assert_true(e->number >= at && e->number % RING_ALIGN == 0);
        assert_int_equal((uint8_t *)e - small.data, e->number % sizeof small.data);
        assert_true(e->payload + length <= small.data + sizeof small.data);
        at = e->number + ring_entry_bytes(length);
        assert_null(ring_next(&in));
        ring_done(&in, NULL, e);
        assert_int_equal(small.ring.head, small.ring.tail);
    }
    assert_int_equal(small.ring.full, 0);
}

static void full_ring_refuses_counts_and_takes_again_what_fits_exactly(void **state)
{
    begin();
    struct ring_entry *e[4];
    for (unsigned i = 0; i < 4; i++)
        e[i] = put(256 - 16);
    assert_non_null(e[3]);
    assert_int_equal(ring_room(&out), 0);
    assert_null(put(0));
    assert_int_equal(small.ring.full, 1);
    assert_int_equal(ring_next(&in), e[0]);
    ring_done(&in, NULL, e[0]);
    assert_null(put(256 - 15));
    assert_int_equal(put(256 - 16), e[0]);
    assert_null(put(0));
    assert_int_equal(small.ring.full, 3);
}

static void entry_that_needs_a_filler_waits_until_both_have_room(void **state)
{
    begin();
    struct ring_entry *a = put(320 - 16), *b = put(512 - 16); /* 192 bytes left before the end */
    assert_non_null(b);
    assert_null(put(240)); /* needs the filler of 192 and 256 more */
    assert_int_equal(ring_next(&in), a);
    ring_done(&in, NULL, a);
    struct ring_entry *c = put(240);
    assert_non_null(c);
    assert_int_equal((uint8_t *)c - small.data, 0);
    assert_int_equal(ring_next(&in), b);
    assert_int_equal(ring_next(&in), c);
    ring_done(&in, NULL, c);
    ring_done(&in, NULL, b);
    assert_int_equal(small.ring.head, small.ring.tail);
}

static void head_stays_before_the_oldest_that_is_not_done(void **state)
{
    begin();
    struct ring_entry *e[5];
    for (unsigned i = 0; i < 5; i++)
        e[i] = put(16);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(ring_next(&in), e[i]);
    ring_done(&in, NULL, e[2]);
    ring_done(&in, NULL, e[1]);
    assert_int_equal(small.ring.head, 0);
    ring_done(&in, NULL, e[0]);
    assert_int_equal(small.ring.head, e[3]->number);
    ring_done(&in, NULL, e[3]);
    assert_int_equal(small.ring.head, e[4]->number);
    assert_int_equal(ring_next(&in), e[4]);
}

static void restarted_consumer_sees_again_what_is_not_done_and_nothing_else(void **state)
{
    begin();
    struct ring_entry *e[5];
    for (unsigned i = 0; i < 5; i++)
        e[i] = put(16);
    while (ring_next(&in))
        ;
    ring_done(&in, NULL, e[3]);
    ring_done(&in, NULL, e[1]);
    ring_consumer(&in, &small.ring);
    assert_int_equal(ring_next(&in), e[0]);
    assert_int_equal(ring_next(&in), e[2]);
    assert_int_equal(ring_next(&in), e[4]);
    assert_null(ring_next(&in));
}

/* What was done before the restart, behind the last that is done after it, must not keep its room for ever.
 */
static void room_done_in_an_earlier_life_is_given_back(void **state)
{
    begin();
    struct ring_entry *a = put(16), *b = put(480), *c = put(400);
    while (ring_next(&in))
        ;
    ring_done(&in, NULL, b);
    ring_done(&in, NULL, c);
    ring_consumer(&in, &small.ring);
    assert_int_equal(ring_next(&in), a);
    ring_done(&in, NULL, a);
    assert_null(ring_next(&in));
    assert_int_equal(small.ring.head, small.ring.tail);
    struct ring_entry *d = put((uint32_t)ring_payload_max(&small.ring));
    assert_non_null(d);
    assert_int_equal(ring_next(&in), d);
}

/* ---- two processes ---- */

static struct transfer *transfer;

static pid_t start(void (*what)(struct transfer *, uint64_t), uint64_t seed)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        what(transfer, seed);
        _exit(0);
    }
    return pid;
}

static void million_entries_survive_the_deaths_of_both_ends(void **state)
{
    static void (*const role[2])(struct transfer *, uint64_t) = {transfer_produce, transfer_consume};
    const uint64_t total = 1000000;
    uint64_t seed = 3;
    unsigned killed[2] = {0};
    transfer_format(transfer, total);
    pid_t pid[2] = {start(role[0], 1), start(role[1], 2)};
    uint64_t next = random_below(&seed, KILLS_EVERY);
    while (transfer->consumer.done < total && !transfer->consumer.wrong) {
        if (transfer->consumer.done + transfer->producer.sent < next) {
            usleep(100);
            continue;
        }
        unsigned which = random_below(&seed, 2);
        int status;
        kill(pid[which], SIGKILL);
        waitpid(pid[which], &status, 0);
        killed[which] += WIFSIGNALED(status);
        pid[which] = start(role[which], random_next(&seed));
        next = transfer->consumer.done + transfer->producer.sent + random_below(&seed, 4 * KILLS_EVERY);
    }
    for (unsigned i = 0; i < 2; i++)
        waitpid(pid[i], NULL, 0);
    assert_int_equal(transfer->consumer.wrong, 0);
    assert_int_equal(transfer->producer.sent, total);
    assert_int_equal(transfer->ring.ring.head, transfer->ring.ring.tail);
    for (uint64_t i = 0; i < total / 8; i++)
        assert_int_equal(transfer->consumer.seen[i], 0xff);
    assert_true(transfer->ring.ring.tail > 1000ull * TRANSFER_RING);
    assert_true(killed[0] >= 20 && killed[1] >= 20);
    assert_true(transfer->txn[0].log.undone + transfer->txn[1].log.undone > 0);
}

int main(void)
{
    transfer = mmap(NULL, sizeof *transfer, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (transfer == MAP_FAILED)
        return 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_aligned_numbered_by_position_and_never_cross_the_end),
        cmocka_unit_test(full_ring_refuses_counts_and_takes_again_what_fits_exactly),
        cmocka_unit_test(entry_that_needs_a_filler_waits_until_both_have_room),
        cmocka_unit_test(head_stays_before_the_oldest_that_is_not_done),
        cmocka_unit_test(restarted_consumer_sees_again_what_is_not_done_and_nothing_else),
        cmocka_unit_test(room_done_in_an_earlier_life_is_given_back),
        cmocka_unit_test(million_entries_survive_the_deaths_of_both_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
