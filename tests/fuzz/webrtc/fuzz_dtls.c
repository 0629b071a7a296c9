/*
 * Any datagrams to a DTLS association: it ends in one of its states, never gives keys to a peer that shook no
 * hands, and what it sends is cut into datagrams of the allowed size. The input is a chain of datagrams, each
 * behind two bytes of length.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/base/bytes.h"
#include "dataplane/webrtc/dtls.h"
#include "tests/fuzz/http/expect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_sane(const struct dtls_result *r)
{
    EXPECT(!r->keyed && r->state != DTLS_DONE);
    for (size_t at = 0; at < r->send_len;) {
        size_t n = dtls_cut(r->send + at, r->send_len - at);
        EXPECT(n && n <= DTLS_DATAGRAM_MAX && at + n <= r->send_len);
        at += n;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dtls_server *server;
    static struct dtls_result r;
    struct dtls_expected expected = {.hash = PEER_SHA256};
    struct peer_identity identity;
    char error[DTLS_ERROR_MAX];
    if (!server) {
        EXPECT(dtls_identity_make(&identity));
        EXPECT((server = dtls_server_new(&identity, error)));
    }
    struct dtls *d = dtls_new(server, &expected);
    EXPECT(d);
    r.state = DTLS_SHAKING;
    for (size_t at = 0; at + 2 <= size && r.state == DTLS_SHAKING;) {
        size_t len = be16(data + at);
        at += 2;
        if (len > size - at)
            len = size - at;
        uint8_t *p = exact_copy(data + at, len);
        dtls_input(d, p, len, &r);
        free(p);
        expect_sane(&r);
        at += len;
    }
    dtls_again(d, &r);
    dtls_free(d);
    return 0;
}
