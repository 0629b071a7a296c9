/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/webrtc/rtp.h"

#include "dataplane/base/bytes.h"

#define FIXED        12u
#define ONE_BYTE     0xbedeu
#define TWO_BYTE     0x1000u /* the low four bits are the application's */
#define ONE_BYTE_END 15u

/* The element with this id in [p, p+len), of either form; its length to *size. NULL: not there. */
static const uint8_t *element(const uint8_t *p, size_t len, bool two_bytes, uint8_t id, size_t *size)
{
    size_t head = two_bytes ? 2 : 1;
    for (size_t at = 0; at < len;) {
        uint8_t its = two_bytes ? p[at] : p[at] >> 4;
        if (its == 0) { /* padding */
            at++;
            continue;
        }
        if ((!two_bytes && its == ONE_BYTE_END) || len - at < head)
            return NULL;
        *size = two_bytes ? p[at + 1] : (size_t)(p[at] & 15) + 1;
        if (len - at - head < *size)
            return NULL;
        if (its == id)
            return p + at + head;
        at += head + *size;
    }
    return NULL;
}

bool rtp_view(const uint8_t *p, size_t len, uint8_t level_id, struct rtp_view *out)
{
    if (len < FIXED || p[0] >> 6 != 2)
        return false;
    size_t header = FIXED + 4u * (p[0] & 15);
    uint8_t level = RTP_LEVEL_NONE;
    if (p[0] & 0x10) {
        if (len < header + 4)
            return false;
        uint16_t profile = be16(p + header);
        size_t body = 4u * be16(p + header + 2), size = 0;
        header += 4;
        if (len < header + body)
            return false;
        bool two_bytes = (profile & 0xfff0) == TWO_BYTE;
        const uint8_t *e = NULL;
        if (level_id && (two_bytes || profile == ONE_BYTE))
            e = element(p + header, body, two_bytes, level_id, &size);
        if (e && size >= 1)
            level = e[0] == RTP_LEVEL_NONE ? 0xfe : e[0]; /* with voice and silent at once: nearly silent */
        header += body;
    }
    if (len < header)
        return false;
    *out = (struct rtp_view){.ssrc = be32(p + 8),
                             .timestamp = be32(p + 4),
                             .sequence = be16(p + 2),
                             .header = (uint16_t)header,
                             .payload_type = p[1] & 0x7f,
                             .marker = p[1] & 0x80,
                             .padded = p[0] & 0x20,
                             .level = level};
    return true;
}

void rtp_head_put(uint8_t *out, const struct rtp_head *h)
{
    out[0] = (uint8_t)(0x81 | (h->padded ? 0x20 : 0) | (h->level_id ? 0x10 : 0));
    out[1] = (uint8_t)(h->payload_type | (h->marker ? 0x80 : 0));
    put_be16(out + 2, h->sequence);
    put_be32(out + 4, h->timestamp);
    put_be32(out + 8, h->ssrc);
    put_be32(out + 12, h->source);
    if (!h->level_id)
        return;
    put_be16(out + 16, ONE_BYTE);
    put_be16(out + 18, 1);
    out[20] = (uint8_t)(h->level_id << 4);
    out[21] = h->level;
    out[22] = out[23] = 0;
}
