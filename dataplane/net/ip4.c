/*
 * IPv4: see ip4.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/net/ip4.h"
#include "dataplane/net/net.h"

#define IP4_RESERVED    0x8000u
#define IP4_DO_NOT_CUT  0x4000u
#define IP4_MORE_OFFSET 0x3fffu /* more fragments, and the fragment's offset */

enum drop_reason ip4_parse(const uint8_t *p, size_t len, struct ip4_header *out)
{
    struct ip4_header h;
    if (len < IP4_HEADER)
        return DROP_IP4_SHORT;
    h.header_len = (uint8_t)((p[0] & 15) * 4);
    h.tos = p[1];
    h.total_len = be16(p + 2);
    h.ttl = p[8];
    h.protocol = p[9];
    if (p[0] >> 4 != 4 || h.header_len < IP4_HEADER || h.total_len < h.header_len)
        return DROP_IP4_HEADER;
    if (h.total_len > len)
        return DROP_IP4_SHORT;
    if (checksum_wrong(checksum_add(0, p, h.header_len)))
        return DROP_IP4_CHECKSUM;
    if (be16(p + 6) & IP4_RESERVED)
        return DROP_IP4_HEADER;
    if (be16(p + 6) & IP4_MORE_OFFSET)
        return DROP_IP4_FRAGMENT;
    net_address_from4(h.source, p + 12);
    net_address_from4(h.destination, p + 16);
    if (!net_source_is_sane(h.source) || memcmp(h.source, h.destination, 16) == 0)
        return DROP_IP4_SOURCE;
    *out = h;
    return DROP_NONE;
}

void ip4_emit(uint8_t *p, const struct ip4_header *h)
{
    p[0] = 4 << 4 | IP4_HEADER / 4;
    p[1] = h->tos;
    put_be16(p + 2, h->total_len);
    put_be16(p + 4, 0); /* not to be cut, so the identification means nothing: RFC 6864 4.1 */
    put_be16(p + 6, IP4_DO_NOT_CUT);
    p[8] = h->ttl;
    p[9] = h->protocol;
    put_be16(p + 10, 0);
    memcpy(p + 12, h->source + 12, 4);
    memcpy(p + 16, h->destination + 12, 4);
    put_be16(p + 10, checksum(p, IP4_HEADER));
}
