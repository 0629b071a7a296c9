/*
 * UDP headers, RFC 768; IPv6 demands the checksum (RFC 8200 8.1). A length below what IP carried is taken:
 * the rest is cut off.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_NET_UDP_H
#define VOXPOP_NET_UDP_H

#include "dataplane/net/checksum.h"
#include "drop_reason.h"

#define UDP_HEADER 8u

struct udp_header {
    uint16_t source_port;
    uint16_t destination_port;
    uint16_t len; /* bytes, with this header */
};

/* Addresses as 16 bytes. Verifies the checksum; only IPv4 may leave it out. */
enum drop_reason udp_parse(const uint8_t *p, size_t len, const uint8_t source[16],
                           const uint8_t destination[16], struct udp_header *out);

/* Writes the header in front of the payload, which is in place. */
void udp_emit(uint8_t *p, const uint8_t source[16], const uint8_t destination[16],
              const struct udp_header *h);

#endif
