/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/message.h"

#include <string.h>

static uint32_t at_most(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

/* ---- slices ---- */

static uint32_t told_length(const struct message *m)
{
    return m->stored ? stream_stored(m->body_length) : m->body_length;
}

uint32_t message_length(const struct message *m)
{
    return m->head_length + told_length(m) + m->tail_length;
}

uint32_t message_text_before(const struct message *m, uint32_t at)
{
    uint32_t told = at > m->head_length ? at - m->head_length : 0;
    return at_most(m->stored ? stream_text_before(told) : told, m->body_length);
}

static bool body_slice(const struct message *m, const struct pool *blocks, uint32_t offset, uint32_t len, uint8_t *dst)
{
    if (!m->body)
        return chain_read(m->chain, blocks, offset - m->chain_start, dst, len) == len;
    memcpy(dst, m->body + offset, len);
    return true;
}

/* [offset, offset + len) of the body as stored blocks. */
static bool stored_slice(const struct message *m, const struct pool *blocks, uint32_t offset, uint32_t len, uint8_t *dst)
{
    for (uint32_t n; len; offset += n, dst += n, len -= n) {
        uint32_t at = offset % (STREAM_BLOCK_HEAD + STREAM_BLOCK_MAX), text = stream_text_before(offset);
        uint32_t left = m->body_length - text;
        if (at < STREAM_BLOCK_HEAD) {
            uint8_t head[STREAM_BLOCK_HEAD];
            stream_block_head(head, at_most(left, STREAM_BLOCK_MAX));
            n = at_most(STREAM_BLOCK_HEAD - at, len);
            memcpy(dst, head + at, n);
            continue;
        }
        n = at_most(at_most(STREAM_BLOCK_HEAD + STREAM_BLOCK_MAX - at, left), len);
        if (!n || !body_slice(m, blocks, text, n, dst))
            return false;
    }
    return true;
}

bool message_slice(const struct message *m, const struct pool *blocks, uint32_t offset, uint32_t len, uint8_t *dst)
{
    uint32_t told = told_length(m), n = 0;
    if (offset < m->head_length) {
        n = at_most(m->head_length - offset, len);
        memcpy(dst, m->head + offset, n);
        dst += n;
        offset += n;
        len -= n;
    }
    offset -= m->head_length;
    n = offset < told ? at_most(told - offset, len) : 0;
    if (n && !(m->stored ? stored_slice : body_slice)(m, blocks, offset, n, dst))
        return false;
    if (n < len)
        memcpy(dst + n, m->tail + (offset + n - told), len - n);
    return true;
}

/* ---- what there is to say ---- */

static void end_payload(struct message *m)
{
    memcpy(m->tail, stream_flush, STREAM_FLUSH);
    m->tail_length = STREAM_FLUSH;
}

void message_blob(struct message *m, const struct tx_item *i, enum connection_encoding encoding)
{
    uint8_t opcode = i->opcode;
    m->stored = encoding == CONNECTION_DEFLATE && opcode == WS_OP_TEXT;
    m->body = NULL;
    m->chain = &i->bytes;
    m->chain_start = i->released;
    m->body_length = i->total;
    m->tail_length = m->head_length = 0;
    if (m->stored) {
        end_payload(m);
        opcode = WS_OP_BINARY;
    }
    if (opcode)
        m->head_length = (uint32_t)ws_frame_head(m->head, opcode, true, told_length(m) + m->tail_length);
}

static uint32_t put_text(char *to, const char *text)
{
    uint32_t n = (uint32_t)strlen(text);
    memcpy(to, text, n);
    return n;
}

static uint32_t put_number(char *to, uint32_t number)
{
    char digits[10];
    uint32_t n = 0;
    do
        digits[n++] = (char)('0' + number % 10);
    while (number /= 10);
    for (uint32_t i = 0; i < n; i++)
        to[i] = digits[n - 1 - i];
    return n;
}

/* The prefix of one session's copy. Voice numbers are 16 bits, skip 0, and exist from version 8 on. */
static uint32_t event_prefix(const struct session *s, uint32_t seq, char prefix[MESSAGE_PREFIX_MAX])
{
    if (s->flags & SESSION_UNNUMBERED)
        return put_text(prefix, "{");
    bool voice = s->kind == SESSION_VOICE;
    uint32_t n = put_text(prefix, voice ? "{\"seq\":" : "{\"s\":");
    n += put_number(prefix + n, voice ? (seq - 1) % 65535 + 1 : seq);
    prefix[n] = ',';
    return n + 1;
}

static void put(struct message *m, const void *bytes, uint32_t n)
{
    memcpy(m->head + m->head_length, bytes, n);
    m->head_length += n;
}

static void head_plain(struct message *m, const char *prefix, uint32_t n)
{
    m->head_length = (uint32_t)ws_frame_head(m->head, WS_OP_TEXT, true, n + m->body_length);
    put(m, prefix, n);
}

static void head_binary(struct message *m, const char *prefix, uint32_t n, bool begins)
{
    uint8_t block[STREAM_BLOCK_HEAD];
    uint32_t whole = (begins ? STREAM_HEADER : 0) + STREAM_BLOCK_HEAD + n + told_length(m) + m->tail_length;
    stream_block_head(block, n);
    m->head_length = (uint32_t)ws_frame_head(m->head, WS_OP_BINARY, true, whole);
    if (begins)
        put(m, stream_header, STREAM_HEADER);
    put(m, block, STREAM_BLOCK_HEAD);
    put(m, prefix, n);
}

static void take_deflated(struct message *m, const struct event *e, const struct event_variant *v)
{
    m->body = (const uint8_t *)e + v->deflated;
    m->body_length = v->deflated_length;
}

void message_event(struct message *m, const struct event *e, const struct session *s, uint32_t seq,
                   enum connection_encoding encoding)
{
    char prefix[MESSAGE_PREFIX_MAX];
    const struct event_variant *v = event_variant_of(e, s->user_id, s->flags & SESSION_CONTENT);
    uint32_t n = event_prefix(s, seq, prefix);
    m->body = (const uint8_t *)e + v->offset;
    m->body_length = v->length;
    m->stored = false;
    m->tail_length = 0;
    if (encoding == CONNECTION_DEFLATE) {
        if (v->deflated) {
            take_deflated(m, e, v);
        } else {
            m->stored = true;
            end_payload(m);
        }
        head_binary(m, prefix, n, false);
    } else if ((s->flags & SESSION_COMPRESSED) && v->deflated) {
        stream_end(m->tail, stream_adler_join(stream_adler((const uint8_t *)prefix, n), v->check, v->length));
        m->tail_length = STREAM_END;
        take_deflated(m, e, v);
        head_binary(m, prefix, n, true);
    } else {
        head_plain(m, prefix, n);
    }
}

size_t message_short(uint8_t *dst, enum connection_encoding encoding, const uint8_t *text, size_t n, bool first)
{
    if (encoding != CONNECTION_DEFLATE) {
        size_t head = ws_frame_head(dst, WS_OP_TEXT, true, n);
        memcpy(dst + head, text, n);
        return head + n;
    }
    uint32_t whole = (first ? STREAM_HEADER : 0) + STREAM_BLOCK_HEAD + (uint32_t)n + STREAM_FLUSH;
    uint8_t *at = dst + ws_frame_head(dst, WS_OP_BINARY, true, whole);
    if (first) {
        memcpy(at, stream_header, STREAM_HEADER);
        at += STREAM_HEADER;
    }
    stream_block_head(at, (uint32_t)n);
    memcpy(at + STREAM_BLOCK_HEAD, text, n);
    at += STREAM_BLOCK_HEAD + n;
    memcpy(at, stream_flush, STREAM_FLUSH);
    return (size_t)(at + STREAM_FLUSH - dst);
}
