/*
 * Queues of references against lists of positions: any run of pushes, records, acknowledgements, losses of
 * connection, resumes and ends, in transactions of which some are undone. After every step the queue is what
 * the list says, and the pins are a recount.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/fanout/queue.h"
#include "tests/unit/include/random.h"

#define SESSIONS   6u
#define CHUNKS     14u
#define SEGMENTS   8u
#define UNSENT_MAX 40u
#define KEEP_MAX   70u
#define NUMBERS    4096u
#define UNDO       (64u << 10)

/* What a session is in the mind of the test. Numbers as in session.h. */
struct wanted {
    bool connected;
    uint32_t first, acked, sent, last, heard, bytes;
    uint64_t position[NUMBERS]; /* by number */
};

static struct {
    struct event_log log;
    struct {
        struct txn_log log;
        uint8_t undo[UNDO];
    } txn;
    struct {
        struct pool pool;
        struct session_chunk at[CHUNKS];
    } chunks;
    struct session session[SESSIONS];
    uint32_t pins[SEGMENTS];
} world;

static struct txn txn;
static struct queue_env env;
static uint32_t let_go[SEGMENTS];
static struct wanted want[SESSIONS], want_before[SESSIONS];

static void begin(bool deferred)
{
    memset(&world, 0, sizeof world);
    memset(want, 0, sizeof want);
    memset(let_go, 0, sizeof let_go);
    world.log.segments = SEGMENTS;
    world.log.head = world.log.oldest = EVENT_SEGMENT_BYTES;
    world.txn.log.undo_size = UNDO;
    pool_init(&world.chunks.pool, world.chunks.at, sizeof(struct session_chunk), CHUNKS);
    txn_attach(&txn, &world, &world.txn.log);
    env = (struct queue_env){.txn = &txn,
                             .chunks = &world.chunks.pool,
                             .log = &world.log,
                             .pins = world.pins,
                             .unsent_max = UNSENT_MAX,
                             .keep_max = KEEP_MAX,
                             .let_go = deferred ? let_go : NULL};
    txn_begin(&txn);
    for (unsigned i = 0; i < SESSIONS; i++) {
        want[i] = (struct wanted){.first = 1};
        world.session[i].connection = UINT32_MAX;
        queue_start(&env, &world.session[i]);
    }
}

static void commit(void)
{
    txn_commit(&txn);
    txn_publish(&txn);
    queue_settle(&env);
    txn_begin(&txn);
}

/* ---- the comparison ---- */

static void count_pins(uint32_t pins[SEGMENTS], const struct wanted *all)
{
    memset(pins, 0, SEGMENTS * sizeof *pins);
    for (unsigned i = 0; i < SESSIONS; i++)
        for (uint32_t n = all[i].acked + 1; all[i].connected && n <= all[i].last; n++)
            pins[all[i].position[n] / EVENT_SEGMENT_BYTES % SEGMENTS]++;
}

static void compare_session(const struct session *s, const struct wanted *w)
{
    uint32_t ref;
    queue_check(&env, s);
    assert_int_equal(s->seq_first, w->first);
    assert_int_equal(s->seq_acked, w->acked);
    assert_int_equal(s->seq_sent, w->sent);
    assert_int_equal(s->seq_last, w->last);
    assert_int_equal(s->sent_bytes, w->bytes);
    assert_int_equal(queue_unsent(s), w->last - w->sent);
    assert_int_equal(queue_next(&env, s, &ref), w->last > w->sent);
    if (w->last > w->sent)
        assert_int_equal(ref, event_ref(w->position[w->sent + 1]));
    assert_int_equal(queue_oldest_pinned(&env, s, &ref), w->connected && w->last > w->acked);
    if (w->connected && w->last > w->acked)
        assert_int_equal(ref, event_ref(w->position[w->acked + 1]));
    uint32_t chunk = s->head_chunk, at = s->head_at;
    for (uint32_t n = w->first; n <= w->last; n++) {
        const struct session_chunk *c = pool_at(&world.chunks.pool, chunk);
        assert_int_equal(c->ref[at], event_ref(w->position[n]));
        if (++at == SESSION_CHUNK_REFS) {
            chunk = c->next;
            at = 0;
        }
    }
}

static void compare(void)
{
    uint32_t pins[SEGMENTS], chunks = 0, recount[SEGMENTS] = {0};
    struct queue_env counting = env;
    counting.pins = recount;
    for (unsigned i = 0; i < SESSIONS; i++) {
        compare_session(&world.session[i], &want[i]);
        queue_recount(&counting, &world.session[i]);
        chunks += world.session[i].chunks;
    }
    assert_int_equal(chunks, world.chunks.pool.used);
    count_pins(pins, want);
    for (unsigned i = 0; i < SEGMENTS; i++) {
        assert_int_equal(recount[i], pins[i]);
        assert_int_equal(world.pins[i] - let_go[i], pins[i]);
    }
}

/* ---- the steps ---- */

static uint64_t new_event(uint64_t *seed)
{
    uint64_t position = world.log.head;
    world.log.head += 64 + 16 * random_below(seed, 2000);
    if (world.log.head > world.log.oldest + 6ull * EVENT_SEGMENT_BYTES)
        world.log.oldest += EVENT_SEGMENT_BYTES;
    return position;
}

static void drop_first(struct wanted *w, uint32_t n)
{
    w->first += n;
    if (w->acked + 1 < w->first)
        w->acked = w->first - 1;
    if (w->sent < w->acked)
        w->sent = w->acked;
}

static void step_push(unsigned i, uint64_t *seed)
{
    struct wanted *w = &want[i];
    uint64_t position = new_event(seed);
    uint32_t kept = (w->connected ? w->acked : w->last) + 1 - w->first;
    bool slow = w->connected && w->last - w->sent >= UNSENT_MAX;
    enum queue_result r = queue_push(&env, &world.session[i], position);
    assert_int_equal(r == QUEUE_SLOW, slow);
    if (slow)
        return;
    if (w->last + 1 - w->first >= KEEP_MAX && kept)
        drop_first(w, 1);
    uint32_t own = world.session[i].seq_first - w->first;
    if (r == QUEUE_OK && own) { /* it gave its own oldest chunk */
        assert_int_equal(pool_free(&world.chunks.pool, &txn), 0);
        assert_true(own <= SESSION_CHUNK_REFS && own <= (w->connected ? w->acked : w->last) + 1 - w->first);
        drop_first(w, own);
    }
    if (r == QUEUE_NO_CHUNK) {
        assert_int_equal(pool_free(&world.chunks.pool, &txn), 0);
        return;
    }
    w->position[++w->last] = position;
}

static void step_describe(unsigned i, uint64_t *seed)
{
    struct wanted *w = &want[i];
    uint32_t bytes = 1 + random_below(seed, 100);
    bool whole = random_below(seed, 3);
    if (!w->connected || w->sent == w->last)
        return;
    queue_described(&env, &world.session[i], bytes, whole);
    w->bytes = whole ? 0 : w->bytes + bytes;
    w->sent += whole;
}

static void step_acked(unsigned i, uint64_t *seed)
{
    struct wanted *w = &want[i];
    uint32_t seq = w->acked + random_below(seed, 20) - 5;
    if (!w->connected)
        return;
    queue_acked(&env, &world.session[i], seq);
    if (seq > w->acked && seq <= w->sent && seq < NUMBERS)
        w->acked = seq;
}

static void step_heard(unsigned i, uint64_t *seed)
{
    struct wanted *w = &want[i];
    uint32_t seq = w->sent + 2 - random_below(seed, 30);
    if (seq > NUMBERS)
        seq = 0;
    assert_int_equal(queue_heard(&env, &world.session[i], seq), seq <= w->sent);
    if (seq > w->sent || seq <= w->heard)
        return;
    w->heard = seq;
    uint32_t known = seq < w->acked ? seq : w->acked;
    if (known > SESSION_KEEP && known - SESSION_KEEP + 1 > w->first)
        drop_first(w, known - SESSION_KEEP + 1 - w->first);
}

static void step_away(unsigned i, uint64_t *seed)
{
    if (!want[i].connected)
        return;
    queue_away(&env, &world.session[i]);
    want[i].connected = false;
    want[i].bytes = 0;
}

static void step_resume(unsigned i, uint64_t *seed)
{
    struct wanted *w = &want[i];
    if (w->connected)
        return;
    uint32_t seq = w->first + random_below(seed, w->last - w->first + 6) - 3;
    bool held = seq + 1 >= w->first && seq <= w->last;
    if (held && seq < w->last && w->position[seq + 1] < world.log.oldest)
        held = false;
    assert_int_equal(queue_resume(&env, &world.session[i], seq), held);
    if (!held)
        return;
    world.session[i].connection = i;
    w->connected = true;
    w->sent = w->acked = seq;
    w->bytes = 0;
}

static void step_end(unsigned i, uint64_t *seed)
{
    if (random_below(seed, 12) && want[i].last < NUMBERS - 100)
        return;
    queue_end(&env, &world.session[i]);
    assert_int_equal(world.session[i].chunks, 0);
    want[i] = (struct wanted){.first = 1, .connected = random_below(seed, 2)};
    queue_start(&env, &world.session[i]);
    world.session[i].connection = want[i].connected ? i : UINT32_MAX;
}

static void random_step(uint64_t *seed)
{
    static void (*const step[])(unsigned, uint64_t *) = {
        step_push,  step_push,  step_push,  step_push, step_describe, step_describe, step_describe,
        step_acked, step_acked, step_heard, step_away, step_resume,   step_resume,   step_end};
    unsigned i = random_below(seed, SESSIONS);
    unsigned which = random_below(seed, sizeof step / sizeof *step);
    for (unsigned n = 1 + (which < 9 ? random_below(seed, 12) : 0); n; n--) {
        step[which](i, seed);
        compare();
    }
}

static void any_run_of_steps_leaves_what_the_list_says(void **state)
{
    uint64_t seed = 21;
    begin(false);
    for (unsigned n = 0; n < 40000; n++) {
        random_step(&seed);
        if (txn_room(&txn) < UNDO / 2 || random_below(&seed, 3) == 0)
            commit();
    }
    assert_true(world.chunks.pool.used_max == CHUNKS && world.chunks.pool.refused > 0);
    assert_true(world.log.head > 1000ull * EVENT_SEGMENT_BYTES);
}

/* The worker dies in every second transaction. Pins are too high or right at every moment, and right after a
 * recount. */
static void undone_transactions_leave_the_queues_as_they_were(void **state)
{
    uint64_t seed = 22;
    unsigned undone = 0;
    begin(true);
    commit();
    for (unsigned n = 0; n < 15000; n++) {
        uint32_t pins[SEGMENTS];
        memcpy(want_before, want, sizeof want);
        count_pins(pins, want);
        for (unsigned k = random_below(&seed, 6); k && txn_room(&txn) > UNDO / 2; k--) {
            random_step(&seed);
            for (unsigned i = 0; i < SEGMENTS; i++)
                assert_true(world.pins[i] >= pins[i]); /* what an undo brings back is pinned all the while */
        }
        if (random_below(&seed, 2)) {
            commit();
            compare();
            continue;
        }
        assert_int_equal(txn_recover(&txn), TXN_OPEN);
        undone++;
        memcpy(want, want_before, sizeof want);
        memset(let_go, 0, sizeof let_go);
        for (unsigned i = 0; i < SEGMENTS; i++)
            assert_true(world.pins[i] >= pins[i]);
        memset(world.pins, 0, sizeof world.pins);
        env.let_go_from = env.let_go_to = 0;
        for (unsigned i = 0; i < SESSIONS; i++)
            queue_recount(&env, &world.session[i]);
        compare();
        txn_begin(&txn);
    }
    assert_true(undone > 5000);
}

static void an_acknowledgement_in_order_lets_go_by_its_reference_any_other_by_its_number(void **state)
{
    begin(true);
    struct session *s = &world.session[0];
    uint64_t at[4];
    s->connection = 0;
    for (unsigned i = 0; i < 4; i++) {
        at[i] = i < 2 ? 64 * i : EVENT_SEGMENT_BYTES + 64 * i;
        assert_int_equal(queue_push(&env, s, at[i]), QUEUE_OK);
        queue_described(&env, s, 10, i < 3);
    }
    queue_acked_ref(&env, s, 1, event_ref(at[0]));
    commit();
    assert_int_equal(world.pins[0], 1);
    assert_int_equal(world.pins[1], 2);
    queue_acked_ref(&env, s, 1, event_ref(at[0])); /* again: of an earlier connection */
    queue_acked_ref(&env, s, 4, event_ref(at[3])); /* not described yet */
    commit();
    assert_int_equal(world.pins[0] + world.pins[1], 3);
    queue_acked_ref(&env, s, 3, event_ref(at[2])); /* one is passed over: both go */
    commit();
    assert_int_equal(world.pins[0], 0);
    assert_int_equal(world.pins[1], 1);
    assert_int_equal(s->seq_acked, 3);
    queue_check(&env, s);
}

static void let_go_pins_fall_only_when_the_transaction_stands(void **state)
{
    begin(true);
    struct session *s = &world.session[0];
    s->connection = 0;
    for (unsigned i = 0; i < 3; i++)
        assert_int_equal(queue_push(&env, s, EVENT_SEGMENT_BYTES + 64 * i), QUEUE_OK);
    assert_int_equal(world.pins[1], 3);
    for (unsigned i = 0; i < 3; i++)
        queue_described(&env, s, 10, true);
    commit();
    queue_acked(&env, s, 2);
    assert_int_equal(world.pins[1], 3);
    commit();
    assert_int_equal(world.pins[1], 1);
    queue_away(&env, s);
    assert_int_equal(world.pins[1], 1);
    commit();
    assert_int_equal(world.pins[1], 0);
}

/* A long queue whose connection goes costs the undo log its session, not each of its references. */
static void many_pins_cost_the_undo_log_nothing(void **state)
{
    begin(true);
    struct session *s = &world.session[0];
    s->connection = 0;
    for (unsigned i = 0; i < UNSENT_MAX; i++)
        assert_int_equal(queue_push(&env, s, EVENT_SEGMENT_BYTES + 64 * i), QUEUE_OK);
    commit();
    queue_away(&env, s);
    assert_true(queue_resume(&env, s, 0));
    assert_true(UNDO - txn_room(&txn) <= sizeof *s + 16);
}

static void slow_reader_is_named_and_an_absent_one_forgets_its_oldest(void **state)
{
    begin(false);
    struct session *s = &world.session[0];
    s->connection = 0;
    for (unsigned i = 0; i < UNSENT_MAX; i++)
        assert_int_equal(queue_push(&env, s, EVENT_SEGMENT_BYTES), QUEUE_OK);
    assert_int_equal(queue_push(&env, s, EVENT_SEGMENT_BYTES), QUEUE_SLOW);
    assert_int_equal(s->seq_last, UNSENT_MAX);
    queue_away(&env, s);
    for (unsigned i = 0; i < 3 * KEEP_MAX; i++) {
        assert_int_equal(queue_push(&env, s, EVENT_SEGMENT_BYTES), QUEUE_OK);
        commit();
    }
    assert_int_equal(s->seq_last - s->seq_first + 1, KEEP_MAX);
    assert_false(queue_resume(&env, s, s->seq_first - 2));
    assert_true(queue_resume(&env, s, s->seq_first - 1));
    assert_int_equal(world.pins[1], KEEP_MAX);
}

static void resume_from_before_the_oldest_segment_is_refused_and_pins_nothing(void **state)
{
    begin(false);
    struct session *s = &world.session[0];
    for (uint64_t i = 0; i < 4; i++)
        assert_int_equal(queue_push(&env, s, (i + 1) * EVENT_SEGMENT_BYTES), QUEUE_OK);
    world.log.head = 5ull * EVENT_SEGMENT_BYTES;
    world.log.oldest = 3ull * EVENT_SEGMENT_BYTES;
    assert_false(queue_resume(&env, s, 0));
    assert_false(queue_resume(&env, s, 1));
    for (unsigned i = 0; i < SEGMENTS; i++)
        assert_int_equal(world.pins[i], 0);
    assert_true(queue_resume(&env, s, 2));
    assert_int_equal(world.pins[3] + world.pins[4], 2);
}

/* The ring's tail stood before the log's head did: the event is ahead of the head that the worker sees. */
static void event_ahead_of_the_head_pins_its_own_segment(void **state)
{
    begin(false);
    struct session *s = &world.session[0];
    s->connection = 0;
    assert_int_equal(queue_push(&env, s, 2ull * EVENT_SEGMENT_BYTES + 32), QUEUE_OK);
    assert_int_equal(world.pins[2], 1);
    world.log.head = 2ull * EVENT_SEGMENT_BYTES + 96;
    queue_away(&env, s);
    assert_int_equal(world.pins[2], 0);
}

/* Whoever acknowledges by TCP, but whose heartbeats are late, must not lose its session when chunks are short. */
static void session_without_a_free_chunk_gives_up_its_oldest_acknowledged_ones(void **state)
{
    begin(false);
    struct session *s = &world.session[0], *other = &world.session[1];
    uint64_t seed = 7;
    s->connection = 0;
    other->connection = 1;
    for (uint32_t k = 0; k < 3 * SESSION_CHUNK_REFS; k++) {
        assert_int_equal(queue_push(&env, s, new_event(&seed)), QUEUE_OK);
        queue_described(&env, s, 10, true);
    }
    queue_acked(&env, s, 2 * SESSION_CHUNK_REFS);
    while (pool_get(&world.chunks.pool, &txn) != POOL_NONE)
        ;
    for (uint32_t k = 0; k < 2 * SESSION_CHUNK_REFS; k++)
        assert_int_equal(queue_push(&env, s, new_event(&seed)), QUEUE_OK);
    assert_int_equal(s->seq_first, 2 * SESSION_CHUNK_REFS + 1);
    assert_int_equal(s->chunks, 3);
    queue_check(&env, s);
    assert_int_equal(queue_push(&env, s, new_event(&seed)), QUEUE_NO_CHUNK); /* the rest is not acknowledged */
    assert_int_equal(queue_push(&env, other, new_event(&seed)), QUEUE_NO_CHUNK); /* it has none to give */
    queue_check(&env, s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(session_without_a_free_chunk_gives_up_its_oldest_acknowledged_ones),
        cmocka_unit_test(slow_reader_is_named_and_an_absent_one_forgets_its_oldest),
        cmocka_unit_test(resume_from_before_the_oldest_segment_is_refused_and_pins_nothing),
        cmocka_unit_test(event_ahead_of_the_head_pins_its_own_segment),
        cmocka_unit_test(an_acknowledgement_in_order_lets_go_by_its_reference_any_other_by_its_number),
        cmocka_unit_test(let_go_pins_fall_only_when_the_transaction_stands),
        cmocka_unit_test(many_pins_cost_the_undo_log_nothing),
        cmocka_unit_test(any_run_of_steps_leaves_what_the_list_says),
        cmocka_unit_test(undone_transactions_leave_the_queues_as_they_were),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
