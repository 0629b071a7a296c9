/*
 * STUN as an ICE-lite agent needs it: parse a binding request, prove its integrity, write an answer.
 *
 * Pure: bytes in, struct or bytes out; no clock, no state. Refuses, by telling which: what is not STUN, what
 * is no binding request, a wrong FINGERPRINT, attributes out of place. Attributes behind MESSAGE-INTEGRITY
 * are not looked at, but for FINGERPRINT (RFC 8489 14.5).
 *
 * Read first: RFC 8489 5, 6.3.1, 14; RFC 8445 7.3.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_WEBRTC_STUN_H
#define VOXPOP_WEBRTC_STUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define STUN_HEADER       20u
#define STUN_MAGIC        0x2112a442u
#define STUN_USERNAME_MAX 128u /* bytes; RFC 8489 allows 508, ours are short */
#define STUN_UNKNOWN_MAX  4u   /* unknown attributes that an answer names */
#define STUN_ANSWER_MAX   128u

enum stun_result {
    STUN_REQUEST,    /* a binding request, *out is filled in */
    STUN_INDICATION, /* keeps a path alive; no answer */
    STUN_OTHER,      /* another method, or an answer to nothing that we asked */
    STUN_MALFORMED,
    STUN_FINGERPRINT, /* present and wrong */
};

enum stun_error {
    STUN_ERROR_NONE = 0,
    STUN_BAD_REQUEST = 400,
    STUN_UNAUTHENTICATED = 401,
    STUN_UNKNOWN_ATTRIBUTE = 420,
    STUN_ROLE_CONFLICT = 487
};

struct stun_request {
    uint8_t transaction[12];
    const uint8_t *username; /* within the datagram */
    uint16_t username_length;
    uint16_t integrity_at; /* offset of the attribute MESSAGE-INTEGRITY, 0: absent */
    bool controlling, controlled, use_candidate, has_fingerprint;
    uint8_t unknown_count; /* comprehension-required attributes that we do not know */
    uint16_t unknown[STUN_UNKNOWN_MAX];
};

enum stun_result stun_parse(const uint8_t *p, size_t len, struct stun_request *out);

/* Whether MESSAGE-INTEGRITY (HMAC-SHA1 under `password`) is there and right. `p` as it was parsed. */
bool stun_authentic(const uint8_t *p, const struct stun_request *r, const char *password,
                    size_t password_length);

/*
 * Success: XOR-MAPPED-ADDRESS of the peer (`ip` as ::ffff:a.b.c.d or IPv6), MESSAGE-INTEGRITY, FINGERPRINT.
 * Returns its length, at most STUN_ANSWER_MAX.
 */
size_t stun_success(uint8_t *out, const struct stun_request *r, const uint8_t ip[16], uint16_t port,
                    const char *password, size_t password_length);

/* An error answer; `password` NULL: without MESSAGE-INTEGRITY (RFC 8489 9.1.3: nobody has proven himself). */
size_t stun_failure(uint8_t *out, const struct stun_request *r, enum stun_error error, const char *password,
                    size_t password_length);

#endif
