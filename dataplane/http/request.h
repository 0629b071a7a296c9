/*
 * The head of an HTTP/1.1 request, parsed strictly: what two parsers could read differently is refused,
 * because a proxy before us may have read it differently (request smuggling). Owns nothing: the result points
 * into the bytes that were parsed.
 *
 * Refused: line ends other than CRLF, control characters, obs-fold, space before a colon, Content-Length that
 * is repeated, signed, not decimal or beside Transfer-Encoding, any coding but exactly `chunked`, a Host that
 * is missing (in 1.1), repeated or malformed, characters that no target may have, repetition of a field that
 * has one value, CONNECT and TRACE.
 *
 * Ignored: `Upgrade` to anything but websocket (h2c), every field not named below, one empty line in front.
 *
 * Targets. origin-form: "/path?query". absolute-form, "http[s]://authority/path?query" (RFC 9112 3.2.2): the
 * authority is the host; a Host field must be the same text, ASCII case aside; userinfo is refused.
 * asterisk-form: OPTIONS alone, path "*". Paths are neither decoded nor normalised; a "%" is followed by two
 * hexadecimal digits.
 *
 * Read first: RFC 9112 2 to 7, RFC 9110 5, 7.2, 7.8, 10.1.1; RFC 6455 4.2.1.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_HTTP_REQUEST_H
#define VOXPOP_HTTP_REQUEST_H

#include "dataplane/http/field.h"
#include "drop_reason.h"

#define HTTP_HEAD_MAX    16384u /* bytes, with the empty line */
#define HTTP_LINE_MAX    8192u  /* bytes of the request line, with its CRLF */
#define HTTP_HEADERS_MAX 64u

enum http_method {
    HTTP_GET,
    HTTP_HEAD,
    HTTP_POST,
    HTTP_PUT,
    HTTP_PATCH,
    HTTP_DELETE,
    HTTP_OPTIONS,
};

struct http_request {
    int64_t content_length; /* −1: none given */
    struct http_slice method_text;
    struct http_slice path;  /* begins with "/", or is "*"; never empty */
    struct http_slice query; /* behind the "?"; present but empty after a bare "?" */
    struct http_slice host;  /* with the port; absent only in HTTP/1.0 */
    struct http_slice content_type;
    struct http_slice authorization;
    struct http_slice audit_log_reason;
    struct http_slice if_match;
    struct http_slice user_agent;
    struct http_slice ws_key;
    struct http_slice ws_extensions; /* the first such field */
    struct http_slice ws_protocol;   /* the first such field */
    uint16_t head_length;            /* bytes with the empty line; a leading empty line counts too */
    uint8_t method;                  /* enum http_method */
    uint8_t minor_version;           /* of HTTP/1.x: 0 or 1 */
    bool chunked;
    bool keep_alive; /* RFC 9112 9.3, from the version and Connection */
    bool expect_continue;
    bool connection_upgrade; /* Connection has the token `upgrade` */
    bool upgrade_websocket;  /* Upgrade has `websocket`; never in HTTP/1.0 (RFC 9110 7.8) */
    uint8_t ws_version;      /* Sec-WebSocket-Version, 0 when absent or not a number below 256 */
};

/*
 * Returns the head's length in bytes and fills in *r; 0 when more bytes are needed; −1 when it is refused,
 * with *why. Only success writes *r, only refusal *why. Bytes that are presented again with more behind them
 * give the same answer; a call for an unfinished head looks only at its line ends, so a head that drips in
 * costs little.
 */
int http_parse_head(const uint8_t *p, size_t len, struct http_request *r, enum drop_reason *why);

/* The status code that answers a refusal: 400 for every reason that has none of its own. */
unsigned http_refusal_status(enum drop_reason why);

#endif
