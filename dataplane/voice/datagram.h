/*
 * What a datagram on a voice port is, from its bytes alone: length classes first, then the first byte (RFC
 * 7983), then the fields of an RTP header in the "rtpsize" layout. Pure: reads nothing else, writes its
 * result on success only.
 *
 * Read first: reference/voice.md 5, RFC 7983, RFC 3550 5.1, RFC 8285 4.2.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_VOICE_DATAGRAM_H
#define VOXPOP_VOICE_DATAGRAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drop_reason.h"

#define DISCOVERY_SIZE   74u
#define PING_SIZE        8u
#define RTP_HEADER       12u
#define RTP_PREAMBLE     4u   /* profile and length of a header extension */
#define RTP_PAYLOAD_TYPE 120u /* Opus; receivers drop every other (voice.md 5.3) */
#define RTP_PROFILE      0xbedeu
#define RTP_COUNTER_SIZE 4u /* nonce counter behind the tag */
#define RTP_TRAILER      (16u + RTP_COUNTER_SIZE)
#define RTP_LEGACY_TAG   16u /* xsalsa20_poly1305: between header and ciphertext */
#define RTCP_HEADER      8u  /* in the clear: version, count, type, length, sender's SSRC */

enum voice_class {
    VOICE_CLASS_NONE,      /* counted by its reason, and that is all */
    VOICE_CLASS_DISCOVERY, /* IP discovery request */
    VOICE_CLASS_PING,      /* a user client's keepalive, which wants an answer */
    VOICE_CLASS_RTP,       /* RTP version 2: rtp_parse says more */
    VOICE_CLASS_RTCP,      /* RTCP: rtcp_parse says more */
};

/* `why` is set for VOICE_CLASS_NONE. */
enum voice_class voice_classify(const uint8_t *p, size_t len, enum drop_reason *why);

struct rtp_packet {
    uint32_t ssrc;
    uint32_t timestamp;
    uint32_t counter; /* of the nonce */
    uint16_t sequence;
    uint8_t header_length;    /* in the clear: 12, or 16 with an extension's preamble */
    uint16_t extension_bytes; /* the extension's body, encrypted in front of the payload */
    uint16_t text_length;     /* extension body and payload, without tag and counter */
    bool padded;              /* P: the last payload byte counts padding */
};

/* DROP_NONE: *r is filled in. At least one byte of payload is there. */
enum drop_reason rtp_parse(const uint8_t *p, size_t len, struct rtp_packet *r);

/*
 * The legacy layout: 12 bytes of header, tag, ciphertext; the counter is the caller's to find,
 * `header_length` and `extension_bytes` are not known before it is opened.
 */
enum drop_reason rtp_parse_legacy(const uint8_t *p, size_t len, struct rtp_packet *r);
/* After the ciphertext was opened to p + RTP_HEADER: the extension, which was in it. */
enum drop_reason rtp_parse_opened(const uint8_t *p, struct rtp_packet *r);

/* DROP_NONE: ssrc and counter of *r are filled in, and text_length: what is behind RTCP_HEADER, without tag
 * and counter. */
enum drop_reason rtcp_parse(const uint8_t *p, size_t len, struct rtp_packet *r);

/* RFC 6464, one-byte header form, id 1 (reference/voice.md 5.5): -dBov, or VOICE_LEVEL_ABSENT. `voiced` says
 * what the client thinks: true without a level. */
#define VOICE_LEVEL_ABSENT 255u
uint8_t rtp_audio_level(const uint8_t *extension, size_t bytes, bool *voiced);

/* Is the payload behind the extension Opus silence (reference/voice.md 5.6)? Padding is none of it. */
bool rtp_is_silence(const uint8_t *payload, size_t bytes);

/* The payload of an opened packet: false when its padding (RFC 3550 5.1) leaves nothing, or counts wrongly.
 */
bool rtp_padding_ok(const struct rtp_packet *r, const uint8_t *text);

/* Turn a request into its answer, in place; `ip` as ::ffff:a.b.c.d or IPv6. */
void discovery_answer(uint8_t p[DISCOVERY_SIZE], const uint8_t ip[16], uint16_t port);
void ping_answer(uint8_t p[PING_SIZE]);

#endif
