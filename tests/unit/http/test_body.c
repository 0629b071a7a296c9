/*
 * Chunked bodies: the same bytes come out however the input is cut, and nothing irregular gets through.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/http/body.h"
#include "tests/unit/http/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#define LIMIT 1000u

static struct guard guard;

struct outcome {
    enum http_chunked_result result;
    enum drop_reason why;
    size_t consumed;
    size_t length;
    char body[4096];
};

/* Feeds the input in pieces of at most `piece` bytes. */
static struct outcome decode(const char *in, size_t len, size_t piece)
{
    struct outcome o = {0};
    struct http_chunked c = {0};
    while (o.consumed < len && o.result == HTTP_BODY_MORE) {
        size_t n = len - o.consumed < piece ? len - o.consumed : piece, consumed = 0, produced = 0;
        uint8_t *p = guard_put(&guard, in + o.consumed, n);
        o.result = http_chunked_decode(&c, p, n, LIMIT, &consumed, &produced, &o.why);
        if (o.result == HTTP_BODY_REFUSED)
            break;
        if (o.result == HTTP_BODY_MORE)
            assert_int_equal(consumed, n);
        assert_memory_equal(p + consumed, in + o.consumed + consumed, n - consumed);
        memcpy(o.body + o.length, p, produced);
        o.length += produced;
        o.consumed += consumed;
    }
    return o;
}

static struct outcome decode_any_way(const char *in, size_t len)
{
    struct outcome whole = decode(in, len, len);
    for (size_t piece = 1; piece < len; piece++) {
        struct outcome cut = decode(in, len, piece);
        assert_int_equal(cut.result, whole.result);
        assert_int_equal(cut.why, whole.why);
        if (whole.result == HTTP_BODY_REFUSED)
            continue;
        assert_int_equal(cut.consumed, whole.consumed);
        assert_int_equal(cut.length, whole.length);
        assert_memory_equal(cut.body, whole.body, whole.length);
    }
    return whole;
}

static void accepted(const char *in, const char *body, const char *rest)
{
    struct outcome o = decode_any_way(in, strlen(in));
    assert_int_equal(o.result, HTTP_BODY_END);
    assert_int_equal(o.length, strlen(body));
    assert_memory_equal(o.body, body, o.length);
    assert_string_equal(in + o.consumed, rest);
}

static void refused(const char *in, enum drop_reason reason)
{
    struct outcome o = decode_any_way(in, strlen(in));
    if (o.result != HTTP_BODY_REFUSED || o.why != reason)
        fail_msg("%d, %s instead of %s: %s", o.result, drop_reason_name(o.why), drop_reason_name(reason), in);
}

static void chunks_are_joined_and_what_follows_is_left(void **state)
{
    accepted("0\r\n\r\n", "", "");
    accepted("5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\n", "hello", "GET / HTTP/1.1\r\n");
    accepted("5\r\nhello\r\n00A\r\n,\r\n world!\r\n0\r\n\r\n", "hello,\r\n world!", "");
    accepted("1;a=b; c=\"d\"\r\nx\r\n0;e\r\n\r\n", "x", "");
}

static void trailers_are_discarded(void **state)
{
    accepted("1\r\nx\r\n0\r\nX-Sum: 5\r\nY:\r\n\r\nrest", "x", "rest");
    refused("0\r\nContent Length: 5\r\n\r\n", DROP_HTTP_MALFORMED);
    refused("0\r\n folded\r\n\r\n", DROP_HTTP_MALFORMED);
    refused("0\r\nnocolon\r\n\r\n", DROP_HTTP_MALFORMED);
    refused("0\r\n: x\r\n\r\n", DROP_HTTP_MALFORMED);
    refused("0\r\na: b\n\r\n", DROP_HTTP_MALFORMED);
    refused("0\r\na: b\r\n\n", DROP_HTTP_MALFORMED);
    refused("0\r\na: \x01\r\n\r\n", DROP_HTTP_MALFORMED);
}

static void sizes_are_hexadecimal_and_line_ends_crlf(void **state)
{
    static const char *const bad[] = {"\r\n",     " 1\r\nx",  "1 \r\nx",  "-1\r\nx",   "+1\r\nx",
                                      "0x1\r\nx", "g\r\n",    "1\nx\r\n", "1\rx",      "1;\nx",
                                      "1;\x7f\r", "1\r\nx\n", "1\r\nxy",  "1\r\nx\rx", "1\r\nx\r\n\r\n",
                                      ";a\r\n",   "0\r\r\n",  "1;a\rb"};
    for (unsigned i = 0; i < sizeof bad / sizeof bad[0]; i++)
        refused(bad[i], DROP_HTTP_MALFORMED);
}

static void a_body_over_the_limit_is_refused_at_its_size(void **state)
{
    char in[2048];
    int n = sprintf(in, "3E7\r\n%0999d\r\n1\r\nx\r\n0\r\n\r\n", 0);
    assert_int_equal(decode(in, (size_t)n, 7).result, HTTP_BODY_END);
    assert_int_equal(decode(in, (size_t)n, 7).length, LIMIT);
    sprintf(in, "3E7\r\n%0999d\r\n2\r\n", 0);
    refused(in, DROP_HTTP_BODY_TOO_LARGE);
    refused("3E9\r\n", DROP_HTTP_BODY_TOO_LARGE);
    refused("fffffffffffffff\r\n", DROP_HTTP_BODY_TOO_LARGE);
    refused("10000000000000001\r\n", DROP_HTTP_BODY_TOO_LARGE);
    refused("1\r\nx\r\nfffffffffffffff\r\n", DROP_HTTP_BODY_TOO_LARGE);
}

/* `units` times `unit` between `before` and `after`. */
static enum http_chunked_result flood(const char *before, const char *unit, unsigned units,
                                      enum drop_reason *why)
{
    struct http_chunked c = {0};
    size_t consumed, produced;
    enum http_chunked_result result = HTTP_BODY_MORE;
    const char *text = before;
    for (unsigned i = 0; i <= units && result == HTTP_BODY_MORE; i++, text = unit) {
        uint8_t *p = guard_put(&guard, text, strlen(text));
        result = http_chunked_decode(&c, p, strlen(text), 1u << 20, &consumed, &produced, why);
    }
    return result;
}

static void what_is_discarded_is_bounded(void **state)
{
    enum drop_reason why = DROP_NONE;
    assert_int_equal(flood("1;", "x", HTTP_CHUNK_EXTRA_MAX, &why), HTTP_BODY_MORE);
    assert_int_equal(flood("1;", "x", HTTP_CHUNK_EXTRA_MAX + 1, &why), HTTP_BODY_REFUSED);
    assert_int_equal(why, DROP_HTTP_HEAD_TOO_LARGE);
    why = DROP_NONE;
    assert_int_equal(flood("0\r\n", "a:b\r\n", HTTP_CHUNK_EXTRA_MAX, &why), HTTP_BODY_REFUSED);
    assert_int_equal(why, DROP_HTTP_HEAD_TOO_LARGE);
    assert_int_equal(flood("", "1;a\r\nx\r\n", HTTP_CHUNK_EXTRA_MAX, &why), HTTP_BODY_REFUSED);
    assert_int_equal(flood("", "1\r\nx\r\n", 4 * HTTP_CHUNK_EXTRA_MAX, &why), HTTP_BODY_MORE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chunks_are_joined_and_what_follows_is_left),
        cmocka_unit_test(trailers_are_discarded),
        cmocka_unit_test(sizes_are_hexadecimal_and_line_ends_crlf),
        cmocka_unit_test(a_body_over_the_limit_is_refused_at_its_size),
        cmocka_unit_test(what_is_discarded_is_bounded),
    };
    guard = guard_make(4096);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    guard_free(&guard);
    return failed;
}
