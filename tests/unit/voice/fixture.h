/*
 * A core's voice in memory that can be copied like the region, clients that seal and open with other
 * libraries than the core does (OpenSSL for AES-GCM, libsodium for XChaCha20), and short words for what
 * happens to them.
 *
 * Member i has index i on worker WORKER, SSRC ssrc_of(i), address 198.18.1.i and port 5000 + i. Everything
 * happens in transactions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TESTS_VOICE_FIXTURE_H
#define VOXPOP_TESTS_VOICE_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/base/bytes.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/voice/voice.h"

#define WORKER      3u
#define ROOMS       64u
#define MEMBERS     1200u
#define PENDING     16u
#define RATE        100u
#define DISCOVERIES 5u
#define HEARD_MAX   4096u
#define START       1000000000ull
#define MS          1000ull
#define CHANNEL     7000ull /* channel of room r: CHANNEL + r */

struct client {
    uint32_t i, room, generation, ssrc;
    uint8_t mode, flags, key[32];
    uint32_t session; /* added to its session's number */
    uint64_t channel; /* 0: that of its room */
    uint8_t ip[16];
    uint16_t port;
    uint32_t counter; /* of its last packet */
    uint16_t seq;
    uint32_t timestamp;
    bool extension; /* sends a one-word extension */
};

/* A datagram that came out, opened by the receiver's own key. */
struct heard {
    uint32_t member, ssrc, counter;
    uint16_t seq, length, peer_port;
    uint8_t peer_ip[16];
    uint8_t text[64]; /* extension body and payload */
    uint16_t text_length;
    uint8_t datagram[128];
};

struct told {
    enum notice what;
    struct notice_member body;
};

struct fix {
    uint8_t *region;
    size_t size;
    struct txn txn;
    struct pool *rooms, *members;
    struct counters counters;
    struct voice *v;
    uint64_t now;
    struct client client[MEMBERS];
    struct told told[2 * MEMBERS];
    unsigned told_count;
    bool ring_full;
    struct heard heard[HEARD_MAX];
    unsigned heard_count;
    unsigned released; /* holders given back */
    uint32_t speakers_max;
    uint64_t ticks;     /* that packets arrive at, 2 a microsecond */
    uint32_t handed_to; /* workers that frames were handed to, a bit each */
    struct voice_frame handed;
    uint8_t handed_bytes[1600];
    bool ring_to_parts_full;
    uint8_t memory[64][1600]; /* of received packets, in turn */
    unsigned memory_next;
    uint8_t last[1600]; /* the last datagram that was put in, as it was put in */
    uint16_t last_length;
    uint8_t reply[1600]; /* what voice_input left of it */
    /* Sees each sealed datagram; the fixture's own opens it and keeps it in `heard`. */
    void (*sealed)(struct fix *f, const struct voice_target *t);
};

struct fix *given(void);
/* The same with so many speakers heard at a time. */
struct fix *given_speakers(uint32_t max);
void done(struct fix *f);

/* A copy of the region and a new process on it, as after a kill now. */
struct fix *killed(const struct fix *f);

/* Members. `joins` makes a client and sets it, in a transaction of its own; not bound to any address. */
struct client *joins(struct fix *f, uint32_t i, uint32_t room, enum voice_mode mode);
bool sets(struct fix *f, const struct client *c); /* MEMBER_SET with what the client is now */
void discovers(struct fix *f, const struct client *c);
void binds(struct fix *f, const struct client *c); /* discovers, then binds */
bool leaves(struct fix *f, const struct client *c);
/* joins and binds */
struct client *listens(struct fix *f, uint32_t i, uint32_t room, enum voice_mode mode);
struct voice_member *member(struct fix *f, uint32_t i);

/* Any datagram from the client's address, in a transaction. */
enum voice_verdict arrives(struct fix *f, const struct client *c, const void *p, size_t len);
/* The same within a transaction that the test has begun. */
enum voice_verdict arrives_in(struct fix *f, const struct client *c, const void *p, size_t len);
/* Seals the client's next packet with this payload into dst; returns its length. */
size_t seals(struct client *c, const char *payload, uint8_t *dst);
/* The same for a counter of the test's choice. */
size_t seals_as(const struct client *c, uint32_t counter, const char *payload, uint8_t *dst);
enum voice_verdict speaks(struct fix *f, struct client *c, const char *payload);

/* One round of output, into `heard`; returns how many datagrams there were. */
unsigned round_out(struct fix *f);
/* Rounds until nothing waits. */
unsigned rounds_out(struct fix *f);
/* Whether member i heard this payload exactly n times since `heard` was emptied. */
unsigned times_heard(const struct fix *f, uint32_t i, const char *payload);
/* Empties `heard` and the notices, and sets the counters to 0. */
void forget(struct fix *f);

/* The next packet to member i will be sealed under this counter. */
void counter_is(struct fix *f, const struct client *c, uint32_t value);
uint32_t counter_of(struct fix *f, const struct client *c);

/* True, with the plaintext: the datagram opens under the client's key. */
void begins(struct fix *f);
void commits(struct fix *f);

bool opens(const struct client *c, const uint8_t *p, size_t len, uint8_t *text, size_t *text_length);

uint32_t ssrc_of(uint32_t i);
uint64_t drops(const struct fix *f, enum drop_reason why);
/* All drops together: to see that nothing else was counted. */
uint64_t all_drops(const struct fix *f);
unsigned notices(const struct fix *f, enum notice what);

#endif
