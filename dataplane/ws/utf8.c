/*
 * The state says what the next byte may be: a range, and the state behind it. ASCII goes 32 bytes at a time.
 * RFC 3629 4 (the ranges are its grammar).
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/ws/utf8.h"

#include <string.h>

enum { WHOLE = UTF8_WHOLE, TAIL1, TAIL2, TAIL3, AFTER_E0, AFTER_ED, AFTER_F0, AFTER_F4, STATES };

/* What must follow in each state but WHOLE. */
static const struct {
    uint8_t first, last, next;
} due[STATES] = {
    [TAIL1] = {0x80, 0xbf, WHOLE},    [TAIL2] = {0x80, 0xbf, TAIL1},
    [TAIL3] = {0x80, 0xbf, TAIL2},    [AFTER_E0] = {0xa0, 0xbf, TAIL1}, /* lower would be overlong */
    [AFTER_ED] = {0x80, 0x9f, TAIL1},                                   /* higher would be a surrogate */
    [AFTER_F0] = {0x90, 0xbf, TAIL2},                                   /* lower would be overlong */
    [AFTER_F4] = {0x80, 0x8f, TAIL2},                                   /* higher would be above U+10FFFF */
};

/* The state behind a byte of 0x80 or more that begins a character; WHOLE when none begins with it. */
static uint8_t begin(uint8_t byte)
{
    if (byte < 0xc2)
        return WHOLE;
    if (byte < 0xe0)
        return TAIL1;
    if (byte < 0xf0)
        return byte == 0xe0 ? AFTER_E0 : byte == 0xed ? AFTER_ED : TAIL2;
    if (byte > 0xf4)
        return WHOLE;
    return byte == 0xf0 ? AFTER_F0 : byte == 0xf4 ? AFTER_F4 : TAIL3;
}

#define HIGH_BITS UINT64_C(0x8080808080808080)

/* How many bytes of ASCII there are at p. */
static size_t ascii_run(const uint8_t *p, size_t len)
{
    size_t i = 0;
    uint64_t w[4];
    for (; len - i >= sizeof w; i += sizeof w) {
        memcpy(w, p + i, sizeof w);
        if ((w[0] | w[1] | w[2] | w[3]) & HIGH_BITS)
            break;
    }
    for (; len - i >= sizeof w[0]; i += sizeof w[0]) {
        memcpy(w, p + i, sizeof w[0]);
        if (w[0] & HIGH_BITS)
            return i + (unsigned)__builtin_ctzll(w[0] & HIGH_BITS) / 8;
    }
    while (i < len && p[i] < 0x80)
        i++;
    return i;
}

bool utf8_next(uint8_t *state, const uint8_t *p, size_t len)
{
    uint8_t s = *state;
    for (size_t i = 0; i < len;) {
        if (s == WHOLE && p[i] < 0x80) {
            i += ascii_run(p + i, len - i);
            continue;
        }
        if (s == WHOLE) {
            s = begin(p[i]);
            if (s == WHOLE)
                return false;
        } else {
            if (p[i] < due[s].first || p[i] > due[s].last)
                return false;
            s = due[s].next;
        }
        i++;
    }
    *state = s;
    return true;
}
