/*
 * A request body in chunks, decoded in place as it arrives. The state is small and fixed-width, so it can
 * live in a connection's slot; every byte is consumed as it comes, up to the end of the body.
 *
 * Refused: a size that is empty, not hexadecimal or above the limit, whitespace around it, line ends other
 * than CRLF, control characters, malformed trailer fields, more than HTTP_CHUNK_EXTRA_MAX bytes of extensions
 * and trailers in one body. Extensions and trailers are checked and discarded.
 * RFC 9112 7.1.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_HTTP_BODY_H
#define VOXPOP_HTTP_BODY_H

#include "drop_reason.h"
#include "http_conn.h"

#include <stddef.h>
#include <stdint.h>

#define HTTP_CHUNK_EXTRA_MAX 4096u

enum http_chunked_result { HTTP_BODY_REFUSED = -1, HTTP_BODY_MORE = 0, HTTP_BODY_END = 1 };

/*
 * Reads p[0, len) and leaves the body's bytes in p[0, *produced). *consumed is `len`, or less at
 * HTTP_BODY_END, where the bytes from there on (not touched) belong to the next request. `limit` is in bytes
 * of body. Refusal sets *why; the state is then of no further use, and what was decoded before is not
 * reported.
 */
enum http_chunked_result http_chunked_decode(struct http_chunked *c, uint8_t *p, size_t len, uint64_t limit,
                                             size_t *consumed, size_t *produced, enum drop_reason *why);

#endif
