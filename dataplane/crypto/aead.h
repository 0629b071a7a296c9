/*
 * Authenticated encryption behind one table: four AEADs on two backends, and NaCl's secretbox, which both have from libsodium.
 *
 * Owns: expanding a raw key into storage that the caller provides, sealing and opening with it, and sealing
 * many messages under many keys straight into transmit memory. No call allocates or takes a lock. Refuses: a
 * message whose tag does not verify (its output is wiped) and, at start, a backend that this processor cannot
 * run.
 *
 *   ipsec-mb  the fast one: AES-NI or VAES code called directly, key expansion about 150 ns
 *   openssl   the portable one: EVP with one cipher context per thread, re-keyed when the key changes
 *
 * Both give the same bytes; the unit tests hold one against the other. A key is used with the backend that
 * expanded it, whichever is the default by then. An expanded key is process-local (it names its backend by
 * pointer): what must survive is the raw key.
 *
 * Read first: RFC 5116 (interface), NIST SP 800-38D (GCM), RFC 8439 (ChaCha20-Poly1305),
 * draft-irtf-cfrg-xchacha-03.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CRYPTO_AEAD_H
#define VOXPOP_CRYPTO_AEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define AEAD_TAG_SIZE       16
#define AEAD_NONCE_SIZE_MAX 24
#define AEAD_KEY_SIZE_MAX   32
#define AEAD_EXPANDED_SIZE                                                                                   \
    1008 /* an AES-GCM key schedule and its hash key powers, as ipsec-mb lays them out */

enum aead_algorithm {
    AEAD_AES_128_GCM = 0,
    AEAD_AES_256_GCM,
    AEAD_CHACHA20_POLY1305,
    AEAD_XCHACHA20_POLY1305,
    AEAD_XSALSA20_POLY1305, /* secretbox: does not read its aad */
    AEAD_ALGORITHM_COUNT
};

enum aead_backend { AEAD_BACKEND_AUTO = 0, AEAD_BACKEND_IPSEC_MB, AEAD_BACKEND_OPENSSL };

struct aead_cipher; /* one algorithm of one backend: a row of the table */

/* An expanded key. The caller owns the storage and wipes it (aead_key_wipe) when done. 1 KiB, 16 cache lines.
 */
struct aead_key {
    _Alignas(64) uint8_t expanded[AEAD_EXPANDED_SIZE];
    const struct aead_cipher *cipher;
    uint8_t algorithm; /* enum aead_algorithm */
    uint8_t pad[7];
};
_Static_assert(sizeof(struct aead_key) == 1024, "an expanded key is sixteen cache lines");

/*
 * One message to seal: [src, src+len) to [dst, dst+len), its 16-byte tag to `tag`. dst may equal src;
 * otherwise the two may not overlap. `tag` is usually dst + len. The aad must not change until the seal is
 * done.
 */
struct aead_seal {
    const struct aead_key *key;
    const uint8_t *aad;
    const uint8_t *src;
    uint8_t *dst;
    uint8_t *tag;
    uint32_t aad_len;
    uint32_t len;
    uint8_t nonce[AEAD_NONCE_SIZE_MAX]; /* 12 bytes used, 24 for XChaCha20 and XSalsa20 */
    uint8_t own_aad[16];                /* room for additional data that stands nowhere else */
};

/* Chooses the default backend; AUTO takes ipsec-mb where the processor has AES instructions. False: cannot
 * run here. */
bool aead_init(enum aead_backend backend);

/* "auto", "ipsec-mb" or "openssl" to *backend; false for any other text. */
bool aead_backend_parse(const char *text, enum aead_backend *backend);
const char *aead_backend_name(enum aead_backend backend);

/* The default backend now; never AUTO. */
enum aead_backend aead_backend_current(void);

size_t aead_key_size(enum aead_algorithm algorithm);
size_t aead_nonce_size(enum aead_algorithm algorithm);
const char *aead_algorithm_name(enum aead_algorithm algorithm);

/* Expands `raw` (aead_key_size bytes) for the default backend, or for one by name (which must run here). */
void aead_key_expand(struct aead_key *key, enum aead_algorithm algorithm, const uint8_t *raw);
void aead_key_expand_on(enum aead_backend backend, struct aead_key *key, enum aead_algorithm algorithm,
                        const uint8_t *raw);
void aead_key_wipe(struct aead_key *key);

/* Seals one message. dst may equal src. */
void aead_seal(const struct aead_key *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
               const uint8_t *src, size_t len, uint8_t *dst, uint8_t *tag);

/* Opens one message; dst may equal src. False, with dst wiped, when it does not authenticate. */
bool aead_open(const struct aead_key *key, const uint8_t *nonce, const uint8_t *aad, size_t aad_len,
               const uint8_t *src, size_t len, const uint8_t *tag, uint8_t *dst);

/* Seals many messages, fetching the keys of those ahead into the cache meanwhile. Any mixture of keys,
 * algorithms and lengths. */
void aead_seal_batch(const struct aead_seal *jobs, size_t n);

#endif
