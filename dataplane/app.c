/*
 * What a connection carries: WebSocket messages for the control plane, and what needs no decision and is answered here: upgrades,
 * hello, heartbeats, pings, close frames, malformed input. HTTP requests are app_http.c's.
 *
 * A WebSocket message that came in pieces gathers in `app`, a frame head that is not whole in `carry`.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/http/request.h"
#include "dataplane/worker.h"
#include "dataplane/ws/heartbeat.h"
#include "dataplane/ws/message.h"
#include "dataplane/ws/token_of.h"
#include "dataplane/ws/upgrade.h"
#include "token.h"

#define OFFER_MAX     16384u /* bytes of a voice gateway message at least: a browser's SDP */
#define CLOSE_UNKNOWN 4000 /* gateway: client resumes */
#define CLOSE_VOICE_CRASHED 4015 /* voice gateway: the same; there 4000 is no code, and a client joins anew */
#define CLOSE_DECODE  4002
#define CLOSE_TOKEN   4004
#define CLOSE_RATE    4008
#define CLOSE_VOICE_RATE 4021
#define CLOSE_TIMEOUT 4009

/* A thousand a second is a flood. Heartbeats have their own room beside the other payloads. */
#define BEATS_WINDOW_US 60000000u
#define BEATS_MAX       60000u

/* As the control plane knows it. */
static uint32_t session_of(const struct connection *c)
{
    return c->session_generation == SESSION_ENDED ? SESSION_NONE : c->session;
}

static bool is_websocket(const struct connection *c)
{
    return c->kind == CONNECTION_GATEWAY || c->kind == CONNECTION_VOICE || c->kind == CONNECTION_ECHO;
}

/* ---- the end of a WebSocket ---- */

uint16_t app_code_again(const struct connection *c)
{
    return c->kind == CONNECTION_VOICE ? CLOSE_VOICE_CRASHED : CLOSE_UNKNOWN;
}

bool app_closed(struct worker *w, struct connection *c)
{
    if (!(c->flags & CONN_NOTIFIED))
        return true;
    struct notice_closed n = {.connection = conn_handle(w, c), .session = session_of(c), .code = c->close_code,
                              .by_peer = (c->flags & CONN_CLOSE_SENT) == 0,
                              .kind = c->kind == CONNECTION_CLOSING ? c->kind_was : c->kind};
    if (!worker_notify(w, NOTICE_CLOSED, &n, sizeof n))
        return false;
    c->flags &= (uint8_t)~CONN_NOTIFIED;
    return true;
}

void app_close(struct worker *w, struct connection *c, uint16_t code, const uint8_t *reason, size_t length, bool after_events)
{
    if (!is_websocket(c)) {
        conn_finish(w, c, DROP_NONE);
        return;
    }
    if (c->flags & CONN_CLOSE_SENT)
        return;
    conn_touch(w, c);
    c->flags |= CONN_CLOSE_SENT;
    if (c->deadline_us > w->now_us + w->config->close_us) /* also when the peer takes nothing any more */
        c->deadline_us = w->now_us + w->config->close_us;
    ws_close_sent(&c->ws);
    uint8_t flags = ITEM_CLOSE | (after_events ? ITEM_AFTER_EVENTS : 0);
    uint8_t frame[WS_CLOSE_FRAME_MAX];
    bool queued = length ? send_bytes(w, c, SOURCE_BLOB, 0, frame,
                                      (uint32_t)ws_close_frame(frame, code, (const char *)reason, length), flags)
                         : send_generated(w, c, GENERATED_CLOSE, code, flags);
    if (!queued)
        conn_finish(w, c, DROP_NONE);
    worker_ready(w, conn_index(w, c));
}

static void slow_reader(struct worker *w, struct connection *c)
{
    count_drop(w->counters, DROP_CONN_READER_SLOW);
    conn_abort(w, c, DROP_NONE);
}

/* ---- WebSocket messages ---- */

/* False: too many; the connection is closed. */
static bool beat_is_allowed(struct worker *w, struct connection *c)
{
    if (w->now_us - c->beat_window_us >= BEATS_WINDOW_US) {
        c->beat_window_us = w->now_us;
        c->beats = 0;
    }
    if (++c->beats <= BEATS_MAX)
        return true;
    count_drop(w->counters, DROP_CONTROL_RATE);
    app_close(w, c, c->kind == CONNECTION_VOICE ? CLOSE_VOICE_RATE : CLOSE_RATE, NULL, 0, false);
    return false;
}

/* An identify or resume whose token nobody signed. */
static bool token_is_wrong(const struct worker *w, const struct connection *c, const uint8_t *text, size_t len)
{
    const struct region_secrets *s = &w->region->header->secrets;
    const char *token;
    size_t length;
    if (c->kind != CONNECTION_GATEWAY || c->session != SESSION_NONE || !gateway_token(text, len, &token, &length) ||
        !atomic_load_explicit(&s->token_ready, memory_order_acquire))
        return false;
    token = token_bare(token, &length);
    return token_check(s->token_hmac, token, length) == TOKEN_WRONG;
}

static bool answer_heartbeat(struct worker *w, struct connection *c, const uint8_t *text, size_t len)
{
    struct session *s = c->session == SESSION_NONE ? NULL : &w->sessions[c->session];
    int64_t seen = HEARTBEAT_NONE;
    bool queued;
    if (c->kind == CONNECTION_GATEWAY) {
        struct gateway_beat beat;
        if (!gateway_beat_parse(text, len, &beat))
            return false;
        seen = beat.sequence;
        if (!beat_is_allowed(w, c))
            return true;
        queued = send_generated(w, c, GENERATED_HEARTBEAT_ACK, 0, 0);
    } else {
        struct voice_beat beat;
        if (!voice_beat_parse(text, len, c->version, &beat))
            return false;
        if (!beat_is_allowed(w, c))
            return true;
        uint64_t t = 0;
        for (unsigned i = 0; i < beat.t_length; i++)
            t = t * 10 + (beat.t[i] - '0');
        queued = send_generated(w, c, GENERATED_VOICE_ACK, t, 0);
    }
    if (!queued)
        slow_reader(w, c);
    if (s && s->generation == c->session_generation && seen > 0 && seen <= UINT32_MAX)
        queue_heard(&w->queues, s, (uint32_t)seen);
    w->counters->count[COUNT_heartbeats]++;
    return true;
}

static void deliver_message(struct worker *w, struct connection *c, uint8_t opcode, const uint8_t *text, size_t len)
{
    w->counters->count[COUNT_ws_messages_in]++;
    if (c->kind == CONNECTION_ECHO) {
        if (!send_bytes(w, c, SOURCE_BLOB, opcode, text, (uint32_t)len, 0))
            slow_reader(w, c);
        return;
    }
    if (opcode == WS_OP_TEXT && answer_heartbeat(w, c, text, len))
        return;
    if (opcode == WS_OP_BINARY && c->kind == CONNECTION_GATEWAY) {
        count_drop(w->counters, DROP_WS_BINARY);
        app_close(w, c, CLOSE_DECODE, NULL, 0, false);
        return;
    }
    if (opcode == WS_OP_TEXT && token_is_wrong(w, c, text, len)) {
        count_drop(w->counters, DROP_CONTROL_TOKEN);
        app_close(w, c, CLOSE_TOKEN, NULL, 0, false);
        return;
    }
    struct ring_entry *e = ring_reserve(&w->notice, &w->txn, NOTICE_MESSAGE, (uint32_t)(sizeof(struct notice_message) + len));
    if (!e) { /* worker_may_notify was true before this record: a record holds less than its reserve */
        count_drop(w->counters, DROP_CONTROL_RING_FULL);
        app_close(w, c, app_code_again(c), NULL, 0, false);
        return;
    }
    struct notice_message *n = (struct notice_message *)(void *)e->payload;
    *n = (struct notice_message){.connection = conn_handle(w, c), .session = session_of(c), .opcode = opcode};
    memcpy(n->text, text, len);
}

/* A message that the echo endpoint gathered may be long: its chain is sent as it is. */
static void echo_gathered(struct worker *w, struct connection *c, uint8_t opcode)
{
    struct tx_item *i = send_item(w, c, SOURCE_BLOB, ITEM_COMPLETE);
    if (!i) {
        slow_reader(w, c);
        return;
    }
    i->opcode = opcode;
    i->bytes = c->app;
    i->total = c->app.length;
    c->app = (struct chain){0};
    w->counters->count[COUNT_ws_messages_in]++;
}

static void message_piece(struct worker *w, struct connection *c, const struct ws_event *ev)
{
    if (ev->first && ev->final) {
        deliver_message(w, c, ev->opcode, ev->data, ev->length);
        return;
    }
    if (!chain_append(&c->app, w->blocks, &w->txn, ev->data, (uint32_t)ev->length)) {
        count_drop(w->counters, DROP_CONN_NO_BLOCK);
        app_close(w, c, WS_CLOSE_TOO_LARGE, NULL, 0, false);
        return;
    }
    if (!ev->final)
        return;
    if (c->kind == CONNECTION_ECHO) {
        echo_gathered(w, c, ev->opcode);
        return;
    }
    uint32_t n = chain_read(&c->app, w->blocks, 0, w->message, sizeof w->message);
    chain_free(&c->app, w->blocks, &w->txn);
    deliver_message(w, c, ev->opcode, w->message, n);
}

static void ws_event(struct worker *w, struct connection *c, const struct ws_event *ev)
{
    switch (ev->type) {
    case WS_EVENT_DATA:
        message_piece(w, c, ev);
        break;
    case WS_EVENT_PING:
        if (!send_bytes(w, c, SOURCE_BLOB, WS_OP_PONG, ev->data, (uint32_t)ev->length, 0))
            slow_reader(w, c);
        break;
    case WS_EVENT_CLOSE:
        c->close_code = ev->close_code;
        c->flags |= CONN_CLOSE_HEARD;
        if (!app_closed(w, c))
            worker_ready(w, conn_index(w, c));
        app_close(w, c, ev->close_code, NULL, 0, false);
        break;
    case WS_EVENT_ERROR:
        count_drop(w->counters, ev->reason);
        app_close(w, c, ev->close_code == WS_CLOSE_TOO_LARGE && c->kind != CONNECTION_ECHO ? CLOSE_DECODE : ev->close_code, NULL, 0,
                  false);
        break;
    case WS_EVENT_PONG:
    case WS_EVENT_NONE:
        if (ev->reason != DROP_NONE)
            count_drop(w->counters, ev->reason);
        break;
    }
}

/* Bytes that a message may have. */
static uint64_t payload_max(const struct worker *w, const struct connection *c)
{
    if (c->kind == CONNECTION_ECHO)
        return w->config->echo_max;
    return c->kind == CONNECTION_VOICE ? max_u64(w->config->payload_max, OFFER_MAX) : w->config->payload_max;
}

void app_websocket_input(struct worker *w, struct connection *c, uint8_t *data, size_t len)
{
    uint8_t *p = data;
    c->heard_us = w->now_us;
    if (c->carry.length) { /* at most a frame head and a control frame */
        uint32_t n = chain_read(&c->carry, w->blocks, 0, w->joined, WS_HEAD_MAX + WS_CONTROL_MAX);
        chain_free(&c->carry, w->blocks, &w->txn);
        memcpy(w->joined + n, data, len);
        p = w->joined;
        len += n;
    }
    uint64_t limit = payload_max(w, c);
    struct ws_event ev = {.type = WS_EVENT_PONG};
    while (ev.type != WS_EVENT_NONE && c->kind != CONNECTION_CLOSING) {
        size_t took = ws_input(&c->ws, p, len, limit, &ev);
        p += took;
        len -= took;
        ws_event(w, c, &ev);
    }
    if (len && c->kind != CONNECTION_CLOSING && !chain_append(&c->carry, w->blocks, &w->txn, p, (uint32_t)len))
        conn_abort(w, c, DROP_CONN_NO_BLOCK);
}

/* ---- the beginning of a WebSocket ---- */

static bool path_is(const uint8_t *p, struct http_slice path, const char *text)
{
    return path.length == strlen(text) && memcmp(p + path.offset, text, path.length) == 0;
}

static enum connection_kind endpoint_of(const struct worker *w, const uint8_t *p, const struct http_request *r)
{
    if (path_is(p, r->path, "/"))
        return CONNECTION_GATEWAY;
    if (path_is(p, r->path, "/voice") || path_is(p, r->path, "/voice/"))
        return CONNECTION_VOICE;
    if (w->config->echo && path_is(p, r->path, "/echo"))
        return CONNECTION_ECHO;
    return CONNECTION_FREE;
}

static void notify_open(struct worker *w, struct connection *c, const struct ws_query *q)
{
    struct notice_open n = {.connection = conn_handle(w, c), .peer_port = c->tcp.tuple.remote_port, .kind = c->kind,
                            .version = q->version, .encoding = q->encoding, .compress = q->compress};
    memcpy(n.peer_ip, c->tcp.tuple.remote, sizeof n.peer_ip);
    if (worker_notify(w, NOTICE_OPEN, &n, sizeof n))
        c->flags |= CONN_NOTIFIED;
    else
        app_close(w, c, app_code_again(c), NULL, 0, false);
}

/* The query asked for something that we do not speak: the upgrade stands, the close code tells. */
static void refuse_query(struct worker *w, struct connection *c, enum drop_reason why)
{
    count_drop(w->counters, why);
    app_close(w, c, WS_QUERY_CLOSE, NULL, 0, false);
}

void app_upgrade(struct worker *w, struct connection *c, const uint8_t *p, const struct http_request *r)
{
    enum connection_kind kind = endpoint_of(w, p, r);
    enum drop_reason why = kind == CONNECTION_FREE ? DROP_HTTP_UPGRADE : ws_upgrade_check(p, r);
    uint8_t answer[WS_UPGRADE_LENGTH];
    if (why != DROP_NONE) {
        app_http_refuse(w, c, why);
        return;
    }
    size_t n = ws_upgrade_response(p, r, answer, sizeof answer);
    if (!n || !send_bytes(w, c, SOURCE_BLOB, 0, answer, (uint32_t)n, 0)) {
        conn_abort(w, c, DROP_CONN_NO_BLOCK);
        return;
    }
    c->kind = (uint8_t)kind;
    c->ws = (struct ws_conn){0};
    c->heard_us = w->now_us;
    w->counters->count[COUNT_ws_upgrades]++;
    struct ws_query q = {0};
    if (kind == CONNECTION_GATEWAY) {
        c->deadline_us = w->now_us + 1500ull * w->config->heartbeat_interval_ms;
        why = ws_gateway_query(p, r->query, &q);
        c->encoding = q.compress == WS_COMPRESS_ZLIB_STREAM ? CONNECTION_DEFLATE : CONNECTION_TEXT;
        if (why != DROP_NONE)
            refuse_query(w, c, why);
        else if (send_generated(w, c, GENERATED_HELLO, 0, 0))
            notify_open(w, c, &q);
        else
            conn_abort(w, c, DROP_NONE);
    } else if (kind == CONNECTION_VOICE) {
        c->deadline_us = w->now_us + 3000ull * w->config->voice_heartbeat_interval_ms;
        if ((why = ws_voice_query(p, r->query, &q)) != DROP_NONE)
            refuse_query(w, c, why);
        else if (c->version = q.version, send_generated(w, c, GENERATED_VOICE_HELLO, q.version, 0))
            notify_open(w, c, &q);
        else
            conn_abort(w, c, DROP_NONE);
    } else {
        c->deadline_us = w->now_us + 1500ull * w->config->heartbeat_interval_ms;
    }
    c->version = q.version;
}

void app_input(struct worker *w, struct connection *c, uint8_t *data, size_t len)
{
    if (!len)
        return;
    if (is_websocket(c))
        app_websocket_input(w, c, data, len);
    else if (c->kind == CONNECTION_HTTP)
        app_http_input(w, c, data, len);
}

/* ---- timeouts ---- */

void app_timer(struct worker *w, struct connection *c)
{
    if (is_websocket(c) && (c->flags & CONN_CLOSE_SENT)) {
        conn_abort(w, c, DROP_CONN_CLOSE_TIMEOUT);
        return;
    }
    if (is_websocket(c)) {
        uint64_t idle = c->kind == CONNECTION_VOICE ? 3000ull * w->config->voice_heartbeat_interval_ms
                                                    : 1500ull * w->config->heartbeat_interval_ms;
        /* Who is sent a long echo has nothing to say meanwhile; whether it takes it is watched by its window (stack.c). */
        bool takes = c->kind == CONNECTION_ECHO && (c->item_head != POOL_NONE || c->tcp.snd_end != c->tcp.snd_una_pos);
        c->deadline_us = max_u64(takes ? w->now_us : c->heard_us, w->born_us) + idle;
        if (c->deadline_us <= w->now_us) {
            count_drop(w->counters, DROP_CONN_IDLE);
            c->deadline_us = UINT64_MAX;
            c->close_code = CLOSE_TIMEOUT;
            app_close(w, c, CLOSE_TIMEOUT, NULL, 0, false);
            if (!app_closed(w, c)) /* nobody is there any more: others are to know it now, not after the closing handshake */
                worker_ready(w, conn_index(w, c));
        }
        return;
    }
    app_http_timer(w, c);
}
