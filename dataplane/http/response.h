/*
 * Response heads and small error responses, written into the caller's buffer. The caller gives the time;
 * nothing is allocated. Every response has a Date (IMF-fixdate), a Connection and, where one is allowed, a
 * Content-Length: we never send chunks.
 * RFC 9112 4; RFC 9110 5.6.7, 6.6.1, 8.6, 15.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_HTTP_RESPONSE_H
#define VOXPOP_HTTP_RESPONSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HTTP_JSON        "application/json" /* exactly: clients compare the whole value */
#define HTTP_CONTINUE    "HTTP/1.1 100 Continue\r\n\r\n"
#define HTTP_DATE_LENGTH 29u
#define HTTP_ERROR_MAX   512u /* no error response is longer */

struct http_response {
    uint16_t status;
    bool keep_alive;
    uint64_t unix_s;          /* now, seconds since 1970 */
    uint64_t content_length;  /* bytes; not sent with 1xx and 204 */
    const char *content_type; /* NULL: none */
    const char *fields;       /* further field lines, each with its CRLF; NULL: none */
};

/* "Bad Request"; "Unknown" for a code that we never send. */
const char *http_reason_phrase(unsigned status);

/* Writes "Sun, 06 Nov 1994 08:49:37 GMT", without NUL. Years up to 9999. */
void http_date(uint64_t unix_s, char date[HTTP_DATE_LENGTH]);

/* Writes status line and fields with the empty line; the caller appends the body. Returns bytes written, 0
 * when it does not fit. */
size_t http_response_head(const struct http_response *r, uint8_t *dst, size_t room);

/*
 * A whole error response with the body {"message":"400: Bad Request","code":0}; without the body when it
 * answers a HEAD. Adds Allow to 405, and Upgrade and Sec-WebSocket-Version to 426. Returns bytes written, 0
 * when it does not fit.
 */
size_t http_error(unsigned status, bool keep_alive, bool head_only, uint64_t unix_s, uint8_t *dst,
                  size_t room);

#endif
