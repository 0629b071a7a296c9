/*
 * What is behind a port_queue: one table of functions per kind of port. Internal to port/.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_PORT_DRIVER_H
#define VOXPOP_PORT_DRIVER_H

#include <stdatomic.h>

#include "dataplane/port/port.h"

/* Each as its namesake in port.h. */
struct port_driver {
    unsigned (*rx)(struct port_queue *q, struct packet *out, unsigned n);
    unsigned (*alloc)(struct port_queue *q, struct packet *out, unsigned n);
    unsigned (*tx)(struct port_queue *q, struct packet *packets, unsigned n);
    void (*free)(struct packet *packets, unsigned n);
    void (*info)(const struct port_queue *q, struct port_info *out);
    void (*stats)(const struct port_queue *q, struct port_stats *out);
};

/* A counter that one thread writes and any may read. */
typedef _Atomic uint64_t port_counter;

static inline void port_count(port_counter *c, uint64_t n)
{
    atomic_store_explicit(c, atomic_load_explicit(c, memory_order_relaxed) + n, memory_order_relaxed);
}

static inline uint64_t port_counted(const port_counter *c)
{
    return atomic_load_explicit(c, memory_order_relaxed);
}

/* The head of every driver's queue. Counters: written by the queue's worker. */
struct port_queue {
    const struct port_driver *driver;
    uint16_t port; /* packet.port */
    uint16_t index;
    port_counter ipackets;
    port_counter opackets;
    port_counter ibytes;
    port_counter obytes;
    port_counter tx_full;
    port_counter no_memory;
    port_counter in_pieces; /* received in several pieces */
};

/* Adds what this queue has counted. */
static inline void port_add_stats(struct port_stats *s, const struct port_queue *q)
{
    s->ipackets += port_counted(&q->ipackets);
    s->opackets += port_counted(&q->opackets);
    s->ibytes += port_counted(&q->ibytes);
    s->obytes += port_counted(&q->obytes);
    s->tx_full += port_counted(&q->tx_full);
    s->no_memory += port_counted(&q->no_memory);
    s->ierrors += port_counted(&q->in_pieces);
}

#endif
