/*
 * The request head parser: what it takes, what it refuses and by which name, and that neither depends on
 * where the head is cut nor on a byte behind it.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/http/request.h"
#include "tests/unit/http/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static struct guard guard;

/* Parses and checks on the way that every prefix says "more" or what the whole says. Slices point into the
 * bytes given. */
static int parse(const char *bytes, size_t len, struct http_request *r, enum drop_reason *why)
{
    *why = DROP_NONE;
    int whole = http_parse_head(guard_put(&guard, bytes, len), len, r, why);
    for (size_t n = 0; n < len; n++) {
        struct http_request part = {.path = {7, 7}}, untouched = part;
        enum drop_reason part_why = DROP_NONE;
        int answer = http_parse_head(guard_put(&guard, bytes, n), n, &part, &part_why);
        if (answer != 0)
            assert_int_equal(answer, whole);
        if (answer > 0)
            assert_true((size_t)answer <= n);
        else
            assert_memory_equal(&part, &untouched, sizeof part);
        assert_int_equal(part_why, answer < 0 ? *why : DROP_NONE);
        assert_false(whole > 0 && n >= (size_t)whole && answer == 0);
    }
    return whole;
}

static struct http_request accepted(const char *head)
{
    struct http_request r;
    enum drop_reason why;
    int n = parse(head, strlen(head), &r, &why);
    if (n <= 0)
        fail_msg("refused (%s): %s", drop_reason_name(why), head);
    assert_int_equal(n, r.head_length);
    return r;
}

static void refused_bytes(const char *head, size_t len, enum drop_reason reason)
{
    struct http_request r;
    enum drop_reason why;
    int n = parse(head, len, &r, &why);
    if (n != -1 || why != reason)
        fail_msg("answer %d, %s instead of %s: %s", n, drop_reason_name(why), drop_reason_name(reason), head);
}

static void refused(const char *head, enum drop_reason reason)
{
    refused_bytes(head, strlen(head), reason);
}

/* A GET with these field lines beside its Host. */
static const char *with(const char *fields)
{
    static char head[4096];
    snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: pop.example\r\n%s\r\n", fields);
    return head;
}

static void assert_slice(const char *head, struct http_slice s, const char *text)
{
    assert_int_equal(s.length, strlen(text));
    assert_memory_equal(head + s.offset, text, s.length);
    assert_true(http_present(s));
}

static void a_rest_request_is_taken_apart(void **state)
{
    const char *head = "PATCH /api/v10/channels/12/messages/34?a=b&c=%20d HTTP/1.1\r\n"
                       "Host: pop.example:443\r\n"
                       "Content-Type: application/json\r\n"
                       "authorization:Bot abc.def\r\n"
                       "X-AUDIT-LOG-REASON: \t because%20of \t\r\n"
                       "User-Agent: DiscordBot (x, 1)\r\n"
                       "X-Other: \r\n"
                       "Content-Length: 0042\r\n"
                       "Expect: 100-Continue\r\n\r\n{\"content\":";
    struct http_request r = accepted(head);
    assert_int_equal(r.method, HTTP_PATCH);
    assert_int_equal(r.method_text.length, 5);
    assert_slice(head, r.path, "/api/v10/channels/12/messages/34");
    assert_slice(head, r.query, "a=b&c=%20d");
    assert_slice(head, r.host, "pop.example:443");
    assert_slice(head, r.content_type, "application/json");
    assert_slice(head, r.authorization, "Bot abc.def");
    assert_slice(head, r.audit_log_reason, "because%20of");
    assert_slice(head, r.user_agent, "DiscordBot (x, 1)");
    assert_int_equal(r.content_length, 42);
    assert_int_equal(r.minor_version, 1);
    assert_true(r.expect_continue);
    assert_true(r.keep_alive);
    assert_false(r.chunked);
    assert_int_equal(r.head_length, strlen(head) - strlen("{\"content\":"));
    assert_false(http_present(r.ws_key));
}

static void a_websocket_request_is_taken_apart(void **state)
{
    const char *head = "GET /?v=10&encoding=json HTTP/1.1\r\n"
                       "Sec-WebSocket-Version: 13\r\n"
                       "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                       "Connection: keep-alive, ,Upgrade\r\n"
                       "Upgrade: h2c, WebSocket\r\n"
                       "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n"
                       "Sec-WebSocket-Extensions: second\r\n"
                       "Sec-WebSocket-Protocol: chat\r\n"
                       "Host: 198.18.0.1\r\n\r\n";
    struct http_request r = accepted(head);
    assert_true(r.upgrade_websocket);
    assert_true(r.connection_upgrade);
    assert_int_equal(r.ws_version, 13);
    assert_slice(head, r.ws_key, "dGhlIHNhbXBsZSBub25jZQ==");
    assert_slice(head, r.ws_extensions, "permessage-deflate; client_max_window_bits");
    assert_slice(head, r.ws_protocol, "chat");
    assert_slice(head, r.query, "v=10&encoding=json");
}

static void absent_is_not_empty(void **state)
{
    struct http_request r = accepted("GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_false(http_present(r.query));
    assert_false(http_present(r.user_agent));
    assert_int_equal(r.content_length, -1);
    assert_int_equal(r.ws_version, 0);
    r = accepted("GET /x? HTTP/1.1\r\nHost: a\r\nUser-Agent:\r\n\r\n");
    assert_true(http_present(r.query));
    assert_int_equal(r.query.length, 0);
    assert_true(http_present(r.user_agent));
    assert_int_equal(r.user_agent.length, 0);
}

static void every_method_has_its_number(void **state)
{
    static const char *const methods[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};
    for (unsigned i = 0; i < 7; i++) {
        char head[128];
        snprintf(head, sizeof head, "%s / HTTP/1.1\r\nHost: a\r\n\r\n", methods[i]);
        assert_int_equal(accepted(head).method, i);
    }
    refused("CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", DROP_HTTP_METHOD);
    refused("TRACE / HTTP/1.1\r\nHost: a\r\n\r\n", DROP_HTTP_METHOD);
    refused("get / HTTP/1.1\r\nHost: a\r\n\r\n", DROP_HTTP_METHOD_UNKNOWN);
    refused("GETS / HTTP/1.1\r\nHost: a\r\n\r\n", DROP_HTTP_METHOD_UNKNOWN);
    refused("PROPFIND / HTTP/1.1\r\nHost: a\r\n\r\n", DROP_HTTP_METHOD_UNKNOWN);
    refused("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFGH", DROP_HTTP_METHOD_UNKNOWN);
}

static void keep_alive_follows_version_and_connection(void **state)
{
    assert_true(accepted(with("")).keep_alive);
    assert_false(accepted(with("Connection: close\r\n")).keep_alive);
    assert_false(accepted(with("Connection: keep-alive\r\nConnection: x, CLOSE\r\n")).keep_alive);
    assert_true(accepted(with("Connection: closed\r\n")).keep_alive);
    assert_false(accepted("GET / HTTP/1.0\r\n\r\n").keep_alive);
    assert_true(accepted("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive);
    refused(with("Connection: \"close\"\r\n"), DROP_HTTP_MALFORMED);
}

static void versions_other_than_1_0_and_1_1_are_refused(void **state)
{
    assert_int_equal(accepted("GET / HTTP/1.0\r\n\r\n").minor_version, 0);
    refused("GET / HTTP/1.2\r\nHost: a\r\n\r\n", DROP_HTTP_VERSION);
    refused("GET / HTTP/2.0\r\nHost: a\r\n\r\n", DROP_HTTP_VERSION);
    refused("GET / HTTP/0.9\r\nHost: a\r\n\r\n", DROP_HTTP_VERSION);
    refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", DROP_HTTP_VERSION);
    refused("GET / http/1.1\r\nHost: a\r\n\r\n", DROP_HTTP_MALFORMED);
    refused("GET / HTTP/1.10\r\nHost: a\r\n\r\n", DROP_HTTP_MALFORMED);
    refused("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", DROP_HTTP_MALFORMED);
    refused("GET / HTTP/11\r\nHost: a\r\n\r\n", DROP_HTTP_MALFORMED);
    refused("GET /\r\nHost: a\r\n\r\n", DROP_HTTP_MALFORMED);
    refused("GET\r\nHost: a\r\n\r\n", DROP_HTTP_MALFORMED);
}

static void line_ends_are_crlf_and_nothing_else(void **state)
{
    refused("GET / HTTP/1.1\nHost: a\r\n\r\n", DROP_HTTP_MALFORMED);
    refused("GET / HTTP/1.1\r\nHost: a\n\r\n", DROP_HTTP_MALFORMED);
    refused("GET / HTTP/1.1\r\nHost: a\r\n\n", DROP_HTTP_MALFORMED);
    refused("GET / HTTP/1.1\r\nHost: a\r\nX: b\rY: c\r\n\r\n", DROP_HTTP_MALFORMED);
    refused("GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", DROP_HTTP_MALFORMED);
    refused("GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", DROP_HTTP_MALFORMED);
    refused("\n", DROP_HTTP_MALFORMED);
    refused("\rG", DROP_HTTP_MALFORMED);
    assert_int_equal(accepted("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").head_length, 29);
    refused("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", DROP_HTTP_MALFORMED);
}

static void control_characters_are_refused_everywhere(void **state)
{
    for (int c = 0; c < 0x80; c++) {
        if (c >= 0x20 && c < 0x7f)
            continue;
        char head[] = "GET /a HTTP/1.1\r\nHost: a\r\nX-Y: b c\r\n\r\n";
        size_t places[] = {1, 5, 12, 26, 32};
        for (unsigned i = 0; i < 5; i++) {
            char old = head[places[i]];
            head[places[i]] = (char)c;
            if (!(c == '\t' && i == 4))
                refused_bytes(head, sizeof head - 1, DROP_HTTP_MALFORMED);
            head[places[i]] = old;
        }
    }
    accepted(with("X-Y: \xc3\xa4\xff\t\r\n"));
}

static void fields_that_parsers_disagree_about_are_refused(void **state)
{
    refused(with("X-Y: a\r\n b\r\n"), DROP_HTTP_MALFORMED);  /* obs-fold */
    refused(with("X-Y: a\r\n\tb\r\n"), DROP_HTTP_MALFORMED); /* obs-fold */
    refused("GET / HTTP/1.1\r\n X: y\r\nHost: a\r\n\r\n", DROP_HTTP_MALFORMED);
    refused(with("X-Y : a\r\n"), DROP_HTTP_MALFORMED);
    refused(with("X-Y\t: a\r\n"), DROP_HTTP_MALFORMED);
    refused(with("Content-Length : 5\r\n"), DROP_HTTP_MALFORMED);
    refused(with(": a\r\n"), DROP_HTTP_MALFORMED);
    refused(with("X-Y\r\n"), DROP_HTTP_MALFORMED);
    refused(with("X(Y): a\r\n"), DROP_HTTP_MALFORMED);
    refused(with("X\xc3\xa4: a\r\n"), DROP_HTTP_MALFORMED);
    refused(with("Authorization: a\r\nauthorization: b\r\n"), DROP_HTTP_MALFORMED);
    refused(with("Content-Type: a/b\r\nContent-Type: a/b\r\n"), DROP_HTTP_MALFORMED);
    refused(with("Sec-WebSocket-Key: a\r\nSec-WebSocket-Key: b\r\n"), DROP_HTTP_MALFORMED);
    refused(with("Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 8\r\n"), DROP_HTTP_MALFORMED);
}

static void a_body_length_is_digits_once(void **state)
{
    assert_int_equal(accepted(with("Content-Length: 0\r\n")).content_length, 0);
    assert_int_equal(accepted(with("Content-Length: \t7 \r\n")).content_length, 7);
    assert_int_equal(accepted(with("Content-Length: 999999999999999999\r\n")).content_length,
                     999999999999999999);
    static const char *const bad[] = {"",    "+5",  "-5",  "5 5", "5,5",  "0x5", "5a",
                                      "5.0", "\"5", "1e3", "5;",  "5\t5", "#",   "5\xa0"};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char field[64];
        snprintf(field, sizeof field, "Content-Length: %s\r\n", bad[i]);
        refused(with(field), DROP_HTTP_LENGTH);
    }
    refused(with("Content-Length: 5\r\nContent-Length: 5\r\n"), DROP_HTTP_LENGTH);
    refused(with("Content-Length: 5\r\ncontent-length: 6\r\n"), DROP_HTTP_LENGTH);
    refused(with("Content-Length: 9999999999999999999\r\n"), DROP_HTTP_BODY_TOO_LARGE);
    refused(with("Content-Length: 18446744073709551617\r\n"), DROP_HTTP_BODY_TOO_LARGE);
}

static void chunked_is_the_only_coding_and_stands_alone(void **state)
{
    struct http_request r = accepted(with("Transfer-Encoding: Chunked\r\n"));
    assert_true(r.chunked);
    assert_int_equal(r.content_length, -1);
    refused(with("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"), DROP_HTTP_LENGTH);
    refused(with("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), DROP_HTTP_LENGTH);
    refused(with("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), DROP_HTTP_LENGTH);
    static const char *const bad[] = {"gzip, chunked", "chunked, chunked", "identity", "xchunked", "chunkedx",
                                      "chunked;q=1",   "\"chunked\"",      "",         "chunked,"};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char field[64];
        snprintf(field, sizeof field, "Transfer-Encoding: %s\r\n", bad[i]);
        refused(with(field), DROP_HTTP_CODING);
    }
    refused(with("Transfer-Encoding: \x0b"
                 "chunked\r\n"),
            DROP_HTTP_MALFORMED);
    refused("GET / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", DROP_HTTP_LENGTH);
}

static void one_dot_one_has_exactly_one_host(void **state)
{
    refused("GET / HTTP/1.1\r\n\r\n", DROP_HTTP_HOST);
    refused("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", DROP_HTTP_HOST);
    refused("GET / HTTP/1.0\r\nHost: a\r\nHost: b\r\n\r\n", DROP_HTTP_HOST);
    assert_false(http_present(accepted("GET / HTTP/1.0\r\n\r\n").host));
    static const char *const good[] = {"a",       "a.b-c.example",  "a:",           "a:0",
                                       "a:65535", "198.18.0.1:443", "[fd00:18::1]", "[::1]:8080"};
    static const char *const bad[] = {"",     "a b",     "a@b",  "a/b",      "a:65536", "a:123456",
                                      "a:4x", ":80",     "[::1", "[]",       "[::1]x",  "[g::1]",
                                      "a?b",  "a:80:80", "%zz",  "a\xc3\xa4"};
    char head[128];
    for (unsigned i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", good[i]);
        assert_slice(head, accepted(head).host, good[i]);
    }
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(head, sizeof head, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", bad[i]);
        refused(head, DROP_HTTP_HOST);
    }
}

static void absolute_form_agrees_with_host(void **state)
{
    const char *head = "GET http://Pop.example:80/a?b HTTP/1.1\r\nHost: pop.EXAMPLE:80\r\n\r\n";
    struct http_request r = accepted(head);
    assert_slice(head, r.host, "Pop.example:80");
    assert_slice(head, r.path, "/a");
    assert_slice(head, r.query, "b");
    head = "GET HTTPS://a HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_slice(head, accepted(head).path, "/");
    head = "GET https://a?q HTTP/1.1\r\nHost: a\r\n\r\n";
    r = accepted(head);
    assert_slice(head, r.path, "/");
    assert_slice(head, r.query, "q");
    head = "GET http://a/ HTTP/1.0\r\n\r\n";
    assert_slice(head, accepted(head).host, "a");
    refused("GET http://a/ HTTP/1.1\r\n\r\n", DROP_HTTP_HOST);
    refused("GET http://a/ HTTP/1.1\r\nHost: b\r\n\r\n", DROP_HTTP_HOST);
    refused("GET http://a/ HTTP/1.1\r\nHost: a:80\r\n\r\n", DROP_HTTP_HOST);
    refused("GET http://u@a/ HTTP/1.1\r\nHost: a\r\n\r\n", DROP_HTTP_HOST);
    refused("GET http:///x HTTP/1.1\r\nHost: a\r\n\r\n", DROP_HTTP_HOST);
    refused("GET ftp://a/ HTTP/1.1\r\nHost: a\r\n\r\n", DROP_HTTP_MALFORMED);
    refused("GET a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n", DROP_HTTP_MALFORMED);
    refused("GET http://a?q|r HTTP/1.1\r\nHost: a\r\n\r\n", DROP_HTTP_MALFORMED);
}

static void targets_have_only_what_a_uri_may_have(void **state)
{
    const char *head = "GET /a-._~!$&'()*+,;=:@/%C3%a4/?x=/?:@ HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_slice(head, accepted(head).path, "/a-._~!$&'()*+,;=:@/%C3%a4/");
    static const char *const bad[] = {"/a b",      "/a#b", "/a\"", "/<",   "/\\",  "/^", "/`", "/{", "/|",
                                      "/\xc3\xa4", "/%",   "/%4",  "/%4g", "/a?[", "*",  "x",  "?a", "/?#"};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char text[128];
        snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", bad[i]);
        refused(text, DROP_HTTP_MALFORMED);
    }
    refused("GET  / HTTP/1.1\r\nHost: a\r\n\r\n", DROP_HTTP_MALFORMED);
    head = "OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_slice(head, accepted(head).path, "*");
}

static void only_100_continue_can_be_expected(void **state)
{
    refused(with("Expect: 200-ok\r\n"), DROP_HTTP_EXPECT);
    refused(with("Expect: 100-continue, x\r\n"), DROP_HTTP_EXPECT);
    assert_false(accepted("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n").expect_continue);
}

static void other_upgrades_are_ignored(void **state)
{
    struct http_request r =
        accepted(with("Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\n"));
    assert_true(r.connection_upgrade);
    assert_false(r.upgrade_websocket);
    assert_false(accepted(with("Upgrade: websocket2\r\n")).upgrade_websocket);
    assert_false(accepted("GET / HTTP/1.0\r\nUpgrade: websocket\r\n\r\n").upgrade_websocket);
    assert_int_equal(accepted(with("Sec-WebSocket-Version: 013\r\n")).ws_version, 0);
    assert_int_equal(accepted(with("Sec-WebSocket-Version: 269\r\n")).ws_version, 0);
    assert_int_equal(accepted(with("Sec-WebSocket-Version: 8\r\n")).ws_version, 8);
}

static void bounds_are_exact(void **state)
{
    static char head[2 * HTTP_HEAD_MAX];
    struct http_request r;
    enum drop_reason why;
    struct guard big = guard_make(sizeof head);
    for (int over = 0; over < 2; over++) { /* the request line: exactly the bound, and one more */
        memset(head, 'a', sizeof head);
        memcpy(head, "GET /", 5);
        memcpy(head + HTTP_LINE_MAX + over - 11, " HTTP/1.1\r\nHost: a\r\n\r\n", 22);
        size_t len = HTTP_LINE_MAX + (size_t)over + 11;
        int n = http_parse_head(guard_put(&big, head, len), len, &r, &why);
        assert_int_equal(n, over ? -1 : (int)len);
        if (over)
            assert_int_equal(why, DROP_HTTP_TARGET_TOO_LONG);
        n = http_parse_head(guard_put(&big, head, HTTP_LINE_MAX), HTTP_LINE_MAX, &r, &why);
        assert_int_equal(n, over ? -1 : 0); /* said as soon as it shows */

        memset(head, 'a', sizeof head); /* the whole head */
        memcpy(head, "GET / HTTP/1.1\r\nHost: a\r\nX: ", 28);
        memcpy(head + HTTP_HEAD_MAX + over - 4, "\r\n\r\n", 4);
        len = HTTP_HEAD_MAX + (size_t)over;
        n = http_parse_head(guard_put(&big, head, len), len, &r, &why);
        assert_int_equal(n, over ? -1 : (int)len);
        if (over)
            assert_int_equal(why, DROP_HTTP_HEAD_TOO_LARGE);

        size_t at = (size_t)sprintf(head, "GET / HTTP/1.1\r\nHost: a\r\n"); /* the count of fields */
        for (unsigned i = 1; i < HTTP_HEADERS_MAX + (unsigned)over; i++)
            at += (size_t)sprintf(head + at, "X: y\r\n");
        at += (size_t)sprintf(head + at, "\r\n");
        assert_int_equal(parse(head, at, &r, &why), over ? -1 : (int)at);
        if (over)
            assert_int_equal(why, DROP_HTTP_HEAD_TOO_LARGE);
    }
    guard_free(&big);
}

static void another_protocol_is_refused_at_its_first_byte(void **state)
{
    refused_bytes("\x16\x03\x01\x02\x00", 5, DROP_HTTP_MALFORMED); /* a TLS ClientHello */
    struct http_request r;
    enum drop_reason why = DROP_NONE;
    assert_int_equal(http_parse_head((const uint8_t *)"\x16", 1, &r, &why), -1);
    assert_int_equal(http_parse_head((const uint8_t *)" ", 1, &r, &why), -1);
}

static void each_refusal_has_its_status(void **state)
{
    static const struct {
        enum drop_reason why;
        unsigned status;
    } expected[] = {
        {DROP_HTTP_MALFORMED, 400},       {DROP_HTTP_LENGTH, 400},          {DROP_HTTP_HOST, 400},
        {DROP_HTTP_UPGRADE, 400},         {DROP_HTTP_METHOD, 405},          {DROP_HTTP_TIMEOUT, 408},
        {DROP_HTTP_BODY_TOO_LARGE, 413},  {DROP_HTTP_TARGET_TOO_LONG, 414}, {DROP_HTTP_EXPECT, 417},
        {DROP_HTTP_UPGRADE_VERSION, 426}, {DROP_HTTP_HEAD_TOO_LARGE, 431},  {DROP_HTTP_METHOD_UNKNOWN, 501},
        {DROP_HTTP_CODING, 501},          {DROP_HTTP_VERSION, 505},
    };
    for (unsigned i = 0; i < sizeof expected / sizeof expected[0]; i++)
        assert_int_equal(http_refusal_status(expected[i].why), expected[i].status);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rest_request_is_taken_apart),
        cmocka_unit_test(a_websocket_request_is_taken_apart),
        cmocka_unit_test(absent_is_not_empty),
        cmocka_unit_test(every_method_has_its_number),
        cmocka_unit_test(keep_alive_follows_version_and_connection),
        cmocka_unit_test(versions_other_than_1_0_and_1_1_are_refused),
        cmocka_unit_test(line_ends_are_crlf_and_nothing_else),
        cmocka_unit_test(control_characters_are_refused_everywhere),
        cmocka_unit_test(fields_that_parsers_disagree_about_are_refused),
        cmocka_unit_test(a_body_length_is_digits_once),
        cmocka_unit_test(chunked_is_the_only_coding_and_stands_alone),
        cmocka_unit_test(one_dot_one_has_exactly_one_host),
        cmocka_unit_test(absolute_form_agrees_with_host),
        cmocka_unit_test(targets_have_only_what_a_uri_may_have),
        cmocka_unit_test(only_100_continue_can_be_expected),
        cmocka_unit_test(other_upgrades_are_ignored),
        cmocka_unit_test(bounds_are_exact),
        cmocka_unit_test(another_protocol_is_refused_at_its_first_byte),
        cmocka_unit_test(each_refusal_has_its_status),
    };
    guard = guard_make(65536);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    guard_free(&guard);
    return failed;
}
