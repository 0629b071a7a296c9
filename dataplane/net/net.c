/*
 * The demultiplexer, addresses and the way out: see net.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/net/net.h"

#include <arpa/inet.h>

#include "dataplane/net/arp.h"
#include "dataplane/net/eth.h"
#include "dataplane/net/icmp.h"
#include "dataplane/net/icmp_error.h"
#include "dataplane/net/ip4.h"
#include "dataplane/net/ip6.h"
#include "dataplane/net/nd.h"
#include "dataplane/net/udp.h"

#define TCP_HEADER 20u

bool net_addresses_add(struct net_addresses *list, const uint8_t address[16])
{
    if (list->count == NET_ADDRESSES_MAX)
        return false;
    memcpy(list->address[list->count++], address, 16);
    return true;
}

bool net_addresses_has(const struct net_addresses *list, const uint8_t address[16])
{
    for (unsigned i = 0; i < list->count; i++)
        if (memcmp(list->address[i], address, 16) == 0)
            return true;
    return false;
}

bool net_address_parse(const char *text, uint8_t out[16])
{
    uint8_t four[4];
    if (inet_pton(AF_INET, text, four) == 1) {
        net_address_from4(out, four);
        return true;
    }
    return inet_pton(AF_INET6, text, out) == 1;
}

const char *net_address_text(const uint8_t address[16], char out[46])
{
    if (net_address_is4(address))
        return inet_ntop(AF_INET, address + 12, out, 46);
    return inet_ntop(AF_INET6, address, out, 46);
}

bool net_source_is_sane(const uint8_t address[16])
{
    static const uint8_t low[15]; /* of :: and ::1 */
    if (net_address_is4(address))
        return address[12] != 0 && address[12] != 127 && address[12] < 224; /* RFC 1122 3.2.1.3 */
    return address[0] != 0xff && (memcmp(address, low, 15) != 0 || address[15] > 1);
}

enum drop_reason net_accept(const struct net_packet *p, const struct net_addresses *ours,
                            const uint8_t mac[6])
{
    if (memcmp(p->destination_mac, mac, 6) != 0)
        return DROP_ETH_NOT_OURS;
    if (!net_addresses_has(ours, p->destination))
        return DROP_IP_NOT_OURS;
    if (net_addresses_has(ours, p->source))
        return p->is6 ? DROP_IP6_SOURCE : DROP_IP4_SOURCE;
    return DROP_NONE;
}

static enum drop_reason parse_arp(const uint8_t *p, size_t len, struct net_packet *out)
{
    struct arp_message m;
    enum drop_reason why = arp_parse(p, len, &m);
    if (why)
        return why;
    memcpy(out->source, m.sender, 16);
    memcpy(out->destination, m.target, 16);
    out->l4 = p;
    out->l4_len = ARP_LEN;
    out->class = NET_ARP;
    return DROP_NONE;
}

static enum drop_reason parse_icmp_error(struct net_packet *out, uint64_t sum)
{
    if (checksum_wrong(checksum_add(sum, out->l4, out->l4_len)))
        return DROP_ICMP_CHECKSUM;
    out->class = NET_ICMP_ERROR;
    return DROP_NONE;
}

static enum drop_reason parse_icmp4(struct net_packet *out)
{
    struct icmp_echo e;
    if (out->l4_len >= ICMP_HEADER && icmp4_is_error(out->l4[0]))
        return parse_icmp_error(out, 0);
    enum drop_reason why = icmp_parse(out->l4, out->l4_len, 0, &e);
    if (why)
        return why;
    if (e.type != ICMP4_ECHO_REQUEST)
        return DROP_ICMP_TYPE;
    out->class = NET_ICMP4;
    return DROP_NONE;
}

static enum drop_reason parse_icmp6(struct net_packet *out)
{
    if (out->l4_len < ICMP_HEADER)
        return DROP_ICMP_MALFORMED;
    uint8_t type = out->l4[0];
    if (type == ICMP6_SOLICIT || type == ICMP6_ADVERTISE) {
        struct nd_message m;
        enum drop_reason why = nd_of_packet(out, &m);
        out->class = NET_ND;
        return why;
    }
    struct icmp_echo e;
    uint64_t sum = checksum_pseudo(out->source, out->destination, NET_PROTOCOL_ICMP6, out->l4_len);
    if (icmp6_is_error(type))
        return parse_icmp_error(out, sum);
    enum drop_reason why = icmp_parse(out->l4, out->l4_len, sum, &e);
    if (why)
        return why;
    out->class = NET_ICMP6;
    return type == ICMP6_ECHO_REQUEST ? DROP_NONE : DROP_ICMP_TYPE;
}

static enum drop_reason parse_udp(struct net_packet *out)
{
    struct udp_header h;
    enum drop_reason why = udp_parse(out->l4, out->l4_len, out->source, out->destination, &h);
    if (why)
        return why;
    out->source_port = h.source_port;
    out->destination_port = h.destination_port;
    out->l4_len = h.len;
    out->payload = out->l4 + UDP_HEADER;
    out->payload_len = (uint16_t)(h.len - UDP_HEADER);
    out->class = NET_UDP;
    return DROP_NONE;
}

static enum drop_reason parse_tcp(struct net_packet *out)
{
    if (out->l4_len < TCP_HEADER)
        return DROP_TCP_SHORT;
    out->source_port = be16(out->l4);
    out->destination_port = be16(out->l4 + 2);
    out->class = NET_TCP;
    return DROP_NONE;
}

static enum drop_reason parse_ip4(const uint8_t *p, size_t len, struct net_packet *out)
{
    struct ip4_header h;
    enum drop_reason why = ip4_parse(p, len, &h);
    if (why)
        return why;
    memcpy(out->source, h.source, 16);
    memcpy(out->destination, h.destination, 16);
    out->hop_limit = h.ttl;
    out->tos = h.tos;
    out->l4 = p + h.header_len;
    out->l4_len = (uint16_t)(h.total_len - h.header_len);
    switch (h.protocol) {
    case NET_PROTOCOL_UDP:
        return parse_udp(out);
    case NET_PROTOCOL_TCP:
        return parse_tcp(out);
    case NET_PROTOCOL_ICMP4:
        return parse_icmp4(out);
    }
    return DROP_IP_PROTOCOL;
}

static enum drop_reason parse_ip6(const uint8_t *p, size_t len, struct net_packet *out)
{
    struct ip6_header h;
    enum drop_reason why = ip6_parse(p, len, &h);
    if (why)
        return why;
    memcpy(out->source, h.source, 16);
    memcpy(out->destination, h.destination, 16);
    out->hop_limit = h.hop_limit;
    out->tos = h.tos;
    out->is6 = true;
    out->l4 = p + h.header_len;
    out->l4_len = h.l4_len;
    /* The unspecified source is left for neighbour discovery to judge, and for nobody else. */
    if (h.protocol == NET_PROTOCOL_ICMP6) {
        why = parse_icmp6(out);
        if (!why && out->class != NET_ND && !net_source_is_sane(h.source))
            why = DROP_IP6_SOURCE;
        return why;
    }
    if (!net_source_is_sane(h.source))
        return DROP_IP6_SOURCE;
    switch (h.protocol) {
    case NET_PROTOCOL_UDP:
        return parse_udp(out);
    case NET_PROTOCOL_TCP:
        return parse_tcp(out);
    }
    return DROP_IP_PROTOCOL;
}

static enum drop_reason parse_frame(const uint8_t *frame, size_t len, struct net_packet *out)
{
    struct eth_header eth;
    enum drop_reason why = eth_parse(frame, len, &eth);
    if (why)
        return why;
    memcpy(out->source_mac, eth.source, 6);
    memcpy(out->destination_mac, eth.destination, 6);
    switch (eth.type) {
    case ETH_TYPE_IP4:
        return parse_ip4(frame + ETH_HEADER, len - ETH_HEADER, out);
    case ETH_TYPE_IP6:
        return parse_ip6(frame + ETH_HEADER, len - ETH_HEADER, out);
    case ETH_TYPE_ARP:
        return parse_arp(frame + ETH_HEADER, len - ETH_HEADER, out);
    }
    return DROP_ETH_TYPE;
}

enum net_class net_parse(const uint8_t *frame, size_t len, struct net_packet *out)
{
    *out = (struct net_packet){.class = NET_DROP};
    out->drop = parse_frame(frame, len, out);
    if (out->drop)
        out->class = NET_DROP;
    return out->class;
}

static void emit_eth(uint8_t *frame, const struct net_path *path, uint16_t type)
{
    struct eth_header eth = {.type = type};
    memcpy(eth.destination, path->next_hop_mac, 6);
    memcpy(eth.source, path->source_mac, 6);
    eth_emit(frame, &eth);
}

size_t net_emit_ip4(uint8_t *frame, const struct net_path *path, uint8_t protocol, size_t l4_len)
{
    struct ip4_header h = {
        .tos = path->tos, .protocol = protocol, .total_len = (uint16_t)(IP4_HEADER + l4_len)};
    h.ttl = path->hop_limit ? path->hop_limit : NET_TTL;
    memcpy(h.source, path->source, 16);
    memcpy(h.destination, path->destination, 16);
    emit_eth(frame, path, ETH_TYPE_IP4);
    ip4_emit(frame + ETH_HEADER, &h);
    return ETH_HEADER + IP4_HEADER + l4_len;
}

size_t net_emit_ip6(uint8_t *frame, const struct net_path *path, uint8_t protocol, size_t l4_len)
{
    struct ip6_header h = {.tos = path->tos, .protocol = protocol, .l4_len = (uint16_t)l4_len};
    h.hop_limit = path->hop_limit ? path->hop_limit : NET_TTL;
    memcpy(h.source, path->source, 16);
    memcpy(h.destination, path->destination, 16);
    emit_eth(frame, path, ETH_TYPE_IP6);
    ip6_emit(frame + ETH_HEADER, &h);
    return ETH_HEADER + IP6_HEADER + l4_len;
}

size_t net_emit_ip(uint8_t *frame, const struct net_path *path, uint8_t protocol, size_t l4_len)
{
    return net_address_is4(path->destination) ? net_emit_ip4(frame, path, protocol, l4_len)
                                              : net_emit_ip6(frame, path, protocol, l4_len);
}

size_t net_emit_udp(uint8_t *frame, const struct net_path *path, uint16_t source_port,
                    uint16_t destination_port, size_t payload_len)
{
    struct udp_header h = {source_port, destination_port, (uint16_t)(UDP_HEADER + payload_len)};
    udp_emit(frame + net_header_len(path->destination), path->source, path->destination, &h);
    return net_emit_ip(frame, path, NET_PROTOCOL_UDP, h.len);
}

size_t net_solicit(uint8_t *frame, const uint8_t source[16], const uint8_t mac[6], const uint8_t target[16])
{
    return net_address_is4(target) ? arp_request(frame, source, mac, target)
                                   : nd_solicit(frame, source, mac, target);
}
