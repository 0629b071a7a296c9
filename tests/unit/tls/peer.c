/*
 * SPDX-License-Identifier: Apache-2.0
 * The test's own TLS client and certificates.
 */
#include "peer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "dataplane/base/bytes.h"

const uint8_t test_ticket_key[TICKET_KEY_SIZE] =
    "sixteen byte keya key of thirty-two bytes, mac!a key of thirty-two bytes, aes!";

static EVP_PKEY *key_of(enum pki_key kind)
{
    switch (kind) {
    case PKI_P256:
        return EVP_EC_gen("P-256");
    case PKI_P384:
        return EVP_EC_gen("P-384");
    case PKI_RSA:
        return EVP_RSA_gen(2048);
    case PKI_RSA_SHORT:
        return EVP_RSA_gen(1024);
    }
    return NULL;
}

static void write_pair(const struct pki *p, enum pki_key kind, int days, const char *names)
{
    EVP_PKEY *key = key_of(kind);
    X509 *x = X509_new();
    X509_set_version(x, X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    X509_gmtime_adj(X509_getm_notBefore(x), -86400L * 30);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400L * days);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)"pop.test", -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(x));
    X509_set_pubkey(x, key);
    if (names) {
        X509_EXTENSION *san = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, names);
        assert_true(san && X509_add_ext(x, san, -1) == 1);
        X509_EXTENSION_free(san);
    }
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    FILE *f = fopen(p->certificate, "w");
    assert_true(f && PEM_write_X509(f, x) == 1 && fclose(f) == 0);
    f = fopen(p->key, "w");
    assert_true(f && PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL) == 1 && fclose(f) == 0);
    X509_free(x);
    EVP_PKEY_free(key);
}

void pki_make_for(struct pki *p, enum pki_key kind, int days, const char *names)
{
    snprintf(p->directory, sizeof p->directory, "/tmp/tls-test-XXXXXX");
    assert_non_null(mkdtemp(p->directory));
    snprintf(p->certificate, sizeof p->certificate, "%s/cert.pem", p->directory);
    snprintf(p->key, sizeof p->key, "%s/key.pem", p->directory);
    write_pair(p, kind, days, names);
}

void pki_make(struct pki *p, enum pki_key kind, int days)
{
    pki_make_for(p, kind, days, NULL);
}

void pki_renew(struct pki *p, enum pki_key kind, const char *names)
{
    write_pair(p, kind, 30, names);
}

void pki_remove(struct pki *p)
{
    unlink(p->certificate);
    unlink(p->key);
    rmdir(p->directory);
}

struct tls_server_config server_config(const struct pki *const *pki, unsigned count,
                                       struct tls_certificate_files *files)
{
    struct tls_server_config config = {.certificates = files, .certificate_count = count};
    for (unsigned i = 0; i < count; i++)
        files[i] = (struct tls_certificate_files){pki[i]->certificate, pki[i]->key};
    memcpy(config.tickets.current, test_ticket_key, TICKET_KEY_SIZE);
    return config;
}

struct tls_server *server_of_all(const struct pki *const *pki, unsigned count)
{
    char error[TLS_ERROR_MAX] = "";
    struct tls_certificate_files files[TLS_CERTIFICATES_MAX];
    struct tls_server_config config = server_config(pki, count, files);
    struct tls_server *s = tls_server_new(&config, error);
    assert_string_equal(error, "");
    assert_non_null(s);
    return s;
}

struct tls_server *server_of(const struct pki *p)
{
    return server_of_all(&p, 1);
}

void peer_open(struct peer *p, const char *suites, const char *groups)
{
    p->ctx = SSL_CTX_new(TLS_client_method());
    if (suites)
        assert_int_equal(SSL_CTX_set_ciphersuites(p->ctx, suites), 1);
    if (groups)
        assert_int_equal(SSL_CTX_set1_groups_list(p->ctx, groups), 1);
    p->ssl = SSL_new(p->ctx);
    p->in = BIO_new(BIO_s_mem());
    p->out = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(p->in, -1);
    SSL_set_bio(p->ssl, p->in, p->out);
    SSL_set_connect_state(p->ssl);
}

void peer_open12(struct peer *p, const char *suite)
{
    peer_open(p, NULL, NULL);
    assert_int_equal(SSL_set_max_proto_version(p->ssl, TLS1_2_VERSION), 1);
    if (suite)
        assert_int_equal(SSL_set_cipher_list(p->ssl, suite), 1);
}

void peer_close(struct peer *p)
{
    SSL_free(p->ssl);
    SSL_CTX_free(p->ctx);
}

size_t peer_take(struct peer *p, uint8_t *dst, size_t cap)
{
    int n = BIO_read(p->out, dst, (int)cap);
    return n > 0 ? (size_t)n : 0;
}

void peer_give(struct peer *p, const uint8_t *src, size_t len)
{
    if (len)
        assert_int_equal(BIO_write(p->in, src, (int)len), (int)len);
}

int peer_shake(struct peer *p, struct tls_handshake *h, struct tls_step_result *out)
{
    static uint8_t record[TLS_RECORD_MAX];
    int records = 0;
    *out = (struct tls_step_result){.step = TLS_STEP_MORE};
    while (out->step == TLS_STEP_MORE) {
        SSL_do_handshake(p->ssl);
        size_t n = peer_take(p, record, TLS_HEADER_SIZE);
        if (n < TLS_HEADER_SIZE)
            fail_msg("the client has nothing to send after %d records", records);
        size_t length = be16(record + 3);
        assert_int_equal(peer_take(p, record + TLS_HEADER_SIZE, length), length);
        records++;
        tls_handshake_step(h, record, TLS_HEADER_SIZE + length, out);
        peer_give(p, out->send, out->send_len);
    }
    return records;
}

void peer_connect(struct peer *p, struct tls_server *s, struct tls_conn *c)
{
    struct tls_step_result result;
    struct tls_handshake *h = tls_handshake_new(s);
    peer_shake(p, h, &result);
    assert_int_equal(result.step, TLS_STEP_DONE);
    tls_conn_start(c, &result.secrets, false);
    tls_handshake_free(h);
    assert_int_equal(SSL_do_handshake(p->ssl), 1); /* TLS 1.2: the client hears our Finished */
    assert_int_equal(BIO_ctrl_pending(p->out), 0);
}

void send_record(struct peer *p, struct tls_conn *c, enum tls_content type, const void *data, size_t len)
{
    static uint8_t record[TLS_RECORD_MAX];
    struct tls_keys keys;
    struct tls_span span = {data, len};
    assert_true(tls_keys_write(&keys, c, c->write_epoch));
    size_t size = tls_seal(&keys, tls_take_record(c), type, &span, 1, record);
    assert_int_equal(size, len + tls_overhead(c->suite));
    peer_give(p, record, size);
}

bool receive_record(struct peer *p, struct tls_conn *c, uint8_t *buffer, uint64_t now_us,
                    struct tls_opened *opened)
{
    struct tls_record r;
    struct tls_refusal why;
    struct tls_keys keys;
    size_t n = peer_take(p, buffer, TLS_HEADER_SIZE);
    if (n == 0)
        return false;
    n += peer_take(p, buffer + n, be16(buffer + 3));
    assert_int_equal(tls_record_parse(buffer, n, tls_open_phase(c), &r, &why), n);
    tls_keys_read(&keys, c);
    tls_open(c, &keys, &r, buffer + TLS_HEADER_SIZE, now_us, opened);
    return true;
}
