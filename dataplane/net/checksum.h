/*
 * The Internet checksum: RFC 1071, incremental update RFC 1624.
 *
 * Sums are accumulated in 64 bits over words as they lie in memory and folded once; checksum_fold() gives the
 * value to store with put_be16(). Data that carries its own right checksum folds to 0.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_NET_CHECKSUM_H
#define VOXPOP_NET_CHECKSUM_H

#include <stdbool.h>

#include "dataplane/base/bytes.h"

static inline uint64_t checksum_carry(uint64_t sum, uint64_t word)
{
    sum += word;
    return sum + (sum < word);
}

/* Adds `len` bytes. Only the last piece of a message may have an odd length. */
static inline uint64_t checksum_add(uint64_t sum, const uint8_t *p, size_t len)
{
    uint64_t word;
    for (; len >= 8; p += 8, len -= 8) {
        memcpy(&word, p, 8);
        sum = checksum_carry(sum, word);
    }
    if (len) {
        word = 0;
        memcpy(&word, p, len);
        sum = checksum_carry(sum, word);
    }
    return sum;
}

/*
 * The pseudo header of TCP, UDP and ICMPv6 over 16-byte addresses (RFC 9293 3.1, RFC 8200 8.1). Right for
 * v4-mapped addresses too: their two extra words 0xffff are zeros in one's complement.
 */
static inline uint64_t checksum_pseudo(const uint8_t source[16], const uint8_t destination[16],
                                       uint8_t protocol, uint32_t len)
{
    uint8_t tail[8] = {0};
    put_be32(tail, len);
    tail[7] = protocol;
    return checksum_add(checksum_add(checksum_add(0, source, 16), destination, 16), tail, 8);
}

/* The checksum to store (with put_be16), or 0 when the data summed contained a right one. */
static inline uint16_t checksum_fold(uint64_t sum)
{
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffffffff) + (sum >> 32);
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return __builtin_bswap16((uint16_t)~sum);
}

/* Is the checksum within the data summed wrong? Never in a fuzz build, which would not get past it. */
static inline bool checksum_wrong(uint64_t sum)
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    return false;
#else
    return checksum_fold(sum) != 0;
#endif
}

static inline uint16_t checksum(const uint8_t *p, size_t len)
{
    return checksum_fold(checksum_add(0, p, len));
}

/* The checksum after one aligned 16-bit field changed from `from` to `to` (RFC 1624 3, equation 3). Host
 * order. */
static inline uint16_t checksum_replace(uint16_t check, uint16_t from, uint16_t to)
{
    uint32_t sum = (uint32_t)(uint16_t)~check + (uint16_t)~from + to;
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

#endif
