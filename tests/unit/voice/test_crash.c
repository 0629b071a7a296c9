/*
 * A kill within a transaction, and after it: what is undone is undone whole, and no nonce counter goes back
 * to a key that used it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/voice/fixture.h"

#define GCM VOICE_AES256_GCM_RTPSIZE

static void a_packet_undone_is_a_packet_lost_and_nothing_else(void **state)
{
    struct fix *f = given();
    struct client *a = joins(f, 1, 0, GCM);
    listens(f, 2, 0, GCM);
    speaks(f, a, "one");
    rounds_out(f);
    struct voice_member before = *member(f, 1);
    struct client elsewhere = *a;
    uint8_t p[64];
    size_t len = seals(a, "two", p);
    elsewhere.port = 4;
    begins(f);
    assert_int_equal(arrives_in(f, &elsewhere, p, len), VOICE_FORWARD);
    assert_int_not_equal(member(f, 1)->rx_counter_top, before.rx_counter_top);
    struct fix *next = killed(f);
    assert_memory_equal(&member(next, 1)->link, &before.link, MEMBER_SAVED);
    assert_int_equal(voice_pending(next->v), 0);
    assert_int_equal(arrives(next, a, p, len), VOICE_FORWARD); /* it would be taken if it came again */
    assert_int_equal(speaks(next, a, "three"), VOICE_FORWARD);
    assert_int_equal(rounds_out(next), 2);
    done(next);
    done(f);
}

static void a_packet_committed_is_not_taken_again(void **state)
{
    struct fix *f = given();
    struct client *a = joins(f, 1, 0, GCM);
    uint8_t p[64];
    listens(f, 2, 0, GCM);
    size_t len = seals(a, "one", p);
    begins(f);
    arrives_in(f, a, p, len);
    txn_commit(&f->txn); /* killed before it is published */
    struct fix *next = killed(f);
    assert_int_equal(arrives(next, a, p, len), VOICE_DONE);
    assert_int_equal(drops(next, DROP_VOICE_REPLAY), 1);
    done(next);
    done(f);
}

/* Sealed, and killed before anything else: the next life must not use those numbers, although no transaction
 * followed. */
static void counters_of_sealed_packets_outlive_a_kill_in_the_next_transaction(void **state)
{
    struct fix *f = given();
    struct client *a = joins(f, 1, 0, GCM), *b = listens(f, 2, 0, GCM);
    for (int k = 0; k < 10; k++) {
        speaks(f, a, "x");
        rounds_out(f);
    }
    begins(f);
    assert_true(leaves(f, b));
    struct fix *next = killed(f);
    assert_int_equal(member(next, 2)->generation, b->generation);
    speaks(next, a, "y");
    assert_int_equal(rounds_out(next), 1);
    assert_true(next->heard[0].counter == VOICE_COUNTER_FIRST + 10);
    done(next);
    done(f);
}

/* One transaction changes the key so often, each time with a generation `step` higher; then it is undone. */
static void undo_of_key_changes(unsigned times, uint32_t step, bool leave_between)
{
    struct fix *f = given();
    struct client *a = joins(f, 1, 0, GCM), *b = listens(f, 2, 0, GCM);
    struct client old = *b;
    for (int k = 0; k < 7; k++) {
        speaks(f, a, "x");
        rounds_out(f);
    }
    begins(f);
    for (unsigned k = 0; k < times; k++) {
        if (leave_between)
            assert_true(leaves(f, b));
        b->generation += step;
        b->key[0]++;
        assert_true(sets(f, b));
    }
    struct fix *next = killed(f);
    next->client[2] = old;
    assert_memory_equal(member(next, 2)->key, old.key, 32);
    assert_int_equal(member(next, 2)->address, ADDRESS_BOUND);
    speaks(next, a, "under the old key");
    assert_int_equal(rounds_out(next), 1);
    assert_int_equal(times_heard(next, 2, "under the old key"), 1);
    assert_true(next->heard[0].counter == VOICE_COUNTER_FIRST + 7);
    done(next);
    done(f);
}

static void a_key_that_comes_back_by_undo_goes_on_counting(void **state)
{
    for (unsigned times = 1; times <= 4; times++)
        for (uint32_t step = 0; step <= 3; step++)
            for (int leave = 0; leave < 2; leave++)
                undo_of_key_changes(times, step, leave);
}

static void joins_and_moves_are_undone_whole(void **state)
{
    struct fix *f = given();
    for (uint32_t i = 1; i <= 5; i++)
        listens(f, i, 0, GCM);
    uint8_t *before = malloc(f->size);
    assert_non_null(before);
    struct client saved[MEMBERS];
    memcpy(saved, f->client, sizeof saved);
    begins(f);
    uint64_t skip = (uint64_t)((uint8_t *)f->rooms - f->region);
    memcpy(before, f->region, f->size);
    assert_true(leaves(f, &f->client[3]));
    f->client[4].room = 1;
    assert_true(sets(f, &f->client[4]));
    joins(f, 6, 0, GCM);
    joins(f, 7, 2, GCM);
    assert_true(leaves(f, &f->client[1]));
    joins(f, 1, 2, GCM);
    struct fix *next = killed(f);
    memcpy(next->client, saved, sizeof saved);
    assert_memory_equal(next->region + skip, before + skip,
                        2 * sizeof(struct pool) + sizeof(struct room) * ROOMS);
    for (uint32_t i = 0; i < 10; i++)
        assert_memory_equal(&member(next, i)->link, before + ((uint8_t *)&member(f, i)->link - f->region), MEMBER_SAVED);
    speaks(next, &next->client[3], "all are there");
    assert_int_equal(rounds_out(next), 4);
    free(before);
    done(next);
    done(f);
}

static void a_join_alone_is_undone_whole(void **state)
{
    struct fix *f = given();
    struct client *a = listens(f, 1, 0, GCM), *b = listens(f, 2, 0, GCM);
    begins(f);
    joins(f, 3, 0, GCM);
    struct fix *next = killed(f);
    assert_int_equal(member(next, 2)->prev, MEMBER_NONE);
    assert_true(leaves(next, b)); /* its neighbours are found by its links */
    assert_true(leaves(next, a));
    assert_int_equal(next->rooms->used, 0);
    done(next);
    done(f);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_packet_undone_is_a_packet_lost_and_nothing_else),
        TEST(a_packet_committed_is_not_taken_again),
        TEST(counters_of_sealed_packets_outlive_a_kill_in_the_next_transaction),
        TEST(a_key_that_comes_back_by_undo_goes_on_counting),
        TEST(joins_and_moves_are_undone_whole),
        TEST(a_join_alone_is_undone_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
