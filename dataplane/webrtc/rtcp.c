/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/webrtc/rtcp.h"

#include "dataplane/base/bytes.h"

enum { TYPE_SR = 200, TYPE_RR = 201, TYPE_SDES = 202, TYPE_BYE = 203, TYPE_FIRST = 192, TYPE_LAST = 223 };

#define HEADER     4u
#define SENDER     24u /* SSRC and sender information */
#define BLOCK      24u
#define SDES_CNAME 1u

/* ---- parse ---- */

static void block_get(const uint8_t *p, struct rtcp_block *b)
{
    uint32_t lost = be32(p + 4);
    *b = (struct rtcp_block){.ssrc = be32(p),
                             .fraction = (uint8_t)(lost >> 24),
                             .lost = (int32_t)(lost << 8) >> 8,
                             .highest = be32(p + 8),
                             .jitter = be32(p + 12),
                             .lsr = be32(p + 16),
                             .dlsr = be32(p + 20)};
}

/* `count` blocks in [p, p+len). */
static bool blocks_get(const uint8_t *p, size_t len, unsigned count, struct rtcp_heard *out)
{
    if (len < (size_t)count * BLOCK)
        return false;
    for (unsigned i = 0; i < count && out->blocks < RTCP_REPORTS_MAX; i++)
        block_get(p + i * BLOCK, &out->block[out->blocks++]);
    return true;
}

static bool packet_get(const uint8_t *p, size_t len, struct rtcp_heard *out)
{
    unsigned count = p[0] & 31;
    const uint8_t *body = p + HEADER;
    size_t size = len - HEADER;
    switch (p[1]) {
    case TYPE_SR:
        if (size < SENDER || !blocks_get(body + SENDER, size - SENDER, count, out))
            return false;
        out->has_sender = true;
        out->sender = (struct rtcp_sender){.ssrc = be32(body),
                                           .ntp = be64(body + 4),
                                           .timestamp = be32(body + 12),
                                           .packets = be32(body + 16),
                                           .octets = be32(body + 20)};
        return true;
    case TYPE_RR:
        return size >= 4 && blocks_get(body + 4, size - 4, count, out);
    case TYPE_BYE:
        if (size < 4u * count)
            return false;
        out->bye = true;
        return true;
    default:
        return true;
    }
}

bool rtcp_hear(const uint8_t *p, size_t len, struct rtcp_heard *out)
{
    struct rtcp_heard heard = {0};
    if (!len)
        return false;
    for (size_t at = 0; at < len;) {
        if (len - at < HEADER || p[at] >> 6 != 2 || p[at + 1] < TYPE_FIRST || p[at + 1] > TYPE_LAST)
            return false;
        size_t size = HEADER + 4u * be16(p + at + 2);
        if (size > len - at || !packet_get(p + at, size, &heard))
            return false;
        at += size;
    }
    *out = heard;
    return true;
}

/* ---- emit ---- */

static void head_put(uint8_t *out, unsigned count, unsigned type, size_t size)
{
    out[0] = (uint8_t)(0x80 | count);
    out[1] = (uint8_t)type;
    put_be16(out + 2, (uint16_t)(size / 4 - 1));
}

static size_t block_put(uint8_t *out, const struct rtcp_block *b)
{
    put_be32(out, b->ssrc);
    put_be32(out + 4, (uint32_t)b->fraction << 24 | ((uint32_t)b->lost & 0xffffff));
    put_be32(out + 8, b->highest);
    put_be32(out + 12, b->jitter);
    put_be32(out + 16, b->lsr);
    put_be32(out + 20, b->dlsr);
    return BLOCK;
}

size_t rtcp_sender_put(uint8_t *out, const struct rtcp_sender *s, const struct rtcp_block *block)
{
    size_t size = HEADER + SENDER;
    put_be32(out + 4, s->ssrc);
    put_be64(out + 8, s->ntp);
    put_be32(out + 16, s->timestamp);
    put_be32(out + 20, s->packets);
    put_be32(out + 24, s->octets);
    if (block)
        size += block_put(out + size, block);
    head_put(out, block != NULL, TYPE_SR, size);
    return size;
}

size_t rtcp_receiver_put(uint8_t *out, uint32_t ssrc, const struct rtcp_block *block)
{
    size_t size = HEADER + 4;
    put_be32(out + 4, ssrc);
    if (block)
        size += block_put(out + size, block);
    head_put(out, block != NULL, TYPE_RR, size);
    return size;
}

size_t rtcp_cname_put(uint8_t *out, uint32_t ssrc, const char *cname)
{
    size_t length = strnlen(cname, RTCP_CNAME_MAX), size = HEADER + 4 + 2 + length;
    put_be32(out + 4, ssrc);
    out[8] = SDES_CNAME;
    out[9] = (uint8_t)length;
    memcpy(out + 10, cname, length);
    do
        out[size++] = 0; /* one at least ends the chunk */
    while (size % 4);
    head_put(out, 1, TYPE_SDES, size);
    return size;
}

size_t rtcp_bye_put(uint8_t *out, uint32_t ssrc)
{
    put_be32(out + 4, ssrc);
    head_put(out, 1, TYPE_BYE, 8);
    return 8;
}

uint64_t rtcp_ntp(uint64_t us)
{
    return us / 1000000 << 32 | (us % 1000000 << 32) / 1000000;
}
