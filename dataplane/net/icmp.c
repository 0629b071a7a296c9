/*
 * ICMP echo: see icmp.h; the responder is declared in net.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/net/icmp.h"
#include "dataplane/net/net.h"

enum drop_reason icmp_parse(const uint8_t *p, size_t len, uint64_t sum, struct icmp_echo *out)
{
    if (len < ICMP_HEADER || len > UINT16_MAX || p[1] != 0)
        return DROP_ICMP_MALFORMED;
    if (checksum_wrong(checksum_add(sum, p, len)))
        return DROP_ICMP_CHECKSUM;
    *out = (struct icmp_echo){.type = p[0],
                              .identifier = be16(p + 4),
                              .sequence = be16(p + 6),
                              .data = p + ICMP_HEADER,
                              .data_len = (uint16_t)(len - ICMP_HEADER)};
    return DROP_NONE;
}

size_t icmp_emit(uint8_t *p, uint64_t sum, const struct icmp_echo *e)
{
    size_t len = ICMP_HEADER + e->data_len;
    p[0] = e->type;
    p[1] = 0;
    put_be16(p + 2, 0);
    put_be16(p + 4, e->identifier);
    put_be16(p + 6, e->sequence);
    put_be16(p + 2, checksum_fold(checksum_add(sum, p, len)));
    return len;
}

/* IPv4 options and the hop-by-hop header are not sent back: the message moves up to a plain header. */
size_t icmp_echo_reply(uint8_t *frame, size_t room, const struct net_packet *p,
                       const struct net_addresses *ours, const uint8_t mac[6], enum drop_reason *why)
{
    *why = net_accept(p, ours, mac);
    if (*why)
        return 0;
    struct net_path path = {.tos = p->tos};
    memcpy(path.source, p->destination, 16);
    memcpy(path.destination, p->source, 16);
    memcpy(path.source_mac, mac, 6);
    memcpy(path.next_hop_mac, p->source_mac, 6);
    uint8_t type = p->is6 ? ICMP6_ECHO_REPLY : ICMP4_ECHO_REPLY;
    uint8_t *l4 = frame + net_header_len(path.destination);
    memmove(l4, p->l4, p->l4_len);
    uint16_t before = be16(l4);
    l4[0] = type;
    put_be16(l4 + 2, checksum_replace(be16(l4 + 2), before, be16(l4)));
    return net_emit_ip(frame, &path, p->is6 ? NET_PROTOCOL_ICMP6 : NET_PROTOCOL_ICMP4, p->l4_len);
}
