/*
 * The herd's end of the wire: frames in and out, ARP.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>
#include <time.h>

#include "dataplane/net/net.h"
#include "herd_internal.h"

#define MEET_TRIES   30u
#define MEET_WAIT_US 100000u

static const uint8_t router[16] = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 2};

/* ---- out ---- */

void herd_flush(struct herd *h)
{
    unsigned n = h->out_count, left = h->out_room - n;
    if (!n)
        return;
    unsigned taken = port_tx(h->port, h->out, n);
    h->sent += taken;
    h->not_taken += n - taken;
    memmove(h->out, h->out + n, left * sizeof *h->out);
    h->out_count = 0;
    h->out_room = left;
}

/* An empty frame to write into; NULL: none is to be had, the frame is lost as on any wire. */
static struct packet *frame_new(struct herd *h)
{
    if (h->out_count == h->out_room) {
        herd_flush(h);
        h->out_room = port_alloc(h->port, h->out, PORT_BURST_MAX);
    }
    if (!h->out_room) {
        h->not_taken++;
        return NULL;
    }
    return &h->out[h->out_count];
}

void herd_emit(struct herd *h, const struct tcp_plan *plan, struct herd_client *c)
{
    struct packet *p = frame_new(h);
    struct net_path path = {.hop_limit = NET_TTL};
    if (!p)
        return;
    memcpy(path.source, plan->tuple.local, 16);
    memcpy(path.destination, plan->tuple.remote, 16);
    memcpy(path.source_mac, h->mac, 6);
    memcpy(path.next_hop_mac, h->next_hop, 6);
    size_t head = net_header_len(path.destination);
    size_t len = tcp_build(plan, herd_fill, c, p->data + head, p->room - head);
    if (!len)
        return;
    p->len = (uint16_t)net_emit_ip(p->data, &path, TCP_PROTOCOL, len);
    h->out_count++;
}

/* ---- in ---- */

/* We are the router that all clients are behind. */
static void answer_link(struct herd *h, const struct packet *in, const struct net_packet *n)
{
    struct net_addresses ours = {.count = 0};
    enum drop_reason why;
    struct packet *p = frame_new(h);
    net_addresses_add(&ours, router);
    if (memcmp(n->source, h->config.server, 16) == 0) {
        memcpy(h->next_hop, n->source_mac, 6);
        h->have_next_hop = true;
    }
    if (!p)
        return;
    memcpy(p->data, in->data, in->len);
    size_t len = arp_reply(p->data, p->room, n, &ours, h->mac, &why);
    if (!len)
        return;
    p->len = (uint16_t)len;
    h->out_count++;
}

static void take_segment(struct herd *h, const struct net_packet *n)
{
    struct tcp_segment s;
    struct tcp_out out = {0};
    if (memcmp(n->source, h->config.server, 16) != 0)
        return;
    if (tcp_parse(n->l4, n->l4_len, &s) != DROP_NONE)
        return herd_wrong(h, UINT32_MAX, "a TCP header that cannot be read");
    uint32_t i = herd_find(h, n->destination, s.dst_port);
    if (i == UINT32_MAX || s.src_port != h->config.server_port)
        return; /* of a life that ended without a word */
    struct herd_client *c = &h->client[i];
    if (c->stage == HERD_IDLE)
        return;
    bool passing = h->config.expects && c->stage == HERD_OPEN && herd_draw(h) % 64;
    if (!passing && !tcp_checksum_ok(n->l4, n->l4_len, n->source, n->destination))
        return herd_wrong(h, i, "a TCP checksum that is wrong");
    struct tcp_env env = herd_env(h, c);
    tcp_input(&c->tcp, &env, &s, h->now_us, &out);
    if (out.events & TCP_EV_ACKED)
        herd_acked(c);
    if (out.events & TCP_EV_ESTABLISHED)
        herd_begin_tls(h, c);
    if (out.events & TCP_EV_DATA)
        herd_read(h, c, &out);
    if (out.events & TCP_EV_PEER_FIN)
        tcp_close(&c->tcp);
    herd_output(h, c);
}

unsigned herd_receive(struct herd *h)
{
    struct packet burst[PORT_BURST_MAX];
    struct net_packet n;
    unsigned got = port_rx(h->port, burst, PORT_BURST_MAX);
    for (unsigned i = 0; i < got; i++) {
        switch (net_parse(burst[i].data, burst[i].len, &n)) {
        case NET_TCP:
            take_segment(h, &n);
            break;
        case NET_ARP:
            answer_link(h, &burst[i], &n);
            break;
        default:
            break;
        }
    }
    port_free(burst, got);
    h->received += got;
    return got;
}

bool herd_meet(struct herd *h)
{
    struct port_info info;
    port_info(h->port, &info);
    memcpy(h->mac, info.mac, 6);
    for (unsigned i = 0; i < MEET_TRIES && !h->have_next_hop; i++) {
        struct packet *p = frame_new(h);
        if (p) {
            p->len = (uint16_t)arp_request(p->data, router, h->mac, h->config.server);
            h->out_count++;
        }
        for (unsigned k = 0; k < 100 && !h->have_next_hop; k++) {
            herd_flush(h);
            herd_receive(h);
            nanosleep(&(struct timespec){.tv_nsec = MEET_WAIT_US * 10}, NULL);
        }
    }
    herd_flush(h);
    return h->have_next_hop;
}
