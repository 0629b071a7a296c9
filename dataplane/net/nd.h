/*
 * Neighbour solicitations and advertisements, RFC 4861 4.3, 4.4, 7.1. Routers, redirects and addresses of our
 * own making are not ours to discover: the control plane configures them.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_NET_ND_H
#define VOXPOP_NET_ND_H

#include <stdbool.h>

#include "dataplane/base/bytes.h"
#include "drop_reason.h"

#define ND_LEN          24u
#define ND_LEN_WITH_MAC 32u

struct nd_message {
    bool is_solicit; /* else an advertisement */
    bool router;     /* flags of an advertisement */
    bool solicited;
    bool override;
    bool has_mac; /* source (solicitation) or target (advertisement) link-layer address */
    uint8_t mac[6];
    uint8_t target[16];
};

struct net_packet;

struct nd_envelope {
    uint8_t source[16]; /* of the IPv6 header */
    uint8_t destination[16];
    uint8_t hop_limit;
};

/* `p` is the ICMPv6 message; its type is a solicitation's or an advertisement's. Verifies the checksum. */
enum drop_reason nd_parse(const uint8_t *p, size_t len, const struct nd_envelope *ip, struct nd_message *out);

/* The same of a packet with class NET_ND. */
enum drop_reason nd_of_packet(const struct net_packet *p, struct nd_message *out);

/* Writes ND_LEN bytes, or ND_LEN_WITH_MAC; returns which. */
size_t nd_emit(uint8_t *p, const struct nd_envelope *ip, const struct nd_message *m);

/* ff02::1:ffXX:XXXX (RFC 4291 2.7.1). */
void nd_solicited_node(uint8_t out[16], const uint8_t address[16]);

#endif
