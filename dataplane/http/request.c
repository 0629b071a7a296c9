/*
 * Two passes. The first finds the empty line and looks at line ends and bounds alone, so that a head which
 * drips in is not parsed over and over; the second runs once, over a complete head, and checks everything.
 * Refusals depend only on a prefix of the bytes: however the head is cut, the answer is the same. RFC
 * 9112 2.2, 3, 5, 6; RFC 9110 5.5, 7.2, 7.8, 10.1.1.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/http/request.h"
#include "dataplane/http/target.h"

#include <string.h>

#define METHOD_MAX        32u /* bytes: a longer first word is no method */
#define LENGTH_DIGITS_MAX 18u /* of Content-Length: fits int64_t */

static int refuse(enum drop_reason *why, enum drop_reason reason)
{
    *why = reason;
    return -1;
}

/* The first word may be a method: answers garbage (another protocol) at its first bytes. */
static int check_start(const uint8_t *p, size_t len, enum drop_reason *why)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i] == ' ' && i > 0)
            return 0;
        if (i == METHOD_MAX)
            return refuse(why, DROP_HTTP_METHOD_UNKNOWN);
        if (!http_is(p[i], HTTP_TOKEN_CHAR))
            return refuse(why, DROP_HTTP_MALFORMED);
    }
    return 0;
}

/* First pass, from the request line at `start`: the head's length, 0, or −1. */
static int find_end(const uint8_t *p, size_t len, size_t start, enum drop_reason *why)
{
    size_t bound = len < HTTP_HEAD_MAX ? len : HTTP_HEAD_MAX, at = start;
    const uint8_t *lf;
    unsigned lines = 0;
    for (; (lf = memchr(p + at, '\n', bound - at)) != NULL; lines++) {
        size_t end = (size_t)(lf - p);
        if (end == at || p[end - 1] != '\r')
            return refuse(why, DROP_HTTP_MALFORMED);
        bool empty = end - 1 == at;
        if (lines == 0 && end + 1 - start > HTTP_LINE_MAX)
            return refuse(why, DROP_HTTP_TARGET_TOO_LONG);
        if (lines == 0 && empty)
            return refuse(why, DROP_HTTP_MALFORMED);
        if (empty)
            return (int)end + 1;
        if (lines > HTTP_HEADERS_MAX)
            return refuse(why, DROP_HTTP_HEAD_TOO_LARGE);
        at = end + 1;
    }
    if (lines == 0 && bound - start >= HTTP_LINE_MAX)
        return refuse(why, DROP_HTTP_TARGET_TOO_LONG);
    if (len >= HTTP_HEAD_MAX)
        return refuse(why, DROP_HTTP_HEAD_TOO_LARGE);
    return 0;
}

static struct http_slice slice(size_t begin, size_t end)
{
    return (struct http_slice){(uint16_t)begin, (uint16_t)(end - begin)};
}

/* The request line p[at, end), without its CRLF: method SP target SP version. */
static enum drop_reason parse_request_line(const uint8_t *p, size_t at, size_t end, struct http_request *r)
{
    static const char *const taken[] = {
        [HTTP_GET] = "GET",     [HTTP_HEAD] = "HEAD",     [HTTP_POST] = "POST",       [HTTP_PUT] = "PUT",
        [HTTP_PATCH] = "PATCH", [HTTP_DELETE] = "DELETE", [HTTP_OPTIONS] = "OPTIONS",
    };
    const uint8_t *space = memchr(p + at, ' ', end - at);
    if (!space)
        return DROP_HTTP_MALFORMED;
    r->method_text = slice(at, (size_t)(space - p));
    size_t target = (size_t)(space - p) + 1;
    space = memchr(p + target, ' ', end - target);
    if (!space)
        return DROP_HTTP_MALFORMED;
    const uint8_t *version = space + 1;
    if (p + end - version != 8 || memcmp(version, "HTTP/", 5) || version[5] < '0' || version[5] > '9' ||
        version[6] != '.' || version[7] < '0' || version[7] > '9')
        return DROP_HTTP_MALFORMED;
    if (version[5] != '1' || version[7] > '1')
        return DROP_HTTP_VERSION;
    r->minor_version = version[7] - '0';

    const char *method = (const char *)p + r->method_text.offset;
    size_t length = r->method_text.length, m = 0;
    while (m < sizeof taken / sizeof taken[0] &&
           (strlen(taken[m]) != length || memcmp(taken[m], method, length)))
        m++;
    if (m == sizeof taken / sizeof taken[0])
        return (length == 7 && !memcmp(method, "CONNECT", 7)) || (length == 5 && !memcmp(method, "TRACE", 5))
                   ? DROP_HTTP_METHOD
                   : DROP_HTTP_METHOD_UNKNOWN;
    r->method = (uint8_t)m;
    return http_parse_target(p, slice(target, (size_t)(space - p)), r);
}

enum field {
    FIELD_TEXT, /* its value is kept as it is */
    FIELD_CONTENT_LENGTH,
    FIELD_TRANSFER_ENCODING,
    FIELD_CONNECTION,
    FIELD_UPGRADE,
    FIELD_EXPECT,
    FIELD_WS_VERSION,
    FIELD_HOST,
};

/* The fields that we read. */
static const struct field_rule {
    const char *name;
    enum field field;
    enum drop_reason repeated; /* DROP_NONE: may be repeated; text keeps the first */
    size_t keep;               /* FIELD_TEXT: where in http_request */
} field_rules[] = {
    {"host", FIELD_HOST, DROP_HTTP_HOST, 0},
    {"content-length", FIELD_CONTENT_LENGTH, DROP_HTTP_LENGTH, 0},
    {"transfer-encoding", FIELD_TRANSFER_ENCODING, DROP_HTTP_LENGTH, 0},
    {"connection", FIELD_CONNECTION, DROP_NONE, 0},
    {"upgrade", FIELD_UPGRADE, DROP_NONE, 0},
    {"expect", FIELD_EXPECT, DROP_HTTP_EXPECT, 0},
    {"sec-websocket-version", FIELD_WS_VERSION, DROP_HTTP_MALFORMED, 0},
    {"content-type", FIELD_TEXT, DROP_HTTP_MALFORMED, offsetof(struct http_request, content_type)},
    {"authorization", FIELD_TEXT, DROP_HTTP_MALFORMED, offsetof(struct http_request, authorization)},
    {"x-audit-log-reason", FIELD_TEXT, DROP_HTTP_MALFORMED, offsetof(struct http_request, audit_log_reason)},
    {"if-match", FIELD_TEXT, DROP_HTTP_MALFORMED, offsetof(struct http_request, if_match)},
    {"user-agent", FIELD_TEXT, DROP_HTTP_MALFORMED, offsetof(struct http_request, user_agent)},
    {"sec-websocket-key", FIELD_TEXT, DROP_HTTP_MALFORMED, offsetof(struct http_request, ws_key)},
    {"sec-websocket-extensions", FIELD_TEXT, DROP_NONE, offsetof(struct http_request, ws_extensions)},
    {"sec-websocket-protocol", FIELD_TEXT, DROP_NONE, offsetof(struct http_request, ws_protocol)},
};
#define FIELD_RULES (sizeof field_rules / sizeof field_rules[0])

/* What the fields say that cannot be judged before the last of them. */
struct fields {
    uint32_t seen; /* bit per field_rules[] */
    struct http_slice host;
    bool close;
    bool keep_alive;
};

static bool is_token(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (!http_is(p[i], HTTP_TOKEN_CHAR))
            return false;
    return len > 0;
}

/* RFC 9112 6.3: nothing but digits. */
static enum drop_reason take_content_length(const uint8_t *v, size_t len, struct http_request *r)
{
    int64_t value = 0;
    for (size_t i = 0; i < len; i++) {
        if (v[i] < '0' || v[i] > '9')
            return DROP_HTTP_LENGTH;
        if (i < LENGTH_DIGITS_MAX)
            value = value * 10 + (v[i] - '0');
    }
    if (len == 0)
        return DROP_HTTP_LENGTH;
    if (len > LENGTH_DIGITS_MAX)
        return DROP_HTTP_BODY_TOO_LARGE;
    r->content_length = value;
    return DROP_NONE;
}

static enum drop_reason take_connection(const uint8_t *v, size_t len, struct http_request *r,
                                        struct fields *f)
{
    const uint8_t *option;
    size_t at = 0, n;
    while (http_list_next(v, len, &at, &option, &n)) {
        if (!is_token(option, n))
            return DROP_HTTP_MALFORMED;
        f->close |= http_equals(option, n, "close");
        f->keep_alive |= http_equals(option, n, "keep-alive");
        r->connection_upgrade |= http_equals(option, n, "upgrade");
    }
    return DROP_NONE;
}

static void take_upgrade(const uint8_t *v, size_t len, struct http_request *r)
{
    const uint8_t *protocol;
    size_t at = 0, n;
    while (http_list_next(v, len, &at, &protocol, &n))
        r->upgrade_websocket |= r->minor_version > 0 && http_equals(protocol, n, "websocket");
}

static uint8_t small_number(const uint8_t *v, size_t len)
{
    unsigned value = 0;
    if (len == 0 || len > 3 || (len > 1 && v[0] == '0'))
        return 0;
    for (size_t i = 0; i < len; i++) {
        if (v[i] < '0' || v[i] > '9')
            return 0;
        value = value * 10 + (v[i] - '0');
    }
    return value < 256 ? (uint8_t)value : 0;
}

/* One field with its value p[value]. */
static enum drop_reason take_field(const uint8_t *p, const struct field_rule *rule, bool repeated,
                                   struct http_slice value, struct http_request *r, struct fields *f)
{
    const uint8_t *v = p + value.offset;
    size_t len = value.length;
    switch (rule->field) {
    case FIELD_TEXT:
        if (!repeated)
            memcpy((uint8_t *)r + rule->keep, &value, sizeof value);
        return DROP_NONE;
    case FIELD_HOST:
        f->host = value;
        return http_host_valid(v, len) ? DROP_NONE : DROP_HTTP_HOST;
    case FIELD_CONTENT_LENGTH:
        return take_content_length(v, len, r);
    case FIELD_TRANSFER_ENCODING:
        r->chunked = true;
        return http_equals(v, len, "chunked") ? DROP_NONE : DROP_HTTP_CODING;
    case FIELD_CONNECTION:
        return take_connection(v, len, r, f);
    case FIELD_UPGRADE:
        take_upgrade(v, len, r);
        return DROP_NONE;
    case FIELD_EXPECT:
        r->expect_continue = r->minor_version > 0;
        return http_equals(v, len, "100-continue") ? DROP_NONE : DROP_HTTP_EXPECT;
    case FIELD_WS_VERSION:
        r->ws_version = small_number(v, len);
        return DROP_NONE;
    }
    return DROP_HTTP_MALFORMED;
}

/* A field line p[at, end), without its CRLF. */
static enum drop_reason parse_field(const uint8_t *p, size_t at, size_t end, struct http_request *r,
                                    struct fields *f)
{
    size_t colon = at;
    while (colon < end && http_is(p[colon], HTTP_TOKEN_CHAR))
        colon++;
    if (colon == at || colon == end || p[colon] != ':')
        return DROP_HTTP_MALFORMED; /* with obs-fold and a space before the colon */
    size_t begin = colon + 1;
    for (size_t i = begin; i < end; i++)
        if (!http_is(p[i], HTTP_VALUE_CHAR))
            return DROP_HTTP_MALFORMED;
    for (unsigned i = 0; i < FIELD_RULES; i++) {
        const struct field_rule *rule = &field_rules[i];
        if (!http_equals(p + at, colon - at, rule->name))
            continue;
        bool repeated = f->seen >> i & 1;
        if (repeated && rule->repeated != DROP_NONE)
            return rule->repeated;
        f->seen |= 1u << i;
        http_strip(p, &begin, &end);
        return take_field(p, rule, repeated, slice(begin, end), r, f);
    }
    return DROP_NONE;
}

/* What only the whole head can tell. */
static enum drop_reason conclude(const uint8_t *p, struct http_request *r, const struct fields *f)
{
    bool absolute = http_present(r->host); /* the target had an authority */
    if (r->minor_version > 0 && !http_present(f->host))
        return DROP_HTTP_HOST;
    if (absolute && http_present(f->host) &&
        (f->host.length != r->host.length ||
         !http_same(p + f->host.offset, p + r->host.offset, r->host.length)))
        return DROP_HTTP_HOST;
    if (!absolute)
        r->host = f->host;
    /* RFC 9112 6.1: with a length beside it, or from HTTP/1.0, a coding means faulty framing */
    if (r->chunked && (r->content_length >= 0 || r->minor_version == 0))
        return DROP_HTTP_LENGTH;
    r->keep_alive = !f->close && (r->minor_version > 0 || f->keep_alive);
    return DROP_NONE;
}

int http_parse_head(const uint8_t *p, size_t len, struct http_request *r, enum drop_reason *why)
{
    size_t start = 0;
    if (len && p[0] == '\r') { /* RFC 9112 2.2: one empty line in front is ignored */
        if (len == 1)
            return 0;
        if (p[1] != '\n')
            return refuse(why, DROP_HTTP_MALFORMED);
        start = 2;
    }
    if (check_start(p + start, len - start, why) < 0)
        return -1;
    int head = find_end(p, len, start, why);
    if (head <= 0)
        return head;

    struct http_request out = {.content_length = -1, .head_length = (uint16_t)head};
    struct fields f = {0};
    enum drop_reason reason = DROP_NONE;
    for (size_t at = start, end; reason == DROP_NONE && at < (size_t)head - 2; at = end + 2) {
        end = (size_t)((const uint8_t *)memchr(p + at, '\n', (size_t)head - at) - p) - 1;
        reason = at == start ? parse_request_line(p, at, end, &out) : parse_field(p, at, end, &out, &f);
    }
    if (reason == DROP_NONE)
        reason = conclude(p, &out, &f);
    if (reason != DROP_NONE)
        return refuse(why, reason);
    *r = out;
    return head;
}

unsigned http_refusal_status(enum drop_reason why)
{
    switch (why) {
    case DROP_HTTP_METHOD:
        return 405;
    case DROP_HTTP_TIMEOUT:
    case DROP_HTTP_BODY_TIMEOUT:
        return 408;
    case DROP_HTTP_BODY_TOO_LARGE:
        return 413;
    case DROP_HTTP_TARGET_TOO_LONG:
        return 414;
    case DROP_HTTP_EXPECT:
        return 417;
    case DROP_HTTP_UPGRADE_VERSION:
        return 426;
    case DROP_HTTP_HEAD_TOO_LARGE:
        return 431;
    case DROP_HTTP_METHOD_UNKNOWN:
    case DROP_HTTP_CODING:
        return 501;
    case DROP_CONTROL_RING_FULL:
    case DROP_HTTP_UPLOADS_FULL:
        return 503;
    case DROP_HTTP_NO_ANSWER:
        return 504;
    case DROP_HTTP_VERSION:
        return 505;
    default:
        return 400;
    }
}
