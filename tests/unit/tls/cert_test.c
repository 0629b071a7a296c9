/*
 * Certificates that cannot be used are refused at start, in a line that names the file and the cure.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/pem.h>
#include "peer.h"

static void assert_refused(const char *certificate, const char *key, const char *file, const char *says)
{
    char error[TLS_ERROR_MAX] = "";
    struct tls_certificate_files files = {certificate, key};
    struct tls_server_config config = {.certificates = &files, .certificate_count = 1};
    assert_null(tls_server_new(&config, error));
    if (!strstr(error, file) || !strstr(error, says) || strchr(error, '\n'))
        fail_msg("unhelpful: %s", error);
}

static void missing_files_are_named(void **state)
{
    struct pki p;
    pki_make(&p, PKI_P256, 30);
    assert_refused("/nonexistent/cert.pem", p.key, "/nonexistent/cert.pem", "No such file");
    assert_refused(p.certificate, "/nonexistent/key.pem", "/nonexistent/key.pem", "No such file");
    pki_remove(&p);
}

static void files_that_are_not_what_they_should_be_are_named(void **state)
{
    struct pki p;
    pki_make(&p, PKI_P256, 30);
    assert_refused(p.key, p.key, p.key, "not a PEM certificate");
    assert_refused(p.certificate, p.certificate, p.certificate, "not a PEM private key");
    pki_remove(&p);
}

static void a_key_of_another_certificate_is_refused(void **state)
{
    struct pki p, q;
    pki_make(&p, PKI_P256, 30);
    pki_make(&q, PKI_P256, 30);
    assert_refused(p.certificate, q.key, q.key, "does not belong to");
    pki_remove(&p);
    pki_remove(&q);
}

static void an_expired_certificate_is_refused(void **state)
{
    struct pki p;
    pki_make(&p, PKI_P256, -1);
    assert_refused(p.certificate, p.key, p.certificate, "expired");
    pki_remove(&p);
}

static void keys_of_other_kinds_and_short_ones_are_refused(void **state)
{
    struct pki p;
    pki_make(&p, PKI_P384, 30);
    assert_refused(p.certificate, p.key, p.key, "neither ECDSA P-256");
    pki_remove(&p);
    pki_make(&p, PKI_RSA_SHORT, 30);
    assert_refused(p.certificate, p.key, p.key, "RSA of 1024 bits");
    pki_remove(&p);
}

/* The file's first certificate is whole, a later one is not: it is not passed over. */
static void a_chain_that_breaks_off_is_refused(void **state)
{
    struct pki p;
    pki_make(&p, PKI_P256, 30);
    FILE *f = fopen(p.certificate, "a");
    fputs("-----BEGIN CERTIFICATE-----\nMIIB\n", f);
    fclose(f);
    assert_refused(p.certificate, p.key, p.certificate, "not a PEM certificate chain");
    pki_remove(&p);
}

static void a_key_with_a_passphrase_is_refused_without_asking(void **state)
{
    struct pki p;
    pki_make(&p, PKI_P256, 30);
    FILE *f = fopen(p.key, "r");
    EVP_PKEY *key = PEM_read_PrivateKey(f, NULL, NULL, NULL);
    fclose(f);
    f = fopen(p.key, "w");
    assert_int_equal(
        PEM_write_PrivateKey(f, key, EVP_aes_128_cbc(), (const unsigned char *)"secret", 6, NULL, NULL), 1);
    fclose(f);
    EVP_PKEY_free(key);
    assert_refused(p.certificate, p.key, p.key, "passphrase");
    pki_remove(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(missing_files_are_named),
        cmocka_unit_test(files_that_are_not_what_they_should_be_are_named),
        cmocka_unit_test(a_key_of_another_certificate_is_refused),
        cmocka_unit_test(an_expired_certificate_is_refused),
        cmocka_unit_test(keys_of_other_kinds_and_short_ones_are_refused),
        cmocka_unit_test(a_chain_that_breaks_off_is_refused),
        cmocka_unit_test(a_key_with_a_passphrase_is_refused_without_asking),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
