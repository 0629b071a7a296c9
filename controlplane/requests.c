/*
 * REST requests; see requests.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/requests.h"

#include "controlplane/page/site.h"
#include "controlplane/webrtc/whip.h"

#include <stdlib.h>
#include <string.h>

#define REPLY_WHOLE_MAX (128u << 10) /* bytes that surely fit one transaction */
#define REPLY_LONG      (512u << 10) /* bytes of an answer that is no page of messages */

/* A request that is with the route table. */
struct asked {
    struct requests *requests;
    uint32_t worker;
    uint64_t number;
    uint64_t connection;
    bool during_input; /* the input's transaction is open */
    bool head_only;    /* HEAD: answered as GET, without the body (RFC 9110 9.3.2) */
    bool answered;
    struct asked *next, **link; /* in requests.pending */
};

static enum rest_method method_of(uint8_t method)
{
    static const uint8_t methods[] = {
        [1] = REST_GET, [2] = REST_GET, [3] = REST_POST, [4] = REST_PUT, [5] = REST_PATCH, [6] = REST_DELETE};
    return method >= 1 && method <= 6 ? (enum rest_method)methods[method] : REST_OTHER;
}

/* Marks an answer as partly sent, in the same transaction as its first part; clears it with the last. */
static void mark_partial(struct region_link *l, const struct asked *a, bool partial)
{
    txn_touch(&l->txn, l->area, sizeof *l->area, &l->area->stamp);
    l->area->reply_number = partial ? a->number + 1 : 0;
    l->area->reply_worker = partial ? a->worker : 0;
}

/* A long answer stands in the worker's blocks until its reader has taken it: half of them are for everything
 * else. */
static bool crowded(const struct region_link *l, const struct asked *a, size_t length)
{
    uint32_t worker;
    if (length <= REPLY_LONG || !connection_of(l->region, a->connection, &worker))
        return false;
    const struct pool *blocks = region_part(l->region, worker, PART_BLOCKS);
    return blocks->used + length / BLOCK_DATA > blocks->capacity / 2;
}

static void send_reply(struct region_link *l, const struct asked *a, const struct rest_reply *r)
{
    static const char text[] = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
                               "Connection: close\r\n\r\n";
    static const struct rest_reply later = {.status = 503, .data = text, .length = sizeof text - 1};
    if (!a->head_only && crowded(l, a, r->length))
        r = &later;
    const char *body = a->head_only ? memmem(r->data, r->length, "\r\n\r\n", 4) : NULL;
    size_t length = body ? (size_t)(body + 4 - (const char *)r->data) : r->length;
    bool partial = length > REPLY_WHOLE_MAX;
    if (partial)
        mark_partial(l, a, true);
    link_send(l, a->connection, 0, r->keep_alive ? SEND_END : SEND_END | SEND_CLOSE, r->data,
              (uint32_t)length);
    if (partial)
        mark_partial(l, a, false);
}

static void answer(void *ctx, const struct rest_reply *r)
{
    struct asked *a = ctx;
    struct control *c = a->requests->control;
    if (a->during_input) {
        send_reply(c->link, a, r);
        a->answered = true;
        return;
    }
    link_wait(c->link);
    link_begin(c->link);
    send_reply(c->link, a, r);
    inputs_finish(&c->inputs, a->worker, a->number);
    link_end(c->link);
    *a->link = a->next;
    if (a->next)
        a->next->link = a->link;
    free(a);
}

/*
 * The body that was left with its connection, copied: what is written there meanwhile by a worker that ends
 * the connection is noticed afterwards, and is nobody's request any more. NULL: it is gone.
 */
static char *read_carried(const struct region *r, const struct notice_request *n)
{
    uint32_t worker, index;
    const struct connection *c = connection_of(r, n->connection, &worker);
    const struct pool *blocks = c ? region_part(r, worker, PART_BLOCKS) : NULL;
    char *body = c ? malloc((size_t)n->carried + 1) : NULL;
    if (!c)
        return NULL;
    if (!body)
        abort();
    struct chain chain = c->carry;
    uint64_t at = (uint64_t)chain.offset + n->carried_at, left = n->carried;
    index = chain.head;
    for (char *to = body; left && index < blocks->capacity;) {
        const struct block *b = block_at(blocks, index);
        if (at < BLOCK_DATA) {
            size_t part = BLOCK_DATA - at < left ? BLOCK_DATA - at : left;
            memcpy(to, b->data + at, part);
            to += part;
            left -= part;
        }
        at = at > BLOCK_DATA ? at - BLOCK_DATA : 0;
        index = b->next;
    }
    atomic_thread_fence(memory_order_acquire);
    if (!left && connection_of(r, n->connection, NULL) == c && c->kind == CONNECTION_HTTP &&
        c->http.phase == HTTP_PHASE_ASKED)
        return body;
    free(body);
    return NULL;
}

/* False: the lengths are not those of the entry. */
static bool read_request(const struct ring_entry *e, struct rest_request *q)
{
    const struct notice_request *n = (const void *)e->payload;
    const char *text[REQUEST_TEXTS], *at = (const char *)n->texts;
    size_t left = e->length - sizeof *n;
    for (int i = 0; i < REQUEST_TEXTS; i++) {
        if (n->length[i] > left)
            return false;
        text[i] = at;
        at += n->length[i];
        left -= n->length[i];
    }
    *q = (struct rest_request){
        .method = method_of(n->method),
        .path = text[REQUEST_PATH],
        .path_length = n->length[REQUEST_PATH],
        .query = text[REQUEST_QUERY],
        .query_length = n->length[REQUEST_QUERY],
        .authorization = n->length[REQUEST_AUTHORIZATION] ? text[REQUEST_AUTHORIZATION] : NULL,
        .authorization_length = n->length[REQUEST_AUTHORIZATION],
        .content_type = n->length[REQUEST_CONTENT_TYPE] ? text[REQUEST_CONTENT_TYPE] : NULL,
        .content_type_length = n->length[REQUEST_CONTENT_TYPE],
        .reason = text[REQUEST_REASON],
        .reason_length = n->length[REQUEST_REASON],
        .if_match = text[REQUEST_IF_MATCH],
        .if_match_length = n->length[REQUEST_IF_MATCH],
        .body = text[REQUEST_BODY],
        .body_length = n->length[REQUEST_BODY],
        .keep_alive = n->keep_alive};
    return true;
}

/* The page's files need nobody's leave. False: it is not for one of them. */
static bool answer_with_page(struct asked *a, const struct rest_request *q)
{
    struct control *c = a->requests->control;
    const struct site_file *f = q->method == REST_GET ? site_find(q->path, q->path_length) : NULL;
    if (!f)
        return false;
    site_reply(&c->out, f, c->now_ms, q->keep_alive);
    struct rest_reply r = {
        .status = 200, .data = c->out.data, .length = c->out.length, .keep_alive = q->keep_alive};
    answer(a, &r);
    return true;
}

/* WHIP and WHEP. False: it is neither. */
static bool answer_with_whip(struct asked *a, const struct rest_request *q, uint8_t method)
{
    struct control *c = a->requests->control;
    int status = 0;
    if (!whip_is_for(q->path, q->path_length))
        return false;
    const struct whip_request w = {.method = method,
                                   .keep_alive = q->keep_alive,
                                   .connection = a->connection,
                                   .path = {q->path, q->path_length},
                                   .authorization = {q->authorization, q->authorization_length},
                                   .content_type = {q->content_type, q->content_type_length},
                                   .if_match = {q->if_match, q->if_match_length},
                                   .body = {q->body, q->body_length}};
    status = whip_answer(c, a->requests->limits, &w);
    struct rest_reply r = {.status = status, .data = c->out.data, .length = c->out.length, .keep_alive = q->keep_alive};
    answer(a, &r);
    return true;
}

static enum input_result request(void *ctx, uint32_t worker, const struct ring_entry *e, uint64_t *cursor)
{
    struct requests *rq = ctx;
    struct rest_request q;
    struct asked *a = malloc(sizeof *a);
    if (!a)
        abort();
    *a = (struct asked){.requests = rq,
                        .worker = worker,
                        .number = e->number,
                        .connection = ((const struct notice_request *)(const void *)e->payload)->connection,
                        .during_input = true,
                        .head_only = ((const struct notice_request *)(const void *)e->payload)->method == 2};
    const struct notice_request *n = (const void *)e->payload;
    char *carried = n->carried ? read_carried(rq->control->link->region, n) : NULL;
    if (!read_request(e, &q) || (n->carried && !carried)) {
        link_close(rq->control->link, a->connection, 0, false, NULL);
        free(a);
        return INPUT_DONE;
    }
    if (carried) {
        q.body = carried;
        q.body_length = n->carried;
    }
    if (answer_with_page(a, &q) || answer_with_whip(a, &q, n->method)) {
        free(carried);
        free(a);
        return INPUT_DONE;
    }
    memcpy(q.key.boot, rq->control->link->region->header->boot_id, sizeof q.key.boot);
    /* A region lives shorter than a boot: its making tells its entry numbers from those of the one before. */
    for (int i = 0; i < 8; i++)
        q.key.boot[i] ^= (uint8_t)(rq->control->link->region->header->created_ms >> 8 * i);
    q.key.worker = worker;
    q.key.entry = e->number;
    rest_handle(rq->rest, &q, answer, a);
    free(carried);
    if (a->answered) {
        free(a);
        return INPUT_DONE;
    }
    a->during_input = false;
    a->next = rq->pending;
    a->link = &rq->pending;
    if (a->next)
        a->next->link = &a->next;
    rq->pending = a;
    return INPUT_PENDING;
}

void requests_close(struct requests *q)
{
    while (q->pending) {
        struct asked *a = q->pending;
        q->pending = a->next;
        free(a);
    }
    limits_close(q->limits);
}

void requests_open(struct requests *q, struct control *c, struct rest *rest)
{
    struct control_area *area = c->link->area;
    *q = (struct requests){.control = c, .rest = rest, .limits = limits_open()};
    c->rest_input = request;
    c->rest_ctx = q;
    if (!area->reply_number || area->reply_worker >= c->link->workers)
        return;
    struct ring_entry *e = inputs_entry(&c->inputs, area->reply_worker, area->reply_number - 1);
    link_begin(c->link);
    link_close(c->link, ((const struct notice_request *)(const void *)e->payload)->connection, 0, false,
               NULL);
    inputs_finish(&c->inputs, area->reply_worker, e->number);
    txn_touch(&c->link->txn, area, sizeof *area, &area->stamp);
    area->reply_number = 0;
    link_end(c->link);
    inputs_forget(&c->inputs, area->reply_worker, e->number);
}
