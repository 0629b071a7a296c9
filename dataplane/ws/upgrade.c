/*
 * The server's half of the opening handshake, and the gateways' queries.
 * RFC 6455 4.2.1, 4.2.2, 4.4.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/ws/upgrade.h"

#include <openssl/evp.h>

#include <string.h>

#define WS_VERSION 13u

/* base64 of 16 bytes: 22 digits and the padding. Unused bits of the last digit are not looked at (RFC
 * 4648 3.5). */
static bool key_valid(const uint8_t *key, size_t len)
{
    if (len != WS_KEY_LENGTH || key[22] != '=' || key[23] != '=')
        return false;
    for (size_t i = 0; i < 22; i++) {
        uint8_t c = key[i], letter = c | 0x20;
        if (!(letter >= 'a' && letter <= 'z') && !(c >= '0' && c <= '9') && c != '+' && c != '/')
            return false;
    }
    return true;
}

enum drop_reason ws_upgrade_check(const uint8_t *p, const struct http_request *r)
{
    if (r->method != HTTP_GET || !r->upgrade_websocket || !r->connection_upgrade)
        return DROP_HTTP_UPGRADE;
    if (r->chunked || r->content_length > 0) /* its bytes would be taken for frames */
        return DROP_HTTP_UPGRADE;
    if (r->ws_version != WS_VERSION)
        return DROP_HTTP_UPGRADE_VERSION;
    return key_valid(p + r->ws_key.offset, r->ws_key.length) ? DROP_NONE : DROP_HTTP_UPGRADE;
}

bool ws_accept(const uint8_t key[WS_KEY_LENGTH], uint8_t accept[WS_ACCEPT_LENGTH])
{
    static const char guid[] = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"; /* RFC 6455 1.3 */
    uint8_t text[WS_KEY_LENGTH + sizeof guid - 1], digest[EVP_MAX_MD_SIZE];
    uint8_t base64[WS_ACCEPT_LENGTH + 1];
    unsigned length = 0;
    memcpy(text, key, WS_KEY_LENGTH);
    memcpy(text + WS_KEY_LENGTH, guid, sizeof guid - 1);
    if (EVP_Digest(text, sizeof text, digest, &length, EVP_sha1(), NULL) != 1 || length != 20)
        return false;
    EVP_EncodeBlock(base64, digest, 20);
    memcpy(accept, base64, WS_ACCEPT_LENGTH);
    return true;
}

size_t ws_upgrade_response(const uint8_t *p, const struct http_request *r, uint8_t *dst, size_t room)
{
    static const char head[] = "HTTP/1.1 101 Switching Protocols\r\n"
                               "Upgrade: websocket\r\n"
                               "Connection: Upgrade\r\n"
                               "Sec-WebSocket-Accept: ";
    _Static_assert(sizeof head - 1 + WS_ACCEPT_LENGTH + 4 == WS_UPGRADE_LENGTH,
                   "the response has one length");
    if (room < WS_UPGRADE_LENGTH || !ws_accept(p + r->ws_key.offset, dst + sizeof head - 1))
        return 0;
    memcpy(dst, head, sizeof head - 1);
    memcpy(dst + WS_UPGRADE_LENGTH - 4, "\r\n\r\n", 4);
    return WS_UPGRADE_LENGTH;
}

/* A parameter's values; the value's place in the table is its number. */
struct choice {
    const char *const *values;
    unsigned count;
};

static bool is(const uint8_t *p, size_t len, const char *text)
{
    return strlen(text) == len && memcmp(p, text, len) == 0;
}

/* The number of the value p[0, len), −1 when it is none of the choices. */
static int choose(const struct choice *c, const uint8_t *p, size_t len)
{
    for (unsigned i = 0; i < c->count; i++)
        if (c->values[i] && is(p, len, c->values[i]))
            return (int)i;
    return -1;
}

enum { PARAMETER_VERSION, PARAMETER_ENCODING, PARAMETER_COMPRESS, PARAMETERS };

/* A gateway's parameters: what they may be, and by what name they are refused. */
static enum drop_reason parse_query(const uint8_t *p, struct http_slice query,
                                    const struct choice allowed[PARAMETERS], struct ws_query *q)
{
    static const struct {
        const char *name;
        enum drop_reason refusal;
    } parameters[PARAMETERS] = {
        [PARAMETER_VERSION] = {"v", DROP_GATEWAY_VERSION},
        [PARAMETER_ENCODING] = {"encoding", DROP_GATEWAY_ENCODING},
        [PARAMETER_COMPRESS] = {"compress", DROP_GATEWAY_COMPRESS},
    };
    int chosen[PARAMETERS] = {-1, -1, -1};
    const uint8_t *at = p + query.offset, *end = at + query.length;
    while (at < end) {
        const uint8_t *stop = memchr(at, '&', (size_t)(end - at));
        if (!stop)
            stop = end;
        const uint8_t *equals = memchr(at, '=', (size_t)(stop - at));
        const uint8_t *name_end = equals ? equals : stop, *value = equals ? equals + 1 : stop;
        for (unsigned i = 0; i < PARAMETERS; i++) {
            if (!is(at, (size_t)(name_end - at), parameters[i].name))
                continue;
            int choice = choose(&allowed[i], value, (size_t)(stop - value));
            if (choice < 0 || chosen[i] >= 0)
                return parameters[i].refusal;
            chosen[i] = choice;
        }
        at = stop + (stop < end);
    }
    if (chosen[PARAMETER_VERSION] < 0)
        return DROP_GATEWAY_VERSION;
    q->version = (uint8_t)chosen[PARAMETER_VERSION];
    q->encoding = chosen[PARAMETER_ENCODING] < 0 ? WS_ENCODING_JSON : (uint8_t)chosen[PARAMETER_ENCODING];
    q->compress = chosen[PARAMETER_COMPRESS] < 0 ? WS_COMPRESS_NONE : (uint8_t)chosen[PARAMETER_COMPRESS];
    return DROP_NONE;
}

static const char *const encodings[] = {[WS_ENCODING_JSON] = "json", [WS_ENCODING_ETF] = "etf"};

enum drop_reason ws_gateway_query(const uint8_t *p, struct http_slice query, struct ws_query *q)
{
    static const char *const versions[] = {[9] = "9", [10] = "10"};
    static const char *const compressions[] = {
        [WS_COMPRESS_ZLIB_STREAM] = "zlib-stream", [WS_COMPRESS_ZSTD_STREAM] = "zstd-stream"};
    static const struct choice allowed[PARAMETERS] = {{versions, 11}, {encodings, 2}, {compressions, 3}};
    return parse_query(p, query, allowed, q);
}

enum drop_reason ws_voice_query(const uint8_t *p, struct http_slice query, struct ws_query *q)
{
    static const char *const versions[] = {[4] = "4", [5] = "5", [6] = "6", [7] = "7", [8] = "8", [9] = "9"};
    static const struct choice allowed[PARAMETERS] = {{versions, 10}, {encodings, 1}, {NULL, 0}};
    return parse_query(p, query, allowed, q);
}
