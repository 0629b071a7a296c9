/*
 * Responses, byte for byte; dates against the C library.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/http/response.h"
#include "dataplane/http/request.h"
#include "tests/unit/http/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <cmocka.h>

#define NOVEMBER_1994 784111777u

static struct guard guard;

static void assert_text(const uint8_t *p, size_t len, const char *text)
{
    assert_int_equal(len, strlen(text));
    assert_memory_equal(p, text, len);
}

static void a_head_has_date_connection_type_and_length(void **state)
{
    uint8_t dst[512];
    struct http_response r = {.status = 200,
                              .keep_alive = true,
                              .unix_s = NOVEMBER_1994,
                              .content_length = 1234567890123,
                              .content_type = HTTP_JSON,
                              .fields = "X-RateLimit-Limit: 5\r\n"};
    size_t n = http_response_head(&r, dst, sizeof dst);
    assert_text(
        dst, n,
        "HTTP/1.1 200 OK\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: keep-alive\r\n"
        "Content-Type: application/json\r\nContent-Length: 1234567890123\r\nX-RateLimit-Limit: 5\r\n\r\n");
}

static void no_content_has_no_length(void **state)
{
    uint8_t dst[512];
    struct http_response r = {.status = 204, .unix_s = NOVEMBER_1994};
    size_t n = http_response_head(&r, dst, sizeof dst);
    assert_text(
        dst, n,
        "HTTP/1.1 204 No Content\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: close\r\n\r\n");
}

static void an_error_says_its_status_in_json(void **state)
{
    uint8_t dst[HTTP_ERROR_MAX];
    size_t n = http_error(400, false, false, NOVEMBER_1994, dst, sizeof dst);
    assert_text(dst, n,
                "HTTP/1.1 400 Bad Request\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: close\r\n"
                "Content-Type: application/json\r\nContent-Length: 39\r\n\r\n{\"message\":\"400: Bad "
                "Request\",\"code\":0}");
    n = http_error(405, true, true, NOVEMBER_1994, dst, sizeof dst);
    assert_text(
        dst, n,
        "HTTP/1.1 405 Method Not Allowed\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\nConnection: keep-alive\r\n"
        "Content-Type: application/json\r\nContent-Length: 46\r\n"
        "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n\r\n");
    n = http_error(426, false, true, NOVEMBER_1994, dst, sizeof dst);
    dst[n] = 0;
    assert_non_null(strstr((char *)dst, "\r\nSec-WebSocket-Version: 13\r\n"));
    assert_non_null(strstr((char *)dst, "\r\nUpgrade: websocket\r\n"));
}

static void every_refusal_has_a_phrase_and_an_answer_that_fits(void **state)
{
    for (unsigned why = 1; why < DROP_REASON_COUNT; why++) {
        uint8_t dst[HTTP_ERROR_MAX];
        unsigned status = http_refusal_status(why);
        assert_string_not_equal(http_reason_phrase(status), "Unknown");
        assert_true(http_error(status, false, false, NOVEMBER_1994, dst, sizeof dst) > 0);
    }
}

static void a_buffer_too_small_gets_nothing_past_its_end(void **state)
{
    uint8_t dst[HTTP_ERROR_MAX];
    size_t whole = http_error(400, false, false, NOVEMBER_1994, dst, sizeof dst);
    for (size_t room = 0; room < whole; room++)
        assert_int_equal(http_error(400, false, false, NOVEMBER_1994, guard_put(&guard, dst, room), room), 0);
    assert_int_equal(http_error(400, false, false, NOVEMBER_1994, guard_put(&guard, dst, whole), whole),
                     whole);
}

static void dates_are_those_of_the_c_library(void **state)
{
    /* every 13 days and some, over 800 years: every leap rule, month and weekday */
    for (uint64_t t = 0; t < UINT64_C(25245561600); t += 1234567) {
        char expected[64], date[HTTP_DATE_LENGTH];
        time_t when = (time_t)t;
        struct tm tm;
        strftime(expected, sizeof expected, "%a, %d %b %Y %H:%M:%S GMT", gmtime_r(&when, &tm));
        http_date(t, date);
        assert_int_equal(strlen(expected), HTTP_DATE_LENGTH);
        assert_memory_equal(date, expected, HTTP_DATE_LENGTH);
    }
    char date[HTTP_DATE_LENGTH];
    http_date(UINT64_MAX, date);
    assert_memory_equal(date, "Fri, 31 Dec 9999 23:59:59 GMT", HTTP_DATE_LENGTH);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_head_has_date_connection_type_and_length),
        cmocka_unit_test(no_content_has_no_length),
        cmocka_unit_test(an_error_says_its_status_in_json),
        cmocka_unit_test(every_refusal_has_a_phrase_and_an_answer_that_fits),
        cmocka_unit_test(a_buffer_too_small_gets_nothing_past_its_end),
        cmocka_unit_test(dates_are_those_of_the_c_library),
    };
    guard = guard_make(4096);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    guard_free(&guard);
    return failed;
}
