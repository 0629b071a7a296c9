/*
 * The chunked coding as a state machine over bytes; chunk data is moved in runs.
 *
 *   SIZE --";"--> EXTENSION --CR--> SIZE_LF --LF--> DATA --all--> DATA_CR --CR--> DATA_LF --LF--> SIZE
 *   SIZE --CR--> SIZE_LF             SIZE_LF --LF, size 0--> LINE
 *   LINE --CR--> END_LF --LF--> END  LINE --token--> NAME --":"--> VALUE --CR--> VALUE_LF --LF--> LINE
 *
 * Every other byte in a state is a refusal.
 * RFC 9112 7.1, 7.1.1, 7.1.2.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/http/body.h"
#include "dataplane/http/field.h"

#include <string.h>

enum { SIZE, EXTENSION, SIZE_LF, DATA, DATA_CR, DATA_LF, LINE, NAME, VALUE, VALUE_LF, END_LF, END };

#define SIZE_DIGITS_MAX 15u /* the size stays below 2^60 */

/* The size is known and its line is over: is it bearable? */
static enum drop_reason begin_chunk(struct http_chunked *c, uint64_t limit)
{
    if (c->left > limit || c->total > limit - c->left)
        return DROP_HTTP_BODY_TOO_LARGE;
    c->total += c->left;
    c->state = c->left ? DATA : LINE;
    c->digits = 0;
    return DROP_NONE;
}

static enum drop_reason take_size(struct http_chunked *c, uint8_t byte)
{
    int digit = http_hex(byte);
    if (digit >= 0 && c->digits == SIZE_DIGITS_MAX)
        return DROP_HTTP_BODY_TOO_LARGE;
    if (digit >= 0) {
        c->left = c->left << 4 | (unsigned)digit;
        c->digits++;
        return DROP_NONE;
    }
    if (c->digits == 0 || (byte != '\r' && byte != ';'))
        return DROP_HTTP_MALFORMED;
    c->state = byte == '\r' ? SIZE_LF : EXTENSION;
    return DROP_NONE;
}

/* Bytes that are discarded count, so that they are bounded. */
static enum drop_reason count_extra(struct http_chunked *c)
{
    return ++c->extra > HTTP_CHUNK_EXTRA_MAX ? DROP_HTTP_HEAD_TOO_LARGE : DROP_NONE;
}

/* Goes to `next` if the byte is the one that has to come. */
static enum drop_reason expect(struct http_chunked *c, uint8_t byte, uint8_t due, uint8_t next)
{
    c->state = next;
    return byte == due ? DROP_NONE : DROP_HTTP_MALFORMED;
}

/* Extensions and trailer lines up to their CR. */
static enum drop_reason take_extra(struct http_chunked *c, uint8_t byte)
{
    bool in_name = c->state == LINE || c->state == NAME;
    if (byte == '\r' && c->state != NAME)
        c->state = c->state == LINE ? END_LF : c->state == EXTENSION ? SIZE_LF : VALUE_LF;
    else if (byte == ':' && c->state == NAME)
        c->state = VALUE;
    else if (!http_is(byte, in_name ? HTTP_TOKEN_CHAR : HTTP_VALUE_CHAR))
        return DROP_HTTP_MALFORMED;
    else if (c->state == LINE)
        c->state = NAME;
    return count_extra(c);
}

/* One byte in any state but DATA and END. */
static enum drop_reason take_byte(struct http_chunked *c, uint8_t byte, uint64_t limit)
{
    switch (c->state) {
    case SIZE:
        return take_size(c, byte);
    case SIZE_LF:
        return byte == '\n' ? begin_chunk(c, limit) : DROP_HTTP_MALFORMED;
    case DATA_CR:
        return expect(c, byte, '\r', DATA_LF);
    case DATA_LF:
        return expect(c, byte, '\n', SIZE);
    case VALUE_LF:
        return expect(c, byte, '\n', LINE);
    case END_LF:
        return expect(c, byte, '\n', END);
    default:
        return take_extra(c, byte);
    }
}

enum http_chunked_result http_chunked_decode(struct http_chunked *c, uint8_t *p, size_t len, uint64_t limit,
                                             size_t *consumed, size_t *produced, enum drop_reason *why)
{
    size_t at = 0, out = 0;
    while (at < len && c->state != END) {
        if (c->state == DATA) {
            size_t run = len - at < c->left ? len - at : (size_t)c->left;
            memmove(p + out, p + at, run);
            at += run;
            out += run;
            c->left -= run;
            if (c->left == 0)
                c->state = DATA_CR;
            continue;
        }
        enum drop_reason reason = take_byte(c, p[at++], limit);
        if (reason != DROP_NONE) {
            *why = reason;
            return HTTP_BODY_REFUSED;
        }
    }
    *consumed = at;
    *produced = out;
    return c->state == END ? HTTP_BODY_END : HTTP_BODY_MORE;
}
