/*
 * The herd's bytes: from the handshake by way of the upgrade to messages, and what is sent until it is
 * acknowledged.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "dataplane/base/bytes.h"
#include "dataplane/ws/message.h"
#include "dataplane/ws/upgrade.h"
#include "herd_internal.h"

/* ---- what is sent ---- */

static void put(struct herd *h, struct herd_client *c, const uint8_t *bytes, size_t length)
{
    if (!c->out_length)
        c->out_at = c->tcp.snd_end;
    uint8_t *grown = realloc(c->out, c->out_length + length);
    if (!grown)
        return herd_wrong(h, herd_index(h, c), "no memory for what it sends");
    memcpy(grown + c->out_length, bytes, length);
    c->out = grown;
    c->out_length += (uint32_t)length;
}

static uint64_t out_end(const struct herd_client *c)
{
    return c->out_length ? c->out_at + c->out_length : c->tcp.snd_end;
}

size_t herd_extend(void *stream, size_t room)
{
    const struct herd_client *c = stream;
    return (size_t)min_u64(out_end(c) - c->tcp.snd_end, room);
}

size_t herd_fill(void *stream, uint64_t pos, uint8_t *dst, size_t len)
{
    const struct herd_client *c = stream;
    if (pos < c->out_at || pos + len > c->out_at + c->out_length)
        return 0;
    memcpy(dst, c->out + (pos - c->out_at), len);
    return len;
}

/* Given back when all of it is acknowledged: what a client says is short. */
void herd_acked(struct herd_client *c)
{
    if (!c->out_length || c->tcp.snd_una_pos < c->out_at + c->out_length)
        return;
    free(c->out);
    c->out = NULL;
    c->out_length = 0;
}

static void seal(struct herd *h, struct herd_client *c, const uint8_t *plain, size_t length)
{
    uint8_t sealed[HERD_TEXT_MAX + WS_HEAD_MAX + TLS_SEAL_OVERHEAD];
    struct tls_span span = {plain, length};
    const struct tls_keys *k = tls_key_cache_write(h->keys, herd_handle(h, c), &c->tls, c->tls.write_epoch);
    if (!k) {
        tls_key_cache_begin(h->keys);
        k = tls_key_cache_write(h->keys, herd_handle(h, c), &c->tls, c->tls.write_epoch);
    }
    put(h, c, sealed, tls_seal(k, tls_take_record(&c->tls), TLS_APPLICATION_DATA, &span, 1, sealed));
}

void herd_say(struct herd *h, struct herd_client *c, const uint8_t *text, size_t length)
{
    uint8_t frame[HERD_TEXT_MAX + WS_HEAD_MAX], mask[4];
    uint64_t random = herd_draw(h);
    memcpy(mask, &random, sizeof mask);
    size_t head = ws_frame_head_masked(frame, WS_OP_TEXT, true, length, mask);
    memcpy(frame + head, text, length);
    ws_mask(frame + head, length, mask, 0);
    seal(h, c, frame, head + length);
}

/* ---- the handshake ---- */

static void failed(struct herd *h, struct herd_client *c)
{
    h->refused++;
    tcp_abort(&c->tcp);
}

static void after_step(struct herd *h, struct herd_client *c, struct tls_step_result *step)
{
    char request[512];
    if (step->send_len)
        put(h, c, step->send, step->send_len);
    if (step->step == TLS_STEP_FAILED)
        return failed(h, c);
    if (step->step != TLS_STEP_DONE)
        return;
    tls_conn_start(&c->tls, &step->secrets, true);
    wipe(&step->secrets, sizeof step->secrets);
    h->resumed += step->resumed;
    if (h->config.resume && !h->session)
        h->session = tls_client_take_session(c->shaking);
    tls_handshake_free(c->shaking);
    c->shaking = NULL;
    c->stage = HERD_UPGRADING;
    int n = snprintf(request, sizeof request,
                     "GET %s HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                     "Sec-WebSocket-Key: " HERD_WS_KEY "\r\nSec-WebSocket-Version: 13\r\n\r\n",
                     h->config.target);
    seal(h, c, (const uint8_t *)request, (size_t)n);
}

void herd_begin_tls(struct herd *h, struct herd_client *c)
{
    struct tls_step_result step;
    bool want_ticket = h->config.resume && !h->session;
    c->shaking = tls_client_start(h->tls, "localhost", h->session, want_ticket, &step);
    if (!c->shaking)
        return failed(h, c);
    c->stage = HERD_SHAKING;
    after_step(h, c, &step);
}

static size_t read_handshake(struct herd *h, struct herd_client *c, const uint8_t *p, size_t n)
{
    struct tls_record r;
    struct tls_refusal why;
    struct tls_step_result step;
    int size = tls_record_parse(p, n, TLS_PHASE_HANDSHAKE, &r, &why);
    if (size < 0) {
        failed(h, c);
        return n;
    }
    if (size > 0) {
        tls_handshake_step(c->shaking, p, (size_t)size, &step);
        after_step(h, c, &step);
    }
    return (size_t)size;
}

/* ---- messages ---- */

static bool is_text(const uint8_t *p, size_t length, const char *text)
{
    return length >= strlen(text) && memcmp(p, text, strlen(text)) == 0;
}

static void take_text(struct herd *h, struct herd_client *c, const uint8_t *p, size_t length)
{
    if (is_text(p, length, "{\"op\":10,"))
        return;
    if (c->owed && is_text(p, length, "{\"op\":11")) {
        c->owed--;
        h->answers++;
        histogram_add(&h->answer_us, h->now_us - c->asked_us);
        if (h->config.answered)
            h->config.answered(h->config.user, herd_index(h, c));
    } else if (!h->config.text || !h->config.text(h->config.user, herd_index(h, c), p, length))
        herd_wrong(h, herd_index(h, c), "it got %zu bytes that nobody sent: %.60s", length, p);
}

static struct herd_rest *rest_of(struct herd *h, struct herd_client *c)
{
    if (!c->rest)
        c->rest = calloc(1, sizeof *c->rest + HERD_CARRY_MAX + HERD_TEXT_MAX);
    if (!c->rest)
        herd_wrong(h, herd_index(h, c), "no memory for what it hears");
    return c->rest;
}

static void message_piece(struct herd *h, struct herd_client *c, const struct ws_event *ev)
{
    if (ev->first && ev->final)
        return take_text(h, c, ev->data, ev->length);
    struct herd_rest *rest = rest_of(h, c);
    if (!rest)
        return;
    if (ev->length > HERD_TEXT_MAX - rest->text)
        return herd_wrong(h, herd_index(h, c), "a message of more than %u bytes", HERD_TEXT_MAX);
    memcpy(rest->bytes + HERD_CARRY_MAX + rest->text, ev->data, ev->length);
    rest->text += (uint32_t)ev->length;
    if (!ev->final)
        return;
    take_text(h, c, rest->bytes + HERD_CARRY_MAX, rest->text);
    rest->text = 0;
}

static void frames(struct herd *h, struct herd_client *c, uint8_t *p, size_t n)
{
    uint8_t joined[TLS_RECORD_MAX + HERD_CARRY_MAX];
    struct ws_event ev = {.type = WS_EVENT_PONG};
    if (c->rest && c->rest->carry) {
        memcpy(joined, c->rest->bytes, c->rest->carry);
        memcpy(joined + c->rest->carry, p, n);
        p = joined;
        n += c->rest->carry;
        c->rest->carry = 0;
    }
    while (ev.type != WS_EVENT_NONE && !h->wrong[0]) {
        size_t took = ws_input(&c->ws, p, n, HERD_TEXT_MAX, &ev);
        p += took;
        n -= took;
        if (ev.type == WS_EVENT_DATA)
            message_piece(h, c, &ev);
        else if (ev.type == WS_EVENT_ERROR)
            herd_wrong(h, herd_index(h, c), "a frame that breaks RFC 6455: %s", drop_reason_name(ev.reason));
    }
    if (n && n <= HERD_CARRY_MAX && rest_of(h, c)) {
        memcpy(c->rest->bytes, p, n);
        c->rest->carry = (uint32_t)n;
    }
    if (c->rest && !c->rest->carry && !c->rest->text) {
        free(c->rest);
        c->rest = NULL;
    }
}

static void upgraded(struct herd *h, struct herd_client *c, uint8_t *p, size_t n)
{
    uint8_t accept[WS_ACCEPT_LENGTH];
    const uint8_t *end = memmem(p, n, "\r\n\r\n", 4);
    bool good = end && is_text(p, n, "HTTP/1.1 101 ") && ws_accept((const uint8_t *)HERD_WS_KEY, accept) &&
                memmem(p, n, accept, sizeof accept);
    if (!good)
        return herd_wrong(h, herd_index(h, c), "its upgrade was answered with %.*s", (int)min_u64(n, 60), p);
    c->ws = (struct ws_conn){.peer_is_server = 1};
    herd_is_open(h, c);
    frames(h, c, p + (end + 4 - p), n - (size_t)(end + 4 - p));
}

/* ---- records ---- */

/* Not opened: of the length that it must have, and the next in its row, or the next one opened would not be.
 */
static bool pass_over(struct herd *h, struct herd_client *c, int size)
{
    if (!h->config.expects || c->stage != HERD_OPEN || c->rest || c->ws.in_frame)
        return false;
    if (h->config.expects(h->config.user, herd_index(h, c)) != (uint32_t)size || herd_draw(h) % 64 == 0)
        return false;
    c->tls.read_record++;
    h->config.passed(h->config.user, herd_index(h, c));
    return true;
}

static void open_record(struct herd *h, struct herd_client *c, const struct tls_record *r)
{
    struct tls_opened opened;
    const struct tls_keys *k = tls_key_cache_read(h->keys, herd_handle(h, c), &c->tls);
    if (!k) {
        tls_key_cache_begin(h->keys);
        k = tls_key_cache_read(h->keys, herd_handle(h, c), &c->tls);
    }
    tls_open(&c->tls, k, r, h->plain, h->now_us, &opened);
    h->records_opened++;
    if (opened.event == TLS_EVENT_REFUSED)
        herd_wrong(h, herd_index(h, c), "record %llu: %s", (unsigned long long)c->tls.read_record,
                   drop_reason_name(opened.why.reason));
    else if (opened.event == TLS_EVENT_DATA && c->stage == HERD_UPGRADING)
        upgraded(h, c, h->plain + (opened.data - h->plain), opened.len);
    else if (opened.event == TLS_EVENT_DATA)
        frames(h, c, h->plain + (opened.data - h->plain), opened.len);
}

static size_t read_record(struct herd *h, struct herd_client *c, const uint8_t *p, size_t n)
{
    struct tls_record r;
    struct tls_refusal why;
    int size = tls_record_parse(p, n, TLS_PHASE_OPEN, &r, &why);
    if (size < 0)
        herd_wrong(h, herd_index(h, c), "no TLS record: %s", drop_reason_name(why.reason));
    if (size <= 0)
        return size < 0 ? n : 0;
    h->records++;
    if (!pass_over(h, c, size))
        open_record(h, c, &r);
    return (size_t)size;
}

static size_t read_one(struct herd *h, struct herd_client *c, const uint8_t *p, size_t n)
{
    if (h->wrong[0] || c->tcp.state == TCP_CLOSED)
        return n;
    if (c->flags & HERD_SLOW)
        return 0;
    return c->stage == HERD_SHAKING ? read_handshake(h, c, p, n) : read_record(h, c, p, n);
}

void herd_read(struct herd *h, struct herd_client *c, const struct tcp_out *out)
{
    struct tcp_env env = herd_env(h, c);
    const uint8_t *p = out->data;
    uint32_t len = p ? out->len : 0;
    size_t took = 1;
    while (len && (took = read_one(h, c, p, len))) {
        p += took;
        len -= (uint32_t)took;
    }
    if (len && !tcp_keep(&c->tcp, &env, p, len))
        h->not_taken++;
    while (!out->data && took) {
        uint32_t n = tcp_peek(&c->tcp, &env, 0, h->record, TLS_RECORD_MAX);
        took = n ? read_one(h, c, h->record, n) : 0;
        tcp_consume(&c->tcp, &env, (uint32_t)took);
    }
}

void herd_forget(struct herd *h, struct herd_client *c)
{
    struct tcp_env env = herd_env(h, c);
    tcp_release(&c->tcp, &env);
    tls_handshake_free(c->shaking);
    tls_key_cache_forget(h->keys, herd_handle(h, c));
    free(c->out);
    free(c->rest);
    c->shaking = NULL;
    c->out = NULL;
    c->rest = NULL;
    c->out_length = 0;
}
