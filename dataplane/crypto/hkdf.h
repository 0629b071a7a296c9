/*
 * HKDF as TLS 1.3 uses it, without allocation: deriving keys when an idle connection wakes is on the packet
 * path.
 *
 * Owns: HMAC, HKDF-Extract, HKDF-Expand and HKDF-Expand-Label over SHA-256 and SHA-384. Refuses nothing:
 * lengths are the caller's constants and are asserted. Read first: RFC 5869, RFC 8446 7.1.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CRYPTO_HKDF_H
#define VOXPOP_CRYPTO_HKDF_H

#include <stddef.h>
#include <stdint.h>

#define HKDF_HASH_SIZE_MAX 48
#define HKDF_LABEL_MAX     18 /* bytes of a label after "tls13 " */

enum hkdf_hash { HKDF_SHA256 = 0, HKDF_SHA384 };

size_t hkdf_hash_size(enum hkdf_hash hash);

/* out: hkdf_hash_size bytes. */
void hkdf_extract(enum hkdf_hash hash, const uint8_t *salt, size_t salt_len, const uint8_t *ikm,
                  size_t ikm_len, uint8_t *out);

/* prk: hkdf_hash_size bytes. out_len at most 255 hashes. */
void hkdf_expand(enum hkdf_hash hash, const uint8_t *prk, const uint8_t *info, size_t info_len, uint8_t *out,
                 size_t out_len);

/* HKDF-Expand-Label(secret, label, "", out_len): every use after the handshake has an empty context. */
void hkdf_expand_label(enum hkdf_hash hash, const uint8_t *secret, const char *label, uint8_t *out,
                       size_t out_len);

/* What HKDF keeps of a secret: derives several labels for the price of one key schedule. Wipe after use. */
struct hkdf_secret {
    _Alignas(8) uint8_t inner[224]; /* hash states after the padded key (RFC 2104) */
    _Alignas(8) uint8_t outer[224];
    enum hkdf_hash hash;
};

void hkdf_secret_init(struct hkdf_secret *s, enum hkdf_hash hash, const uint8_t *secret, size_t len);
void hkdf_secret_label(const struct hkdf_secret *s, const char *label, uint8_t *out, size_t out_len);

#endif
