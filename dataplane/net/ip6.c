/*
 * IPv6: see ip6.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/net/ip6.h"
#include "dataplane/net/net.h"

#define IP6_HOP_BY_HOP 0u

static bool ip6_is_extension(uint8_t protocol)
{
    switch (protocol) {
    case IP6_HOP_BY_HOP:
    case 43:  /* routing */
    case 44:  /* fragment */
    case 51:  /* authentication */
    case 60:  /* destination options */
    case 135: /* mobility */
    case 139: /* host identity */
    case 140: /* shim6 */
        return true;
    }
    return false;
}

/* May a node that knows no option skip them all (RFC 8200 4.2: the two highest bits of the type)? */
static bool ip6_options_skippable(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len;) {
        if (p[i] == 0) { /* Pad1: no length */
            i++;
            continue;
        }
        if (p[i] >> 6 || len - i < 2 || len - i - 2 < p[i + 1])
            return false;
        i += 2u + p[i + 1];
    }
    return true;
}

enum drop_reason ip6_parse(const uint8_t *p, size_t len, struct ip6_header *out)
{
    struct ip6_header h = {.header_len = IP6_HEADER};
    if (len < IP6_HEADER)
        return DROP_IP6_SHORT;
    if (p[0] >> 4 != 6)
        return DROP_IP6_HEADER;
    h.l4_len = be16(p + 4);
    if (h.l4_len > len - IP6_HEADER)
        return DROP_IP6_SHORT;
    h.tos = (uint8_t)(be16(p) >> 4);
    h.protocol = p[6];
    h.hop_limit = p[7];
    memcpy(h.source, p + 8, 16);
    memcpy(h.destination, p + 24, 16);
    static const uint8_t unspecified[16];
    if (net_address_is4(h.source) || memcmp(h.source, h.destination, 16) == 0 ||
        (!net_source_is_sane(h.source) && memcmp(h.source, unspecified, 16) != 0))
        return DROP_IP6_SOURCE;
    if (net_address_is4(h.destination))
        return DROP_IP_NOT_OURS;
    if (h.protocol == IP6_HOP_BY_HOP) {
        if (h.l4_len < 8)
            return DROP_IP6_SHORT;
        uint16_t ext = (uint16_t)((p[IP6_HEADER + 1] + 1) * 8);
        if (ext > h.l4_len)
            return DROP_IP6_SHORT;
        if (!ip6_options_skippable(p + IP6_HEADER + 2, ext - 2u))
            return DROP_IP6_EXTENSION;
        h.protocol = p[IP6_HEADER];
        h.header_len += ext;
        h.l4_len -= ext;
    }
    if (ip6_is_extension(h.protocol))
        return DROP_IP6_EXTENSION;
    *out = h;
    return DROP_NONE;
}

void ip6_emit(uint8_t *p, const struct ip6_header *h)
{
    put_be32(p, 6u << 28 | (uint32_t)h->tos << 20);
    put_be16(p + 4, h->l4_len);
    p[6] = h->protocol;
    p[7] = h->hop_limit;
    memcpy(p + 8, h->source, 16);
    memcpy(p + 24, h->destination, 16);
}
