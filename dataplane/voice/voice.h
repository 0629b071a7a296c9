/*
 * Voice on one core: datagrams in, sealed datagrams out. Rooms and members live in the region (include/room.h); expanded keys
 * and the index by SSRC are this process's own and are made anew at a restart.
 *
 * Owns: demultiplexing by RFC 7983, IP discovery, keepalives, the rtpsize AEAD modes and the legacy one, replay windows, address
 * binding, rate limits, who of a room's speakers is heard (speakers.h), and fan-out to everyone else in the room. Refuses, each by its
 * reason: what is too short, unknown, unauthentic, replayed, too fast, silence. Reads no clock and does no I/O; knows nothing of
 * Ethernet or IP beyond addresses.
 *
 * Members of another kind than native (enum member_kind) are carried by a struct voice_transport: it takes their datagrams, gives
 * opened packets to voice_offer, and seals for them. Rooms, speakers, fan-out and quality are the same for all kinds.
 *
 * A room too large for one core has a part on each of several (VERB_ROOM_PARTS). A packet goes to the members of the core that it came
 * to; after the commit it is handed, opened, to the other parts, which take it by voice_offer_part and choose speakers for themselves.
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
#include "dataplane/crypto/aead.h"
#include "dataplane/voice/datagram.h"
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
    uint32_t speakers_max;           /* of one room heard at a time; 0: all */
    uint32_t ticks_per_us;           /* of voice_datagram.arrived and voice_sent; 0: residence is not measured */
    uint32_t iteration_budget_us;    /* the worker's: an iteration that forwards voice and takes longer is counted */
};

/* An opened packet, in the memory in which it came: RTP header, preamble of the extension, its body, payload, one after the other. */
struct voice_frame {
    const uint8_t *data;
    uint32_t sender;          /* index within this core, or MEMBER_NONE: a member of another part of the room */
    uint16_t text_length;     /* extension body and payload */
    uint16_t extension_bytes; /* of them, the extension's body */
    uint8_t header_length;    /* 12, or 16 with a preamble */
    uint8_t level;            /* RFC 6464, -dBov: 0 the loudest, 127 silence; or VOICE_LEVEL_ABSENT */
    uint8_t flags;            /* of the sender: MEMBER_SPEAKING, MEMBER_PRIORITY. Set by voice_offer */
    bool header_new;          /* behind all RTP headers of this SSRC before: a nonce, too. Set by voice_offer */
};

enum voice_verdict {
    VOICE_DONE,    /* nothing more; counted */
    VOICE_REPLY,   /* data holds an answer of the same length, to be sent back to where it came from after the commit */
    VOICE_FORWARD, /* opened in place and kept until voice_released gives its holder back */
};

struct voice_datagram;

enum voice_step {
    VOICE_STEP_NONE, /* nothing for this receiver (counted) */
    VOICE_STEP_JOB,  /* *job is filled in: sealed together with others */
    VOICE_STEP_DONE, /* the payload is complete */
};

/* How members of one kind are reached. `member` is an index within this core. */
struct voice_transport {
    void *user;
    /* Within the transaction, before anything else looks at the datagram. True: it was for a member of this kind. */
    bool (*input)(void *user, const struct voice_datagram *d, uint64_t now_us, enum voice_verdict *verdict);
    /* After the commit: bytes of UDP payload that this member gets for the frame; 0: it cannot be sent to now (counted). */
    uint16_t (*length)(void *user, uint32_t member, const struct voice_frame *f);
    /* After the commit. `payload` has room for what `length` said. A counter is stored before its seal is used. */
    enum voice_step (*seal)(void *user, uint32_t member, const struct voice_frame *f, uint8_t *payload, struct aead_seal *job);
    /* The member has left or its slot is another's. Within the transaction; may be NULL. */
    void (*gone)(void *user, uint32_t member);
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
    /* After the commit: the frame, to a room's other part. False: it is lost to that part. NULL: there is one core. */
    bool (*hand)(void *user, uint32_t worker, uint64_t channel_id, const struct voice_frame *f);
    void *user;
};

/* NULL: no memory. Rebuilds what it needs from the region. */
struct voice *voice_new(const struct voice_config *config, const struct voice_env *env);
void voice_free(struct voice *v);
/* From now on; not copied. `kind` is not MEMBER_NATIVE. */
void voice_transport_set(struct voice *v, enum member_kind kind, const struct voice_transport *t);

/* Verbs of the ring `command`. False: refused (counted). */
bool voice_member_set(struct voice *v, const struct verb_member *verb, uint64_t now_us);
bool voice_member_bind(struct voice *v, const struct verb_member_bind *verb);
bool voice_member_remove(struct voice *v, const struct verb_member_ref *verb);
bool voice_room_parts(struct voice *v, const struct verb_room *verb);

/* A received UDP payload. */
struct voice_datagram {
    uint8_t *data;
    uint16_t length;
    uint16_t peer_port, local_port;
    uint8_t peer_ip[16], local_ip[16];
    uint64_t arrived; /* the caller's ticks */
    void *holder;     /* the caller's: what it must release when the packet is done with */
};

/*
 * Fetches what voice_input will want of a packet from this SSRC. In steps from 0 to VOICE_AHEAD - 1, each for the whole burst before the
 * next: a step finds its way by what the one before has fetched.
 */
#define VOICE_AHEAD 4u
void voice_ahead(const struct voice *v, unsigned step, uint32_t ssrc);

/* Within the transaction. */
enum voice_verdict voice_input(struct voice *v, const struct voice_datagram *d, uint64_t now_us);

/* For transports, before a packet is opened: false: the member sends too fast (counted). */
bool voice_rate_allows(struct voice *v, uint32_t member, uint64_t now_us);

/* Within the transaction, for transports: the member is reached where this datagram came from, from now on; NULL: nowhere. */
void voice_address_bind(struct voice *v, uint32_t member, const struct voice_datagram *from);

/*
 * Within the transaction, for transports: an authentic packet of member f->sender, opened; its header has the member's own SSRC and
 * payload type RTP_PAYLOAD_TYPE, and the checks of rtp_parse hold. From here on it is like any other.
 */
enum voice_verdict voice_offer(struct voice *v, const struct voice_datagram *d, const struct voice_frame *f, uint64_t now_us);

/* Within the transaction: a frame that another part of this channel's room has handed over. */
enum voice_verdict voice_offer_part(struct voice *v, uint64_t channel_id, const struct voice_datagram *d, const struct voice_frame *f,
                                    uint64_t now_us);

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
/* Those of the batch that was sealed last have been given to the port, at this tick. */
void voice_sent(struct voice *v, uint64_t ticks);
/* Where residence is counted besides: RESIDENCE_BUCKETS of the worker's. */
void voice_residence_at(struct voice *v, uint64_t *buckets);

/* The holder of a packet whose fan-out is over, or NULL. Call until NULL. */
void *voice_released(struct voice *v);

/* Packets whose fan-out is not over: the loop must not go idle. */
unsigned voice_pending(const struct voice *v);

/* For captures: the member (index within this core) that has this SSRC, or MEMBER_NONE; and the members' pool. */
uint32_t voice_member_of(const struct voice *v, uint32_t ssrc);
struct pool *voice_members(const struct voice *v);

#endif
