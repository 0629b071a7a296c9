/*
 * ICMP echo for IPv4 (RFC 792) and IPv6 (RFC 4443). Everything else is ICMP_TYPE, but neighbour discovery
 * (nd.h).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_NET_ICMP_H
#define VOXPOP_NET_ICMP_H

#include "dataplane/base/bytes.h"
#include "drop_reason.h"

#define ICMP_HEADER        8u
#define ICMP4_ECHO_REPLY   0u
#define ICMP4_ECHO_REQUEST 8u
#define ICMP6_ECHO_REQUEST 128u
#define ICMP6_ECHO_REPLY   129u
#define ICMP6_SOLICIT      135u
#define ICMP6_ADVERTISE    136u

struct icmp_echo {
    uint8_t type;
    uint16_t identifier;
    uint16_t sequence;
    const uint8_t *data;
    uint16_t data_len;
};

/*
 * An echo request or reply. `sum` is 0 for IPv4 and checksum_pseudo() for IPv6: the checksum is verified. The
 * caller has looked at the type.
 */
enum drop_reason icmp_parse(const uint8_t *p, size_t len, uint64_t sum, struct icmp_echo *out);

/* Writes the header in front of the data, which is in place; `sum` as above. Returns the message's length. */
size_t icmp_emit(uint8_t *p, uint64_t sum, const struct icmp_echo *e);

#endif
