/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/net/icmp_error.h"

#define HEADER     8u /* of the ICMP message */
#define TCP_QUOTED 8u /* ports and sequence number */
#define IP4_MIN    20u
#define IP6_MIN    40u

/* The packet that an error quotes, as far as it is there. */
struct quote {
    const uint8_t *tcp;
    uint32_t length; /* of the whole packet, by its own header */
};

static bool quote4(const uint8_t *p, size_t len, struct quote *q, struct icmp_error *e)
{
    size_t header = len < IP4_MIN ? 0 : (size_t)(p[0] & 15) * 4;
    if (header < IP4_MIN || p[0] >> 4 != 4 || len < header + TCP_QUOTED || p[9] != NET_PROTOCOL_TCP || (be16(p + 6) & 0x1fff))
        return false;
    net_address_from4(e->source, p + 12);
    net_address_from4(e->destination, p + 16);
    *q = (struct quote){p + header, be16(p + 2)};
    return true;
}

/* We send no extension headers. */
static bool quote6(const uint8_t *p, size_t len, struct quote *q, struct icmp_error *e)
{
    if (len < IP6_MIN + TCP_QUOTED || p[0] >> 4 != 6 || p[6] != NET_PROTOCOL_TCP)
        return false;
    memcpy(e->source, p + 8, 16);
    memcpy(e->destination, p + 24, 16);
    *q = (struct quote){p + IP6_MIN, IP6_MIN + be16(p + 4)};
    return true;
}

/* Routers that know no better say 0: the next smaller of the sizes that links have (RFC 1191 7.1). */
static uint32_t plateau_below(uint32_t length)
{
    static const uint16_t plateau[] = {8166, 4352, 2002, 1492, 1006, 0};
    unsigned i = 0;
    while (plateau[i] && plateau[i] >= length)
        i++;
    return plateau[i];
}

/* What the message says of the MTU, made sane; 0: it cannot be. */
static uint16_t believable(bool is6, uint32_t said, uint32_t quoted)
{
    if (!is6 && said == 0)
        said = plateau_below(quoted);
    said = (uint32_t)max_u64(said, is6 ? PATH_MTU6_MIN : PATH_MTU4_MIN);
    return said < quoted ? (uint16_t)said : 0;
}

enum drop_reason icmp_error_parse(const struct net_packet *p, struct icmp_error *out)
{
    struct icmp_error e = {0};
    struct quote q;
    const uint8_t *m = p->l4;
    if (p->l4_len < HEADER)
        return DROP_ICMP_MALFORMED;
    bool good = p->is6 ? quote6(m + HEADER, p->l4_len - HEADER, &q, &e) : quote4(m + HEADER, p->l4_len - HEADER, &q, &e);
    if (!good || memcmp(e.source, p->destination, 16) != 0)
        return DROP_ICMP_QUOTE;
    e.source_port = be16(q.tcp);
    e.destination_port = be16(q.tcp + 2);
    e.seq = be32(q.tcp + 4);
    bool too_big = p->is6 ? m[0] == ICMP6_TOO_BIG : m[0] == ICMP4_UNREACHABLE && m[1] == ICMP4_FRAGMENTATION;
    if (too_big && !(e.mtu = believable(p->is6, p->is6 ? be32(m + 4) : be16(m + 6), q.length)))
        return DROP_ICMP_MTU;
    *out = e;
    return DROP_NONE;
}
