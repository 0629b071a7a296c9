/*
 * A chunked body, whole and in pieces of the size that its first byte says: the same bytes come out.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/http/body.h"
#include "tests/fuzz/http/expect.h"

#define LIMIT 4096u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct outcome {
    enum http_chunked_result result;
    enum drop_reason why;
    size_t consumed, length;
    uint8_t body[LIMIT];
};

static void decode(const uint8_t *data, size_t size, size_t piece, struct outcome *o)
{
    struct http_chunked c = {0};
    memset(o, 0, sizeof *o);
    while (o->consumed < size && o->result == HTTP_BODY_MORE) {
        size_t n = size - o->consumed < piece ? size - o->consumed : piece, consumed = 0, produced = 0;
        uint8_t *p = exact_copy(data + o->consumed, n);
        o->result = http_chunked_decode(&c, p, n, LIMIT, &consumed, &produced, &o->why);
        if (o->result != HTTP_BODY_REFUSED) {
            EXPECT(produced <= consumed && consumed <= n && o->length + produced <= LIMIT);
            EXPECT(o->result == HTTP_BODY_END || consumed == n);
            memcpy(o->body + o->length, p, produced);
            o->length += produced;
            o->consumed += consumed;
        }
        free(p);
    }
    EXPECT((o->result == HTTP_BODY_REFUSED) == (o->why != DROP_NONE));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct outcome whole, cut;
    if (size < 2)
        return 0;
    decode(data + 1, size - 1, size, &whole);
    decode(data + 1, size - 1, data[0] % 16 + 1u, &cut);
    EXPECT(whole.result == cut.result && whole.why == cut.why);
    if (whole.result != HTTP_BODY_REFUSED)
        EXPECT(whole.consumed == cut.consumed && whole.length == cut.length &&
               !memcmp(whole.body, cut.body, whole.length));
    return 0;
}
