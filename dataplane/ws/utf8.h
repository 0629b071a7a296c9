/*
 * Is it UTF-8? Takes text in pieces: a character may be cut between two of them. A wrong byte is found when
 * it arrives, not at the character's end. Overlong forms, surrogates and values above U+10FFFF are refused.
 * RFC 3629 4.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_WS_UTF8_H
#define VOXPOP_WS_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define UTF8_WHOLE 0u /* the state between two characters, and at the start */

/* Takes the next piece. False when it cannot be UTF-8; *state is then of no further use. At the text's end it
 * must be UTF8_WHOLE. */
bool utf8_next(uint8_t *state, const uint8_t *p, size_t len);

/* The same for a whole text. */
static inline bool utf8_valid(const uint8_t *p, size_t len)
{
    uint8_t state = UTF8_WHOLE;
    return utf8_next(&state, p, len) && state == UTF8_WHOLE;
}

#endif
