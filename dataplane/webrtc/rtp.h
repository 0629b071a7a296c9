/*
 * RTP as WebRTC peers send and want it: headers with CSRCs and extensions (RFC 8285, both forms), and headers
 * for receivers, whose payload type and extension ids are their own.
 *
 * Pure. Refuses: another version, a header longer than the packet, an extension longer than the packet.
 * Elements of an extension that run past its end are not looked at.
 *
 * Read first: RFC 3550 5.1, RFC 8285 4, RFC 6464.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_WEBRTC_RTP_H
#define VOXPOP_WEBRTC_RTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RTP_LEVEL_NONE 255u
#define RTP_HEAD_PLAIN 16u /* header and one CSRC */
#define RTP_HEAD_LEVEL 24u /* with an audio level */

struct rtp_view {
    uint32_t ssrc, timestamp;
    uint16_t sequence;
    uint16_t header; /* bytes in the clear: fixed part, CSRCs, extension */
    uint8_t payload_type;
    bool marker, padded;
    uint8_t level; /* RFC 6464: bit 7 voice, 0 to 127 -dBov; RTP_LEVEL_NONE: not told */
};

/* `level_id`: the id of the audio level extension, 0: none. False: not RTP. */
bool rtp_view(const uint8_t *p, size_t len, uint8_t level_id, struct rtp_view *out);

struct rtp_head {
    uint32_t ssrc, timestamp, source; /* source: goes out as the one CSRC */
    uint16_t sequence;
    uint8_t payload_type;
    bool marker, padded;
    uint8_t level_id; /* 0: without the extension */
    uint8_t level;
};

/* Bytes of the header. */
static inline size_t rtp_head_size(const struct rtp_head *h)
{
    return h->level_id ? RTP_HEAD_LEVEL : RTP_HEAD_PLAIN;
}

void rtp_head_put(uint8_t *out, const struct rtp_head *h);

#endif
