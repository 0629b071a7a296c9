/*
 * A worker that is killed at every store into the region, on a virtual port in a process of its own;
 * crash_test.c tells how. What the tests share: the region, rounds of frames to the worker and back, and the
 * forks in which it is dead.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CRASH_WORKER_H
#define VOXPOP_CRASH_WORKER_H

#include <sys/types.h>

#include "dataplane/worker.h"

#define CRASH_FRAMES_MAX 64u

struct frames {
    uint32_t count;
    uint32_t length[CRASH_FRAMES_MAX];
    uint8_t bytes[CRASH_FRAMES_MAX][1600];
};

struct round {
    uint64_t now_us;
    struct frames frames;
};

struct child {
    pid_t pid;
    int socket; /* for rounds and frames */
    int go;     /* a byte lets it go on at a store */
};

extern struct region region;
extern struct worker_config config;

/* The region, with the clients' network on the link. False: no memory. */
bool crash_set_up(void);

/* A worker, which stops at every store or at none; in a fork at none. */
void crash_child_start(struct child *c, bool stops, uint64_t now_us);
void crash_child_end(struct child *c);

/* Hands a round to the worker and collects what it sends. False, in a fork: it died at a store, and the next
 * has begun on a copy of the region. */
bool crash_round(struct child *c, const struct round *in, struct frames *out);

/* Is this one of the forks? It is to end with exit status 0 when all went well. */
bool crash_is_fork(void);

/* Waits for the forks. The number of stores; fails the test if one of the kills did harm. */
uint64_t crash_kills(void);

#endif
