/*
 * The opening handshake and the gateways' queries.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/ws/upgrade.h"
#include "tests/unit/http/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define VERSION "Sec-WebSocket-Version: 13\r\n"
#define UPGRADE "Connection: Upgrade\r\nUpgrade: websocket\r\n"

static char head[2048];

static struct http_request request(const char *line, const char *fields)
{
    struct http_request r;
    enum drop_reason why = DROP_NONE;
    int n = snprintf(head, sizeof head, "%s\r\nHost: a\r\n%s\r\n", line, fields);
    if (http_parse_head((const uint8_t *)head, (size_t)n, &r, &why) != n)
        fail_msg("%s: %s", drop_reason_name(why), head);
    return r;
}

static enum drop_reason check(const char *line, const char *fields)
{
    struct http_request r = request(line, fields);
    return ws_upgrade_check((const uint8_t *)head, &r);
}

static void the_rfcs_example_is_answered_as_the_rfc_says(void **state)
{
    struct http_request r =
        request("GET /chat HTTP/1.1", UPGRADE KEY VERSION
                "Sec-WebSocket-Protocol: chat\r\nSec-WebSocket-Extensions: permessage-deflate\r\n");
    struct guard guard = guard_make(4096);
    assert_int_equal(ws_upgrade_check((const uint8_t *)head, &r), DROP_NONE);
    uint8_t room[WS_UPGRADE_LENGTH] = {0};
    uint8_t *dst = guard_put(&guard, room, sizeof room);
    assert_int_equal(ws_upgrade_response((const uint8_t *)head, &r, dst, sizeof room), WS_UPGRADE_LENGTH);
    assert_memory_equal(dst,
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                        "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
                        WS_UPGRADE_LENGTH);
    assert_int_equal(ws_upgrade_response((const uint8_t *)head, &r, dst + 1, sizeof room - 1), 0);
    guard_free(&guard);
}

static void a_handshake_lacking_anything_is_refused(void **state)
{
    const char *get = "GET / HTTP/1.1";
    assert_int_equal(check(get, UPGRADE KEY VERSION), DROP_NONE);
    assert_int_equal(check(get, UPGRADE KEY VERSION "Content-Length: 0\r\n"), DROP_NONE);
    assert_int_equal(check("POST / HTTP/1.1", UPGRADE KEY VERSION), DROP_HTTP_UPGRADE);
    assert_int_equal(check("GET / HTTP/1.0", UPGRADE KEY VERSION), DROP_HTTP_UPGRADE);
    assert_int_equal(check(get, KEY VERSION), DROP_HTTP_UPGRADE);
    assert_int_equal(check(get, "Upgrade: websocket\r\n" KEY VERSION), DROP_HTTP_UPGRADE);
    assert_int_equal(check(get, "Connection: Upgrade\r\n" KEY VERSION), DROP_HTTP_UPGRADE);
    assert_int_equal(check(get, "Connection: Upgrade\r\nUpgrade: h2c\r\n" KEY VERSION), DROP_HTTP_UPGRADE);
    assert_int_equal(check(get, UPGRADE VERSION), DROP_HTTP_UPGRADE);
    assert_int_equal(check(get, UPGRADE KEY), DROP_HTTP_UPGRADE_VERSION);
    assert_int_equal(check(get, UPGRADE KEY "Sec-WebSocket-Version: 8\r\n"), DROP_HTTP_UPGRADE_VERSION);
    assert_int_equal(check(get, UPGRADE KEY VERSION "Content-Length: 1\r\n"), DROP_HTTP_UPGRADE);
    assert_int_equal(check(get, UPGRADE KEY VERSION "Transfer-Encoding: chunked\r\n"), DROP_HTTP_UPGRADE);
}

static void a_key_is_sixteen_bytes_of_base64(void **state)
{
    static const char *const bad[] = {"",
                                      "dGhlIHNhbXBsZSBub25jZQ=",
                                      "dGhlIHNhbXBsZSBub25jZQ===",
                                      "dGhlIHNhbXBsZSBub25jZQA=",
                                      "dGhlIHNhbXBsZSBub25jZQAA",
                                      "dGhlIHNhbXBsZSBub25j-_==",
                                      "dGhlIHNhbXBsZSBu b25jZQ==",
                                      "dGhlIHNhbXBsZSBub25j=Q==",
                                      "dGhlIHNhbXBsZSBub25j@[=="};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char fields[512];
        snprintf(fields, sizeof fields, UPGRADE VERSION "Sec-WebSocket-Key: %s\r\n", bad[i]);
        assert_int_equal(check("GET / HTTP/1.1", fields), DROP_HTTP_UPGRADE);
    }
    assert_int_equal(
        check("GET / HTTP/1.1", UPGRADE VERSION "Sec-WebSocket-Key: +/09azAZbXBsZSBub25jZQ==\r\n"),
        DROP_NONE);
}

typedef enum drop_reason query_fn(const uint8_t *p, struct http_slice query, struct ws_query *q);

static enum drop_reason ask(query_fn *parse, const char *query, struct ws_query *q)
{
    char line[256];
    snprintf(line, sizeof line, "GET /%s HTTP/1.1", query);
    struct http_request r = request(line, "");
    return parse((const uint8_t *)head, r.query, q);
}

static void accepted(query_fn *parse, const char *query, struct ws_query expected)
{
    struct ws_query q = {77, 77, 77};
    assert_int_equal(ask(parse, query, &q), DROP_NONE);
    assert_int_equal(q.version, expected.version);
    assert_int_equal(q.encoding, expected.encoding);
    assert_int_equal(q.compress, expected.compress);
}

static void refused(query_fn *parse, const char *query, enum drop_reason reason)
{
    struct ws_query q = {77, 77, 77};
    assert_int_equal(ask(parse, query, &q), reason);
    assert_int_equal(q.version, 77);
}

static void the_gateway_takes_versions_9_and_10(void **state)
{
    accepted(ws_gateway_query, "?v=10&encoding=json",
             (struct ws_query){10, WS_ENCODING_JSON, WS_COMPRESS_NONE});
    accepted(ws_gateway_query, "?compress=zlib-stream&encoding=etf&v=9",
             (struct ws_query){9, WS_ENCODING_ETF, WS_COMPRESS_ZLIB_STREAM});
    accepted(ws_gateway_query, "?v=10&compress=zstd-stream&x&y=&&vv=1&=",
             (struct ws_query){10, WS_ENCODING_JSON, WS_COMPRESS_ZSTD_STREAM});
    static const char *const bad[] = {"",          "?",      "?v",      "?v=",    "?v=8",  "?v=11",
                                      "?v=010",    "?v=+10", "?v=1",    "?v=100", "?V=10", "?v=10&v=10",
                                      "?v=10&v=9", "?vv=10", "?v=%310", "?v==10"};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused(ws_gateway_query, bad[i], DROP_GATEWAY_VERSION);
}

static void unknown_encodings_are_refused_by_name(void **state)
{
    refused(ws_gateway_query, "?v=10&encoding=xml", DROP_GATEWAY_ENCODING);
    refused(ws_gateway_query, "?v=10&encoding=JSON", DROP_GATEWAY_ENCODING);
    refused(ws_gateway_query, "?v=10&encoding", DROP_GATEWAY_ENCODING);
    refused(ws_gateway_query, "?v=10&encoding=json&encoding=etf", DROP_GATEWAY_ENCODING);
    refused(ws_gateway_query, "?v=10&compress=gzip", DROP_GATEWAY_COMPRESS);
    refused(ws_gateway_query, "?v=10&compress=", DROP_GATEWAY_COMPRESS);
}

static void the_voice_gateway_takes_versions_4_to_9_in_plain_json(void **state)
{
    for (unsigned v = 0; v < 12; v++) {
        char query[16];
        snprintf(query, sizeof query, "?v=%u", v);
        if (v >= 4 && v <= 9)
            accepted(ws_voice_query, query,
                     (struct ws_query){(uint8_t)v, WS_ENCODING_JSON, WS_COMPRESS_NONE});
        else
            refused(ws_voice_query, query, DROP_GATEWAY_VERSION);
    }
    accepted(ws_voice_query, "?v=8&encoding=json", (struct ws_query){8, WS_ENCODING_JSON, WS_COMPRESS_NONE});
    refused(ws_voice_query, "", DROP_GATEWAY_VERSION);
    refused(ws_voice_query, "?v=8&encoding=etf", DROP_GATEWAY_ENCODING);
    refused(ws_voice_query, "?v=8&compress=zlib-stream", DROP_GATEWAY_COMPRESS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rfcs_example_is_answered_as_the_rfc_says),
        cmocka_unit_test(a_handshake_lacking_anything_is_refused),
        cmocka_unit_test(a_key_is_sixteen_bytes_of_base64),
        cmocka_unit_test(the_gateway_takes_versions_9_and_10),
        cmocka_unit_test(unknown_encodings_are_refused_by_name),
        cmocka_unit_test(the_voice_gateway_takes_versions_4_to_9_in_plain_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
