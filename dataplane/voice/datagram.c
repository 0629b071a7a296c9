/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/voice/datagram.h"

#include <arpa/inet.h>
#include <stdio.h>

#include "dataplane/base/bytes.h"

#define STUN_COOKIE       0x2112a442u /* RFC 8489 5 */
#define STUN_SIZE_MIN     20u
#define DTLS_SIZE_MIN     13u
#define PING_QUESTION     0x1337cafeu
#define PING_ANSWER       0x1337f00du
#define ERIS_KEEPALIVE    0x80c80000u
#define DISCOVERY_REQUEST 1u
#define DISCOVERY_REPLY   2u
#define DISCOVERY_LENGTH  70u
#define DISCOVERY_TEXT    8u  /* offset of the address */
#define DISCOVERY_PORT    72u /* offset of the port */

/* Shorter than any RTP packet: keepalives, or nothing that we know. */
static enum voice_class classify_short(const uint8_t *p, size_t len, enum drop_reason *why)
{
    if (len == PING_SIZE && be32(p) == PING_QUESTION)
        return VOICE_CLASS_PING;
    bool keepalive = (len == PING_SIZE && be32(p + 4) == 0) || (len == 4 && be32(p) == ERIS_KEEPALIVE);
    *why = keepalive ? DROP_VOICE_KEEPALIVE : DROP_VOICE_SHORT;
    return VOICE_CLASS_NONE;
}

/*
 * First byte 0 to 3: STUN, or IP discovery, whose length 70 STUN cannot have (a multiple of 4). The bytes
 * behind a request's SSRC are not looked at: eris sends whatever its memory held there.
 */
static enum voice_class classify_discovery(const uint8_t *p, size_t len, enum drop_reason *why)
{
    bool stun = len < STUN_SIZE_MIN || be32(p + 4) == STUN_COOKIE;
    bool ours = be16(p + 2) == DISCOVERY_LENGTH || len == DISCOVERY_SIZE;
    if (!stun && be16(p) == DISCOVERY_REQUEST && be16(p + 2) == DISCOVERY_LENGTH && len == DISCOVERY_SIZE)
        return VOICE_CLASS_DISCOVERY;
    *why = len < STUN_SIZE_MIN ? DROP_VOICE_SHORT : !stun && ours ? DROP_VOICE_DISCOVERY : DROP_VOICE_STUN;
    return VOICE_CLASS_NONE;
}

enum voice_class voice_classify(const uint8_t *p, size_t len, enum drop_reason *why)
{
    if (len < RTP_HEADER)
        return classify_short(p, len, why);
    if (p[0] < 4)
        return classify_discovery(p, len, why);
    if (p[0] >= 20 && p[0] < 64) {
        *why = len < DTLS_SIZE_MIN ? DROP_VOICE_SHORT : DROP_VOICE_DTLS;
        return VOICE_CLASS_NONE;
    }
    if (p[0] >> 6 != 2) {
        *why = DROP_VOICE_VERSION;
        return VOICE_CLASS_NONE;
    }
    if (p[1] >= 200 && p[1] <= 206) { /* RFC 5761 4 */
        return VOICE_CLASS_RTCP;
    }
    return VOICE_CLASS_RTP;
}

enum drop_reason rtp_parse(const uint8_t *p, size_t len, struct rtp_packet *r)
{
    if (len < RTP_HEADER + 1 + RTP_TRAILER)
        return DROP_VOICE_SHORT;
    if ((p[1] & 0x7f) != RTP_PAYLOAD_TYPE)
        return DROP_VOICE_PAYLOAD_TYPE;
    if (p[0] & 0x0f) /* CSRCs: receivers take them for ciphertext */
        return DROP_VOICE_EXTENSION;
    size_t header = RTP_HEADER, extension = 0;
    if (p[0] & 0x10) {
        header += RTP_PREAMBLE;
        extension = 4 * (size_t)be16(p + RTP_HEADER + 2);
        if (be16(p + RTP_HEADER) != RTP_PROFILE || len < header + extension + 1 + RTP_TRAILER)
            return DROP_VOICE_EXTENSION;
    }
    *r = (struct rtp_packet){.ssrc = be32(p + 8),
                             .timestamp = be32(p + 4),
                             .counter = be32(p + len - RTP_COUNTER_SIZE),
                             .sequence = be16(p + 2),
                             .header_length = (uint8_t)header,
                             .extension_bytes = (uint16_t)extension,
                             .text_length = (uint16_t)(len - header - RTP_TRAILER),
                             .padded = p[0] & 0x20};
    return DROP_NONE;
}

enum drop_reason rtp_parse_legacy(const uint8_t *p, size_t len, struct rtp_packet *r)
{
    if (len < RTP_HEADER + RTP_LEGACY_TAG + 1)
        return DROP_VOICE_SHORT;
    if ((p[1] & 0x7f) != RTP_PAYLOAD_TYPE)
        return DROP_VOICE_PAYLOAD_TYPE;
    if (p[0] & 0x0f)
        return DROP_VOICE_EXTENSION;
    *r = (struct rtp_packet){.ssrc = be32(p + 8),
                             .timestamp = be32(p + 4),
                             .sequence = be16(p + 2),
                             .header_length = RTP_HEADER,
                             .text_length = (uint16_t)(len - RTP_HEADER - RTP_LEGACY_TAG),
                             .padded = p[0] & 0x20};
    return DROP_NONE;
}

enum drop_reason rtp_parse_opened(const uint8_t *p, struct rtp_packet *r)
{
    if (!(p[0] & 0x10))
        return DROP_NONE;
    if (r->text_length <= RTP_PREAMBLE || be16(p + RTP_HEADER) != RTP_PROFILE)
        return DROP_VOICE_EXTENSION;
    size_t extension = 4 * (size_t)be16(p + RTP_HEADER + 2);
    if (r->text_length <= RTP_PREAMBLE + extension)
        return DROP_VOICE_EXTENSION;
    r->header_length = RTP_HEADER + RTP_PREAMBLE;
    r->extension_bytes = (uint16_t)extension;
    r->text_length = (uint16_t)(r->text_length - RTP_PREAMBLE);
    return DROP_NONE;
}

enum drop_reason rtcp_parse(const uint8_t *p, size_t len, struct rtp_packet *r)
{
    if (len < RTCP_HEADER + RTP_TRAILER)
        return DROP_VOICE_SHORT;
    *r = (struct rtp_packet){.ssrc = be32(p + 4),
                             .counter = be32(p + len - RTP_COUNTER_SIZE),
                             .header_length = RTCP_HEADER,
                             .text_length = (uint16_t)(len - RTCP_HEADER - RTP_TRAILER)};
    return DROP_NONE;
}

/* RFC 8285 4.2: an element is an id and a length less one, in one byte; id 0 is padding, 15 ends. */
uint8_t rtp_audio_level(const uint8_t *extension, size_t bytes, bool *voiced)
{
    *voiced = true;
    for (size_t at = 0; at < bytes;) {
        uint8_t id = extension[at] >> 4, length = (uint8_t)((extension[at] & 15) + 1);
        if (id == 0) {
            at++;
            continue;
        }
        if (id == 15 || at + 1 + length > bytes)
            break;
        if (id == 1) {
            *voiced = extension[at + 1] & 0x80;
            return extension[at + 1] & 0x7f;
        }
        at += 1u + length;
    }
    return VOICE_LEVEL_ABSENT;
}

bool rtp_is_silence(const uint8_t *payload, size_t bytes)
{
    static const uint8_t silence[] = {0xf8, 0xff, 0xfe};
    return bytes == sizeof silence && memcmp(payload, silence, sizeof silence) == 0;
}

bool rtp_padding_ok(const struct rtp_packet *r, const uint8_t *text)
{
    uint8_t padding = text[r->text_length - 1];
    return !r->padded || (padding && padding < r->text_length - r->extension_bytes);
}

void discovery_answer(uint8_t p[DISCOVERY_SIZE], const uint8_t ip[16], uint16_t port)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    char *text = (char *)p + DISCOVERY_TEXT;
    put_be16(p, DISCOVERY_REPLY);
    memset(p + DISCOVERY_TEXT, 0, DISCOVERY_SIZE - DISCOVERY_TEXT);
    if (memcmp(ip, mapped, sizeof mapped) == 0)
        inet_ntop(AF_INET, ip + 12, text, INET_ADDRSTRLEN);
    else
        inet_ntop(AF_INET6, ip, text, INET6_ADDRSTRLEN);
    put_be16(p + DISCOVERY_PORT, port);
}

void ping_answer(uint8_t p[PING_SIZE])
{
    put_be32(p, PING_ANSWER);
}
