/*
 * ARP for IPv4 over Ethernet, RFC 826; probes (sender 0.0.0.0) RFC 5227. Refuses other hardware, other
 * protocols, other operations, and senders that cannot be a neighbour.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_NET_ARP_H
#define VOXPOP_NET_ARP_H

#include "dataplane/base/bytes.h"
#include "drop_reason.h"

#define ARP_LEN     28u
#define ARP_REQUEST 1u
#define ARP_REPLY   2u

struct arp_message {
    uint16_t operation;
    uint8_t sender_mac[6];
    uint8_t sender[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint8_t target_mac[6];
    uint8_t target[16];
};

enum drop_reason arp_parse(const uint8_t *p, size_t len, struct arp_message *out);
void arp_emit(uint8_t p[ARP_LEN], const struct arp_message *m);

#endif
