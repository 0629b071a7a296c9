/*
 * What the XDP program and the port share: map sizes, counters, names.
 * SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
 */
#ifndef VOXPOP_PORT_STEER_H
#define VOXPOP_PORT_STEER_H

#define STEER_QUEUES_MAX    64
#define STEER_ADDRESSES_MAX 64
#define STEER_PROGRAM       "voxpop_steer" /* the tag by which a leftover is known as ours: at most 15 bytes */
#define STEER_ADDRESS_MAP   "pop_addresses"
#define STEER_COUNT_MAP     "steer_counts"

enum { STEER_STEERED, STEER_PASSED, STEER_FALLBACK, STEER_COUNTS };

struct steer_address {
    unsigned char byte[16];
};

#endif
