/*
 * HChaCha20: the 32-byte key and 12-byte nonce under which XChaCha20-Poly1305 is plain ChaCha20-Poly1305.
 * draft-irtf-cfrg-xchacha-03, 2.2 and 2.3.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CRYPTO_HCHACHA20_H
#define VOXPOP_CRYPTO_HCHACHA20_H

#include <stdint.h>

/* subkey = HChaCha20(key[32], input[16]); subkey may be key. */
void hchacha20(uint8_t subkey[32], const uint8_t key[32], const uint8_t input[16]);

/* The subkey and the short nonce for a 24-byte nonce. */
void xchacha20_derive(uint8_t subkey[32], uint8_t short_nonce[12], const uint8_t key[32],
                      const uint8_t nonce[24]);

#endif
