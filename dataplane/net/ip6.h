/*
 * IPv6 headers, RFC 8200. One hop-by-hop header is skipped if every option in it may be; all other extension
 * headers, fragments among them, are refused, and so are sources that cannot be answered and IPv4-mapped
 * addresses on the wire, which would pass for IPv4 inside. The unspecified source is left to the caller: a
 * neighbour solicitation may have it.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_NET_IP6_H
#define VOXPOP_NET_IP6_H

#include "dataplane/base/bytes.h"
#include "drop_reason.h"

#define IP6_HEADER 40u

struct ip6_header {
    uint8_t tos; /* traffic class */
    uint8_t hop_limit;
    uint8_t protocol;    /* of what follows the extension header */
    uint16_t header_len; /* bytes, with the extension header */
    uint16_t l4_len;     /* bytes behind it */
    uint8_t source[16];
    uint8_t destination[16];
};

enum drop_reason ip6_parse(const uint8_t *p, size_t len, struct ip6_header *out);

/* Writes IP6_HEADER bytes, whatever h->header_len is; flow label 0. */
void ip6_emit(uint8_t *p, const struct ip6_header *h);

#endif
