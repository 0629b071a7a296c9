/*
 * Whose packet it is: ours to answer at once (ARP, neighbour discovery, ping), a connection's (ICMP errors about it, too), voice, or another worker's.
 *
 * A TCP connection belongs to worker Toeplitz(key, addresses and ports) mod workers, a voice port names its worker. Where the NIC
 * cannot steer (one queue), the worker that received a packet hands it to its owner through a ring in memory.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/capture/capture.h"
#include "dataplane/net/icmp_error.h"
#include "dataplane/net/neighbour.h"
#include "dataplane/worker.h"

#define LINK_NEWS_PER_SECOND 10000u
#define LINK_NEWS_BURST      64u

/* Toeplitz hash as NICs compute it (over source, destination, source port, destination port, as they lie in the packet). */
static uint32_t toeplitz(const uint8_t key[40], const uint8_t *input, size_t len)
{
    uint32_t hash = 0, window = be32(key);
    for (size_t i = 0; i < len; i++) {
        for (int bit = 7; bit >= 0; bit--) {
            if (input[i] >> bit & 1)
                hash ^= window;
            window = window << 1 | (i + 4 < 40 ? key[i + 4] >> bit & 1 : 0);
        }
    }
    return hash;
}

uint32_t worker_of_tuple(const struct worker *w, const struct tcp_tuple *tuple)
{
    uint32_t workers = w->region->header->geometry.workers;
    if (workers == 1)
        return 0;
    uint8_t input[36];
    size_t address = net_address_is4(tuple->remote) ? 4 : 16;
    memcpy(input, tuple->remote + 16 - address, address);
    memcpy(input + address, tuple->local + 16 - address, address);
    put_be16(input + 2 * address, tuple->remote_port);
    put_be16(input + 2 * address + 2, tuple->local_port);
    return toeplitz(w->region->header->secrets.rss_key, input, 2 * address + 4) % workers;
}

static void drop(struct worker *w, struct packet *p, enum drop_reason why)
{
    if (why != DROP_NONE)
        count_drop(w->counters, why);
    port_free(p, 1);
}

/* An answer written over the question goes out after the commit. */
static void answer(struct worker *w, struct packet *p, size_t len, enum drop_reason why)
{
    if (!len || w->out_count == 2 * WORKER_BURST) {
        drop(w, p, len ? DROP_PORT_TX_FULL : why);
        return;
    }
    p->len = (uint16_t)len;
    w->out[w->out_count++] = *p;
}

static bool hand_over(struct worker *w, struct packet *p, uint32_t owner)
{
    if (owner == w->index)
        return false;
    p->tag = 0;
    if (spsc_push(&w->to_worker[owner], p))
        w->counters->count[COUNT_handed_over]++;
    else
        drop(w, p, DROP_HANDOVER_FULL);
    return true;
}

static void tcp_packet(struct worker *w, struct packet *p, const struct net_packet *n)
{
    struct tcp_tuple tuple = {.local_port = n->destination_port, .remote_port = n->source_port};
    struct tcp_segment s;
    memcpy(tuple.local, n->destination, 16);
    memcpy(tuple.remote, n->source, 16);
    if (hand_over(w, p, worker_of_tuple(w, &tuple)))
        return;
    capture_connection(w, p, &tuple);
    enum drop_reason why = tcp_checksum_ok(n->l4, n->l4_len, n->source, n->destination) ? tcp_parse(n->l4, n->l4_len, &s)
                                                                                        : DROP_TCP_CHECKSUM;
    if (why != DROP_NONE) {
        drop(w, p, why);
        return;
    }
    worker_open(w);
    conn_segment(w, &tuple, &s, p->tag ? w->ahead[p->tag - 1] : UINT32_MAX);
    port_free(p, 1);
}

/* An error about a segment of ours goes to the worker whose connection it is. */
static void icmp_error_packet(struct worker *w, struct packet *p, const struct net_packet *n)
{
    struct icmp_error e;
    enum drop_reason why = icmp_error_parse(n, &e);
    if (why != DROP_NONE) {
        capture_frame(w, p, CAPTURE_RX);
        drop(w, p, why);
        return;
    }
    struct tcp_tuple tuple = {.local_port = e.source_port, .remote_port = e.destination_port};
    memcpy(tuple.local, e.source, 16);
    memcpy(tuple.remote, e.destination, 16);
    if (hand_over(w, p, worker_of_tuple(w, &tuple)))
        return;
    capture_frame(w, p, CAPTURE_RX);
    worker_open(w);
    drop(w, p, conn_path_error(w, &tuple, e.seq, e.mtu));
}

static void udp_packet(struct worker *w, struct packet *p, const struct net_packet *n)
{
    uint32_t workers = w->region->header->geometry.workers, owner = n->destination_port - (uint32_t)w->config->voice_port_base;
    if (owner >= workers) {
        capture_frame(w, p, CAPTURE_RX);
        drop(w, p, DROP_UDP_PORT);
        return;
    }
    if (hand_over(w, p, owner))
        return;
    capture_voice(w, p, n);
    worker_open(w);
    if (!w->held_free_count) {
        drop(w, p, DROP_VOICE_PENDING_FULL);
        return;
    }
    struct packet *held = w->held_free[--w->held_free_count];
    *held = *p;
    struct voice_datagram d = {.data = p->data + (n->payload - p->data), .length = n->payload_len, .peer_port = n->source_port,
                               .local_port = n->destination_port, .arrived = w->received, .holder = held};
    memcpy(d.peer_ip, n->source, 16);
    memcpy(d.local_ip, n->destination, 16);
    enum voice_verdict verdict = voice_input(w->voice, &d, w->now_us);
    if (verdict == VOICE_FORWARD)
        return;
    w->held_free[w->held_free_count++] = held;
    if (verdict == VOICE_DONE) {
        port_free(p, 1);
        return;
    }
    struct net_path path = {0};
    memcpy(path.source, n->destination, 16);
    memcpy(path.destination, n->source, 16);
    memcpy(path.source_mac, w->port_info.mac, 6);
    memcpy(path.next_hop_mac, n->source_mac, 6); /* straight back: nobody is asked */
    answer(w, p, net_emit_udp(p->data, &path, n->destination_port, n->source_port, n->payload_len), DROP_NONE);
}

/* What may answer another worker's question is theirs to hear, too; a flood of it takes no more of the rings than so much. */
static void tell_workers(struct worker *w, const struct packet *p)
{
    for (uint32_t k = 0; w->to_worker && k < w->region->header->geometry.workers; k++) {
        struct packet copy;
        if (k == w->index || !net_budget_take(&w->link_news, LINK_NEWS_PER_SECOND, LINK_NEWS_BURST, w->now_us))
            continue;
        if (!port_alloc(w->port, &copy, 1)) {
            count_drop(w->counters, DROP_PORT_NO_MEMORY);
            return;
        }
        memcpy(copy.data, p->data, p->len);
        copy.len = p->len;
        hand_over(w, &copy, k);
    }
}

/* The SSRC of what looks like RTP over IPv4 to one of our voice ports; 0: it does not. Trusts nothing: it is for fetching ahead. */
static uint32_t ssrc_of(const struct worker *w, const struct packet *p)
{
    const uint8_t *d = p->data;
    if (p->len < 54 || be16(d + 12) != 0x0800 || d[14] != 0x45 || d[23] != NET_PROTOCOL_UDP || d[42] >> 6 != 2 ||
        be16(d + 36) - (uint32_t)w->config->voice_port_base != w->index)
        return 0;
    return be32(d + 50);
}

/* The addresses of what looks like TCP over IPv4. Trusts nothing, as above. */
static bool tuple_of(const struct packet *p, struct tcp_tuple *t)
{
    const uint8_t *d = p->data;
    if (p->len < 54 || be16(d + 12) != 0x0800 || d[14] != 0x45 || d[23] != NET_PROTOCOL_TCP)
        return false;
    net_address_from4(t->remote, d + 26);
    net_address_from4(t->local, d + 30);
    t->remote_port = be16(d + 34);
    t->local_port = be16(d + 36);
    return true;
}

/* Three steps over the whole burst, so that the misses of its packets overlap: table, connection, what that
 * points to. */
static void segments_ahead(struct worker *w, struct packet *burst, unsigned n)
{
    uint32_t place[WORKER_BURST];
    unsigned segments = 0;
    for (unsigned i = 0; i < n; i++) {
        struct tcp_tuple t;
        if (!tuple_of(&burst[i], &t))
            continue;
        place[segments++] = conn_table_place(&w->table, &t);
        burst[i].tag = (uint16_t)segments;
    }
    for (unsigned i = 0; i < segments; i++)
        if ((w->ahead[i] = conn_table_at(&w->table, place[i])) != UINT32_MAX)
            conn_ahead(w, w->ahead[i]);
    for (unsigned i = 0; i < segments; i++)
        if (w->ahead[i] != UINT32_MAX)
            conn_ahead_more(w, w->ahead[i]);
}

void worker_ahead(struct worker *w, struct packet *burst, unsigned n)
{
    uint32_t ssrc[WORKER_BURST];
    unsigned voices = 0;
    for (unsigned i = 0; i < n; i++)
        __builtin_prefetch(burst[i].data);
    segments_ahead(w, burst, n);
    for (unsigned i = 0; i < n; i++)
        if ((ssrc[voices] = ssrc_of(w, &burst[i])))
            voices++;
    for (unsigned step = 0; step < VOICE_AHEAD; step++)
        for (unsigned i = 0; i < voices; i++)
            voice_ahead(w->voice, step, ssrc[i]);
}

void worker_packet(struct worker *w, struct packet *p)
{
    const struct net_addresses *ours = &w->config->addresses;
    struct net_packet n;
    enum drop_reason why = DROP_NONE;
    if (w->handed && parts_packet(w, p))
        return;
    enum net_class class = net_parse(p->data, p->len, &n);
    if (class != NET_DROP && class != NET_ARP && class != NET_ND && !net_addresses_has(ours, n.destination)) {
        capture_frame(w, p, CAPTURE_RX);
        drop(w, p, DROP_IP_NOT_OURS);
        return;
    }
    if (class != NET_TCP && class != NET_UDP && class != NET_ICMP_ERROR) /* those are for their owner to capture */
        capture_frame(w, p, CAPTURE_RX);
    switch (class) {
    case NET_DROP:
        drop(w, p, n.drop);
        break;
    case NET_ARP:
    case NET_ND: {
        if (neighbour_learn(w->neighbours, &n, ours, w->now_us) && !w->handed)
            tell_workers(w, p);
        if (!w->answers_link && memcmp(p->data, w->port_info.mac, 6) != 0) {
            port_free(p, 1);
            break;
        }
        size_t len = class == NET_ARP ? arp_reply(p->data, p->room, &n, ours, w->port_info.mac, &why)
                                      : nd_reply(p->data, p->room, &n, ours, w->port_info.mac, &why);
        if (len)
            w->counters->count[class == NET_ARP ? COUNT_arp_replies : COUNT_nd_replies]++;
        answer(w, p, len, why);
        break;
    }
    case NET_ICMP4:
    case NET_ICMP6: {
        size_t len = icmp_echo_reply(p->data, p->room, &n, ours, w->port_info.mac, &why);
        if (len)
            w->counters->count[COUNT_echo_replies]++;
        answer(w, p, len, why);
        break;
    }
    case NET_ICMP_ERROR:
        icmp_error_packet(w, p, &n);
        break;
    case NET_TCP:
        tcp_packet(w, p, &n);
        break;
    case NET_UDP:
        udp_packet(w, p, &n);
        break;
    }
}
