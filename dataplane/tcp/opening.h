/*
 * Before a connection and after it: half-open connections, SYN cookies, TIME-WAIT.
 *
 * Owns: the two tables of include/half_open.h, what a cookie says, and what a segment does to an entry.
 * Refuses: connection slots (a completed opening is handed to the owner, who gives it one with
 * tcp_accept_opened), timers (the owner calls when an entry's at_us has come), and rates of answers (the
 * owner's). Read first: RFC 4987; RFC 9293 3.10.7.2-3.10.7.4; RFC 6191; RFC 1337; RFC 6528; RFC 5961.
 *
 * A SYN whose set has a free place is remembered: its ISN is RFC 6528's, its SYN-ACK is sent again. One whose
 * set is full is answered with a cookie and forgotten: nothing that was remembered makes room for it, so a
 * flood harms nobody who came before. A cookie is taken for as long as one given out last may come back
 * (cookies_until_us), and never otherwise: without a flood there is nothing to guess.
 *
 *      cookie, as our ISN:    5 bits of time, in units of 64 s | 3 bits of MSS | 24 bits of MAC over
 * addresses, their ISN, both in our timestamp:      SACK permitted | window scale (15: none) in its lowest 5
 * bits; without timestamps, neither
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TCP_OPENING_H
#define VOXPOP_TCP_OPENING_H

#include "dataplane/tcp/tcp.h"
#include "half_open.h"

/* ---- half-open connections ---- */

struct tcp_openings {
    struct half_open_table *table;
    uint32_t entries; /* a power of two */
    struct txn *txn;
    uint8_t table_key[16], cookie_key[16], isn_key[16];
};

/* The entry of these addresses, or NULL. */
struct half_open *half_open_find(const struct tcp_openings *o, const struct tcp_tuple *tuple);

/* Says what a SYN offered; `iss` is ours. */
void half_open_take(struct half_open *h, const struct tcp_tuple *tuple, const struct tcp_segment *syn,
                    uint32_t iss);

/* Remembers it until at_us and beyond: how its entry begins. NULL: its set is full. */
struct half_open *half_open_add(struct tcp_openings *o, const struct half_open *h, uint64_t at_us);
void half_open_remove(struct tcp_openings *o, struct half_open *h);

/* Its SYN-ACK is to go out again (true), or it has waited long enough and is gone. Half full, nobody waits
 * for a second. */
bool half_open_due(struct tcp_openings *o, struct half_open *h, const struct tcp_config *config,
                   uint64_t now_us);

/* The answer to a SYN, the first and every one after. */
void tcp_syn_ack(const struct half_open *h, const struct tcp_config *config, uint64_t now_us,
                 struct tcp_plan *p);

enum opening_verdict {
    OPENING_DONE,    /* the third packet: tcp_accept_opened, then tcp_input with this segment */
    OPENING_AGAIN,   /* a SYN again: tcp_syn_ack */
    OPENING_RESET,   /* acknowledges what was never sent: tcp_reset_for */
    OPENING_ENDED,   /* reset by the peer: half_open_remove */
    OPENING_NOTHING, /* dropped, with the reason */
};

/* A segment for a half-open connection. */
enum opening_verdict half_open_input(const struct half_open *h, const struct tcp_segment *s,
                                     enum drop_reason *why);

/* ---- cookies ---- */

/* Makes *h of a SYN that cannot be remembered. */
void tcp_cookie_make(struct tcp_openings *o, const struct tcp_tuple *tuple, const struct tcp_segment *syn,
                     uint64_t now_us, struct half_open *h);

/* May cookies come back now? */
static inline bool tcp_cookies_out(const struct tcp_openings *o, uint64_t now_us)
{
    return now_us < o->table->cookies_until_us;
}

/* Makes *h of an ACK that carries a cookie of ours. False: it does not. */
bool tcp_cookie_take(const struct tcp_openings *o, const struct tcp_tuple *tuple,
                     const struct tcp_segment *ack, uint64_t now_us, struct half_open *h);

/* ---- a connection at last ---- */

/* A fresh connection in SYN-RECEIVED, its SYN-ACK sent: what tcp_input then makes of the third packet is the
 * rest. */
void tcp_accept_opened(struct tcp_conn *c, const struct tcp_env *env, const struct half_open *h,
                       uint64_t now_us);

/* ---- TIME-WAIT ---- */

struct tcp_waits {
    struct time_wait_table *table;
    uint32_t entries; /* a power of two */
    struct txn *txn;
    uint8_t table_key[16];
};

/* The entry of these addresses that still waits, or NULL. */
struct time_wait *time_wait_find(const struct tcp_waits *t, const struct tcp_tuple *tuple, uint64_t now_us);

/* Takes over a connection in TIME-WAIT. False: another that still waited had to make room. */
bool time_wait_add(struct tcp_waits *t, const struct tcp_conn *c, const struct tcp_config *config,
                   uint64_t now_us);
void time_wait_remove(struct tcp_waits *t, struct time_wait *e);

enum time_wait_verdict {
    TIME_WAIT_DROP,
    TIME_WAIT_ANSWER,    /* *p is the ACK: the peer has not heard the last one */
    TIME_WAIT_CHALLENGE, /* *p is an ACK that a limit applies to */
    TIME_WAIT_REOPEN,    /* a SYN of a new life: take it, with an ISN behind time_wait_isn() */
};

/* A segment for a connection that waits (RFC 9293 3.10.7.4). A RST changes nothing (RFC 1337). */
enum time_wait_verdict time_wait_input(struct tcp_waits *t, struct time_wait *e, const struct tcp_segment *s,
                                       const struct tcp_config *config, uint64_t now_us, struct tcp_plan *p);

/* An ISN that no segment of the former life can be mistaken behind. */
static inline uint32_t time_wait_isn(const struct time_wait *e)
{
    return e->snd_nxt + 65536 + 1;
}

#endif
