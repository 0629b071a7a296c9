/*
 * The expanded keys of one direction of one connection in one epoch, and how secrets follow one another.
 *
 * Owns: the suites that we speak (three of TLS 1.3, six of TLS 1.2), deriving key and IV from a traffic
 * secret, the next secret after a KeyUpdate. An idle connection keeps only its secrets (tls_conn.h); a worker
 * keeps expanded keys in a small cache (key_cache.h). Refuses: an epoch whose secret is no longer held. Read
 * first: RFC 8446 5.3, 7.2, 7.3; RFC 5246 6.3; RFC 5288 3; RFC 7905 2.
 *
 * What lies in the 48 bytes of a secret:
 *
 *      TLS 1.3, SHA-384                the traffic secret
 *      TLS 1.3, SHA-256                the traffic secret, 32 bytes; of AES-128-GCM behind it also the key,
 * 16 bytes: waking an idle connection then costs an expansion, and no derivation. Its IV lies in write_iv, or
 * for reading in the spare bytes of write_secret_previous. TLS 1.2                         key, 32 bytes, and
 * IV, 12 bytes (of AES-GCM the first 4: the salt)
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TLS_KEYS_H
#define VOXPOP_TLS_KEYS_H

#include <stdbool.h>
#include "dataplane/crypto/aead.h"
#include "dataplane/crypto/hkdf.h"
#include "tls_conn.h"

#define TLS12_KEY_SIZE 32 /* room for a key in a secret of TLS 1.2; its IV lies behind */

enum tls_suite {
    TLS_AES_128_GCM_SHA256 = 0x1301,
    TLS_AES_256_GCM_SHA384 = 0x1302,
    TLS_CHACHA20_POLY1305_SHA256 = 0x1303,
    TLS12_ECDHE_ECDSA_AES_128_GCM_SHA256 = 0xc02b,
    TLS12_ECDHE_ECDSA_AES_256_GCM_SHA384 = 0xc02c,
    TLS12_ECDHE_RSA_AES_128_GCM_SHA256 = 0xc02f,
    TLS12_ECDHE_RSA_AES_256_GCM_SHA384 = 0xc030,
    TLS12_ECDHE_RSA_CHACHA20_POLY1305_SHA256 = 0xcca8,
    TLS12_ECDHE_ECDSA_CHACHA20_POLY1305_SHA256 = 0xcca9,
};

/* Of a suite that we speak. */
static inline bool tls_is_12(uint16_t suite)
{
    return suite >> 8 != 0x13;
}

/* Bytes of a record before its content: the header, and the nonce that AES-GCM of TLS 1.2 sends. */
static inline size_t tls_content_at(uint16_t suite)
{
    return suite >> 8 == 0xc0 ? 13 : 5;
}

/* Bytes of a record that are not its content. TLS 1.3 has a byte of type behind it. */
static inline size_t tls_overhead(uint16_t suite)
{
    return tls_content_at(suite) + AEAD_TAG_SIZE + (tls_is_12(suite) ? 0 : 1);
}

struct tls_suite_info {
    uint16_t suite;
    enum aead_algorithm aead;
    enum hkdf_hash hash;
    const char *name;
};

/* NULL for a suite that we do not speak. */
const struct tls_suite_info *tls_suite_info(uint16_t suite);

struct tls_keys {
    struct aead_key aead;
    uint8_t iv[TLS_IV_SIZE];
    uint16_t epoch;
    uint16_t suite;
    uint8_t raw[AEAD_KEY_SIZE_MAX]; /* the key unexpanded, for capture and for the record oracle */
};

_Static_assert(offsetof(struct tls_keys, aead) == 0, "seal.c finds the keys of a job by its expanded key");

/* The secret's length is that of the suite's hash. */
void tls_keys_derive(struct tls_keys *k, uint16_t suite, const uint8_t *secret, uint16_t epoch);

/* The keys that open the peer's records now. */
void tls_keys_read(struct tls_keys *k, const struct tls_conn *c);

/* The keys that seal records of `epoch`: the current one, or the previous one while it is held. False: no
 * longer held. */
bool tls_keys_write(struct tls_keys *k, const struct tls_conn *c, uint16_t epoch);

void tls_keys_wipe(struct tls_keys *k);

/* application_traffic_secret_N+1 from _N; may be in place. */
void tls_secret_next(uint16_t suite, const uint8_t *secret, uint8_t *next);

/* The read secret, or the write secret, has changed: keeps its key where the suite leaves room for it. */
void tls_keep_read_key(struct tls_conn *c);
void tls_keep_write_key(struct tls_conn *c);

#endif
