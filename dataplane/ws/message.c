/*
 * The order of frames. Locals first, the state last: an event that needs more bytes leaves the connection as
 * it was.
 * RFC 6455 5.4, 5.5, 5.6, 7.1, 8.1.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/ws/message.h"
#include "dataplane/ws/utf8.h"

#include "dataplane/base/bytes.h"

/* The close code that tells the peer what it did wrong. */
static uint16_t close_code_of(enum drop_reason reason)
{
    switch (reason) {
    case DROP_WS_UTF8:
        return WS_CLOSE_CONTENT;
    case DROP_WS_TOO_LARGE:
        return WS_CLOSE_TOO_LARGE;
    default:
        return WS_CLOSE_PROTOCOL;
    }
}

static void fail(struct ws_conn *c, enum drop_reason reason, struct ws_event *ev)
{
    c->state = WS_DEAF;
    *ev = (struct ws_event){.type = WS_EVENT_ERROR, .reason = reason, .close_code = close_code_of(reason)};
}

/* A data frame's head: may it come now? Takes it over. RFC 6455 5.4. */
static enum drop_reason begin_frame(struct ws_conn *c, const struct ws_frame *f, uint64_t limit)
{
    bool continues = f->opcode == WS_OP_CONTINUATION;
    if (continues != (c->opcode != 0))
        return DROP_WS_CONTINUATION;
    uint64_t before = continues ? c->message_length : 0;
    if (f->length > limit || before > limit - f->length)
        return DROP_WS_TOO_LARGE;
    if (!continues) {
        c->opcode = f->opcode;
        c->begun = 0;
    }
    c->message_length = before + f->length;
    c->frame_left = f->length;
    memcpy(c->mask, f->mask, sizeof c->mask);
    c->fin = f->fin;
    c->in_frame = 1;
    return DROP_NONE;
}

/* Takes what there is of the data frame in progress. Returns the bytes taken; *ev says NONE if there is
 * nothing to report. */
static size_t take_data(struct ws_conn *c, uint8_t *p, size_t len, struct ws_event *ev)
{
    size_t piece = len < c->frame_left ? len : (size_t)c->frame_left;
    bool frame_ends = piece == c->frame_left, final = frame_ends && c->fin;
    if (!c->peer_is_server)
        ws_mask(p, piece, c->mask, 0);
    if (c->opcode == WS_OP_TEXT && (!utf8_next(&c->utf8, p, piece) || (final && c->utf8 != UTF8_WHOLE))) {
        fail(c, DROP_WS_UTF8, ev);
        return len;
    }
    if ((piece || final) && c->state == WS_OPEN) {
        *ev = (struct ws_event){.type = WS_EVENT_DATA, .data = p, .length = piece, .opcode = c->opcode};
        ev->first = !c->begun;
        ev->final = final;
        c->begun = 1;
    }
    uint8_t turned[4];
    for (unsigned i = 0; i < 4; i++)
        turned[i] = c->mask[(piece + i) & 3];
    memcpy(c->mask, turned, sizeof turned);
    c->frame_left -= piece;
    c->in_frame = !frame_ends;
    if (final)
        c->opcode = 0;
    return piece;
}

/* RFC 6455 5.5.1, 7.4. */
static void take_close(struct ws_conn *c, const uint8_t *payload, size_t len, struct ws_event *ev)
{
    uint16_t code = len >= 2 ? be16(payload) : WS_CLOSE_NO_STATUS;
    if (len == 1 || (len >= 2 && !ws_close_code_valid(code))) {
        fail(c, DROP_WS_CLOSE, ev);
        return;
    }
    size_t skip = len ? 2 : 0;
    if (!utf8_valid(payload + skip, len - skip)) {
        fail(c, DROP_WS_UTF8, ev);
        return;
    }
    c->state = WS_DEAF;
    *ev = (struct ws_event){
        .type = WS_EVENT_CLOSE, .data = payload + skip, .length = len - skip, .close_code = code};
}

/* A control frame that is there as a whole. */
static void take_control(struct ws_conn *c, const struct ws_frame *f, uint8_t *payload, struct ws_event *ev)
{
    if (!c->peer_is_server)
        ws_mask(payload, (size_t)f->length, f->mask, 0);
    if (f->opcode == WS_OP_CLOSE)
        take_close(c, payload, (size_t)f->length, ev);
    else if (c->state == WS_OPEN)
        *ev = (struct ws_event){.type = f->opcode == WS_OP_PING ? WS_EVENT_PING : WS_EVENT_PONG,
                                .data = payload,
                                .length = (size_t)f->length};
}

/* One step: a head with its control payload, or a piece of data. Returns the bytes taken, 0 when more are
 * needed. */
static size_t step(struct ws_conn *c, uint8_t *p, size_t len, uint64_t limit, struct ws_event *ev)
{
    if (c->in_frame)
        return take_data(c, p, len, ev);
    struct ws_frame f;
    enum drop_reason why = DROP_NONE;
    int head = ws_frame_parse(p, len, c->peer_is_server ? WS_FROM_SERVER : WS_FROM_CLIENT, &f, &why);
    if (head == 0)
        return 0;
    if (head > 0 && f.opcode >= WS_OP_CLOSE) {
        if (len - (size_t)head < f.length)
            return 0;
        take_control(c, &f, p + head, ev);
        return (size_t)head + (size_t)f.length;
    }
    if (head > 0)
        why = begin_frame(c, &f, limit);
    if (why != DROP_NONE) {
        fail(c, why, ev);
        return len;
    }
    /* an empty frame has to be taken now: no byte will come for it */
    return (size_t)head + (f.length == 0 ? take_data(c, p + head, 0, ev) : 0);
}

size_t ws_input(struct ws_conn *c, uint8_t *p, size_t len, uint64_t limit, struct ws_event *ev)
{
    *ev = (struct ws_event){.type = WS_EVENT_NONE};
    size_t at = 0;
    while (at < len && c->state != WS_DEAF && ev->type == WS_EVENT_NONE) {
        size_t taken = step(c, p + at, len - at, limit, ev);
        if (taken == 0)
            return at;
        at += taken;
    }
    if (ev->type == WS_EVENT_NONE && at < len) {
        ev->reason = DROP_WS_AFTER_CLOSE;
        at = len;
    }
    return ev->type == WS_EVENT_ERROR ? len : at;
}

void ws_close_sent(struct ws_conn *c)
{
    if (c->state == WS_OPEN)
        c->state = WS_CLOSING;
}
