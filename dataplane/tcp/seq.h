/*
 * Sequence number arithmetic modulo 2^32 (RFC 9293 3.4): a is before b when b is less than 2^31 ahead of it.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TCP_SEQ_H
#define VOXPOP_TCP_SEQ_H

#include <stdbool.h>
#include <stdint.h>

static inline bool seq_lt(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) < 0;
}

static inline bool seq_le(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) <= 0;
}

static inline bool seq_gt(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) > 0;
}

static inline bool seq_ge(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b) >= 0;
}

static inline uint32_t seq_min(uint32_t a, uint32_t b)
{
    return seq_lt(a, b) ? a : b;
}

static inline uint32_t seq_max(uint32_t a, uint32_t b)
{
    return seq_gt(a, b) ? a : b;
}

/* Bytes from a to b, 0 when b is not ahead. */
static inline uint32_t seq_ahead(uint32_t a, uint32_t b)
{
    return seq_gt(b, a) ? b - a : 0;
}

#endif
