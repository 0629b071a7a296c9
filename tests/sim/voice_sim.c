/*
 * The load generator against a whole worker, both in this process: whatever becomes scarce between the two,
 * every copy of every packet either comes or is counted as dropped under the one reason that fits, and the
 * generator's sum is exact. A box that is away from its CPU for longer than anybody would wait loses nothing.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "dataplane/worker.h"
#include "tests/load/voice.h"

#define RING      4096u
#define FRAME_MAX 256u
#define COPIES    4000u /* that a test speaks of at least */
#define AWAY_US   150e3

static const struct region_geometry geometry = {.workers = 1,
                                                .connections = 16,
                                                .blocks = 96,
                                                .descriptors = 128,
                                                .items = 64,
                                                .chunks = 16,
                                                .topic_chunks = 16,
                                                .rooms = 16,
                                                .members = 64,
                                                .sessions = 4,
                                                .topics = 4,
                                                .control_blocks = 4,
                                                .log_segments = 2,
                                                .ring_bytes = 1u << 20,
                                                .capture_bytes = 1u << 16,
                                                .undo_bytes = 256u << 10};

struct wire {
    struct {
        size_t length;
        uint8_t bytes[FRAME_MAX];
    } frame[RING];
    uint32_t head, tail;
    uint32_t refuses_each; /* so manieth frame; 0: none */
    uint32_t offered;
};

static struct sim {
    struct worker_config config;
    struct worker *worker;
    struct port_queue *box_port;
    struct box box;
    struct voice_load load;
    struct load_options options;
    struct wire in, out; /* as the box sees it */
    uint64_t away_until;
    bool goes_away; /* with the next packets that come */
} sim;

/* ---- the wire ---- */

static bool put(struct wire *w, const uint8_t *frame, size_t len)
{
    assert_true(len <= FRAME_MAX);
    bool refused = w->refuses_each && ++w->offered % w->refuses_each == 0;
    if (refused || w->head - w->tail == RING)
        return false;
    w->frame[w->head % RING].length = len;
    memcpy(w->frame[w->head++ % RING].bytes, frame, len);
    return true;
}

static size_t get(struct wire *w, uint8_t *frame)
{
    if (w->tail == w->head)
        return 0;
    size_t len = w->frame[w->tail % RING].length;
    memcpy(frame, w->frame[w->tail++ % RING].bytes, len);
    return len;
}

static size_t box_rx(void *user, uint8_t *frame, size_t room)
{
    return get(&sim.in, frame);
}

static bool box_tx(void *user, const uint8_t *frame, size_t len)
{
    return put(&sim.out, frame, len);
}

static bool load_tx(void *user, const uint8_t *frame, size_t len)
{
    return put(&sim.in, frame, len);
}

static uint64_t now_us(void)
{
    return (uint64_t)((double)__rdtsc() / load_ticks_per_us());
}

/* The box has its CPU while the generator looks for packets. */
static size_t load_rx(void *user, uint8_t *frame, size_t room)
{
    size_t len = get(&sim.out, frame);
    if (len)
        return len;
    if (sim.goes_away && sim.in.head != sim.in.tail) {
        sim.goes_away = false;
        sim.away_until = __rdtsc() + (uint64_t)(AWAY_US * load_ticks_per_us());
    }
    if (__rdtsc() >= sim.away_until)
        worker_step(sim.worker, now_us());
    return get(&sim.out, frame);
}

/* ---- the box ---- */

static void routes_are(bool there)
{
    static const uint8_t link[16] = {[10] = 0xff, [11] = 0xff, 198, 18},
                         clients[16] = {[10] = 0xff, [11] = 0xff, 198, 19};
    struct route_tables *routes = region_section(&sim.box.region, SECTION_ROUTES);
    struct route_hop on_link = {0}, routed = {0};
    unsigned half = 0;
    memcpy(routed.gateway, box_router, sizeof routed.gateway);
    assert_true(route_write(&routes->swap, &half));
    memset(&routes->table[half], 0, sizeof routes->table[half]);
    if (there)
        assert_true(route_add(&routes->table[half], link, 96 + 24, &on_link) &&
                    route_add(&routes->table[half], clients, 96 + 16, &routed));
    route_publish(&routes->swap, NULL);
}

static void make_region(void)
{
    uint8_t boot_id[16] = {1};
    struct box *b = &sim.box;
    size_t size = region_bytes(&geometry);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_true(memory != MAP_FAILED);
    region_format(&b->region, memory, &geometry, boot_id);
    txn_attach(&b->txn, b->region.base, region_section(&b->region, SECTION_CONTROL_TXN));
    ring_consumer(&b->notice, region_part(&b->region, 0, PART_RING_NOTICE));
    ring_producer(&b->command, region_part(&b->region, 0, PART_RING_COMMAND));
    ring_producer(&b->fanout, region_part(&b->region, 0, PART_RING_FANOUT));
    b->dataplane = -1;
    routes_are(true);
}

/* A box that has all it needs. */
static struct voice_config plenty(void)
{
    return (struct voice_config){.packets_per_second_max = 10000000,
                                 .discoveries_per_second_max = 10,
                                 .pending_max = WORKER_HELD,
                                 .speakers_max = 25};
}

/* `rooms` of `size` have joined a box with so much packet memory (0: enough). */
static void joined(const struct voice_config *voice, uint32_t rooms, uint32_t size, uint32_t memory)
{
    char why[256];
    memset(&sim, 0, sizeof sim);
    make_region();
    sim.config = (struct worker_config){
        .tcp = tcp_config_default(), .voice = *voice, .tls_port = 443, .voice_port_base = 50000};
    net_addresses_add(&sim.config.addresses, box_address);
    sim.box_port = port_virtual_open(
        &(struct port_virtual){.rx = box_rx, .tx = box_tx, .mac = {2, 0, 0, 0, 0, 1}, .packets = memory});
    sim.worker = worker_new_with(&sim.box.region, 0, &sim.config, sim.box_port, NULL, now_us(), why);
    assert_non_null(sim.worker);
    sim.worker->answers_link = true;
    sim.options.seed = 7;
    sim.load = (struct voice_load){.options = &sim.options, .box = &sim.box};
    sim.load.port =
        port_virtual_open(&(struct port_virtual){.rx = load_rx, .tx = load_tx, .mac = {2, 0, 0, 0, 0, 2}});
    assert_true(crowd_make(&sim.load.crowd, rooms, size, 7));
    assert_true(voice_join(&sim.load));
}

static void ends(void)
{
    assert_string_equal(sim.load.crowd.wrong, "");
    crowd_free(&sim.load.crowd);
    worker_free(sim.worker);
    port_virtual_close(sim.box_port);
    port_virtual_close(sim.load.port);
    munmap(sim.box.region.base, sim.box.region.size);
}

static uint64_t drops(enum drop_reason why)
{
    return box_counters(&sim.box)->drop[why];
}

/* Speaks, in time or with a window, of at least COPIES copies; returns how many were missing. */
static uint64_t speaks(double offered)
{
    uint64_t expected = 0, missing = 0;
    while (expected < COPIES) {
        struct voice_trial t;
        if (!voice_speak(&sim.load, offered, 0.02, &t))
            fail_msg("%s", sim.load.crowd.wrong);
        assert_true(voice_balances(&t));
        assert_int_equal(t.link, 0);
        expected += t.expected;
        missing += t.missing;
    }
    return missing;
}

/* ---- what is claimed ---- */

static void with_enough_of_everything_each_copy_comes_once(void **state)
{
    struct voice_config voice = plenty();
    joined(&voice, 8, 6, 0);
    sim.load.crowd.turns = true;
    assert_int_equal(speaks(0), 0);
    assert_int_equal(speaks(100000), 0);
    ends();
}

/* Longer than the generator once took for the end of everything. */
static void a_box_that_was_away_has_lost_nothing(void **state)
{
    struct voice_config voice = plenty();
    joined(&voice, 8, 6, 0);
    for (unsigned i = 0; i < 2; i++) {
        sim.goes_away = true;
        assert_int_equal(speaks(i ? 0 : 20000), 0);
        assert_false(sim.goes_away);
    }
    ends();
}

static void a_transmit_ring_that_is_full_for_a_moment_loses_nothing(void **state)
{
    struct voice_config voice = plenty();
    joined(&voice, 8, 6, 0);
    sim.out.refuses_each = 7;
    assert_int_equal(speaks(0), 0);
    assert_int_equal(speaks(100000), 0);
    assert_int_equal(drops(DROP_PORT_TX_FULL), 0);
    ends();
}

static void copies_for_a_port_that_takes_nothing_are_counted_and_it_may_come_back(void **state)
{
    struct voice_config voice = plenty();
    joined(&voice, 8, 6, 0);
    for (unsigned i = 0; i < 2; i++) {
        uint64_t before = drops(DROP_PORT_TX_FULL);
        sim.out.refuses_each = 1;
        uint64_t missing = speaks(i ? 100000 : 0);
        assert_true(missing >= COPIES);
        assert_int_equal(missing, drops(DROP_PORT_TX_FULL) - before);
        sim.out.refuses_each = 0;
        assert_int_equal(speaks(0), 0);
    }
    ends();
}

static void copies_that_no_memory_is_left_for_are_counted(void **state)
{
    struct voice_config voice = plenty();
    joined(&voice, 1, 60, 40); /* a batch takes 32; packets that wait, the rest */
    uint64_t missing = speaks(400000);
    while (!drops(DROP_PORT_NO_MEMORY))
        missing += speaks(400000);
    assert_int_equal(missing, drops(DROP_PORT_NO_MEMORY));
    ends();
}

static void packets_that_too_many_wait_ahead_of_are_counted_with_all_their_copies(void **state)
{
    struct voice_config voice = plenty();
    voice.pending_max = 1;
    joined(&voice, 8, 6, 0);
    uint64_t missing = speaks(0);
    assert_true(missing > 0);
    assert_int_equal(missing, 5 * drops(DROP_VOICE_PENDING_FULL));
    ends();
}

static void packets_of_one_who_sends_too_fast_are_counted_with_all_their_copies(void **state)
{
    struct voice_config voice = plenty();
    voice.packets_per_second_max = 20;
    joined(&voice, 2, 6, 0);
    uint64_t missing = speaks(0);
    assert_true(missing > 0);
    assert_int_equal(missing, 5 * drops(DROP_VOICE_RATE));
    ends();
}

static void packets_of_who_is_not_among_the_loudest_are_counted_with_all_their_copies(void **state)
{
    struct voice_config voice = plenty();
    voice.speakers_max = 1;
    joined(&voice, 1, 6, 0);
    sim.load.crowd.turns = true;
    uint64_t missing = speaks(0);
    assert_true(missing > 0);
    assert_int_equal(missing, 5 * drops(DROP_VOICE_NOT_LOUDEST));
    ends();
}

static void packets_that_the_box_had_no_room_to_receive_are_counted_with_all_their_copies(void **state)
{
    struct voice_config voice = plenty();
    joined(&voice, 8, 6, 0);
    sim.in.refuses_each = 5;
    uint64_t missing = speaks(0);
    assert_true(missing > 0);
    assert_int_equal(missing, 5 * sim.load.refused);
    ends();
}

static void copies_that_nobody_knows_the_way_for_are_counted(void **state)
{
    struct voice_config voice = plenty();
    joined(&voice, 8, 6, 0);
    assert_int_equal(speaks(0), 0);
    routes_are(false);
    uint64_t missing = speaks(0);
    assert_int_equal(missing, drops(DROP_NO_ROUTE));
    routes_are(true);
    assert_int_equal(speaks(0), 0);
    ends();
}

static void copies_for_a_next_hop_that_is_still_asked_for_are_counted(void **state)
{
    struct voice_config voice = plenty();
    struct voice_trial t;
    joined(&voice, 8, 6, 0);
    memset(sim.worker->neighbours->entry, 0, sizeof sim.worker->neighbours->entry);
    sim.worker->neighbours->failed++;
    assert_true(voice_speak(&sim.load, 0, 0.02, &t));
    assert_true(voice_balances(&t));
    assert_true(t.missing > 0);
    assert_int_equal(t.missing, drops(DROP_NEIGHBOUR_PENDING));
    assert_int_equal(t.link, 1);
    ends();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_enough_of_everything_each_copy_comes_once),
        cmocka_unit_test(a_box_that_was_away_has_lost_nothing),
        cmocka_unit_test(a_transmit_ring_that_is_full_for_a_moment_loses_nothing),
        cmocka_unit_test(copies_for_a_port_that_takes_nothing_are_counted_and_it_may_come_back),
        cmocka_unit_test(copies_that_no_memory_is_left_for_are_counted),
        cmocka_unit_test(packets_that_too_many_wait_ahead_of_are_counted_with_all_their_copies),
        cmocka_unit_test(packets_of_one_who_sends_too_fast_are_counted_with_all_their_copies),
        cmocka_unit_test(packets_of_who_is_not_among_the_loudest_are_counted_with_all_their_copies),
        cmocka_unit_test(packets_that_the_box_had_no_room_to_receive_are_counted_with_all_their_copies),
        cmocka_unit_test(copies_that_nobody_knows_the_way_for_are_counted),
        cmocka_unit_test(copies_for_a_next_hop_that_is_still_asked_for_are_counted),
    };
    if (!aead_init(AEAD_BACKEND_AUTO))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
