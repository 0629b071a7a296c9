/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/fanout/stream.h"

#include "dataplane/base/bytes.h"

#define ADLER_BASE 65521u
#define ADLER_RUN  5552u /* bytes whose sums fit 32 bits (RFC 1950 9) */

const uint8_t stream_header[STREAM_HEADER] = {0x78, 0x9c}; /* deflate, a window of 32 KiB */
const uint8_t stream_flush[STREAM_FLUSH] = {0, 0, 0, 0xff, 0xff};

void stream_block_head(uint8_t dst[STREAM_BLOCK_HEAD], uint32_t length)
{
    dst[0] = 0; /* not the last block, stored */
    dst[1] = (uint8_t)length;
    dst[2] = (uint8_t)(length >> 8);
    dst[3] = (uint8_t)~dst[1];
    dst[4] = (uint8_t)~dst[2];
}

uint32_t stream_text_before(uint32_t at)
{
    uint32_t blocks = at / (STREAM_BLOCK_HEAD + STREAM_BLOCK_MAX);
    uint32_t rest = at % (STREAM_BLOCK_HEAD + STREAM_BLOCK_MAX);
    return blocks * STREAM_BLOCK_MAX + (rest > STREAM_BLOCK_HEAD ? rest - STREAM_BLOCK_HEAD : 0);
}

void stream_end(uint8_t dst[STREAM_END], uint32_t adler)
{
    dst[0] = 1; /* the last block, stored, empty */
    dst[1] = dst[2] = 0;
    dst[3] = dst[4] = 0xff;
    put_be32(dst + 5, adler);
}

uint32_t stream_adler(const uint8_t *p, size_t length)
{
    uint32_t a = 1, b = 0;
    while (length) {
        size_t run = length < ADLER_RUN ? length : ADLER_RUN;
        length -= run;
        for (; run; run--) {
            a += *p++;
            b += a;
        }
        a %= ADLER_BASE;
        b %= ADLER_BASE;
    }
    return b << 16 | a;
}

/* Both sums are linear in the bytes: the first text's bytes are counted once more for each of the second's. */
uint32_t stream_adler_join(uint32_t first, uint32_t second, uint32_t length)
{
    uint64_t n = length % ADLER_BASE, a1 = first & 0xffff, b1 = first >> 16;
    uint64_t a = (a1 + (second & 0xffff) + ADLER_BASE - 1) % ADLER_BASE;
    uint64_t b = (b1 + n * a1 + (second >> 16) + ADLER_BASE - n) % ADLER_BASE;
    return (uint32_t)(b << 16 | a);
}
