/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "crash_client.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>

#include "dataplane/ws/frame.h"

const uint8_t client_ip[16] = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 2};
const uint8_t server_ip[16] = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 1};
const uint8_t client_mac[6] = {2, 0, 0, 0, 0, 2}, server_mac[6] = {2, 0, 0, 0, 0, 1};

#define BLOCKS 64

static struct tcp_config config;
static struct {
    struct pool pool;
    struct block block[BLOCKS];
} blocks;

static size_t extend(void *stream, size_t room)
{
    struct client *c = stream;
    size_t n = min_u64(c->sent_length - c->sent_offered, room);
    c->sent_offered += (uint32_t)n;
    return n;
}

static size_t fill(void *stream, uint64_t pos, uint8_t *dst, size_t len)
{
    const struct client *c = stream;
    memcpy(dst, c->sent + pos, len);
    return len;
}

static struct tcp_env env_of(struct client *c)
{
    return (struct tcp_env){.config = &config, .blocks = &blocks.pool, .extend = extend, .stream = c};
}

void client_start(struct client *c, uint64_t now_us)
{
    client_start_from(c, 50000, 0xfffffff0u, now_us);
}

void client_close(struct client *c)
{
    tcp_close(&c->tcp);
}

void client_start_from(struct client *c, uint16_t port, uint32_t iss, uint64_t now_us)
{
    memset(c, 0, sizeof *c);
    memset(&blocks, 0, sizeof blocks);
    pool_init(&blocks.pool, blocks.block, sizeof blocks.block[0], BLOCKS);
    config = tcp_config_default();
    struct tcp_tuple tuple = {.local_port = port, .remote_port = 443};
    memcpy(tuple.local, client_ip, 16);
    memcpy(tuple.remote, server_ip, 16);
    struct tcp_env env = env_of(c);
    tcp_connect(&c->tcp, &env, &tuple, iss, now_us);
}

void client_keys(struct client *c, const struct tls_secrets *secrets)
{
    tls_conn_start(&c->tls, secrets, true);
}

void client_say(struct client *c, const void *data, size_t len)
{
    struct tls_keys keys;
    assert_true(tls_keys_write(&keys, &c->tls, c->tls.write_epoch));
    struct tls_span span = {data, len};
    c->sent_length += (uint32_t)tls_seal(&keys, tls_take_record(&c->tls), TLS_APPLICATION_DATA, &span, 1, c->sent + c->sent_length);
    assert_true(c->sent_length < CLIENT_STREAM_MAX - 2048);
}

void client_say_plainly(struct client *c, const void *data, size_t len)
{
    memcpy(c->sent + c->sent_length, data, len);
    c->sent_length += (uint32_t)len;
}

void client_say_text(struct client *c, const char *text)
{
    uint8_t frame[1024];
    static const uint8_t mask[4] = {1, 2, 3, 4};
    size_t n = strlen(text), head = ws_frame_head_masked(frame, WS_OP_TEXT, true, n, mask);
    memcpy(frame + head, text, n);
    ws_mask(frame + head, n, mask, 0);
    client_say(c, frame, head + n);
}

/* A position of the stream has one content, however often it is sent. */
static void remember(struct client *c, uint32_t seq, const uint8_t *data, uint32_t len)
{
    for (uint32_t i = 0; i < len; i++) {
        uint32_t pos = seq + i - c->tcp.irs - 1;
        if (pos >= CLIENT_STREAM_MAX)
            continue;
        if (c->wire_known[pos])
            assert_int_equal(c->wire[pos], data[i]);
        c->wire[pos] = data[i];
        c->wire_known[pos] = 1;
    }
}

static void open_records(struct client *c)
{
    struct tls_record r;
    struct tls_refusal why;
    struct tls_opened opened;
    struct tls_keys keys;
    uint32_t arrived = c->tcp.rcv_nxt - c->tcp.irs - 1 - c->ended; /* a FIN is no byte */
    while (c->tls.state == TLS_CONN_OPEN && c->opened < arrived) {
        int n = tls_record_parse(c->wire + c->opened, arrived - c->opened, TLS_PHASE_OPEN, &r, &why);
        assert_true(n >= 0);
        if (n == 0)
            return;
        tls_keys_read(&keys, &c->tls);
        tls_open(&c->tls, &keys, &r, c->text + c->text_length, 0, &opened);
        assert_int_not_equal(opened.event, TLS_EVENT_REFUSED);
        if (opened.event == TLS_EVENT_DATA)
            c->text_length += (uint32_t)opened.len;
        c->opened += (uint32_t)n;
    }
}

void client_frame(struct client *c, const uint8_t *frame, size_t len, uint64_t now_us)
{
    struct net_packet p;
    struct tcp_segment s;
    struct tcp_out out = {0};
    if (net_parse(frame, len, &p) != NET_TCP)
        return;
    assert_true(tcp_checksum_ok(p.l4, p.l4_len, p.source, p.destination));
    assert_int_equal(tcp_parse(p.l4, p.l4_len, &s), DROP_NONE);
    if (s.dst_port != c->tcp.tuple.local_port)
        return;
    if (c->tcp.state >= TCP_ESTABLISHED)
        remember(c, s.seq, s.data, s.len);
    struct tcp_env env = env_of(c);
    tcp_input(&c->tcp, &env, &s, now_us, &out);
    c->reset |= (out.events & TCP_EV_RESET) != 0;
    c->ended |= (out.events & TCP_EV_PEER_FIN) != 0;
    tcp_consume(&c->tcp, &env, tcp_readable(&c->tcp));
    open_records(c);
}

size_t client_next(struct client *c, uint8_t *frame, size_t room, uint64_t now_us)
{
    struct tcp_env env = env_of(c);
    struct tcp_plan plan;
    if (!tcp_plan(&c->tcp, &env, now_us, &plan))
        return 0;
    struct net_path path = {0};
    memcpy(path.source, client_ip, 16);
    memcpy(path.destination, server_ip, 16);
    memcpy(path.source_mac, client_mac, 6);
    memcpy(path.next_hop_mac, server_mac, 6);
    size_t head = net_header_len(path.destination);
    return net_emit_ip(frame, &path, TCP_PROTOCOL, tcp_build(&plan, fill, c, frame + head, room - head));
}

void client_timer(struct client *c, uint64_t now_us)
{
    struct tcp_env env = env_of(c);
    if (tcp_deadline(&c->tcp) <= now_us)
        tcp_on_timer(&c->tcp, &env, now_us);
}
