/*
 * The three timers of a connection and the estimate of the round-trip time.
 * RFC 6298; RFC 9293 3.8.3, 3.8.4, 3.8.6.
 *
 *   timer_at  with a flight: retransmission, a probe of its tail or the end of patience (rack.c);
 *             without, or at a closed window: a window probe;
 *             in FIN-WAIT-2 and TIME-WAIT: the end
 *   ack_at    a delayed ACK is due
 *   keep_at   nothing was heard for long
 *
 * A retransmission timeout goes back to snd_una. The RTO stays doubled until a new measurement (Karn). A
 * closed window never ends a connection whose peer answers: such an answer sets `retransmits` to 0, while
 * `backoff` grows on.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tcp/internal.h"

#define RTO_AFTER_LOST_SYN_US (3 * TCP_US_PER_S) /* RFC 6298 5.7 */
#define GRANULARITY_US        TCP_US_PER_MS
#define BACKOFF_MAX           16

uint32_t tcp_rto_us(const struct tcp_conn *c, const struct tcp_config *config)
{
    uint64_t rto = config->rto_initial_us;
    if (c->srtt_us)
        rto = c->srtt_us + max_u64(GRANULARITY_US, 4ull * c->rttvar_us);
    else if (c->flags & TCP_F_SYN_LOST && c->state >= TCP_ESTABLISHED)
        rto = max_u64(rto, RTO_AFTER_LOST_SYN_US);
    rto = max_u64(rto, config->rto_min_us) << c->backoff;
    return (uint32_t)min_u64(rto, config->rto_max_us);
}

/* Our clock on the wire: 1 ms a tick, each connection with its own offset (RFC 7323 5.4). */
uint32_t tcp_timestamp(const struct tcp_conn *c, uint64_t now_us)
{
    return (uint32_t)(now_us / TCP_US_PER_MS) + c->iss;
}

void tcp_rtt_sample(struct tcp_conn *c, uint32_t rtt_us)
{
    if (rtt_us == 0)
        rtt_us = 1;
    if (c->srtt_us == 0) {
        c->srtt_us = rtt_us;
        c->rttvar_us = rtt_us / 2;
    } else {
        uint32_t error = rtt_us > c->srtt_us ? rtt_us - c->srtt_us : c->srtt_us - rtt_us;
        c->rttvar_us = (uint32_t)((3ull * c->rttvar_us + error) / 4);
        c->srtt_us = (uint32_t)max_u64((7ull * c->srtt_us + rtt_us) / 8, 1);
    }
    c->backoff = 0;
}

void tcp_heard(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us)
{
    c->keep_probes = 0;
    if (env->config->keepalive_idle_us && c->state >= TCP_ESTABLISHED && c->state != TCP_TIME_WAIT)
        c->keep_at = now_us + env->config->keepalive_idle_us;
}

void tcp_established(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us)
{
    cc_established(c);
    c->retransmits = c->backoff = 0;
    c->timer_at = 0;
    tcp_heard(c, env, now_us);
}

/* After a move: the states that only wait have their own end. */
void tcp_closing_moved(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us)
{
    if (c->state == TCP_FIN_WAIT_2) {
        c->timer_at = now_us + env->config->fin_wait_2_us;
    } else if (c->state == TCP_TIME_WAIT) {
        c->timer_at = now_us + env->config->time_wait_us;
        c->keep_at = 0;
    }
}

uint64_t tcp_deadline(const struct tcp_conn *c)
{
    uint64_t first = UINT64_MAX;
    if (c->timer_at)
        first = c->timer_at;
    if (c->ack_at)
        first = min_u64(first, c->ack_at);
    if (c->keep_at)
        first = min_u64(first, c->keep_at);
    return first;
}

static uint32_t give_up(struct tcp_conn *c)
{
    tcp_end(c);
    return TCP_EV_TIMEOUT | TCP_EV_CLOSED;
}

/* The window is closed, or too small for what is described and nothing is in flight. */
static bool window_blocks(const struct tcp_conn *c)
{
    return in_states(c, TCP_SENDING) && (c->snd_wnd == 0 || flight(c) == 0);
}

static uint32_t on_retransmission(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us)
{
    const struct tcp_config *config = env->config;
    bool opening = c->state < TCP_ESTABLISHED;
    if (c->retransmits >= (opening ? config->syn_retransmit_max : config->retransmit_max))
        return give_up(c);
    if (window_blocks(c)) {
        c->flags |= TCP_F_PROBE;
        TCP_COUNT(env, probes);
    } else {
        TCP_COUNT(env, timeouts);
        c->snd_resend = c->snd_una;
        if (opening)
            c->flags |= TCP_F_SYN_LOST;
        else
            cc_timeout(c, env, now_us);
    }
    c->flags &= (uint16_t)~TCP_F_RTT_TIMED;
    c->retransmits++;
    if (c->backoff < BACKOFF_MAX)
        c->backoff++;
    c->timer_at = now_us + tcp_rto_us(c, config);
    c->repair &= (uint8_t) ~(TCP_R_PTO | TCP_R_REO);
    return 0;
}

void tcp_resumed(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us)
{
    if (c->backoff == 0 && c->retransmits <= 1)
        return;
    c->backoff = 0;
    c->retransmits = c->retransmits != 0; /* the same flight, as congestion control sees it */
    if (c->timer_at && !in_states(c, 1u << TCP_FIN_WAIT_2 | 1u << TCP_TIME_WAIT))
        c->timer_at = min_u64(c->timer_at, now_us + tcp_rto_us(c, env->config));
}

/* RFC 8985 7.3 */
static void on_probe_timeout(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us)
{
    c->repair |= TCP_R_TAIL_DUE;
    TCP_COUNT(env, tail_probes);
    tcp_arm(c, env, now_us);
}

static uint32_t on_keepalive(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us)
{
    if (c->keep_probes >= env->config->keepalive_probes_max)
        return give_up(c);
    c->keep_probes++;
    c->keep_at = now_us + env->config->keepalive_interval_us;
    if (flight(c) == 0)
        c->flags |= TCP_F_KEEPALIVE;
    return 0;
}

uint32_t tcp_on_timer(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us)
{
    uint32_t events = 0;
    if (c->timer_at && c->timer_at <= now_us) {
        if (in_states(c, 1u << TCP_FIN_WAIT_2 | 1u << TCP_TIME_WAIT)) {
            tcp_end(c);
            return TCP_EV_CLOSED;
        }
        if (c->repair & TCP_R_REO)
            rack_timer(c, env, now_us);
        else if (c->repair & TCP_R_PTO)
            on_probe_timeout(c, env, now_us);
        else
            events |= on_retransmission(c, env, now_us);
    }
    if (c->ack_at && c->ack_at <= now_us) {
        c->ack_at = 0;
        c->flags |= TCP_F_ACK_NOW;
    }
    if (c->keep_at && c->keep_at <= now_us)
        events |= on_keepalive(c, env, now_us);
    return events;
}
