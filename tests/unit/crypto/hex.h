/*
 * Test vectors are written as hexadecimal text; spaces and line breaks in it are ignored.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TEST_HEX_H
#define VOXPOP_TEST_HEX_H

#include <stddef.h>
#include <stdint.h>

static inline int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Bytes written to out. */
static inline size_t unhex(const char *text, uint8_t *out)
{
    size_t digits = 0;
    for (; *text; text++) {
        int d = hex_digit(*text);
        if (d < 0)
            continue;
        if (digits % 2)
            out[digits / 2] |= (uint8_t)d;
        else
            out[digits / 2] = (uint8_t)(d << 4);
        digits++;
    }
    return digits / 2;
}

#endif
