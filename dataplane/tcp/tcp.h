/*
 * TCP as a pure core: segments, `now` and the owner's calls go in; events, plans of segments and a deadline
 * come out.
 *
 * Owns: struct tcp_conn (include/tcp_conn.h), the receive chain in it, and the wire format of a segment.
 * Refuses: I/O, clocks, payload to send (it asks for it by stream position), listening (which SYN is welcome
 * is the owner's decision), urgent data (taken inline), a FIN out of order.
 * Read first: RFC 9293 (3.10), 6298, 5681, 7323, 2018, 8985, 6937, 9438, 5961.
 *
 * The contract, in one sentence: save the slot, change the connection once (tcp_input, tcp_on_timer, a call),
 * act on the events, then call tcp_plan until it returns 0; after the commit build the plans; come back at
 * tcp_deadline. Whoever stops planning earlier has to go on later: no deadline reminds of it.
 *
 * Times are microseconds of one clock that never goes back, not even over a restart of the process. Stream
 * positions are 64-bit and count payload bytes from 0 in each direction. Undo log: the room one call may need
 * is tcp_undo_max().
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TCP_H
#define VOXPOP_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drop_reason.h"
#include "tcp_conn.h"

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_PSH 0x08
#define TCP_ACK 0x10
#define TCP_URG 0x20

#define TCP_HEADER_MAX 60
#define TCP_PROTOCOL   6
#define TCP_SACKS_MAX  4u  /* blocks in one segment; 3 beside a timestamp */
#define TCP_ROOM_MIN   64u /* the least that `extend` is offered */

enum tcp_congestion { TCP_CUBIC = 0, TCP_NEWRENO = 1 };

/* Limits and timeouts: facts of a deployment. tcp_config_default() gives usable ones. */
struct tcp_config {
    uint16_t mss4;      /* offered over IPv4: MTU - 40 */
    uint16_t mss6;      /* offered over IPv6: MTU - 60 */
    uint32_t rcv_limit; /* bytes held and advertised per connection */
    uint32_t rto_initial_us;
    uint32_t rto_min_us;
    uint32_t rto_max_us;
    uint32_t delayed_ack_us;
    uint64_t time_wait_us;
    uint64_t fin_wait_2_us;     /* how long a peer may leave its side open after we closed ours */
    uint64_t keepalive_idle_us; /* 0: off */
    uint64_t keepalive_interval_us;
    bool timestamps;    /* offered, and taken when offered (RFC 7323) */
    bool sack;          /* the same (RFC 2018) */
    uint8_t congestion; /* enum tcp_congestion */
    uint8_t keepalive_probes_max;
    uint8_t retransmit_max; /* in a row without an answer; then the connection is given up */
    uint8_t syn_retransmit_max;
    uint8_t challenge_max; /* challenge ACKs a second (RFC 5961 section 7), a connection */
};

/* Totals since the owner zeroed them. Outside the transaction: a scratch of the owner's, or NULL. */
struct tcp_counters {
    uint64_t segments_in, segments_out, retransmits, fast_retransmits, timeouts, probes, tail_probes,
        challenges, duplicate_acks, out_of_order, undone;
};

/* Appends the next record(s), at most `room` bytes in all, to the stream; returns how many bytes were added
 * (0: nothing pending, or nothing that can be cut into so little). May call tcp_close. */
typedef size_t tcp_extend_fn(void *stream, size_t room);

/* Re-creates `len` sent bytes from stream position `pos` into dst; returns len, or less when it cannot. */
typedef size_t tcp_fill_fn(void *stream, uint64_t pos, uint8_t *dst, size_t len);

/*
 * Challenge ACKs that all connections of a worker may send in one second (RFC 5961 section 7). How many is
 * drawn anew each second between half of the limit and all of it, so that nobody can count them out
 * (CVE-2016-5696). All zero is a fresh one.
 */
struct tcp_challenges {
    uint64_t second;
    uint32_t left;
    uint32_t limit;
    uint8_t key[16];
};

/* May one more be sent? NULL: there is no limit. */
bool tcp_challenge_take(struct tcp_challenges *t, uint64_t now_us);

/* What the calls of one connection need from outside. */
struct tcp_env {
    const struct tcp_config *config;
    struct pool *blocks;   /* for what is received, and for scoreboards */
    struct txn *txn;       /* the transaction under way, or NULL */
    tcp_extend_fn *extend; /* NULL: the stream does not grow by itself (tests set snd_end) */
    void *stream;          /* handed to extend */
    struct tcp_counters *counters;
    struct tcp_challenges *challenges; /* of the worker, or NULL */
};

/* A received segment, host order. `data` points into the packet. */
struct tcp_segment {
    uint16_t src_port, dst_port;
    uint32_t seq, ack;
    uint8_t flags;
    uint16_t window; /* as on the wire, not scaled */
    uint16_t mss;    /* 0: no such option */
    uint8_t scale;   /* window scale, 0..14, when has_scale */
    bool has_scale, has_timestamps, sack_permitted;
    uint8_t sack_count; /* blocks in use, as on the wire: nothing is proved of them */
    uint32_t ts_val, ts_ecr;
    const uint8_t *data;
    uint32_t len;
    struct tcp_range sack[TCP_SACKS_MAX]; /* last: what is not in use is not copied */
};

enum tcp_event {
    TCP_EV_ESTABLISHED = 1 << 0,
    TCP_EV_DATA = 1 << 1,      /* in-order bytes: at out->data, or tcp_readable */
    TCP_EV_ACKED = 1 << 2,     /* snd_una_pos advanced */
    TCP_EV_PEER_FIN = 1 << 3,  /* no byte follows those that are readable now */
    TCP_EV_RESET = 1 << 4,     /* the peer reset it; CLOSED is set too */
    TCP_EV_TIMEOUT = 1 << 5,   /* given up; CLOSED is set too */
    TCP_EV_TIME_WAIT = 1 << 6, /* nothing left but waiting */
    TCP_EV_CLOSED = 1 << 7,    /* tcp_release it and free the slot, once tcp_plan returned 0 */
    TCP_EV_REPLY_RST = 1 << 8, /* answer this segment with tcp_reset_for */
    /* A SYN ends TIME-WAIT; CLOSED is set too. Treat it as a new SYN, with an iss beyond snd_nxt. */
    TCP_EV_REOPEN = 1 << 9,
};

/* `data` are in-order bytes within the packet: consume them, or tcp_keep the rest, before any other call. */
struct tcp_out {
    uint32_t events; /* enum tcp_event */
    const uint8_t *data;
    uint32_t len;
};

/* One segment to send, self-contained: building it needs nothing of the connection. */
struct tcp_plan {
    struct tcp_tuple tuple;
    uint64_t position; /* stream position of the first payload byte */
    uint32_t seq, ack;
    uint32_t ts_val, ts_ecr;
    uint16_t len;    /* payload bytes */
    uint16_t window; /* as on the wire */
    uint16_t mss;    /* option, 0: none */
    uint8_t flags;
    uint8_t scale; /* window scale option, when has_scale */
    bool has_scale, has_timestamps, sack_permitted;
    uint8_t sack_count;
    struct tcp_range sack[TCP_SACKS_MAX]; /* last: what is not in use is not set */
};

/* Undo bytes that one call may need, for a window limit: every block of the chain given back and as many
 * taken, and the scoreboard. */
static inline uint32_t tcp_undo_max(uint32_t rcv_limit)
{
    return 256 + BLOCK_SIZE + 96 * (rcv_limit / BLOCK_DATA + 4);
}

/* segment.c: the wire. All are pure. */

/* Parses a TCP segment that fills [p, p+len). Writes *s only on DROP_NONE. */
enum drop_reason tcp_parse(const uint8_t *p, size_t len, struct tcp_segment *s);
/* True when the checksum over pseudo header and segment is right. Fuzzing builds accept any. */
bool tcp_checksum_ok(const uint8_t *p, size_t len, const uint8_t src[16], const uint8_t dst[16]);
/* Bytes of header that tcp_build will write. */
size_t tcp_header_len(const struct tcp_plan *p);
/* Writes header, options and payload (from fill) to dst, with the checksum. Returns the length, or 0 when cap
 * or fill fall short. */
size_t tcp_build(const struct tcp_plan *p, tcp_fill_fn *fill, void *stream, uint8_t *dst, size_t cap);
/* The RST for a segment that belongs to no connection (RFC 9293 3.10.7.1); false when it deserves none (it is
 * a RST). */
bool tcp_reset_for(const struct tcp_segment *s, const struct tcp_tuple *tuple, struct tcp_plan *p);

/* state.c: opening, closing, describing. */

struct tcp_config tcp_config_default(void);
/* RFC 6528: M + F(tuple, secret key). */
uint32_t tcp_isn(const uint8_t key[16], const struct tcp_tuple *tuple, uint64_t now_us);
/* Takes a SYN (without ACK, RST, FIN) into a fresh connection: SYN-RECEIVED. */
void tcp_accept(struct tcp_conn *c, const struct tcp_env *env, const struct tcp_tuple *tuple,
                const struct tcp_segment *syn, uint32_t iss, uint64_t now_us);
/* Active open: SYN-SENT. */
void tcp_connect(struct tcp_conn *c, const struct tcp_env *env, const struct tcp_tuple *tuple, uint32_t iss,
                 uint64_t now_us);
/* No byte follows those described: a FIN goes out after them, and `extend` is not asked again. Receiving goes
 * on. SYN-SENT ends at once, without an event. */
void tcp_close(struct tcp_conn *c);
/* At once CLOSED, without an event; tcp_plan gives one RST where the peer needs one. */
void tcp_abort(struct tcp_conn *c);
/* Gives back the blocks. To be called before the slot is freed; harmless twice. */
void tcp_release(struct tcp_conn *c, const struct tcp_env *env);
/* ICMP says that segments of more than `mss` payload bytes (IP MTU less headers without options) do not pass;
 * `seq` is the one quoted. False when that number is not in flight (RFC 5927). */
bool tcp_path_mtu(struct tcp_conn *c, uint32_t seq, uint16_t mss);
const char *tcp_state_name(unsigned state);
/* Asserts what holds in each state. */
void tcp_check(const struct tcp_conn *c);
/* The same, with what lies in blocks. */
void tcp_check_all(const struct tcp_conn *c, const struct tcp_env *env);

/* input.c */

/* A segment of this connection, checksum verified. The reason tells why (part of) it was refused; events may
 * be set all the same. */
enum drop_reason tcp_input(struct tcp_conn *c, const struct tcp_env *env, const struct tcp_segment *s,
                           uint64_t now_us, struct tcp_out *out);

/* reassembly.c: the receive chain. */

/* The owner cannot consume these last bytes of out->data now: keeps them. False: no block was free, they are
 * not accepted (the peer will send them again) and must be forgotten. */
bool tcp_keep(struct tcp_conn *c, const struct tcp_env *env, const uint8_t *data, uint32_t len);
static inline uint32_t tcp_readable(const struct tcp_conn *c)
{
    return c->rcv.length;
}
/* Copies up to len readable bytes from `off` bytes into them; returns how many. */
uint32_t tcp_peek(const struct tcp_conn *c, const struct tcp_env *env, uint32_t off, void *dst, uint32_t len);
/* The first n readable bytes are done with. The window may open: call tcp_plan. */
void tcp_consume(struct tcp_conn *c, const struct tcp_env *env, uint32_t n);

/* output.c */

/* Fills *p with the next segment to send and takes it as sent: 1. Nothing (more) to send now: 0. Offers
 * `extend` what both windows leave, at least TCP_ROOM_MIN; a full segment when nothing is in flight, for else
 * nothing would ever probe a closed window. */
int tcp_plan(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us, struct tcp_plan *p);

/* timer.c */

/* When tcp_on_timer wants to be called, us; UINT64_MAX: never. */
uint64_t tcp_deadline(const struct tcp_conn *c);
/* Acts on every deadline that has passed; returns events. */
uint32_t tcp_on_timer(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us);
/* Our own process was away: that the peer did not answer meanwhile tells nothing of it or of the path. Patience begins anew, and what
 * was sent again ever later comes after one RTO at the latest. */
void tcp_resumed(struct tcp_conn *c, const struct tcp_env *env, uint64_t now_us);

#endif
