/*
 * The calls on queues and packets: one indirection per burst. No DPDK here, so that whoever only wants
 * virtual ports links none.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>

#include "dataplane/port/driver.h"

unsigned port_rx(struct port_queue *q, struct packet *out, unsigned n)
{
    assert(n <= PORT_BURST_MAX);
    return q->driver->rx(q, out, n);
}

unsigned port_alloc(struct port_queue *q, struct packet *out, unsigned n)
{
    assert(n <= PORT_BURST_MAX);
    unsigned got = q->driver->alloc(q, out, n);
    if (got < n)
        port_count(&q->no_memory, 1);
    return got;
}

unsigned port_offer(struct port_queue *q, struct packet *packets, unsigned n)
{
    assert(n <= PORT_BURST_MAX);
    return n ? q->driver->tx(q, packets, n) : 0;
}

void port_refuse(struct port_queue *q, struct packet *packets, unsigned n)
{
    port_count(&q->tx_full, n);
    port_free(packets, n);
}

unsigned port_tx(struct port_queue *q, struct packet *packets, unsigned n)
{
    unsigned sent = port_offer(q, packets, n);
    if (sent < n)
        port_refuse(q, packets + sent, n - sent);
    return sent;
}

void port_free(struct packet *packets, unsigned n)
{
    for (unsigned i = 0, run; i < n; i += run) {
        for (run = 1; i + run < n && packets[i + run].driver == packets[i].driver; run++)
            ;
        packets[i].driver->free(packets + i, run);
    }
}

void port_info(const struct port_queue *q, struct port_info *out)
{
    *out = (struct port_info){.port = q->port};
    q->driver->info(q, out);
}

void port_stats(const struct port_queue *q, struct port_stats *out)
{
    *out = (struct port_stats){0};
    q->driver->stats(q, out);
}
