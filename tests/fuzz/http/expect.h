/*
 * What a fuzz target holds to be true of every input.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TESTS_FUZZ_EXPECT_H
#define VOXPOP_TESTS_FUZZ_EXPECT_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECT(condition)                                                                                    \
    do {                                                                                                     \
        if (!(condition)) {                                                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition);                                  \
            abort();                                                                                         \
        }                                                                                                    \
    } while (0)

/* A copy in a buffer of exactly this size, so that the address sanitizer sees a byte too many. */
static inline uint8_t *exact_copy(const uint8_t *bytes, size_t len)
{
    uint8_t *p = malloc(len ? len : 1);
    EXPECT(p);
    if (len)
        memcpy(p, bytes, len);
    return p;
}

#endif
