/*
 * Who is on the link: the worker's own table of address -> MAC, in the region (include/route.h). Learned from
 * ARP and neighbour discovery alone, and only for addresses that we asked for or that asked us; RFC 4861 7.3,
 * RFC 826, RFC 1122 2.3.2.1.
 *
 *               lookup               learn                  30 s old
 *      FREE ----------> INCOMPLETE ---------> REACHABLE ---------------> STALE
 *       ^                   | 4 requests         ^  ^                      | |
 *       +--- unanswered ----+                    |  +------ learn ---------+ |
 *       ^                                        |                           |
 *       +------ 4 requests unanswered, or unused for 10 minutes -------------+
 *
 * FREE        nothing. INCOMPLETE  a request is out or due; packets for it are dropped (NEIGHBOUR_PENDING).
 * REACHABLE   packets go out.  STALE  packets go out; when one does, requests are sent until one is answered.
 *
 * Requests: one a second per address, and at most NEIGHBOUR_REQUESTS_MAX a second together. Full: the entry
 * of its set unused for longest is thrown out (evicted). Every function is called by the table's worker
 * alone; `now_us` never goes back.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_NET_NEIGHBOUR_H
#define VOXPOP_NET_NEIGHBOUR_H

#include "dataplane/net/net.h"
#include "route.h"

#define NEIGHBOUR_REACHABLE_US   (30 * 1000000ull)
#define NEIGHBOUR_UNUSED_US      (600 * 1000000ull)
#define NEIGHBOUR_RETRY_US       1000000ull
#define NEIGHBOUR_TRIES          4u
#define NEIGHBOUR_REQUEST_GAP_US 1000ull /* between two requests of a worker: at most 1000 a second */

/* The MAC to send to. False: not known yet; a request becomes due, and the packet is to be dropped. */
bool neighbour_lookup(struct route_neighbours *n, const uint8_t address[16], uint64_t now_us, uint8_t mac[6]);

/*
 * Takes what an ARP packet or a neighbour message says. `p` has class NET_ARP or NET_ND; only messages to us
 * are believed. To be called before the responder overwrites the frame.
 */
void neighbour_learn(struct route_neighbours *n, const struct net_packet *p, const struct net_addresses *ours,
                     uint64_t now_us);

/* The next address to ask for now (net_solicit), or false: none is due. */
bool neighbour_request(struct route_neighbours *n, uint64_t now_us, uint8_t target[16]);

/* When neighbour_request is to be called next; UINT64_MAX: not before the next lookup. */
uint64_t neighbour_deadline(const struct route_neighbours *n);

#endif
