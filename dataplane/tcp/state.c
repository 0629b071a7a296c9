/*
 * States of a connection, who may move between them, and the calls that open and close it.
 * RFC 9293 3.3.2, 3.10.1-3.10.5.
 *
 *                 (owner: LISTEN)              CLOSED --ACTIVE_OPEN--> SYN-SENT
 *                    |  PASSIVE_OPEN                                   |      |
 *                    v                         PEER_SYN                |      |
 *               SYN-RECEIVED <-----------------------------------------+      |
 *                    |  SYN_ACKED                                   SYN_ACKED |
 *                    v                                                        v
 *                                        ESTABLISHED
 *                     SEND_FIN  |                         |  PEER_FIN
 *                               v                         v
 *                          FIN-WAIT-1                 CLOSE-WAIT
 *            FIN_ACKED  |           | PEER_FIN            |  SEND_FIN
 *                       v           v                     v
 *                  FIN-WAIT-2    CLOSING              LAST-ACK
 *            PEER_FIN   |           | FIN_ACKED           |  FIN_ACKED
 *                       v           v                     v
 *                        TIME-WAIT ----(END)---------> CLOSED      END leads from every state to CLOSED
 *
 * Who takes an edge: PASSIVE_OPEN tcp_accept, ACTIVE_OPEN tcp_connect, PEER_SYN and SYN_ACKED input.c (4th
 * and 5th check), SEND_FIN output.c when the FIN is first planned, FIN_ACKED input.c (5th check), PEER_FIN
 * input.c (8th check), END tcp_abort, input.c (RST, reopening), timer.c (given up, waited long enough).
 *
 * What holds in each state is what tcp_check asserts. In short:
 *   SYN-SENT, SYN-RECEIVED  snd_una == iss; nothing but our SYN is in flight; no payload moves.
 *   ESTABLISHED             neither FIN was sent or received.
 *   CLOSE-WAIT              the peer's FIN was received; ours was not sent.
 *   FIN-WAIT-1, CLOSING, LAST-ACK   our FIN was sent and is not acknowledged: snd_nxt is behind it.
 *   FIN-WAIT-2, TIME-WAIT   our FIN is acknowledged: nothing is in flight; timer_at ends the waiting.
 *   CLOSED                  no timer runs; at most a RST is owed.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tcp/internal.h"

#include "dataplane/base/siphash.h"

#define TO(state) ((state) + 1)

/* next state + 1; 0: this edge does not leave that state, and taking it is a bug. */
static const uint8_t next_state[TCP_STATE_COUNT][TCP_EDGE_COUNT] = {
    [TCP_CLOSED] = {[TCP_EDGE_PASSIVE_OPEN] = TO(TCP_SYN_RECEIVED),
                    [TCP_EDGE_ACTIVE_OPEN] = TO(TCP_SYN_SENT),
                    [TCP_EDGE_END] = TO(TCP_CLOSED)},
    [TCP_SYN_SENT] = {[TCP_EDGE_PEER_SYN] = TO(TCP_SYN_RECEIVED),
                      [TCP_EDGE_SYN_ACKED] = TO(TCP_ESTABLISHED),
                      [TCP_EDGE_END] = TO(TCP_CLOSED)},
    [TCP_SYN_RECEIVED] = {[TCP_EDGE_SYN_ACKED] = TO(TCP_ESTABLISHED), [TCP_EDGE_END] = TO(TCP_CLOSED)},
    [TCP_ESTABLISHED] = {[TCP_EDGE_SEND_FIN] = TO(TCP_FIN_WAIT_1),
                         [TCP_EDGE_PEER_FIN] = TO(TCP_CLOSE_WAIT),
                         [TCP_EDGE_END] = TO(TCP_CLOSED)},
    [TCP_FIN_WAIT_1] = {[TCP_EDGE_FIN_ACKED] = TO(TCP_FIN_WAIT_2),
                        [TCP_EDGE_PEER_FIN] = TO(TCP_CLOSING),
                        [TCP_EDGE_END] = TO(TCP_CLOSED)},
    [TCP_FIN_WAIT_2] = {[TCP_EDGE_PEER_FIN] = TO(TCP_TIME_WAIT), [TCP_EDGE_END] = TO(TCP_CLOSED)},
    [TCP_CLOSE_WAIT] = {[TCP_EDGE_SEND_FIN] = TO(TCP_LAST_ACK), [TCP_EDGE_END] = TO(TCP_CLOSED)},
    [TCP_CLOSING] = {[TCP_EDGE_FIN_ACKED] = TO(TCP_TIME_WAIT), [TCP_EDGE_END] = TO(TCP_CLOSED)},
    [TCP_LAST_ACK] = {[TCP_EDGE_FIN_ACKED] = TO(TCP_CLOSED), [TCP_EDGE_END] = TO(TCP_CLOSED)},
    [TCP_TIME_WAIT] = {[TCP_EDGE_END] = TO(TCP_CLOSED)},
};

/* The one place that assigns a state. */
void tcp_move(struct tcp_conn *c, enum tcp_edge edge)
{
    uint8_t to = next_state[c->state][edge];
    assert(to != 0);
    c->state = (uint8_t)(to - 1);
    if (c->state != TCP_CLOSED)
        return;
    c->flags &= TCP_F_ACTIVE;
    c->repair = 0;
    c->timer_at = c->ack_at = c->keep_at = 0;
}

void tcp_end(struct tcp_conn *c)
{
    tcp_move(c, TCP_EDGE_END);
}

const char *tcp_state_name(unsigned state)
{
    static const char *const names[TCP_STATE_COUNT] = {
        "CLOSED",     "SYN-SENT",   "SYN-RECEIVED", "ESTABLISHED", "FIN-WAIT-1",
        "FIN-WAIT-2", "CLOSE-WAIT", "CLOSING",      "LAST-ACK",    "TIME-WAIT"};
    return state < TCP_STATE_COUNT ? names[state] : "UNKNOWN";
}

struct tcp_config tcp_config_default(void)
{
    return (struct tcp_config){
        .mss4 = 1460,
        .mss6 = 1440,
        .rcv_limit = 32768,
        .rto_initial_us = TCP_US_PER_S, /* RFC 6298 2.1 */
        .rto_min_us = 200 * TCP_US_PER_MS,
        .rto_max_us = 60 * TCP_US_PER_S,
        .delayed_ack_us = 40 * TCP_US_PER_MS,
        .time_wait_us = 60ull * TCP_US_PER_S,
        .fin_wait_2_us = 60ull * TCP_US_PER_S,
        .keepalive_idle_us = 0,
        .keepalive_interval_us = 75ull * TCP_US_PER_S,
        .timestamps = true,
        .sack = true,
        .congestion = TCP_CUBIC,
        .keepalive_probes_max = 9,
        .retransmit_max = 10,
        .syn_retransmit_max = 5,
        .challenge_max = 10,
    };
}

uint32_t tcp_isn(const uint8_t key[16], const struct tcp_tuple *tuple, uint64_t now_us)
{
    return (uint32_t)(now_us / 4) + (uint32_t)siphash24(key, tuple, sizeof *tuple);
}

/* Options that count on a SYN only, and the first of the timestamps. */
void tcp_take_options(struct tcp_conn *c, const struct tcp_env *env, const struct tcp_segment *syn,
                      uint64_t now_us)
{
    uint16_t ours = mss_of(&c->tuple, env->config);
    uint16_t theirs = syn->mss ? syn->mss : ours == env->config->mss4 ? TCP_MSS4_DEFAULT : TCP_MSS6_DEFAULT;
    c->mss = theirs < ours ? theirs : ours;
    if (c->mss < TCP_MSS_FLOOR)
        c->mss = TCP_MSS_FLOOR;
    if (syn->has_scale) {
        c->flags |= TCP_F_SCALE;
        c->snd_scale = syn->scale;
    } else { /* both sides or none (RFC 7323 2.2) */
        c->flags &= (uint16_t)~TCP_F_SCALE;
        c->rcv_scale = 0;
    }
    if (syn->has_timestamps && env->config->timestamps) {
        c->flags |= TCP_F_TIMESTAMPS;
        c->ts_recent = syn->ts_val;
        c->ts_recent_s = (uint32_t)(now_us / TCP_US_PER_S);
        c->mss -= TCP_TIMES_BYTES;
    } else {
        c->flags &= (uint16_t)~TCP_F_TIMESTAMPS;
    }
    if (syn->sack_permitted && env->config->sack)
        c->flags |= TCP_F_SACK;
    else
        c->flags &= (uint16_t)~TCP_F_SACK;
}

static uint8_t scale_for(uint32_t limit)
{
    uint8_t scale = 0;
    while (limit >> scale > UINT16_MAX)
        scale++;
    return scale;
}

static void open_fresh(struct tcp_conn *c, const struct tcp_env *env, const struct tcp_tuple *tuple,
                       uint32_t iss)
{
    assert(c->state == TCP_CLOSED && c->rcv.blocks == 0);
    *c = (struct tcp_conn){.tuple = *tuple,
                           .iss = iss,
                           .snd_una = iss,
                           .snd_nxt = iss,
                           .snd_resend = iss,
                           .recover = iss,
                           .mark_end = iss,
                           .ssthresh = TCP_SSTHRESH_NONE,
                           .rcv_scale = scale_for(env->config->rcv_limit),
                           .rcv_mss = TCP_MSS4_DEFAULT,
                           .mss = TCP_MSS4_DEFAULT};
}

void tcp_accept(struct tcp_conn *c, const struct tcp_env *env, const struct tcp_tuple *tuple,
                const struct tcp_segment *syn, uint32_t iss, uint64_t now_us)
{
    open_fresh(c, env, tuple, iss);
    c->irs = syn->seq;
    c->rcv_nxt = c->rcv_adv = c->rcv_acked = syn->seq + 1;
    c->snd_wnd = c->snd_wnd_max = syn->window;
    tcp_take_options(c, env, syn, now_us);
    tcp_move(c, TCP_EDGE_PASSIVE_OPEN);
}

void tcp_connect(struct tcp_conn *c, const struct tcp_env *env, const struct tcp_tuple *tuple, uint32_t iss,
                 uint64_t now_us)
{
    open_fresh(c, env, tuple, iss);
    c->flags = (uint16_t)(TCP_F_ACTIVE | TCP_F_SCALE | (env->config->timestamps ? TCP_F_TIMESTAMPS : 0) |
                          (env->config->sack ? TCP_F_SACK : 0));
    tcp_move(c, TCP_EDGE_ACTIVE_OPEN);
}

/* RFC 9293 3.10.4. The FIN is output.c's to send, as soon as it may. */
void tcp_close(struct tcp_conn *c)
{
    if (c->state == TCP_SYN_SENT)
        tcp_end(c);
    else if (c->state != TCP_CLOSED)
        c->flags |= TCP_F_CLOSE;
}

/* RFC 9293 3.10.5: where the peer already has all that we will ever say, no RST is owed. */
void tcp_abort(struct tcp_conn *c)
{
    bool owed = in_states(c, 1u << TCP_SYN_RECEIVED | 1u << TCP_ESTABLISHED | 1u << TCP_FIN_WAIT_1 |
                                 1u << TCP_FIN_WAIT_2 | 1u << TCP_CLOSE_WAIT);
    if (c->state == TCP_CLOSED)
        return;
    tcp_end(c);
    if (owed)
        c->flags |= TCP_F_RESET;
}

void tcp_release(struct tcp_conn *c, const struct tcp_env *env)
{
    c->range_count = 0;
    chain_free(&c->rcv, env->blocks, env->txn);
    board_close(c, env);
}

bool tcp_path_mtu(struct tcp_conn *c, uint32_t seq, uint16_t mss)
{
    if (!in_states(c, TCP_SENDING) || seq_lt(seq, c->snd_una) || seq_ge(seq, c->snd_nxt))
        return false;
    if (c->flags & TCP_F_TIMESTAMPS)
        mss = mss > TCP_TIMES_BYTES ? mss - TCP_TIMES_BYTES : 0;
    if (mss < TCP_MSS_FLOOR)
        mss = TCP_MSS_FLOOR;
    if (mss >= c->mss)
        return true;
    c->mss = mss;
    c->snd_resend = c->snd_una;
    return true;
}

static void check_ranges(const struct tcp_conn *c)
{
    uint32_t last = c->rcv_nxt;
    assert(c->range_count <= TCP_RANGES_MAX);
    for (unsigned i = 0; i < c->range_count; i++) {
        assert(seq_gt(c->ranges[i].start, last) && seq_gt(c->ranges[i].end, c->ranges[i].start));
        last = c->ranges[i].end;
    }
    assert(seq_ge(c->rcv_adv, last));
    uint64_t held = (uint64_t)c->rcv.offset + c->rcv.length + (last - c->rcv_nxt);
    assert(held <= (uint64_t)c->rcv.blocks * BLOCK_DATA);
    assert(c->rcv.length || c->range_count || c->rcv.blocks == 0);
}

void tcp_check(const struct tcp_conn *c)
{
    assert(c->state < TCP_STATE_COUNT);
    bool fin_sent = c->flags & TCP_F_FIN_SENT, peer_fin = c->flags & TCP_F_PEER_FIN;
    if (c->state == TCP_CLOSED) {
        assert(!c->timer_at && !c->ack_at && !c->keep_at && !(c->flags & ~(TCP_F_RESET | TCP_F_ACTIVE)));
        return;
    }
    assert(flight(c) < 1u << 31 && c->snd_resend - c->snd_una <= flight(c) && c->snd_una_pos <= c->snd_end);
    assert(fin_sent == in_states(c, 1u << TCP_FIN_WAIT_1 | 1u << TCP_FIN_WAIT_2 | 1u << TCP_CLOSING |
                                        1u << TCP_LAST_ACK | 1u << TCP_TIME_WAIT));
    assert(peer_fin ==
           in_states(c, 1u << TCP_CLOSE_WAIT | 1u << TCP_CLOSING | 1u << TCP_LAST_ACK | 1u << TCP_TIME_WAIT));
    assert(!fin_sent || c->flags & TCP_F_CLOSE);
    check_ranges(c);
    if (in_states(c, 1u << TCP_SYN_SENT | 1u << TCP_SYN_RECEIVED)) {
        assert(c->snd_una == c->iss && flight(c) <= 1 && c->rcv.blocks == 0 && c->snd_una_pos == 0);
    } else if (in_states(c, TCP_SENDING)) {
        assert(c->mss >= TCP_MSS_FLOOR - TCP_TIMES_BYTES && c->cwnd >= c->mss);
        assert(flight(c) <= send_end(c) - c->snd_una && (!fin_sent || c->snd_nxt == send_end(c)));
        assert(flight(c) == 0 || c->timer_at);
    } else {
        assert(flight(c) == 0 && c->timer_at);
    }
}

void tcp_check_all(const struct tcp_conn *c, const struct tcp_env *env)
{
    tcp_check(c);
    if (c->board && c->state != TCP_CLOSED)
        board_check(board_peek(c, env), c);
}
