/*
 * A request head: slices stay inside it, a refusal has a status, and a prefix never says something else than
 * the whole.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/http/request.h"
#include "tests/fuzz/http/expect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_slice(struct http_slice s, int head)
{
    EXPECT((size_t)s.offset + s.length <= (size_t)head);
}

static void check_request(const uint8_t *p, const struct http_request *r, int head)
{
    const struct http_slice slices[] = {
        r->method_text,      r->path,       r->query,  r->host,          r->content_type, r->authorization,
        r->audit_log_reason, r->if_match, r->user_agent, r->ws_key, r->ws_extensions, r->ws_protocol};
    for (unsigned i = 0; i < sizeof slices / sizeof slices[0]; i++)
        check_slice(slices[i], head);
    EXPECT(head == r->head_length && !memcmp(p + head - 4, "\r\n\r\n", 4));
    EXPECT(r->path.length > 0 && (p[r->path.offset] == '/' || p[r->path.offset] == '*'));
    EXPECT(!(r->chunked && r->content_length >= 0));
    EXPECT(r->minor_version == 0 || r->host.length > 0);
    for (int i = 0; i < head; i++)
        EXPECT(p[i] >= 0x20 || p[i] == '\t' || (p[i] == '\r' && p[i + 1] == '\n') ||
               (p[i] == '\n' && p[i - 1] == '\r'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct http_request r;
    enum drop_reason why = DROP_NONE;
    uint8_t *p = exact_copy(data, size);
    int whole = http_parse_head(p, size, &r, &why);
    EXPECT(whole >= -1 && (whole < 0) == (why != DROP_NONE));
    if (whole > 0)
        check_request(p, &r, whole);
    if (whole < 0)
        EXPECT(http_refusal_status(why) >= 400);
    free(p);
    for (size_t n = 0, step = size / 64 + 1; n < size; n += step) {
        enum drop_reason part_why = DROP_NONE;
        p = exact_copy(data, n);
        int part = http_parse_head(p, n, &r, &part_why);
        EXPECT(part == 0 || (part == whole && part_why == why));
        free(p);
    }
    return 0;
}
