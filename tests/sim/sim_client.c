/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sim_client.h"

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "dataplane/ws/frame.h"

const uint8_t sim_client_ip[16] = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 2};
const uint8_t sim_server_ip[16] = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 1};
const uint8_t sim_client_mac[6] = {2, 0, 0, 0, 0, 2}, sim_server_mac[6] = {2, 0, 0, 0, 0, 1};

static size_t extend(void *stream, size_t room)
{
    struct sim_client *c = stream;
    size_t n = min_u64(c->sent_length - c->sent_offered, room);
    c->sent_offered += (uint32_t)n;
    return n;
}

static size_t fill(void *stream, uint64_t pos, uint8_t *dst, size_t len)
{
    memcpy(dst, ((const struct sim_client *)stream)->sent + pos, len);
    return len;
}

static struct tcp_env env_of(struct sim_client *c)
{
    return (struct tcp_env){.config = &c->config, .blocks = &c->blocks.pool, .extend = extend, .stream = c};
}

static uint16_t secrets_suite = TLS_AES_128_GCM_SHA256, secrets_limit;

void sim_secrets_for(uint16_t suite, uint16_t record_limit)
{
    secrets_suite = suite;
    secrets_limit = record_limit;
}

void sim_secrets(struct tls_secrets *s)
{
    *s = (struct tls_secrets){.suite = secrets_suite, .record_limit = secrets_limit};
    memset(s->client, 5, sizeof s->client);
    memset(s->server, 6, sizeof s->server);
}

void sim_client_start(struct sim_client *c, uint16_t port, uint32_t iss, uint64_t now_us)
{
    static const uint8_t hello[] = {22, 3, 1, 0, 5, 1, 0, 0, 1, 0};
    struct tls_secrets secrets;
    struct tcp_tuple tuple = {.local_port = port, .remote_port = 443};
    memset(c, 0, offsetof(struct sim_client, blocks));
    memset(&c->tls, 0, sizeof *c - offsetof(struct sim_client, tls));
    c->config = tcp_config_default();
    c->config.rcv_limit = 1u << 20;
    c->config.delayed_ack_us = 0;
    c->reads = true;
    c->heard_alert = SIM_ALERT_NONE;
    pool_init(&c->blocks.pool, c->blocks.block, sizeof c->blocks.block[0], SIM_BLOCKS);
    memcpy(tuple.local, sim_client_ip, 16);
    memcpy(tuple.remote, sim_server_ip, 16);
    struct tcp_env env = env_of(c);
    tcp_connect(&c->tcp, &env, &tuple, iss, now_us);
    sim_secrets(&secrets);
    tls_conn_start(&c->tls, &secrets, true);
    memcpy(c->sent, hello, sizeof hello);
    c->sent_length = sizeof hello;
}

bool sim_client_record(struct sim_client *c, enum tls_content type, const void *data, size_t len)
{
    struct tls_keys keys;
    struct tls_span span = {data, len};
    if (c->sent_length + len + tls_overhead(c->tls.suite) > SIM_STREAM_MAX)
        return false;
    assert_true(tls_keys_write(&keys, &c->tls, c->tls.write_epoch));
    c->sent_length +=
        (uint32_t)tls_seal(&keys, tls_take_record(&c->tls), type, &span, 1, c->sent + c->sent_length);
    return true;
}

size_t sim_frame(uint8_t *to, uint8_t opcode, bool fin, const void *data, size_t len)
{
    static const uint8_t mask[4] = {1, 2, 3, 4};
    size_t head = ws_frame_head_masked(to, opcode, fin, len, mask);
    memcpy(to + head, data, len);
    ws_mask(to + head, len, mask, 0);
    return head + len;
}

static void hear(struct sim_client *c, const struct tls_opened *o)
{
    if (c->heard + o->len <= SIM_TEXT_MAX)
        memcpy(c->text + c->heard, o->data, o->len);
    c->heard += o->len;
    if (o->len > c->longest)
        c->longest = (uint32_t)o->len;
}

void sim_client_read(struct sim_client *c)
{
    static uint8_t bytes[TLS_RECORD_MAX], plain[TLS_RECORD_MAX];
    struct tcp_env env = env_of(c);
    struct tls_record r;
    struct tls_refusal why;
    struct tls_opened opened;
    struct tls_keys keys;
    while (c->reads) {
        uint32_t have = tcp_peek(&c->tcp, &env, 0, bytes, sizeof bytes);
        int n = have ? tls_record_parse(bytes, have, tls_open_phase(&c->tls), &r, &why) : 0;
        if (n == 0)
            return;
        if (n < 0) { /* a plain alert: the handshake was refused */
            tcp_consume(&c->tcp, &env, tcp_readable(&c->tcp));
            return;
        }
        tls_keys_read(&keys, &c->tls);
        tls_open(&c->tls, &keys, &r, plain, 0, &opened);
        if (bytes[0] == TLS_APPLICATION_DATA && opened.event == TLS_EVENT_REFUSED)
            assert_int_equal(opened.why.reason, DROP_TLS_ALERT);
        if (opened.event == TLS_EVENT_DATA)
            hear(c, &opened);
        if (opened.event == TLS_EVENT_REFUSED || opened.event == TLS_EVENT_CLOSED)
            c->heard_alert =
                opened.event == TLS_EVENT_CLOSED ? TLS_ALERT_CLOSE_NOTIFY : c->tls.alert_received;
        tcp_consume(&c->tcp, &env, (uint32_t)n);
    }
}

void sim_client_frame(struct sim_client *c, const struct tcp_segment *s, uint64_t now_us)
{
    struct tcp_out out = {0};
    struct tcp_env env = env_of(c);
    tcp_input(&c->tcp, &env, s, now_us, &out);
    if (out.data)
        tcp_keep(&c->tcp, &env, out.data, out.len);
    sim_client_read(c);
}

size_t sim_client_next(struct sim_client *c, uint8_t *frame, size_t room, uint64_t now_us)
{
    struct tcp_env env = env_of(c);
    struct tcp_plan plan;
    if (c->silent || !tcp_plan(&c->tcp, &env, now_us, &plan))
        return 0;
    struct net_path path = {0};
    memcpy(path.source, sim_client_ip, 16);
    memcpy(path.destination, sim_server_ip, 16);
    memcpy(path.source_mac, sim_client_mac, 6);
    memcpy(path.next_hop_mac, sim_server_mac, 6);
    size_t head = net_header_len(path.destination);
    return net_emit_ip(frame, &path, TCP_PROTOCOL, tcp_build(&plan, fill, c, frame + head, room - head));
}

void sim_client_timer(struct sim_client *c, uint64_t now_us)
{
    struct tcp_env env = env_of(c);
    if (tcp_deadline(&c->tcp) <= now_us)
        tcp_on_timer(&c->tcp, &env, now_us);
}
