/*
 * From an HTTP request to a WebSocket: is it a valid opening handshake, and what answers it; and what the
 * query of a gateway's or voice gateway's URL asks for. Extensions and subprotocols are declined by silence:
 * clients fail a connection whose answer names a protocol they did not ask for.
 * RFC 6455 4.2.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_WS_UPGRADE_H
#define VOXPOP_WS_UPGRADE_H

#include "dataplane/http/request.h"

#define WS_KEY_LENGTH     24u  /* base64 of 16 bytes */
#define WS_ACCEPT_LENGTH  28u  /* base64 of 20 bytes */
#define WS_UPGRADE_LENGTH 129u /* bytes of the 101 response, always */

/* DROP_NONE, or why this is no opening handshake; http_refusal_status() has the answer. `p` is the head that
 * gave *r. */
enum drop_reason ws_upgrade_check(const uint8_t *p, const struct http_request *r);

/* Sec-WebSocket-Accept of a key, without NUL. False when the digest is not to be had. */
bool ws_accept(const uint8_t key[WS_KEY_LENGTH], uint8_t accept[WS_ACCEPT_LENGTH]);

/* Writes the 101 response to a request that passed ws_upgrade_check(). Returns WS_UPGRADE_LENGTH; 0 when it
 * does not fit. */
size_t ws_upgrade_response(const uint8_t *p, const struct http_request *r, uint8_t *dst, size_t room);

enum ws_encoding { WS_ENCODING_JSON, WS_ENCODING_ETF };
enum ws_compress { WS_COMPRESS_NONE, WS_COMPRESS_ZLIB_STREAM, WS_COMPRESS_ZSTD_STREAM };

struct ws_query {
    uint8_t version;
    uint8_t encoding; /* enum ws_encoding; JSON when not given */
    uint8_t compress; /* enum ws_compress */
};

/*
 * Query of the main gateway (`v` 9 or 10) and of the voice gateway (`v` 4 to 9, JSON, not compressed). A
 * parameter that is missing (`v`), repeated or unknown in value is refused by name; other parameters are
 * ignored. Values are not percent-decoded. The upgrade is answered first, then the connection is closed with
 * WS_QUERY_CLOSE: a client sees close codes only.
 */
enum drop_reason ws_gateway_query(const uint8_t *p, struct http_slice query, struct ws_query *q);
enum drop_reason ws_voice_query(const uint8_t *p, struct http_slice query, struct ws_query *q);

/* Invalid API version: the one code after which no client comes back with the same query. */
#define WS_QUERY_CLOSE 4012

#endif
