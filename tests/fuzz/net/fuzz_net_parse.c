/*
 * Whole frames: net_parse, the responders, ICMP errors and the neighbour table. What was parsed must lie within the frame,
 * and an answer must be a frame that parses again.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "dataplane/net/icmp_error.h"
#include "dataplane/net/neighbour.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1};
static struct route_neighbours neighbours;

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void check_slices(const uint8_t *frame, size_t len, const struct net_packet *p)
{
    require(p->l4 >= frame && p->l4 + p->l4_len <= frame + len);
    if (p->class == NET_UDP)
        require(p->payload == p->l4 + 8 && p->payload_len + 8 == p->l4_len);
}

/* What an ICMP error says was said to the one who sent it, and makes a path no smaller than one can be. */
static void check_icmp_error(const struct net_packet *p)
{
    struct icmp_error e;
    if (icmp_error_parse(p, &e) != DROP_NONE)
        return;
    require(memcmp(e.source, p->destination, 16) == 0);
    require(!e.mtu || e.mtu >= (p->is6 ? PATH_MTU6_MIN : PATH_MTU4_MIN));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct net_addresses ours = {0};
    struct net_packet p;
    enum drop_reason why = DROP_NONE;
    size_t answer = 0, room = len + 8;
    uint8_t *frame = malloc(room), mac[6], target[16];
    if (len)
        memcpy(frame, data, len);
    enum net_class class = net_parse(frame, len, &p);
    require((class == NET_DROP) == (p.drop != DROP_NONE));
    if (class != NET_DROP) {
        check_slices(frame, len, &p);
        if (net_source_is_sane(p.destination)) /* as the configuration demands of our addresses */
            net_addresses_add(&ours, p.destination);
        if (class == NET_ND && net_source_is_sane(p.l4 + 8)) /* the target */
            net_addresses_add(&ours, p.l4 + 8);
        neighbour_learn(&neighbours, &p, &ours, 1);
        neighbour_lookup(&neighbours, p.source, 2, mac);
        neighbour_request(&neighbours, 3, target);
        memcpy(p.destination_mac, our_mac, 6);
    }
    if (class == NET_ICMP_ERROR)
        check_icmp_error(&p);
    if (class == NET_ARP)
        answer = arp_reply(frame, room, &p, &ours, our_mac, &why);
    else if (class == NET_ND)
        answer = nd_reply(frame, room, &p, &ours, our_mac, &why);
    else if (class == NET_ICMP4 || class == NET_ICMP6)
        answer = icmp_echo_reply(frame, room, &p, &ours, our_mac, &why);
    require(answer <= room && (!answer || !why));
    if (answer) {
        struct net_packet again;
        net_parse(frame, answer, &again);
        if (class == NET_ARP || class == NET_ND)
            require(again.class == class);
        else
            require(again.drop == DROP_ICMP_TYPE); /* an echo reply */
    }
    free(frame);
    return 0;
}
