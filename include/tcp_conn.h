/*
 * A TCP connection's state as it lives in a connection slot of the region (RFC 9293 3.3.1, names as there).
 *
 * Owns: everything TCP needs to go on after a restart, and no payload to send: that is re-created from its
 * stream position. Bytes received in order but not yet consumed, and out-of-order bytes behind them, lie in
 * one chain of blocks.
 *
 * Writer: the worker that owns the slot. All zero is a closed connection. Ports are in host order. IPv4
 * addresses are written out as IPv6 ones, ::ffff:a.b.c.d. A deadline of 0 is not set. The slot as a whole is
 * saved to the undo log before TCP is called.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TCP_CONN_H
#define VOXPOP_TCP_CONN_H

#include "block.h"

/* Both ends of a connection, seen from ours. */
struct tcp_tuple {
    uint8_t local[16];
    uint8_t remote[16];
    uint16_t local_port;
    uint16_t remote_port;
};
_Static_assert(sizeof(struct tcp_tuple) == 36, "tcp_tuple is a published format");

/* LISTEN has no connection: it is the owner's. */
enum tcp_state {
    TCP_CLOSED = 0,
    TCP_SYN_SENT,
    TCP_SYN_RECEIVED,
    TCP_ESTABLISHED,
    TCP_FIN_WAIT_1,
    TCP_FIN_WAIT_2,
    TCP_CLOSE_WAIT,
    TCP_CLOSING,
    TCP_LAST_ACK,
    TCP_TIME_WAIT,
    TCP_STATE_COUNT
};

enum tcp_conn_flag {
    TCP_F_TIMESTAMPS = 1 << 0, /* negotiated (RFC 7323) */
    TCP_F_ACTIVE = 1 << 1,     /* opened by us */
    TCP_F_ACK_NOW = 1 << 2,    /* an ACK is owed at once */
    TCP_F_CLOSE = 1 << 3,      /* our side is closed: a FIN follows the last described byte */
    TCP_F_FIN_SENT = 1 << 4,   /* the sequence number before snd_nxt is our FIN */
    TCP_F_RESET = 1 << 5,      /* a RST is owed */
    TCP_F_RETRANSMIT = 1 << 6, /* the segment at snd_una is to be sent again */
    TCP_F_PROBE = 1 << 7,      /* a window probe is owed (RFC 9293 3.8.6.1) */
    TCP_F_KEEPALIVE = 1 << 8,  /* a keep-alive probe is owed (RFC 9293 3.8.4) */
    TCP_F_RECOVERY = 1 << 9,   /* in fast recovery (RFC 6582) */
    TCP_F_RTT_TIMED = 1 << 10, /* a segment is being timed (RFC 6298) */
    TCP_F_SYN_LOST = 1 << 11,  /* our SYN was sent more than once */
    TCP_F_PEER_FIN = 1 << 12,  /* the peer's FIN was received in order */
    TCP_F_SCALE = 1 << 13,     /* window scaling offered, then negotiated (RFC 7323) */
    TCP_F_PARTIAL = 1 << 14,   /* this fast recovery has seen a partial ACK */
    TCP_F_SACK = 1 << 15,      /* negotiated (RFC 2018) */
};

/* Loss detection and repair (RFC 8985). */
enum tcp_repair_flag {
    TCP_R_DSACK = 1 << 0,     /* the last of `ranges` is a duplicate to report (RFC 2883), and no range */
    TCP_R_REORDERED = 1 << 1, /* this path is known to reorder */
    TCP_R_PTO = 1 << 2,       /* timer_at is a probe timeout */
    TCP_R_REO = 1 << 3,       /* timer_at ends the patience with what seems reordered */
    TCP_R_TAIL_DUE = 1 << 4,  /* a tail loss probe is owed */
    TCP_R_TAIL_OUT = 1 << 5,  /* it sent again what ends at `recover` */
    TCP_R_RECENT = 3 << 6,    /* which range was received into last */
};
#define TCP_R_RECENT_SHIFT 6

/* Out-of-order bytes held: sequence numbers [start, end). */
struct tcp_range {
    uint32_t start;
    uint32_t end;
};
#define TCP_RANGES_MAX 4

/* Fields that most segments change stand together, in three cache lines (include/connection.h). */
struct tcp_conn {
    struct tcp_range ranges[TCP_RANGES_MAX]; /* ascending, apart, beyond rcv_nxt */
    uint32_t irs;
    uint32_t challenge_s; /* second that challenge_count counts in */
    struct tcp_tuple tuple;
    uint8_t state;        /* enum tcp_state */
    uint8_t range_count;  /* ranges in use */
    uint16_t flags;       /* enum tcp_conn_flag */
    uint64_t snd_una_pos; /* stream position of the oldest unacknowledged byte */
    uint64_t snd_end;     /* stream position behind the last described byte */
    uint64_t timer_at;    /* us: retransmission, probe, FIN-WAIT-2 or TIME-WAIT, as the state tells */
    uint64_t ack_at;      /* us: delayed ACK */
    uint64_t keep_at;     /* us: keep-alive */
    uint32_t iss;
    uint32_t snd_una;
    uint32_t snd_nxt;     /* behind the highest sequence number sent */
    uint32_t snd_resend;  /* next to send; behind snd_nxt while going back */
    uint32_t snd_wnd;     /* bytes */
    uint32_t snd_wnd_max; /* the largest the peer ever offered */
    uint32_t snd_wl1;
    uint32_t snd_wl2;
    uint32_t rcv_nxt;
    uint32_t rcv_adv;   /* right edge of the window advertised */
    uint32_t rcv_acked; /* last ACK sent (RFC 7323: Last.ACK.sent) */
    uint32_t cwnd;      /* bytes (RFC 5681) */
    uint32_t ssthresh;  /* bytes */
    uint32_t recover;   /* RFC 6582; TCP_R_TAIL_OUT: TLP.end_seq */
    uint32_t srtt_us;   /* 0: no measurement yet */
    uint32_t rttvar_us;
    uint32_t rtt_seq;      /* an ACK of this ends the measurement under way */
    uint32_t rtt_start_us; /* low 32 bits */
    uint32_t ts_recent;    /* RFC 7323 */
    uint32_t ts_recent_s;  /* when ts_recent was taken, s */
    uint32_t sent_us;      /* when data was last sent; low 32 bits, as mark_us */
    uint32_t
        mark_end; /* of the flight, what comes before this was sent at mark_us or earlier, the rest later */
    uint32_t mark_us;
    uint32_t rtt_min_us; /* 0: no measurement yet */
    uint32_t board;      /* index of the block with the tcp_board, and one; 0: none */
    uint16_t mss;        /* payload bytes of the largest segment we send, options counted in */
    uint16_t rcv_mss;    /* payload bytes of the largest segment received */
    uint8_t snd_scale;
    uint8_t rcv_scale;
    uint8_t retransmits; /* in a row, without an answer */
    uint8_t backoff;     /* doublings of the RTO */
    uint8_t dup_acks;
    uint8_t keep_probes; /* in a row, without an answer */
    uint8_t challenge_count;
    uint8_t repair;   /* enum tcp_repair_flag */
    struct chain rcv; /* bytes received: `length` in order; out-of-order ones behind, as `ranges` tells */
};
_Static_assert(sizeof(struct tcp_conn) == 248, "tcp_conn is a published format");
_Static_assert(offsetof(struct tcp_conn, tuple) == 40 && offsetof(struct tcp_conn, state) == 76 &&
                   offsetof(struct tcp_conn, snd_una_pos) == 80 && offsetof(struct tcp_conn, timer_at) == 96 &&
                   offsetof(struct tcp_conn, iss) == 120 && offsetof(struct tcp_conn, cwnd) == 164 &&
                   offsetof(struct tcp_conn, mss) == 220 && offsetof(struct tcp_conn, snd_scale) == 224 &&
                   offsetof(struct tcp_conn, rcv) == 232,
               "tcp_conn is a published format");

#endif
