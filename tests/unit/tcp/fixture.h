/*
 * A connection set down in the state under test, and short words for what happens to it.
 *
 * Ours: iss 1000, so that 1001 is our first byte. Theirs: irs 5000, 5001 is their first byte. Everything in
 * flight is acknowledged, MSS 1000, both windows wide, no timestamps, no delay in the network. The peer's
 * byte with sequence number n is byte_at(n).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TESTS_TCP_FIXTURE_H
#define VOXPOP_TESTS_TCP_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "dataplane/base/bytes.h"
#include "dataplane/tcp/tcp.h"

#define OURS   1001u
#define THEIRS 5001u
#define WINDOW 30000u
#define MSS    1000u
#define START  1000000000ull
#define MS     1000ull
#define S      1000000ull
#define PLANS  64

struct fix {
    struct tcp_conn c;
    struct tcp_config config;
    struct tcp_counters counters;
    struct tcp_env env;
    struct pool *blocks;
    uint64_t now;
    size_t pending;          /* bytes that the owner would like to send */
    size_t record;           /* the largest record it cuts */
    size_t room;             /* what extend was offered last */
    unsigned asked;          /* how often */
    bool close_on_extend;    /* it closes with its last byte */
    struct tcp_out out;      /* of the last segment */
    struct tcp_segment next; /* what arrives() takes for the fields it is not told */
    struct tcp_plan plans[PLANS];
    int count; /* plans of the last plan_all() */
};

void given(struct fix *f, enum tcp_state state);
/* The same with timestamps negotiated, ts_recent 700. */
void given_timestamps(struct fix *f);
void done(struct fix *f);

uint8_t byte_at(uint32_t seq);
enum drop_reason arrives(struct fix *f, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len);
/* Drains tcp_plan; returns how many segments there were. */
int plan_all(struct fix *f);
/* Lets time pass; returns the events of what was due at its end. */
uint32_t passes(struct fix *f, uint64_t us);
/* The owner has `bytes` more to send; returns how many segments went out for it. */
int sends(struct fix *f, size_t bytes);
/* The readable bytes are those of sequence numbers [seq, seq+len); consumes them. */
void assert_reads(struct fix *f, uint32_t seq, uint32_t len);
void assert_plan(const struct tcp_plan *p, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len);
void assert_state(const struct fix *f, enum tcp_state state);

#define assert_one_plan(f, flags, seq, ack, len)                                                             \
    do {                                                                                                     \
        assert_int_equal(plan_all(f), 1);                                                                    \
        assert_plan(&(f)->plans[0], flags, seq, ack, len);                                                   \
    } while (0)

#endif
