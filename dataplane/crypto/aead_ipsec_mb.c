/*
 * The AEADs on libipsec-mb's direct interface: its functions for this processor, without its job queues.
 *
 * The manager is written once and only read afterwards, so every thread may use it. Direct calls keep their
 * state on the caller's stack.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <intel-ipsec-mb.h>
#include <assert.h>
#include <pthread.h>
#include "dataplane/base/bytes.h"
#include "dataplane/crypto/aead_cipher.h"
#include "dataplane/crypto/hchacha20.h"

_Static_assert(sizeof(struct gcm_key_data) <= AEAD_EXPANDED_SIZE, "ipsec-mb's GCM key fits aead_key");

static IMB_MGR *manager; /* NULL: not usable here */
static pthread_once_t manager_once = PTHREAD_ONCE_INIT;

static void manager_prepare(void)
{
    const uint64_t needed = IMB_FEATURE_AESNI | IMB_FEATURE_PCLMULQDQ;
    IMB_MGR *m = alloc_mb_mgr(0);
    if (!m)
        return;
    if ((m->features & needed) != needed || (m->features & IMB_FEATURE_AESNI_EMU)) {
        free_mb_mgr(m);
        return;
    }
    init_mb_mgr_auto(m, NULL);
    if (imb_get_errno(m) == 0)
        manager = m;
    else
        free_mb_mgr(m);
}

bool aead_ipsec_mb_usable(void)
{
    pthread_once(&manager_once, manager_prepare);
    return manager != NULL;
}

/* The output of a message that does not authenticate is not shown to anybody. */
static bool verify(const uint8_t *computed, const uint8_t *tag, const struct aead_message *m)
{
    if (equal_constant_time(computed, tag, AEAD_TAG_SIZE))
        return true;
    wipe(m->dst, m->len);
    return false;
}

static const struct gcm_key_data *gcm_key(const struct aead_key *key)
{
    return (const struct gcm_key_data *)(const void *)key->expanded;
}

static void gcm128_expand(struct aead_key *key, const uint8_t *raw)
{
    IMB_AES128_GCM_PRE(manager, raw, (struct gcm_key_data *)(void *)key->expanded);
}

static void gcm128_seal(const struct aead_key *key, const struct aead_message *m, uint8_t *tag)
{
    struct gcm_context_data ctx;
    IMB_AES128_GCM_ENC(manager, gcm_key(key), &ctx, m->dst, m->src, m->len, m->nonce, m->aad, m->aad_len, tag,
                       AEAD_TAG_SIZE);
}

static bool gcm128_open(const struct aead_key *key, const struct aead_message *m, const uint8_t *tag)
{
    struct gcm_context_data ctx;
    uint8_t computed[AEAD_TAG_SIZE];
    IMB_AES128_GCM_DEC(manager, gcm_key(key), &ctx, m->dst, m->src, m->len, m->nonce, m->aad, m->aad_len,
                       computed, AEAD_TAG_SIZE);
    return verify(computed, tag, m);
}

static void gcm256_expand(struct aead_key *key, const uint8_t *raw)
{
    IMB_AES256_GCM_PRE(manager, raw, (struct gcm_key_data *)(void *)key->expanded);
}

static void gcm256_seal(const struct aead_key *key, const struct aead_message *m, uint8_t *tag)
{
    struct gcm_context_data ctx;
    IMB_AES256_GCM_ENC(manager, gcm_key(key), &ctx, m->dst, m->src, m->len, m->nonce, m->aad, m->aad_len, tag,
                       AEAD_TAG_SIZE);
}

static bool gcm256_open(const struct aead_key *key, const struct aead_message *m, const uint8_t *tag)
{
    struct gcm_context_data ctx;
    uint8_t computed[AEAD_TAG_SIZE];
    IMB_AES256_GCM_DEC(manager, gcm_key(key), &ctx, m->dst, m->src, m->len, m->nonce, m->aad, m->aad_len,
                       computed, AEAD_TAG_SIZE);
    return verify(computed, tag, m);
}

/* ChaCha20 has no key schedule: the expanded key is the raw one. */
static void chacha_expand(struct aead_key *key, const uint8_t *raw)
{
    memcpy(key->expanded, raw, 32);
}

static void chacha_encrypt(const uint8_t *raw, const uint8_t *nonce, const struct aead_message *m,
                           uint8_t *tag)
{
    struct chacha20_poly1305_context_data ctx;
    IMB_CHACHA20_POLY1305_INIT(manager, raw, &ctx, nonce, m->aad, m->aad_len);
    IMB_CHACHA20_POLY1305_ENC_UPDATE(manager, raw, &ctx, m->dst, m->src, m->len);
    IMB_CHACHA20_POLY1305_ENC_FINALIZE(manager, &ctx, tag, AEAD_TAG_SIZE);
    wipe(&ctx, sizeof ctx);
}

static bool chacha_decrypt(const uint8_t *raw, const uint8_t *nonce, const struct aead_message *m,
                           const uint8_t *tag)
{
    struct chacha20_poly1305_context_data ctx;
    uint8_t computed[AEAD_TAG_SIZE];
    IMB_CHACHA20_POLY1305_INIT(manager, raw, &ctx, nonce, m->aad, m->aad_len);
    IMB_CHACHA20_POLY1305_DEC_UPDATE(manager, raw, &ctx, m->dst, m->src, m->len);
    IMB_CHACHA20_POLY1305_DEC_FINALIZE(manager, &ctx, computed, AEAD_TAG_SIZE);
    wipe(&ctx, sizeof ctx);
    return verify(computed, tag, m);
}

static void chacha_seal(const struct aead_key *key, const struct aead_message *m, uint8_t *tag)
{
    chacha_encrypt(key->expanded, m->nonce, m, tag);
}

static bool chacha_open(const struct aead_key *key, const struct aead_message *m, const uint8_t *tag)
{
    return chacha_decrypt(key->expanded, m->nonce, m, tag);
}

static void xchacha_seal(const struct aead_key *key, const struct aead_message *m, uint8_t *tag)
{
    uint8_t subkey[32], nonce[12];
    xchacha20_derive(subkey, nonce, key->expanded, m->nonce);
    chacha_encrypt(subkey, nonce, m, tag);
    wipe(subkey, sizeof subkey);
}

static bool xchacha_open(const struct aead_key *key, const struct aead_message *m, const uint8_t *tag)
{
    uint8_t subkey[32], nonce[12];
    xchacha20_derive(subkey, nonce, key->expanded, m->nonce);
    bool ok = chacha_decrypt(subkey, nonce, m, tag);
    wipe(subkey, sizeof subkey);
    return ok;
}

const struct aead_cipher aead_ipsec_mb[AEAD_ALGORITHM_COUNT] = {
    [AEAD_AES_128_GCM] = {gcm128_expand, gcm128_seal, gcm128_open},
    [AEAD_AES_256_GCM] = {gcm256_expand, gcm256_seal, gcm256_open},
    [AEAD_CHACHA20_POLY1305] = {chacha_expand, chacha_seal, chacha_open},
    [AEAD_XCHACHA20_POLY1305] = {chacha_expand, xchacha_seal, xchacha_open},
    [AEAD_XSALSA20_POLY1305] = {secretbox_expand, secretbox_seal, secretbox_open},
};
