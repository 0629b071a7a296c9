/*
 * SRTP and SRTCP for one direction of one peer: session keys from a master key, sealing and opening packets.
 *
 * Owns: key derivation, packet layouts, index estimation, replay windows. Refuses: what is too short, does
 * not authenticate, or came before. No clock, no allocation. AES-GCM goes through the AEAD table; AES-CM with
 * HMAC-SHA1, which every peer must offer, through OpenSSL.
 *
 * An index must never be sealed twice: whoever calls srtp_seal stores it first.
 *
 * Read first: RFC 3711 3.3, 3.4, 4.3, A; RFC 7714 8, 9, 11; RFC 6188 (derivation with 256 bits).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_WEBRTC_SRTP_H
#define VOXPOP_WEBRTC_SRTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "dataplane/crypto/aead.h"

#define SRTP_KEY_MAX       32u
#define SRTP_SALT_MAX      14u
#define SRTP_TAG_MAX       16u
#define SRTCP_TRAILER_MAX  20u /* tag, E flag and index */
#define SRTP_INDEX_MAX     ((1ull << 48) - 1)
#define SRTCP_INDEX_MAX    0x7fffffffu
#define SRTP_REPLAY_WINDOW 128u /* packets */

/* As DTLS names them (IANA, DTLS-SRTP protection profiles). */
enum srtp_profile {
    PROFILE_NONE = 0,
    PROFILE_AES128_CM_SHA1_80 = 1,
    PROFILE_AEAD_AES_128_GCM = 7,
    PROFILE_AEAD_AES_256_GCM = 8
};

size_t srtp_key_size(enum srtp_profile profile); /* 0: none that we know */
size_t srtp_salt_size(enum srtp_profile profile);
size_t srtp_tag_size(enum srtp_profile profile);

/* Derived from a master key; process-local. Wipe when done. */
struct srtp_session {
    struct aead_key rtp; /* AEAD profiles: expanded */
    uint8_t profile;     /* enum srtp_profile */
    uint8_t rtp_salt[SRTP_SALT_MAX];
    uint8_t rtcp_salt[SRTP_SALT_MAX];
    uint8_t rtp_key[SRTP_KEY_MAX];
    uint8_t rtcp_key[SRTP_KEY_MAX];
    uint8_t rtp_auth[20]; /* AES-CM: HMAC keys */
    uint8_t rtcp_auth[20];
};

void srtp_session_make(struct srtp_session *s, enum srtp_profile profile, const uint8_t *key,
                       const uint8_t *salt);
void srtp_session_wipe(struct srtp_session *s);

/* The nonce of an AEAD profile, for sealing through the AEAD table. `index` is ROC << 16 | SEQ. */
void srtp_nonce(const struct srtp_session *s, uint32_t ssrc, uint64_t index, uint8_t nonce[12]);

/* Seals a packet in place and appends its tag; returns its length. `header` bytes stay in the clear. */
size_t srtp_seal(const struct srtp_session *s, uint8_t *p, size_t header, size_t len, uint64_t index);

/* Opens in place: false, with the text wiped or unchanged, when it does not authenticate. *len becomes the
 * length without tag. */
bool srtp_open(const struct srtp_session *s, uint8_t *p, size_t header, size_t *len, uint64_t index);

/* The same for RTCP; the index comes with the packet. p has room for SRTCP_TRAILER_MAX more bytes. */
size_t srtcp_seal(const struct srtp_session *s, uint8_t *p, size_t len, uint32_t index);
bool srtcp_open(const struct srtp_session *s, uint8_t *p, size_t *len, uint32_t *index);

/* ---- indices ---- */

/* Which of the last packets came. All zero: none did. */
struct srtp_window {
    uint64_t top;     /* highest index + 1 */
    uint64_t bits[2]; /* bit k: index top - 1 - k */
};

/* The index that a sequence number means (RFC 3711 3.3.1). */
uint64_t srtp_index(const struct srtp_window *w, uint16_t sequence);
bool srtp_fresh(const struct srtp_window *w, uint64_t index);
void srtp_mark(struct srtp_window *w, uint64_t index);

#endif
