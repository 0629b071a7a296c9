/*
 * Congestion control: initial window (RFC 6928), slow start and congestion avoidance (RFC 5681) by bytes (RFC
 * 3465), so that divided ACKs gain nothing; no growth while the window is not used (RFC 7661 4.1); CUBIC
 * (cc_cubic.c) or NewReno, as configured.
 *
 * Recovery with a scoreboard: proportional rate reduction (RFC 6937), undone when the peer's timestamp tells
 * that nothing was lost (Eifel, RFC 3522 and 4015). Without one: NewReno (RFC 6582) and limited transmit (RFC
 * 3042).
 *
 * `recover` is the sequence number behind the last one sent when the loss was noticed: RFC 6582's and one.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tcp/internal.h"

#define DUP_ACK_THRESHOLD 3
#define INITIAL_SEGMENTS  10
#define INITIAL_BYTES     14600u

static uint32_t initial_window(const struct tcp_conn *c)
{
    uint32_t mss = c->mss;
    return (uint32_t)min_u64(INITIAL_SEGMENTS * mss, max_u64(2 * mss, INITIAL_BYTES));
}

/* A loss: remembers what was before it, and sets ssthresh. While something sent again is on its way, its echo
 * could be taken for that of the next: then nothing is remembered. */
static void reduce(struct tcp_conn *c, const struct tcp_env *env, struct tcp_board *b, uint64_t now_us)
{
    if (b && !(b->flags & TCP_BOARD_UNDO) && !board_resent(b)) {
        b->prior_cwnd = c->cwnd;
        b->prior_ssthresh = c->ssthresh;
        b->resent_ts = tcp_timestamp(c, now_us);
        b->flags |= TCP_BOARD_UNDO;
    }
    bool again = c->retransmits; /* the same flight as at the timeout before */
    uint32_t in_flight =
        (uint32_t)min_u64(flight(c), again ? flight(c) : c->cwnd); /* of the rest the peer has sacked some */
    uint32_t left = env->config->congestion == TCP_CUBIC ? cubic_lost(c, b, in_flight) : in_flight / 2;
    c->ssthresh = (uint32_t)max_u64(left, 2u * c->mss);
}

void cc_established(struct tcp_conn *c)
{
    c->cwnd = c->flags & TCP_F_SYN_LOST ? c->mss : initial_window(c);
}

/* Bytes that may be in flight now, without a scoreboard. */
uint32_t cc_window(const struct tcp_conn *c)
{
    if (c->flags & TCP_F_RECOVERY || c->dup_acks >= DUP_ACK_THRESHOLD)
        return c->cwnd;
    return c->cwnd + (uint32_t)c->dup_acks * c->mss; /* limited transmit */
}

static void grow(struct tcp_conn *c, const struct tcp_env *env, uint32_t acked, uint64_t now_us)
{
    uint32_t mss = c->mss, counted = acked < 2 * mss ? acked : 2 * mss;
    struct tcp_board *b;
    if (c->cwnd < c->ssthresh) {
        if (c->ssthresh != TCP_SSTHRESH_NONE && counted > mss)
            counted = mss; /* after a loss: one segment an ACK (RFC 3465 2.3) */
    } else if (env->config->congestion == TCP_CUBIC && (b = board_of(c, env)) && b->cubic_max) {
        c->cwnd = cubic_grown(c, b, acked, now_us);
        return;
    } else {
        uint64_t share = (uint64_t)mss * counted / c->cwnd;
        counted = (uint32_t)max_u64(share, counted >= mss); /* what is acknowledged by crumbs gains nothing */
    }
    c->cwnd = (uint32_t)min_u64(c->cwnd + counted, TCP_CWND_MAX);
}

static void recovered(struct tcp_conn *c, const struct tcp_env *env)
{
    struct tcp_board *b = board_of(c, env);
    c->flags &= (uint16_t) ~(TCP_F_RECOVERY | TCP_F_RETRANSMIT);
    if (!(c->flags & TCP_F_SACK)) {
        c->cwnd = (uint32_t)min_u64(c->ssthresh, max_u64(flight(c), c->mss) + c->mss);
        return;
    }
    c->cwnd = c->ssthresh;
    if (!b)
        return;
    b->flags &= (uint8_t)~TCP_BOARD_UNDO;
    if (b->reo_persist && --b->reo_persist == 0)
        b->reo_steps = 1;
}

/*
 * snd_una has advanced by `acked` bytes; `flight_before` were in flight. True when the retransmission timer
 * starts anew: on all but the later partial ACKs of one NewReno recovery (RFC 6582's impatient variant: many
 * losses end in going back, not in one round trip each).
 */
bool cc_acked(struct tcp_conn *c, const struct tcp_env *env, uint32_t acked, uint32_t flight_before,
              uint64_t now_us)
{
    uint32_t mss = c->mss;
    c->dup_acks = 0;
    if (!(c->flags & TCP_F_RECOVERY)) {
        if (flight_before + mss >= c->cwnd)
            grow(c, env, acked, now_us);
        /* Without a loss for 1 GiB `recover` would seem to lie ahead. */
        if (c->snd_una - c->recover > 1u << 30 && seq_gt(c->snd_una, c->recover))
            c->recover = c->snd_una - 1;
        return true;
    }
    if (seq_ge(c->snd_una, c->recover)) {
        recovered(c, env);
        return true;
    }
    if (c->board && board_tracks(board_peek(c, env)))
        return true;
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

bool cc_duplicate_ack(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us)
{
    if (c->dup_acks < UINT8_MAX)
        c->dup_acks++;
    if (c->flags & TCP_F_RECOVERY) {
        c->cwnd = (uint32_t)min_u64(c->cwnd + c->mss, TCP_CWND_MAX);
        return false;
    }
    if (c->dup_acks != DUP_ACK_THRESHOLD || seq_le(c->snd_una, c->recover))
        return false;
    reduce(c, env, env->config->congestion == TCP_CUBIC ? board_open(c, env) : NULL, now_us);
    c->recover = c->snd_nxt;
    c->cwnd = c->ssthresh + DUP_ACK_THRESHOLD * c->mss;
    c->flags = (uint16_t)((c->flags & ~TCP_F_PARTIAL) | TCP_F_RECOVERY | TCP_F_RETRANSMIT);
    return true;
}

/* ---- with a scoreboard ---- */

static void prr_begin(const struct tcp_conn *c, struct tcp_board *b)
{
    b->prr_delivered = b->prr_out = 0;
    b->prr_flight = flight(c);
}

/* Spans are kept from now on; a recovery under way goes on with them. */
void cc_track(struct tcp_conn *c, struct tcp_board *b)
{
    board_begin(b, c);
    prr_begin(c, b);
    c->flags &= (uint16_t)~TCP_F_RETRANSMIT;
}

/* RACK found the first loss. */
void cc_recover(struct tcp_conn *c, const struct tcp_env *env, struct tcp_board *b, uint64_t now_us)
{
    b->flags &= (uint8_t)~TCP_BOARD_UNDO;
    reduce(c, env, b, now_us);
    c->recover = c->snd_nxt;
    c->flags |= TCP_F_RECOVERY;
    c->repair &= (uint8_t)~TCP_R_TAIL_OUT;
    prr_begin(c, b);
}

/* RFC 6937 section 3, with its slow start bound where the repair makes headway (`safe`) and the conservative
 * one where not. One segment goes out in any case when a recovery begins. */
void cc_prr(struct tcp_conn *c, struct tcp_board *b, uint32_t delivered, bool safe)
{
    uint64_t allowed;
    b->prr_delivered += delivered;
    if (b->pipe > c->ssthresh) {
        uint64_t due = ((uint64_t)b->prr_delivered * c->ssthresh + b->prr_flight - 1) / b->prr_flight;
        allowed = due > b->prr_out ? due - b->prr_out : 0;
    } else {
        uint64_t open = b->prr_delivered > b->prr_out ? b->prr_delivered - b->prr_out : 0;
        allowed = min_u64(c->ssthresh - b->pipe, max_u64(open, delivered) + (safe ? c->mss : 0));
    }
    if (b->prr_out == 0)
        allowed = max_u64(allowed, c->mss);
    c->cwnd = (uint32_t)max_u64(b->pipe + allowed, c->mss);
}

/* An ACK was put on the scoreboard: `delivered` bytes were not known to be there before. */
void cc_progress(struct tcp_conn *c, struct tcp_board *b, uint32_t delivered, bool safe)
{
    if (c->flags & TCP_F_RECOVERY)
        cc_prr(c, b, delivered, safe);
    if (b->flags & TCP_BOARD_TIMEOUT && seq_ge(c->snd_una, c->recover))
        b->flags &= (uint8_t) ~(TCP_BOARD_TIMEOUT | TCP_BOARD_UNDO);
}

/* RFC 3522: the ACK of what was sent again echoes an earlier timestamp, so the first transmission arrived.
 * RFC 4015: the window is what it was. */
void cc_judge_retransmission(struct tcp_conn *c, struct tcp_board *b, uint32_t ts_ecr)
{
    b->flags &= (uint8_t)~TCP_BOARD_UNDO;
    if (seq_ge(ts_ecr, b->resent_ts))
        return;
    c->cwnd = (uint32_t)max_u64(c->cwnd, b->prior_cwnd);
    c->ssthresh = b->prior_ssthresh;
    c->flags &= (uint16_t)~TCP_F_RECOVERY;
    c->repair |= TCP_R_REORDERED;
    b->flags &= (uint8_t)~TCP_BOARD_TIMEOUT;
    board_unlose(b);
}

/* The retransmission timer has fired (RFC 5681 3.1, RFC 6582 3.2 step 4). With SACK what was sent lately is
 * still thought to be on its way (RFC 8985 6.3); without, all in flight counts as lost. */
void cc_timeout(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us)
{
    struct tcp_board *b = NULL;
    if (flight(c) && (c->flags & TCP_F_SACK || env->config->congestion == TCP_CUBIC))
        b = board_open(c, env);
    if (b && c->retransmits == 0)
        b->flags &= (uint8_t)~TCP_BOARD_UNDO;
    if (!b || c->retransmits == 0)
        reduce(c, env, b, now_us);
    c->cwnd = c->mss;
    c->recover = c->snd_nxt;
    c->dup_acks = 0;
    c->repair &= (uint8_t) ~(TCP_R_TAIL_DUE | TCP_R_TAIL_OUT);
    c->flags &= (uint16_t) ~(TCP_F_RECOVERY | TCP_F_RETRANSMIT);
    c->snd_resend = c->snd_una;
    if (!b || !(c->flags & TCP_F_SACK))
        return;
    c->snd_resend = c->snd_nxt;
    if (!b->count)
        cc_track(c, b);
    b->flags |= TCP_BOARD_TIMEOUT;
    if (c->retransmits)
        board_forget_sacks(b);
    board_give_up(b, (uint32_t)now_us, c->srtt_us);
}

/* A tail loss probe repaired a loss that nothing else told of. */
void cc_tail_lost(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us)
{
    struct tcp_board *b = flight(c) ? board_open(c, env) : NULL;
    if (c->flags & TCP_F_RECOVERY || (b && b->flags & TCP_BOARD_TIMEOUT))
        return;
    reduce(c, env, b, now_us);
    if (b)
        b->flags &= (uint8_t)~TCP_BOARD_UNDO;
    c->cwnd = c->ssthresh;
}

/* Nothing was sent for more than an RTO (RFC 5681 4.1). */
void cc_idle(struct tcp_conn *c)
{
    uint32_t initial = initial_window(c);
    if (c->cwnd > initial)
        c->cwnd = initial;
}
