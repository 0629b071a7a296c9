/*
 * The scoreboard of a flight (include/tcp_board.h): which parts of it were sacked, lost or sent again, and
 * when each was sent.
 *
 * Owns: the block it lies in, the spans, `pipe`. Refuses: to judge what is lost (rack.c) and how much may be
 * sent (cc.c). Bound: TCP_SPANS_MAX spans; when they are short, times are blurred first, then what the peer
 * sacked last is forgotten: it may be sent once more than needed. Policy when no block can be had: no board;
 * the connection repairs as if the peer knew no SACK.
 * Read first: RFC 6675 (section 3, 4), 8985 (section 5).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TCP_SCOREBOARD_H
#define VOXPOP_TCP_SCOREBOARD_H

#include "dataplane/tcp/tcp.h"
#include "tcp_board.h"

/* A part of the flight that has just been delivered: acknowledged or sacked for the first time. */
struct tcp_delivery {
    uint32_t end, sent_us;
    bool resent;
};
typedef void tcp_delivered_fn(void *user, const struct tcp_delivery *d);

/* NULL: none. What it points to may be changed. */
struct tcp_board *board_of(const struct tcp_conn *c, const struct tcp_env *env);
/* The same, to look at only. */
const struct tcp_board *board_peek(const struct tcp_conn *c, const struct tcp_env *env);
/* Takes a block if there is none yet. NULL: no block to spare. */
struct tcp_board *board_open(struct tcp_conn *c, const struct tcp_env *env);
void board_close(struct tcp_conn *c, const struct tcp_env *env);

/* Spans are kept: something is sacked, lost or sent again, or a recovery is under way. */
static inline bool board_tracks(const struct tcp_board *b)
{
    return b && b->count;
}

/* Begins to keep spans, from what the connection knows of its flight. */
void board_begin(struct tcp_board *b, struct tcp_conn *c);
/* Ends it, unless something has to be remembered. */
void board_tidy(struct tcp_board *b, const struct tcp_conn *c);

/* [seq, end) was sent now. */
void board_sent(struct tcp_board *b, uint32_t seq, uint32_t end, uint32_t now_us, uint32_t blur_us);
/* Everything before `ack` was acknowledged. Returns how many bytes were not sacked before. */
uint32_t board_acked(struct tcp_board *b, uint32_t ack, tcp_delivered_fn *delivered, void *user);
/* [start, end) was sacked. Returns how many bytes were not sacked before. */
uint32_t board_sacked(struct tcp_board *b, uint32_t start, uint32_t end, tcp_delivered_fn *delivered,
                      void *user);
/* Counts what is not sacked as lost, as far as it was sent more than age_us ago; the first span in any case.
 */
void board_give_up(struct tcp_board *b, uint32_t now_us, uint32_t age_us);
/* Nothing is sacked any more: the peer took it back. */
void board_forget_sacks(struct tcp_board *b);
/* What counts as lost and was not sent again does not any more. */
void board_unlose(struct tcp_board *b);
/* The first lost part at or behind snd_una, at most `most` bytes: its length, 0: none. */
uint32_t board_lost(const struct tcp_board *b, uint32_t most, uint32_t *seq);
uint32_t board_sacked_bytes(const struct tcp_board *b);
/* Something sent again is not acknowledged yet. */
bool board_resent(const struct tcp_board *b);
/* Sums `pipe` up anew, after states were changed. */
void board_count(struct tcp_board *b);
/* Asserts what holds. */
void board_check(const struct tcp_board *b, const struct tcp_conn *c);

#endif
