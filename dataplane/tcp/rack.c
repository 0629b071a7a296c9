/*
 * What SACK tells, and what follows from it: which segments are lost (RACK, RFC 8985 section 6), a probe when
 * the tail of a flight may be (TLP, section 7).
 *
 * A selective acknowledgment is believed only about what is in flight (RFC 2018 section 4, 6675 section 4);
 * about something already acknowledged it is the report of a duplicate (RFC 2883). A peer that takes back
 * what it sacked is noticed when it acknowledges up to there, or at the second timeout in a row.
 *
 * Departures: send times are kept for runs of segments sent within a sixteenth of a round trip (half of one
 * before the first loss); a run counts as sent with its last segment, so that losses are noticed late by that
 * at most, never early. The reordering window grows by duplicates reported, not by those that TLP caused.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tcp/internal.h"

#define BLUR               16
#define DUP_THRESHOLD      3
#define REO_STEPS_MAX      16
#define REO_PERSIST        16 /* recoveries (RFC 8985 6.2) */
#define PTO_MIN_US         (10 * TCP_US_PER_MS)
#define DELAYED_ACK_US_MAX (200 * TCP_US_PER_MS) /* WCDelAckT */

/* One ACK's way over the scoreboard. */
struct judgement {
    struct tcp_conn *c;
    struct tcp_board *b;
    uint32_t now_us;
};

/* A round trip shorter than any before is the first transmission's. */
static void delivered(void *user, const struct tcp_delivery *d)
{
    struct judgement *j = user;
    struct tcp_board *b = j->b;
    uint32_t took = j->now_us - d->sent_us;
    if (!d->resent && seq_lt(d->end, b->fack))
        j->c->repair |= TCP_R_REORDERED;
    if (d->resent && took < j->c->rtt_min_us)
        return;
    bool later = !(b->flags & TCP_BOARD_RACK) || seq_gt(d->sent_us, b->rack_us) ||
                 (d->sent_us == b->rack_us && seq_gt(d->end, b->rack_end));
    if (!later)
        return;
    b->flags |= TCP_BOARD_RACK;
    b->rack_us = d->sent_us;
    b->rack_end = d->end;
    b->rack_rtt_us = took;
}

static uint32_t blur_us(const struct tcp_conn *c)
{
    return c->srtt_us / BLUR + 1;
}

/* What was sent by now, and how long ago: the newest run, and all before it (see tcp_conn.mark_end). */
void rack_sent(struct tcp_conn *c, const struct tcp_env *env, uint32_t seq, uint32_t end, uint64_t now_us)
{
    uint32_t now = (uint32_t)now_us;
    struct tcp_board *b = c->board ? board_of(c, env) : NULL;
    if (b && c->flags & TCP_F_RECOVERY)
        b->prr_out += (uint32_t)max_u64(end - seq, TCP_MSS_FLOOR);
    if (board_tracks(b))
        board_sent(b, seq, end, now, blur_us(c));
    if (seq_le(c->mark_end, c->snd_una)) {
        c->mark_end = seq_min(c->snd_nxt, seq);
        c->mark_us = flight(c) ? c->sent_us : now;
    } else if (c->sent_us - c->mark_us > c->srtt_us / 2) {
        c->mark_end = c->snd_nxt;
        c->mark_us = c->sent_us;
    }
    c->sent_us = now;
}

/* RFC 8985 6.2 step 4. */
static uint32_t reordering_window(const struct tcp_conn *c, const struct tcp_board *b)
{
    bool repairing = c->flags & TCP_F_RECOVERY || b->flags & TCP_BOARD_TIMEOUT;
    if (!(c->repair & TCP_R_REORDERED) && (repairing || c->dup_acks >= DUP_THRESHOLD ||
                                           board_sacked_bytes(b) >= DUP_THRESHOLD * (uint32_t)c->mss))
        return 0;
    uint32_t window = (uint32_t)min_u64((uint64_t)b->reo_steps * c->rtt_min_us / 4, c->srtt_us);
    return window;
}

/* RACK_sent_after, from the other side. Within a run of first transmissions the order is that of the numbers.
 */
static bool sent_before(const struct tcp_span *s, const struct tcp_board *b)
{
    if (seq_lt(s->sent_us, b->rack_us))
        return true;
    bool same = s->state & TCP_SPAN_RESENT ? s->first_us == b->rack_us : seq_le(s->first_us, b->rack_us);
    return same && seq_lt(s->end, b->rack_end);
}

/* Step 5. Returns how many bytes are found lost; *wait_us: look again after that, 0: no need. */
static uint32_t find_lost(const struct tcp_conn *c, struct tcp_board *b, uint32_t now_us, uint32_t *wait_us)
{
    uint32_t window = reordering_window(c, b), at = b->start, lost = 0;
    *wait_us = 0;
    if (!(b->flags & TCP_BOARD_RACK))
        return 0;
    for (unsigned i = 0; i < b->count; at = b->spans[i++].end) {
        struct tcp_span *s = &b->spans[i];
        bool before = sent_before(s, b);
        if (s->state & (TCP_SPAN_SACKED | TCP_SPAN_LOST) || !before)
            continue;
        uint32_t due = s->sent_us + b->rack_rtt_us + window;
        if (seq_le(due, now_us)) {
            s->state = TCP_SPAN_LOST;
            lost += s->end - at;
        } else {
            *wait_us = (uint32_t)max_u64(*wait_us, due - now_us);
        }
    }
    if (lost)
        board_count(b);
    return lost;
}

/* Looks for losses; the first begins a recovery. True: there are new ones. */
static bool detect(struct tcp_conn *c, const struct tcp_env *env, struct tcp_board *b, uint64_t now_us)
{
    uint32_t wait_us, lost = find_lost(c, b, (uint32_t)now_us, &wait_us);
    if (lost && !(c->flags & TCP_F_RECOVERY) && !(b->flags & TCP_BOARD_TIMEOUT)) {
        TCP_COUNT(env, fast_retransmits);
        cc_recover(c, env, b, now_us);
    }
    if (wait_us && (!c->timer_at || now_us + wait_us < c->timer_at)) {
        c->timer_at = now_us + wait_us;
        c->repair = (uint8_t)((c->repair & ~TCP_R_PTO) | TCP_R_REO);
    }
    return lost;
}

void rack_timer(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us)
{
    struct tcp_board *b = board_of(c, env);
    tcp_arm(c, env, now_us);
    if (!board_tracks(b))
        return;
    if (detect(c, env, b, now_us) && c->flags & TCP_F_RECOVERY)
        cc_prr(c, b, 0, false);
}

/* ---- what an ACK says ---- */

/* The second block holds the first, or nothing of the first is in flight (RFC 2883 section 4). */
static bool is_duplicate_report(const struct tcp_segment *s)
{
    const struct tcp_range *first = &s->sack[0], *second = &s->sack[1];
    if (seq_le(first->end, s->ack))
        return true;
    return s->sack_count > 1 && seq_ge(first->start, second->start) && seq_le(first->end, second->end);
}

/* The network did not lose what we sent again: be more patient, once a round trip. */
static void duplicate_reported(struct tcp_conn *c, struct tcp_board *b)
{
    c->repair &= (uint8_t)~TCP_R_TAIL_OUT;
    if (!b || seq_lt(c->snd_una, b->dsack_next))
        return;
    b->dsack_next = c->snd_nxt;
    b->reo_persist = REO_PERSIST;
    if (b->reo_steps < REO_STEPS_MAX)
        b->reo_steps++;
}

/* Blocks that may be believed are put on the scoreboard; it is begun with the first. */
static enum drop_reason take_sacks(struct judgement *j, const struct tcp_env *env,
                                   const struct tcp_segment *s, uint32_t *fresh)
{
    struct tcp_conn *c = j->c;
    enum drop_reason reason = DROP_NONE;
    unsigned i = 0;
    if (s->sack_count && is_duplicate_report(s)) {
        duplicate_reported(c, j->b);
        i++;
    }
    for (; i < s->sack_count; i++) {
        struct tcp_range r = s->sack[i];
        if (seq_le(r.end, c->snd_una))
            continue; /* an ACK that was overtaken */
        if (seq_ge(r.start, r.end) || seq_lt(r.start, c->snd_una) || seq_gt(r.end, c->snd_nxt)) {
            reason = DROP_TCP_SACK_UNACCEPTABLE;
            continue;
        }
        if (r.start == c->snd_una) {
            reason = DROP_TCP_SACK_UNACCEPTABLE; /* it would have been acknowledged */
            continue;
        }
        if (!j->b)
            j->b = board_open(c, env);
        if (!j->b)
            break;
        if (!j->b->count)
            cc_track(c, j->b);
        *fresh += board_sacked(j->b, r.start, r.end, delivered, j);
    }
    return reason;
}

/* The head of the flight cannot be sacked: the peer took it back. */
static void notice_reneging(struct tcp_board *b)
{
    if (b->count && b->spans[0].state & TCP_SPAN_SACKED)
        board_forget_sacks(b);
}

uint32_t rack_acked(struct tcp_conn *c, const struct tcp_env *env, uint32_t ack, uint64_t now_us)
{
    struct judgement j = {c, c->board ? board_of(c, env) : NULL, (uint32_t)now_us};
    return board_tracks(j.b) ? board_acked(j.b, ack, delivered, &j) : 0;
}

enum drop_reason rack_input(struct tcp_conn *c, const struct tcp_env *env, const struct tcp_segment *s,
                            const struct tcp_progress *p, uint64_t now_us)
{
    struct judgement j = {c, c->board ? board_of(c, env) : NULL, (uint32_t)now_us};
    uint32_t sacked = 0;
    enum drop_reason reason = take_sacks(&j, env, s, &sacked);
    struct tcp_board *b = j.b;
    if (!flight(c) || !board_tracks(b))
        return reason;
    notice_reneging(b);
    if (sacked && c->dup_acks < UINT8_MAX)
        c->dup_acks++;
    if (b->flags & TCP_BOARD_UNDO && p->advanced && s->has_timestamps && c->flags & TCP_F_TIMESTAMPS)
        cc_judge_retransmission(c, b, s->ts_ecr);
    bool lost = detect(c, env, b, now_us);
    if (c->repair & TCP_R_PTO)
        tcp_arm(c, env, now_us); /* it is no tail any more */
    cc_progress(c, b, p->fresh + sacked, p->advanced && !lost);
    board_tidy(b, c);
    return reason;
}

/* ---- tail loss probe ---- */

static bool may_probe_tail(const struct tcp_conn *c, const struct tcp_env *env)
{
    return c->flags & TCP_F_SACK && c->srtt_us && in_states(c, TCP_SENDING) && !(c->flags & TCP_F_RECOVERY) &&
           !(c->repair & (TCP_R_TAIL_DUE | TCP_R_TAIL_OUT)) && !c->retransmits && !c->backoff && c->snd_wnd &&
           !(c->board && board_tracks(board_peek(c, env)));
}

static uint64_t probe_timeout_us(const struct tcp_conn *c)
{
    uint64_t pto = max_u64(2ull * c->srtt_us, PTO_MIN_US);
    return flight(c) <= c->mss ? pto + DELAYED_ACK_US_MAX : pto;
}

/* RFC 8985 7.2; with RFC 6298 5.1-5.3. */
void tcp_arm(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us)
{
    c->repair &= (uint8_t) ~(TCP_R_PTO | TCP_R_REO);
    c->timer_at = 0;
    if (!flight(c))
        return;
    uint32_t rto = tcp_rto_us(c, env->config);
    c->timer_at = now_us + rto;
    if (!may_probe_tail(c, env))
        return;
    uint64_t at = now_us + probe_timeout_us(c);
    if (at < c->timer_at) {
        c->timer_at = at;
        c->repair |= TCP_R_PTO;
    }
}

void tcp_arm_tail(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us)
{
    uint64_t at = now_us + probe_timeout_us(c);
    if (!may_probe_tail(c, env) || c->repair & TCP_R_REO || (!(c->repair & TCP_R_PTO) && at >= c->timer_at))
        return;
    c->timer_at = at;
    c->repair |= TCP_R_PTO;
}

/* Is this the ACK of all that the probe repeated, without word of a duplicate? Then the probe repaired a loss
 * (7.4.2). */
void rack_tail_acked(struct tcp_conn *c, const struct tcp_env *env, const struct tcp_segment *s,
                     uint64_t now_us)
{
    if (!(c->repair & TCP_R_TAIL_OUT) || seq_lt(s->ack, c->recover))
        return;
    c->repair &= (uint8_t)~TCP_R_TAIL_OUT;
    if (!(s->sack_count && is_duplicate_report(s)))
        cc_tail_lost(c, env, now_us);
}
