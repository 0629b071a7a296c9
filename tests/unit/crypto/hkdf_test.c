/*
 * HKDF against RFC 5869, RFC 8448 and OpenSSL's EVP_KDF.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/params.h>
#include "dataplane/crypto/hkdf.h"
#include "hex.h"

static void rfc5869_case_1_is_met(void **state)
{
    uint8_t ikm[22], salt[13], info[10], prk[32], okm[42], want[42];
    memset(ikm, 0x0b, sizeof ikm);
    unhex("000102030405060708090a0b0c", salt);
    unhex("f0f1f2f3f4f5f6f7f8f9", info);
    hkdf_extract(HKDF_SHA256, salt, sizeof salt, ikm, sizeof ikm, prk);
    unhex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5", want);
    assert_memory_equal(prk, want, 32);
    hkdf_expand(HKDF_SHA256, prk, info, sizeof info, okm, sizeof okm);
    unhex("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865", want);
    assert_memory_equal(okm, want, sizeof okm);
}

static void rfc8448_server_handshake_keys_are_derived(void **state)
{
    uint8_t secret[32], key[16], iv[12], want[16];
    unhex("b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38", secret);
    hkdf_expand_label(HKDF_SHA256, secret, "key", key, sizeof key);
    unhex("3fce516009c21727d0f2e4e86ee403bc", want);
    assert_memory_equal(key, want, 16);
    hkdf_expand_label(HKDF_SHA256, secret, "iv", iv, sizeof iv);
    unhex("5d313eb2671276ee13000b30", want);
    assert_memory_equal(iv, want, 12);
}

/* EVP_KDF's HKDF in the mode given. */
static void oracle(const char *digest, const char *mode, const uint8_t *key, size_t key_len,
                   const uint8_t *other, size_t other_len, uint8_t *out, size_t out_len)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "HKDF", NULL);
    EVP_KDF_CTX *ctx = EVP_KDF_CTX_new(kdf);
    int extract = strcmp(mode, "EXTRACT_ONLY") == 0;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)digest, 0),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_MODE, (char *)mode, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)key, key_len),
        OSSL_PARAM_construct_octet_string(extract ? OSSL_KDF_PARAM_SALT : OSSL_KDF_PARAM_INFO, (void *)other,
                                          other_len),
        OSSL_PARAM_construct_end(),
    };
    assert_int_equal(EVP_KDF_derive(ctx, out, out_len, params), 1);
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
}

static void every_length_agrees_with_openssl(void **state)
{
    static const char *const digests[] = {"SHA256", "SHA384"};
    uint8_t bytes[300], ours[400], theirs[400];
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)(i * 37 + 11);
    for (int h = 0; h < 2; h++) {
        size_t size = hkdf_hash_size((enum hkdf_hash)h);
        for (size_t len = 1; len < 200; len++) {
            hkdf_extract((enum hkdf_hash)h, bytes, len, bytes + 50, 200 - len, ours);
            oracle(digests[h], "EXTRACT_ONLY", bytes + 50, 200 - len, bytes, len, theirs, size);
            assert_memory_equal(ours, theirs, size);
            hkdf_expand((enum hkdf_hash)h, bytes, bytes + 60, len, ours, 2 * len);
            oracle(digests[h], "EXPAND_ONLY", bytes, size, bytes + 60, len, theirs, 2 * len);
            assert_memory_equal(ours, theirs, 2 * len);
        }
    }
}

static void labels_of_one_prepared_secret_equal_single_labels(void **state)
{
    uint8_t secret[48], one[48], many[48];
    for (int i = 0; i < 48; i++)
        secret[i] = (uint8_t)(3 * i);
    for (int h = 0; h < 2; h++) {
        struct hkdf_secret s;
        hkdf_secret_init(&s, (enum hkdf_hash)h, secret, hkdf_hash_size((enum hkdf_hash)h));
        static const char *const labels[] = {"key", "iv", "traffic upd", "key"};
        for (int i = 0; i < 4; i++) {
            hkdf_secret_label(&s, labels[i], many, 48);
            hkdf_expand_label((enum hkdf_hash)h, secret, labels[i], one, 48);
            assert_memory_equal(one, many, 48);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rfc5869_case_1_is_met),
        cmocka_unit_test(rfc8448_server_handshake_keys_are_derived),
        cmocka_unit_test(every_length_agrees_with_openssl),
        cmocka_unit_test(labels_of_one_prepared_secret_equal_single_labels),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
