/*
 * The extension record_size_limit: how long a protected record may be. RFC 8449.
 *
 * A client's limit is remembered, bounds the records of OpenSSL's flight as far down as OpenSSL goes (512
 * bytes), and goes with the secrets to bound ours exactly; who offers one is told ours. A client of the older
 * max_fragment_length (RFC 6066 4), which OpenSSL answers by itself, is bounded alike.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/base/bytes.h"
#include "dataplane/tls/session.h"

#define EXTENSION   28
#define LIMIT_MIN   64
#define OPENSSL_MIN 512
#define CONTEXT     (SSL_EXT_CLIENT_HELLO | SSL_EXT_TLS1_2_SERVER_HELLO | SSL_EXT_TLS1_3_ENCRYPTED_EXTENSIONS)

/* Called for an extension of the peer; the limit counts the byte of type in TLS 1.3. */
static int on_offer(SSL *ssl, unsigned extension, unsigned context, const unsigned char *in, size_t len,
                    X509 *x, size_t chain_index, int *alert, void *unused)
{
    struct tls_handshake *h = SSL_get_app_data(ssl);
    if (len != 2) {
        *alert = SSL_AD_DECODE_ERROR;
        return 0;
    }
    if (be16(in) < LIMIT_MIN) {
        *alert = SSL_AD_ILLEGAL_PARAMETER;
        return 0;
    }
    h->record_limit = be16(in);
    int content = h->record_limit - 1;
    if (content <= TLS_PLAINTEXT_MAX)
        SSL_set_max_send_fragment(ssl, content < OPENSSL_MIN ? OPENSSL_MIN : content);
    return 1;
}

/* Ours: as long as the version allows. Told to those alone who offer one. */
static int on_answer(SSL *ssl, unsigned extension, unsigned context, const unsigned char **out, size_t *len,
                     X509 *x, size_t chain_index, int *alert, void *unused)
{
    static const unsigned char limit12[2] = {TLS_PLAINTEXT_MAX >> 8, 0},
                               limit13[2] = {TLS_PLAINTEXT_MAX >> 8, 1};
    const struct tls_handshake *h = SSL_get_app_data(ssl);
    if (!h->record_limit)
        return 0;
    *out = context & SSL_EXT_TLS1_2_SERVER_HELLO ? limit12 : limit13;
    *len = 2;
    return 1;
}

bool tls_record_limit_prepare(SSL_CTX *ctx)
{
    return SSL_CTX_add_custom_ext(ctx, EXTENSION, CONTEXT, on_answer, NULL, NULL, on_offer, NULL) == 1;
}

uint16_t tls_record_limit_of(const struct tls_handshake *h)
{
    uint32_t limit = TLS_PLAINTEXT_MAX;
    uint8_t fragment = SSL_SESSION_get_max_fragment_length(SSL_get_session(h->ssl));
    if (h->record_limit) {
        uint32_t content = h->record_limit - (tls_is_12(h->secrets.suite) ? 0u : 1u);
        limit = content < limit ? content : limit;
    }
    if (fragment && 256u << fragment < limit)
        limit = 256u << fragment;
    return (uint16_t)limit;
}
