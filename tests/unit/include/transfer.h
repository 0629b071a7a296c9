/*
 * Numbered entries from one end of a ring to the other, each end in transactions of its own, and what both
 * must have seen.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TEST_TRANSFER_H
#define VOXPOP_TEST_TRANSFER_H

#include "ring.h"

#define TRANSFER_RING (64u << 10)
#define TRANSFER_MAX  (1u << 20) /* entries */
#define TRANSFER_UNDO (16u << 10)
#define TRANSFER_OPEN 12u /* entries that the consumer holds at once, to be done in any order */

struct transfer {
    uint64_t total; /* entries to be sent; constant */
    struct {
        _Atomic uint64_t sent;
        uint64_t pad[7];
    } producer;
    struct {
        _Atomic uint64_t done;
        _Atomic uint64_t wrong; /* torn, out of order, or done twice */
        uint64_t pad[6];
        uint8_t seen[TRANSFER_MAX / 8];
    } consumer;
    struct {
        struct txn_log log;
        uint8_t undo[TRANSFER_UNDO];
    } txn[2];
    struct {
        struct ring ring;
        uint8_t data[TRANSFER_RING];
    } ring;
};

void transfer_format(struct transfer *t, uint64_t total);

/* Each begins with a recovery and returns when there is no more to do. */
void transfer_produce(struct transfer *t, uint64_t seed);
void transfer_consume(struct transfer *t, uint64_t seed);

#endif
