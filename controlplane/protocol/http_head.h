/*
 * The head of an HTTP/1.1 response (RFC 9112 4, RFC 9110 6.6.1), written into a json_out: REST, the page, WHIP and WHEP
 * begin theirs here and add what is their own.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_HTTP_HEAD_H
#define VOXPOP_HTTP_HEAD_H

#include "controlplane/protocol/json_out.h"

/* The status line, and Date. `now_ms`: Unix time. */
void http_head_open(struct json_out *o, int status, int64_t now_ms);

/* Formatted text, at most 1,023 bytes; longer is cut. */
__attribute__((format(printf, 2, 3))) void http_head_line(struct json_out *o, const char *format, ...);

/* Connection, and the empty line behind the head. */
void http_head_close(struct json_out *o, bool keep_alive);

#endif
