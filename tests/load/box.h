/*
 * The box under test: a region, the real voxpop-dataplane on it, and the control plane's end of its rings.
 * The bench is the only producer there: it posts the same verbs, through the same ring and transactions, that
 * the control plane posts when a client has logged in. What it leaves out is logging in.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_LOAD_BOX_H
#define VOXPOP_LOAD_BOX_H

#include <sys/types.h>

#include "config/config.h"
#include "region.h"
#include "verb.h"

struct box {
    struct config config;
    struct region region;
    char region_path[512];
    pid_t dataplane;
    struct txn txn;
    struct ring_end notice, command;
    uint64_t notices;
};

/* Clients live in 198.19.0.0/16 behind a router, which is the generator. */
extern const uint8_t box_address[16], box_router[16];

/* Creates the region, starts `program` on it and waits until it serves. False: a line is on stderr, nothing
 * is left over. */
bool box_start(struct box *b, const char *config_file, const char *program);
void box_stop(struct box *b);

/* Is the dataplane still there? */
bool box_alive(struct box *b);

/* Posts VERB_MEMBER_SET; false: the ring is full, listen and try again. */
bool box_member_set(struct box *b, const struct verb_member *m);

/* Takes the notices, as the control plane would: the ring must not fill. */
void box_listen(struct box *b);

/* Have all verbs had their effect? */
bool box_settled(const struct box *b);

/* Microseconds that the dataplane's workers have waited for a CPU. */
double box_waited_us(const struct box *b);

const struct counters *box_counters(const struct box *b);

#endif
