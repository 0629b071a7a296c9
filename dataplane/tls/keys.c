/*
 * From traffic secrets to keys. RFC 8446 7.2 (the next secret), 7.3 (key and IV).
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tls/keys.h"
#include <assert.h>
#include "dataplane/base/bytes.h"

static const struct tls_suite_info suites[] = {
    {TLS_AES_128_GCM_SHA256, AEAD_AES_128_GCM, HKDF_SHA256, "TLS_AES_128_GCM_SHA256"},
    {TLS_AES_256_GCM_SHA384, AEAD_AES_256_GCM, HKDF_SHA384, "TLS_AES_256_GCM_SHA384"},
    {TLS_CHACHA20_POLY1305_SHA256, AEAD_CHACHA20_POLY1305, HKDF_SHA256, "TLS_CHACHA20_POLY1305_SHA256"},
};

const struct tls_suite_info *tls_suite_info(uint16_t suite)
{
    for (size_t i = 0; i < sizeof suites / sizeof suites[0]; i++)
        if (suites[i].suite == suite)
            return &suites[i];
    return NULL;
}

void tls_keys_derive(struct tls_keys *k, uint16_t suite, const uint8_t *secret, uint16_t epoch)
{
    const struct tls_suite_info *info = tls_suite_info(suite);
    struct hkdf_secret s;
    assert(info);
    hkdf_secret_init(&s, info->hash, secret, hkdf_hash_size(info->hash));
    hkdf_secret_label(&s, "key", k->raw, aead_key_size(info->aead));
    hkdf_secret_label(&s, "iv", k->iv, TLS_IV_SIZE);
    wipe(&s, sizeof s);
    aead_key_expand(&k->aead, info->aead, k->raw);
    k->suite = suite;
    k->epoch = epoch;
}

void tls_keys_read(struct tls_keys *k, const struct tls_conn *c)
{
    tls_keys_derive(k, c->suite, c->read_secret, c->read_epoch);
}

bool tls_keys_write(struct tls_keys *k, const struct tls_conn *c, uint16_t epoch)
{
    if (epoch == c->write_epoch)
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
