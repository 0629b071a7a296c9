/*
 * Fuzzes the segment parser and the connection behind it: the input is a script of raw segments, pauses and
 * the owner's calls, played to a connection in any state; its invariants are checked after each.
 *
 * Input: {state} then steps {op}{...}: op % 8: 0-3 segment {length:2}{bytes}, sequence numbers relative to
 * the connection's as the op's bits 3 (seq to rcv_nxt) and 4 (ack to snd_una) say; 4 pause {doublings of 1
 * ms}; 5 owner {call}; 6 read {bytes}; 7 send {bytes}.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "dataplane/base/bytes.h"
#include "dataplane/tcp/tcp.h"

#define BLOCKS 24
#define LIMIT  20000

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct script {
    const uint8_t *p, *end;
};

struct player {
    struct tcp_conn c;
    struct tcp_config config;
    struct tcp_env env;
    uint64_t now_us;
    size_t pending;
};

static uint8_t next(struct script *s)
{
    return s->p < s->end ? *s->p++ : 0;
}

static size_t extend(void *stream, size_t room)
{
    struct player *f = stream;
    size_t n = min_u64(f->pending, room);
    f->pending -= n;
    return n;
}

static size_t fill(void *stream, uint64_t pos, uint8_t *dst, size_t len)
{
    memset(dst, (int)pos, len);
    return len;
}

static void drain(struct player *f)
{
    struct tcp_plan p;
    uint8_t bytes[2000];
    struct tcp_segment s;
    for (int i = 0; tcp_plan(&f->c, &f->env, f->now_us, &p); i++) {
        tcp_check_all(&f->c, &f->env);
        size_t len = tcp_build(&p, fill, f, bytes, sizeof bytes);
        if (len == 0 || tcp_parse(bytes, len, &s) != DROP_NONE || s.seq != p.seq || s.len != p.len ||
            i > 20000)
            abort();
    }
}

static void segment(struct player *f, struct script *in, uint8_t op)
{
    uint8_t bytes[4096];
    struct tcp_segment s;
    struct tcp_out out;
    struct tcp_plan p;
    size_t len = (size_t)(next(in) << 8 | next(in)) % sizeof bytes;
    for (size_t i = 0; i < len; i++)
        bytes[i] = next(in);
    (void)tcp_checksum_ok(bytes, len, f->c.tuple.remote, f->c.tuple.local);
    if (tcp_parse(bytes, len, &s) != DROP_NONE)
        return;
    if (s.data < bytes || s.data + s.len != bytes + len)
        abort();
    s.seq += op & 8 ? f->c.rcv_nxt : 0;
    s.ack += op & 16 ? f->c.snd_una : 0;
    (void)tcp_reset_for(&s, &f->c.tuple, &p);
    tcp_input(&f->c, &f->env, &s, f->now_us, &out);
    tcp_check_all(&f->c, &f->env);
    if (out.data && (out.data < s.data || out.data + out.len > s.data + s.len || !(out.events & TCP_EV_DATA)))
        abort();
    if (out.data && op & 32)
        tcp_keep(&f->c, &f->env, out.data + out.len / 2, out.len - out.len / 2);
}

static void owner_calls(struct player *f, uint8_t call)
{
    if (call % 4 == 0)
        tcp_close(&f->c);
    if (call % 16 == 1)
        tcp_abort(&f->c);
    if (call % 4 == 2)
        tcp_path_mtu(&f->c, f->c.snd_una, (uint16_t)(call * 8));
}

static void read_some(struct player *f, uint8_t amount)
{
    uint8_t bytes[256];
    uint32_t n = tcp_peek(&f->c, &f->env, 0, bytes, amount);
    tcp_consume(&f->c, &f->env, n);
}

static void step(struct player *f, struct script *in)
{
    uint8_t op = next(in);
    switch (op % 8) {
    case 4:
        f->now_us += 1000ull << next(in) % 24;
        tcp_on_timer(&f->c, &f->env, f->now_us);
        break;
    case 5:
        owner_calls(f, next(in));
        break;
    case 6:
        read_some(f, next(in));
        break;
    case 7:
        f->pending += next(in) * 16u;
        break;
    default:
        segment(f, in, op);
    }
    tcp_check_all(&f->c, &f->env);
    if (op & 64)
        drain(f);
    tcp_check_all(&f->c, &f->env);
}

/* Brings the connection to where the script begins. */
static void open_conn(struct player *f, uint8_t how)
{
    static const struct tcp_tuple tuple = {
        {[10] = 0xff, 0xff, 198, 18, 0, 1}, {[10] = 0xff, 0xff, 198, 18, 0, 2}, 443, 40000};
    struct tcp_segment s = {.seq = 4999, .flags = TCP_SYN, .window = 30000, .mss = 1000};
    struct tcp_out out;
    s.has_timestamps = how & 1;
    s.sack_permitted = s.has_scale = how & 2;
    s.scale = how >> 5;
    uint32_t iss = how & 4 ? 0xfffffff0 : 1000;
    if (how & 8)
        tcp_connect(&f->c, &f->env, &tuple, iss, f->now_us);
    else
        tcp_accept(&f->c, &f->env, &tuple, &s, iss, f->now_us);
    drain(f);
    if (!(how & 16))
        return;
    s.flags = how & 8 ? TCP_SYN | TCP_ACK : TCP_ACK;
    s.seq += !(how & 8);
    s.ack = iss + 1;
    tcp_input(&f->c, &f->env, &s, f->now_us, &out);
    tcp_check_all(&f->c, &f->env);
    if (f->c.state != TCP_ESTABLISHED)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct pool *blocks;
    if (!blocks)
        blocks = malloc(sizeof *blocks + BLOCKS * BLOCK_SIZE);
    pool_init(blocks, blocks + 1, BLOCK_SIZE, BLOCKS);
    struct player f = {.config = tcp_config_default(), .now_us = 1000000000};
    struct script in = {data, data + size};
    f.config.rcv_limit = LIMIT;
    f.env = (struct tcp_env){.config = &f.config, .blocks = blocks, .extend = extend, .stream = &f};
    open_conn(&f, next(&in));
    for (int steps = 0; in.p < in.end && steps < 500; steps++)
        step(&f, &in);
    drain(&f);
    tcp_release(&f.c, &f.env);
    if (blocks->used)
        abort();
    return 0;
}
