/*
 * XSalsa20-Poly1305, the secretbox of NaCl, by libsodium: for one legacy voice mode. It authenticates no
 * additional data. The expanded key is the raw one.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <sodium.h>

#include "dataplane/base/bytes.h"
#include "dataplane/crypto/aead_cipher.h"

_Static_assert(crypto_secretbox_MACBYTES == AEAD_TAG_SIZE, "a secretbox has a tag like the others");
_Static_assert(crypto_secretbox_NONCEBYTES <= AEAD_NONCE_SIZE_MAX, "and a nonce that fits");

void secretbox_expand(struct aead_key *key, const uint8_t *raw)
{
    memcpy(key->expanded, raw, crypto_secretbox_KEYBYTES);
}

void secretbox_seal(const struct aead_key *key, const struct aead_message *m, uint8_t *tag)
{
    crypto_secretbox_detached(m->dst, tag, m->src, m->len, m->nonce, key->expanded);
}

bool secretbox_open(const struct aead_key *key, const struct aead_message *m, const uint8_t *tag)
{
    uint8_t kept[AEAD_TAG_SIZE]; /* dst may lie over the tag in front of src */
    memcpy(kept, tag, sizeof kept);
    if (crypto_secretbox_open_detached(m->dst, m->src, kept, m->len, m->nonce, key->expanded) == 0)
        return true;
    wipe(m->dst, m->len);
    return false;
}
