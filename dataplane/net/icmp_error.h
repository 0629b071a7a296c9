/*
 * ICMP errors about TCP segments of ours: RFC 792, RFC 1191, RFC 4443, RFC 8201, and the doubts of RFC 5927.
 *
 * Anybody can write one, so it is believed as little as can be: what it quotes must be a whole TCP header's ports and number from the
 * address that it was sent to, an MTU must be smaller than the packet that it is about, and is never taken below 552 (IPv4, as others do)
 * or 1280 (IPv6). Whether the number is in flight is TCP's question (tcp_path_mtu). All else is noted and changes nothing: TCP
 * goes on trying (RFC 1122 4.2.3.9).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_NET_ICMP_ERROR_H
#define VOXPOP_NET_ICMP_ERROR_H

#include "dataplane/net/net.h"

#define ICMP4_UNREACHABLE   3u
#define ICMP4_FRAGMENTATION 4u /* its code */
#define ICMP4_TIME_EXCEEDED 11u
#define ICMP4_PARAMETER     12u
#define ICMP6_UNREACHABLE   1u
#define ICMP6_TOO_BIG       2u
#define ICMP6_TIME_EXCEEDED 3u
#define ICMP6_PARAMETER     4u

#define PATH_MTU4_MIN 552u
#define PATH_MTU6_MIN 1280u

struct icmp_error {
    uint16_t mtu;       /* bytes of IP packet that pass; 0: not what it is about */
    uint8_t source[16]; /* of the quoted segment, so ours */
    uint8_t destination[16];
    uint16_t source_port;
    uint16_t destination_port;
    uint32_t seq;
};

static inline bool icmp4_is_error(uint8_t type)
{
    return type == ICMP4_UNREACHABLE || type == ICMP4_TIME_EXCEEDED || type == ICMP4_PARAMETER;
}

static inline bool icmp6_is_error(uint8_t type)
{
    return type >= ICMP6_UNREACHABLE && type <= ICMP6_PARAMETER;
}

/* Reads a NET_ICMP_ERROR packet. Writes *out only on DROP_NONE. */
enum drop_reason icmp_error_parse(const struct net_packet *p, struct icmp_error *out);

#endif
