/*
 * Deflate framing without a compressor. A stream of ours is made of pieces that were compressed elsewhere,
 * once for everybody, and of stored blocks around them: per-session prefixes, heartbeat answers, whatever is
 * not worth compressing or never was. Every piece begins and ends on a byte and refers to nothing before it,
 * so that any order of them is one stream.
 *
 *      zlib-stream, a whole connection    78 9c | piece .. 00 00 00 ff ff | piece .. 00 00 00 ff ff | ...
 *      payload compression, one message   78 9c | piece .. | 01 00 00 ff ff | Adler-32
 *
 * A stream is never ended, and so has no Adler-32. Pure: no state, no I/O. RFC 1950, RFC 1951 3.2.4.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_FANOUT_STREAM_H
#define VOXPOP_FANOUT_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STREAM_HEADER     2u     /* bytes that begin a zlib stream */
#define STREAM_BLOCK_HEAD 5u     /* of a stored block */
#define STREAM_BLOCK_MAX  65535u /* bytes in a stored block */
#define STREAM_FLUSH      5u     /* an empty stored block: what ends a payload */
#define STREAM_END        9u     /* an empty last block and the Adler-32 */

extern const uint8_t stream_header[STREAM_HEADER];
extern const uint8_t stream_flush[STREAM_FLUSH];

/* The head of a stored block of `length` bytes (at most STREAM_BLOCK_MAX). */
void stream_block_head(uint8_t dst[STREAM_BLOCK_HEAD], uint32_t length);

/* Bytes of `length` bytes of text as stored blocks, without the flush behind them. */
static inline uint32_t stream_stored(uint32_t length)
{
    return length + (length + STREAM_BLOCK_MAX - 1) / STREAM_BLOCK_MAX * STREAM_BLOCK_HEAD;
}

/* How many bytes of the text lie before byte `at` of its stored form. */
uint32_t stream_text_before(uint32_t at);

/* What ends a single message whose text has this Adler-32. */
void stream_end(uint8_t dst[STREAM_END], uint32_t adler);

uint32_t stream_adler(const uint8_t *p, size_t length);
/* Adler-32 of two texts one behind the other, the second `length` bytes long. */
uint32_t stream_adler_join(uint32_t first, uint32_t second, uint32_t length);

#endif
