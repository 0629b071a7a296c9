/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/webrtc/dtls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>

#include "dataplane/base/bytes.h"
#include "dataplane/webrtc/srtp.h"

#define RECORD_HEADER 13u
#define NEVER_US      3600000000u /* OpenSSL's timers: the caller has its own */
#define EXPORT_LABEL  "EXTRACTOR-dtls_srtp"
#define CHAIN_MAX     16384 /* bytes of a peer's certificates */

struct dtls_server {
    SSL_CTX *context;
};

struct dtls {
    SSL *ssl;
    BIO *in, *out; /* the SSL's own */
    struct dtls_expected expected;
    bool done;
    uint32_t taken; /* bytes of the peer's handshake */
    uint32_t flight_len;
    uint8_t flight[DTLS_FLIGHT_MAX];
};

/* ---- the server ---- */

/* The chain says nothing: the fingerprint does, and it is looked at when the handshake is over. */
static int any_chain(X509_STORE_CTX *context, void *unused)
{
    return 1;
}

static bool context_configure(SSL_CTX *c, const struct peer_identity *identity)
{
    SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_TICKET | SSL_OP_NO_QUERY_MTU |
                               SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_mode(c, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(c, any_chain, NULL);
    SSL_CTX_set_max_cert_list(c, CHAIN_MAX);
    SSL_CTX_set_read_ahead(c, 1);
    return SSL_CTX_set_min_proto_version(c, DTLS1_2_VERSION) == 1 &&
           SSL_CTX_set_cipher_list(c, "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
                                      "ECDHE-ECDSA-CHACHA20-POLY1305") == 1 &&
           SSL_CTX_set1_groups_list(c, "X25519:P-256:P-384") == 1 &&
           SSL_CTX_set_tlsext_use_srtp(
               c, "SRTP_AEAD_AES_128_GCM:SRTP_AEAD_AES_256_GCM:SRTP_AES128_CM_SHA1_80") == 0 &&
           SSL_CTX_use_certificate_ASN1(c, identity->certificate_length, identity->certificate) == 1 &&
           SSL_CTX_use_PrivateKey_ASN1(EVP_PKEY_EC, c, identity->key, identity->key_length) == 1;
}

struct dtls_server *dtls_server_new(const struct peer_identity *identity, char error[DTLS_ERROR_MAX])
{
    struct dtls_server *s = calloc(1, sizeof *s);
    if (s)
        s->context = SSL_CTX_new(DTLS_server_method());
    if (s && s->context && context_configure(s->context, identity))
        return s;
    snprintf(error, DTLS_ERROR_MAX, "DTLS: %s",
             ERR_reason_error_string(ERR_peek_last_error()) ?: "out of memory");
    ERR_clear_error();
    dtls_server_free(s);
    return NULL;
}

void dtls_server_free(struct dtls_server *s)
{
    if (!s)
        return;
    SSL_CTX_free(s->context);
    free(s);
}

/* ---- one association ---- */

static unsigned never(SSL *ssl, unsigned before_us)
{
    return NEVER_US;
}

struct dtls *dtls_new(struct dtls_server *s, const struct dtls_expected *expected)
{
    struct dtls *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->expected = *expected;
    d->ssl = SSL_new(s->context);
    d->in = BIO_new(BIO_s_mem());
    d->out = BIO_new(BIO_s_mem());
    if (!d->ssl || !d->in || !d->out) {
        BIO_free(d->in);
        BIO_free(d->out);
        SSL_free(d->ssl);
        free(d);
        return NULL;
    }
    BIO_set_mem_eof_return(d->in, -1);
    BIO_set_mem_eof_return(d->out, -1);
    SSL_set_bio(d->ssl, d->in, d->out);
    SSL_set_accept_state(d->ssl);
    SSL_set_mtu(d->ssl, DTLS_DATAGRAM_MAX);
    DTLS_set_timer_cb(d->ssl, never);
    return d;
}

void dtls_free(struct dtls *d)
{
    if (!d)
        return;
    SSL_free(d->ssl);
    wipe(d, sizeof *d);
    free(d);
}

size_t dtls_hash_size(enum peer_hash hash)
{
    return hash == PEER_SHA256 ? 32 : hash == PEER_SHA384 ? 48 : hash == PEER_SHA512 ? 64 : 0;
}

static bool peer_is_expected(const struct dtls *d)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned length = 0;
    const EVP_MD *md = d->expected.hash == PEER_SHA256   ? EVP_sha256()
                       : d->expected.hash == PEER_SHA384 ? EVP_sha384()
                                                         : EVP_sha512();
    X509 *certificate = SSL_get1_peer_certificate(d->ssl);
    bool good = certificate && X509_digest(certificate, md, digest, &length) == 1 &&
                length == dtls_hash_size(d->expected.hash) &&
                equal_constant_time(digest, d->expected.fingerprint, length);
    X509_free(certificate);
    return good;
}

/* RFC 5764 4.2: client's key, server's key, client's salt, server's salt. The peer is the client. */
static bool keys_take(struct dtls *d, struct dtls_keys *k)
{
    uint8_t material[2 * (SRTP_KEY_MAX + SRTP_SALT_MAX)];
    SRTP_PROTECTION_PROFILE *p = SSL_get_selected_srtp_profile(d->ssl);
    size_t key = p ? srtp_key_size((enum srtp_profile)p->id) : 0,
           salt = p ? srtp_salt_size((enum srtp_profile)p->id) : 0;
    if (!key || SSL_export_keying_material(d->ssl, material, 2 * (key + salt), EXPORT_LABEL,
                                           sizeof EXPORT_LABEL - 1, NULL, 0, 0) != 1)
        return false;
    k->profile = (uint8_t)p->id;
    memcpy(k->key_in, material, key);
    memcpy(k->key_out, material + key, key);
    memcpy(k->salt_in, material + 2 * key, salt);
    memcpy(k->salt_out, material + 2 * key + salt, salt);
    wipe(material, sizeof material);
    return true;
}

/* What OpenSSL wrote becomes the flight. */
static void collect(struct dtls *d, struct dtls_result *out)
{
    int n = BIO_read(d->out, d->flight, sizeof d->flight);
    if (n > 0)
        d->flight_len = (uint32_t)n;
    out->send = d->flight;
    out->send_len = n > 0 ? (uint32_t)n : 0;
}

static enum dtls_state shake(struct dtls *d, struct dtls_result *out)
{
    int r = SSL_do_handshake(d->ssl);
    if (r != 1)
        return SSL_get_error(d->ssl, r) == SSL_ERROR_WANT_READ ? DTLS_SHAKING : DTLS_FAILED;
    if (!peer_is_expected(d) || !keys_take(d, &out->keys))
        return DTLS_FAILED;
    d->done = out->keyed = true;
    return DTLS_DONE;
}

/* After the handshake: alerts, and flights that the peer sends again. Data is passed over. */
static enum dtls_state listen(struct dtls *d)
{
    uint8_t data[2048];
    int r;
    while ((r = SSL_read(d->ssl, data, sizeof data)) > 0)
        ;
    int error = SSL_get_error(d->ssl, r);
    return error == SSL_ERROR_WANT_READ     ? DTLS_DONE
           : error == SSL_ERROR_ZERO_RETURN ? DTLS_CLOSED
                                            : DTLS_FAILED;
}

void dtls_input(struct dtls *d, const uint8_t *datagram, size_t len, struct dtls_result *out)
{
    *out = (struct dtls_result){.state = DTLS_FAILED};
    d->taken += d->done ? 0 : (uint32_t)len;
    if (d->taken > DTLS_INPUT_MAX)
        return;
    ERR_clear_error();
    if (BIO_write(d->in, datagram, (int)len) != (int)len)
        return;
    out->state = d->done ? listen(d) : shake(d, out);
    if (out->keyed && BIO_ctrl_pending(d->in))
        out->state = listen(d);
    collect(d, out);
    (void)BIO_reset(d->in); /* a record cut short ends with its datagram */
    ERR_clear_error();
}

void dtls_again(struct dtls *d, struct dtls_result *out)
{
    *out = (struct dtls_result){.state = d->done ? DTLS_DONE : DTLS_SHAKING,
                                .send = d->flight,
                                .send_len = d->done ? 0 : d->flight_len};
}

size_t dtls_cut(const uint8_t *p, size_t len)
{
    size_t at = 0;
    while (len - at >= RECORD_HEADER) {
        size_t record = RECORD_HEADER + be16(p + at + 11);
        if (record > len - at || (at && at + record > DTLS_DATAGRAM_MAX))
            break;
        at += record;
    }
    return at ? at : len;
}
