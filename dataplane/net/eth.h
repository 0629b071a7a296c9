/*
 * Ethernet II headers. VLAN tags and IEEE 802.3 lengths are EtherTypes that nobody takes.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_NET_ETH_H
#define VOXPOP_NET_ETH_H

#include <stdbool.h>

#include "dataplane/base/bytes.h"
#include "drop_reason.h"

#define ETH_HEADER   14u
#define ETH_TYPE_IP4 0x0800u
#define ETH_TYPE_ARP 0x0806u
#define ETH_TYPE_IP6 0x86ddu

struct eth_header {
    uint8_t destination[6];
    uint8_t source[6];
    uint16_t type;
};

static inline bool eth_is_group(const uint8_t mac[6])
{
    return mac[0] & 1;
}

static inline enum drop_reason eth_parse(const uint8_t *p, size_t len, struct eth_header *out)
{
    if (len < ETH_HEADER)
        return DROP_ETH_SHORT;
    if (eth_is_group(p + 6))
        return DROP_ETH_SOURCE;
    memcpy(out->destination, p, 6);
    memcpy(out->source, p + 6, 6);
    out->type = be16(p + 12);
    return DROP_NONE;
}

static inline void eth_emit(uint8_t *p, const struct eth_header *h)
{
    memcpy(p, h->destination, 6);
    memcpy(p + 6, h->source, 6);
    put_be16(p + 12, h->type);
}

#endif
