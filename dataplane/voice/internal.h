/*
 * What the files of dataplane/voice share. Known to this folder alone.
 *
 *   voice.c     beginning and end; what the region tells a new process
 *   member.c    the verbs; keys; when a nonce counter may begin anew
 *   room.c      lists of members; packets that wait for their fan-out, a queue for each room
 *   datagram.c  what a datagram is (pure)      replay.h  window of nonce counters      stream.c  loss and
 * jitter input.c     a datagram in, within the transaction output.c    sealed datagrams out, after the commit
 *
 * In the region and undone with a transaction: voice_member up to MEMBER_SAVED, room. On the heap and lost
 * with the process: all of struct voice. A packet that waits for its fan-out at a kill is a lost packet.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_VOICE_INTERNAL_H
#define VOXPOP_VOICE_INTERNAL_H

#include "dataplane/base/bytes.h"
#include "dataplane/base/map.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/voice/datagram.h"
#include "dataplane/voice/voice.h"

#define PENDING_NONE   UINT32_MAX
#define PREFETCH_AHEAD 16u /* members */

/* An opened packet, in the memory in which it came: header, extension body, payload. */
struct voice_packet {
    void *holder;
    const uint8_t *data;
    uint32_t next; /* in its room's queue, in `released`, or in the free list */
    uint32_t room;
    uint32_t room_generation; /* a room that ended meanwhile gets none of it */
    uint32_t sender;
    uint16_t text_length;
    uint8_t header_length;
};

/* A room's fan-out. Packets of a room go out one after the other, so that each receiver gets them in order.
 */
struct voice_walk {
    uint32_t first, last; /* packets waiting */
    uint32_t cursor;      /* next member that gets `first`, while `walking` */
    uint32_t next;        /* next room that has packets waiting */
    uint32_t left;        /* members that may still be visited in this round */
    uint32_t round;
    bool walking;
    bool active; /* in the list of rooms that have packets waiting */
};

enum owed { OWED_DISCOVERED = 1, OWED_EXHAUSTED = 2 };

/* What this process knows of a member besides the region. */
struct voice_own {
    uint32_t generation_before; /* at the first touch in this transaction: what an undo brings back */
    uint32_t next; /* voice_member.link again, close together: members are fetched ahead along it */
    uint32_t owed_next;
    uint8_t owed; /* enum owed: notices not taken yet */
    bool owed_listed;
    bool exhausted; /* its control plane was told, or will be */
};

struct voice {
    struct voice_config config;
    struct voice_env env;
    struct map by_ssrc;
    struct aead_key *keys;          /* by member; pages come when a key is expanded */
    struct voice_own *own;          /* by member */
    struct voice_walk *walk;        /* by room */
    uint32_t walk_first, walk_last; /* rooms that have packets waiting, ROOM_NONE: none */
    uint32_t walks_left;            /* of them, to be served in this round */
    uint32_t walks;
    uint32_t round;
    struct voice_packet *packets;
    uint32_t packet_free;
    uint32_t released_first, released_last;
    uint32_t waiting;            /* packets whose fan-out is not over */
    uint32_t owed_first;         /* members with notices owed */
    uint32_t batch[VOICE_BATCH]; /* the packet of each target handed out */
    unsigned batch_count;
};

static inline struct voice_member *member_of(const struct voice *v, uint32_t i)
{
    return pool_at(v->env.members, i);
}

static inline struct room *room_of(const struct voice *v, uint32_t i)
{
    return pool_at(v->env.rooms, i);
}

/*
 * Brings what the fan-out reads of a member into the cache: flags and address, and the counter it will store.
 * Always inline: gcc takes a function that only prefetches for one without effect.
 */
static inline __attribute__((always_inline)) void member_prefetch(const struct voice *v, uint32_t i)
{
    const struct voice_member *m = member_of(v, i);
    __builtin_prefetch(m);
    __builtin_prefetch(&m->peer_port);
    __builtin_prefetch(&m->tx_counter, 1);
}

/* member.c */
void member_touch(struct voice *v, uint32_t i);
void member_expand(struct voice *v, uint32_t i);
bool member_notify(struct voice *v, enum notice what, uint32_t i);
void member_owe(struct voice *v, uint32_t i, enum owed what);
/* Notices that could not be given when they were due. */
void member_pay(struct voice *v);

/* room.c */
void room_link(struct voice *v, uint32_t i, const struct verb_member *verb, uint64_t now_us);
void room_unlink(struct voice *v, uint32_t i);
bool room_enqueue(struct voice *v, const struct voice_datagram *d, const struct rtp_packet *r,
                  uint32_t sender);
void walk_activate(struct voice *v, uint32_t room);
void room_dequeue(struct voice *v, struct voice_walk *w);

/* stream.c */
void stream_arrived(struct stream *s, const struct rtp_packet *r, uint64_t now_us);

#endif
