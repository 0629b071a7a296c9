/*
 * A connection slot: all that the dataplane knows of one TCP connection, from its TCB to the message it is in
 * the middle of. Writer: the worker that owns it (Toeplitz of its addresses, modulo the workers). A new
 * process goes on from these bytes.
 *
 * Sending. TCP holds no payload; the stream is described by records, oldest first, and each record by where
 * its plaintext comes from. A record is sealed from its description whenever TCP wants its bytes, the first
 * time and every time after:
 *
 *      items (what is to be said)      records (what has been said and is not yet acknowledged)
 *      [blob][generated] ...           [pos, sealed_len, number, epoch, source] ...
 *      session queue: event references
 *
 * Items go out in order and before the session's events, unless marked ITEM_AFTER_EVENTS.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CONNECTION_H
#define VOXPOP_CONNECTION_H

#include "block.h"
#include "http_conn.h"
#include "tcp_board.h"
#include "tcp_conn.h"
#include "tls_conn.h"
#include "ws_conn.h"

enum connection_kind {
    CONNECTION_FREE = 0,
    CONNECTION_HANDSHAKE = 1, /* TCP and TLS handshakes */
    CONNECTION_HTTP = 2,
    CONNECTION_GATEWAY = 3,
    CONNECTION_VOICE = 4,
    CONNECTION_ECHO = 5,
    CONNECTION_CLOSING = 6, /* nothing more is read; what is described is still sent */
};

enum connection_flag {
    CONN_REQUEST_OPEN = 1, /* HTTP: a request is with the control plane */
    CONN_HELD_BACK = 2,    /* input waits: the ring to the control plane is full */
    CONN_CLOSE_SENT = 4,   /* WebSocket close frame queued */
    CONN_CLOSE_HEARD = 8,  /* the peer will send no more */
    CONN_NOTIFIED = 16,    /* the control plane was told that it is open, and is owed NOTICE_CLOSED */
    CONN_KEEP_ALIVE = 32,  /* HTTP: another request may follow */
    CONN_ITEM_OPEN = 64,   /* the last item awaits its continuation (SEND_MORE) */
    CONN_STEP_OUT = 128,   /* a handshake record is with the helper thread */
};

/* How a gateway's payloads are written; settled by the upgrade. */
enum connection_encoding {
    CONNECTION_TEXT = 0,    /* text frames */
    CONNECTION_DEFLATE = 1, /* zlib-stream: binary frames, all of them one deflate stream */
};

/* What a record's plaintext, or an item, comes from. */
enum source_kind {
    SOURCE_RAW = 1,  /* bytes as they are: TLS handshake flights. Chain in the item */
    SOURCE_BLOB = 2, /* private plaintext: chain in the item, with a WebSocket frame head if opcode is set */
    SOURCE_GENERATED = 3, /* enum generated_kind with a 64-bit argument */
    SOURCE_EVENT = 4,     /* event reference, session sequence */
};

enum generated_kind {
    GENERATED_HELLO = 1,         /* gateway op 10 */
    GENERATED_HEARTBEAT_ACK = 2, /* gateway op 11 */
    GENERATED_VOICE_HELLO = 3,   /* voice op 8; argument: version */
    GENERATED_VOICE_ACK = 4,     /* voice op 6; argument: t, version in the record's seq */
    GENERATED_CLOSE = 5,         /* WebSocket close frame; argument: code */
    GENERATED_ALERT = 6,         /* TLS alert; argument: level << 8 | description */
    GENERATED_KEY_UPDATE = 7,    /* TLS KeyUpdate, then the next write epoch */
};

/* In the region. What is to be said on a connection and cannot be an event. */
struct tx_item {
    uint32_t next;      /* item behind it in the queue; the pool's while free */
    uint8_t kind;       /* enum source_kind */
    uint8_t opcode;     /* SOURCE_BLOB: WebSocket opcode, 0 for HTTP */
    uint8_t generated;  /* enum generated_kind */
    uint8_t flags;      /* enum item_flag */
    struct chain bytes; /* given back as its records are acknowledged */
    uint64_t argument;
    uint32_t total;     /* bytes of the whole message on the application level, without frame head */
    uint32_t described; /* bytes, with frame head, that records exist for */
    uint32_t records;   /* in flight */
    uint32_t released;  /* bytes of the message that are acknowledged and gone from `bytes` */
};
_Static_assert(sizeof(struct tx_item) == 48, "tx_item is a published format");

enum item_flag {
    ITEM_AFTER_EVENTS = 1, /* goes out behind the session's events */
    ITEM_RESPONSE_END = 2, /* HTTP: when described, the next request may be read */
    ITEM_CLOSE = 4,        /* when described, the connection is closed */
    ITEM_COMPLETE = 8,     /* all bytes are there */
};

/* In the region. One TLS record (or a run of raw bytes) that is in flight. */
struct tx_record {
    uint32_t next;   /* the pool's while free */
    uint32_t item;   /* SOURCE_RAW, BLOB, GENERATED: its item. SOURCE_EVENT: event reference */
    uint64_t pos;    /* of its first byte in the stream; 0 is the first byte ever sent */
    uint32_t seq;    /* SOURCE_EVENT: session sequence */
    uint32_t offset; /* first byte of the framed message that it carries */
    uint32_t number; /* TLS record number within the epoch; KeyUpdate comes before it could overflow */
    uint16_t length; /* bytes on the wire */
    uint8_t kind;    /* enum source_kind */
    uint8_t epoch;   /* low bits of the TLS write epoch; SOURCE_RAW: unused */
};
_Static_assert(sizeof(struct tx_record) == 32, "tx_record is a published format");

/*
 * What each segment in or out may change, and what sealing takes, lies in the lines marked hot: six of ten. A worker with more
 * connections than its caches hold fetches and saves those alone, for as long as nothing else is touched (conn_touch_hot).
 */
struct connection {
    /* hot */
    uint32_t link;       /* the pool's while free */
    uint32_t generation; /* grows with each use of the slot */
    uint64_t stamp;      /* of the transaction that saved it last, shifted by one: 1: all of it, 0: the hot lines */
    uint8_t kind;        /* enum connection_kind */
    uint8_t flags;       /* enum connection_flag */
    uint8_t encoding;    /* enum connection_encoding */
    uint8_t version;     /* gateway or voice version of the upgrade */
    uint32_t session;    /* index, or UINT32_MAX */
    uint32_t session_generation;
    uint32_t records;     /* in flight */
    uint64_t deadline_us; /* of the layers above TCP; UINT64_MAX: none */
    uint32_t record_head; /* oldest record in flight, POOL_NONE: none */
    uint32_t record_tail;
    uint32_t item_head; /* first item not completely described, POOL_NONE: none */
    uint32_t item_tail;
    uint32_t items;   /* waiting */
    uint32_t stall_s; /* the peer's window lets nothing through while we have something to say: since this second,
                         counted from 1; 0: it takes what we send */
    /* cold */
    uint64_t opened_us;
    uint64_t heard_us;   /* last application data */
    uint16_t close_code; /* heard from the peer, 1006 until then */
    uint8_t kind_was;    /* CONNECTION_CLOSING: what it was */
    uint8_t pad0;
    uint32_t item_open; /* CONN_ITEM_OPEN: the item that its next part belongs to */
    /* cold for 40 bytes, then hot */
    struct tcp_conn tcp;
    uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes;
    uint64_t beat_window_us; /* `beats` counts from here */
    uint32_t beats;          /* heartbeats answered since beat_window_us */
    uint32_t stall_pos;      /* low bits of the stream position acknowledged at stall_s */
    /* cold */
    union {
        struct http_conn http; /* CONNECTION_HTTP */
        struct ws_conn ws;     /* afterwards */
    };
    /* cold for 32 bytes, hot for 64, then cold */
    struct tls_conn tls;
    struct chain app;   /* opened bytes that are not a whole request or message yet */
    struct chain carry; /* WebSocket: bytes of a frame that is not whole yet. HTTP: a request that is not */
};

#define CONNECTION_STRIDE 640u
#define CONNECTION_LINE   64u
#define CONNECTION_LINES  (CONNECTION_STRIDE / CONNECTION_LINE)
#define CONNECTION_HOT    0xbdu /* a bit a line */
_Static_assert(sizeof(struct connection) == CONNECTION_STRIDE, "connection fills its slot");
_Static_assert(offsetof(struct connection, opened_us) == 64 && offsetof(struct connection, tcp) == 88 &&
                   offsetof(struct connection, tcp.tuple) == 128 && offsetof(struct connection, tcp.rcv) == 320 &&
                   offsetof(struct connection, rx_packets) == 336 && offsetof(struct connection, ws) == 384 &&
                   offsetof(struct connection, tls) == 416 && offsetof(struct connection, app) == 608,
               "connection is a published format");

/* Is this line of a slot hot? */
static inline bool connection_line_is_hot(unsigned line)
{
    return CONNECTION_HOT >> line & 1;
}

static inline uint64_t connection_handle(uint32_t index, uint32_t generation)
{
    return (uint64_t)generation << 32 | index;
}

#endif
