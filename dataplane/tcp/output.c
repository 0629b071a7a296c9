/*
 * What to send next (RFC 9293 3.8.6, 3.10.2): SYN, the segment to repair, a probe, described bytes, the next
 * record, FIN, ACK.
 *
 * Sender's silly window avoidance (RFC 9293 3.8.6.2.1) without Nagle, for records are whole messages: a
 * segment goes out when it is full, or when it carries all that is described, or at least half of the largest
 * window that the peer ever offered. Otherwise we wait for an ACK, or, with nothing in flight, for the probe
 * timer. Receiver's: the advertised edge moves by a full segment or half of the limit at least.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tcp/internal.h"

#define SACK_FIRST_BYTES 12u
#define SACK_MORE_BYTES  8u

/* Bytes that we could take from rcv_nxt on, as far as a window field with this scale can say them. */
static uint32_t receive_room(const struct tcp_conn *c, const struct tcp_config *config, uint8_t scale)
{
    uint32_t room = config->rcv_limit > c->rcv.length ? config->rcv_limit - c->rcv.length : 0;
    return (uint32_t)min_u64(room >> scale, UINT16_MAX) << scale;
}

/* Moves the advertised edge if it is worth it; returns the window field. */
static uint16_t window_offer(struct tcp_conn *c, const struct tcp_config *config, uint8_t scale)
{
    if (seq_lt(c->rcv_adv, c->rcv_nxt))
        c->rcv_adv = c->rcv_nxt; /* a FIN needs no room */
    uint32_t edge = c->rcv_nxt + receive_room(c, config, scale), grown = seq_ahead(c->rcv_adv, edge);
    if (grown && grown >= min_u64(config->rcv_limit / 2, c->rcv_mss))
        c->rcv_adv = edge;
    return (uint16_t)min_u64((c->rcv_adv - c->rcv_nxt) >> scale, UINT16_MAX);
}

/* The peer should hear at once that the window has opened: it was nearly closed, or half of it is new. */
static bool window_update_due(const struct tcp_conn *c, const struct tcp_config *config)
{
    uint32_t grown = seq_ahead(c->rcv_adv, c->rcv_nxt + receive_room(c, config, c->rcv_scale));
    if (!grown || !in_states(c, TCP_RECEIVING))
        return false;
    return grown >= config->rcv_limit / 2 ||
           (seq_ahead(c->rcv_nxt, c->rcv_adv) < c->rcv_mss && grown >= c->rcv_mss);
}

/* Selective acknowledgments, as many as `spare` bytes hold; where none fits, an ACK of their own goes out. */
static void put_sacks(struct tcp_conn *c, uint32_t spare, struct tcp_plan *p)
{
    if (!(c->flags & TCP_F_SACK) || !(c->range_count || c->repair & TCP_R_DSACK))
        return;
    unsigned most = c->flags & TCP_F_TIMESTAMPS ? TCP_SACKS_MAX - 1 : TCP_SACKS_MAX;
    unsigned fit = spare < SACK_FIRST_BYTES ? 0 : (spare - SACK_FIRST_BYTES) / SACK_MORE_BYTES + 1;
    if (fit)
        p->sack_count = (uint8_t)tcp_sack_blocks(c, fit < most ? fit : most, p->sack);
    else
        c->flags |= TCP_F_ACK_NOW;
}

/* Every segment but a SYN-SENT's SYN and a RST carries an ACK; whatever was owed is paid with it. `spare`:
 * bytes that options may add. */
static void begin(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us, uint8_t flags, uint32_t seq,
                  uint32_t spare, struct tcp_plan *p)
{
    *p = (struct tcp_plan){.tuple = c->tuple, .seq = seq, .flags = flags};
    uint8_t scale = flags & TCP_SYN ? 0 : c->rcv_scale;
    p->window = flags & TCP_ACK ? window_offer(c, env->config, scale)
                                : (uint16_t)min_u64(env->config->rcv_limit, UINT16_MAX);
    if (c->flags & TCP_F_TIMESTAMPS) {
        p->has_timestamps = true;
        p->ts_val = tcp_timestamp(c, now_us);
        p->ts_ecr = flags & TCP_ACK ? c->ts_recent : 0;
    }
    if (flags & TCP_ACK) {
        p->ack = c->rcv_acked = c->rcv_nxt;
        c->flags &= (uint16_t)~TCP_F_ACK_NOW;
        c->ack_at = 0;
        put_sacks(c, spare, p);
    }
    TCP_COUNT(env, segments_out);
}

/* `count` sequence numbers from `seq` are in this segment: snd_nxt, the measurement and the timer follow. */
static void sent(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us, uint32_t seq, uint32_t count)
{
    uint32_t end = seq + count;
    if (seq_lt(seq, c->snd_nxt)) {
        TCP_COUNT(env, retransmits);
        if (seq_le(seq, c->rtt_seq))
            c->flags &= (uint16_t)~TCP_F_RTT_TIMED; /* Karn */
    } else if (!(c->flags & TCP_F_RTT_TIMED)) {
        c->flags |= TCP_F_RTT_TIMED;
        c->rtt_seq = end;
        c->rtt_start_us = (uint32_t)now_us;
    }
    if (c->snd_resend == seq)
        c->snd_resend = end;
    rack_sent(c, env, seq, end, now_us);
    bool again = seq_lt(seq, c->snd_nxt), head = again && seq == c->snd_una;
    c->snd_nxt = seq_max(c->snd_nxt, end);
    if (!c->timer_at ||
        (head && c->flags & TCP_F_SACK && c->flags & TCP_F_RECOVERY && !(c->repair & TCP_R_REO)))
        tcp_arm(c, env, now_us); /* a repair of the head has its own time */
    else if (!again && c->flags & TCP_F_SACK)
        tcp_arm_tail(c, env, now_us);
}

static int plan_reset(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us, struct tcp_plan *p)
{
    if (!(c->flags & TCP_F_RESET))
        return 0;
    c->flags &= (uint16_t)~TCP_F_RESET;
    begin(c, env, now_us, TCP_RST | TCP_ACK, c->snd_nxt, 0, p);
    return 1;
}

static int plan_ack(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us, struct tcp_plan *p)
{
    bool keepalive = c->flags & TCP_F_KEEPALIVE;
    if (!keepalive && !(c->flags & TCP_F_ACK_NOW) && !window_update_due(c, env->config))
        return 0;
    c->flags &= (uint16_t)~TCP_F_KEEPALIVE;
    begin(c, env, now_us, TCP_ACK, c->snd_nxt - keepalive, c->mss, p);
    return 1;
}

static int plan_syn(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us, struct tcp_plan *p)
{
    if (c->snd_resend != c->iss)
        return c->state == TCP_SYN_RECEIVED ? plan_ack(c, env, now_us, p) : 0;
    begin(c, env, now_us, c->state == TCP_SYN_SENT ? TCP_SYN : TCP_SYN | TCP_ACK, c->iss, 0, p);
    p->mss = mss_of(&c->tuple, env->config);
    p->has_scale = c->flags & TCP_F_SCALE;
    p->scale = c->rcv_scale;
    p->sack_permitted = c->flags & TCP_F_SACK;
    sent(c, env, now_us, c->iss, 1);
    return 1;
}

/* Asks the owner for the next record, of at most `room` bytes. */
static void extend_by(struct tcp_conn *c, const struct tcp_env *env, uint32_t room)
{
    if (!env->extend || c->flags & TCP_F_CLOSE || c->snd_nxt != described_end(c))
        return;
    room = (uint32_t)min_u64(max_u64(room, TCP_ROOM_MIN), c->mss);
    size_t added = env->extend(env->stream, room);
    assert(added <= room);
    c->snd_end += added;
}

/* A segment of at most `most` payload bytes at `seq`, with the FIN if it comes next and `fin_fits`. */
static void plan_text(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us, uint32_t seq,
                      uint32_t most, bool fin_fits, struct tcp_plan *p)
{
    uint32_t end = described_end(c), left = end - seq;
    uint32_t len = left < most ? left : most;
    bool fin = c->flags & TCP_F_CLOSE && seq + len == end && fin_fits;
    uint8_t flags = TCP_ACK | (len && len == left ? TCP_PSH : 0) | (fin ? TCP_FIN : 0);
    begin(c, env, now_us, flags, seq, c->mss - len, p);
    p->len = (uint16_t)len;
    p->position = c->snd_una_pos + (seq - c->snd_una);
    sent(c, env, now_us, seq, len + fin);
    if (fin && !(c->flags & TCP_F_FIN_SENT)) {
        c->flags |= TCP_F_FIN_SENT;
        tcp_move(c, TCP_EDGE_SEND_FIN);
    }
}

/* A scoreboard replaces going back: what would be sent again is lost on it. */
static struct tcp_board *scoreboard(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us)
{
    struct tcp_board *b = c->board ? board_of(c, env) : NULL;
    if (!board_tracks(b))
        return NULL;
    if (c->snd_resend != c->snd_nxt) {
        board_give_up(b, (uint32_t)now_us, 0);
        c->snd_resend = c->snd_nxt;
    }
    return b;
}

/* Sends the first lost part again, if the windows let it. */
static int plan_lost(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us,
                     const struct tcp_board *b, struct tcp_plan *p)
{
    uint32_t seq, len = board_lost(b, c->mss, &seq);
    uint32_t room = c->cwnd > b->pipe ? c->cwnd - b->pipe : 0,
             window = seq_ahead(seq, c->snd_una + c->snd_wnd);
    if (!len || !window || room < len)
        return 0;
    uint32_t end = described_end(c);
    bool fin_fits = c->flags & TCP_F_FIN_SENT && seq_gt(seq + len, end);
    if (seq_gt(seq + len, end))
        len = end - seq;
    plan_text(c, env, now_us, seq, len < window ? len : window, fin_fits, p);
    return 1;
}

/* RFC 8985 7.3: new bytes if there are any and they fit the peer's window, the last ones again if not. */
static int plan_tail_probe(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us, struct tcp_plan *p)
{
    if (!(c->repair & TCP_R_TAIL_DUE))
        return 0;
    c->repair &= (uint8_t)~TCP_R_TAIL_DUE;
    if (!flight(c) || c->flags & TCP_F_RECOVERY || c->snd_resend != c->snd_nxt)
        return 0;
    uint32_t window = seq_ahead(c->snd_nxt, c->snd_una + c->snd_wnd);
    if (window >= c->mss) {
        extend_by(c, env, c->mss);
        if (send_end(c) != c->snd_nxt) {
            plan_text(c, env, now_us, c->snd_nxt, c->mss, described_end(c) - c->snd_nxt < window, p);
            return 1;
        }
    }
    uint32_t again = flight(c) < c->mss ? flight(c) : c->mss;
    c->recover = c->snd_nxt;
    c->repair |= TCP_R_TAIL_OUT;
    plan_text(c, env, now_us, c->snd_nxt - again, again, c->flags & TCP_F_FIN_SENT, p);
    return 1;
}

/* Repairs one loss at snd_una (fast retransmit, partial ACK). */
static int plan_repair(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us, struct tcp_plan *p)
{
    if (!(c->flags & TCP_F_RETRANSMIT))
        return 0;
    c->flags &= (uint16_t)~TCP_F_RETRANSMIT;
    if (flight(c) == 0 || c->snd_resend == c->snd_una)
        return 0; /* going back anyway */
    uint32_t most = flight(c) < c->mss ? flight(c) : c->mss;
    plan_text(c, env, now_us, c->snd_una, most, c->flags & TCP_F_FIN_SENT, p);
    return 1;
}

/* One byte beyond a closed window, or what a small one takes. */
static int plan_probe(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us, struct tcp_plan *p)
{
    if (!(c->flags & TCP_F_PROBE))
        return 0;
    c->flags &= (uint16_t)~TCP_F_PROBE;
    if (send_end(c) == c->snd_una)
        return 0;
    uint32_t most = (uint32_t)max_u64(min_u64(c->snd_wnd, c->mss), 1);
    bool fin_fits = described_end(c) - c->snd_una < most;
    plan_text(c, env, now_us, c->snd_una, most, fin_fits, p);
    return 1;
}

/* Sequence numbers that the peer's window and ours let us send at snd_resend. */
static uint32_t usable(const struct tcp_conn *c, const struct tcp_board *b)
{
    if (b) {
        uint32_t room = c->cwnd > b->pipe ? c->cwnd - b->pipe : 0;
        return (uint32_t)min_u64(seq_ahead(c->snd_nxt, c->snd_una + c->snd_wnd), room);
    }
    uint32_t window = (uint32_t)min_u64(c->snd_wnd, cc_window(c));
    return seq_ahead(c->snd_resend, c->snd_una + window);
}

static void extend_when_useful(struct tcp_conn *c, const struct tcp_env *env, uint32_t room)
{
    bool idle = flight(c) == 0;
    if (c->snd_resend != described_end(c))
        return;
    if (idle)
        room = c->mss; /* whatever the window: else nothing would ever probe it */
    else if (room == 0 || (room < c->mss && room < c->snd_wnd_max / 2))
        return;
    extend_by(c, env, room);
}

static int plan_stream(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us,
                       const struct tcp_board *b, struct tcp_plan *p)
{
    extend_when_useful(c, env, usable(c, b));
    uint32_t waiting = send_end(c) - c->snd_resend;
    if (waiting == 0)
        return 0;
    if (flight(c) == 0 && (uint32_t)now_us - c->sent_us > tcp_rto_us(c, env->config))
        cc_idle(c);
    uint32_t allowed = usable(c, b), most = allowed < c->mss ? allowed : c->mss;
    bool again = seq_lt(c->snd_resend, c->snd_nxt);
    if (most && (again || most == c->mss || allowed >= waiting || most >= c->snd_wnd_max / 2)) {
        bool fin_fits = described_end(c) - c->snd_resend < allowed;
        plan_text(c, env, now_us, c->snd_resend, most, fin_fits, p);
        return 1;
    }
    if (!c->timer_at)
        c->timer_at = now_us + tcp_rto_us(c, env->config);
    return 0;
}

int tcp_plan(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us, struct tcp_plan *p)
{
    if (c->state == TCP_CLOSED)
        return plan_reset(c, env, now_us, p);
    if (c->state == TCP_SYN_SENT || c->state == TCP_SYN_RECEIVED)
        return plan_syn(c, env, now_us, p);
    if (in_states(c, TCP_SENDING)) {
        const struct tcp_board *b = scoreboard(c, env, now_us);
        if ((b && plan_lost(c, env, now_us, b, p)) || plan_repair(c, env, now_us, p) ||
            plan_probe(c, env, now_us, p) || plan_tail_probe(c, env, now_us, p) ||
            plan_stream(c, env, now_us, b, p))
            return 1;
    }
    return plan_ack(c, env, now_us, p);
}
