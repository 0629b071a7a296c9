/*
 * What the files of dataplane/voice share. Known to this folder alone.
 *
 *   voice.c     beginning and end; what the region tells a new process
 *   member.c    the verbs; keys; when a nonce counter may begin anew
 *   room.c      lists of members; packets that wait for their fan-out, a queue for each room
 *   datagram.c  what a datagram is (pure)      replay.h  window of nonce counters
 *   speakers.c  who is heard (pure)            stream.c  loss, jitter, order
 *   input.c     a datagram in, opened          offer.c   an opened packet: to whom, if to anybody
 *   output.c    who gets it, after the commit  seal.c    sealed datagrams, for each kind of member
 *
 * In the region and undone with a transaction: what MEMBER_SAVED covers of voice_member, room. On the heap
 * and lost with the process: all of struct voice. A packet that waits for its fan-out at a kill is a lost
 * packet.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_VOICE_INTERNAL_H
#define VOXPOP_VOICE_INTERNAL_H

#include "dataplane/base/bytes.h"
#include "dataplane/base/map.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/voice/datagram.h"
#include "dataplane/voice/speakers.h"
#include "dataplane/voice/voice.h"

#define PENDING_NONE   UINT32_MAX
#define PREFETCH_AHEAD 16u /* members */
#define VOICE_TRAVEL_KEPT                                                                                    \
    (1ull << 27) /* of a legacy session's timestamps, when it is to be renewed: 46 minutes */

/* An opened packet that waits for its fan-out. */
struct voice_packet {
    struct voice_frame frame;
    void *holder;
    uint64_t arrived;
    uint32_t next; /* in its room's queue, in `released`, or in the free list */
    uint32_t room;
    uint32_t room_generation; /* a room that ended meanwhile gets none of it */
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
    const struct voice_transport *transport[MEMBER_KINDS];
    struct map by_ssrc;
    struct map by_channel;          /* room by channel */
    struct aead_key *keys;          /* by member; pages come when a key is expanded */
    struct voice_own *own;          /* by member */
    struct voice_walk *walk;        /* by room */
    struct speaker *speakers;       /* [room][config.speakers_max] */
    uint64_t *residence;            /* RESIDENCE_BUCKETS of the worker's, or NULL */
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
    struct sealed {
        uint64_t arrived;
        uint32_t room;
    } sealed[VOICE_BATCH]; /* what voice_sent needs of the datagrams sealed last: their packets may be given back before */
    unsigned sealed_count;
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
 * Brings what the fan-out needs of a member into the cache: one line.
 * Always inline: gcc takes a function that only prefetches for one without effect.
 */
static inline __attribute__((always_inline)) void member_prefetch(const struct voice *v, uint32_t i)
{
    __builtin_prefetch(member_of(v, i), 1);
}

static inline enum voice_verdict refuse(struct voice *v, enum drop_reason why)
{
    count_drop(v->env.counters, why);
    return VOICE_DONE;
}

static inline enum voice_verdict refuse_member(struct voice *v, struct voice_member *m, enum drop_reason why)
{
    m->rx_dropped++;
    return refuse(v, why);
}

/* member.c */
void member_touch(struct voice *v, uint32_t i);
void member_expand(struct voice *v, uint32_t i);
bool member_notify(struct voice *v, enum notice what, uint32_t i);
void member_owe(struct voice *v, uint32_t i, enum owed what);
/* Its key, or its client's, is nearly used up: told once. */
void member_exhausted(struct voice *v, uint32_t i);
/* Notices that could not be given when they were due. */
void member_pay(struct voice *v);

/* room.c */
void room_link(struct voice *v, uint32_t i, const struct verb_member *verb, uint64_t now_us);
void room_unlink(struct voice *v, uint32_t i);
uint32_t room_of_channel(const struct voice *v, uint64_t channel_id);
bool room_enqueue(struct voice *v, uint32_t room, const struct voice_datagram *d,
                  const struct voice_frame *f);
void walk_activate(struct voice *v, uint32_t room);
void room_dequeue(struct voice *v, struct voice_walk *w);

/* stream.c; true: its header is behind all before */
bool stream_arrived(struct voice_member *m, uint16_t sequence, uint32_t timestamp, uint64_t now_us);

/* input.c: the running second of a member's rates */
void rate_roll(struct voice_member *m, uint64_t now_us);

/* offer.c */
enum voice_verdict packet_offer(struct voice *v, const struct voice_datagram *d, const struct voice_frame *f,
                                enum drop_reason why, uint64_t now_us);

/* seal.c: bytes that a receiver gets for a frame; 0: it cannot be sent to now (counted) */
uint16_t sealed_length(struct voice *v, uint32_t i, const struct voice_frame *f);

#endif
