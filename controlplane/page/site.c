/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/page/site.h"

#include <string.h>

#include "controlplane/protocol/http_head.h"

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
    json_out_reset(out);
    http_head_open(out, 200, now_ms);
    http_head_line(out,
                   "Content-Type: %s\r\nContent-Length: %zu\r\n"
                   "Cache-Control: no-cache\r\nContent-Security-Policy: " POLICY "\r\n"
                   "Permissions-Policy: microphone=(self), camera=(), geolocation=()\r\n"
                   "Cross-Origin-Opener-Policy: same-origin\r\nX-Content-Type-Options: nosniff\r\n"
                   "Referrer-Policy: no-referrer\r\n",
                   f->type, f->length);
    http_head_close(out, keep_alive);
    out_bytes(out, f->body, f->length);
}
