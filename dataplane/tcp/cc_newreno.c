/*
 * Congestion control: slow start, congestion avoidance, fast retransmit (RFC 5681), NewReno fast recovery
 * (RFC 6582), limited transmit (RFC 3042), initial window (RFC 6928), byte counting (RFC 3465), no growth
 * while the window is not used (RFC 7661 4.1).
 *
 * `recover` is the sequence number behind the last one sent when the loss was noticed: RFC 6582's and one.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tcp/internal.h"

#define DUP_ACK_THRESHOLD 3
#define INITIAL_SEGMENTS  10
#define INITIAL_BYTES     14600u
#define CWND_MAX          (1u << 30)

static uint32_t initial_window(const struct tcp_conn *c)
{
    uint32_t mss = c->mss;
    return (uint32_t)min_u64(INITIAL_SEGMENTS * mss, max_u64(2 * mss, INITIAL_BYTES));
}

static void reduce_ssthresh(struct tcp_conn *c)
{
    c->ssthresh = (uint32_t)max_u64(flight(c) / 2, 2u * c->mss);
}

void cc_established(struct tcp_conn *c)
{
    c->cwnd = c->flags & TCP_F_SYN_LOST ? c->mss : initial_window(c);
}

/* Bytes that may be in flight now. */
uint32_t cc_window(const struct tcp_conn *c)
{
    if (c->flags & TCP_F_RECOVERY || c->dup_acks >= DUP_ACK_THRESHOLD)
        return c->cwnd;
    return c->cwnd + (uint32_t)c->dup_acks * c->mss; /* limited transmit */
}

static void grow(struct tcp_conn *c, uint32_t acked)
{
    uint32_t mss = c->mss, counted = acked < 2 * mss ? acked : 2 * mss;
    if (c->cwnd >= c->ssthresh)
        counted = (uint32_t)max_u64((uint64_t)mss * counted / c->cwnd, 1);
    else if (c->ssthresh != TCP_SSTHRESH_NONE && counted > mss)
        counted = mss; /* after a loss: one segment an ACK (RFC 3465 2.3) */
    c->cwnd = (uint32_t)min_u64(c->cwnd + counted, CWND_MAX);
}

/*
 * snd_una has advanced by `acked` bytes; `flight_before` were in flight. True when the retransmission timer
 * starts anew: on all but the later partial ACKs of one recovery (RFC 6582's impatient variant: many losses
 * end in going back, not in one round trip each).
 */
bool cc_acked(struct tcp_conn *c, uint32_t acked, uint32_t flight_before)
{
    uint32_t mss = c->mss;
    c->dup_acks = 0;
    if (!(c->flags & TCP_F_RECOVERY)) {
        if (flight_before + mss >= c->cwnd)
            grow(c, acked);
        /* Without a loss for 1 GiB `recover` would seem to lie ahead. */
        if (c->snd_una - c->recover > 1u << 30 && seq_gt(c->snd_una, c->recover))
            c->recover = c->snd_una - 1;
        return true;
    }
    if (seq_ge(c->snd_una, c->recover)) {
        c->flags &= (uint16_t) ~(TCP_F_RECOVERY | TCP_F_RETRANSMIT);
        c->cwnd = (uint32_t)min_u64(c->ssthresh, max_u64(flight(c), mss) + mss);
        return true;
    }
    /* A partial ACK: the next hole is sent again, the window deflated (RFC 6582 3.2 step 3). */
    bool first = !(c->flags & TCP_F_PARTIAL);
    c->flags |= TCP_F_RETRANSMIT | TCP_F_PARTIAL;
    c->cwnd -= acked < c->cwnd ? acked : c->cwnd;
    if (acked >= mss)
        c->cwnd += mss;
    if (c->cwnd < mss)
        c->cwnd = mss;
    return first;
}

bool cc_duplicate_ack(struct tcp_conn *c)
{
    if (c->dup_acks < UINT8_MAX)
        c->dup_acks++;
    if (c->flags & TCP_F_RECOVERY) {
        c->cwnd = (uint32_t)min_u64(c->cwnd + c->mss, CWND_MAX);
        return false;
    }
    if (c->dup_acks != DUP_ACK_THRESHOLD || seq_le(c->snd_una, c->recover))
        return false;
    reduce_ssthresh(c);
    c->recover = c->snd_nxt;
    c->cwnd = c->ssthresh + DUP_ACK_THRESHOLD * c->mss;
    c->flags = (uint16_t)((c->flags & ~TCP_F_PARTIAL) | TCP_F_RECOVERY | TCP_F_RETRANSMIT);
    return true;
}

/* The retransmission timer has fired: all in flight counts as lost (RFC 5681 3.1, RFC 6582 3.2 step 4). */
void cc_timeout(struct tcp_conn *c)
{
    reduce_ssthresh(c); /* of the same flight when it fires again */
    c->cwnd = c->mss;
    c->recover = c->snd_nxt;
    c->dup_acks = 0;
    c->flags &= (uint16_t) ~(TCP_F_RECOVERY | TCP_F_RETRANSMIT);
}

/* Nothing was sent for more than an RTO (RFC 5681 4.1). */
void cc_idle(struct tcp_conn *c)
{
    uint32_t initial = initial_window(c);
    if (c->cwnd > initial)
        c->cwnd = initial;
}
