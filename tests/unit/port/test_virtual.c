/*
 * The virtual port, and what holds for every port: who owns a packet, what is counted.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/net/net.h"
#include "dataplane/port/port.h"

/* A wire: `waiting` frames numbered from 0 arrive; what is sent is kept until `room` frames are. */
struct wire {
    unsigned waiting;
    unsigned arrived;
    unsigned room;
    unsigned sent;
    size_t len[256];
    uint8_t frame[256][64];
};

static size_t wire_rx(void *user, uint8_t *frame, size_t room)
{
    struct wire *w = user;
    if (w->arrived == w->waiting)
        return 0;
    assert_true(room >= 1514);
    memset(frame, (int)w->arrived++, 60);
    return 60;
}

static bool wire_tx(void *user, const uint8_t *frame, size_t len)
{
    struct wire *w = user;
    if (w->sent == w->room)
        return false;
    w->len[w->sent] = len;
    memcpy(w->frame[w->sent++], frame, len < 64 ? len : 64);
    return true;
}

static struct wire w;
static struct port_stats s;

static struct port_queue *open_wire(uint32_t packets)
{
    struct port_virtual cfg = {
        .rx = wire_rx, .tx = wire_tx, .user = &w, .mac = {2, 0, 0, 0, 0, 7}, .port = 3, .packets = packets};
    memset(&w, 0, sizeof w);
    w.room = 256;
    return port_virtual_open(&cfg);
}

static void received_packets_come_in_order_and_belong_to_the_caller(void **state)
{
    struct packet p[PORT_BURST_MAX];
    struct port_queue *q = open_wire(0);
    w.waiting = 70;
    assert_int_equal(port_rx(q, p, 64), 64);
    for (unsigned i = 0; i < 64; i++) {
        assert_int_equal(p[i].data[0], i);
        assert_int_equal(p[i].len, 60);
        assert_int_equal(p[i].port, 3);
    }
    assert_int_equal(port_virtual_out(q), 64);
    port_free(p, 64);
    assert_int_equal(port_rx(q, p, 64), 6);
    port_free(p, 6);
    assert_int_equal(port_rx(q, p, 64), 0);
    port_stats(q, &s);
    assert_int_equal(s.ipackets, 70);
    assert_int_equal(s.ibytes, 70 * 60);
    port_virtual_close(q);
}

static void frame_written_into_transmit_memory_is_the_frame_sent(void **state)
{
    struct packet p[2];
    struct port_queue *q = open_wire(0);
    assert_int_equal(port_alloc(q, p, 2), 2);
    for (unsigned i = 0; i < 2; i++) {
        assert_true(p[i].room >= 1514);
        assert_int_equal(p[i].len, 0);
        memset(p[i].data, 'a' + (int)i, 40);
        p[i].len = 40;
    }
    p[1].data += 10; /* a holder may cut off the front */
    p[1].len -= 10;
    assert_int_equal(port_tx(q, p, 2), 2);
    assert_int_equal(w.sent, 2);
    assert_int_equal(w.len[0], 40);
    assert_int_equal(w.len[1], 30);
    assert_int_equal(w.frame[1][29], 'b');
    assert_int_equal(port_virtual_out(q), 0);
    port_virtual_close(q);
}

static void full_queue_frees_and_counts_what_it_does_not_take(void **state)
{
    struct packet p[8];
    struct port_queue *q = open_wire(0);
    w.room = 5;
    assert_int_equal(port_alloc(q, p, 8), 8);
    for (unsigned i = 0; i < 8; i++)
        p[i].len = 60;
    assert_int_equal(port_tx(q, p, 8), 5);
    assert_int_equal(port_virtual_out(q), 0);
    port_stats(q, &s);
    assert_int_equal(s.opackets, 5);
    assert_int_equal(s.tx_full, 3);
    port_virtual_close(q);
}

static void alloc_gives_all_or_nothing(void **state)
{
    struct packet p[8], more[8];
    struct port_queue *q = open_wire(10);
    assert_int_equal(port_alloc(q, p, 8), 8);
    assert_int_equal(port_alloc(q, more, 3), 0);
    assert_int_equal(port_virtual_out(q), 8);
    assert_int_equal(port_alloc(q, more, 2), 2);
    w.waiting = 1;
    assert_int_equal(port_rx(q, more + 2, 1), 0); /* no memory: the frame waits */
    port_stats(q, &s);
    assert_int_equal(s.no_memory, 2);
    port_free(p, 8);
    assert_int_equal(port_rx(q, p, 8), 1);
    port_free(p, 1);
    port_free(more, 2);
    port_virtual_close(q);
}

static void packets_of_several_ports_are_freed_together(void **state)
{
    struct packet p[6];
    struct wire other = {.room = 1};
    struct port_virtual cfg = {.rx = wire_rx, .tx = wire_tx, .user = &other};
    struct port_queue *a = open_wire(0), *b = port_virtual_open(&cfg);
    assert_int_equal(port_alloc(a, p, 2), 2);
    assert_int_equal(port_alloc(b, p + 2, 2), 2);
    assert_int_equal(port_alloc(a, p + 4, 2), 2);
    port_free(p, 6);
    assert_int_equal(port_virtual_out(a), 0);
    assert_int_equal(port_virtual_out(b), 0);
    port_virtual_close(a);
    port_virtual_close(b);
}

static void packet_received_on_one_port_leaves_by_another(void **state)
{
    struct packet p;
    struct wire other = {.room = 1};
    struct port_virtual cfg = {.rx = wire_rx, .tx = wire_tx, .user = &other};
    struct port_queue *a = open_wire(0), *b = port_virtual_open(&cfg);
    w.waiting = 1;
    assert_int_equal(port_rx(a, &p, 1), 1);
    assert_int_equal(port_tx(b, &p, 1), 1);
    assert_int_equal(other.len[0], 60);
    assert_int_equal(port_virtual_out(a), 0);
    port_virtual_close(a);
    port_virtual_close(b);
}

static void *free_all(void *arg)
{
    port_free(arg, PORT_BURST_MAX);
    return NULL;
}

static void packets_may_be_freed_by_another_thread(void **state)
{
    struct packet mine[PORT_BURST_MAX], theirs[PORT_BURST_MAX];
    struct port_queue *q = open_wire(0);
    pthread_t thread;
    assert_int_equal(port_alloc(q, theirs, PORT_BURST_MAX), PORT_BURST_MAX);
    assert_int_equal(pthread_create(&thread, NULL, free_all, theirs), 0);
    for (unsigned i = 0; i < 50; i++) {
        assert_int_equal(port_alloc(q, mine, PORT_BURST_MAX), PORT_BURST_MAX);
        port_free(mine, PORT_BURST_MAX);
    }
    pthread_join(thread, NULL);
    assert_int_equal(port_virtual_out(q), 0);
    port_virtual_close(q);
}

static void port_says_what_it_is(void **state)
{
    struct port_info info;
    struct port_queue *q = open_wire(0);
    port_info(q, &info);
    assert_int_equal(info.mac[5], 7);
    assert_int_equal(info.mtu, 1500);
    assert_int_equal(info.port, 3);
    assert_true(info.link_up);
    port_virtual_close(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(received_packets_come_in_order_and_belong_to_the_caller),
        cmocka_unit_test(frame_written_into_transmit_memory_is_the_frame_sent),
        cmocka_unit_test(full_queue_frees_and_counts_what_it_does_not_take),
        cmocka_unit_test(alloc_gives_all_or_nothing),
        cmocka_unit_test(packets_of_several_ports_are_freed_together),
        cmocka_unit_test(packet_received_on_one_port_leaves_by_another),
        cmocka_unit_test(packets_may_be_freed_by_another_thread),
        cmocka_unit_test(port_says_what_it_is),
    };
    return cmocka_run_group_tests_name("virtual", tests, NULL, NULL);
}
