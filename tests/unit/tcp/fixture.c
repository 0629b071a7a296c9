/*
 * See fixture.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/tcp/fixture.h"

#define BLOCKS 64

static size_t extend(void *stream, size_t room)
{
    struct fix *f = stream;
    f->room = room;
    f->asked++;
    size_t n = min_u64(min_u64(f->pending, room), f->record);
    f->pending -= n;
    if (f->close_on_extend && f->pending == 0)
        tcp_close(&f->c);
    return n;
}

static void set_up(struct fix *f)
{
    *f = (struct fix){.config = tcp_config_default(), .now = START, .record = SIZE_MAX};
    f->config.mss4 = MSS;
    f->config.congestion = TCP_NEWRENO;
    f->config.rcv_limit = WINDOW;
    f->blocks = malloc(sizeof *f->blocks + BLOCKS * BLOCK_SIZE);
    pool_init(f->blocks, f->blocks + 1, BLOCK_SIZE, BLOCKS);
    f->env = (struct tcp_env){.config = &f->config, .blocks = f->blocks, .extend = extend, .stream = f, .counters = &f->counters};
    f->next = (struct tcp_segment){.src_port = 40000, .dst_port = 443, .window = WINDOW};
}

void given(struct fix *f, enum tcp_state state)
{
    set_up(f);
    bool opening = state == TCP_SYN_SENT || state == TCP_SYN_RECEIVED, closed = state == TCP_CLOSED;
    bool fin_out = state == TCP_FIN_WAIT_1 || state == TCP_CLOSING || state == TCP_LAST_ACK;
    bool fin_acked = state == TCP_FIN_WAIT_2 || state == TCP_TIME_WAIT;
    bool fin_in =
        state == TCP_CLOSE_WAIT || state == TCP_CLOSING || state == TCP_LAST_ACK || state == TCP_TIME_WAIT;
    uint32_t una = opening ? OURS - 1 : OURS + fin_acked, nxt = una + (opening || fin_out);
    uint32_t rcv_nxt = state == TCP_SYN_SENT ? 0 : THEIRS + fin_in;
    f->c = (struct tcp_conn){
        .tuple = {{[10] = 0xff, 0xff, 198, 18, 0, 1}, {[10] = 0xff, 0xff, 198, 18, 0, 2}, 443, 40000},
        .state = (uint8_t)state,
        .flags = (uint16_t)((fin_out || fin_acked ? TCP_F_CLOSE | TCP_F_FIN_SENT : 0) |
                            (fin_in ? TCP_F_PEER_FIN : 0) |
                            (state == TCP_SYN_SENT ? TCP_F_ACTIVE | TCP_F_SCALE : 0)),
        .timer_at = closed       ? 0
                    : nxt != una ? START + S
                    : fin_acked  ? START + 60 * S
                                 : 0,
        .iss = OURS - 1,
        .irs = state == TCP_SYN_SENT ? 0 : THEIRS - 1,
        .snd_una = una,
        .snd_nxt = nxt,
        .snd_resend = nxt,
        .snd_wnd = WINDOW,
        .snd_wnd_max = WINDOW,
        .snd_wl1 = rcv_nxt,
        .snd_wl2 = una,
        .rcv_nxt = rcv_nxt,
        .rcv_adv = rcv_nxt + WINDOW,
        .rcv_acked = rcv_nxt,
        .cwnd = 10 * MSS,
        .ssthresh = 1u << 30,
        .recover = OURS - 1,
        .sent_us = (uint32_t)START,
        .mark_end = una,
        .mss = MSS,
        .rcv_mss = 536,
    };
    tcp_check_all(&f->c, &f->env);
}

void given_timestamps(struct fix *f)
{
    given(f, TCP_ESTABLISHED);
    f->c.flags |= TCP_F_TIMESTAMPS;
    f->c.ts_recent = 700;
    f->c.ts_recent_s = (uint32_t)(START / S);
    f->next.has_timestamps = true;
    f->next.ts_val = 700;
    f->next.ts_ecr = (uint32_t)(START / MS) + f->c.iss;
}

void done(struct fix *f)
{
    tcp_release(&f->c, &f->env);
    assert_int_equal(f->blocks->used, 0);
    free(f->blocks);
}

uint8_t byte_at(uint32_t seq)
{
    return (uint8_t)(seq * 7 + (seq >> 8));
}

enum drop_reason arrives(struct fix *f, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len)
{
    static uint8_t bytes[65536];
    struct tcp_segment s = f->next;
    for (uint32_t i = 0; i < len; i++)
        bytes[i] = byte_at(seq + !!(flags & TCP_SYN) + i);
    s.flags = flags;
    s.seq = seq;
    s.ack = ack;
    s.data = bytes;
    s.len = len;
    enum drop_reason reason = tcp_input(&f->c, &f->env, &s, f->now, &f->out);
    tcp_check_all(&f->c, &f->env);
    return reason;
}

int plan_all(struct fix *f)
{
    f->count = 0;
    while (f->count < PLANS && tcp_plan(&f->c, &f->env, f->now, &f->plans[f->count])) {
        tcp_check_all(&f->c, &f->env);
        f->count++;
    }
    assert_true(f->count < PLANS);
    return f->count;
}

uint32_t passes(struct fix *f, uint64_t us)
{
    f->now += us;
    uint32_t events = tcp_on_timer(&f->c, &f->env, f->now);
    tcp_check_all(&f->c, &f->env);
    return events;
}

int sends(struct fix *f, size_t bytes)
{
    f->pending += bytes;
    return plan_all(f);
}

void assert_reads(struct fix *f, uint32_t seq, uint32_t len)
{
    uint8_t bytes[65536];
    assert_int_equal(tcp_readable(&f->c), len);
    assert_int_equal(tcp_peek(&f->c, &f->env, 0, bytes, sizeof bytes), len);
    for (uint32_t i = 0; i < len; i++)
        assert_int_equal(bytes[i], byte_at(seq + i));
    tcp_consume(&f->c, &f->env, len);
}

void assert_plan(const struct tcp_plan *p, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len)
{
    assert_int_equal(p->flags & ~TCP_PSH, flags);
    assert_int_equal(p->seq, seq);
    assert_int_equal(p->ack, ack);
    assert_int_equal(p->len, len);
}

void assert_state(const struct fix *f, enum tcp_state state)
{
    assert_string_equal(tcp_state_name(f->c.state), tcp_state_name(state));
}
