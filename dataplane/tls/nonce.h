/*
 * The nonce of a record: its number in network order, padded to the left, XORed with the IV. RFC 8446 5.3.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TLS_NONCE_H
#define VOXPOP_TLS_NONCE_H

#include "dataplane/base/bytes.h"
#include "dataplane/tls/keys.h"

static inline void tls_nonce(const struct tls_keys *k, uint64_t number, uint8_t nonce[TLS_IV_SIZE])
{
    memcpy(nonce, k->iv, TLS_IV_SIZE);
    put_be64(nonce + 4, be64(nonce + 4) ^ number);
}

#endif
