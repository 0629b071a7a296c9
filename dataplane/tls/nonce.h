/*
 * What goes into the AEAD beside the content. Of TLS 1.3, and of ChaCha20 in TLS 1.2, the nonce is the record
 * number, padded to the left, XORed with the IV (RFC 8446 5.3, RFC 7905 2); of AES-GCM in TLS 1.2 four bytes
 * of salt and eight that the record carries (RFC 5288 3). TLS 1.2 authenticates number, type and length (RFC
 * 5246 6.2.3.3).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TLS_NONCE_H
#define VOXPOP_TLS_NONCE_H

#include "dataplane/base/bytes.h"
#include "dataplane/tls/keys.h"

#define TLS12_SALT_SIZE 4
#define TLS12_AAD_SIZE  13

/* The nonce of a record that we seal, or open where it carries none. */
static inline void tls_nonce(const struct tls_keys *k, uint64_t number, uint8_t nonce[TLS_IV_SIZE])
{
    memcpy(nonce, k->iv, TLS_IV_SIZE);
    if (tls_content_at(k->suite) == 5)
        number ^= be64(nonce + TLS12_SALT_SIZE);
    put_be64(nonce + TLS12_SALT_SIZE, number);
}

static inline void tls12_aad(uint64_t number, uint8_t type, size_t len, uint8_t aad[TLS12_AAD_SIZE])
{
    put_be64(aad, number);
    aad[8] = type;
    put_be16(aad + 9, 0x0303);
    put_be16(aad + 11, (uint16_t)len);
}

#endif
