/*
 * SEGMENT ARRIVES (RFC 9293 3.10.7). First a table says which flags a state takes at all; then come the
 * checks of 3.10.7.3 (opening) or 3.10.7.4 (synchronized) in the RFC's order and with its numbers. There is
 * no third check (security) and no sixth (urgent data is taken inline).
 *
 * Departures, all towards strictness or repair: blind attacks are challenged (RFC 5961) at a limited rate; a
 * bare ACK on the right edge of the window is acceptable (a full window may be in flight before it); at a
 * closed window the segment at rcv_nxt is stripped of its text and taken; a FIN that is not in order is
 * ignored (it will come again).
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tcp/internal.h"

#define PAWS_IDLE_S   (24u * 24 * 3600) /* RFC 7323 5.5 */
#define FULL_SEGMENTS 2                 /* an ACK at least every second one (RFC 9293 3.8.6.3) */

enum rule { RULE_DROP = 0, RULE_OPENING, RULE_CHECKS };

/* Index of the flags that decide: FIN, SYN, RST and ACK. */
#define FLAGS(f) (((f) & (TCP_FIN | TCP_SYN | TCP_RST)) | ((f)&TCP_ACK) >> 1)

#define SYNCHRONIZED                                                                                         \
    {                                                                                                        \
        [FLAGS(TCP_ACK)] = RULE_CHECKS, [FLAGS(TCP_ACK | TCP_FIN)] = RULE_CHECKS,                            \
        [FLAGS(TCP_RST)] = RULE_CHECKS, [FLAGS(TCP_RST | TCP_ACK)] = RULE_CHECKS,                            \
        [FLAGS(TCP_SYN)] = RULE_CHECKS, [FLAGS(TCP_SYN | TCP_ACK)] = RULE_CHECKS,                            \
    }

/* State by flags; unlisted: dropped and counted. */
static const uint8_t rules[TCP_STATE_COUNT][16] = {
    [TCP_SYN_SENT] = {[FLAGS(TCP_ACK)] = RULE_OPENING,
                      [FLAGS(TCP_ACK | TCP_FIN)] = RULE_OPENING,
                      [FLAGS(TCP_RST | TCP_ACK)] = RULE_OPENING,
                      [FLAGS(TCP_SYN)] = RULE_OPENING,
                      [FLAGS(TCP_SYN | TCP_ACK)] = RULE_OPENING},
    [TCP_SYN_RECEIVED] = SYNCHRONIZED,
    [TCP_ESTABLISHED] = SYNCHRONIZED,
    [TCP_FIN_WAIT_1] = SYNCHRONIZED,
    [TCP_FIN_WAIT_2] = SYNCHRONIZED,
    [TCP_CLOSE_WAIT] = SYNCHRONIZED,
    [TCP_CLOSING] = SYNCHRONIZED,
    [TCP_LAST_ACK] = SYNCHRONIZED,
    [TCP_TIME_WAIT] = SYNCHRONIZED,
};

/* One segment's way through the checks. */
struct arrival {
    struct tcp_conn *c;
    const struct tcp_env *env;
    struct tcp_segment s; /* trimmed on the way */
    uint64_t now_us;
    struct tcp_out *out;
};

static enum drop_reason challenge(struct arrival *a, enum drop_reason reason)
{
    struct tcp_conn *c = a->c;
    uint32_t second = (uint32_t)(a->now_us / TCP_US_PER_S);
    if (c->challenge_s != second) {
        c->challenge_s = second;
        c->challenge_count = 0;
    }
    if (c->challenge_count >= a->env->config->challenge_max)
        return DROP_TCP_CHALLENGE_RATE;
    if (!tcp_challenge_take(a->env->challenges, a->now_us))
        return DROP_TCP_CHALLENGE_WORKER;
    c->challenge_count++;
    c->flags |= TCP_F_ACK_NOW;
    TCP_COUNT(a->env, challenges);
    return reason;
}

static enum drop_reason reply_reset(struct arrival *a, enum drop_reason reason)
{
    if (!(a->s.flags & TCP_RST))
        a->out->events |= TCP_EV_REPLY_RST;
    return reason;
}

static void take_fin(struct arrival *a)
{
    struct tcp_conn *c = a->c;
    if (!(a->s.flags & TCP_FIN) || a->s.seq + a->s.len != c->rcv_nxt || !in_states(c, TCP_RECEIVING))
        return;
    c->rcv_nxt++;
    c->rcv_adv = seq_max(c->rcv_adv, c->rcv_nxt);
    c->range_count = 0;
    if (c->rcv.length == 0)
        chain_free(&c->rcv, a->env->blocks, a->env->txn);
    c->flags |= TCP_F_PEER_FIN | TCP_F_ACK_NOW;
    a->out->events |= TCP_EV_PEER_FIN;
    tcp_move(c, TCP_EDGE_PEER_FIN);
    tcp_closing_moved(c, a->env, a->now_us);
    if (c->state == TCP_TIME_WAIT)
        a->out->events |= TCP_EV_TIME_WAIT;
}

/* When the ACK for text in order goes out. */
static void owe_ack(struct arrival *a, bool at_once)
{
    struct tcp_conn *c = a->c;
    if (at_once || c->rcv_nxt - c->rcv_acked >= (uint32_t)FULL_SEGMENTS * c->rcv_mss)
        c->flags |= TCP_F_ACK_NOW;
    else if (!c->ack_at)
        c->ack_at = a->now_us + a->env->config->delayed_ack_us;
}

/* Seventh check: text, trimmed to the window. A segment in order with nothing held goes to the owner without
 * a copy. */
static enum drop_reason take_text(struct arrival *a)
{
    struct tcp_conn *c = a->c;
    struct tcp_segment *s = &a->s;
    if (s->len == 0)
        return DROP_NONE;
    if (!in_states(c, TCP_RECEIVING))
        return DROP_TCP_AFTER_FIN;
    if (s->len > c->rcv_mss)
        c->rcv_mss = (uint16_t)min_u64(s->len, mss_of(&c->tuple, a->env->config));
    if (s->seq == c->rcv_nxt && c->range_count == 0 && c->rcv.blocks == 0 && !(s->flags & TCP_FIN)) {
        a->out->data = s->data;
        a->out->len = s->len;
        a->out->events |= TCP_EV_DATA;
        c->rcv_nxt += s->len;
        owe_ack(a, false);
        return DROP_NONE;
    }
    uint32_t before = c->rcv_nxt;
    bool gap = c->range_count != 0 || s->seq != before;
    if (gap)
        TCP_COUNT(a->env, out_of_order);
    enum drop_reason reason = tcp_insert(c, a->env, s->seq, s->data, s->len);
    if (c->rcv_nxt != before)
        a->out->events |= TCP_EV_DATA;
    owe_ack(a, gap || reason != DROP_NONE);
    return reason;
}

static void trim(struct tcp_segment *s, uint32_t rcv_nxt, uint32_t edge)
{
    uint32_t old = seq_ahead(s->seq, rcv_nxt);
    if (old > s->len)
        old = s->len;
    if (old) { /* a segment without data may have none to point to */
        s->seq += old;
        s->data += old;
        s->len -= old;
    }
    uint32_t room = seq_ahead(s->seq, edge);
    if (s->len > room) {
        s->len = room;
        s->flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
    }
}

/* First check of 3.10.7.4, with PAWS before it (RFC 7323 5.3). */
static enum drop_reason check_sequence(struct arrival *a)
{
    struct tcp_conn *c = a->c;
    const struct tcp_segment *s = &a->s;
    bool rst = s->flags & TCP_RST;
    uint32_t len = s->len + !!(s->flags & TCP_SYN) + !!(s->flags & TCP_FIN);
    uint32_t end = s->seq + len;
    if (c->flags & TCP_F_TIMESTAMPS && !rst) {
        uint32_t age_s = (uint32_t)(a->now_us / TCP_US_PER_S) - c->ts_recent_s;
        if (!s->has_timestamps)
            return DROP_TCP_PAWS;
        if (seq_lt(s->ts_val, c->ts_recent) && age_s < PAWS_IDLE_S)
            return challenge(a, DROP_TCP_PAWS);
    }
    if (len == 0 ? seq_ge(s->seq, c->rcv_nxt) && seq_le(s->seq, c->rcv_adv)
                 : seq_gt(end, c->rcv_nxt) && (seq_lt(s->seq, c->rcv_adv) || s->seq == c->rcv_nxt))
        return DROP_NONE;
    if (rst)
        return DROP_TCP_OUT_OF_WINDOW;
    if (c->state == TCP_SYN_RECEIVED && s->flags & TCP_SYN && s->seq == c->irs) {
        c->snd_resend = c->snd_una; /* our SYN was lost: again, at once */
        return DROP_TCP_DUPLICATE;
    }
    if (c->state == TCP_TIME_WAIT && s->flags & TCP_FIN && end == c->rcv_nxt)
        tcp_closing_moved(c, a->env, a->now_us); /* eighth check: restart the waiting */
    if (len == 0)
        return challenge(a, DROP_TCP_OUT_OF_WINDOW);
    c->flags |= TCP_F_ACK_NOW;
    if (seq_gt(end, c->rcv_nxt))
        return DROP_TCP_OUT_OF_WINDOW;
    if (s->len)
        tcp_duplicate(c, s->seq, s->seq + s->len);
    return DROP_TCP_DUPLICATE;
}

static void update_window(struct arrival *a)
{
    struct tcp_conn *c = a->c;
    const struct tcp_segment *s = &a->s;
    if (seq_gt(c->snd_wl1, s->seq) || (c->snd_wl1 == s->seq && seq_gt(c->snd_wl2, s->ack)))
        return;
    uint32_t before = c->snd_wnd;
    c->snd_wnd = (uint32_t)s->window << c->snd_scale;
    c->snd_wnd_max = (uint32_t)max_u64(c->snd_wnd_max, c->snd_wnd);
    c->snd_wl1 = s->seq;
    c->snd_wl2 = s->ack;
    if (before == 0 && c->snd_wnd) {
        c->snd_resend = c->snd_una; /* what was sent into the closed window, probes too */
        c->backoff = 0;
        tcp_arm(c, a->env, a->now_us);
    }
}

/*
 * After a retransmission, an echo older than what we sent last measures how long we were silent: the ACK that
 * it came with was lost, and the peer does not take the timestamp of a duplicate (RFC 7323 4.3). Taken for a
 * round trip, it would lengthen the RTO, and with it the next such measurement.
 */
static bool echo_is_stale(const struct tcp_conn *c, uint32_t ts_ecr, uint64_t now_us)
{
    bool resent = c->retransmits || (c->flags & TCP_F_RECOVERY);
    uint64_t sent_us = now_us - (uint32_t)((uint32_t)now_us - c->sent_us);
    return resent && seq_lt(ts_ecr, tcp_timestamp(c, sent_us));
}

static void measure(struct arrival *a)
{
    struct tcp_conn *c = a->c;
    if (c->flags & TCP_F_RTT_TIMED) {
        if (seq_lt(a->s.ack, c->rtt_seq))
            return;
        c->flags &= (uint16_t)~TCP_F_RTT_TIMED;
        uint32_t took = (uint32_t)a->now_us - c->rtt_start_us;
        if (took < c->rtt_min_us || !c->rtt_min_us)
            c->rtt_min_us = took ? took : 1;
        tcp_rtt_sample(c, took);
    } else if (c->flags & TCP_F_TIMESTAMPS && a->s.has_timestamps &&
               !echo_is_stale(c, a->s.ts_ecr, a->now_us)) {
        uint32_t ms = tcp_timestamp(c, a->now_us) - a->s.ts_ecr;
        if (ms < a->env->config->rto_max_us / TCP_US_PER_MS) /* else it is not an echo of ours */
            tcp_rtt_sample(c, (ms ? ms : 1) * TCP_US_PER_MS);
    }
}

/* SND.UNA < SEG.ACK =< SND.NXT in a sending state. Returns how many bytes were not known to have arrived. */
static uint32_t advance(struct arrival *a)
{
    struct tcp_conn *c = a->c;
    uint32_t acked = a->s.ack - c->snd_una, in_flight = flight(c);
    bool fin_acked = c->flags & TCP_F_FIN_SENT && a->s.ack == c->snd_nxt;
    measure(a);
    rack_tail_acked(c, a->env, &a->s, a->now_us);
    uint32_t fresh = rack_acked(c, a->env, a->s.ack, a->now_us);
    c->snd_una = a->s.ack;
    c->snd_resend = seq_max(c->snd_resend, c->snd_una);
    c->snd_una_pos += acked - fin_acked;
    c->retransmits = 0;
    if (cc_acked(c, a->env, acked, in_flight, a->now_us) || !flight(c))
        tcp_arm(c, a->env, a->now_us);
    if (!flight(c))
        board_close(c, a->env);
    if (acked - fin_acked)
        a->out->events |= TCP_EV_ACKED;
    if (!fin_acked)
        return fresh;
    tcp_move(c, TCP_EDGE_FIN_ACKED);
    tcp_closing_moved(c, a->env, a->now_us);
    if (c->state == TCP_TIME_WAIT)
        a->out->events |= TCP_EV_TIME_WAIT;
    if (c->state == TCP_CLOSED)
        a->out->events |= TCP_EV_CLOSED;
    return fresh;
}

/* RFC 5681 section 2: nothing but the same acknowledgment again, while something is in flight. */
static bool is_duplicate_ack(const struct tcp_conn *c, const struct tcp_segment *s)
{
    return s->ack == c->snd_una && s->len == 0 && !(s->flags & TCP_FIN) && flight(c) && c->snd_wnd &&
           (uint32_t)s->window << c->snd_scale == c->snd_wnd;
}

static enum drop_reason establish(struct arrival *a)
{
    struct tcp_conn *c = a->c;
    if (seq_le(a->s.ack, c->snd_una) || seq_gt(a->s.ack, c->snd_nxt))
        return reply_reset(a, DROP_TCP_ACK_UNACCEPTABLE);
    tcp_move(c, TCP_EDGE_SYN_ACKED);
    if (!(c->flags & TCP_F_SYN_LOST))
        measure(a);
    c->flags &= (uint16_t)~TCP_F_RTT_TIMED;
    c->snd_una = c->snd_resend = a->s.ack;
    c->snd_wnd = (uint32_t)a->s.window << (a->s.flags & TCP_SYN ? 0 : c->snd_scale);
    c->snd_wnd_max = (uint32_t)max_u64(c->snd_wnd_max, c->snd_wnd);
    c->snd_wl1 = a->s.seq;
    c->snd_wl2 = a->s.ack;
    tcp_established(c, a->env, a->now_us);
    a->out->events |= TCP_EV_ESTABLISHED;
    return DROP_NONE;
}

/* Fifth check: the ACK field, with RFC 5961 5.2. */
static enum drop_reason check_ack(struct arrival *a)
{
    struct tcp_conn *c = a->c;
    const struct tcp_segment *s = &a->s;
    if (c->state == TCP_SYN_RECEIVED)
        return establish(a);
    if (seq_gt(s->ack, c->snd_nxt) || seq_lt(s->ack, c->snd_una - c->snd_wnd_max))
        return challenge(a, DROP_TCP_ACK_UNACCEPTABLE);
    struct tcp_progress progress = {0};
    enum drop_reason reason = DROP_NONE;
    if (seq_gt(s->ack, c->snd_una)) {
        progress.advanced = true;
        progress.fresh = advance(a);
    } else if (is_duplicate_ack(c, s)) {
        TCP_COUNT(a->env, duplicate_acks);
    }
    if (c->flags & TCP_F_SACK && (c->board || s->sack_count) && in_states(c, TCP_SENDING))
        reason = rack_input(c, a->env, s, &progress, a->now_us);
    if (!(c->board && board_tracks(board_peek(c, a->env))) && is_duplicate_ack(c, s) && !progress.advanced &&
        cc_duplicate_ack(c, a->env, a->now_us))
        TCP_COUNT(a->env, fast_retransmits);
    if (in_states(c, TCP_SENDING) && seq_ge(s->ack, c->snd_una))
        update_window(a);
    if (c->snd_wnd == 0)
        c->retransmits = 0; /* it answers: a closed window may last */
    return reason;
}

/* A SYN that may begin a new life of this tuple (RFC 9293 3.10.7.4 fourth check, RFC 6191). */
static bool reopens(const struct tcp_conn *c, const struct tcp_segment *s)
{
    if (c->state != TCP_TIME_WAIT || (s->flags & (TCP_SYN | TCP_ACK | TCP_RST)) != TCP_SYN)
        return false;
    if (c->flags & TCP_F_TIMESTAMPS && s->has_timestamps && s->ts_val != c->ts_recent)
        return seq_gt(s->ts_val, c->ts_recent);
    return seq_gt(s->seq, c->rcv_nxt);
}

static void take_timestamp(struct arrival *a)
{
    struct tcp_conn *c = a->c;
    if (!(c->flags & TCP_F_TIMESTAMPS) || !a->s.has_timestamps || seq_gt(a->s.seq, c->rcv_acked))
        return;
    c->ts_recent = a->s.ts_val;
    c->ts_recent_s = (uint32_t)(a->now_us / TCP_US_PER_S);
}

static enum drop_reason reset_by_peer(struct arrival *a)
{
    tcp_end(a->c);
    a->out->events |= TCP_EV_RESET | TCP_EV_CLOSED;
    return DROP_NONE;
}

static enum drop_reason input_synchronized(struct arrival *a)
{
    struct tcp_conn *c = a->c;
    if (reopens(c, &a->s)) {
        tcp_end(c);
        a->out->events |= TCP_EV_REOPEN | TCP_EV_CLOSED;
        return DROP_NONE;
    }
    if (c->state == TCP_SYN_RECEIVED && c->flags & TCP_F_ACTIVE && a->s.seq == c->irs &&
        (a->s.flags & (TCP_SYN | TCP_ACK)) == (TCP_SYN | TCP_ACK)) {
        a->s.seq++; /* both opened: this SYN is known, its ACK is what we wait for */
        a->s.flags &= (uint8_t)~TCP_SYN;
    }
    /* First: sequence number. */
    enum drop_reason reason = check_sequence(a);
    if (reason != DROP_NONE)
        return reason;
    /* Second: RST (RFC 5961 3.2). */
    if (a->s.flags & TCP_RST)
        return a->s.seq == c->rcv_nxt ? reset_by_peer(a) : challenge(a, DROP_TCP_RST_CHALLENGED);
    /* Fourth: SYN (RFC 5961 4.2). */
    if (a->s.flags & TCP_SYN)
        return challenge(a, DROP_TCP_SYN_CHALLENGED);
    /* Fifth: ACK. */
    reason = check_ack(a);
    if (reason != DROP_NONE && reason != DROP_TCP_SACK_UNACCEPTABLE)
        return reason;
    if (c->state == TCP_CLOSED)
        return DROP_NONE;
    enum drop_reason lied = reason;
    tcp_heard(c, a->env, a->now_us);
    take_timestamp(a);
    /* Seventh: text. */
    uint32_t text = a->s.len;
    trim(&a->s, c->rcv_nxt, c->rcv_adv);
    if (a->s.len < text)
        c->flags |= TCP_F_ACK_NOW; /* partly old, or at a closed window: say where we are */
    reason = take_text(a);
    /* Eighth: FIN. */
    take_fin(a);
    return reason != DROP_NONE ? reason : lied;
}

/* 3.10.7.3 */
static enum drop_reason input_opening(struct arrival *a)
{
    struct tcp_conn *c = a->c;
    const struct tcp_segment *s = &a->s;
    /* First: ACK. */
    if (s->flags & TCP_ACK && (seq_le(s->ack, c->iss) || seq_gt(s->ack, c->snd_nxt)))
        return reply_reset(a, DROP_TCP_ACK_UNACCEPTABLE);
    /* Second: RST. Only with an acceptable ACK does it get here. */
    if (s->flags & TCP_RST)
        return reset_by_peer(a);
    /* Fourth: SYN. */
    if (!(s->flags & TCP_SYN))
        return DROP_TCP_FLAGS;
    c->irs = s->seq;
    c->rcv_nxt = c->rcv_acked = s->seq + 1;
    c->rcv_adv = c->rcv_nxt + (uint32_t)min_u64(a->env->config->rcv_limit, UINT16_MAX); /* our SYN said so */
    tcp_take_options(c, a->env, s, a->now_us);
    if (!(s->flags & TCP_ACK)) {
        c->snd_wnd = c->snd_wnd_max = s->window;
        c->snd_resend = c->snd_una;
        tcp_move(c, TCP_EDGE_PEER_SYN);
        return DROP_NONE;
    }
    enum drop_reason reason = establish(a);
    c->flags |= TCP_F_ACK_NOW;
    /* Seventh: text that came with it. */
    a->s.seq++;
    trim(&a->s, c->rcv_nxt, c->rcv_adv);
    return reason == DROP_NONE ? take_text(a) : reason;
}

enum drop_reason tcp_input(struct tcp_conn *c, const struct tcp_env *env, const struct tcp_segment *s,
                           uint64_t now_us, struct tcp_out *out)
{
    struct arrival a = {c, env, *s, now_us, out};
    *out = (struct tcp_out){0};
    TCP_COUNT(env, segments_in);
    if (c->state == TCP_CLOSED)
        return reply_reset(&a, DROP_TCP_NO_CONNECTION);
    switch (rules[c->state][FLAGS(s->flags)]) {
    case RULE_OPENING:
        return input_opening(&a);
    case RULE_CHECKS:
        return input_synchronized(&a);
    default:
        return s->flags & (TCP_ACK | TCP_SYN | TCP_RST) ? DROP_TCP_FLAGS : DROP_TCP_NO_ACK;
    }
}
