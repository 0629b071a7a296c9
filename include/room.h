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

enum voice_mode { VOICE_MODE_NONE = 0, VOICE_AES256_GCM_RTPSIZE = 1, VOICE_XCHACHA20_RTPSIZE = 2 };
enum stream_kind { STREAM_AUDIO = 0, STREAM_VIDEO = 1, STREAM_SCREEN = 2, STREAM_KINDS = 3 };
enum member_address { ADDRESS_NONE = 0, ADDRESS_CANDIDATE = 1, ADDRESS_BOUND = 2 };
enum member_flag { MEMBER_MUTED = 1, MEMBER_DEAF = 2, MEMBER_HEARD = 4 /* an authentic packet came */ };

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
};
_Static_assert(sizeof(struct stream) == 32, "stream is a published format");

/* Writer: the room's core. */
struct voice_member {
    uint32_t link;       /* the pool's while free; next member of the room while in use */
    uint32_t generation; /* grows with each use; 0: free */
    uint64_t stamp;
    uint32_t room;
    uint32_t prev; /* previous member of the room */
    uint64_t user_id;
    uint32_t session; /* voice session */
    uint8_t mode;     /* enum voice_mode */
    uint8_t address;  /* enum member_address */
    uint8_t flags;    /* enum member_flag */
    uint8_t pad0;
    uint8_t peer_ip[16];  /* IPv4 as ::ffff:a.b.c.d */
    uint8_t local_ip[16]; /* the address of ours that the peer sent to */
    uint16_t peer_port;
    uint16_t local_port;
    uint32_t ssrc; /* of the audio stream */
    uint8_t key[32];
    /* receiving: replay window over the 32-bit counter (RFC 6479 form) */
    uint32_t rx_counter_top; /* highest authentic counter */
    uint32_t rx_any;         /* a counter was seen */
    uint64_t rx_window[VOICE_REPLAY_WINDOW / 64];
    /* rate limit: packets in the running second */
    uint64_t rate_start_us;
    uint32_t rate_packets;
    uint32_t discovered; /* discovery requests answered in the running second */
    struct stream stream[STREAM_KINDS];
    /*
     * From here on nothing is part of a transaction (MEMBER_SAVED). Next nonce counter, by generation & 1: a
     * MEMBER_SET that is undone must not take the counter of the key that comes back with it.
     */
    _Atomic uint32_t tx_counter[2];
    /* counters, for the operator */
    uint64_t rx_packets;
    uint64_t tx_packets;
    uint64_t rx_dropped;
    uint64_t moved; /* times the address moved */
    uint8_t pad1[112];
};
#define MEMBER_SAVED offsetof(struct voice_member, tx_counter)
_Static_assert(sizeof(struct voice_member) == 512, "voice_member is a published format");

/* Writer: the room's core. */
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
};
_Static_assert(sizeof(struct room) == 64, "room is a published format");

#endif
