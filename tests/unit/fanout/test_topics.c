/*
 * Topics against a table of who subscribes to what, and walks in slices between which anything changes.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/fanout/topics.h"
#include "tests/unit/include/random.h"

#define TOPICS   3u
#define SESSIONS 3000u
#define FEW      120u /* sessions of the random runs */
#define CHUNKS   240u
#define UNDO     (160u << 10)

/* A subscription in the mind of the test. */
struct wanted {
    bool there;
    uint32_t generation; /* of the session when it subscribed */
    uint8_t class;
    uint64_t from;
    uint32_t incarnation; /* names this stay, from subscribe to unsubscribe */
};

static struct {
    struct {
        struct txn_log log;
        uint8_t undo[UNDO];
    } txn;
    struct {
        struct pool pool;
        struct topic_chunk at[CHUNKS];
    } chunks;
    struct topic topic[TOPICS];
    struct session session[SESSIONS];
} world;

static struct txn txn;
static struct topics topics;
static struct wanted want[TOPICS][SESSIONS];
static uint32_t incarnations;

static void begin(void)
{
    memset(&world, 0, sizeof world);
    memset(want, 0, sizeof want);
    incarnations = 0;
    world.txn.log.undo_size = UNDO;
    pool_init(&world.chunks.pool, world.chunks.at, sizeof(struct topic_chunk), CHUNKS);
    for (unsigned i = 0; i < TOPICS; i++)
        world.topic[i].head = world.topic[i].tail = POOL_NONE;
    for (unsigned i = 0; i < SESSIONS; i++)
        world.session[i].generation = 1;
    txn_attach(&txn, &world, &world.txn.log);
    topics = (struct topics){.txn = &txn,
                             .topic = world.topic,
                             .count = TOPICS,
                             .chunks = &world.chunks.pool,
                             .session = world.session};
    assert_true(topics_attach(&topics));
    txn_begin(&txn);
}

static int end(void **state)
{
    topics_detach(&topics);
    return 0;
}

static void commit(void)
{
    txn_commit(&txn);
    txn_publish(&txn);
    txn_begin(&txn);
}

/* ---- the comparison ---- */

static bool alive(uint32_t topic, uint32_t session)
{
    const struct wanted *w = &want[topic][session];
    return w->there && w->generation == world.session[session].generation;
}

/* One topic's chunks: whole, and with exactly what is wanted, and perhaps what is dead and not swept yet. */
static uint32_t compare_topic(uint32_t topic)
{
    const struct topic *o = &world.topic[topic];
    static uint8_t seen[SESSIONS];
    uint32_t count = 0, chunk = o->head;
    memset(seen, 0, sizeof seen);
    for (uint32_t n = 0; n < o->chunks; n++) {
        const struct topic_chunk *c = pool_at(topics.chunks, chunk);
        uint32_t used = 0;
        for (uint32_t slot = 0; slot < TOPIC_CHUNK_SUBSCRIPTIONS; slot++) {
            const struct subscription *s = &c->subscription[slot];
            if (s->session == SESSION_NONE)
                continue;
            const struct wanted *w = &want[topic][s->session];
            assert_false(seen[s->session]++);
            assert_true(w->there);
            assert_int_equal(s->generation, w->generation);
            assert_int_equal(s->class, w->class);
            assert_true(subscription_wants(s, w->from) && !subscription_wants(s, w->from - 16));
            used++;
        }
        assert_int_equal(c->used, used);
        count += used;
        if (n + 1 == o->chunks)
            assert_int_equal(o->tail, chunk);
        chunk = c->next;
    }
    assert_int_equal(o->count, count);
    for (uint32_t s = 0; s < SESSIONS; s++)
        if (want[topic][s].there && !seen[s]) {
            assert_false(alive(topic, s));
            want[topic][s].there = false; /* swept by a walk */
        }
    return o->chunks;
}

static void compare(void)
{
    uint32_t chunks = 0;
    for (uint32_t t = 0; t < TOPICS; t++)
        chunks += compare_topic(t);
    assert_int_equal(chunks, world.chunks.pool.used);
}

/* The index that a new life makes is the one that this life has. */
static void compare_index(void)
{
    struct topics next = topics;
    assert_true(topics_attach(&next));
    assert_int_equal(next.index.used, topics.index.used);
    for (uint64_t i = 0; i < next.index.slots; i++) {
        uint64_t value;
        if (!next.index.entry[i].key)
            continue;
        assert_true(map_get(&topics.index, next.index.entry[i].key, &value));
        assert_int_equal(value, next.index.entry[i].value);
    }
    topics_detach(&next);
}

/* ---- the steps ---- */

static bool subscribe(uint32_t topic, uint32_t session, uint8_t class, uint64_t from)
{
    struct wanted *w = &want[topic][session];
    struct subscription s = {
        .session = session, .generation = world.session[session].generation, .class = class};
    subscription_start(&s, from);
    if (!topic_subscribe(&topics, topic, &s)) {
        assert_false(w->there);
        return false;
    }
    if (alive(topic, session)) {
        w->class = class; /* its start stays */
        return true;
    }
    *w = (struct wanted){true, s.generation, class, from, ++incarnations};
    return true;
}

static void unsubscribe(uint32_t topic, uint32_t session)
{
    bool was = want[topic][session].there, swept = was && !alive(topic, session);
    bool found = topic_unsubscribe(&topics, topic, session);
    assert_true(found == was || swept); /* a walk may have removed what is dead */
    want[topic][session].there = false;
}

static void clear(uint32_t topic)
{
    topic_clear(&topics, topic);
    for (unsigned s = 0; s < SESSIONS; s++)
        want[topic][s].there = false;
    assert_int_equal(world.topic[topic].chunks, 0);
}

static void random_change(uint64_t *seed, bool may_clear)
{
    uint32_t topic = random_below(seed, TOPICS), session = random_below(seed, FEW);
    uint32_t dice = random_below(seed, 1000);
    if (dice < 500)
        subscribe(topic, session, (uint8_t)random_below(seed, TOPIC_CLASSES),
                  16 * (1 + random_next(seed) % (1ull << 40)));
    else if (dice < 850)
        unsubscribe(topic, session);
    else if (dice < 995 || !may_clear)
        world.session[session]
            .generation++; /* it ended, and perhaps another begins: its subscriptions are dead */
    else
        clear(topic);
}

static void room(void)
{
    if (txn_room(&txn) < UNDO - TOPIC_CLEAR_ROOM / 4)
        commit();
}

/* A walk of `topic` in slices of up to `slice`, with `changes` random changes between two of them. */
static void walk(uint32_t topic, uint64_t *seed, unsigned slice, unsigned changes)
{
    static uint32_t from_the_start[SESSIONS]; /* incarnations that are there at its start, and stay */
    static uint8_t visited[1u << 20];
    struct topic_cursor cursor = TOPIC_WALK_START;
    const struct subscription *s;
    memset(visited, 0, incarnations + 20000);
    for (unsigned i = 0; i < SESSIONS; i++)
        from_the_start[i] = alive(topic, i) ? want[topic][i].incarnation : 0;
    for (unsigned n = 1; (s = topic_walk(&topics, topic, &cursor)); n++) {
        assert_true(alive(topic, s->session));
        assert_false(visited[want[topic][s->session].incarnation]++);
        for (unsigned k = n % slice ? 0 : changes; k; k--) {
            random_change(seed, false);
            room();
            for (unsigned i = 0; i < FEW; i++)
                if (from_the_start[i] &&
                    (!alive(topic, i) || want[topic][i].incarnation != from_the_start[i]))
                    from_the_start[i] = 0;
        }
    }
    for (unsigned i = 0; i < SESSIONS; i++)
        assert_true(!from_the_start[i] || visited[from_the_start[i]]);
    assert_null(topic_walk(&topics, topic, &cursor));
}

static void any_run_of_changes_and_walks_visits_each_once(void **state)
{
    uint64_t seed = 31;
    begin();
    for (unsigned n = 0; n < 3000; n++) {
        for (unsigned k = random_below(&seed, 40); k; k--) {
            random_change(&seed, true);
            room();
        }
        walk(random_below(&seed, TOPICS), &seed, 1 + random_below(&seed, 10), random_below(&seed, 6));
        compare();
        if (n % 50 == 0)
            compare_index();
        room();
    }
    assert_true(incarnations > 20000 && incarnations < 1000000);
    for (unsigned t = 0; t < TOPICS; t++)
        clear(t);
    assert_int_equal(world.chunks.pool.used, 0);
    assert_int_equal(topics.index.used, 0);
}

/* The worker dies in every second transaction; what is in the region is as before, and so is the index made
 * from it. */
static void undone_changes_leave_the_topics_as_they_were(void **state)
{
    static struct wanted before[TOPICS][SESSIONS];
    uint64_t seed = 32;
    begin();
    for (unsigned n = 0; n < 4000; n++) {
        commit();
        memcpy(before, want, sizeof want);
        struct topic topic_before[TOPICS];
        memcpy(topic_before, world.topic, sizeof topic_before);
        for (unsigned k = random_below(&seed, 60); k && txn_room(&txn) > UNDO / 2; k--)
            random_change(&seed, true);
        struct topic_cursor cursor = TOPIC_WALK_START;
        uint32_t topic = random_below(&seed, TOPICS);
        for (unsigned k = random_below(&seed, 100); k && topic_walk(&topics, topic, &cursor); k--)
            ;
        if (random_below(&seed, 2)) {
            assert_int_equal(txn_recover(&txn), TXN_OPEN);
            topics_detach(&topics);
            assert_true(topics_attach(&topics));
            memcpy(want, before, sizeof want);
            for (unsigned t = 0; t < TOPICS; t++)
                topic_before[t].stamp = world.topic[t].stamp;
            assert_memory_equal(world.topic, topic_before, sizeof topic_before);
            txn_begin(&txn);
        }
        compare();
        if (n % 20 == 0)
            compare_index();
    }
    assert_true(world.txn.log.undone > 1500);
}

static void subscription_is_refused_when_no_chunk_is_left_and_nothing_changes(void **state)
{
    begin();
    world.chunks.pool.capacity = 2;
    for (uint32_t i = 0; i < 2 * TOPIC_CHUNK_SUBSCRIPTIONS; i++)
        assert_true(subscribe(0, i, 1, 16));
    commit();
    assert_false(subscribe(0, 100, 1, 16));
    assert_false(subscribe(1, 100, 1, 16));
    assert_true(subscribe(0, 3, 2, 16)); /* one that is there needs none */
    compare();
    compare_index();
    unsubscribe(0, 2 * TOPIC_CHUNK_SUBSCRIPTIONS - 1);
    assert_true(subscribe(0, 100, 1, 16));
    compare();
}

static void class_changes_in_place_and_the_start_stays(void **state)
{
    begin();
    subscribe(0, 5, 3, 4096);
    subscribe(0, 5, 9, 8192);
    struct topic_cursor cursor = TOPIC_WALK_START;
    const struct subscription *s = topic_walk(&topics, 0, &cursor);
    assert_non_null(s);
    assert_int_equal(s->class, 9);
    assert_true(subscription_wants(s, 4096));
    assert_false(subscription_wants(s, 4080));
    world.session[5].generation++;
    subscribe(0, 5, 4, 8192);
    cursor = TOPIC_WALK_START;
    s = topic_walk(&topics, 0, &cursor);
    assert_false(subscription_wants(s, 4096));
    assert_int_equal(world.topic[0].count, 1);
}

/* References compare for 32 GiB only; a subscription lasts longer. */
static void subscriber_of_old_still_wants_what_comes_after_64_gib(void **state)
{
    struct subscription s = {.session = 1};
    for (uint64_t start = 16; start < 1ull << 47; start = start * 3 / 16 * 16 + 16) {
        subscription_start(&s, start);
        for (uint64_t gib = 0; gib < 300; gib += 7)
            assert_true(subscription_wants(&s, start + (gib << 30)));
        assert_false(subscription_wants(&s, start - 16));
    }
}

/* All sessions of a large topic are gone at once: the walk that finds out must not fill the undo log, which
 * ends the worker. */
static void dead_topic_is_cleared_up_within_the_undo_log(void **state)
{
    begin();
    for (uint32_t i = 0; i < SESSIONS; i++) {
        assert_true(subscribe(0, i, 1, 16));
        room();
    }
    commit();
    for (uint32_t i = 0; i < SESSIONS - 1; i++)
        world.session[i].generation++;
    for (unsigned n = 0; n < 10; n++) {
        struct topic_cursor cursor = TOPIC_WALK_START;
        const struct subscription *s = topic_walk(&topics, 0, &cursor);
        assert_non_null(s);
        assert_int_equal(s->session, SESSIONS - 1);
        assert_null(topic_walk(&topics, 0, &cursor));
        assert_true(txn_room(&txn) >= TOPIC_CLEAR_ROOM - 2048);
        commit();
    }
    assert_int_equal(world.topic[0].count, 1);
    assert_true(world.topic[0].chunks <= 2);
    compare();
    compare_index();
}

static void clearing_a_large_topic_costs_the_undo_log_next_to_nothing(void **state)
{
    begin();
    for (uint32_t i = 0; i < SESSIONS; i++) {
        assert_true(subscribe(0, i, 1, 16));
        room();
    }
    commit();
    clear(0);
    assert_true(UNDO - txn_room(&txn) < 256);
    assert_int_equal(txn_recover(&txn), TXN_OPEN);
    for (uint32_t i = 0; i < SESSIONS; i++)
        want[0][i].there = true;
    compare();
    topics_detach(&topics);
    assert_true(topics_attach(&topics));
    txn_begin(&txn);
    clear(0);
    commit();
    assert_int_equal(world.chunks.pool.used, 0);
    assert_int_equal(pool_free(&world.chunks.pool, &txn), CHUNKS);
    for (uint32_t i = 0; i < SESSIONS; i++) { /* every chunk can be had again */
        assert_true(subscribe(1, i, 1, 16));
        room();
    }
    compare();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(subscriber_of_old_still_wants_what_comes_after_64_gib),
        cmocka_unit_test_teardown(subscription_is_refused_when_no_chunk_is_left_and_nothing_changes, end),
        cmocka_unit_test_teardown(class_changes_in_place_and_the_start_stays, end),
        cmocka_unit_test_teardown(dead_topic_is_cleared_up_within_the_undo_log, end),
        cmocka_unit_test_teardown(clearing_a_large_topic_costs_the_undo_log_next_to_nothing, end),
        cmocka_unit_test_teardown(any_run_of_changes_and_walks_visits_each_once, end),
        cmocka_unit_test_teardown(undone_changes_leave_the_topics_as_they_were, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
