/*
 * Two of our TCP endpoints and a bad network between them, in virtual time. Everything follows from one seed.
 *
 * Each call into the core runs as a transaction over the endpoint's region, as in a worker, and some die
 * before the commit; each connection is moved to another address after some calls, as by a restart. Every
 * received byte is compared with what was sent.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TESTS_TCP_NET_H
#define VOXPOP_TESTS_TCP_NET_H

#include "dataplane/tcp/tcp.h"

#define NET_FRAMES    4096
#define NET_FRAME_MAX 1600

enum reader {
    READER_EAGER,  /* consumes all at once, from the packet */
    READER_PICKY,  /* consumes a random part, the rest with the next segment */
    READER_SLOW,   /* leaves it buffered and reads some every 20 ms */
    READER_ASLEEP, /* reads nothing for 30 s, then all */
};

/* What one side does. */
struct net_side {
    uint64_t total;        /* bytes it sends */
    uint64_t bytes_per_ms; /* 0: all there at once */
    uint32_t record_max;   /* bytes a record; 0: as large as there is room for */
    uint32_t record_min;   /* cuts no smaller record unless it is the last */
    uint32_t blocks;       /* receive blocks it has */
    enum reader reader;
    uint64_t abort_us;     /* aborts then; 0: never */
    bool close_after_peer; /* keeps its side open until it has read the peer's FIN */
    struct tcp_config config;
};

/* What the network does, per thousand frames. */
struct net_params {
    uint64_t seed;
    uint32_t loss, reorder, duplicate, corrupt;
    uint32_t death;        /* transactions that die before they commit */
    uint32_t delay_us;     /* one way */
    uint64_t bits_per_s;   /* 0: without limit */
    uint32_t queue_bytes;  /* in front of a limited link */
    bool ip6, strange_iss; /* strange: close to 2^32 */
    bool both_open;        /* both open actively, at once */
    bool trace;
    struct net_side side[2]; /* 0 opens actively, 1 passively */
};

struct net_result {
    bool complete;         /* all bytes arrived, both FINs too, both ends are closed */
    const char *complaint; /* why not */
    uint64_t end_us;       /* when both were closed */
    uint64_t delivered_us; /* when the last byte was read */
    uint64_t corrupted;    /* frames that the checksum refused */
    uint64_t deaths;
    struct tcp_counters counters[2];
    uint32_t blocks_left[2]; /* blocks not given back at the end */
};

struct net_result net_run(const struct net_params *p);

/* The generator that everything is drawn from. */
uint64_t net_random(uint64_t *state);

#endif
