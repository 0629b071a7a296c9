/*
 * Any bytes as what a client sends to our handshake: cut into records as the stack does, fed until it ends.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include "dataplane/base/bytes.h"
#include "tests/unit/tls/peer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct tls_server *server;

static void require(bool ok)
{
    if (!ok)
        abort();
}

static void server_free(void)
{
    tls_server_free(server);
}

static void server_make(void)
{
    struct pki pki;
    pki_make(&pki, PKI_P256, 30);
    server = server_of(&pki);
    pki_remove(&pki);
    atexit(server_free);
    require(aead_init(AEAD_BACKEND_AUTO));
}

/* Whatever is sent back is whole records. */
static void check_flight(const struct tls_step_result *r)
{
    size_t at = 0;
    while (at + TLS_HEADER_SIZE <= r->send_len)
        at += TLS_HEADER_SIZE + be16(r->send + at + 3);
    require(at == r->send_len && r->send_len <= TLS_FLIGHT_MAX);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!server)
        server_make();
    struct tls_handshake *h = tls_handshake_new(server);
    struct tls_step_result result = {.step = TLS_STEP_MORE};
    enum tls_phase phase = TLS_PHASE_HELLO;
    while (result.step == TLS_STEP_MORE) {
        struct tls_record r;
        struct tls_refusal why;
        int n = tls_record_parse(data, size, phase, &r, &why);
        if (n <= 0)
            break;
        tls_handshake_step(h, data, (size_t)n, &result);
        check_flight(&result);
        require(result.step != TLS_STEP_DONE); /* nobody guesses a Finished */
        data += n;
        size -= (size_t)n;
        phase = TLS_PHASE_HANDSHAKE;
    }
    tls_handshake_free(h);
    return 0;
}
