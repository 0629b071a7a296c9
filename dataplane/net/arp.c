/*
 * ARP: see arp.h; the responder and the question are declared in net.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/net/arp.h"
#include "dataplane/net/eth.h"
#include "dataplane/net/net.h"

/* Ethernet, IPv4, 6 and 4 bytes of address. */
static const uint8_t arp_kind[6] = {0, 1, 8, 0, 6, 4};

static bool arp_is_probe(const uint8_t sender[16])
{
    return be32(sender + 12) == 0;
}

enum drop_reason arp_parse(const uint8_t *p, size_t len, struct arp_message *out)
{
    struct arp_message m;
    if (len < ARP_LEN || memcmp(p, arp_kind, sizeof arp_kind) != 0)
        return DROP_ARP_MALFORMED;
    m.operation = be16(p + 6);
    memcpy(m.sender_mac, p + 8, 6);
    net_address_from4(m.sender, p + 14);
    memcpy(m.target_mac, p + 18, 6);
    net_address_from4(m.target, p + 24);
    if (m.operation != ARP_REQUEST && m.operation != ARP_REPLY)
        return DROP_ARP_MALFORMED;
    if (eth_is_group(m.sender_mac))
        return DROP_ARP_MALFORMED;
    if (!net_source_is_sane(m.sender) && !(m.operation == ARP_REQUEST && arp_is_probe(m.sender)))
        return DROP_ARP_MALFORMED;
    *out = m;
    return DROP_NONE;
}

void arp_emit(uint8_t p[ARP_LEN], const struct arp_message *m)
{
    memcpy(p, arp_kind, sizeof arp_kind);
    put_be16(p + 6, m->operation);
    memcpy(p + 8, m->sender_mac, 6);
    memcpy(p + 14, m->sender + 12, 4);
    memcpy(p + 18, m->target_mac, 6);
    memcpy(p + 24, m->target + 12, 4);
}

static size_t arp_frame(uint8_t *frame, const uint8_t destination_mac[6], const struct arp_message *m)
{
    struct eth_header eth = {.type = ETH_TYPE_ARP};
    memcpy(eth.destination, destination_mac, 6);
    memcpy(eth.source, m->sender_mac, 6);
    eth_emit(frame, &eth);
    arp_emit(frame + ETH_HEADER, m);
    return ETH_HEADER + ARP_LEN;
}

size_t arp_reply(uint8_t *frame, size_t room, const struct net_packet *p, const struct net_addresses *ours,
                 const uint8_t mac[6], enum drop_reason *why)
{
    struct arp_message m, answer = {.operation = ARP_REPLY};
    *why = arp_parse(p->l4, p->l4_len, &m);
    if (!*why && net_addresses_has(ours, m.sender))
        *why = DROP_ADDRESS_CONFLICT;
    if (*why || m.operation != ARP_REQUEST)
        return 0;
    if (!net_addresses_has(ours, m.target)) {
        *why = DROP_ARP_NOT_OURS;
        return 0;
    }
    memcpy(answer.sender_mac, mac, 6);
    memcpy(answer.sender, m.target, 16);
    memcpy(answer.target_mac, m.sender_mac, 6);
    memcpy(answer.target, m.sender, 16);
    return arp_frame(frame, m.sender_mac, &answer);
}

size_t arp_request(uint8_t *frame, const uint8_t source[16], const uint8_t mac[6], const uint8_t target[16])
{
    static const uint8_t everybody[6] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    struct arp_message m = {.operation = ARP_REQUEST};
    memcpy(m.sender_mac, mac, 6);
    memcpy(m.sender, source, 16);
    memcpy(m.target, target, 16);
    return arp_frame(frame, everybody, &m);
}
