/*
 * The token of an identify or resume, found without a JSON parser, so that a wrong one is refused where it
 * arrives. The reader says yes only to a payload that it understands completely; everything else goes to the
 * control plane. So a wrong "no" costs a round trip, and a wrong "yes" must not exist.
 *
 *   {"op":2|6, "d":{..., "token":"...", ...}}    any order; keys without escapes, no key twice
 *
 * RFC 8259.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_WS_TOKEN_OF_H
#define VOXPOP_WS_TOKEN_OF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* True when the payload of a text message is op 2 or 6 with a token; *token then points into it. */
bool gateway_token(const uint8_t *p, size_t len, const char **token, size_t *length);

#endif
