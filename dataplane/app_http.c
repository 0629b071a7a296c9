/*
 * HTTP on a connection: requests are gathered whole and handed to the control plane, one at a time (pipelining keeps their order).
 *
 *      HEAD --head, all of it there--> ASKED --first part--> ANSWER --last part described--> HEAD
 *      HEAD --head--> BODY | CHUNKED --all of it--> ASKED
 *      every phase --refused, or too late--> REFUSED | EVICTED --sent--> the connection closes
 *
 * Bytes come into `app`. A head is looked for there; a body that is not all there moves on to `carry`, decoded, behind its head: each of
 * its bytes is looked at once, in however small records it comes.
 *
 * An upload (files, by somebody whose token is signed) may be longer than what fits the ring: its body stays in `carry`, where the control
 * plane reads it, until the first part of the answer. Uploads are refused while half of the worker's blocks are in use.
 *
 * Deadlines, each with its counted reason: a request complete head_us after its first byte; no request for keep_alive_us; an answer by the
 * control plane after answer_us (504, the connection closes, what it says later is dropped); an answer taken in steps of
 * WORKER_READER_BYTES.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <strings.h>

#include "dataplane/http/body.h"
#include "dataplane/http/response.h"
#include "dataplane/worker.h"
#include "token.h"

void app_http_refuse(struct worker *w, struct connection *c, enum drop_reason why)
{
    uint8_t answer[HTTP_ERROR_MAX];
    bool slow = why == DROP_HTTP_TIMEOUT || why == DROP_HTTP_BODY_TIMEOUT;
    count_drop(w->counters, why);
    size_t n = http_error(http_refusal_status(why), false, false, w->unix_s, answer, sizeof answer);
    c->flags |= CONN_REQUEST_OPEN;
    c->http.phase = slow ? HTTP_PHASE_EVICTED : HTTP_PHASE_REFUSED;
    c->deadline_us = w->now_us + (slow ? WORKER_LINGER_US : w->config->close_us);
    if (!send_bytes(w, c, SOURCE_BLOB, 0, answer, (uint32_t)n, ITEM_CLOSE))
        conn_finish(w, c, DROP_NONE);
}

/* A decoded body: here, or (at NULL) behind so many bytes of `carry`. */
struct gathered {
    const uint8_t *at;
    uint32_t length, behind;
};

/* Hands a whole request to the control plane. */
static bool deliver_request(struct worker *w, struct connection *c, const uint8_t *p, const struct http_request *r,
                            const struct gathered *body)
{
    uint32_t body_length = body->at ? body->length : 0;
    const struct http_slice slice[REQUEST_BODY] = {r->path,         r->query,            r->authorization,
                                                   r->content_type, r->audit_log_reason, r->if_match};
    uint32_t bytes = sizeof(struct notice_request) + body_length;
    for (unsigned i = 0; i < REQUEST_BODY; i++)
        bytes += slice[i].length;
    struct ring_entry *e = ring_reserve(&w->notice, &w->txn, NOTICE_REQUEST, bytes);
    if (!e)
        return false;
    struct notice_request *n = (struct notice_request *)(void *)e->payload;
    *n = (struct notice_request){.connection = conn_handle(w, c), .peer_port = c->tcp.tuple.remote_port,
                                 .method = r->method + 1, .keep_alive = r->keep_alive};
    if (!body->at) {
        n->carried = body->length;
        n->carried_at = body->behind;
    }
    memcpy(n->peer_ip, c->tcp.tuple.remote, sizeof n->peer_ip);
    uint8_t *at = n->texts;
    for (unsigned i = 0; i < REQUEST_BODY; i++) {
        n->length[i] = slice[i].length;
        memcpy(at, p + slice[i].offset, slice[i].length);
        at += slice[i].length;
    }
    n->length[REQUEST_BODY] = body_length;
    if (body_length)
        memcpy(at, body->at, body_length);
    w->counters->count[COUNT_http_requests]++;
    return true;
}

/* A request is there as a whole, its head at p. */
static void take_request(struct worker *w, struct connection *c, const uint8_t *p, const struct http_request *r,
                         const struct gathered *body)
{
    c->flags = (uint8_t)(r->keep_alive ? c->flags | CONN_KEEP_ALIVE : c->flags & ~CONN_KEEP_ALIVE);
    if (r->upgrade_websocket && r->connection_upgrade && r->method == HTTP_GET) {
        app_upgrade(w, c, p, r);
        return;
    }
    c->flags |= CONN_REQUEST_OPEN;
    c->http.phase = HTTP_PHASE_ASKED;
    c->deadline_us = w->now_us + w->config->answer_us;
    if (!deliver_request(w, c, p, r, body))
        app_http_refuse(w, c, DROP_CONTROL_RING_FULL);
}

/* What has gathered in `carry` is a request. */
static void take_gathered(struct worker *w, struct connection *c)
{
    struct http_request r;
    enum drop_reason why;
    bool stays = c->carry.length > w->config->body_max + HTTP_HEAD_MAX;
    uint32_t n = chain_read(&c->carry, w->blocks, 0, w->message, stays ? HTTP_HEAD_MAX : sizeof w->message);
    int head = http_parse_head(w->message, n, &r, &why);
    assert(head > 0);
    struct gathered body = {stays ? NULL : w->message + head, c->carry.length - (uint32_t)head, (uint32_t)head};
    if (!stays)
        chain_free(&c->carry, w->blocks, &w->txn);
    take_request(w, c, w->message, &r, &body);
}

/* Files, sent by somebody whose token we have signed: nobody else fills our blocks. */
static bool is_upload(const struct worker *w, const uint8_t *p, const struct http_request *r)
{
    static const char type[] = "multipart/form-data";
    const struct region_secrets *s = &w->region->header->secrets;
    size_t length = r->authorization.length;
    if (w->config->upload_max <= w->config->body_max || r->content_type.length < sizeof type - 1 ||
        strncasecmp((const char *)p + r->content_type.offset, type, sizeof type - 1) != 0 ||
        !atomic_load_explicit(&s->token_ready, memory_order_acquire))
        return false;
    const char *token = token_bare((const char *)p + r->authorization.offset, &length);
    return token_check(s->token_hmac, token, length) == TOKEN_SIGNED;
}

static uint32_t body_limit(const struct worker *w, bool upload)
{
    return upload ? w->config->upload_max : w->config->body_max;
}

/* After more of a body has come. False: it was an upload, and is refused. */
static bool upload_goes_on(struct worker *w, struct connection *c)
{
    if (!c->http.upload || c->carry.length <= w->config->body_max)
        return true;
    if (w->blocks->used > w->blocks->capacity / 2) {
        app_http_refuse(w, c, DROP_HTTP_UPLOADS_FULL);
        return false;
    }
    if (c->carry.length - c->http.mark >= WORKER_UPLOAD_BYTES) {
        c->http.mark = c->carry.length;
        c->deadline_us = w->now_us + w->config->head_us;
    }
    return true;
}

/* Moves n bytes, which are at p, from `app` to the request; `consumed` of the former made them. False: it is shed. */
static bool gather(struct worker *w, struct connection *c, const uint8_t *p, uint32_t n, uint32_t consumed)
{
    if (!chain_append(&c->carry, w->blocks, &w->txn, p, n)) {
        conn_abort(w, c, DROP_CONN_NO_BLOCK);
        return false;
    }
    chain_consume(&c->app, w->blocks, &w->txn, consumed);
    return true;
}

/* A head, and the body if it is there. False: more bytes are needed. */
static bool step_head(struct worker *w, struct connection *c)
{
    struct http_request r;
    enum drop_reason why;
    uint32_t n = chain_read(&c->app, w->blocks, 0, w->message, sizeof w->message);
    int head = http_parse_head(w->message, n, &r, &why);
    if (head == 0)
        return false;
    bool upload = head > 0 && is_upload(w, w->message, &r);
    if (head > 0 && r.content_length > (int64_t)body_limit(w, upload)) {
        why = DROP_HTTP_BODY_TOO_LARGE;
        head = -1;
    }
    if (head < 0) {
        app_http_refuse(w, c, why);
        return true;
    }
    uint32_t body = r.content_length > 0 ? (uint32_t)r.content_length : 0;
    if (!r.chunked && n - (uint32_t)head >= body && body <= w->config->body_max) {
        chain_consume(&c->app, w->blocks, &w->txn, (uint32_t)head + body);
        take_request(w, c, w->message, &r, &(struct gathered){w->message + head, body, 0});
        return true;
    }
    if (!gather(w, c, w->message, (uint32_t)head, (uint32_t)head))
        return false;
    c->http.phase = r.chunked ? HTTP_PHASE_CHUNKED : HTTP_PHASE_BODY;
    c->http.body = (struct http_chunked){.left = body};
    c->http.upload = upload;
    c->http.mark = 0;
    if (r.expect_continue && n == (uint32_t)head)
        send_bytes(w, c, SOURCE_BLOB, 0, HTTP_CONTINUE, sizeof HTTP_CONTINUE - 1, 0);
    return true;
}

static bool step_body(struct worker *w, struct connection *c)
{
    uint32_t most = c->http.body.left < sizeof w->message ? (uint32_t)c->http.body.left : (uint32_t)sizeof w->message;
    uint32_t n = chain_read(&c->app, w->blocks, 0, w->message, most);
    if (!gather(w, c, w->message, n, n))
        return false;
    c->http.body.left -= n;
    if (upload_goes_on(w, c) && c->http.body.left == 0)
        take_gathered(w, c);
    return true;
}

static bool step_chunked(struct worker *w, struct connection *c)
{
    size_t consumed, produced;
    enum drop_reason why;
    uint32_t n = chain_read(&c->app, w->blocks, 0, w->message, sizeof w->message);
    enum http_chunked_result got =
        http_chunked_decode(&c->http.body, w->message, n, body_limit(w, c->http.upload), &consumed, &produced, &why);
    if (got == HTTP_BODY_REFUSED) {
        app_http_refuse(w, c, why);
        return true;
    }
    if (!gather(w, c, w->message, (uint32_t)produced, (uint32_t)consumed))
        return false;
    if (upload_goes_on(w, c) && got == HTTP_BODY_END)
        take_gathered(w, c);
    return true;
}

/* Takes something from `app`, which holds something. False: nothing can be done with it yet. */
static bool step(struct worker *w, struct connection *c)
{
    if (c->http.phase == HTTP_PHASE_BODY)
        return step_body(w, c);
    return c->http.phase == HTTP_PHASE_CHUNKED ? step_chunked(w, c) : step_head(w, c);
}

static bool in_body(const struct connection *c)
{
    return c->http.phase == HTTP_PHASE_BODY || c->http.phase == HTTP_PHASE_CHUNKED;
}

bool app_http_busy(const struct connection *c)
{
    return (c->flags & CONN_REQUEST_OPEN) || c->app.length || in_body(c);
}

/* An answer has gone out. False: it was the last. */
static bool next_request(struct worker *w, struct connection *c)
{
    c->http.phase = HTTP_PHASE_HEAD;
    if (!(c->flags & CONN_KEEP_ALIVE)) {
        conn_finish(w, c, DROP_NONE);
        return false;
    }
    c->deadline_us = w->now_us + (c->app.length ? w->config->head_us : w->config->keep_alive_us);
    return true;
}

void app_continue(struct worker *w, struct connection *c)
{
    while (c->kind == CONNECTION_HTTP && !(c->flags & CONN_REQUEST_OPEN)) {
        if (c->deadline_us == UINT64_MAX && !next_request(w, c))
            return;
        if (c->app.length && !worker_may_notify(w)) {
            worker_ready(w, conn_index(w, c));
            return;
        }
        if (c->app.length && step(w, c))
            continue;
        if (c->kind == CONNECTION_HTTP && (c->flags & CONN_CLOSE_HEARD))
            conn_finish(w, c, DROP_NONE);
        return;
    }
    bool upgraded = c->kind == CONNECTION_GATEWAY || c->kind == CONNECTION_VOICE || c->kind == CONNECTION_ECHO;
    if (upgraded && c->app.length) { /* what follows an upgrade is WebSocket */
        uint32_t n = chain_read(&c->app, w->blocks, 0, w->plain, sizeof w->plain);
        chain_free(&c->app, w->blocks, &w->txn);
        app_websocket_input(w, c, w->plain, n);
    }
}

void app_http_input(struct worker *w, struct connection *c, const uint8_t *data, size_t len)
{
    if (!app_http_busy(c))
        c->deadline_us = w->now_us + w->config->head_us;
    if (!chain_append(&c->app, w->blocks, &w->txn, data, (uint32_t)len)) {
        conn_abort(w, c, DROP_CONN_NO_BLOCK);
        return;
    }
    app_continue(w, c);
}

/* ---- answers ---- */

static void watch_answer(struct worker *w, struct connection *c)
{
    c->http.phase = HTTP_PHASE_ANSWER;
    c->http.mark = (uint32_t)c->tcp.snd_una_pos;
    c->deadline_us = w->now_us + w->config->answer_us;
}

bool app_http_answered(struct worker *w, struct connection *c)
{
    if (c->http.phase != HTTP_PHASE_ASKED && c->http.phase != HTTP_PHASE_ANSWER)
        return false;
    chain_free(&c->carry, w->blocks, &w->txn); /* an upload's body has been read */
    watch_answer(w, c);
    return true;
}

/* ---- deadlines ---- */

static void answer_timer(struct worker *w, struct connection *c)
{
    bool all_taken = c->tcp.snd_una_pos == c->tcp.snd_end, more = c->flags & CONN_ITEM_OPEN;
    if ((uint32_t)c->tcp.snd_una_pos - c->http.mark >= WORKER_READER_BYTES)
        watch_answer(w, c);
    else
        conn_abort(w, c, all_taken && more ? DROP_HTTP_NO_ANSWER : DROP_HTTP_READER_SLOW);
}

void app_http_timer(struct worker *w, struct connection *c)
{
    switch ((enum http_phase)c->http.phase) {
    case HTTP_PHASE_HEAD:
        if (c->app.length) {
            app_http_refuse(w, c, DROP_HTTP_TIMEOUT);
        } else {
            c->http.phase = HTTP_PHASE_EVICTED;
            conn_finish(w, c, DROP_HTTP_IDLE);
        }
        break;
    case HTTP_PHASE_BODY:
    case HTTP_PHASE_CHUNKED:
        app_http_refuse(w, c, DROP_HTTP_BODY_TIMEOUT);
        break;
    case HTTP_PHASE_ASKED:
        app_http_refuse(w, c, DROP_HTTP_NO_ANSWER);
        break;
    case HTTP_PHASE_ANSWER:
        answer_timer(w, c);
        break;
    case HTTP_PHASE_REFUSED:
    case HTTP_PHASE_EVICTED:
        conn_abort(w, c, DROP_HTTP_READER_SLOW);
        break;
    }
}
