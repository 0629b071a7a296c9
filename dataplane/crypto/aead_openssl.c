/*
 * The AEADs on OpenSSL's EVP: portable, and what the other backend is compared with.
 *
 * EVP keeps an expanded key inside a context that is allocated, so a key here is the raw key, and each thread
 * has one context for each cipher and direction, re-keyed when a message comes under another key than the
 * last one. The contexts live as long as their thread, made on its first message.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <assert.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>
#include "dataplane/base/bytes.h"
#include "dataplane/crypto/aead_cipher.h"
#include "dataplane/crypto/hchacha20.h"

enum evp_cipher { EVP_GCM128, EVP_GCM256, EVP_CHACHA, EVP_CIPHER_COUNT };

static const struct {
    const char *name;
    size_t key_size;
} facts[EVP_CIPHER_COUNT] = {{"AES-128-GCM", 16}, {"AES-256-GCM", 32}, {"ChaCha20-Poly1305", 32}};

struct evp_slot {
    EVP_CIPHER_CTX *ctx;
    bool keyed;
    uint8_t raw[AEAD_KEY_SIZE_MAX]; /* the key that ctx holds */
};

struct evp_thread {
    struct evp_slot slots[EVP_CIPHER_COUNT][2]; /* [cipher][sealing] */
};

static EVP_CIPHER *ciphers[EVP_CIPHER_COUNT];
static pthread_key_t thread_key; /* frees a thread's contexts when it ends */
static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool usable;
static _Thread_local struct evp_thread *mine;

static void thread_free(void *p)
{
    struct evp_thread *t = p;
    for (int i = 0; i < EVP_CIPHER_COUNT; i++)
        for (int sealing = 0; sealing < 2; sealing++)
            EVP_CIPHER_CTX_free(t->slots[i][sealing].ctx);
    wipe(t, sizeof *t);
    free(t);
    mine = NULL;
}

static void prepare(void)
{
    usable = pthread_key_create(&thread_key, thread_free) == 0;
    for (int i = 0; i < EVP_CIPHER_COUNT; i++) {
        ciphers[i] = EVP_CIPHER_fetch(NULL, facts[i].name, NULL);
        usable = usable && ciphers[i];
    }
}

bool aead_openssl_usable(void)
{
    pthread_once(&once, prepare);
    return usable;
}

/* Once a thread. Out of memory here is the start of a thread failing, not a packet's fault. */
static struct evp_thread *thread_contexts(void)
{
    if (mine)
        return mine;
    struct evp_thread *t = calloc(1, sizeof *t);
    if (!t)
        abort();
    for (int i = 0; i < EVP_CIPHER_COUNT; i++)
        for (int sealing = 0; sealing < 2; sealing++) {
            EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
            if (!ctx || EVP_CipherInit_ex2(ctx, ciphers[i], NULL, NULL, sealing, NULL) != 1)
                abort();
            t->slots[i][sealing].ctx = ctx;
        }
    pthread_setspecific(thread_key, t);
    return mine = t;
}

/* A context ready for the message, its additional data taken in. */
static EVP_CIPHER_CTX *start(enum evp_cipher cipher, bool sealing, const uint8_t *raw, const uint8_t *nonce,
                             const struct aead_message *m)
{
    struct evp_slot *s = &thread_contexts()->slots[cipher][sealing];
    size_t key_size = facts[cipher].key_size;
    bool same = s->keyed && equal_constant_time(s->raw, raw, key_size);
    int n, ok = EVP_CipherInit_ex2(s->ctx, NULL, same ? NULL : raw, nonce, sealing, NULL);
    if (!same) {
        memcpy(s->raw, raw, key_size);
        s->keyed = true;
    }
    if (ok == 1 && m->aad_len)
        ok = EVP_CipherUpdate(s->ctx, NULL, &n, m->aad, (int)m->aad_len);
    if (ok == 1 && m->len)
        ok = EVP_CipherUpdate(s->ctx, m->dst, &n, m->src, (int)m->len);
    if (ok != 1)
        abort(); /* a sealing or opening that cannot even start is a bug: lengths and keys were ours */
    return s->ctx;
}

static void evp_seal(enum evp_cipher cipher, const uint8_t *raw, const uint8_t *nonce,
                     const struct aead_message *m, uint8_t *tag)
{
    uint8_t none[16];
    int n;
    EVP_CIPHER_CTX *ctx = start(cipher, true, raw, nonce, m);
    if (EVP_CipherFinal_ex(ctx, none, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_SIZE, tag) != 1)
        abort();
}

static bool evp_open(enum evp_cipher cipher, const uint8_t *raw, const uint8_t *nonce,
                     const struct aead_message *m, const uint8_t *tag)
{
    uint8_t none[16], expected[AEAD_TAG_SIZE];
    int n;
    memcpy(expected, tag, sizeof expected);
    EVP_CIPHER_CTX *ctx = start(cipher, false, raw, nonce, m);
    if (EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_SIZE, expected) == 1 &&
        EVP_CipherFinal_ex(ctx, none, &n) == 1)
        return true;
    wipe(m->dst, m->len);
    return false;
}

static void expand(struct aead_key *key, const uint8_t *raw)
{
    memcpy(key->expanded, raw, aead_key_size(key->algorithm));
}

static void gcm128_seal(const struct aead_key *key, const struct aead_message *m, uint8_t *tag)
{
    evp_seal(EVP_GCM128, key->expanded, m->nonce, m, tag);
}

static bool gcm128_open(const struct aead_key *key, const struct aead_message *m, const uint8_t *tag)
{
    return evp_open(EVP_GCM128, key->expanded, m->nonce, m, tag);
}

static void gcm256_seal(const struct aead_key *key, const struct aead_message *m, uint8_t *tag)
{
    evp_seal(EVP_GCM256, key->expanded, m->nonce, m, tag);
}

static bool gcm256_open(const struct aead_key *key, const struct aead_message *m, const uint8_t *tag)
{
    return evp_open(EVP_GCM256, key->expanded, m->nonce, m, tag);
}

static void chacha_seal(const struct aead_key *key, const struct aead_message *m, uint8_t *tag)
{
    evp_seal(EVP_CHACHA, key->expanded, m->nonce, m, tag);
}

static bool chacha_open(const struct aead_key *key, const struct aead_message *m, const uint8_t *tag)
{
    return evp_open(EVP_CHACHA, key->expanded, m->nonce, m, tag);
}

static void xchacha_seal(const struct aead_key *key, const struct aead_message *m, uint8_t *tag)
{
    uint8_t subkey[32], nonce[12];
    xchacha20_derive(subkey, nonce, key->expanded, m->nonce);
    evp_seal(EVP_CHACHA, subkey, nonce, m, tag);
    wipe(subkey, sizeof subkey);
}

static bool xchacha_open(const struct aead_key *key, const struct aead_message *m, const uint8_t *tag)
{
    uint8_t subkey[32], nonce[12];
    xchacha20_derive(subkey, nonce, key->expanded, m->nonce);
    bool ok = evp_open(EVP_CHACHA, subkey, nonce, m, tag);
    wipe(subkey, sizeof subkey);
    return ok;
}

const struct aead_cipher aead_openssl[AEAD_ALGORITHM_COUNT] = {
    [AEAD_AES_128_GCM] = {expand, gcm128_seal, gcm128_open},
    [AEAD_AES_256_GCM] = {expand, gcm256_seal, gcm256_open},
    [AEAD_CHACHA20_POLY1305] = {expand, chacha_seal, chacha_open},
    [AEAD_XCHACHA20_POLY1305] = {expand, xchacha_seal, xchacha_open},
    [AEAD_XSALSA20_POLY1305] = {secretbox_expand, secretbox_seal, secretbox_open},
};
