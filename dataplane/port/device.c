/*
 * A DPDK port: see device.h. A packet is an mbuf of one piece; its memory comes from the port's pool.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/port/device.h"

#include <unistd.h>

#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#define WORKER_LEAVES_US 10000u /* in which a worker ends the burst it is in */
#define PACKET_CACHE     256u   /* mbufs per lcore that need no shared ring */

static const struct port_driver device_driver;

static struct device_queue *queue_of(struct port_queue *q)
{
    return (struct device_queue *)q;
}

static void to_packet(struct packet *p, struct rte_mbuf *m, uint16_t port)
{
    *p = (struct packet){.data = rte_pktmbuf_mtod(m, uint8_t *),
                         .len = m->data_len,
                         .room = (uint16_t)(m->buf_len - m->data_off),
                         .port = port,
                         .owner = m,
                         .driver = &device_driver};
}

static unsigned device_rx(struct port_queue *q, struct packet *out, unsigned n)
{
    struct device_queue *d = queue_of(q);
    struct rte_mbuf *m[PORT_BURST_MAX];
    if (!atomic_load_explicit(&d->device->is_running, memory_order_relaxed))
        return 0;
    unsigned got = rte_eth_rx_burst(d->device->id, q->index, m, (uint16_t)n), kept = 0;
    uint64_t bytes = 0;
    for (unsigned i = 0; i < got; i++) {
        if (m[i]->nb_segs == 1) {
            __builtin_prefetch(rte_pktmbuf_mtod(m[i], const void *)); /* the holder reads headers next */
            bytes += m[i]->data_len;
            to_packet(&out[kept++], m[i], q->port);
        } else {
            rte_pktmbuf_free(m[i]);
            port_count(&q->in_pieces, 1);
        }
    }
    port_count(&q->ipackets, kept);
    port_count(&q->ibytes, bytes);
    return kept;
}

static unsigned device_alloc(struct port_queue *q, struct packet *out, unsigned n)
{
    struct device_queue *d = queue_of(q);
    struct rte_mbuf *m[PORT_BURST_MAX];
    if (rte_pktmbuf_alloc_bulk(d->device->pool, m, n))
        return 0;
    for (unsigned i = 0; i < n; i++) {
        m[i]->data_off = 0;
        to_packet(&out[i], m[i], q->port);
    }
    return n;
}

static unsigned device_tx(struct port_queue *q, struct packet *packets, unsigned n)
{
    struct device_queue *d = queue_of(q);
    struct rte_mbuf *m[PORT_BURST_MAX];
    if (!atomic_load_explicit(&d->device->is_running, memory_order_relaxed))
        return 0;
    for (unsigned i = 0; i < n; i++) {
        assert(packets[i].driver == &device_driver);
        m[i] = packets[i].owner;
        m[i]->data_off = (uint16_t)(packets[i].data - (uint8_t *)m[i]->buf_addr);
        m[i]->data_len = packets[i].len;
        m[i]->pkt_len = packets[i].len;
        m[i]->ol_flags = 0;
    }
    unsigned sent = rte_eth_tx_burst(d->device->id, q->index, m, (uint16_t)n);
    uint64_t bytes = 0;
    for (unsigned i = 0; i < sent; i++)
        bytes += packets[i].len;
    port_count(&q->opackets, sent);
    port_count(&q->obytes, bytes);
    return sent;
}

static void device_free(struct packet *packets, unsigned n)
{
    struct rte_mbuf *m[PORT_BURST_MAX];
    for (unsigned done = 0, now; done < n; done += now) {
        now = n - done < PORT_BURST_MAX ? n - done : PORT_BURST_MAX;
        for (unsigned i = 0; i < now; i++)
            m[i] = packets[done + i].owner;
        rte_pktmbuf_free_bulk(m, now);
    }
}

static void device_info(const struct port_queue *q, struct port_info *out)
{
    const struct device *d = ((const struct device_queue *)q)->device;
    struct rte_ether_addr mac;
    struct rte_eth_link link = {0};
    snprintf(out->name, sizeof out->name, "%.*s", (int)sizeof out->name - 1, d->name);
    if (rte_eth_macaddr_get(d->id, &mac) == 0)
        memcpy(out->mac, mac.addr_bytes, 6);
    rte_eth_dev_get_mtu(d->id, &out->mtu);
    out->link_up = rte_eth_link_get_nowait(d->id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP;
    out->queues = (uint16_t)d->queues;
}

static void device_stats(const struct port_queue *q, struct port_stats *out)
{
    const struct device *d = ((const struct device_queue *)q)->device;
    struct rte_eth_stats s = {0};
    rte_eth_stats_get(d->id, &s);
    /* What passed is counted here: memif forgets its own figures when the other side leaves. */
    *out = (struct port_stats){
        .imissed = s.imissed, .ierrors = s.ierrors, .oerrors = s.oerrors, .no_memory = s.rx_nombuf};
    for (unsigned i = 0; i < d->queues; i++)
        port_add_stats(out, &d->queue[i].head);
    if (d->is_xdp) {
        uint64_t counts[STEER_COUNTS];
        xdp_counts(&d->xdp, counts);
        out->xdp_steered = counts[STEER_STEERED];
        out->xdp_passed = counts[STEER_PASSED];
        out->xdp_fallback = counts[STEER_FALLBACK];
    }
}

static const struct port_driver device_driver = {
    .rx = device_rx,
    .alloc = device_alloc,
    .tx = device_tx,
    .free = device_free,
    .info = device_info,
    .stats = device_stats,
};

unsigned device_queues_max(const char *driver)
{
    uint16_t id;
    struct rte_eth_dev_info info;
    if (rte_eth_dev_get_port_by_name(driver, &id) || rte_eth_dev_info_get(id, &info))
        return 0;
    return info.max_rx_queues < info.max_tx_queues ? info.max_rx_queues : info.max_tx_queues;
}

static int make_pool(struct device *d, unsigned packets, char error[PORT_ERROR_MAX])
{
    char name[32];
    snprintf(name, sizeof name, "voxpop%u", d->index);
    d->pool =
        rte_pktmbuf_pool_create(name, packets, PACKET_CACHE, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
    if (!d->pool)
        return port_fail(error,
                         "no memory for %u packets of port %s: %s: raise memory_mb or the huge pages, or "
                         "lower packets",
                         packets, d->name, rte_strerror(rte_errno));
    /* The AF_XDP driver registers one stretch of memory with the kernel. */
    if (d->is_xdp && d->pool->nb_mem_chunks != 1)
        return port_fail(error,
                         "the packet memory of port %s is in %u pieces and AF_XDP needs one: free huge pages "
                         "are scattered; restart the machine, or lower packets",
                         d->name, d->pool->nb_mem_chunks);
    return 0;
}

static int set_up_queues(struct device *d, unsigned descriptors)
{
    struct rte_eth_dev_info info;
    struct rte_eth_conf conf = {0};
    uint16_t rx = (uint16_t)descriptors, tx = (uint16_t)descriptors;
    int result = rte_eth_dev_info_get(d->id, &info);
    if (result)
        return result;
    if (d->queues > 1) {
        conf.rx_adv_conf.rss_conf.rss_hf =
            info.flow_type_rss_offloads & (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP);
        if (conf.rx_adv_conf.rss_conf.rss_hf)
            conf.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
    }
    result = rte_eth_dev_configure(d->id, (uint16_t)d->queues, (uint16_t)d->queues, &conf);
    if (result == 0)
        result = rte_eth_dev_adjust_nb_rx_tx_desc(d->id, &rx, &tx);
    for (uint16_t i = 0; result == 0 && i < d->queues; i++) {
        result = rte_eth_rx_queue_setup(d->id, i, rx, SOCKET_ID_ANY, NULL, d->pool);
        if (result == 0)
            result = rte_eth_tx_queue_setup(d->id, i, tx, SOCKET_ID_ANY, NULL);
    }
    return result;
}

int device_start(struct device *d, unsigned packets, unsigned descriptors, char error[PORT_ERROR_MAX])
{
    if (rte_eth_dev_get_port_by_name(d->driver, &d->id))
        return port_fail(
            error, "DPDK found no device %s: check the address or name (dpdk-devbind.py --status)", d->name);
    if (make_pool(d, packets, error))
        return -1;
    int result = set_up_queues(d, descriptors);
    d->is_configured = true;
    if (result == 0)
        result = rte_eth_dev_start(d->id);
    if (result && !d->is_client)
        return port_fail(error, "port %s does not start with %u queues: %s", d->name, d->queues,
                         rte_strerror(-result));
    if (!d->is_xdp)
        rte_eth_allmulticast_enable(
            d->id); /* solicitations come to groups; drivers without it see everything */
    for (unsigned i = 0; i < d->queues; i++) {
        d->queue[i].device = d;
        d->queue[i].head.driver = &device_driver;
        d->queue[i].head.port = d->index;
        d->queue[i].head.index = (uint16_t)i;
    }
    atomic_store(&d->is_running, result == 0);
    return d->is_xdp ? xdp_open(&d->xdp, error) : 0;
}

/*
 * A memif client whose server has left, or was not there yet, connects again. The worker is kept away from
 * the device for that long; what it sends is counted as tx_full.
 */
void device_maintain(struct device *d)
{
    struct rte_eth_link link = {0};
    if (!d->is_client || (rte_eth_link_get_nowait(d->id, &link) == 0 && link.link_status == RTE_ETH_LINK_UP))
        return;
    if (atomic_exchange(&d->is_running, false)) {
        usleep(WORKER_LEAVES_US);
        rte_eth_dev_stop(d->id);
    }
    atomic_store(&d->is_running, rte_eth_dev_start(d->id) == 0);
}

void device_stop(struct device *d)
{
    if (atomic_exchange(&d->is_running, false))
        rte_eth_dev_stop(d->id);
    if (d->is_configured)
        rte_eth_dev_close(d->id);
    d->is_configured = false;
    if (d->lock >= 0)
        close(d->lock);
    d->lock = -1;
    if (d->is_xdp)
        xdp_close(&d->xdp);
}
