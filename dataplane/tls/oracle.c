/*
 * Records by OpenSSL alone: EVP, and the framing of RFC 8446 5.2 and RFC 5246 6.2.3.3 written straight from
 * the text, without anything of seal.c, open.c or crypto/.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tls/oracle.h"
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPECTED_MAX 64 /* records prepared and not yet compared, on one thread */

struct expected {
    const uint8_t *dst; /* NULL: free */
    size_t len;
    uint8_t record[TLS_RECORD_MAX];
};

static _Thread_local struct expected expected[EXPECTED_MAX];
static _Thread_local unsigned expected_next;
static _Thread_local uint8_t opened[TLS_RECORD_MAX];
static _Thread_local long opened_len; /* -1: must not open */

__attribute__((noreturn)) static void disagree(const char *what)
{
    fprintf(stderr, "record oracle: OpenSSL disagrees: %s\n", what);
    abort();
}

struct facts {
    const EVP_CIPHER *cipher;
    bool v12, explicit_nonce;
};

static struct facts facts_of(uint16_t suite)
{
    switch (suite) {
    case 0x1301:
        return (struct facts){EVP_aes_128_gcm(), false, false};
    case 0x1302:
        return (struct facts){EVP_aes_256_gcm(), false, false};
    case 0x1303:
        return (struct facts){EVP_chacha20_poly1305(), false, false};
    case 0xc02b:
    case 0xc02f:
        return (struct facts){EVP_aes_128_gcm(), true, true};
    case 0xc02c:
    case 0xc030:
        return (struct facts){EVP_aes_256_gcm(), true, true};
    case 0xcca8:
    case 0xcca9:
        return (struct facts){EVP_chacha20_poly1305(), true, false};
    }
    disagree("a suite that it does not know");
}

static void put(uint8_t *p, uint64_t v, unsigned bytes)
{
    while (bytes--) {
        p[bytes] = (uint8_t)v;
        v >>= 8;
    }
}

/* RFC 8446 5.3, RFC 7905 2. */
static void xor_nonce(uint8_t nonce[12], const uint8_t *iv, uint64_t number)
{
    uint8_t padded[12] = {0};
    put(padded + 4, number, 8);
    for (int i = 0; i < 12; i++)
        nonce[i] = iv[i] ^ padded[i];
}

/* Returns whether the tag is good; sealing writes it. */
static bool run(const struct facts *f, bool seal, const uint8_t *key, const uint8_t *nonce,
                const uint8_t *aad, size_t aad_len, const uint8_t *in, size_t len, uint8_t *out, uint8_t *tag)
{
    int n;
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    if (!ctx || EVP_CipherInit_ex(ctx, f->cipher, NULL, key, nonce, seal) != 1 ||
        EVP_CipherUpdate(ctx, NULL, &n, aad, (int)aad_len) != 1 ||
        (len && EVP_CipherUpdate(ctx, out, &n, in, (int)len) != 1) ||
        (!seal && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, 16, tag) != 1))
        disagree("it cannot run");
    uint8_t none[16];
    bool good = EVP_CipherFinal_ex(ctx, none, &n) == 1;
    if (seal && EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_GET_TAG, 16, tag) != 1)
        disagree("it cannot make a tag");
    EVP_CIPHER_CTX_free(ctx);
    return good;
}

void tls_oracle_expect(const struct tls_keys *keys, uint64_t number, enum tls_content type,
                       const uint8_t *content, size_t len, const uint8_t *dst)
{
    struct expected *e = &expected[expected_next++ % EXPECTED_MAX];
    struct facts f = facts_of(keys->suite);
    static _Thread_local uint8_t inner[TLS_PLAINTEXT_MAX + 1];
    uint8_t nonce[12], aad[13];
    size_t aad_len = 5, body = 5;
    memcpy(inner, content, len);
    if (f.v12) {
        put(aad, number, 8);
        aad[8] = (uint8_t)type;
        put(aad + 9, 0x0303, 2);
        put(aad + 11, len, 2);
        aad_len = 13;
    } else {
        inner[len++] = (uint8_t)type;
    }
    if (f.explicit_nonce) {
        memcpy(nonce, keys->iv, 4);
        put(nonce + 4, number, 8);
        put(e->record + 5, number, 8);
        body = 13;
    } else {
        xor_nonce(nonce, keys->iv, number);
    }
    e->record[0] = f.v12 ? (uint8_t)type : 23;
    put(e->record + 1, 0x0303, 2);
    put(e->record + 3, body - 5 + len + 16, 2);
    if (!f.v12)
        memcpy(aad, e->record, 5);
    run(&f, true, keys->raw, nonce, aad, aad_len, inner, len, e->record + body, e->record + body + len);
    e->len = body + len + 16;
    e->dst = dst;
}

void tls_oracle_compare(const struct aead_seal *job)
{
    for (unsigned i = 0; i < EXPECTED_MAX; i++) {
        struct expected *e = &expected[i];
        if (!e->dst || job->tag + 16 != e->dst + e->len)
            continue;
        if (memcmp(e->dst, e->record, e->len) != 0)
            disagree("a sealed record differs");
        e->dst = NULL;
        return;
    }
    disagree("a record was sealed that was not prepared, or with another length");
}

void tls_oracle_open(const struct tls_keys *keys, uint64_t number, const struct tls_record *r)
{
    struct facts f = facts_of(keys->suite);
    const uint8_t *body = r->header + 5;
    size_t len = r->length;
    uint8_t nonce[12], aad[13], tag[16];
    opened_len = -1;
    if (len < (f.explicit_nonce ? 24u : 16u))
        return;
    if (f.explicit_nonce) {
        memcpy(nonce, keys->iv, 4);
        memcpy(nonce + 4, body, 8);
        body += 8;
        len -= 8;
    } else {
        xor_nonce(nonce, keys->iv, number);
    }
    len -= 16;
    if (f.v12) {
        put(aad, number, 8);
        aad[8] = r->header[0];
        put(aad + 9, 0x0303, 2);
        put(aad + 11, len, 2);
    } else {
        memcpy(aad, r->header, 5);
    }
    memcpy(tag, body + len, 16);
    if (run(&f, false, keys->raw, nonce, aad, f.v12 ? 13 : 5, body, len, opened, tag))
        opened_len = (long)len;
}

void tls_oracle_opened(const uint8_t *plain, size_t len)
{
    if (!plain != (opened_len < 0))
        disagree(plain ? "a record was opened that must not be" : "a record was refused that is good");
    if (plain && ((long)len != opened_len || memcmp(plain, opened, len) != 0))
        disagree("a record's plaintext differs");
}
