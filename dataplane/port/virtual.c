/*
 * The virtual port: frames come from and go to two functions of the caller; packets are plain malloc memory,
 * so that sanitizers see every use after free. Needs no EAL, no privileges, no device.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/port/driver.h"

#define VIRTUAL_ROOM 2048u

struct virtual_queue {
    struct port_queue head;
    struct port_virtual cfg;
    _Atomic uint32_t out; /* packets not yet given back: any thread may free */
};

static const struct port_driver virtual_driver;

/* In front of each packet's bytes. */
struct virtual_buffer {
    struct virtual_queue *queue;
    uint8_t bytes[VIRTUAL_ROOM];
};

static bool take(struct virtual_queue *v, struct packet *p)
{
    if (v->cfg.packets && atomic_load_explicit(&v->out, memory_order_relaxed) >= v->cfg.packets)
        return false;
    struct virtual_buffer *b = malloc(sizeof *b);
    if (!b)
        return false;
    b->queue = v;
    atomic_fetch_add_explicit(&v->out, 1, memory_order_relaxed);
    *p = (struct packet){
        .data = b->bytes, .room = VIRTUAL_ROOM, .port = v->cfg.port, .owner = b, .driver = &virtual_driver};
    return true;
}

static void virtual_free(struct packet *packets, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct virtual_buffer *b = packets[i].owner;
        atomic_fetch_sub_explicit(&b->queue->out, 1, memory_order_release);
        free(b);
    }
}

static unsigned virtual_rx(struct port_queue *q, struct packet *out, unsigned n)
{
    struct virtual_queue *v = (struct virtual_queue *)q;
    unsigned got = 0;
    while (got < n && take(v, &out[got])) {
        size_t len = v->cfg.rx ? v->cfg.rx(v->cfg.user, out[got].data, VIRTUAL_ROOM) : 0;
        assert(len <= VIRTUAL_ROOM);
        if (len == 0) {
            virtual_free(&out[got], 1);
            return got;
        }
        out[got++].len = (uint16_t)len;
        port_count(&q->ipackets, 1);
        port_count(&q->ibytes, len);
    }
    if (got < n)
        port_count(&q->no_memory, 1);
    return got;
}

static unsigned virtual_alloc(struct port_queue *q, struct packet *out, unsigned n)
{
    struct virtual_queue *v = (struct virtual_queue *)q;
    for (unsigned i = 0; i < n; i++) {
        if (!take(v, &out[i])) {
            virtual_free(out, i);
            return 0;
        }
    }
    return n;
}

static unsigned virtual_tx(struct port_queue *q, struct packet *packets, unsigned n)
{
    struct virtual_queue *v = (struct virtual_queue *)q;
    unsigned sent = 0;
    while (sent < n) {
        const struct packet *p = &packets[sent];
        assert(p->driver == &virtual_driver);
        if (v->cfg.tx && !v->cfg.tx(v->cfg.user, p->data, p->len))
            break;
        port_count(&q->opackets, 1);
        port_count(&q->obytes, p->len);
        sent++;
    }
    virtual_free(packets, sent);
    return sent;
}

static void virtual_info(const struct port_queue *q, struct port_info *out)
{
    const struct virtual_queue *v = (const struct virtual_queue *)q;
    snprintf(out->name, sizeof out->name, "virtual");
    memcpy(out->mac, v->cfg.mac, 6);
    out->mtu = v->cfg.mtu;
    out->link_up = true;
    out->queues = 1;
}

static void virtual_stats(const struct port_queue *q, struct port_stats *out)
{
    port_add_stats(out, q);
}

static const struct port_driver virtual_driver = {
    .rx = virtual_rx,
    .alloc = virtual_alloc,
    .tx = virtual_tx,
    .free = virtual_free,
    .info = virtual_info,
    .stats = virtual_stats,
};

struct port_queue *port_virtual_open(const struct port_virtual *cfg)
{
    struct virtual_queue *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->head.driver = &virtual_driver;
    v->head.port = cfg->port;
    v->cfg = *cfg;
    if (!v->cfg.mtu)
        v->cfg.mtu = 1500;
    return &v->head;
}

uint32_t port_virtual_out(const struct port_queue *q)
{
    return atomic_load_explicit(&((const struct virtual_queue *)q)->out, memory_order_acquire);
}

void port_virtual_close(struct port_queue *q)
{
    assert(port_virtual_out(q) == 0);
    free(q);
}
