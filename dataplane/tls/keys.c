/*
 * From traffic secrets to keys. RFC 8446 7.2 (the next secret), 7.3 (key and IV); RFC 5246 6.3 (a key block).
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tls/keys.h"
#include <assert.h>
#include "dataplane/base/bytes.h"

#define SHA256_SECRET_SIZE 32

static const struct tls_suite_info suites[] = {
    {TLS_AES_128_GCM_SHA256, AEAD_AES_128_GCM, HKDF_SHA256, "TLS_AES_128_GCM_SHA256"},
    {TLS_AES_256_GCM_SHA384, AEAD_AES_256_GCM, HKDF_SHA384, "TLS_AES_256_GCM_SHA384"},
    {TLS_CHACHA20_POLY1305_SHA256, AEAD_CHACHA20_POLY1305, HKDF_SHA256, "TLS_CHACHA20_POLY1305_SHA256"},
    {TLS12_ECDHE_ECDSA_AES_128_GCM_SHA256, AEAD_AES_128_GCM, HKDF_SHA256, "ECDHE-ECDSA-AES128-GCM-SHA256"},
    {TLS12_ECDHE_RSA_AES_128_GCM_SHA256, AEAD_AES_128_GCM, HKDF_SHA256, "ECDHE-RSA-AES128-GCM-SHA256"},
    {TLS12_ECDHE_ECDSA_AES_256_GCM_SHA384, AEAD_AES_256_GCM, HKDF_SHA384, "ECDHE-ECDSA-AES256-GCM-SHA384"},
    {TLS12_ECDHE_RSA_AES_256_GCM_SHA384, AEAD_AES_256_GCM, HKDF_SHA384, "ECDHE-RSA-AES256-GCM-SHA384"},
    {TLS12_ECDHE_ECDSA_CHACHA20_POLY1305_SHA256, AEAD_CHACHA20_POLY1305, HKDF_SHA256,
     "ECDHE-ECDSA-CHACHA20-POLY1305"},
    {TLS12_ECDHE_RSA_CHACHA20_POLY1305_SHA256, AEAD_CHACHA20_POLY1305, HKDF_SHA256,
     "ECDHE-RSA-CHACHA20-POLY1305"},
};

const struct tls_suite_info *tls_suite_info(uint16_t suite)
{
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++)
        if (suites[i].suite == suite)
            return &suites[i];
    return NULL;
}

/* Key and IV of a traffic secret of TLS 1.3. */
static void derive(const struct tls_suite_info *info, const uint8_t *secret, uint8_t *key,
                   uint8_t iv[TLS_IV_SIZE])
{
    struct hkdf_secret s;
    hkdf_secret_init(&s, info->hash, secret, hkdf_hash_size(info->hash));
    hkdf_secret_label(&s, "key", key, aead_key_size(info->aead));
    hkdf_secret_label(&s, "iv", iv, TLS_IV_SIZE);
    wipe(&s, sizeof s);
}

/* Key and IV as they are. */
static void use(struct tls_keys *k, const struct tls_suite_info *info, uint16_t epoch, const uint8_t *key,
                const uint8_t *iv)
{
    if (key != k->raw)
        memcpy(k->raw, key, aead_key_size(info->aead));
    if (iv != k->iv)
        memcpy(k->iv, iv, TLS_IV_SIZE);
    aead_key_expand(&k->aead, info->aead, k->raw);
    k->suite = info->suite;
    k->epoch = epoch;
}

void tls_keys_derive(struct tls_keys *k, uint16_t suite, const uint8_t *secret, uint16_t epoch)
{
    const struct tls_suite_info *info = tls_suite_info(suite);
    assert(info);
    if (tls_is_12(suite)) {
        use(k, info, epoch, secret, secret + TLS12_KEY_SIZE);
        return;
    }
    derive(info, secret, k->raw, k->iv);
    use(k, info, epoch, k->raw, k->iv);
}

/* Whether the connection keeps the keys of its current epochs, too. */
static bool keeps_keys(const struct tls_conn *c)
{
    return c->suite == TLS_AES_128_GCM_SHA256;
}

static uint8_t *kept_read_iv(struct tls_conn *c)
{
    return c->write_secret_previous + SHA256_SECRET_SIZE;
}

void tls_keep_read_key(struct tls_conn *c)
{
    if (keeps_keys(c))
        derive(tls_suite_info(c->suite), c->read_secret, c->read_secret + SHA256_SECRET_SIZE,
               kept_read_iv(c));
}

void tls_keep_write_key(struct tls_conn *c)
{
    if (keeps_keys(c))
        derive(tls_suite_info(c->suite), c->write_secret, c->write_secret + SHA256_SECRET_SIZE, c->write_iv);
}

void tls_keys_read(struct tls_keys *k, const struct tls_conn *c)
{
    if (keeps_keys(c))
        use(k, tls_suite_info(c->suite), c->read_epoch, c->read_secret + SHA256_SECRET_SIZE,
            c->write_secret_previous + SHA256_SECRET_SIZE);
    else
        tls_keys_derive(k, c->suite, c->read_secret, c->read_epoch);
}

bool tls_keys_write(struct tls_keys *k, const struct tls_conn *c, uint16_t epoch)
{
    if (epoch == c->write_epoch && keeps_keys(c))
        use(k, tls_suite_info(c->suite), epoch, c->write_secret + SHA256_SECRET_SIZE, c->write_iv);
    else if (epoch == c->write_epoch)
        tls_keys_derive(k, c->suite, c->write_secret, epoch);
    else if (epoch == (uint16_t)(c->write_epoch - 1) && (c->flags & TLS_PREVIOUS_HELD))
        tls_keys_derive(k, c->suite, c->write_secret_previous, epoch);
    else
        return false;
    return true;
}

void tls_keys_wipe(struct tls_keys *k)
{
    wipe(k, sizeof *k);
}

void tls_secret_next(uint16_t suite, const uint8_t *secret, uint8_t *next)
{
    enum hkdf_hash hash = tls_suite_info(suite)->hash;
    uint8_t out[TLS_SECRET_SIZE_MAX];
    hkdf_expand_label(hash, secret, "traffic upd", out, hkdf_hash_size(hash));
    memcpy(next, out, hkdf_hash_size(hash));
    wipe(out, sizeof out);
}
