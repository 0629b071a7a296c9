/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/page/site.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#define POLICY                                                                                               \
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "          \
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"

const struct site_file *site_find(const char *path, size_t length)
{
    for (const struct site_file *f = site_files; f->path; f++)
        if (strlen(f->path) == length && memcmp(f->path, path, length) == 0)
            return f;
    return NULL;
}

void site_reply(struct json_out *out, const struct site_file *f, int64_t now_ms, bool keep_alive)
{
    char head[1024], date[64];
    time_t seconds = (time_t)(now_ms / 1000);
    struct tm t;
    gmtime_r(&seconds, &t);
    strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &t);
    int n = snprintf(head, sizeof head,
                     "HTTP/1.1 200 OK\r\nDate: %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\n"
                     "Cache-Control: no-cache\r\nContent-Security-Policy: " POLICY "\r\n"
                     "Permissions-Policy: microphone=(self), camera=(), geolocation=()\r\n"
                     "Cross-Origin-Opener-Policy: same-origin\r\nX-Content-Type-Options: nosniff\r\n"
                     "Referrer-Policy: no-referrer\r\nConnection: %s\r\n\r\n",
                     date, f->type, f->length, keep_alive ? "keep-alive" : "close");
    json_out_reset(out);
    out_bytes(out, head, (size_t)n);
    out_bytes(out, f->body, f->length);
}
