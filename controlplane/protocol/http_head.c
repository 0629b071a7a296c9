/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/protocol/http_head.h"

#include <stdarg.h>
#include <stdio.h>
#include <time.h>

/* RFC 9110 15, RFC 4918 11.5. */
static const char *phrase(int status)
{
    static const struct {
        int status;
        const char *text;
    } known[] = {{200, "OK"},
                 {201, "Created"},
                 {204, "No Content"},
                 {400, "Bad Request"},
                 {401, "Unauthorized"},
                 {403, "Forbidden"},
                 {404, "Not Found"},
                 {405, "Method Not Allowed"},
                 {406, "Not Acceptable"},
                 {409, "Conflict"},
                 {412, "Precondition Failed"},
                 {413, "Content Too Large"},
                 {415, "Unsupported Media Type"},
                 {422, "Unprocessable Content"},
                 {428, "Precondition Required"},
                 {429, "Too Many Requests"},
                 {500, "Internal Server Error"},
                 {503, "Service Unavailable"},
                 {507, "Insufficient Storage"}};
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (known[i].status == status)
            return known[i].text;
    return "Unknown";
}

void http_head_line(struct json_out *o, const char *format, ...)
{
    char text[1024];
    va_list list;
    va_start(list, format);
    int n = vsnprintf(text, sizeof text, format, list);
    va_end(list);
    out_bytes(o, text, n < (int)sizeof text ? (size_t)n : sizeof text - 1);
}

void http_head_open(struct json_out *o, int status, int64_t now_ms)
{
    char date[64];
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm t;
    gmtime_r(&seconds, &t);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &t);
    http_head_line(o, "HTTP/1.1 %d %s\r\nDate: %s\r\n", status, phrase(status), date);
}

void http_head_close(struct json_out *o, bool keep_alive)
{
    http_head_line(o, "Connection: %s\r\n\r\n", keep_alive ? "keep-alive" : "close");
}
