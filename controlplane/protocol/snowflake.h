/*
 * Snowflakes: 64-bit ids that grow with time (reference/rest.md 5). Timestamp in bits 63-22, worker 21-17,
 * process 16-12, increment 11-0.
 *
 * One generator a process, used by one thread. It never goes back: not when the clock does, not across a
 * restart (it is seeded with the highest id in the store), and more than 4096 ids in a millisecond run ahead
 * of the clock instead of waiting.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_SNOWFLAKE_H
#define VOXPOP_SNOWFLAKE_H

#include <stdbool.h>
#include <stdint.h>

#define SNOWFLAKE_EPOCH_MS   INT64_C(1420070400000)
#define SNOWFLAKE_TIME_SHIFT 22
#define SNOWFLAKE_INCREMENTS 4096u

struct snowflake {
    uint64_t time; /* milliseconds since the epoch of the last id */
    uint32_t increment;
    uint32_t place; /* worker and process bits, in place */
};

static inline int64_t snowflake_ms(uint64_t id)
{
    return (int64_t)(id >> SNOWFLAKE_TIME_SHIFT) + SNOWFLAKE_EPOCH_MS;
}

/* The lowest id of a moment; 0 before the epoch. */
static inline uint64_t snowflake_floor(int64_t unix_ms)
{
    return unix_ms < SNOWFLAKE_EPOCH_MS ? 0
                                        : (uint64_t)(unix_ms - SNOWFLAKE_EPOCH_MS) << SNOWFLAKE_TIME_SHIFT;
}

/* Ids from here on are above `highest`. */
static inline void snowflake_seed(struct snowflake *s, uint32_t worker, uint32_t process, uint64_t highest)
{
    s->place = (worker & 31) << 17 | (process & 31) << 12;
    s->time = highest >> SNOWFLAKE_TIME_SHIFT;
    s->increment = highest ? SNOWFLAKE_INCREMENTS - 1 : 0;
}

static inline uint64_t snowflake_next(struct snowflake *s, int64_t unix_ms)
{
    uint64_t now = snowflake_floor(unix_ms) >> SNOWFLAKE_TIME_SHIFT;
    if (now > s->time) {
        s->time = now;
        s->increment = 0;
    } else if (++s->increment >= SNOWFLAKE_INCREMENTS) {
        s->time++;
        s->increment = 0;
    }
    return s->time << SNOWFLAKE_TIME_SHIFT | s->place | s->increment;
}

/* Decimal text of 1 to 20 digits, all of [text, text+len), that fits 64 bits. */
static inline bool snowflake_parse(const char *text, uint64_t len, uint64_t *id)
{
    uint64_t v = 0;
    if (len == 0 || len > 20)
        return false;
    for (uint64_t i = 0; i < len; i++) {
        if (text[i] < '0' || text[i] > '9')
            return false;
        if (__builtin_mul_overflow(v, 10u, &v) || __builtin_add_overflow(v, (uint64_t)(text[i] - '0'), &v))
            return false;
    }
    *id = v;
    return true;
}

#endif
