/*
 * What two processes share, as two threads on one mapping, so that ThreadSanitizer sees every access: the
 * rings, and the event log, whose writer reuses segments while a reader pins, lets go, goes away and resumes.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdlib.h>

#include "dataplane/base/spsc.h"
#include "dataplane/fanout/queue.h"
#include "ring.h"
#include "tests/unit/include/random.h"
#include "tests/unit/include/transfer.h"
#include "tests/unit/include/wait.h"

/* ---- the ring ---- */

static struct transfer transfer;

static void *produce(void *unused)
{
    transfer_produce(&transfer, 5);
    return NULL;
}

static void ring_between_two_threads_loses_and_tears_nothing(void **state)
{
    pthread_t producer;
    transfer_format(&transfer, 60000);
    assert_int_equal(pthread_create(&producer, NULL, produce, NULL), 0);
    transfer_consume(&transfer, 6);
    pthread_join(producer, NULL);
    assert_int_equal(transfer.consumer.wrong, 0);
    assert_int_equal(transfer.consumer.done, 60000);
    assert_true(transfer.ring.ring.tail > 100ull * TRANSFER_RING);
}

/* ---- spsc ---- */

struct element {
    uint64_t number, copy[4];
};

static struct spsc spsc;

static void *push_all(void *count)
{
    struct element e;
    for (e.number = 0; e.number < *(const uint64_t *)count; e.number++) {
        for (unsigned i = 0; i < 4; i++)
            e.copy[i] = e.number * (i + 3);
        while (!spsc_push(&spsc, &e))
            wait_turn();
    }
    return NULL;
}

static void spsc_between_two_threads_keeps_order_and_content(void **state)
{
    uint64_t total = 20000;
    pthread_t producer;
    struct element e;
    assert_true(spsc_init(&spsc, 8, sizeof e));
    atomic_store(&spsc.head, UINT32_MAX - 1000); /* the counters wrap on the way */
    atomic_store(&spsc.tail, UINT32_MAX - 1000);
    assert_int_equal(pthread_create(&producer, NULL, push_all, &total), 0);
    for (uint64_t n = 0; n < total; n++) {
        while (!spsc_pop(&spsc, &e))
            wait_turn();
        assert_int_equal(e.number, n);
        for (unsigned i = 0; i < 4; i++)
            assert_int_equal(e.copy[i], n * (i + 3));
    }
    pthread_join(producer, NULL);
    assert_false(spsc_pop(&spsc, &e));
    spsc_free(&spsc);
}

static void spsc_takes_as_many_as_it_has_slots(void **state)
{
    uint32_t v;
    assert_true(spsc_init(&spsc, 4, sizeof v));
    for (uint32_t round = 0; round < 10; round++) {
        for (v = 0; v < 4; v++)
            assert_true(spsc_push(&spsc, &v));
        assert_false(spsc_push(&spsc, &v));
        for (uint32_t i = 0; i < 4; i++) {
            assert_true(spsc_pop(&spsc, &v));
            assert_int_equal(v, i);
        }
        assert_false(spsc_pop(&spsc, &v));
    }
    spsc_free(&spsc);
}

/* ---- the event log ---- */

#define SEGMENTS 4u
#define EVENTS   20000u
#define RING     (16u << 10)
#define CHUNKS   64u
#define UNDO     (64u << 10)

static struct shared {
    struct event_log log;
    uint8_t segments[SEGMENTS][EVENT_SEGMENT_BYTES];
    struct {
        struct ring ring;
        uint8_t data[RING];
    } ring;
    struct {
        struct txn_log log;
        uint8_t undo[UNDO];
    } txn[2];
    uint32_t pins[SEGMENTS];
    struct {
        struct pool pool;
        struct session_chunk at[CHUNKS];
    } chunks;
    struct session session;
} shared;

static struct {
    struct txn txn;
    struct ring_end ring;
    uint64_t cursor, fence[SEGMENTS]; /* ring position behind what names a segment's events */
    uint64_t waited;
} writer;

/* Makes the segment of `position` free for writing: the reader has taken what names it, and does not pin it.
 */
static void free_segment(uint64_t position)
{
    uint64_t gone = position / EVENT_SEGMENT_BYTES - SEGMENTS;
    if (position / EVENT_SEGMENT_BYTES < SEGMENTS)
        return;
    while (atomic_load_explicit(&shared.ring.ring.head, memory_order_acquire) < writer.fence[gone % SEGMENTS])
        wait_turn();
    atomic_store_explicit(&shared.log.oldest, (gone + 1) * EVENT_SEGMENT_BYTES, memory_order_release);
    event_log_fence();
    while (__atomic_load_n(&shared.pins[gone % SEGMENTS], __ATOMIC_ACQUIRE)) {
        writer.waited++;
        wait_turn();
    }
}

static void write_event(uint64_t *seed)
{
    uint32_t words = 8 + random_below(seed, 4000);
    uint64_t bytes = (sizeof(struct event) + 8ull * words + 15) & ~15ull;
    uint64_t left = EVENT_SEGMENT_BYTES - writer.cursor % EVENT_SEGMENT_BYTES;
    if (left < bytes) {
        writer.fence[writer.cursor / EVENT_SEGMENT_BYTES % SEGMENTS] = writer.ring.cursor;
        writer.cursor += left;
        free_segment(writer.cursor);
    }
    struct event *e = event_at(&shared.log, writer.cursor);
    *e = (struct event){
        .length = (uint32_t)bytes, .position = writer.cursor, .variant = {{sizeof *e, 8 * words}}};
    uint64_t *text = (uint64_t *)(void *)(e + 1);
    for (uint32_t i = 0; i < words; i++)
        text[i] = writer.cursor;
    for (struct ring_entry *n = NULL; !n; wait_turn()) {
        txn_begin(&writer.txn);
        n = ring_reserve(&writer.ring, &writer.txn, 1,
                         8); /* its tail is stored before the log's head: as bad as it gets */
        if (n) {
            memcpy(n->payload, &writer.cursor, 8);
            txn_intend(&writer.txn, &shared.log.head, writer.cursor + bytes);
        }
        txn_commit(&writer.txn);
        txn_publish(&writer.txn);
    }
    writer.cursor += bytes;
}

static void *write_all(void *unused)
{
    uint64_t seed = 41;
    for (unsigned n = 0; n < EVENTS; n++)
        write_event(&seed);
    return NULL;
}

static struct {
    struct txn txn;
    struct ring_end ring;
    struct queue_env env;
    uint32_t let_go[SEGMENTS];
    uint64_t looked_at, resumed, refused;
} reader;

/* Everything that pins is there, whole. */
static void look(void)
{
    const struct session *s = &shared.session;
    uint32_t chunk = s->head_chunk, at = s->head_at;
    for (uint32_t n = s->seq_first; n <= s->seq_last; n++) {
        const struct session_chunk *c = pool_at(&shared.chunks.pool, chunk);
        if (n > s->seq_acked) {
            uint64_t position = event_position(atomic_load(&shared.log.head), c->ref[at]);
            const struct event *e = event_at(&shared.log, position);
            const uint64_t *text = (const uint64_t *)(const void *)(e + 1);
            assert_true(e->position == position);
            assert_true(text[0] == position && text[e->variant[0].length / 8 - 1] == position);
            reader.looked_at++;
        }
        if (++at == SESSION_CHUNK_REFS) {
            chunk = c->next;
            at = 0;
        }
    }
}

static void start_anew(void)
{
    queue_end(&reader.env, &shared.session);
    queue_start(&reader.env, &shared.session);
    shared.session.connection = 0;
}

static void some_step(uint64_t *seed)
{
    struct session *s = &shared.session;
    uint32_t dice = random_below(seed, 20);
    if (s->connection == UINT32_MAX) {
        if (dice < 3 && queue_resume(&reader.env, s,
                                     s->seq_first - 1 + random_below(seed, s->seq_last + 2 - s->seq_first))) {
            s->connection = 0;
            reader.resumed++;
            look();
        } else if (dice < 3) {
            reader.refused++;
            if (dice == 0)
                start_anew();
        }
        return;
    }
    while (queue_unsent(s) && random_below(seed, 8))
        queue_described(&reader.env, s, 1, true);
    if (dice < 12)
        queue_acked(&reader.env, s, s->seq_acked + random_below(seed, s->seq_sent - s->seq_acked + 1));
    if (dice == 13)
        look();
    if (dice == 14)
        queue_heard(&reader.env, s, s->seq_acked);
    if (dice == 15)
        queue_away(&reader.env, s);
}

static void take_event(struct ring_entry *n)
{
    uint64_t position;
    memcpy(&position, n->payload, 8);
    if (queue_push(&reader.env, &shared.session, position) != QUEUE_OK)
        start_anew(); /* a slow reader loses what it had */
    ring_done(&reader.ring, &reader.txn, n);
}

static void begin_log(void)
{
    memset(&shared, 0, sizeof shared);
    shared.log.segments = SEGMENTS;
    shared.log.head = shared.log.oldest = EVENT_SEGMENT_BYTES;
    ring_init(&shared.ring.ring, RING);
    shared.txn[0].log.undo_size = shared.txn[1].log.undo_size = UNDO;
    pool_init(&shared.chunks.pool, shared.chunks.at, sizeof(struct session_chunk), CHUNKS);
    txn_attach(&writer.txn, &shared, &shared.txn[0].log);
    txn_attach(&reader.txn, &shared, &shared.txn[1].log);
    ring_producer(&writer.ring, &shared.ring.ring);
    ring_consumer(&reader.ring, &shared.ring.ring);
    writer.cursor = EVENT_SEGMENT_BYTES;
    reader.env = (struct queue_env){.txn = &reader.txn,
                                    .chunks = &shared.chunks.pool,
                                    .log = &shared.log,
                                    .pins = shared.pins,
                                    .unsent_max = 50,
                                    .keep_max = 200,
                                    .let_go = reader.let_go};
    shared.session.connection = UINT32_MAX;
    txn_begin(&reader.txn);
    queue_start(&reader.env, &shared.session);
    txn_commit(&reader.txn);
    txn_publish(&reader.txn);
}

static void pinned_event_is_never_overwritten_and_a_resume_finds_all_or_is_refused(void **state)
{
    pthread_t thread;
    uint64_t seed = 42;
    begin_log();
    assert_int_equal(pthread_create(&thread, NULL, write_all, NULL), 0);
    for (unsigned taken = 0; taken < EVENTS;) {
        txn_begin(&reader.txn);
        struct ring_entry *n = ring_next(&reader.ring);
        if (n) {
            take_event(n);
            taken++;
        }
        some_step(&seed);
        txn_commit(&reader.txn);
        txn_publish(&reader.txn);
        queue_settle(&reader.env);
        if (!n)
            wait_turn();
    }
    pthread_join(thread, NULL);
    assert_int_equal(shared.log.head, writer.cursor);
    assert_true(writer.cursor > 50ull * SEGMENTS * EVENT_SEGMENT_BYTES);
    assert_true(reader.looked_at > 2000 && reader.resumed > 100);
    queue_check(&reader.env, &shared.session);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ring_between_two_threads_loses_and_tears_nothing),
        cmocka_unit_test(spsc_takes_as_many_as_it_has_slots),
        cmocka_unit_test(spsc_between_two_threads_keeps_order_and_content),
        cmocka_unit_test(pinned_event_is_never_overwritten_and_a_resume_finds_all_or_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
