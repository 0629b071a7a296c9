/*
 * Request targets: origin-form, absolute-form, asterisk-form; authority-form belongs to CONNECT, which is
 * refused before.
 * RFC 9112 3.2; RFC 3986 2.1, 3.2, 3.3, 3.4.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/http/target.h"

/* How many bytes from p[at] on are of this class, "/" or `other`, or escapes. */
static size_t span(const uint8_t *p, size_t at, size_t end, unsigned class_bits, uint8_t also, uint8_t other)
{
    size_t i = at;
    while (i < end) {
        if (http_is(p[i], class_bits) || p[i] == also || p[i] == other)
            i++;
        else if (p[i] == '%' && end - i >= 3 && http_hex(p[i + 1]) >= 0 && http_hex(p[i + 2]) >= 0)
            i += 3;
        else
            break;
    }
    return i - at;
}

/* "[" digits, colons and dots "]": which of them make an address is for whoever uses it. Returns bytes, 0
 * when it is none. */
static size_t bracketed(const uint8_t *p, size_t len)
{
    size_t i = 1;
    while (i < len && (http_hex(p[i]) >= 0 || p[i] == ':' || p[i] == '.'))
        i++;
    return i > 2 && i < len && p[i] == ']' ? i + 1 : 0;
}

bool http_host_valid(const uint8_t *p, size_t len)
{
    size_t host = len && p[0] == '[' ? bracketed(p, len) : span(p, 0, len, HTTP_HOST_CHAR, '.', '.');
    if (host == 0)
        return false;
    if (host == len)
        return true;
    if (p[host] != ':')
        return false;
    unsigned port = 0;
    for (size_t i = host + 1; i < len; i++) {
        if (p[i] < '0' || p[i] > '9' || i > host + 5)
            return false;
        port = port * 10 + (p[i] - '0');
    }
    return port <= 65535; /* RFC 3986 3.2.3: the digits may be missing */
}

/* Path and query in p[at, end), beginning with "/". */
static enum drop_reason parse_path(const uint8_t *p, size_t at, size_t end, struct http_request *r)
{
    size_t length = span(p, at, end, HTTP_TARGET_CHAR, '/', '/');
    r->path = (struct http_slice){(uint16_t)at, (uint16_t)length};
    at += length;
    if (at == end)
        return DROP_NONE;
    if (p[at] != '?')
        return DROP_HTTP_MALFORMED;
    at++;
    r->query = (struct http_slice){(uint16_t)at, (uint16_t)(end - at)};
    return span(p, at, end, HTTP_TARGET_CHAR, '/', '?') == end - at ? DROP_NONE : DROP_HTTP_MALFORMED;
}

/* Behind "http://" or "https://". */
static enum drop_reason parse_absolute(const uint8_t *p, size_t at, size_t end, struct http_request *r)
{
    size_t stop = at;
    while (stop < end && p[stop] != '/' && p[stop] != '?')
        stop++;
    if (!http_host_valid(p + at, stop - at))
        return DROP_HTTP_HOST;
    r->host = (struct http_slice){(uint16_t)at, (uint16_t)(stop - at)};
    if (stop < end && p[stop] == '/')
        return parse_path(p, stop, end, r);
    enum drop_reason reason = DROP_NONE;
    if (stop < end) {
        r->query = (struct http_slice){(uint16_t)(stop + 1), (uint16_t)(end - stop - 1)};
        if (span(p, stop + 1, end, HTTP_TARGET_CHAR, '/', '?') != end - stop - 1)
            reason = DROP_HTTP_MALFORMED;
    }
    /* RFC 9110 4.2.3: an empty path is "/"; the scheme's second slash serves as its text */
    r->path = (struct http_slice){(uint16_t)(at - 1), 1};
    return reason;
}

enum drop_reason http_parse_target(const uint8_t *p, struct http_slice target, struct http_request *r)
{
    size_t at = target.offset, end = at + target.length;
    if (target.length == 0)
        return DROP_HTTP_MALFORMED;
    if (p[at] == '/')
        return parse_path(p, at, end, r);
    if (p[at] == '*' && target.length == 1 && r->method == HTTP_OPTIONS) {
        r->path = target;
        return DROP_NONE;
    }
    if (target.length > 7 && http_equals(p + at, 7, "http://"))
        return parse_absolute(p, at + 7, end, r);
    if (target.length > 8 && http_equals(p + at, 8, "https://"))
        return parse_absolute(p, at + 8, end, r);
    return DROP_HTTP_MALFORMED;
}
