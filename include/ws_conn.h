/*
 * Where a WebSocket connection is in its stream of frames, as it lies in the connection's slot
 * (dataplane/ws/message.h has the rules).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_WS_CONN_H
#define VOXPOP_WS_CONN_H

#include <assert.h>
#include <stdint.h>

/* In the connection's slot. All zero: a fresh connection whose peer is a client. Writer: the worker that owns
 * the connection. */
struct ws_conn {
    uint64_t frame_left;     /* bytes of the data frame's payload still to come */
    uint64_t message_length; /* bytes of the message that its frames have announced so far */
    uint8_t mask[4];         /* turned so that mask[0] is for the next byte */
    uint8_t opcode;          /* WS_OP_TEXT or WS_OP_BINARY while a message is in progress, else 0 */
    uint8_t fin;             /* the data frame in progress ends the message */
    uint8_t begun;           /* a piece of the message has been reported */
    uint8_t utf8;            /* of the text so far: see utf8.h */
    uint8_t state;           /* enum ws_state */
    uint8_t peer_is_server;  /* the load generator sets it: frames come unmasked */
    uint8_t in_frame;        /* a data frame's head has been consumed, its end not yet */
    uint8_t pad0[5];
};
_Static_assert(sizeof(struct ws_conn) == 32, "ws_conn is a published format");

#endif
