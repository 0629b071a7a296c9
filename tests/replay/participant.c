/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "participant.h"

#include <stdio.h>

#include "dataplane/ws/frame.h"

const uint8_t client_ip[16] = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 2};
const uint8_t server_ip[16] = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 1};
const uint8_t client_mac[6] = {2, 0, 0, 0, 0, 2}, server_mac[6] = {2, 0, 0, 0, 0, 1};

static size_t extend(void *stream, size_t room)
{
    struct participant *c = stream;
    size_t n = min_u64(c->sent_length - c->sent_offered, room);
    c->sent_offered += (uint32_t)n;
    return n;
}

static size_t fill(void *stream, uint64_t pos, uint8_t *dst, size_t len)
{
    memcpy(dst, ((const struct participant *)stream)->sent + pos, len);
    return len;
}

static struct tcp_env env_of(struct participant *c)
{
    return (struct tcp_env){.config = &c->config, .blocks = &c->blocks.pool, .extend = extend, .stream = c};
}

static void send_raw(struct participant *c, const uint8_t *data, size_t len)
{
    assert_true(c->sent_length + len <= STREAM_MAX);
    memcpy(c->sent + c->sent_length, data, len);
    c->sent_length += (uint32_t)len;
}

void participant_start(struct participant *c, uint32_t index, struct tls_client *tls, uint64_t now_us)
{
    memset(c, 0, sizeof *c);
    c->index = index;
    c->config = tcp_config_default();
    c->mode = index == 2 ? VOICE_XCHACHA20_RTPSIZE : VOICE_AES256_GCM_RTPSIZE;
    pool_init(&c->blocks.pool, c->blocks.block, sizeof c->blocks.block[0], BLOCKS);
    struct tcp_tuple tuple = {.local_port = (uint16_t)(TCP_PORT_OF + index), .remote_port = 443};
    memcpy(tuple.local, client_ip, 16);
    memcpy(tuple.remote, server_ip, 16);
    struct tcp_env env = env_of(c);
    tcp_connect(&c->tcp, &env, &tuple, 77777 * (index + 1), now_us);
    struct tls_step_result hello;
    c->handshake = tls_client_start(tls, "pop.test", NULL, false, &hello);
    assert_non_null(c->handshake);
    send_raw(c, hello.send, hello.send_len);
}

void participant_end(struct participant *c)
{
    tls_handshake_free(c->handshake);
    c->handshake = NULL;
}

void participant_say(struct participant *c, const void *data, size_t len)
{
    struct tls_keys keys;
    struct tls_span span = {data, len};
    assert_true(tls_keys_write(&keys, &c->tls, c->tls.write_epoch));
    assert_true(c->sent_length + tls_sealed_size(len) <= STREAM_MAX);
    c->sent_length += (uint32_t)tls_seal(&keys, tls_take_record(&c->tls), TLS_APPLICATION_DATA, &span, 1,
                                         c->sent + c->sent_length);
}

void participant_say_text(struct participant *c, const char *text)
{
    static const uint8_t mask[4] = {1, 2, 3, 4};
    uint8_t frame[512];
    size_t n = strlen(text), head = ws_frame_head_masked(frame, WS_OP_TEXT, true, n, mask);
    memcpy(frame + head, text, n);
    ws_mask(frame + head, n, mask, 0);
    participant_say(c, frame, head + n);
}

/* A record while OpenSSL shakes hands. */
static void shake(struct participant *c, const uint8_t *record, size_t len)
{
    struct tls_step_result step;
    tls_handshake_step(c->handshake, record, len, &step);
    assert_int_not_equal(step.step, TLS_STEP_FAILED);
    send_raw(c, step.send, step.send_len);
    if (step.step != TLS_STEP_DONE)
        return;
    tls_conn_start(&c->tls, &step.secrets, true);
    participant_end(c);
}

static void open_record(struct participant *c, const struct tls_record *r)
{
    struct tls_opened opened;
    struct tls_keys keys;
    tls_keys_read(&keys, &c->tls);
    assert_true(c->text_length + r->length <= STREAM_MAX);
    tls_open(&c->tls, &keys, r, c->text + c->text_length, 0, &opened);
    assert_int_not_equal(opened.event, TLS_EVENT_REFUSED);
    if (opened.event == TLS_EVENT_DATA)
        c->text_length += (uint32_t)opened.len;
}

static void read_records(struct participant *c)
{
    uint32_t arrived = c->tcp.rcv_nxt - c->tcp.irs - 1;
    struct tls_record r;
    struct tls_refusal why;
    for (int n; c->tcp.state >= TCP_ESTABLISHED && c->opened < arrived; c->opened += (uint32_t)n) {
        enum tls_phase phase = c->handshake ? TLS_PHASE_HANDSHAKE : TLS_PHASE_OPEN;
        n = tls_record_parse(c->wire + c->opened, arrived - c->opened, phase, &r, &why);
        assert_true(n >= 0);
        if (n == 0)
            return;
        if (c->handshake)
            shake(c, c->wire + c->opened, (size_t)n);
        else
            open_record(c, &r);
    }
}

void participant_frame(struct participant *c, const uint8_t *frame, size_t len, uint64_t now_us)
{
    struct net_packet p;
    struct tcp_segment s;
    struct tcp_out out = {0};
    if (net_parse(frame, len, &p) != NET_TCP || p.destination_port != TCP_PORT_OF + c->index)
        return;
    assert_true(tcp_checksum_ok(p.l4, p.l4_len, p.source, p.destination));
    assert_int_equal(tcp_parse(p.l4, p.l4_len, &s), DROP_NONE);
    uint32_t pos = s.seq - c->tcp.irs - 1;
    if (c->tcp.state >= TCP_ESTABLISHED && pos < STREAM_MAX && s.len <= STREAM_MAX - pos)
        memcpy(c->wire + pos, s.data, s.len);
    struct tcp_env env = env_of(c);
    tcp_input(&c->tcp, &env, &s, now_us, &out);
    assert_false(out.events & TCP_EV_RESET);
    tcp_consume(&c->tcp, &env, tcp_readable(&c->tcp));
    read_records(c);
}

size_t participant_next(struct participant *c, uint8_t *frame, size_t room, uint64_t now_us)
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

void participant_timer(struct participant *c, uint64_t now_us)
{
    struct tcp_env env = env_of(c);
    if (tcp_deadline(&c->tcp) <= now_us)
        tcp_on_timer(&c->tcp, &env, now_us);
}

bool participant_heard(const struct participant *c, const char *text)
{
    return memmem(c->text, c->text_length, text, strlen(text)) != NULL;
}

void voice_key(uint32_t index, uint8_t key[32])
{
    memset(key, (int)index + 1, 32);
}

size_t participant_talk(struct participant *c, uint8_t *frame)
{
    struct net_path path = {0};
    struct aead_key expanded;
    uint8_t *p = frame + net_header_len(client_ip) + 8, key[32], nonce[AEAD_NONCE_SIZE_MAX] = {0};
    uint32_t number = c->voice_sent++, counter = number + 1;
    char text[32];
    int n = snprintf(text, sizeof text, "frame %u %u", c->index, number);
    voice_key(c->index, key);
    aead_key_expand(&expanded,
                    c->mode == VOICE_AES256_GCM_RTPSIZE ? AEAD_AES_256_GCM : AEAD_XCHACHA20_POLY1305, key);
    put_be16(p, 0x8078);
    put_be16(p + 2, (uint16_t)number);
    put_be32(p + 4, number * 960);
    put_be32(p + 8, SSRC_OF + c->index);
    put_be32(nonce, counter);
    aead_seal(&expanded, nonce, p, 12, (const uint8_t *)text, (size_t)n, p + 12, p + 12 + n);
    put_be32(p + 12 + n + 16, counter);
    memcpy(path.source, client_ip, 16);
    memcpy(path.destination, server_ip, 16);
    memcpy(path.source_mac, client_mac, 6);
    memcpy(path.next_hop_mac, server_mac, 6);
    return net_emit_udp(frame, &path, (uint16_t)(VOICE_PORT + c->index), c->voice_port,
                        (size_t)(12 + n + 20));
}
