/*
 * The clients of the bench: rooms of one speaker and its listeners, each client with an address, an SSRC and
 * a key of its own, all made from the seed. Writes what they send and verifies what they get: every length,
 * address, SSRC, sequence number and nonce counter, and for the packets that are opened every byte, with that
 * receiver's own key.
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

#include "verb.h"

#define CROWD_OPUS_BYTES  120u
#define CROWD_FRAME       194u /* Ethernet, IPv4, UDP, RTP, Opus, tag, counter */
#define CROWD_DISCOVERY   116u
#define CROWD_CLIENTS_MAX 65536u

struct client {
    uint32_t sent_counter;  /* nonce counter of the last packet it sent */
    uint32_t heard_counter; /* of the last it got */
    uint16_t next;          /* number of the room's packet that it gets next */
    uint16_t own;           /* packets it sent since crowd_settle: they do not come back */
    bool discovered, bound;
};

struct crowd {
    uint64_t seed;
    uint32_t rooms, size; /* members of a room; the first is the speaker */
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

/* Frames that client `i` sends; their lengths. crowd_speak also expects its copies at everyone else. */
size_t crowd_discover(const struct crowd *c, uint32_t i, uint8_t *frame);
size_t crowd_speak(struct crowd *c, uint32_t i, uint8_t *frame);

/* Fetches what crowd_receive will want of the client that this frame is for. */
static inline __attribute__((always_inline)) void crowd_prefetch(const struct crowd *c, const uint8_t *frame)
{
    uint32_t i = (uint32_t)frame[32] << 8 | frame[33];
    __builtin_prefetch(&c->client[i], 1);
}

/* An IPv4 frame that came. `open`: decrypt it. False: it was wrong, see c->wrong. */
bool crowd_receive(struct crowd *c, const uint8_t *frame, size_t len, bool open);

/* Nothing more will come: counts what each client still misses, checks the sums, and begins anew. Returns
 * what was missing. */
uint64_t crowd_settle(struct crowd *c);

#endif
