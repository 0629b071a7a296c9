/*
 * From a handshake of TLS 1.2 to the keys of its records. RFC 5246 6.3 (the key block), 5 (its PRF).
 *
 * OpenSSL's own records under these keys are one in each direction, the Finished: ours go on from there.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/kdf.h>
#include "dataplane/base/bytes.h"
#include "dataplane/tls/session.h"

#define MASTER_SIZE   48
#define RANDOM_SIZE   32
#define KEY_BLOCK_MAX (2 * (TLS12_KEY_SIZE + TLS_IV_SIZE))
#define SALT_SIZE     4

/* PRF(master, "key expansion", server random, client random). */
static bool key_block(const uint8_t master[MASTER_SIZE], const uint8_t seed[2 * RANDOM_SIZE],
                      enum hkdf_hash hash, uint8_t *out, size_t size)
{
    static const char label[] = "key expansion";
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
    EVP_KDF_CTX *ctx = kdf ? EVP_KDF_CTX_new(kdf) : NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
                                         hash == HKDF_SHA256 ? (char[]){"SHA256"} : (char[]){"SHA384"}, 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, (void *)(uintptr_t)master, MASTER_SIZE),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, (void *)(uintptr_t)label, sizeof label - 1),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, (void *)(uintptr_t)seed, 2 * RANDOM_SIZE),
        OSSL_PARAM_construct_end(),
    };
    bool ok = ctx && EVP_KDF_derive(ctx, out, size, params) == 1;
    EVP_KDF_CTX_free(ctx);
    EVP_KDF_free(kdf);
    return ok;
}

bool tls12_secrets(SSL *ssl, struct tls_secrets *s)
{
    const struct tls_suite_info *info = tls_suite_info(s->suite);
    size_t key = aead_key_size(info->aead),
           iv = info->aead == AEAD_CHACHA20_POLY1305 ? TLS_IV_SIZE : SALT_SIZE;
    uint8_t master[MASTER_SIZE], seed[2 * RANDOM_SIZE], block[KEY_BLOCK_MAX];
    bool ok = SSL_SESSION_get_master_key(SSL_get_session(ssl), master, sizeof master) == sizeof master &&
              SSL_get_server_random(ssl, seed, RANDOM_SIZE) == RANDOM_SIZE &&
              SSL_get_client_random(ssl, seed + RANDOM_SIZE, RANDOM_SIZE) == RANDOM_SIZE &&
              key_block(master, seed, info->hash, block, 2 * (key + iv));
    if (ok) {
        memcpy(s->client, block, key);
        memcpy(s->server, block + key, key);
        memcpy(s->client + TLS12_KEY_SIZE, block + 2 * key, iv);
        memcpy(s->server + TLS12_KEY_SIZE, block + 2 * key + iv, iv);
        s->client_records = s->server_records = 1;
    }
    wipe(master, sizeof master);
    wipe(block, sizeof block);
    return ok;
}
