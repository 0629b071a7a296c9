/*
 * The way to one voice member, found once and kept: Ethernet, IPv4 and UDP header as they lie on the wire,
 * with the sums of what does not change from packet to packet. Looking up route and neighbour and writing
 * headers field by field cost more than sealing (tests/bench/README.md).
 *
 * A way is good for one epoch of its worker: as long as routes and neighbours stay as they were, and WAY_US
 * at most, so that neighbours are seen to be used. IPv6 members have none; their headers are written each
 * time.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_WAY_H
#define VOXPOP_WAY_H

#include "dataplane/net/net.h"
#include "route.h"

#define WAY_HEAD 42u /* Ethernet, IPv4, UDP */
#define WAY_US   (4u << 20)

struct way {
    _Alignas(64) uint8_t head[WAY_HEAD]; /* lengths and checksums are 0 */
    uint16_t pad;
    uint32_t epoch;   /* 0: none */
    uint32_t ip_sum;  /* of the IPv4 header */
    uint32_t udp_sum; /* of ports and pseudo header, without the lengths */
};

/* What an epoch was made of. */
struct way_epoch {
    uint64_t generation, neighbours, time;
    uint32_t number; /* from 1 */
};

/* To be called before ways are used in an iteration: begins another epoch if something changed. */
void way_epoch_update(struct way_epoch *e, uint64_t generation, const struct route_neighbours *n,
                      uint64_t now_us);

/* Is there a good way from `local_ip` to `peer_ip`? */
bool way_is_good(const struct way *way, const struct way_epoch *e, const uint8_t local_ip[16],
                 uint16_t local_port, const uint8_t peer_ip[16], uint16_t peer_port);

/* Keeps `path`, both ends IPv4. */
void way_keep(struct way *way, const struct way_epoch *e, const struct net_path *path, uint16_t source_port,
              uint16_t destination_port);

/* Writes the headers in front of `payload_len` bytes that are at frame + WAY_HEAD. Returns the frame's
 * length. */
size_t way_emit(const struct way *way, uint8_t *frame, size_t payload_len);

#endif
