/*
 * Who is on the link: the worker's own table of address -> MAC, in the region (include/route.h). Learned from
 * ARP and neighbour discovery alone, and only for addresses that we asked for or that asked us; RFC 4861 7.3,
 * RFC 826, RFC 1122 2.3.2.1.
 *
 *      FREE ------lookup-----> INCOMPLETE ---learn---> REACHABLE ---lookup, 30 s after learn---> STALE
 *       ^ |                        |                    ^  ^                                      |  |
 *       | +------ learn, asked us -|--------------------+  +---------------- learn ---------------+  |
 *       +--- 4 requests unanswered +-----------------------------------------------------------------+
 *
 * FREE        nothing; what is thrown out for another address (evicted) is free first.
 * INCOMPLETE  a request is out or due; packets for it are dropped (NEIGHBOUR_PENDING).
 * REACHABLE   packets go out, nothing is due.
 * STALE       packets go out with the MAC last known; a request is out or due.
 *
 * A MAC that is known changes only by an answer to our second request: the station we know did not answer the
 * first. Whoever says another MAC, by a request, an answer or a gratuitous message, makes us ask (STALE), and
 * packets go on to the one we know. So a station that took an address over is believed within two seconds,
 * and one that only says so changes nothing.
 *
 * Requests: one a second per address, and one a millisecond altogether. Full: of the 8 entries where an
 * address may be, one that never answered goes first, then the one longest unused. Every function is called
 * by the table's worker alone; `now_us` never goes back.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_NET_NEIGHBOUR_H
#define VOXPOP_NET_NEIGHBOUR_H

#include "dataplane/net/net.h"
#include "route.h"

#define NEIGHBOUR_REACHABLE_US   (30 * 1000000ull)
#define NEIGHBOUR_RETRY_US       1000000ull
#define NEIGHBOUR_TRIES          4u
#define NEIGHBOUR_REQUEST_GAP_US 1000ull /* between two requests of a worker: at most 1000 a second */

/* The MAC to send to. False: not known yet; a request becomes due, and the packet is to be dropped. */
bool neighbour_lookup(struct route_neighbours *n, const uint8_t address[16], uint64_t now_us, uint8_t mac[6]);

/*
 * Takes what an ARP packet or a neighbour message says. `p` has class NET_ARP or NET_ND; only messages to us
 * are believed, and gratuitous ones. To be called before the responder overwrites the frame. True: it may be
 * the answer to a request of another worker, or news to it: on a port with several queues it comes to any of
 * them.
 */
bool neighbour_learn(struct route_neighbours *n, const struct net_packet *p, const struct net_addresses *ours,
                     uint64_t now_us);

/* The next address to ask for now (net_solicit), or false: none is due. */
bool neighbour_request(struct route_neighbours *n, uint64_t now_us, uint8_t target[16]);

/* When neighbour_request is to be called next; UINT64_MAX: not before the next lookup. */
uint64_t neighbour_deadline(const struct route_neighbours *n);

#endif
