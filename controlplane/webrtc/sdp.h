/*
 * SDP as far as joining a voice room by WebRTC needs it: an offer (or a fragment of one, as the voice
 * gateway's clients send it) to a struct, and the answer to it.
 *
 * Pure. Refuses, with a sentence: what is too long, has too many sections, lacks credentials, fingerprint or
 * Opus, or whose sections disagree. Lines that it does not know are passed over. Sections other than audio
 * are answered with port 0: video needs no other format here, only another `kind`.
 *
 * Read first: RFC 8866, RFC 3264, RFC 9429 5.3, RFC 8829; reference/webrtc.md 1 and 6.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_SDP_H
#define VOXPOP_SDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "peer.h"

#define SDP_TEXT_MAX     65536u
#define SDP_SECTIONS_MAX 24u
#define SDP_ANSWER_MAX   32768u
#define SDP_TOKEN_MAX    64u

enum sdp_kind { SDP_AUDIO, SDP_OTHER };
enum sdp_direction { SDP_SENDRECV, SDP_SENDONLY, SDP_RECVONLY, SDP_INACTIVE };

/* Texts point into the offer and are not terminated. */
struct sdp_text {
    const char *at;
    uint16_t length;
};

struct sdp_section {
    uint8_t kind;      /* enum sdp_kind */
    uint8_t direction; /* enum sdp_direction */
    bool refused;      /* port 0 and not bundled */
    uint8_t opus;      /* payload type, 0: none */
    uint8_t level_id;  /* of the audio level extension, 0: none */
    bool mux;          /* a=rtcp-mux */
    struct sdp_text media, protocol, format, mid;
};

struct sdp_offer {
    struct sdp_text ufrag, password;
    uint8_t hash; /* enum peer_hash, 0: no fingerprint that we know */
    uint8_t fingerprint[PEER_FINGERPRINT];
    bool mixed;    /* a=extmap-allow-mixed */
    bool passive;  /* the peer wants to be the DTLS server */
    bool fragment; /* without a media section */
    bool bundled;  /* a=group:BUNDLE */
    uint8_t count;
    struct sdp_section section[SDP_SECTIONS_MAX];
};

/* NULL: *out is filled in; else why not. */
const char *sdp_parse(const char *text, size_t length, struct sdp_offer *out);

/* What RFC 8866 5 asks of a whole description, and sdp_parse, which takes fragments as well, passes over.
 * NULL: it is one. */
const char *sdp_whole(const char *text, size_t length);

/* What was agreed on. */
struct sdp_agreed {
    uint8_t payload_type;
    uint8_t level_id;
    uint8_t slots;
    bool talks; /* there is a section that the peer sends in */
    bool muxed; /* every section of ours has RTCP on its port, and is bundled if there are several */
};

/* NULL: there is something to talk about, *out says what; else why not. */
const char *sdp_agree(const struct sdp_offer *o, struct sdp_agreed *out);

/* Our side of it. */
struct sdp_local {
    const char *ufrag, *password; /* PEER_UFRAG and PEER_PASSWORD characters */
    const uint8_t *fingerprint;   /* SHA-256 */
    const char *ip;
    uint16_t port;
    uint32_t ssrc; /* of slot 0 */
    uint64_t session;
    bool deaf; /* the peer is not heard, whatever it offers */
};

/* The answer, terminated. Its length, or 0: it does not fit. To a fragment it is one. */
size_t sdp_answer(const struct sdp_offer *o, const struct sdp_agreed *a, const struct sdp_local *l,
                  char out[SDP_ANSWER_MAX]);

/* To the fragment of an ICE restart: ours (RFC 8840 9, RFC 9725 4.3.3). */
size_t sdp_restarted(const struct sdp_offer *o, const struct sdp_local *l, char out[SDP_ANSWER_MAX]);

#endif
