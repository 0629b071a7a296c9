/*
 * Request targets and hosts: the part of the request parser that knows URIs (RFC 3986 3.2, 3.3, 3.4; RFC
 * 9112 3.2).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_HTTP_TARGET_H
#define VOXPOP_HTTP_TARGET_H

#include "dataplane/http/request.h"

/* Is this `host [":" port]`, a name, an IPv4 address or an IPv6 address in brackets, and not empty? */
bool http_host_valid(const uint8_t *p, size_t len);

/* Fills in path and query, and host if the target has an authority. r->method is known. */
enum drop_reason http_parse_target(const uint8_t *p, struct http_slice target, struct http_request *r);

#endif
