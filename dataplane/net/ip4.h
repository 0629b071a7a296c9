/*
 * IPv4 headers, RFC 791. Options are accepted and ignored, never sent. Refuses fragments, the reserved flag,
 * wrong checksums, sources that cannot be answered.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_NET_IP4_H
#define VOXPOP_NET_IP4_H

#include "dataplane/base/bytes.h"
#include "drop_reason.h"

#define IP4_HEADER 20u

struct ip4_header {
    uint8_t header_len; /* bytes, with options */
    uint8_t tos;
    uint8_t ttl;
    uint8_t protocol;
    uint16_t total_len; /* bytes, with this header */
    uint8_t source[16]; /* ::ffff:a.b.c.d */
    uint8_t destination[16];
};

/* `len` may exceed total_len: Ethernet padding. */
enum drop_reason ip4_parse(const uint8_t *p, size_t len, struct ip4_header *out);

/* Writes IP4_HEADER bytes, whatever h->header_len is. */
void ip4_emit(uint8_t *p, const struct ip4_header *h);

#endif
