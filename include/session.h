/*
 * Sessions: what a client that logged in is to the box, apart from the connection that it has at the moment.
 * One index names a session in two arrays: what the control plane decides (session_control) and what the
 * dataplane sends (session). A gateway session and a voice session differ in kind only.
 *
 * The queue of a session is a list of 4-byte event references in chunks of 64 bytes, oldest first:
 *
 *      seq_first ........ seq_acked ........ seq_sent ........ seq_last
 *      | kept for resume  | in flight, pinned | unsent, pinned  |
 *
 * What holds: seq_first <= seq_acked + 1 <= seq_sent + 1 <= seq_last + 1. An empty queue has seq_first ==
 * seq_last + 1.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_SESSION_H
#define VOXPOP_SESSION_H

#include "block.h"

#define SESSION_NONE       UINT32_MAX
#define SESSION_CHUNK_REFS 15u
#define SESSION_KEEP                                                                                         \
    32u /* references kept behind the client's acknowledgement, for a resume from slightly earlier */

enum session_kind { SESSION_FREE = 0, SESSION_GATEWAY = 1, SESSION_VOICE = 2 };
/* How a voice session came about: over the voice gateway, or by WHIP or WHEP, without a gateway session. */
enum voice_signalling { SIGNALLED_BY_GATEWAY = 0, SIGNALLED_BY_WHIP = 1, SIGNALLED_BY_WHEP = 2 };
/* session_control.compress */
enum session_compress { COMPRESS_NONE = 0, COMPRESS_STREAM = 1, COMPRESS_PAYLOADS = 2 };
enum session_flag {
    SESSION_CONTENT = 1 /* may see message content */,
    SESSION_UNNUMBERED = 2 /* voice before v8: no seq */,
    SESSION_MOVED = 4 /* VERB_SESSION_RESUME: it comes from another worker and begins here, behind seq */,
    SESSION_COMPRESSED = 8 /* payloads may be compressed, each by itself (identify's `compress`) */
};

/* In the region. Writer: the worker that owns the session. */
struct session_chunk {
    uint32_t next;
    uint32_t ref[SESSION_CHUNK_REFS];
};
_Static_assert(sizeof(struct session_chunk) == 64, "session_chunk is a published format");

/* In the region. Writer: the worker that owns the session (session_control.worker). */
struct session {
    /* the first cache line is what a delivery and its acknowledgement change */
    uint64_t stamp;      /* of the transaction that saved it last, shifted by one: 1: all of it, 0: the first line */
    uint32_t generation; /* equal to session_control.generation while bound */
    uint32_t connection; /* index, or UINT32_MAX while the client is away */
    uint32_t intents;
    uint8_t kind;        /* enum session_kind */
    uint8_t flags;       /* enum session_flag */
    uint16_t chunks;     /* chunks held */
    uint32_t seq_first;  /* number of the oldest reference kept */
    uint32_t seq_acked;  /* references up to it are acknowledged by TCP and do not pin */
    uint32_t seq_sent;   /* references up to it are described completely */
    uint32_t seq_last;   /* last number given out; numbers start at 1 */
    uint32_t sent_bytes; /* bytes of the frame of seq_sent + 1 that are described already */
    uint32_t tail_chunk; /* holds seq_last */
    uint32_t sent_chunk; /* holds seq_sent + 1, when there is one */
    uint32_t head_at;    /* index of seq_first within head_chunk */
    uint64_t events_sent;
    uint64_t user_id;
    uint64_t away_since_us;
    uint32_t seq_heard;  /* the client's own acknowledgement (heartbeat d) */
    uint32_t head_chunk; /* holds seq_first */
    uint8_t pad[40];
};
_Static_assert(sizeof(struct session) == 128, "session is a published format");
_Static_assert(offsetof(struct session, seq_first) == 24 && offsetof(struct session, user_id) == 64,
               "session is a published format");

/*
 * In the region. Writer: control plane. A slot of kind SESSION_VOICE is one user's voice state in one guild,
 * from joining to leaving; the voice gateway's session is bound to it when the client identifies there, and
 * `generation` grows with each such binding. `peer` of a voice slot is the gateway session that joined; a
 * gateway session's `peer` is the voice slot that it last made.
 */
struct session_control {
    uint32_t link;       /* the pool's while free */
    uint32_t generation; /* grows with each use of the slot */
    uint64_t stamp;
    uint8_t kind;     /* enum session_kind */
    uint8_t worker;   /* core that owns it */
    uint8_t state;    /* the control plane's own */
    uint8_t protocol; /* gateway: API version. voice: gateway version 4..8 */
    uint32_t intents;
    uint8_t id[16];      /* session id; clients see it in hex */
    uint64_t connection; /* handle (connection.h), 0: none */
    uint64_t user_id;
    uint64_t identified_ms; /* unix time */
    uint64_t away_since_ms;
    /* rate limit: payloads within the window */
    uint64_t window_start_ms;
    uint32_t window_payloads;
    uint16_t shard_id;
    uint16_t shard_count;
    /* presence */
    uint8_t status;   /* 0 offline, 1 online, 2 idle, 3 dnd, 4 invisible */
    uint8_t platform; /* 0 web, 1 desktop, 2 mobile */
    uint8_t afk;
    uint8_t large_threshold;
    uint8_t compress; /* gateway session: enum session_compress */
    uint8_t pad0[3];
    uint64_t since_ms;
    struct chain activities; /* JSON array text, in the control plane's blocks */
    /* voice state of a gateway session; the place of a voice session */
    uint64_t guild_id; /* 0: in no voice channel */
    uint64_t channel_id;
    uint8_t self_mute;
    uint8_t self_deaf;
    uint8_t mute;
    uint8_t deaf;
    uint8_t suppress;
    uint8_t self_video;
    uint8_t speaking; /* voice session: last flags */
    uint8_t spoke;    /* voice session: has ever sent op 5 or a packet */
    uint32_t peer;    /* gateway session <-> voice session of the same user and guild, or UINT32_MAX */
    uint32_t peer_generation;
    uint8_t voice_token[32]; /* raw; issued in VOICE_SERVER_UPDATE */
    uint64_t voice_token_ms;
    /* voice session only */
    uint32_t ssrc;
    uint32_t member; /* index (room.h), or UINT32_MAX */
    uint32_t room;
    uint8_t mode;  /* enum voice_mode, 0: not selected */
    uint8_t ready; /* session description sent */
    uint8_t transport; /* enum member_kind */
    uint8_t signalling; /* enum voice_signalling */
    uint8_t key[32];
    uint32_t member_generation; /* that MEMBER_SET named */
    uint16_t discovered_port;   /* what our discovery answer told; 0: not asked yet */
    uint16_t selected_port;     /* what op 1 named; 0: none */
    uint8_t discovered_ip[16];
    uint8_t selected_ip[16];
    uint64_t presence_ms;       /* gateway session: when status or activities were last set */
    uint64_t presence_told;     /* hash of what others were last told of the user; 0: offline */
    uint64_t presence_after_ms; /* others are told anew not before */
    uint8_t presence_due;       /* others are to be told */
    uint8_t away_gone;          /* has been away for so long that others see it no more */
    uint8_t pad2[6];
    struct chain lists; /* gateway session: its subscriptions of member lists (presence/lists.h) */
    uint64_t activities_ms;       /* since when they are as they are */
    uint64_t request_to_speak_ms; /* voice state in a stage channel: asked for the word at; 0: has not */
    /* voice session: how good it is (controlplane/voice/voice_quality.c) */
    uint16_t mos_from;      /* of what others hear of him, times 100; 0: not known yet */
    uint16_t mos_to;        /* of what he hears, by his own reports; 0: his client makes none */
    uint16_t round_trip_ms; /* that both were judged by */
    uint8_t ice_session;    /* by HTTP: counts ICE restarts */
    uint8_t pad3;
    uint32_t judged_packets, judged_lost, judged_gaps, judged_concealed; /* his stream's as of the last look */
    uint8_t pad4[144];
};
_Static_assert(sizeof(struct session_control) == 512, "session_control is a published format");

#endif
