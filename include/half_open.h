/*
 * What is known of a TCP peer before and after it has a connection slot: two small tables a worker, 64 bytes an entry.
 *
 * half_open_table   SYNs that were answered and wait for the third packet. Full where one belongs: it is answered with a SYN
 *                   cookie (RFC 4987) and nothing is kept.
 * time_wait_table   connections that are over and only have to wait (RFC 9293 3.6.1). Full where one belongs: the one that ends
 *                   first makes room.
 *
 * An entry lies in one of the WAYS places of its set, which a keyed hash of the addresses names: one line of memory is read to
 * find it, nothing is ever moved, and nobody can aim at one set. Writer: the worker, within its transaction; each entry is saved
 * as a whole before it is changed. All zero is an empty table.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_HALF_OPEN_H
#define VOXPOP_HALF_OPEN_H

#include "tcp_conn.h"

#define HALF_OPEN_WAYS 8u

enum half_open_flag {
    HALF_OPEN_SCALE = 1,      /* offered window scaling */
    HALF_OPEN_TIMESTAMPS = 2, /* offered timestamps */
    HALF_OPEN_SACK = 4,       /* permitted selective acknowledgements */
    HALF_OPEN_COOKIE = 8,     /* it stands in no table: this is what a cookie told */
};

struct half_open {
    uint64_t at_us; /* its SYN-ACK is due again, or it ends; 0: the place is free */
    struct tcp_tuple tuple;
    uint32_t irs;
    uint32_t iss;
    uint32_t ts_val; /* of its SYN */
    uint16_t mss;    /* as offered, 0: none */
    uint16_t window; /* of its SYN, not scaled */
    uint8_t flags;   /* enum half_open_flag */
    uint8_t scale;
    uint8_t resent; /* SYN-ACKs after the first */
    uint8_t pad0;
};
_Static_assert(sizeof(struct half_open) == 64, "half_open is a published format");

struct half_open_table {
    uint64_t stamp;
    uint64_t cookies_until_us; /* cookies given out in the last place may come back until then */
    uint32_t used;
    uint32_t used_max;
    uint8_t pad0[40];
    struct half_open entry[];
};
_Static_assert(sizeof(struct half_open_table) == 64, "half_open_table is a published format");

struct time_wait {
    uint64_t until_us; /* 0: the place is free */
    struct tcp_tuple tuple;
    uint32_t snd_nxt;
    uint32_t rcv_nxt;
    uint32_t ts_recent;
    uint32_t ts_offset; /* our timestamps: this plus milliseconds */
    uint16_t window;    /* as on the wire */
    uint8_t timestamps; /* 1: negotiated */
    uint8_t pad0;
};
_Static_assert(sizeof(struct time_wait) == 64, "time_wait is a published format");

struct time_wait_table {
    uint64_t stamp;
    uint8_t pad0[56];
    struct time_wait entry[];
};
_Static_assert(sizeof(struct time_wait_table) == 64, "time_wait_table is a published format");

/* Entries of the tables of a worker with so many connection slots: powers of two. */
static inline uint32_t half_open_power(uint64_t at_least, uint32_t least, uint32_t most)
{
    uint32_t n = least;
    while (n < most && n < at_least)
        n *= 2;
    return n;
}

static inline uint32_t half_open_entries(uint32_t connections)
{
    return half_open_power(connections / 4, 64, 16384);
}

static inline uint32_t time_wait_entries(uint32_t connections)
{
    return half_open_power(connections / 4, 64, 1u << 20);
}

#endif
