/*
 * voxpop-load: the load generator. It stands at the other end of a memif wire, as the clients of a POP would,
 * and verifies what it counts. What the files share: options, the clock, and how busy the generator itself
 * was.
 *
 * Figures go to stdout as one JSON object a line, everything else to stderr.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_LOAD_H
#define VOXPOP_LOAD_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <x86intrin.h>

#include "dataplane/port/port.h"

#define LOAD_BURST   64u
#define LOAD_WAIT_US 3u   /* an iteration that received less than half a burst is followed by such a rest */
#define LOAD_AWAY_US 400u /* an iteration that took longer: the generator was not on its CPU */
#define LOAD_BOUND   0.90 /* busy share above which a figure is the generator's, not the dataplane's */

struct load_options {
    const char *config;    /* of the dataplane */
    const char *dataplane; /* its program */
    const char *socket;    /* memif, for `wire` */
    unsigned cpu;
    unsigned descriptors; /* of each direction of the wire: its client chooses, and that is us */
    unsigned rooms;
    bool turns;         /* all members of a room speak in turns */
    bool loads;         /* at 0.5, 0.8 and 0.95 of the peak: how long packets are on their way */
    unsigned listeners; /* of each room's one speaker */
    double rate;        /* sealed packets/s to offer; 0: find the peak */
    bool window;        /* do not: flat out with a window only */
    double seconds;     /* of one trial */
    unsigned repeats;
    unsigned keys; /* for `seal` */
    uint64_t seed;
    /* chat */
    unsigned kills;
    const char *ca, *device, *target;
    unsigned connections, opening; /* in all, and at a time */
    uint16_t server_port;
    double heartbeat; /* s */
    double slow;      /* share of clients that stop reading */
    double deaths;    /* a second */
    double peak;      /* round trips/s that loads are shares of; 0: find it */
    double storm;     /* s: then all die at once, and come again */
    unsigned untouched; /* of the connections: they do not */
    bool resume, sessions, verify_all;
};

/* Each returns the process's exit status. */
int load_voice_fanout(const struct load_options *o);
int load_wire(const struct load_options *o);
int load_seal(const struct load_options *o);
int load_connections(const struct load_options *o);
int load_fanout(const struct load_options *o);
int load_gateway_echo(const struct load_options *o);
int load_handshakes(const struct load_options *o);
int load_survive(const struct load_options *o);
int load_resume_storm(const struct load_options *o);

/* ---- the generator's own time ---- */

struct load_time {
    uint64_t began, idle, last;
    uint64_t away; /* the longest iteration */
};

/* Time stamp counter ticks a microsecond; measured once. */
double load_ticks_per_us(void);

static inline void load_time_start(struct load_time *t)
{
    t->began = t->last = __rdtsc();
    t->idle = t->away = 0;
}

/* Once an iteration: rests if it did little, and notes when it was away. */
static inline void load_time_step(struct load_time *t, bool rest, uint64_t rest_ticks)
{
    uint64_t now = __rdtsc();
    if (now - t->last > t->away)
        t->away = now - t->last;
    if (rest) {
        uint64_t until = now + rest_ticks, from = now;
        while ((now = __rdtsc()) < until)
            _mm_pause();
        t->idle += now - from;
    }
    t->last = now;
}

static inline double load_busy_share(const struct load_time *t)
{
    return 1.0 - (double)t->idle / (double)(__rdtsc() - t->began);
}

/* ---- the wire ---- */

/* Connects to the memif server at `socket`. NULL, with a line on stderr, if that fails. */
struct port_queue *load_port(const struct load_options *o, const char *socket);

/* The same on o->device, a DPDK device such as net_af_xdp0,iface=NAME. */
struct port_queue *load_device(const struct load_options *o);

/* From here on Ctrl-C and SIGTERM are noted. Then: one came: figures so far, and out. */
void load_interruptible(void);
bool load_interrupted(void);

/* Runs fn(arg) on the generator's pinned thread; what it returned. */
int load_run(int (*fn)(void *arg), void *arg);

#endif
