/*
 * WebSocket messages out of a byte stream that may be cut anywhere. Owns the order of frames: fragments,
 * control frames between them, UTF-8 across all cuts, the closing handshake. Holds no payload: data is
 * reported piece by piece as it arrives, and the owner assembles. Bounds are in bytes of message, never in
 * counts of fragments.
 *
 *            data, ping, pong                       data, ping, pong: swallowed
 *            +-------------+                        +-------------+
 *            v             |    ws_close_sent()     v             |
 *          OPEN -----------+--------------------> CLOSING --------+
 *            |  close frame in                      |  close frame in
 *            |  or any error                        |  or any error
 *            v                                      v
 *          DEAF  <----------------------------------+
 *
 *   OPEN     every event is reported
 *   CLOSING  we have sent a close frame: nothing but CLOSE and ERROR is reported
 *   DEAF     every byte is consumed and counted as DROP_WS_AFTER_CLOSE; no way out
 *
 * On CLOSE in OPEN the owner echoes at once (ws_close_frame with the event's code) and closes the stream; on
 * ERROR it sends a close frame with the event's code and closes the stream.
 * RFC 6455 5.4, 5.5, 7, 8.1.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_WS_MESSAGE_H
#define VOXPOP_WS_MESSAGE_H

#include "dataplane/ws/frame.h"
#include "ws_conn.h"

enum ws_state { WS_OPEN, WS_CLOSING, WS_DEAF };

enum ws_event_type {
    WS_EVENT_NONE, /* no more until more bytes come */
    WS_EVENT_DATA,
    WS_EVENT_PING, /* to be answered with a PONG of the same payload */
    WS_EVENT_PONG,
    WS_EVENT_CLOSE,
    WS_EVENT_ERROR,
};

struct ws_event {
    enum ws_event_type type;
    /* ERROR: why. NONE: DROP_WS_AFTER_CLOSE when bytes were thrown away, else DROP_NONE */
    enum drop_reason reason;
    /* in the bytes given. DATA: the piece. PING, PONG: the payload. CLOSE: the reason, UTF-8 */
    const uint8_t *data;
    size_t length;       /* bytes of it; 0 is possible, also for a final DATA */
    uint16_t close_code; /* CLOSE: the peer's, or 1005. ERROR: ours: 1002, 1007 or 1009 */
    uint8_t opcode;      /* DATA: WS_OP_TEXT or WS_OP_BINARY, of the message */
    bool first;          /* DATA: the message's first piece */
    bool final;          /* DATA: its last: the message is whole (and its text valid UTF-8) */
};

/*
 * Takes plaintext p[0, len), unmasks in place what it consumes, and reports one event. Returns the bytes
 * consumed; the owner calls again with the rest until the event is NONE, and presents what is left then again
 * with more behind it (at most WS_HEAD_MAX + WS_CONTROL_MAX bytes are ever left). `limit` is in bytes of one
 * message. ERROR consumes everything.
 */
size_t ws_input(struct ws_conn *c, uint8_t *p, size_t len, uint64_t limit, struct ws_event *ev);

/* We have sent a close frame of our own accord. */
void ws_close_sent(struct ws_conn *c);

#endif
