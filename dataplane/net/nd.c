/*
 * Neighbour discovery: see nd.h; the responder and the question are declared in net.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/net/nd.h"
#include "dataplane/net/icmp.h"
#include "dataplane/net/net.h"

#define ND_HOP_LIMIT  255u /* not forwarded by any router: RFC 4861 7.1.1 */
#define ND_ROUTER     0x80u
#define ND_SOLICITED  0x40u
#define ND_OVERRIDE   0x20u
#define ND_SOURCE_MAC 1u
#define ND_TARGET_MAC 2u

static const uint8_t unspecified[16];
static const uint8_t all_nodes[16] = {0xff, 0x02, [15] = 1};

void nd_solicited_node(uint8_t out[16], const uint8_t address[16])
{
    static const uint8_t prefix[13] = {0xff, 0x02, [11] = 1, [12] = 0xff};
    memcpy(out, prefix, 13);
    memcpy(out + 13, address + 13, 3);
}

/* The options behind the target: each at least 8 bytes, none cut off (RFC 4861 4.6). Unknown ones are
 * skipped. */
static bool nd_parse_options(const uint8_t *p, size_t len, uint8_t wanted, struct nd_message *m)
{
    while (len) {
        if (len < 2 || p[1] == 0 || p[1] * 8u > len)
            return false;
        if (p[0] == wanted && p[1] == 1) {
            m->has_mac = true;
            memcpy(m->mac, p + 2, 6);
        }
        len -= p[1] * 8u;
        p += p[1] * 8u;
    }
    return !m->has_mac || !(m->mac[0] & 1);
}

/* RFC 4861 7.1.1: from the unspecified address only to a solicited-node address, and without a link-layer
 * address. */
static bool nd_solicit_is_valid(const struct nd_envelope *ip, const struct nd_message *m)
{
    uint8_t node[16];
    if (memcmp(ip->source, unspecified, 16) != 0)
        return true;
    nd_solicited_node(node, m->target);
    return !m->has_mac && memcmp(ip->destination, node, 16) == 0;
}

enum drop_reason nd_parse(const uint8_t *p, size_t len, const struct nd_envelope *ip, struct nd_message *out)
{
    if (len < ND_LEN || len > UINT16_MAX || p[1] != 0 || ip->hop_limit != ND_HOP_LIMIT)
        return DROP_ND_MALFORMED;
    if (checksum_wrong(checksum_add(
            checksum_pseudo(ip->source, ip->destination, NET_PROTOCOL_ICMP6, (uint32_t)len), p, len)))
        return DROP_ICMP_CHECKSUM;
    struct nd_message m = {.is_solicit = p[0] == ICMP6_SOLICIT};
    memcpy(m.target, p + 8, 16);
    if (m.target[0] == 0xff || net_address_is4(m.target) || memcmp(m.target, unspecified, 16) == 0)
        return DROP_ND_MALFORMED;
    if (!nd_parse_options(p + ND_LEN, len - ND_LEN, m.is_solicit ? ND_SOURCE_MAC : ND_TARGET_MAC, &m))
        return DROP_ND_MALFORMED;
    if (m.is_solicit) {
        if (!nd_solicit_is_valid(ip, &m))
            return DROP_ND_MALFORMED;
    } else {
        m.router = p[4] & ND_ROUTER;
        m.solicited = p[4] & ND_SOLICITED;
        m.override = p[4] & ND_OVERRIDE;
        if (memcmp(ip->source, unspecified, 16) == 0 || (ip->destination[0] == 0xff && m.solicited))
            return DROP_ND_MALFORMED;
    }
    *out = m;
    return DROP_NONE;
}

size_t nd_emit(uint8_t *p, const struct nd_envelope *ip, const struct nd_message *m)
{
    size_t len = m->has_mac ? ND_LEN_WITH_MAC : ND_LEN;
    memset(p, 0, ND_LEN);
    p[0] = m->is_solicit ? ICMP6_SOLICIT : ICMP6_ADVERTISE;
    if (!m->is_solicit)
        p[4] = (uint8_t)((m->router ? ND_ROUTER : 0) | (m->solicited ? ND_SOLICITED : 0) |
                         (m->override ? ND_OVERRIDE : 0));
    memcpy(p + 8, m->target, 16);
    if (m->has_mac) {
        p[ND_LEN] = m->is_solicit ? ND_SOURCE_MAC : ND_TARGET_MAC;
        p[ND_LEN + 1] = 1;
        memcpy(p + ND_LEN + 2, m->mac, 6);
    }
    uint64_t sum = checksum_pseudo(ip->source, ip->destination, NET_PROTOCOL_ICMP6, (uint32_t)len);
    put_be16(p + 2, checksum_fold(checksum_add(sum, p, len)));
    return len;
}

static size_t nd_frame(uint8_t *frame, const struct net_path *path, const struct nd_message *m)
{
    struct nd_envelope ip = {.hop_limit = ND_HOP_LIMIT};
    memcpy(ip.source, path->source, 16);
    memcpy(ip.destination, path->destination, 16);
    size_t len = nd_emit(frame + net_header_len(path->destination), &ip, m);
    return net_emit_ip6(frame, path, NET_PROTOCOL_ICMP6, len);
}

/* The Ethernet group of an IPv6 group (RFC 2464 7). */
static void nd_group_mac(uint8_t mac[6], const uint8_t group[16])
{
    mac[0] = mac[1] = 0x33;
    memcpy(mac + 2, group + 12, 4);
}

enum drop_reason nd_of_packet(const struct net_packet *p, struct nd_message *out)
{
    struct nd_envelope ip = {.hop_limit = p->hop_limit};
    memcpy(ip.source, p->source, 16);
    memcpy(ip.destination, p->destination, 16);
    return nd_parse(p->l4, p->l4_len, &ip, out);
}

size_t nd_reply(uint8_t *frame, size_t room, const struct net_packet *p, const struct net_addresses *ours,
                const uint8_t mac[6], enum drop_reason *why)
{
    struct nd_message m, answer = {.override = true, .has_mac = true};
    *why = nd_of_packet(p, &m);
    if (!*why && net_addresses_has(ours, m.is_solicit ? p->source : m.target))
        *why = DROP_ADDRESS_CONFLICT;
    if (*why || !m.is_solicit)
        return 0;
    if (!net_addresses_has(ours, m.target)) {
        *why = DROP_ND_NOT_OURS;
        return 0;
    }
    struct net_path path = {.hop_limit = ND_HOP_LIMIT};
    if (net_header_len(m.target) + ND_LEN_WITH_MAC > room) {
        *why = DROP_PORT_NO_MEMORY;
        return 0;
    }
    memcpy(path.source, m.target, 16);
    memcpy(path.source_mac, mac, 6);
    if (memcmp(p->source, unspecified, 16) == 0) { /* somebody wants our address: tell all (RFC 4861 7.2.4) */
        memcpy(path.destination, all_nodes, 16);
        nd_group_mac(path.next_hop_mac, all_nodes);
    } else {
        memcpy(path.destination, p->source, 16);
        memcpy(path.next_hop_mac, m.has_mac ? m.mac : p->source_mac, 6);
        answer.solicited = true;
    }
    memcpy(answer.target, m.target, 16);
    memcpy(answer.mac, mac, 6);
    return nd_frame(frame, &path, &answer);
}

size_t nd_solicit(uint8_t *frame, const uint8_t source[16], const uint8_t mac[6], const uint8_t target[16])
{
    struct nd_message m = {.is_solicit = true, .has_mac = true};
    struct net_path path = {.hop_limit = ND_HOP_LIMIT};
    memcpy(m.mac, mac, 6);
    memcpy(m.target, target, 16);
    memcpy(path.source, source, 16);
    memcpy(path.source_mac, mac, 6);
    nd_solicited_node(path.destination, target);
    nd_group_mac(path.next_hop_mac, path.destination);
    return nd_frame(frame, &path, &m);
}
