/*
 * A small generator for tests: the same numbers for the same seed, on every machine.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TEST_RANDOM_H
#define VOXPOP_TEST_RANDOM_H

#include <stdint.h>

/* splitmix64 */
static inline uint64_t random_next(uint64_t *seed)
{
    uint64_t z = *seed += 0x9e3779b97f4a7c15ull;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

/* 0 … bound - 1 */
static inline uint32_t random_below(uint64_t *seed, uint32_t bound)
{
    return (uint32_t)(random_next(seed) % bound);
}

#endif
