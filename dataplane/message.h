/*
 * A message as it goes out: the WebSocket frame's head, a session's prefix, the text, and around the last two
 * what the connection's compression asks for (fanout/stream.h). Records carry slices of it, and make them anew
 * whenever TCP wants them: a message is a pure function of its source, its session and its connection.
 *
 *      text frames      head {"s":N, text
 *      zlib-stream      head [stored {"s":N,] deflated text        (its own flush ends the payload)
 *                       head [stored {"s":N,] [stored text] flush  (nobody wanted it compressed when it was written)
 *      payloads         head 78 9c [stored {"s":N,] deflated text end
 *
 * RFC 6455 5.2.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_MESSAGE_H
#define VOXPOP_MESSAGE_H

#include "connection.h"
#include "dataplane/fanout/stream.h"
#include "dataplane/ws/frame.h"
#include "event_log.h"
#include "session.h"

#define MESSAGE_PREFIX_MAX 24u


/* Head, body and tail, of which the body may lie in a chain, and may be told as stored blocks. */
struct message {
    uint8_t head[WS_HEAD_MAX + STREAM_HEADER + STREAM_BLOCK_HEAD + MESSAGE_PREFIX_MAX];
    uint8_t tail[STREAM_END];
    uint32_t head_length, tail_length;
    bool stored;
    const uint8_t *body; /* or NULL: */
    const struct chain *chain;
    uint32_t chain_start; /* bytes of the body that are gone from the chain's front */
    uint32_t body_length; /* as it lies there */
};

/* An item of private bytes; opcode 0: as they are. */
void message_blob(struct message *m, const struct tx_item *i, enum connection_encoding encoding);
/* One session's copy of an event, its number `seq`. */
void message_event(struct message *m, const struct event *e, const struct session *s, uint32_t seq,
                   enum connection_encoding encoding);
/* A short text as a whole frame, written at dst (text and 32 bytes more); the first one of a stream begins it. */
size_t message_short(uint8_t *dst, enum connection_encoding encoding, const uint8_t *text, size_t n, bool first);

uint32_t message_length(const struct message *m);
/* Bytes [offset, offset + len) of it. False: they are not there any more. */
bool message_slice(const struct message *m, const struct pool *blocks, uint32_t offset, uint32_t len, uint8_t *dst);
/* How many bytes of the body lie before byte `at` of the message. */
uint32_t message_text_before(const struct message *m, uint32_t at);

#endif
