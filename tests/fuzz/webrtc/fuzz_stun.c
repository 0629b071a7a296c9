/*
 * Any datagram as STUN: the parser stays inside, names only what lies inside, and every answer to a request
 * parses as STUN again.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/base/bytes.h"
#include "dataplane/webrtc/stun.h"
#include "tests/fuzz/http/expect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_answer(uint8_t *out, size_t len)
{
    struct stun_request r;
    EXPECT(len <= STUN_ANSWER_MAX && len % 4 == 0);
    EXPECT(stun_parse(out, len, &r) == STUN_OTHER);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t ip[16] = {[10] = 0xff, 0xff, 198, 18, 0, 1};
    uint8_t *p = exact_copy(data, size), out[STUN_ANSWER_MAX];
    struct stun_request r;
    if (stun_parse(p, size, &r) == STUN_REQUEST) {
        if (r.username)
            EXPECT(r.username >= p && r.username + r.username_length <= p + size);
        if (r.integrity_at)
            EXPECT(r.integrity_at + 24u <= size);
        stun_authentic(p, &r, "password", 8);
        expect_answer(out, stun_success(out, &r, ip, 5000, "password", 8));
        expect_answer(out, stun_failure(out, &r, STUN_UNKNOWN_ATTRIBUTE, NULL, 0));
        expect_answer(out, stun_failure(out, &r, STUN_ROLE_CONFLICT, "password", 8));
    }
    free(p);
    return 0;
}
