/*
 * HChaCha20, four lanes of one row at a time. draft-irtf-cfrg-xchacha-03 2.2; the rounds are RFC 8439 2.1.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/crypto/hchacha20.h"
#include "dataplane/base/bytes.h"

typedef uint32_t row __attribute__((vector_size(16)));

static inline row rotate(row v, int bits)
{
    return v << bits | v >> (32 - bits);
}

/* Four quarter rounds side by side: down the columns, or along the diagonals once the rows are turned. */
static inline void quarter_rounds(row s[4])
{
    s[0] += s[1];
    s[3] = rotate(s[3] ^ s[0], 16);
    s[2] += s[3];
    s[1] = rotate(s[1] ^ s[2], 12);
    s[0] += s[1];
    s[3] = rotate(s[3] ^ s[0], 8);
    s[2] += s[3];
    s[1] = rotate(s[1] ^ s[2], 7);
}

void hchacha20(uint8_t subkey[32], const uint8_t key[32], const uint8_t input[16])
{
    row s[4] = {{0x61707865, 0x3320646e, 0x79622d32, 0x6b206574}};
    memcpy(&s[1], key, 16);
    memcpy(&s[2], key + 16, 16);
    memcpy(&s[3], input, 16);
    for (int i = 0; i < 10; i++) {
        quarter_rounds(s);
        s[1] = __builtin_shufflevector(s[1], s[1], 1, 2, 3, 0);
        s[2] = __builtin_shufflevector(s[2], s[2], 2, 3, 0, 1);
        s[3] = __builtin_shufflevector(s[3], s[3], 3, 0, 1, 2);
        quarter_rounds(s);
        s[1] = __builtin_shufflevector(s[1], s[1], 3, 0, 1, 2);
        s[2] = __builtin_shufflevector(s[2], s[2], 2, 3, 0, 1);
        s[3] = __builtin_shufflevector(s[3], s[3], 1, 2, 3, 0);
    }
    memcpy(subkey, &s[0], 16);
    memcpy(subkey + 16, &s[3], 16);
}

void xchacha20_derive(uint8_t subkey[32], uint8_t short_nonce[12], const uint8_t key[32],
                      const uint8_t nonce[24])
{
    hchacha20(subkey, key, nonce);
    memset(short_nonce, 0, 4);
    memcpy(short_nonce + 4, nonce + 16, 8);
}
