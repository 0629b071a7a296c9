/*
 * Voice rooms and their members, as the core that owns a room keeps them. A stream is named by (member, kind,
 * layer); audio is the one kind that is used so far. Which session and user a member is, the control plane
 * said (verb MEMBER_SET).
 *
 * A peer's address:  NONE --discovery--> CANDIDATE --authentic packet, or verb MEMBER_BIND--> BOUND
 * --authentic, not replayed packet from elsewhere--> BOUND. A candidate is never sent voice.
 *
 * tx_counter is stored before a packet is sealed with it, and is not part of any transaction: it never goes
 * back.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_ROOM_H
#define VOXPOP_ROOM_H

#include "pool.h"

#define MEMBER_NONE         UINT32_MAX
#define ROOM_NONE           UINT32_MAX
#define VOICE_REPLAY_WINDOW 1024u /* nonce counters */
#define VOICE_COUNTER_FIRST                                                                                  \
    0x80000000u /* ours; the client counts up from 0: the two never meet (voice.md 5.4) */
#define VOICE_COUNTER_LAST 0xfffffff0u
#define VOICE_COUNTERS_KEPT                                                                                  \
    (1u << 20) /* a session is to be renewed when so few are left, ours or the client's: 10 minutes with 30 speakers */
#define VOICE_TRAVEL_MAX (1ull << 31) /* of a legacy client's timestamp: its nonces would begin anew at 2^32 */

/* xsalsa20_poly1305 is the legacy one: its nonce is the RTP header. */
enum voice_mode {
    VOICE_MODE_NONE = 0,
    VOICE_AES256_GCM_RTPSIZE = 1,
    VOICE_XCHACHA20_RTPSIZE = 2,
    VOICE_XSALSA20 = 3,
    VOICE_MODE_COUNT = 4
};
enum member_kind { MEMBER_NATIVE = 0, MEMBER_WEBRTC = 1, MEMBER_KINDS = 2 };
enum stream_kind { STREAM_AUDIO = 0, STREAM_VIDEO = 1, STREAM_SCREEN = 2, STREAM_KINDS = 3 };
enum member_address { ADDRESS_NONE = 0, ADDRESS_CANDIDATE = 1, ADDRESS_BOUND = 2 };
enum member_flag {
    MEMBER_MUTED = 1,
    MEMBER_DEAF = 2,
    MEMBER_HEARD = 4,    /* an authentic packet came */
    MEMBER_SPEAKING = 8, /* says so (op 5) */
    MEMBER_PRIORITY = 16 /* and is to be heard before others */
};
#define MEMBER_TOLD (MEMBER_MUTED | MEMBER_DEAF | MEMBER_SPEAKING | MEMBER_PRIORITY) /* by the control plane */

/* One stream of a member. Writer: the room's core. */
struct stream {
    uint32_t ssrc;
    uint8_t kind; /* enum stream_kind */
    uint8_t layer;
    uint16_t seq_last;
    uint32_t packets;
    uint32_t lost; /* RFC 3550 A.3: expected - received, estimated from gaps */
    uint32_t ts_last;
    uint32_t jitter;     /* RFC 3550 6.4.1, in timestamp units times 16 */
    uint64_t arrived_us; /* of the last packet */
    uint32_t reordered;  /* came behind a later one */
    uint32_t gaps;       /* times that packets were missing when a later one came */
    uint32_t concealed;  /* packets that were missing then: what a listener without a jitter buffer conceals */
    uint32_t ts_first;   /* audio: timestamp of the session's first packet */
};
_Static_assert(sizeof(struct stream) == 48, "stream is a published format");

/*
 * Writer: the room's core. The first cache line is what the fan-out needs of a receiver. Part of no transaction
 * are the counters in front of `link` and those behind `stream` (MEMBER_SAVED_AT, MEMBER_SAVED).
 */
struct voice_member {
    /* Next nonce counter, by generation & 1: a MEMBER_SET that is undone must not take the counter of the key
     * that comes back with it. */
    _Atomic uint32_t tx_counter[2];
    uint64_t tx_packets;
    uint32_t link;       /* next member of the room */
    uint32_t generation; /* grows with each use; 0: free */
    uint8_t peer_ip[16]; /* IPv4 as ::ffff:a.b.c.d */
    uint8_t local_ip[16]; /* the address of ours that the peer sent to */
    uint16_t peer_port;
    uint16_t local_port;
    uint8_t mode;    /* enum voice_mode */
    uint8_t address; /* enum member_address */
    uint8_t flags;   /* enum member_flag */
    uint8_t kind;    /* enum member_kind */
    uint64_t stamp;
    uint32_t room;
    uint32_t prev; /* previous member of the room */
    uint64_t user_id;
    uint32_t session; /* voice session */
    uint32_t ssrc;    /* of the audio stream */
    uint8_t key[32];
    /* receiving: replay window over the 32-bit counter (RFC 6479 form) */
    uint32_t rx_counter_top; /* highest authentic counter */
    uint32_t rx_any;         /* a counter was seen */
    uint64_t rx_window[VOICE_REPLAY_WINDOW / 64];
    /* rate limit: packets in the running second */
    uint64_t rate_start_us;
    uint32_t rate_packets;
    uint32_t discovered; /* discovery requests answered in the running second */
    uint64_t ts_travelled; /* how far the audio timestamp has come from ts_first, forward only (stream.c) */
    struct stream stream[STREAM_KINDS];
    /* counters, for the operator */
    uint64_t rx_packets;
    uint64_t rx_dropped;
    uint64_t moved; /* times the address moved */
    uint64_t rtcp;  /* authentic RTCP packets */
    uint8_t pad1[48];
};
#define MEMBER_SAVED_AT offsetof(struct voice_member, link)
#define MEMBER_SAVED    (offsetof(struct voice_member, rx_packets) - MEMBER_SAVED_AT)
_Static_assert(sizeof(struct voice_member) == 512, "voice_member is a published format");
_Static_assert(offsetof(struct voice_member, stamp) == 64, "a receiver is one cache line");

#define RESIDENCE_BUCKETS 16u /* bucket b: less than 2^b microseconds; the last one: everything above */

static inline unsigned residence_bucket(uint64_t us)
{
    unsigned bits = us ? 64 - (unsigned)__builtin_clzll(us) : 0;
    return bits < RESIDENCE_BUCKETS ? bits : RESIDENCE_BUCKETS - 1;
}

/* Writer: the room's core. A room with members on several cores has a part on each. */
struct room {
    uint32_t link; /* the pool's while free */
    uint32_t generation;
    uint64_t stamp;
    uint64_t channel_id;
    uint64_t guild_id;
    uint32_t head; /* first member, or MEMBER_NONE */
    uint32_t count;
    uint64_t packets_in;
    uint64_t packets_out;
    uint64_t opened_us;
    uint32_t parts; /* other cores that have a part of it, a bit each */
    uint32_t pad0;
    uint64_t packets_over; /* came from another part */
    uint64_t silent;       /* packets of silence that went to nobody */
    uint64_t not_loudest;  /* packets of speakers who were not among the loudest */
    uint32_t residence[RESIDENCE_BUCKETS]; /* packets out, by the time from reception to transmission */
    uint8_t pad1[32];
};
_Static_assert(sizeof(struct room) == 192, "room is a published format");

#endif
