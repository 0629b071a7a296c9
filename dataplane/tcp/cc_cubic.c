/*
 * CUBIC's growth in congestion avoidance and its reaction to a loss (RFC 9438 4.1-4.7), in integers: bytes
 * and milliseconds. What it remembers lies on the connection's board; a connection without one (nothing was
 * lost since it last fell silent) grows as Reno does.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tcp/internal.h"

#define BETA_PERCENT 70     /* beta_cubic */
#define FAST_PERCENT 85     /* (1 + beta_cubic) / 2: fast convergence, 4.7 */
#define T_MAX_MS     100000 /* far enough: the cube stays in 64 bits */
#define ALPHA_1000   529    /* 3 (1 - beta) / (1 + beta) */
#define RENO_SHIFT   8

/* The largest r with r^3 <= n. */
static uint32_t cube_root(uint64_t n)
{
    uint64_t r = 0;
    for (int bit = 20; bit >= 0; bit--) {
        uint64_t next = r | 1ull << bit;
        if (next * next * next <= n)
            r = next;
    }
    return (uint32_t)r;
}

/* W_cubic(t), bytes: C is 0.4 segments/s^3. */
static uint32_t cubic_window(const struct tcp_conn *c, const struct tcp_board *b, uint64_t t_ms)
{
    int64_t d = (int64_t)min_u64(t_ms, 2 * T_MAX_MS) - b->cubic_k_ms;
    if (d > T_MAX_MS)
        d = T_MAX_MS;
    if (d < -T_MAX_MS)
        d = -T_MAX_MS;
    int64_t w = (int64_t)b->cubic_max + d * d * d * 2 / 5 / 1000000 * c->mss / 1000;
    return w < 0 ? 0 : (uint32_t)min_u64((uint64_t)w, TCP_CWND_MAX);
}

/* RFC 9438 4.6, 4.7: ssthresh after a loss with so much in flight. */
uint32_t cubic_lost(const struct tcp_conn *c, struct tcp_board *b, uint32_t in_flight)
{
    if (b) {
        b->cubic_prior = c->cwnd;
        b->cubic_max = c->cwnd < b->cubic_max ? (uint32_t)((uint64_t)c->cwnd * FAST_PERCENT / 100) : c->cwnd;
        b->cubic_epoch_ms = 0;
    }
    return (uint32_t)((uint64_t)in_flight * BETA_PERCENT / 100);
}

/* 4.2: an epoch of congestion avoidance begins with the first ACK in it. */
static void begin_epoch(const struct tcp_conn *c, struct tcp_board *b, uint32_t now_ms)
{
    b->cubic_epoch_ms = now_ms | 1; /* 0: none */
    b->cubic_reno_256 = (uint64_t)c->cwnd << RENO_SHIFT;
    b->cubic_k_ms = 0;
    if (c->cwnd >= b->cubic_max)
        b->cubic_max = c->cwnd;
    else /* K = cbrt((W_max - cwnd) / C), in ms */
        b->cubic_k_ms = cube_root((uint64_t)(b->cubic_max - c->cwnd) / c->mss * 2500000000ull);
}

uint32_t cubic_grown(const struct tcp_conn *c, struct tcp_board *b, uint32_t acked, uint64_t now_us)
{
    uint32_t now_ms = (uint32_t)(now_us / TCP_US_PER_MS);
    if (!b->cubic_epoch_ms)
        begin_epoch(c, b, now_ms);
    uint64_t t_ms = now_ms - b->cubic_epoch_ms, rtt_ms = c->srtt_us / TCP_US_PER_MS;
    uint64_t alpha = b->cubic_reno_256 >> RENO_SHIFT >= b->cubic_prior ? 1000 : ALPHA_1000;
    b->cubic_reno_256 += (((uint64_t)c->mss * acked << RENO_SHIFT) * alpha / 1000) / c->cwnd;
    uint32_t reno = (uint32_t)min_u64(b->cubic_reno_256 >> RENO_SHIFT, TCP_CWND_MAX);
    if (cubic_window(c, b, t_ms) < reno)
        return (uint32_t)max_u64(c->cwnd, reno); /* 4.3: the Reno-friendly region */
    uint64_t target = min_u64(cubic_window(c, b, t_ms + rtt_ms), c->cwnd + (uint64_t)c->cwnd / 2);
    if (target <= c->cwnd)
        return c->cwnd;
    return (uint32_t)min_u64(c->cwnd + (target - c->cwnd) * acked / c->cwnd, TCP_CWND_MAX);
}
