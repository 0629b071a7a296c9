/*
 * HKDF on OpenSSL's plain SHA functions. RFC 5869, RFC 2104, RFC 8446 7.1.
 *
 * Why the deprecated functions: EVP allocates for each context copy and costs 100 ns a call besides the
 * hashing; waking one idle connection derives two keys and two IVs. The unit tests compare with EVP_KDF.
 * SPDX-License-Identifier: Apache-2.0
 */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "dataplane/crypto/hkdf.h"
#include <assert.h>
#include <openssl/sha.h>
#include "dataplane/base/bytes.h"

#define BLOCK_MAX 128

_Static_assert(sizeof(SHA256_CTX) <= sizeof((struct hkdf_secret){0}.inner), "a SHA-256 state fits");
_Static_assert(sizeof(SHA512_CTX) <= sizeof((struct hkdf_secret){0}.inner), "a SHA-384 state fits");

size_t hkdf_hash_size(enum hkdf_hash hash)
{
    return hash == HKDF_SHA256 ? SHA256_DIGEST_LENGTH : SHA384_DIGEST_LENGTH;
}

static size_t block_size(enum hkdf_hash hash)
{
    return hash == HKDF_SHA256 ? 64 : BLOCK_MAX;
}

static void hash_init(enum hkdf_hash hash, void *state)
{
    if (hash == HKDF_SHA256)
        SHA256_Init(state);
    else
        SHA384_Init(state);
}

static void hash_update(enum hkdf_hash hash, void *state, const void *data, size_t len)
{
    if (hash == HKDF_SHA256)
        SHA256_Update(state, data, len);
    else
        SHA384_Update(state, data, len);
}

static void hash_final(enum hkdf_hash hash, void *state, uint8_t *out)
{
    if (hash == HKDF_SHA256)
        SHA256_Final(out, state);
    else
        SHA384_Final(out, state);
}

void hkdf_secret_init(struct hkdf_secret *s, enum hkdf_hash hash, const uint8_t *secret, size_t len)
{
    uint8_t pad[BLOCK_MAX] = {0};
    size_t block = block_size(hash);
    s->hash = hash;
    if (len > block) {
        hash_init(hash, s->inner);
        hash_update(hash, s->inner, secret, len);
        hash_final(hash, s->inner, pad);
    } else if (len) {
        memcpy(pad, secret, len);
    }
    for (size_t i = 0; i < block; i++)
        pad[i] ^= 0x36;
    hash_init(hash, s->inner);
    hash_update(hash, s->inner, pad, block);
    for (size_t i = 0; i < block; i++)
        pad[i] ^= 0x36 ^ 0x5c;
    hash_init(hash, s->outer);
    hash_update(hash, s->outer, pad, block);
    wipe(pad, sizeof pad);
}

/* HMAC of up to three pieces. */
static void hmac(const struct hkdf_secret *s, const uint8_t *const pieces[3], const size_t lens[3],
                 uint8_t *out)
{
    struct hkdf_secret work = *s;
    for (int i = 0; i < 3; i++)
        if (lens[i])
            hash_update(s->hash, work.inner, pieces[i], lens[i]);
    hash_final(s->hash, work.inner, out);
    hash_update(s->hash, work.outer, out, hkdf_hash_size(s->hash));
    hash_final(s->hash, work.outer, out);
    wipe(&work, sizeof work);
}

void hkdf_extract(enum hkdf_hash hash, const uint8_t *salt, size_t salt_len, const uint8_t *ikm,
                  size_t ikm_len, uint8_t *out)
{
    struct hkdf_secret s;
    hkdf_secret_init(&s, hash, salt, salt_len);
    hmac(&s, (const uint8_t *const[3]){ikm}, (const size_t[3]){ikm_len}, out);
    wipe(&s, sizeof s);
}

/* T(i) = HMAC(PRK, T(i-1) | info | i), RFC 5869 2.3. */
static void expand(const struct hkdf_secret *s, const uint8_t *info, size_t info_len, uint8_t *out,
                   size_t out_len)
{
    uint8_t block[HKDF_HASH_SIZE_MAX];
    size_t size = hkdf_hash_size(s->hash), have = 0;
    assert(out_len <= 255 * size);
    for (uint8_t i = 1; out_len; i++) {
        hmac(s, (const uint8_t *const[3]){block, info, &i}, (const size_t[3]){have, info_len, 1}, block);
        have = size;
        size_t n = out_len < size ? out_len : size;
        memcpy(out, block, n);
        out += n;
        out_len -= n;
    }
    wipe(block, sizeof block);
}

void hkdf_expand(enum hkdf_hash hash, const uint8_t *prk, const uint8_t *info, size_t info_len, uint8_t *out,
                 size_t out_len)
{
    struct hkdf_secret s;
    hkdf_secret_init(&s, hash, prk, hkdf_hash_size(hash));
    expand(&s, info, info_len, out, out_len);
    wipe(&s, sizeof s);
}

/* struct HkdfLabel { uint16 length; opaque label<7..255> = "tls13 " + label; opaque context<0..255>; } */
void hkdf_secret_label(const struct hkdf_secret *s, const char *label, uint8_t *out, size_t out_len)
{
    uint8_t info[2 + 1 + 6 + HKDF_LABEL_MAX + 1];
    size_t n = strlen(label);
    assert(n <= HKDF_LABEL_MAX);
    put_be16(info, (uint16_t)out_len);
    info[2] = (uint8_t)(6 + n);
    memcpy(info + 3, "tls13 ", 6);
    memcpy(info + 9, label, n);
    info[9 + n] = 0;
    expand(s, info, 10 + n, out, out_len);
}

void hkdf_expand_label(enum hkdf_hash hash, const uint8_t *secret, const char *label, uint8_t *out,
                       size_t out_len)
{
    struct hkdf_secret s;
    hkdf_secret_init(&s, hash, secret, hkdf_hash_size(hash));
    hkdf_secret_label(&s, label, out, out_len);
    wipe(&s, sizeof s);
}
