/*
 * A process that uses transactions, pools, chains and rings is killed at every store into the region, in each
 * of a run of transactions, and then in every store of its recovery. What its next life finds is the state
 * before the transaction or the one after it, nothing between, and going on from there leads where the
 * undisturbed run led.
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

#include "region.h"
#include "tests/sim/store_trap.h"
#include "undo_scene.h"

#define STEPS 16u
#define AHEAD 2u /* transactions done after a kill, to see that the run goes on as it would have */
#define RECOVERY_EACH                                                                                        \
    31u /* of so many kills in an open transaction, one is followed by kills at every store of the recovery  \
         */
#define KILLS_MAX 4000u

static struct scene *scene;

struct picture {
    uint8_t *bytes;
    size_t size;
};

static struct scene *image[STEPS + AHEAD + 1];    /* the scene before each transaction */
static struct picture picture[STEPS + AHEAD + 1]; /* the same, as it should be found */
static struct picture
    picture_done[STEPS + AHEAD + 1]; /* after that transaction, before the peer's next turn */

static struct picture take_picture(void)
{
    struct picture p;
    const char *why;
    p.bytes = scene_picture(scene, &p.size, &why);
    if (!p.bytes)
        fail_msg("step %llu: %s", (unsigned long long)scene->state.step, why);
    return p;
}

static void expect_picture(const struct picture *want)
{
    struct picture p = take_picture();
    assert_int_equal(p.size, want->size);
    assert_memory_equal(p.bytes, want->bytes, p.size);
    free(p.bytes);
}

/* The undisturbed run, in one life. */
static void run_undisturbed(void)
{
    struct life life;
    scene_format(scene);
    life_begin(&life, scene);
    for (unsigned k = 0; k <= STEPS + AHEAD; k++) {
        assert_true(peer_turn(scene, k));
        picture[k] = take_picture();
        image[k] = malloc(sizeof *scene);
        memcpy(image[k], scene, sizeof *scene);
        life_step(&life);
        picture_done[k] = take_picture();
    }
}

/* The scene as each store of a child found it, number 1 first: as it would be left by a kill at that store.
 */
struct kills {
    uint64_t count;
    struct scene at[KILLS_MAX];
};
static struct kills *kills[2];
static struct kills *noting;

static void note_kill(uint64_t number)
{
    if (number > KILLS_MAX)
        abort();
    memcpy(&noting->at[number - 1], scene, sizeof *scene);
    noting->count = number;
}

/* A child does `what`, killed at its store number `fatal` (0: at none, and every kill there might have been
 * is noted). */
static void run_child(void (*what)(void), uint64_t fatal, struct kills *note)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        noting = note;
        store_trap_watch(note ? note_kill : NULL);
        store_trap_arm(scene, sizeof *scene, fatal);
        what();
        _exit(0);
    }
    int status;
    waitpid(pid, &status, 0);
    assert_true(fatal ? WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL
                      : WIFEXITED(status) && !WEXITSTATUS(status));
}

static void note_kills(void (*what)(void), struct kills *note)
{
    note->count = 0;
    run_child(what, 0, note);
    assert_true(note->count > 0);
}

static void one_transaction(void)
{
    struct life life;
    life_begin(&life, scene);
    life_step(&life);
}

static void recovery(void)
{
    struct life life;
    life_begin(&life, scene);
}

/* The next life: what it finds, and where it goes from there. `k`: the transaction that was under way. */
static void check_next_life(unsigned k, uint32_t phase)
{
    struct life life;
    uint32_t found = life_begin(&life, scene);
    assert_int_equal(found, phase);
    bool after = phase == TXN_COMMITTED || scene->state.step == k + 1;
    if (phase == TXN_OPEN)
        assert_int_equal(scene->state.step, k);
    expect_picture(after ? &picture_done[k] : &picture[k]);
    if (!after)
        life_step(&life);
    for (unsigned next = k + 1; next <= k + AHEAD; next++) {
        assert_true(peer_turn(scene, next));
        expect_picture(&picture[next]);
        life_step(&life);
    }
    expect_picture(&picture_done[k + AHEAD]);
}

static void transaction_killed_at_every_store_is_done_whole_or_not_at_all(void **state)
{
    unsigned found[3] = {0};
    for (unsigned k = 0; k < STEPS; k++) {
        memcpy(scene, image[k], sizeof *scene);
        note_kills(one_transaction, kills[0]);
        expect_picture(&picture_done[k]);
        for (uint64_t n = 0; n < kills[0]->count; n++) {
            memcpy(scene, &kills[0]->at[n], sizeof *scene);
            found[scene->own.log.phase]++;
            check_next_life(k, scene->own.log.phase);
        }
    }
    assert_true(found[TXN_IDLE] > STEPS && found[TXN_OPEN] > 30 * STEPS && found[TXN_COMMITTED] > 2 * STEPS);
}

static void killed_process_leaves_what_was_noted(void **state)
{
    for (unsigned k = 0; k < 8; k++) {
        memcpy(scene, image[k], sizeof *scene);
        note_kills(one_transaction, kills[0]);
        for (uint64_t n = 1 + k; n <= kills[0]->count; n += 41) {
            memcpy(scene, image[k], sizeof *scene);
            run_child(one_transaction, n, NULL);
            assert_memory_equal(scene, &kills[0]->at[n - 1], sizeof *scene);
        }
    }
}

static void recovery_killed_at_every_store_recovers_all_the_same(void **state)
{
    unsigned found[3] = {0};
    for (unsigned k = 0; k < STEPS; k++) {
        memcpy(scene, image[k], sizeof *scene);
        note_kills(one_transaction, kills[0]);
        for (uint64_t n = 0; n < kills[0]->count; n++) {
            uint32_t phase = kills[0]->at[n].own.log.phase;
            if (phase == TXN_IDLE || (phase == TXN_OPEN && n % RECOVERY_EACH != k % RECOVERY_EACH))
                continue;
            memcpy(scene, &kills[0]->at[n], sizeof *scene);
            note_kills(recovery, kills[1]);
            for (uint64_t m = 0; m < kills[1]->count; m++) {
                memcpy(scene, &kills[1]->at[m], sizeof *scene);
                assert_int_equal(scene->own.log.phase, phase);
                found[phase]++;
                check_next_life(k, phase);
            }
        }
    }
    assert_true(found[TXN_OPEN] > 500 && found[TXN_COMMITTED] > 2 * STEPS);
}

static void run_of_lives_that_end_after_each_transaction_has_every_effect_once(void **state)
{
    scene_format(scene);
    for (unsigned k = 0; k < 1000; k++) {
        struct life life;
        assert_true(peer_turn(scene, k));
        life_begin(&life, scene);
        uint64_t first = scene->peer_sent > SCENE_IDS / 2 ? scene->peer_sent - SCENE_IDS / 2 : 0;
        for (uint64_t id = first; id < scene->peer_sent; id++)
            assert_true(scene->state.effects[id % SCENE_IDS] <= 1 + id / SCENE_IDS);
        life_step(&life);
        free(take_picture().bytes);
    }
    assert_true(scene->peer_heard > 1000 && scene->peer_sent > 1000);
    /* Everything that is behind the head had its effect, once per use of its place in the table. */
    uint64_t open = 0;
    for (uint64_t at = scene->in.ring.head; at != scene->in.ring.tail;) {
        const struct ring_entry *e = (const void *)(scene->in.data + at % SCENE_RING);
        open += e->type && !e->done;
        at += ring_entry_bytes(e->length);
    }
    uint64_t total = 0;
    for (unsigned i = 0; i < SCENE_IDS; i++)
        total += scene->state.effects[i];
    assert_int_equal(total, scene->peer_sent - open);
}

/* An object with a stamp passes from one writer to another whose transactions are as many. */
static void handed_over_object_is_saved_by_its_new_writer(void **state)
{
    static const struct region_geometry geometry = {.workers = 2,
                                                    .connections = 1,
                                                    .blocks = 1,
                                                    .descriptors = 1,
                                                    .items = 1,
                                                    .chunks = 1,
                                                    .topic_chunks = 1,
                                                    .rooms = 1,
                                                    .members = 1,
                                                    .sessions = 1,
                                                    .topics = 1,
                                                    .control_blocks = 1,
                                                    .log_segments = 2,
                                                    .ring_bytes = 1u << 20,
                                                    .capture_bytes = 1u << 16,
                                                    .undo_bytes = 64u << 10};
    struct region r;
    uint8_t boot_id[16] = {1};
    size_t size = region_bytes(&geometry);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    region_format(&r, memory, &geometry, boot_id);
    struct session *s = session_at(&r, 0);
    struct txn t[2];
    for (unsigned w = 0; w < 2; w++) {
        txn_attach(&t[w], r.base, region_part(&r, w, PART_TXN));
        txn_begin(&t[w]);
        txn_touch(&t[w], s, sizeof *s, &s->stamp);
        s->user_id = 10 + w;
        if (w == 0) {
            txn_commit(&t[w]);
            txn_publish(&t[w]);
        }
    }
    assert_int_equal(s->user_id, 11);
    assert_int_equal(txn_recover(&t[1]), TXN_OPEN);
    assert_int_equal(s->user_id, 10);
    munmap(memory, size);
}

static void last_intent_for_a_word_wins_and_none_shows_before_the_commit(void **state)
{
    scene_format(scene);
    struct txn t;
    txn_attach(&t, scene, &scene->own.log);
    txn_begin(&t);
    txn_intend(&t, &scene->log_head, 16);
    txn_intend(&t, &scene->in.ring.tail, 32);
    txn_intend(&t, &scene->log_head, 48);
    assert_int_equal(scene->own.log.intent_count, 2);
    txn_commit(&t);
    assert_int_equal(scene->log_head, 0);
    assert_int_equal(txn_recover(&t), TXN_COMMITTED);
    assert_int_equal(scene->log_head, 48);
    assert_int_equal(scene->in.ring.tail, 32);
    assert_int_equal(scene->own.log.republished, 1);
    assert_int_equal(txn_recover(&t), TXN_IDLE);
}

static void without_a_transaction_everything_takes_place_at_once(void **state)
{
    scene_format(scene);
    struct ring_end out, in;
    ring_producer(&out, &scene->out.ring);
    ring_consumer(&in, &scene->out.ring);
    assert_non_null(ring_reserve(&out, NULL, 7, 20));
    struct ring_entry *e = ring_next(&in);
    assert_non_null(e);
    ring_done(&in, NULL, e);
    assert_int_equal(scene->out.ring.head, scene->out.ring.tail);
    uint32_t a = pool_get(&scene->elements.pool, NULL);
    pool_put(&scene->elements.pool, NULL, a);
    assert_int_equal(pool_get(&scene->elements.pool, NULL), a);
}

static void element_put_is_not_handed_out_in_the_same_transaction(void **state)
{
    scene_format(scene);
    struct txn t;
    struct pool *p = &scene->elements.pool;
    txn_attach(&t, scene, &scene->own.log);
    txn_begin(&t);
    for (unsigned i = 0; i < SCENE_ELEMENTS; i++)
        assert_int_equal(pool_get(p, &t), i);
    txn_commit(&t);
    txn_publish(&t);
    txn_begin(&t);
    pool_put(p, &t, 3);
    pool_put(p, &t, 5);
    assert_int_equal(pool_free(p, &t), 0);
    assert_int_equal(pool_get(p, &t), POOL_NONE);
    txn_commit(&t);
    txn_publish(&t);
    txn_begin(&t);
    assert_int_equal(pool_free(p, &t), 2);
    uint32_t a = pool_get(p, &t), b = pool_get(p, &t);
    assert_true((a == 3 && b == 5) || (a == 5 && b == 3));
    assert_int_equal(pool_get(p, &t), POOL_NONE);
    assert_int_equal(txn_recover(&t), TXN_OPEN);
    assert_int_equal(pool_free(p, &t), 2);
}

static void list_put_back_whole_costs_one_link_and_can_be_undone(void **state)
{
    scene_format(scene);
    struct txn t;
    struct pool *p = &scene->elements.pool;
    txn_attach(&t, scene, &scene->own.log);
    txn_begin(&t);
    for (uint32_t i = 0; i < SCENE_ELEMENTS; i++) {
        ((struct element *)pool_at(p, pool_get(p, &t)))->link = i + 1; /* 0 -> 1 -> … */
        scene->elements.at[i].filled = i;
    }
    txn_commit(&t);
    txn_publish(&t);
    static struct scene before;
    before = *scene;
    for (unsigned life = 0; life < 2; life++) {
        txn_begin(&t);
        uint32_t room = txn_room(&t);
        pool_put(p, &t, 11);
        pool_put_list(p, &t, 2, 9, 8);
        assert_true(room - txn_room(&t) < sizeof *p + 100);
        assert_int_equal(p->used, 3);
        if (life == 0) {
            txn_recover(&t);
            assert_memory_equal(scene->elements.at, before.elements.at, sizeof before.elements.at);
            assert_int_equal(p->used, SCENE_ELEMENTS);
        }
    }
    txn_commit(&t);
    txn_publish(&t);
    txn_begin(&t);
    bool got[SCENE_ELEMENTS] = {0};
    for (unsigned i = 0; i < 9; i++)
        got[pool_get(p, &t)] = true;
    for (uint32_t i = 0; i < SCENE_ELEMENTS; i++)
        assert_int_equal(got[i], (i >= 2 && i <= 9) || i == 11);
    assert_int_equal(pool_get(p, &t), POOL_NONE);
}

static int set_up(void **state)
{
    scene = mmap(NULL, sizeof *scene, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    for (unsigned i = 0; i < 2; i++)
        kills[i] = mmap(NULL, sizeof *kills[i], PROT_READ | PROT_WRITE,
                        MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (scene == MAP_FAILED || kills[0] == MAP_FAILED || kills[1] == MAP_FAILED)
        return -1;
    run_undisturbed();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(last_intent_for_a_word_wins_and_none_shows_before_the_commit),
        cmocka_unit_test(without_a_transaction_everything_takes_place_at_once),
        cmocka_unit_test(element_put_is_not_handed_out_in_the_same_transaction),
        cmocka_unit_test(list_put_back_whole_costs_one_link_and_can_be_undone),
        cmocka_unit_test(handed_over_object_is_saved_by_its_new_writer),
        cmocka_unit_test(run_of_lives_that_end_after_each_transaction_has_every_effect_once),
        cmocka_unit_test(transaction_killed_at_every_store_is_done_whole_or_not_at_all),
        cmocka_unit_test(killed_process_leaves_what_was_noted),
        cmocka_unit_test(recovery_killed_at_every_store_recovers_all_the_same),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
