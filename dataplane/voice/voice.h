/*
 * Voice on one core: datagrams in, sealed datagrams out. Rooms and members live in the region (include/room.h); expanded keys
 * and the index by SSRC are this process's own and are made anew at a restart.
 *
 * Owns: demultiplexing by RFC 7983, IP discovery, keepalives, the rtpsize AEAD modes, replay windows, address binding, rate limits,
 * and fan-out to everyone else in the room. Refuses, each by its reason: what is too short, unknown, unauthentic, replayed, from an
 * address not bound, too fast. Reads no clock and does no I/O; knows nothing of Ethernet or IP beyond addresses.
 *
 * Two phases, as everywhere in a worker. In the transaction: voice_input opens the packet and takes it for forwarding. After the
 * commit: voice_targets names the next receivers, the caller gives transmit memory for each, voice_seal writes the sealed datagrams
 * into it. A nonce counter is stored in the region before its packet is sealed and is never undone.
 *
 * Indices. Slots of members and rooms are chosen by the control plane; the pools are slabs, of which only `fresh` (one past the highest
 * slot ever used) and `used` are kept. A member's index in verbs and notices is box-wide: worker * capacity of the pool + index within
 * this core; everywhere else (voice_target, voice_member_of) it is the index within this core. A room's is always within this core.
 *
 * Read first: reference/voice.md 5, RFC 3550, RFC 7983, RFC 6479.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_VOICE_H
#define VOXPOP_VOICE_H

#include "counters.h"
#include "room.h"
#include "verb.h"

#define VOICE_BATCH 32u              /* receivers sealed together */
#define VOICE_SLICE 256u             /* packets of one walk before the loop polls again */
#define VOICE_DATAGRAM_MAX 1500u

struct voice;

struct voice_config {
    uint32_t worker;                 /* this core's number */
    uint32_t packets_per_second_max; /* of one member */
    uint32_t discoveries_per_second_max;
    uint32_t pending_max;            /* received packets whose fan-out is not over */
};

struct voice_env {
    struct txn *txn;                 /* or NULL in tests */
    struct pool *rooms;
    struct pool *members;            /* of this core */
    struct counters *counters;
    /*
     * Tells the control plane; false: its ring is full, the notice is tried again with the next packet. Called by voice_input alone, so
     * always within the transaction.
     */
    bool (*notify)(void *user, enum notice what, const void *body, uint32_t length);
    void *user;
};

/* NULL: no memory. Rebuilds what it needs from the region. */
struct voice *voice_new(const struct voice_config *config, const struct voice_env *env);
void voice_free(struct voice *v);

/* Verbs of the ring `command`. False: refused (counted). */
bool voice_member_set(struct voice *v, const struct verb_member *verb, uint64_t now_us);
bool voice_member_bind(struct voice *v, const struct verb_member_bind *verb);
bool voice_member_remove(struct voice *v, const struct verb_member_ref *verb);

/* A received UDP payload. */
struct voice_datagram {
    uint8_t *data;
    uint16_t length;
    uint16_t peer_port, local_port;
    uint8_t peer_ip[16], local_ip[16];
    void *holder; /* the caller's: what it must release when the packet is done with */
};

enum voice_verdict {
    VOICE_DONE,    /* nothing more; counted */
    VOICE_REPLY,   /* data holds an answer of the same length, to be sent back to where it came from after the commit */
    VOICE_FORWARD, /* opened in place and kept until voice_released gives its holder back */
};

/* Within the transaction. */
enum voice_verdict voice_input(struct voice *v, const struct voice_datagram *d, uint64_t now_us);

/* One sealed datagram to come. */
struct voice_target {
    uint32_t member;                 /* index within this core */
    uint16_t length;                 /* bytes of UDP payload */
    uint16_t peer_port, local_port;
    uint8_t peer_ip[16], local_ip[16];
    uint8_t *payload;                /* set by the caller before voice_seal; NULL: leave this one out (the caller counted why) */
};

/*
 * After the commit: the next receivers, at most VOICE_BATCH of them, and of one room at most VOICE_SLICE since voice_begin_output; 0:
 * nothing more for this iteration. Each call that gave some must be followed by voice_seal of the same targets; a target whose payload is
 * NULL afterwards is not to be sent.
 */
void voice_begin_output(struct voice *v);
unsigned voice_targets(struct voice *v, struct voice_target *targets);
void voice_seal(struct voice *v, struct voice_target *targets, unsigned n);

/* The holder of a packet whose fan-out is over, or NULL. Call until NULL. */
void *voice_released(struct voice *v);

/* Packets whose fan-out is not over: the loop must not go idle. */
unsigned voice_pending(const struct voice *v);

/* For captures: the member (index within this core) that has this SSRC, or MEMBER_NONE; and the members' pool. */
uint32_t voice_member_of(const struct voice *v, uint32_t ssrc);
struct pool *voice_members(const struct voice *v);

#endif
