/*
 * Writing response heads: a cursor that remembers whether everything fitted.
 * RFC 9112 4; RFC 9110 5.6.7, 8.6, 9.3.2, 15.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/http/response.h"

#include <stdio.h>
#include <string.h>

struct writer {
    uint8_t *dst;
    size_t room;
    size_t length; /* above `room` once something did not fit */
};

static void put(struct writer *w, const char *text, size_t len)
{
    if (w->length <= w->room && len <= w->room - w->length) {
        memcpy(w->dst + w->length, text, len);
        w->length += len;
    } else {
        w->length = w->room + 1;
    }
}

static void put_text(struct writer *w, const char *text)
{
    put(w, text, strlen(text));
}

static void put_number(struct writer *w, uint64_t n)
{
    char digits[20];
    size_t at = sizeof digits;
    do
        digits[--at] = (char)('0' + n % 10);
    while (n /= 10);
    put(w, digits + at, sizeof digits - at);
}

const char *http_reason_phrase(unsigned status)
{
    static const struct {
        uint16_t status;
        const char *phrase;
    } phrases[] = {
        {101, "Switching Protocols"},
        {200, "OK"},
        {201, "Created"},
        {202, "Accepted"},
        {204, "No Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {414, "URI Too Long"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {426, "Upgrade Required"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {502, "Bad Gateway"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
        {505, "HTTP Version Not Supported"},
    };
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++)
        if (phrases[i].status == status)
            return phrases[i].phrase;
    return "Unknown";
}

static bool leap(unsigned year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

struct date {
    unsigned year;
    unsigned month; /* 0: January */
    unsigned day;   /* 1: the first */
};

/* A response needs some sixty steps for its date: nothing beside its TLS record. */
static struct date date_of(uint64_t days_since_1970)
{
    static const uint8_t month_days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    struct date d = {.year = 1970};
    uint64_t days = days_since_1970;
    for (; days >= 365u + leap(d.year); d.year++)
        days -= 365u + leap(d.year);
    for (unsigned n; days >= (n = month_days[d.month] + (d.month == 1 && leap(d.year))); d.month++)
        days -= n;
    d.day = (unsigned)days + 1;
    return d;
}

void http_date(uint64_t unix_s, char date[HTTP_DATE_LENGTH])
{
    static const char weekdays[] = "ThuFriSatSunMonTueWed"; /* 1 January 1970 was a Thursday */
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    const uint64_t last = 253402300799; /* the end of 9999 */
    if (unix_s > last)
        unix_s = last;
    uint64_t days = unix_s / 86400;
    unsigned second = (unsigned)(unix_s % 86400);
    struct date d = date_of(days);
    char text[64];
    snprintf(text, sizeof text, "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", weekdays + days % 7 * 3, d.day,
             months + d.month * 3, d.year, second / 3600, second / 60 % 60, second % 60);
    memcpy(date, text, HTTP_DATE_LENGTH);
}

static void put_head(struct writer *w, const struct http_response *r)
{
    char date[HTTP_DATE_LENGTH];
    http_date(r->unix_s, date);
    put_text(w, "HTTP/1.1 ");
    put_number(w, r->status);
    put_text(w, " ");
    put_text(w, http_reason_phrase(r->status));
    put_text(w, "\r\nDate: ");
    put(w, date, sizeof date);
    put_text(w, r->keep_alive ? "\r\nConnection: keep-alive" : "\r\nConnection: close");
    if (r->content_type) {
        put_text(w, "\r\nContent-Type: ");
        put_text(w, r->content_type);
    }
    if (r->status >= 200 && r->status != 204) { /* RFC 9110 8.6 */
        put_text(w, "\r\nContent-Length: ");
        put_number(w, r->content_length);
    }
    put_text(w, "\r\n");
    if (r->fields)
        put_text(w, r->fields);
    put_text(w, "\r\n");
}

static size_t written(const struct writer *w)
{
    return w->length <= w->room ? w->length : 0;
}

size_t http_response_head(const struct http_response *r, uint8_t *dst, size_t room)
{
    struct writer w = {dst, room, 0};
    put_head(&w, r);
    return written(&w);
}

size_t http_error(unsigned status, bool keep_alive, bool head_only, uint64_t unix_s, uint8_t *dst,
                  size_t room)
{
    char body[96];
    int length = snprintf(body, sizeof body, "{\"message\":\"%u: %s\",\"code\":0}", status,
                          http_reason_phrase(status));
    const char *fields = NULL;
    if (status == 405) /* RFC 9110 15.5.6 */
        fields = "Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n";
    if (status == 426) /* RFC 9110 7.8, 15.5.22, RFC 6455 4.4 */
        fields = "Upgrade: websocket\r\nConnection: upgrade\r\nSec-WebSocket-Version: 13\r\n";
    struct http_response r = {.status = (uint16_t)status,
                              .keep_alive = keep_alive,
                              .unix_s = unix_s,
                              .content_length = (uint64_t)length,
                              .content_type = HTTP_JSON,
                              .fields = fields};
    struct writer w = {dst, room, 0};
    put_head(&w, &r);
    if (!head_only)
        put(&w, body, (size_t)length);
    return written(&w);
}
