/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/way.h"

#include "dataplane/net/eth.h"
#include "dataplane/net/ip4.h"
#include "dataplane/net/udp.h"

#define IP_AT         ETH_HEADER
#define IP_LENGTH_AT  (IP_AT + 2)
#define IP_SUM_AT     (IP_AT + 10)
#define ENDS_AT       (IP_AT + 12) /* both addresses, then both ports: 12 bytes */
#define UDP_AT        (IP_AT + IP4_HEADER)
#define UDP_LENGTH_AT (UDP_AT + 4)
#define UDP_SUM_AT    (UDP_AT + 6)
_Static_assert(UDP_AT + UDP_HEADER == WAY_HEAD, "a way is an Ethernet, an IPv4 and a UDP header");
_Static_assert(sizeof(struct way) == 64, "a way is one cache line");

void way_epoch_update(struct way_epoch *e, uint64_t generation, const struct route_neighbours *n,
                      uint64_t now_us)
{
    uint64_t neighbours = n->changed + n->failed + n->evicted, time = now_us / WAY_US;
    if (e->number && e->generation == generation && e->neighbours == neighbours && e->time == time)
        return;
    *e = (struct way_epoch){generation, neighbours, time, e->number + 1 ? e->number + 1 : 1};
}

bool way_is_good(const struct way *way, const struct way_epoch *e, const uint8_t local_ip[16],
                 uint16_t local_port, const uint8_t peer_ip[16], uint16_t peer_port)
{
    uint8_t ends[12];
    memcpy(ends, local_ip + 12, 4);
    memcpy(ends + 4, peer_ip + 12, 4);
    put_be16(ends + 8, local_port);
    put_be16(ends + 10, peer_port);
    return way->epoch == e->number && memcmp(way->head + ENDS_AT, ends, sizeof ends) == 0 &&
           net_address_is4(peer_ip);
}

/* A 16-bit field as the checksum sees it. */
static uint64_t field(size_t value)
{
    uint8_t bytes[2];
    uint16_t word;
    put_be16(bytes, (uint16_t)value);
    memcpy(&word, bytes, sizeof word);
    return word;
}

static uint32_t half(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    return (uint32_t)((sum & 0xffffffff) + (sum >> 32));
}

void way_keep(struct way *way, const struct way_epoch *e, const struct net_path *path, uint16_t source_port,
              uint16_t destination_port)
{
    uint8_t *p = way->head;
    net_emit_ip4(p, path, NET_PROTOCOL_UDP, 0);
    put_be16(p + IP_LENGTH_AT, 0);
    put_be16(p + IP_SUM_AT, 0);
    memset(p + UDP_AT, 0, UDP_HEADER);
    put_be16(p + UDP_AT, source_port);
    put_be16(p + UDP_AT + 2, destination_port);
    way->ip_sum = half(checksum_add(0, p + IP_AT, IP4_HEADER));
    way->udp_sum = half(checksum_add(checksum_pseudo(path->source, path->destination, NET_PROTOCOL_UDP, 0),
                                     p + UDP_AT, UDP_HEADER));
    way->epoch = e->number;
}

size_t way_emit(const struct way *way, uint8_t *frame, size_t payload_len)
{
    size_t udp_len = UDP_HEADER + payload_len;
    uint64_t udp_sum = checksum_add(way->udp_sum + 2 * field(udp_len), frame + WAY_HEAD,
                                    payload_len); /* in pseudo header and header */
    uint16_t check = checksum_fold(udp_sum);
    memcpy(frame, way->head, WAY_HEAD);
    put_be16(frame + IP_LENGTH_AT, (uint16_t)(IP4_HEADER + udp_len));
    put_be16(frame + IP_SUM_AT, checksum_fold(way->ip_sum + field(IP4_HEADER + udp_len)));
    put_be16(frame + UDP_LENGTH_AT, (uint16_t)udp_len);
    put_be16(frame + UDP_SUM_AT, check ? check : 0xffff); /* 0 would mean "none" */
    return WAY_HEAD + payload_len;
}
