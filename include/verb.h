/*
 * What the two processes say to each other: verbs (control plane -> a worker) and notices (a worker ->
 * control plane), as entries of the rings (ring.h). Structs are host order, fixed width; text follows the
 * struct where it says so.
 *
 * A worker reads two rings from the control plane. `fanout` is strictly in order, so that what a session is
 * told keeps the order in which it was decided, also past a walk that takes many slices. `command` is for
 * everything that no walk may delay.
 *
 * A connection handle is generation << 32 | index; a verb for a connection or session that is gone is counted
 * and dropped.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_VERB_H
#define VOXPOP_VERB_H

#include <stdint.h>

enum verb {
    /* ring `command` */
    VERB_SEND = 1,      /* struct verb_send, bytes */
    VERB_CLOSE,         /* struct verb_close, reason text (<= 123 bytes) */
    VERB_MEMBER_SET,    /* struct verb_member: create, or change flags, key, mode */
    VERB_MEMBER_BIND,   /* struct verb_member_bind */
    VERB_MEMBER_REMOVE, /* struct verb_member_ref */
    VERB_ROOM_PARTS,    /* struct verb_room */
    VERB_PEER_SET,      /* struct verb_peer */
    /* ring `fanout` */
    VERB_SESSION_BIND = 64, /* struct verb_session: this session now has this connection */
    VERB_SESSION_RESUME,    /* struct verb_resume: bind, and send again what follows seq */
    VERB_SESSION_END,       /* struct verb_session_ref */
    VERB_SUBSCRIBE,         /* struct verb_subscribe: or change the class of a subscription */
    VERB_UNSUBSCRIBE,       /* struct verb_subscribe */
    VERB_TOPIC_END,         /* struct verb_walk (event unused) */
    VERB_WALK,              /* struct verb_walk: every subscriber that may see the event */
    VERB_DISPATCH,          /* struct verb_dispatch: one session */
    VERB_SHED,              /* struct verb_shed: close the readers that pin this segment */
};

enum notice {
    NOTICE_OPEN = 1,      /* struct notice_open, query text: a WebSocket is up; hello was sent */
    NOTICE_MESSAGE,       /* struct notice_message, text: a whole text message that was no heartbeat */
    NOTICE_REQUEST,       /* struct notice_request, its texts in order */
    NOTICE_CLOSED,        /* struct notice_closed */
    NOTICE_DISCOVERED,    /* struct notice_member: IP discovery was answered with this address */
    NOTICE_HEARD,         /* struct notice_member: first authentic voice packet */
    NOTICE_EXHAUSTED,     /* struct notice_member: nonce counter near its end, a new session is needed */
    NOTICE_RESUME_FAILED, /* struct notice_session: the events after seq are gone */
};

enum send_flag {
    SEND_MORE = 1,      /* the next VERB_SEND for this connection continues this one */
    SEND_END = 2,       /* HTTP: the answer is complete, the next request may be read */
    SEND_CLOSE = 4,     /* close the connection when this is sent */
    SEND_CONTINUED = 8, /* continues the one before */
};

struct verb_send {
    uint64_t connection;
    uint32_t total; /* bytes of the whole message, over all its parts */
    uint8_t opcode; /* WebSocket opcode (1 text, 2 binary), 0: raw (HTTP) */
    uint8_t flags;  /* enum send_flag */
    uint16_t pad;
    uint8_t bytes[];
};
_Static_assert(sizeof(struct verb_send) == 16, "verbs are a published format");

struct verb_close {
    uint64_t connection;
    uint16_t code;        /* WebSocket close code; 0: without a close frame */
    uint8_t after_events; /* 1: only after all events queued for its session are sent */
    uint8_t pad[5];
    uint8_t reason[];
};
_Static_assert(sizeof(struct verb_close) == 16, "verbs are a published format");

struct verb_member {
    uint32_t member; /* index; its worker is the one that reads this */
    uint32_t generation;
    uint32_t room;    /* index within the worker */
    uint32_t session; /* voice session */
    uint64_t user_id;
    uint64_t channel_id;
    uint64_t guild_id;
    uint32_t ssrc;
    uint8_t mode;  /* enum voice_mode; NONE: known for discovery, neither sends nor hears */
    uint8_t flags; /* enum member_flag, those of MEMBER_TOLD */
    uint8_t kind;  /* enum member_kind */
    uint8_t pad;
    uint8_t key[32];
};
_Static_assert(sizeof(struct verb_member) == 80, "verbs are a published format");

struct verb_member_bind {
    uint32_t member;
    uint32_t generation;
    uint8_t ip[16];
    uint16_t port;
    uint16_t pad[3];
};
_Static_assert(sizeof(struct verb_member_bind) == 32, "verbs are a published format");

struct verb_member_ref {
    uint32_t member;
    uint32_t generation;
};

/* What a member of kind MEMBER_WEBRTC has besides (peer.h). Begins its keys and addresses anew; with `restart` it
 * changes name and password alone (RFC 8445 9). */
struct verb_peer {
    uint32_t member;
    uint32_t generation; /* of a MEMBER_SET before */
    uint32_t ssrc;       /* of receive slot 0; the others follow */
    uint8_t payload_type;
    uint8_t level_id; /* audio level extension, 0: none */
    uint8_t slots;    /* announced, up to PEER_SLOTS */
    uint8_t hash;     /* enum peer_hash, of the fingerprint */
    uint8_t ufrag[12];
    uint8_t password[24];
    uint8_t fingerprint[64];
    uint8_t restart; /* 1: of ICE alone */
    uint8_t pad[3];
};
_Static_assert(sizeof(struct verb_peer) == 120, "verbs are a published format");

/* The room of this channel has members on these cores as well, a bit each. */
struct verb_room {
    uint32_t room; /* index within the worker */
    uint32_t parts;
    uint64_t channel_id;
};
_Static_assert(sizeof(struct verb_room) == 16, "verbs are a published format");

struct verb_session {
    uint32_t session;
    uint32_t generation;
    uint64_t connection;
    uint64_t user_id;
    uint32_t intents;
    uint8_t kind;  /* enum session_kind */
    uint8_t flags; /* enum session_flag */
    uint16_t pad;
};
_Static_assert(sizeof(struct verb_session) == 32, "verbs are a published format");

struct verb_resume {
    struct verb_session session;
    uint32_t seq; /* last number that the client has */
    uint32_t pad;
};
_Static_assert(sizeof(struct verb_resume) == 40, "verbs are a published format");

struct verb_session_ref {
    uint32_t session;
    uint32_t generation;
    uint16_t close_code; /* 0: leave the connection alone */
    uint16_t pad[3];
};
_Static_assert(sizeof(struct verb_session_ref) == 16, "verbs are a published format");

struct verb_subscribe {
    uint32_t session;
    uint32_t generation;
    uint32_t topic;
    uint16_t class;
    uint16_t flags;
    uint64_t from; /* log position: earlier events are not for this subscription */
};
_Static_assert(sizeof(struct verb_subscribe) == 24, "verbs are a published format");

struct verb_walk {
    uint32_t topic;
    uint32_t pad;
    uint64_t event; /* log position */
};
_Static_assert(sizeof(struct verb_walk) == 16, "verbs are a published format");

struct verb_dispatch {
    uint32_t session;
    uint32_t generation;
    uint64_t event; /* log position */
};
_Static_assert(sizeof(struct verb_dispatch) == 16, "verbs are a published format");

struct verb_shed {
    uint32_t segment;
    uint32_t pad;
};

struct notice_open {
    uint64_t connection;
    uint8_t peer_ip[16];
    uint16_t peer_port;
    uint8_t kind;     /* enum connection_kind */
    uint8_t version;  /* of the query's v; 0: absent */
    uint8_t encoding; /* 0 json, 1 etf, 255 unknown */
    uint8_t compress; /* 0 none, 1 zlib-stream, 2 zstd-stream, 255 unknown */
    uint16_t pad;
};
_Static_assert(sizeof(struct notice_open) == 32, "notices are a published format");

struct notice_message {
    uint64_t connection;
    uint32_t session; /* bound session's index, or UINT32_MAX */
    uint8_t opcode;   /* 1 text, 2 binary */
    uint8_t pad[3];
    uint8_t text[];
};
_Static_assert(sizeof(struct notice_message) == 16, "notices are a published format");

/* The texts follow in this order: target path, query, authorization, content type, audit log reason,
 * If-Match, body. */
enum request_text {
    REQUEST_PATH,
    REQUEST_QUERY,
    REQUEST_AUTHORIZATION,
    REQUEST_CONTENT_TYPE,
    REQUEST_REASON,
    REQUEST_IF_MATCH,
    REQUEST_BODY,
    REQUEST_TEXTS
};

struct notice_request {
    uint64_t connection;
    uint8_t peer_ip[16];
    uint16_t peer_port;
    uint8_t
        method; /* enum http_method of dataplane/http: 1 GET 2 HEAD 3 POST 4 PUT 5 PATCH 6 DELETE 7 OPTIONS */
    uint8_t keep_alive;
    uint32_t length[REQUEST_TEXTS];
    uint32_t carried;    /* bytes of a body that is too long for the ring: it stays in the connection's `carry`,
                            while the connection is in HTTP_PHASE_ASKED, and the body's text is empty */
    uint32_t carried_at; /* where in `carry` it begins */
    uint8_t texts[];
};
_Static_assert(sizeof(struct notice_request) == 64, "notices are a published format");

struct notice_closed {
    uint64_t connection;
    uint32_t session; /* bound session's index, or UINT32_MAX */
    uint16_t code;    /* the peer's WebSocket close code; 1005: close frame without one; 1006: none */
    uint8_t by_peer;  /* 1: the peer closed or reset; 0: we did */
    uint8_t kind;     /* enum connection_kind it had */
};
_Static_assert(sizeof(struct notice_closed) == 16, "notices are a published format");

struct notice_member {
    uint32_t member;
    uint32_t generation;
    uint8_t ip[16];
    uint16_t port;
    uint16_t pad[3];
};
_Static_assert(sizeof(struct notice_member) == 32, "notices are a published format");

struct notice_session {
    uint32_t session;
    uint32_t generation;
    uint64_t connection;
};
_Static_assert(sizeof(struct notice_session) == 16, "notices are a published format");

#endif
