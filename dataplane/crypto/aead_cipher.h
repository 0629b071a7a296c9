/*
 * A row of the AEAD table, and the rows there are. Known to dataplane/crypto alone.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CRYPTO_AEAD_CIPHER_H
#define VOXPOP_CRYPTO_AEAD_CIPHER_H

#include "dataplane/crypto/aead.h"

/* The message that a seal or an open works on; `tag` is written by seal and read by open. */
struct aead_message {
    const uint8_t *nonce;
    const uint8_t *aad;
    size_t aad_len;
    const uint8_t *src;
    size_t len;
    uint8_t *dst;
};

struct aead_cipher {
    void (*expand)(struct aead_key *key, const uint8_t *raw);
    void (*seal)(const struct aead_key *key, const struct aead_message *m, uint8_t *tag);
    bool (*open)(const struct aead_key *key, const struct aead_message *m, const uint8_t *tag);
};

/* Indexed by enum aead_algorithm. */
extern const struct aead_cipher aead_ipsec_mb[AEAD_ALGORITHM_COUNT];
extern const struct aead_cipher aead_openssl[AEAD_ALGORITHM_COUNT];

/* secretbox.c: of both backends */
void secretbox_expand(struct aead_key *key, const uint8_t *raw);
void secretbox_seal(const struct aead_key *key, const struct aead_message *m, uint8_t *tag);
bool secretbox_open(const struct aead_key *key, const struct aead_message *m, const uint8_t *tag);

/* Whether this processor has the instructions. Prepares the backend; may be called from any thread. */
bool aead_ipsec_mb_usable(void);
bool aead_openssl_usable(void);

#endif
