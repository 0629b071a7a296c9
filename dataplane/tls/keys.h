/*
 * The expanded keys of one direction of one connection in one epoch, and how secrets follow one another.
 *
 * Owns: the three suites of TLS 1.3 that we speak, deriving key and IV from a traffic secret, the next secret
 * after a KeyUpdate. An idle connection keeps only its secrets (tls_conn.h); a worker keeps expanded keys in
 * a small cache (key_cache.h). Refuses: an epoch whose secret is no longer held. Read first: RFC
 * 8446 5.3, 7.2, 7.3.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TLS_KEYS_H
#define VOXPOP_TLS_KEYS_H

#include <stdbool.h>
#include "dataplane/crypto/aead.h"
#include "dataplane/crypto/hkdf.h"
#include "tls_conn.h"

#define TLS_IV_SIZE 12

enum tls_suite {
    TLS_AES_128_GCM_SHA256 = 0x1301,
    TLS_AES_256_GCM_SHA384 = 0x1302,
    TLS_CHACHA20_POLY1305_SHA256 = 0x1303,
};

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

#endif
