/*
 * DTLS 1.2 for SRTP keys, by OpenSSL over memory: the server's side of one association, datagram by datagram.
 *
 * Owns: the context (our certificate, suites, SRTP profiles), associations, the last flight of each. Needs no
 * clock: the caller says when a flight is to be sent again, and OpenSSL's own timers are put to sleep.
 * Refuses: versions below 1.2, a peer without certificate or with another than its SDP announced, no common
 * SRTP profile, renegotiation, more than DTLS_INPUT_MAX bytes of handshake. There is no HelloVerifyRequest: a
 * datagram is let in only from an address that ICE has verified, and hellos in fragments need memory anyway.
 *
 * Read first: RFC 6347 4, RFC 5764 4, RFC 8827 6.5.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_WEBRTC_DTLS_H
#define VOXPOP_WEBRTC_DTLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "peer.h"

#define DTLS_DATAGRAM_MAX 1200u /* bytes of UDP payload that we send */
#define DTLS_FLIGHT_MAX   8192u
#define DTLS_INPUT_MAX    65536u
#define DTLS_ERROR_MAX    256

struct dtls_server;

/* NULL, with one line in `error`, when the identity cannot be used. */
struct dtls_server *dtls_server_new(const struct peer_identity *identity, char error[DTLS_ERROR_MAX]);
void dtls_server_free(struct dtls_server *s);

/* A new certificate (ECDSA P-256, self-signed) with its key. False: OpenSSL failed. */
bool dtls_identity_make(struct peer_identity *out);

enum dtls_state { DTLS_SHAKING, DTLS_DONE, DTLS_CLOSED, DTLS_FAILED };

struct dtls_keys {
    uint8_t profile; /* enum srtp_profile */
    uint8_t key_in[32], key_out[32];
    uint8_t salt_in[14], salt_out[14];
};

/* `send` belongs to the association and is valid until its next call. */
struct dtls_result {
    enum dtls_state state;
    bool keyed;          /* the handshake has just ended well: keys is filled in; wipe after use */
    const uint8_t *send; /* whole records; cut with dtls_cut */
    uint32_t send_len;
    struct dtls_keys keys;
};

/* What the peer's certificate must hash to. */
struct dtls_expected {
    uint8_t hash; /* enum peer_hash */
    uint8_t fingerprint[PEER_FINGERPRINT];
};

struct dtls;

struct dtls *dtls_new(struct dtls_server *s, const struct dtls_expected *expected); /* NULL: no memory */
void dtls_free(struct dtls *d);
/* One datagram of the peer. After CLOSED or FAILED only dtls_free is left to do. */
void dtls_input(struct dtls *d, const uint8_t *datagram, size_t len, struct dtls_result *out);
/* The last flight again, if its answer is still awaited. */
void dtls_again(struct dtls *d, struct dtls_result *out);

/* Bytes of the next datagram: as many whole records of [p, p+len) as fit into DTLS_DATAGRAM_MAX. */
size_t dtls_cut(const uint8_t *p, size_t len);

/* Bytes of a fingerprint, 0: no hash that we know. */
size_t dtls_hash_size(enum peer_hash hash);

#endif
