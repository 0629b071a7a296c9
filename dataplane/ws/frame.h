/*
 * WebSocket frames: the head parsed and built, the payload masked. Knows one frame at a time; order and
 * content are message.h's. Refused: reserved bits and opcodes, a mask where none may be or none where one
 * must, lengths not in their shortest form or from 2^63 up, control frames that are fragmented or over 125
 * bytes. Each is refused at the first byte that shows it.
 * RFC 6455 5.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_WS_FRAME_H
#define VOXPOP_WS_FRAME_H

#include "drop_reason.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WS_HEAD_MAX        14u /* bytes, with a mask; 10 without */
#define WS_CONTROL_MAX     125u
#define WS_CLOSE_FRAME_MAX (2u + WS_CONTROL_MAX)

enum ws_opcode {
    WS_OP_CONTINUATION = 0,
    WS_OP_TEXT = 1,
    WS_OP_BINARY = 2,
    WS_OP_CLOSE = 8,
    WS_OP_PING = 9,
    WS_OP_PONG = 10,
};

#define WS_CLOSE_NORMAL    1000u
#define WS_CLOSE_AWAY      1001u
#define WS_CLOSE_PROTOCOL  1002u
#define WS_CLOSE_TYPE      1003u /* for the owner: a kind of data that it does not take */
#define WS_CLOSE_NO_STATUS 1005u /* never on the wire: a close frame without a code */
#define WS_CLOSE_CONTENT   1007u
#define WS_CLOSE_TOO_LARGE 1009u

enum ws_sender { WS_FROM_CLIENT, WS_FROM_SERVER }; /* a client masks, a server does not: RFC 6455 5.1 */

struct ws_frame {
    uint64_t length; /* bytes of payload */
    uint8_t mask[4]; /* zero when the sender is a server */
    uint8_t opcode;
    bool fin;
    uint8_t head_length; /* bytes */
};

/* Returns the head's length in bytes; 0 when more bytes are needed; −1 when it is refused, with *why. */
int ws_frame_parse(const uint8_t *p, size_t len, enum ws_sender sender, struct ws_frame *f,
                   enum drop_reason *why);

/* Masks or unmasks in place. `phase` is the position of p[0] in the frame's payload. */
void ws_mask(uint8_t *p, size_t len, const uint8_t mask[4], uint64_t phase);

/* Writes the head of an unmasked frame, as a server sends it: 2, 4 or 10 bytes. Returns how many. `length` is
 * below 2^63. */
size_t ws_frame_head(uint8_t dst[WS_HEAD_MAX], enum ws_opcode opcode, bool fin, uint64_t length);

/* The same for a client: 4 bytes longer, with the mask, which the caller then applies to the payload. */
size_t ws_frame_head_masked(uint8_t dst[WS_HEAD_MAX], enum ws_opcode opcode, bool fin, uint64_t length,
                            const uint8_t mask[4]);

/* May this code be in a close frame? RFC 6455 7.4 and the IANA registry: 1000 to 1014 without 1004 to 1006,
 * 3000 to 4999. */
bool ws_close_code_valid(uint16_t code);

/*
 * Writes a server's whole close frame and returns its length. Code 1005 (no status) gives an empty payload. A
 * reason that would make the frame too long is cut at a character's border.
 */
size_t ws_close_frame(uint8_t dst[WS_CLOSE_FRAME_MAX], uint16_t code, const char *reason,
                      size_t reason_length);

#endif
