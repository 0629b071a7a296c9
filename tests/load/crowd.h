/*
 * The clients of the bench: rooms in which one speaks, or everybody in turn, each client with an address, an
 * SSRC and a key of its own, all made from the seed. Writes what they send and verifies what they get: every
 * length, address, SSRC, sequence number and nonce counter, and for the packets that are opened every byte,
 * with that receiver's own key.
 *
 * A room's packets are numbered in one row, whoever sends them, so that each receiver knows which comes next.
 * What a client misses is counted when the next one comes, or by crowd_settle at the end.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_LOAD_CROWD_H
#define VOXPOP_LOAD_CROWD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"
#include "verb.h"

#define CROWD_OPUS_BYTES  120u
#define CROWD_FRAME       194u /* Ethernet, IPv4, UDP, RTP, Opus, tag, counter */
#define CROWD_DISCOVERY   116u
#define CROWD_CLIENTS_MAX 262144u
#define CROWD_TURN        32u /* packets of one member, where they speak in turns */
#define CROWD_TIMES       8u  /* packets of a room whose times are kept */

struct client {
    uint32_t sent_counter;  /* nonce counter of the last packet it sent */
    uint32_t heard_counter; /* the highest that it got */
    uint64_t heard;         /* bit n: heard_counter - n has been had */
    uint16_t next;          /* number of the room's packet that it gets next */
    uint16_t own;           /* packets it sent behind `next`: they do not come back */
    bool discovered, bound;
};

struct crowd {
    uint64_t seed;
    uint32_t rooms, size;   /* members of a room; the first is the speaker */
    bool turns;             /* all speak, each CROWD_TURN packets */
    uint64_t now;           /* ticks: of what is sent and received */
    uint64_t *sent_at;      /* [room][number % CROWD_TIMES] */
    struct histogram *late; /* tenths of a microsecond from sending to receiving; NULL: not measured */
    double ticks_per_us;
    struct client *client;
    uint16_t *number; /* of each room's next packet */
    uint16_t *bound;  /* members of each room that hear it */
    uint8_t pop_mac[6], mac[6];
    /* since crowd_settle */
    uint64_t expected, received, missing;
    /* since the beginning */
    uint64_t opened, discovered;
    char wrong[128]; /* the first thing that was wrong; empty: nothing */
};

bool crowd_make(struct crowd *c, uint32_t rooms, uint32_t size, uint64_t seed);
void crowd_free(struct crowd *c);

/* What the control plane says of a client. */
void crowd_member(const struct crowd *c, uint32_t i, struct verb_member *out);

/* Where it is reached, as it would say itself; and: from now on it hears its room. */
void crowd_address(uint32_t i, struct verb_member_bind *out);
void crowd_bind(struct crowd *c, uint32_t i);

/* Who of the room speaks next. */
uint32_t crowd_speaker(const struct crowd *c, uint32_t room);

/*
 * Frames that client `i` sends; their lengths. crowd_speak also expects its copies at everyone else who is
 * bound, and binds `i`.
 */
size_t crowd_discover(const struct crowd *c, uint32_t i, uint8_t *frame);
size_t crowd_speak(struct crowd *c, uint32_t i, uint8_t *frame);

/* Sixteen bits of a client's number are in its address, the others in its port. */
#define CROWD_PORT 40000u
static inline uint32_t crowd_client_of(const uint8_t *frame)
{
    uint32_t port = (uint32_t)frame[36] << 8 | frame[37];
    return (port - CROWD_PORT) << 16 | (uint32_t)frame[32] << 8 | frame[33];
}

/* Fetches what crowd_receive will want of the client that this frame is for. */
static inline __attribute__((always_inline)) void crowd_prefetch(const struct crowd *c, const uint8_t *frame)
{
    uint32_t i = crowd_client_of(frame);
    if (i < c->rooms * c->size)
        __builtin_prefetch(&c->client[i], 1);
}

/* An IPv4 frame that came. `open`: decrypt it. False: it was wrong, see c->wrong. */
bool crowd_receive(struct crowd *c, const uint8_t *frame, size_t len, bool open);

/* Nothing more will come: counts what each client still misses, checks the sums, and begins anew. Returns
 * what was missing. */
uint64_t crowd_settle(struct crowd *c);

#endif
