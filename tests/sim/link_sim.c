/*
 * Two workers on a port with two queues: the link's answers come to either, whoever asked; a client of the one is a member of the other's
 * room.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "crash_client.h"
#include "dataplane/net/arp.h"
#include "dataplane/worker.h"

#define WORKERS    2u
#define FRAMES_MAX 8u

static const struct region_geometry geometry = {.workers = WORKERS, .connections = 8, .blocks = 64, .descriptors = 256, .items = 64,
                                                .chunks = 64, .topic_chunks = 8, .rooms = 4, .members = 8, .sessions = 8, .topics = 4,
                                                .control_blocks = 4, .log_segments = 2, .ring_bytes = 1u << 20,
                                                .capture_bytes = 1u << 16, .undo_bytes = 256u << 10};
static const uint8_t other_mac[6] = {2, 0, 0, 0, 0, 9}, everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};

/* A queue: what is to be received, and what was sent. */
static struct queue {
    uint8_t in[FRAMES_MAX][1600], out[FRAMES_MAX][1600];
    size_t in_length[FRAMES_MAX], out_length[FRAMES_MAX];
    unsigned in_count, in_next, out_count;
} queue[WORKERS];

static struct region region;
static struct worker_config config;
static struct worker *worker[WORKERS];
static struct port_queue *port[WORKERS];
static struct port_virtual virtual_port[WORKERS];
static struct spsc ring[WORKERS * WORKERS], *ring_in[WORKERS * WORKERS];
static struct client client;
static uint64_t now_us;

static size_t queue_rx(void *user, uint8_t *frame, size_t room)
{
    struct queue *q = user;
    if (q->in_next == q->in_count)
        return 0;
    memcpy(frame, q->in[q->in_next], q->in_length[q->in_next]);
    return q->in_length[q->in_next++];
}

static bool queue_tx(void *user, const uint8_t *frame, size_t len)
{
    struct queue *q = user;
    assert_true(q->out_count < FRAMES_MAX);
    memcpy(q->out[q->out_count], frame, len);
    q->out_length[q->out_count++] = len;
    return true;
}

static void receive(unsigned k, const uint8_t *frame, size_t len)
{
    memcpy(queue[k].in[queue[k].in_count], frame, len);
    queue[k].in_length[queue[k].in_count++] = len;
}

static void work(void)
{
    for (unsigned i = 0; i < 8; i++)
        for (unsigned k = 0; k < WORKERS; k++)
            worker_step(worker[k], now_us);
    for (unsigned k = 0; k < WORKERS; k++)
        queue[k].in_count = queue[k].in_next = 0;
}

static int set_up(void **state)
{
    uint8_t boot_id[16] = {1}, prefix[16] = {[10] = 0xff, [11] = 0xff, 198, 18};
    size_t size = region_bytes(&geometry);
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    struct route_hop link = {0};
    char why[256];
    unsigned half;
    if (memory == MAP_FAILED || !aead_init(AEAD_BACKEND_AUTO))
        return -1;
    region_format(&region, memory, &geometry, boot_id);
    memset(region.header->secrets.rss_key, 0, sizeof region.header->secrets.rss_key); /* every connection is worker 0's */
    struct route_tables *routes = region_section(&region, SECTION_ROUTES);
    if (!route_write(&routes->swap, &half) || !route_add(&routes->table[half], prefix, 111, &link))
        return -1;
    route_publish(&routes->swap, NULL);
    config = (struct worker_config){.tcp = tcp_config_default(), .tls_port = 443, .voice_port_base = 50000, .payload_max = 4096,
                                    .body_max = 65536, .handshake_us = 10000000, .syn_max = 4,
                                    .voice = {.packets_per_second_max = 1000, .discoveries_per_second_max = 10, .pending_max = 64}};
    net_addresses_add(&config.addresses, server_ip);
    now_us = 1000000;
    memset(queue, 0, sizeof queue);
    for (unsigned i = 0; i < WORKERS * WORKERS; i++) {
        if (!spsc_init(&ring[i], 64, sizeof(struct packet)))
            return -1;
        ring_in[i % WORKERS * WORKERS + i / WORKERS] = &ring[i];
    }
    for (unsigned k = 0; k < WORKERS; k++) {
        virtual_port[k] = (struct port_virtual){.rx = queue_rx, .tx = queue_tx, .user = &queue[k], .mac = {2, 0, 0, 0, 0, 1}};
        port[k] = port_virtual_open(&virtual_port[k]);
        if (!(worker[k] = worker_new(&region, k, &config, port[k], NULL, now_us, why)))
            return -1;
        worker[k]->answers_link = true;
        worker[k]->to_worker = ring + k * WORKERS;
        worker[k]->from_worker = ring_in + k * WORKERS;
    }
    client_start(&client, now_us);
    return 0;
}

static int tear_down(void **state)
{
    for (unsigned k = 0; k < WORKERS; k++) {
        worker_free(worker[k]);
        port_virtual_close(port[k]);
    }
    for (unsigned i = 0; i < WORKERS * WORKERS; i++)
        spsc_free(&ring[i]);
    return munmap(region.base, region.size);
}

/* The host's answer to a question of ours, or the same unasked. */
static size_t arp_answer(uint8_t frame[1600], const uint8_t mac[6])
{
    struct arp_message m = {.operation = ARP_REPLY};
    memset(frame, 0, 60);
    memcpy(frame, server_mac, 6);
    memcpy(frame + 6, mac, 6);
    put_be16(frame + 12, 0x0806);
    memcpy(m.sender, client_ip, 16);
    memcpy(m.sender_mac, mac, 6);
    memcpy(m.target, server_ip, 16);
    memcpy(m.target_mac, server_mac, 6);
    arp_emit(frame + 14, &m);
    return 42;
}

/* How many frames of that type went out of worker 0's queue; each to that station. They are taken away. */
static unsigned sent(uint16_t type, const uint8_t to[6])
{
    unsigned n = 0;
    for (unsigned i = 0; i < queue[0].out_count; i++) {
        if (be16(queue[0].out[i] + 12) != type)
            continue;
        n++;
        assert_memory_equal(queue[0].out[i], to, 6);
    }
    queue[0].out_count = 0;
    return n;
}

static void knock(void)
{
    uint8_t frame[1600];
    client_timer(&client, now_us);
    size_t len = client_next(&client, frame, sizeof frame, now_us);
    assert_true(len > 0);
    receive(0, frame, len);
    work();
}

static void the_answer_that_another_worker_receives_is_known_to_the_one_who_asked(void **state)
{
    uint8_t frame[1600];
    knock();
    assert_int_equal(sent(0x0806, everybody), 1); /* it asks before it can answer */
    receive(1, frame, arp_answer(frame, client_mac));
    work();
    work();
    now_us += 1100000;
    knock();
    assert_true(sent(0x0800, client_mac) > 0);
}

static void a_flood_of_false_answers_to_another_worker_neither_stops_nor_turns_who_is_served(void **state)
{
    uint8_t frame[1600];
    unsigned served = 0, asked = 0;
    knock();
    receive(0, frame, arp_answer(frame, client_mac));
    work();
    queue[0].out_count = 0;
    for (unsigned i = 0; i < 3000; i++) {
        now_us += 1000;
        for (unsigned k = 0; k < FRAMES_MAX - 1; k++)
            receive(1, frame, arp_answer(frame, other_mac));
        client_timer(&client, now_us);
        size_t len = client_next(&client, frame, sizeof frame, now_us);
        if (len)
            receive(0, frame, len);
        work();
        bool asks = queue[0].out_count && be16(queue[0].out[queue[0].out_count - 1] + 12) == 0x0806;
        served += sent(0x0800, client_mac);
        asked += asks;
        if (asks)
            receive(i % 2, frame, arp_answer(frame, client_mac)); /* among the false ones */
        queue[1].out_count = 0;
    }
    assert_true(served >= 2); /* the SYN came again after 1 and 3 s */
    assert_in_range(asked, 2, 4);
}

/* ---- a member that another worker has told of itself ---- */

static void post_member(uint32_t worker_index, uint32_t ssrc)
{
    struct txn txn;
    struct ring_end command;
    txn_attach(&txn, region.base, region_section(&region, SECTION_CONTROL_TXN));
    ring_producer(&command, region_part(&region, worker_index, PART_RING_COMMAND));
    txn_begin(&txn);
    struct ring_entry *e = ring_reserve(&command, &txn, VERB_MEMBER_SET, sizeof(struct verb_member));
    assert_non_null(e);
    *(struct verb_member *)(void *)e->payload = (struct verb_member){
        .member = worker_index * geometry.members + ssrc, .generation = 1, .room = 0, .session = 1, .user_id = 5, .channel_id = 9, .ssrc = ssrc};
    txn_commit(&txn);
    txn_publish(&txn);
}

static size_t discovery(uint8_t frame[1600], uint16_t port_of_worker, uint32_t ssrc)
{
    struct net_path path = {0};
    memcpy(path.source, client_ip, 16);
    memcpy(path.destination, server_ip, 16);
    memcpy(path.source_mac, client_mac, 6);
    memcpy(path.next_hop_mac, server_mac, 6);
    uint8_t *p = frame + net_header_len(server_ip) + 8;
    memset(p, 0, 74);
    put_be16(p, 1);
    put_be16(p + 2, 70);
    put_be32(p + 4, ssrc);
    return net_emit_udp(frame, &path, 40000, port_of_worker, 74);
}

/* The control plane has made a member here and, through another worker, told the client, whose question is here as soon as the verb. */
static void a_discovery_that_comes_with_the_verb_of_its_member_is_answered(void **state)
{
    uint8_t frame[1600];
    post_member(1, 1);
    receive(1, frame, discovery(frame, 50001, 1));
    worker_step(worker[1], now_us);
    assert_int_equal(queue[1].out_count, 1);
    receive(0, frame, discovery(frame, 50001, 2)); /* and when it was handed over */
    worker_step(worker[0], now_us);
    post_member(1, 2);
    worker_step(worker[1], now_us);
    assert_int_equal(queue[1].out_count, 2);
    assert_int_equal(worker[1]->counters->drop[DROP_VOICE_SSRC], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_answer_that_another_worker_receives_is_known_to_the_one_who_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flood_of_false_answers_to_another_worker_neither_stops_nor_turns_who_is_served, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_discovery_that_comes_with_the_verb_of_its_member_is_answered, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
