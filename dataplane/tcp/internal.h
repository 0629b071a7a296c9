/*
 * What the files of this folder share and nobody else sees.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TCP_INTERNAL_H
#define VOXPOP_TCP_INTERNAL_H

#include "dataplane/tcp/tcp.h"

#include "dataplane/base/bytes.h"
#include "dataplane/tcp/board.h"
#include "dataplane/tcp/seq.h"

#define TCP_SSTHRESH_NONE (1u << 30) /* no loss yet: slow start */
#define TCP_CWND_MAX      (1u << 30)
#define TCP_MSS_FLOOR     88u  /* smaller offers are taken as this: a record must not shatter */
#define TCP_MSS4_DEFAULT  536u /* RFC 9293 3.7.1 */
#define TCP_MSS6_DEFAULT  1220u
#define TCP_TIMES_BYTES   12u
#define TCP_US_PER_S      1000000u
#define TCP_US_PER_MS     1000u

/* What moves a connection from state to state. */
enum tcp_edge {
    TCP_EDGE_PASSIVE_OPEN,
    TCP_EDGE_ACTIVE_OPEN,
    TCP_EDGE_PEER_SYN,  /* a SYN without ACK crossed ours */
    TCP_EDGE_SYN_ACKED, /* both SYNs are known to both */
    TCP_EDGE_SEND_FIN,
    TCP_EDGE_FIN_ACKED,
    TCP_EDGE_PEER_FIN,
    TCP_EDGE_END, /* reset, abort, timeout */
    TCP_EDGE_COUNT
};

#define TCP_COUNT(env, what)                                                                                 \
    do {                                                                                                     \
        if ((env)->counters)                                                                                 \
            (env)->counters->what++;                                                                         \
    } while (0)

static inline uint16_t state_bit(unsigned state)
{
    return (uint16_t)(1u << state);
}

/* States in which our bytes or our FIN may still have to go out. */
#define TCP_SENDING                                                                                          \
    (1u << TCP_ESTABLISHED | 1u << TCP_CLOSE_WAIT | 1u << TCP_FIN_WAIT_1 | 1u << TCP_CLOSING |               \
     1u << TCP_LAST_ACK)
/* States in which the peer may still send text. */
#define TCP_RECEIVING (1u << TCP_ESTABLISHED | 1u << TCP_FIN_WAIT_1 | 1u << TCP_FIN_WAIT_2)

static inline bool in_states(const struct tcp_conn *c, unsigned states)
{
    return 1u << c->state & states;
}

static inline uint32_t flight(const struct tcp_conn *c)
{
    return c->snd_nxt - c->snd_una;
}

/* Sequence number behind the last described byte; in a sending state only. */
static inline uint32_t described_end(const struct tcp_conn *c)
{
    return c->snd_una + (uint32_t)(c->snd_end - c->snd_una_pos);
}

/* Sequence number behind all that we want to send now, the FIN included; in a sending state only. */
static inline uint32_t send_end(const struct tcp_conn *c)
{
    return described_end(c) + !!(c->flags & TCP_F_CLOSE);
}

static inline uint16_t mss_of(const struct tcp_tuple *t, const struct tcp_config *config)
{
    static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(t->remote, prefix, sizeof prefix) == 0 ? config->mss4 : config->mss6;
}

/* state.c */
void tcp_move(struct tcp_conn *c, enum tcp_edge edge);
void tcp_end(struct tcp_conn *c); /* to CLOSED, nothing owed */
void tcp_take_options(struct tcp_conn *c, const struct tcp_env *env, const struct tcp_segment *syn,
                      uint64_t now_us);

/* timer.c */
uint32_t tcp_rto_us(const struct tcp_conn *c, const struct tcp_config *config);
uint32_t tcp_timestamp(const struct tcp_conn *c, uint64_t now_us);
void tcp_rtt_sample(struct tcp_conn *c, uint32_t rtt_us);
/* Facts that the timers follow. */
void tcp_established(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us);
void tcp_heard(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us);
void tcp_closing_moved(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us);

/* reassembly.c */
enum drop_reason tcp_insert(struct tcp_conn *c, const struct tcp_env *env, uint32_t seq, const uint8_t *data,
                            uint32_t len);
/* [start, end) was received before: to be said with the next ACK (RFC 2883). */
void tcp_duplicate(struct tcp_conn *c, uint32_t start, uint32_t end);
/* Blocks for the next ACK, at most `most`, the duplicate and the latest first (RFC 2018 4). Returns how many.
 */
unsigned tcp_sack_blocks(struct tcp_conn *c, unsigned most, struct tcp_range out[]);

/* rack.c */

/* What the acknowledgment number of a segment did. */
struct tcp_progress {
    uint32_t fresh; /* bytes newly known to have arrived */
    bool advanced;  /* snd_una moved */
};
/* [seq, end) goes out now; to be told before snd_nxt moves. */
void rack_sent(struct tcp_conn *c, const struct tcp_env *env, uint32_t seq, uint32_t end, uint64_t now_us);
/* snd_una is about to move to `ack`: returns how many bytes are news. */
uint32_t rack_acked(struct tcp_conn *c, const struct tcp_env *env, uint32_t ack, uint64_t now_us);
/* The rest that an ACK says: blocks, losses, what may be sent now. */
enum drop_reason rack_input(struct tcp_conn *c, const struct tcp_env *env, const struct tcp_segment *s,
                            const struct tcp_progress *p, uint64_t now_us);
void rack_tail_acked(struct tcp_conn *c, const struct tcp_env *env, const struct tcp_segment *s,
                     uint64_t now_us);
void rack_timer(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us);
/* The timer of a flight starts anew: retransmission, or a probe of its tail before that. */
void tcp_arm(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us);
/* New bytes went out: the probe of the tail waits from them on. */
void tcp_arm_tail(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us);

/* cc.c */
void cc_established(struct tcp_conn *c);
bool cc_acked(struct tcp_conn *c, const struct tcp_env *env, uint32_t acked, uint32_t flight_before,
              uint64_t now_us); /* true: the timer restarts */
bool cc_duplicate_ack(struct tcp_conn *c, const struct tcp_env *env,
                      uint64_t now_us); /* true: fast retransmit begins */
void cc_timeout(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us);
void cc_idle(struct tcp_conn *c);
uint32_t cc_window(const struct tcp_conn *c);
void cc_track(struct tcp_conn *c, struct tcp_board *b);
void cc_recover(struct tcp_conn *c, const struct tcp_env *env, struct tcp_board *b, uint64_t now_us);
void cc_prr(struct tcp_conn *c, struct tcp_board *b, uint32_t delivered, bool safe);
void cc_progress(struct tcp_conn *c, struct tcp_board *b, uint32_t delivered, bool safe);
void cc_judge_retransmission(struct tcp_conn *c, struct tcp_board *b, uint32_t ts_ecr);
void cc_tail_lost(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us);

/* cc_cubic.c */
uint32_t cubic_lost(const struct tcp_conn *c, struct tcp_board *b,
                    uint32_t in_flight); /* ssthresh; b may be NULL */
uint32_t cubic_grown(const struct tcp_conn *c, struct tcp_board *b, uint32_t acked,
                     uint64_t now_us); /* cwnd */

#endif
