/*
 * Frame heads and masking.
 * RFC 6455 5.2, 5.3, 5.5.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/ws/frame.h"
#include "dataplane/base/bytes.h"

#define FIN      0x80u
#define RESERVED 0x70u
#define MASKED   0x80u
#define LENGTH16 126u
#define LENGTH64 127u

static int refuse(enum drop_reason *why, enum drop_reason reason)
{
    *why = reason;
    return -1;
}

static bool opcode_known(uint8_t opcode)
{
    return opcode <= WS_OP_BINARY || (opcode >= WS_OP_CLOSE && opcode <= WS_OP_PONG);
}

int ws_frame_parse(const uint8_t *p, size_t len, enum ws_sender sender, struct ws_frame *f,
                   enum drop_reason *why)
{
    if (len < 1)
        return 0;
    uint8_t opcode = p[0] & 0x0f;
    bool fin = p[0] & FIN, control = opcode >= WS_OP_CLOSE;
    if (p[0] & RESERVED || !opcode_known(opcode))
        return refuse(why, DROP_WS_RESERVED);
    if (control && !fin)
        return refuse(why, DROP_WS_CONTROL);
    if (len < 2)
        return 0;
    bool masked = p[1] & MASKED;
    uint64_t length = p[1] & 0x7f;
    if (masked != (sender == WS_FROM_CLIENT))
        return refuse(why, DROP_WS_UNMASKED);
    if (control && length > WS_CONTROL_MAX)
        return refuse(why, DROP_WS_CONTROL);
    size_t at = length == LENGTH16 ? 4 : length == LENGTH64 ? 10 : 2;
    if (len < at)
        return 0;
    if (at == 4 && (length = be16(p + 2)) < LENGTH16)
        return refuse(why, DROP_WS_LENGTH);
    if (at == 10 && ((length = be64(p + 2)) <= UINT16_MAX || length >> 63))
        return refuse(why, DROP_WS_LENGTH);
    size_t head = at + (masked ? 4 : 0);
    if (len < head)
        return 0;
    *f = (struct ws_frame){.length = length, .opcode = opcode, .fin = fin, .head_length = (uint8_t)head};
    if (masked)
        memcpy(f->mask, p + at, sizeof f->mask);
    return (int)head;
}

void ws_mask(uint8_t *p, size_t len, const uint8_t mask[4], uint64_t phase)
{
    uint8_t turned[8];
    for (unsigned i = 0; i < sizeof turned; i++)
        turned[i] = mask[(phase + i) & 3];
    uint64_t pattern;
    memcpy(&pattern, turned, sizeof pattern);
    size_t i = 0;
    for (; len - i >= 32; i += 32) { /* fixed-size inner loop: one or two vector operations */
        uint64_t words[4];
        memcpy(words, p + i, sizeof words);
        for (unsigned w = 0; w < 4; w++)
            words[w] ^= pattern;
        memcpy(p + i, words, sizeof words);
    }
    for (; i < len; i++)
        p[i] ^= turned[i & 3];
}

size_t ws_frame_head(uint8_t dst[WS_HEAD_MAX], enum ws_opcode opcode, bool fin, uint64_t length)
{
    dst[0] = (uint8_t)((fin ? FIN : 0) | opcode);
    if (length < LENGTH16) {
        dst[1] = (uint8_t)length;
        return 2;
    }
    if (length <= UINT16_MAX) {
        dst[1] = LENGTH16;
        put_be16(dst + 2, (uint16_t)length);
        return 4;
    }
    dst[1] = LENGTH64;
    put_be64(dst + 2, length);
    return 10;
}

size_t ws_frame_head_masked(uint8_t dst[WS_HEAD_MAX], enum ws_opcode opcode, bool fin, uint64_t length,
                            const uint8_t mask[4])
{
    size_t at = ws_frame_head(dst, opcode, fin, length);
    dst[1] |= MASKED;
    memcpy(dst + at, mask, 4);
    return at + 4;
}

bool ws_close_code_valid(uint16_t code)
{
    static const struct {
        uint16_t first, last;
    } valid[] = {
        {1000, 1003}, /* RFC 6455 7.4.1 */
        {1007, 1011}, /* the same; 1004 to 1006 must not be sent */
        {1012, 1014}, /* IANA WebSocket Close Code Number Registry; 1015 must not be sent */
        {3000, 4999}, /* RFC 6455 7.4.2: libraries and applications */
    };
    for (unsigned i = 0; i < sizeof valid / sizeof valid[0]; i++)
        if (code >= valid[i].first && code <= valid[i].last)
            return true;
    return false;
}

size_t ws_close_frame(uint8_t dst[WS_CLOSE_FRAME_MAX], uint16_t code, const char *reason,
                      size_t reason_length)
{
    if (code == WS_CLOSE_NO_STATUS)
        return ws_frame_head(dst, WS_OP_CLOSE, true, 0);
    if (reason_length > WS_CONTROL_MAX - 2) {
        reason_length = WS_CONTROL_MAX - 2;
        while (reason_length && ((uint8_t)reason[reason_length] & 0xc0) == 0x80)
            reason_length--;
    }
    size_t at = ws_frame_head(dst, WS_OP_CLOSE, true, 2 + reason_length);
    put_be16(dst + at, code);
    if (reason_length)
        memcpy(dst + at + 2, reason, reason_length);
    return at + 2 + reason_length;
}
