/*
 * The AEAD table: choosing a backend, and walking a batch with its keys fetched ahead.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/crypto/aead.h"
#include <assert.h>
#include "dataplane/base/bytes.h"
#include "dataplane/crypto/aead_cipher.h"

static const struct {
    const char *name;
    uint8_t key_size, nonce_size;
} algorithms[AEAD_ALGORITHM_COUNT] = {
    [AEAD_AES_128_GCM] = {"AES-128-GCM", 16, 12},
    [AEAD_AES_256_GCM] = {"AES-256-GCM", 32, 12},
    [AEAD_CHACHA20_POLY1305] = {"ChaCha20-Poly1305", 32, 12},
    [AEAD_XCHACHA20_POLY1305] = {"XChaCha20-Poly1305", 32, 24},
    [AEAD_XSALSA20_POLY1305] = {"XSalsa20-Poly1305", 32, 24},
};

static const char *const backend_names[] = {"auto", "ipsec-mb", "openssl"};

/* Set at start, before there are threads; only read afterwards. */
static enum aead_backend current = AEAD_BACKEND_AUTO;

static bool backend_usable(enum aead_backend backend)
{
    return backend == AEAD_BACKEND_IPSEC_MB ? aead_ipsec_mb_usable() : aead_openssl_usable();
}

bool aead_init(enum aead_backend backend)
{
    if (backend == AEAD_BACKEND_AUTO)
        backend = aead_ipsec_mb_usable() ? AEAD_BACKEND_IPSEC_MB : AEAD_BACKEND_OPENSSL;
    if (!backend_usable(backend))
        return false;
    current = backend;
    return true;
}

bool aead_backend_parse(const char *text, enum aead_backend *backend)
{
    for (unsigned i = 0; i < sizeof backend_names / sizeof backend_names[0]; i++)
        if (strcmp(text, backend_names[i]) == 0) {
            *backend = (enum aead_backend)i;
            return true;
        }
    return false;
}

const char *aead_backend_name(enum aead_backend backend)
{
    return backend_names[backend];
}

enum aead_backend aead_backend_current(void)
{
    assert(current != AEAD_BACKEND_AUTO);
    return current;
}

size_t aead_key_size(enum aead_algorithm algorithm)
{
    return algorithms[algorithm].key_size;
}

size_t aead_nonce_size(enum aead_algorithm algorithm)
{
    return algorithms[algorithm].nonce_size;
}

const char *aead_algorithm_name(enum aead_algorithm algorithm)
{
    return algorithms[algorithm].name;
}

void aead_key_expand_on(enum aead_backend backend, struct aead_key *key, enum aead_algorithm algorithm,
                        const uint8_t *raw)
{
    assert(algorithm < AEAD_ALGORITHM_COUNT);
    bool usable = backend_usable(backend);
    assert(usable);
    (void)usable;
    key->cipher = &(backend == AEAD_BACKEND_IPSEC_MB ? aead_ipsec_mb : aead_openssl)[algorithm];
    key->algorithm = (uint8_t)algorithm;
    key->cipher->expand(key, raw);
}

void aead_key_expand(struct aead_key *key, enum aead_algorithm algorithm, const uint8_t *raw)
{
    aead_key_expand_on(aead_backend_current(), key, algorithm, raw);
}

void aead_key_wipe(struct aead_key *key)
{
    wipe(key, sizeof *key);
}

void aead_seal(const struct aead_key *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
               const uint8_t *src, size_t len, uint8_t *dst, uint8_t *tag)
{
    key->cipher->seal(key, &(struct aead_message){nonce, aad, aad_len, src, len, dst}, tag);
}

bool aead_open(const struct aead_key *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
               const uint8_t *src, size_t len, const uint8_t *tag, uint8_t *dst)
{
    return key->cipher->open(key, &(struct aead_message){nonce, aad, aad_len, src, len, dst}, tag);
}

/* How many jobs ahead a key is fetched: long enough for memory to answer, short enough that L1 holds them. */
#define PREFETCH_AHEAD 4

/*
 * A short message (a voice packet) uses the round keys and the low powers of the hash key: the first and the
 * last four lines on AVX-512. Fetching only those is measurably faster than all sixteen; elsewhere it is a
 * hint that misses a little.
 */
#define SHORT_MESSAGE   192
#define KEY_HEAD_BYTES  256
#define KEY_TAIL_OFFSET 768

/* Always inline: gcc 12 takes a function that only prefetches for one without effect and drops the call. */
static inline __attribute__((always_inline)) void prefetch_key(const struct aead_seal *j)
{
    const uint8_t *p = (const uint8_t *)j->key;
    size_t skip = j->len <= SHORT_MESSAGE ? KEY_TAIL_OFFSET : KEY_HEAD_BYTES;
    for (size_t at = 0; at < KEY_HEAD_BYTES; at += 64)
        __builtin_prefetch(p + at);
    for (size_t at = skip; at < sizeof *j->key; at += 64)
        __builtin_prefetch(p + at);
}

void aead_seal_batch(const struct aead_seal *jobs, size_t n)
{
    for (size_t i = 0; i < n && i < PREFETCH_AHEAD; i++)
        prefetch_key(&jobs[i]);
    for (size_t i = 0; i < n; i++) {
        const struct aead_seal *j = &jobs[i];
        if (i + PREFETCH_AHEAD < n)
            prefetch_key(&jobs[i + PREFETCH_AHEAD]);
        aead_seal(j->key, j->nonce, j->aad, j->aad_len, j->src, j->len, j->dst, j->tag);
    }
}
