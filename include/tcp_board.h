/*
 * What a connection knows of its flight once something was lost or came out of order. It lies in a receive
 * block of its own, taken at the first sign of a loss and given back when nothing is in flight any more: an
 * idle connection has none (struct tcp_conn, `board`).
 *
 * `spans` cut the flight [start, end of the last) into runs of one fate. Empty: nothing is sacked, lost or
 * sent again, and tcp_conn's mark tells when the flight was sent.
 *
 * Writer: the worker that owns the connection. Times are the low 32 bits of microseconds.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TCP_BOARD_H
#define VOXPOP_TCP_BOARD_H

#include "block.h"

enum tcp_span_state {
    TCP_SPAN_SACKED = 1, /* the peer says it has it */
    TCP_SPAN_LOST = 2,   /* to be sent again; not in flight */
    TCP_SPAN_RESENT = 4, /* sent more than once */
};

/* Sequence numbers from the end of the span before, up to `end`. */
struct tcp_span {
    uint32_t end;
    uint32_t first_us; /* none of it was sent (the last time) before that, */
    uint32_t sent_us;  /* nor after that */
    uint32_t state;    /* enum tcp_span_state */
};

enum tcp_board_flag {
    TCP_BOARD_TIMEOUT = 1, /* what is lost was given up by a timeout, up to `recover` */
    TCP_BOARD_UNDO = 2,    /* prior_* hold until an ACK tells whether the first retransmission was needed */
    TCP_BOARD_RACK = 4,    /* rack_* are set */
};

#define TCP_SPANS_MAX 118u

struct tcp_board {
    uint32_t start;      /* of the first span */
    uint32_t pipe;       /* bytes in flight: neither sacked nor lost */
    uint16_t count;      /* spans */
    uint8_t flags;       /* enum tcp_board_flag */
    uint8_t reo_steps;   /* reordering window, in quarters of a round trip (RFC 8985 6.2 step 4) */
    uint8_t reo_persist; /* recoveries until it is one again */
    uint8_t pad0[3];
    uint32_t fack;          /* end of the highest that was delivered */
    uint32_t rack_us;       /* of what was delivered and sent last: when it was sent, */
    uint32_t rack_end;      /* where it ends, */
    uint32_t rack_rtt_us;   /* and how long it took */
    uint32_t dsack_next;    /* a duplicate counts again when this is acknowledged */
    uint32_t prr_delivered; /* bytes, since recovery began (RFC 6937) */
    uint32_t prr_out;
    uint32_t prr_flight; /* RecoverFS */
    uint32_t prior_cwnd; /* before the loss */
    uint32_t prior_ssthresh;
    uint32_t resent_ts;   /* our timestamp at the first retransmission (RFC 3522) */
    uint32_t cubic_max;   /* W_max, bytes (RFC 9438) */
    uint32_t cubic_prior; /* cwnd at the last loss, bytes */
    uint32_t cubic_k_ms;
    uint32_t cubic_epoch_ms; /* 0: none begun */
    uint32_t pad1;
    uint64_t cubic_reno_256; /* W_est, 1/256 bytes */
    struct tcp_span spans[TCP_SPANS_MAX];
};
_Static_assert(sizeof(struct tcp_board) == 88 + 16 * TCP_SPANS_MAX, "tcp_board is a published format");
_Static_assert(sizeof(struct tcp_board) <= BLOCK_DATA, "tcp_board lies in one block");

#endif
