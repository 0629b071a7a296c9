/*
 * The kernel's side of an AF_XDP port: is the interface fit, whose program is on it, the maps of ours.
 * Internal to port/.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_PORT_XDP_H
#define VOXPOP_PORT_XDP_H

#include <net/if.h>

#include "dataplane/port/port.h"
#include "dataplane/port/steer.h"

struct xdp_port {
    char name[IF_NAMESIZE];
    unsigned index;  /* of the interface */
    unsigned queues; /* that we take: all it has */
    int lock;        /* a bound socket: this interface is ours while we live. -1: none */
    int addresses;   /* the maps; -1: not open */
    int counts;
    bool all_multicast; /* switched on by us */
};

/* Before the driver starts. Takes the lock, detaches a leftover of ours. 0, or -1 and a line in `error`. */
int xdp_prepare(struct xdp_port *x, const char *name, char error[PORT_ERROR_MAX]);

/* After the driver attached the program: opens its maps. */
int xdp_open(struct xdp_port *x, char error[PORT_ERROR_MAX]);

/* Replaces the POP's addresses; those that stay are never missing. */
int xdp_set_addresses(struct xdp_port *x, const uint8_t (*addresses)[16], unsigned n,
                      char error[PORT_ERROR_MAX]);

void xdp_counts(const struct xdp_port *x, uint64_t out[STEER_COUNTS]);
void xdp_close(struct xdp_port *x);

/* Writes the line and returns -1. */
int port_fail(char error[PORT_ERROR_MAX], const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
