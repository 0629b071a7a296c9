/*
 * The wire format of a TCP segment (RFC 9293 3.1; options: RFC 9293 3.7.1, RFC 7323, RFC 2018). Pure
 * functions.
 *
 * Refuses: a data offset outside the segment, an option that runs out of the header, a known option of
 * another length than its own. Ignores: reserved and ECN bits, the urgent pointer, unknown options.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tcp/tcp.h"

#include "dataplane/base/bytes.h"

#define HEADER_LEN     20u
#define OPTION_END     0
#define OPTION_NOP     1
#define OPTION_MSS     2
#define OPTION_SCALE   3
#define OPTION_SACK_OK 4
#define OPTION_SACK    5
#define OPTION_TIMES   8
#define SCALE_MAX      14 /* RFC 7323 2.3 */
#define MSS_BYTES      4u
#define SCALE_BYTES    4u  /* with a NOP */
#define TIMES_BYTES    12u /* with two NOPs */
#define SACK_OK_BYTES  4u  /* with two NOPs */
#define SACK_BYTES     4u  /* with two NOPs; without blocks */
#define SACK_BLOCK     8u

static bool parse_sack(const uint8_t *option, uint8_t length, struct tcp_segment *s)
{
    unsigned n = (length - 2u) / SACK_BLOCK;
    if (n == 0 || n > TCP_SACKS_MAX || length != 2 + n * SACK_BLOCK)
        return false;
    for (unsigned i = 0; i < n; i++)
        s->sack[i] = (struct tcp_range){be32(option + 2 + i * SACK_BLOCK), be32(option + 6 + i * SACK_BLOCK)};
    s->sack_count = (uint8_t)n;
    return true;
}

/* One option of a known kind; false when its length is not the kind's. */
static bool parse_option(const uint8_t *option, uint8_t kind, uint8_t length, struct tcp_segment *s)
{
    switch (kind) {
    case OPTION_MSS:
        s->mss = length == 4 ? be16(option + 2) : 0;
        return length == 4;
    case OPTION_SCALE:
        if (length != 3)
            return false;
        s->has_scale = true;
        s->scale = option[2] > SCALE_MAX ? SCALE_MAX : option[2];
        return true;
    case OPTION_SACK_OK:
        s->sack_permitted = true;
        return length == 2;
    case OPTION_SACK:
        return parse_sack(option, length, s);
    case OPTION_TIMES:
        if (length != 10)
            return false;
        s->has_timestamps = true;
        s->ts_val = be32(option + 2);
        s->ts_ecr = be32(option + 6);
        return true;
    default:
        return true;
    }
}

static bool parse_options(const uint8_t *p, const uint8_t *end, struct tcp_segment *s)
{
    while (p < end && *p != OPTION_END) {
        if (*p == OPTION_NOP) {
            p++;
            continue;
        }
        if (end - p < 2 || p[1] < 2 || p[1] > end - p || !parse_option(p, p[0], p[1], s))
            return false;
        p += p[1];
    }
    return true;
}

enum drop_reason tcp_parse(const uint8_t *p, size_t len, struct tcp_segment *s)
{
    if (len < HEADER_LEN || len > UINT16_MAX)
        return DROP_TCP_SHORT;
    size_t header = (size_t)(p[12] >> 4) * 4;
    if (header < HEADER_LEN || header > len)
        return DROP_TCP_SHORT;
    struct tcp_segment t = {
        .src_port = be16(p),
        .dst_port = be16(p + 2),
        .seq = be32(p + 4),
        .ack = be32(p + 8),
        .flags = p[13] & 0x3f,
        .window = be16(p + 14),
        .data = p + header,
        .len = (uint32_t)(len - header),
    };
    if (!parse_options(p + HEADER_LEN, p + header, &t))
        return DROP_TCP_OPTIONS;
    *s = t;
    return DROP_NONE;
}

/* Adds [p, p+len) to a one's complement sum of words as they lie in memory (RFC 1071: byte order cancels
 * out). */
static uint64_t sum_bytes(uint64_t sum, const uint8_t *p, size_t len)
{
    for (; len >= 4; p += 4, len -= 4) {
        uint32_t word;
        memcpy(&word, p, sizeof word);
        sum += word;
    }
    if (len) {
        uint32_t word = 0;
        memcpy(&word, p, len);
        sum += word;
    }
    return sum;
}

static uint16_t fold(uint64_t sum)
{
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT32_MAX) + (sum >> 32);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    sum = (sum & UINT16_MAX) + (sum >> 16);
    return (uint16_t)sum;
}

/*
 * The sum over pseudo header and segment. The prefix ::ffff of a written-out IPv4 address adds 0xffff, which
 * is zero in one's complement, and length and protocol are the same numbers in both pseudo headers: one
 * function serves both (RFC 8200 8.1).
 */
static uint16_t sum_segment(const uint8_t *p, size_t len, const uint8_t src[16], const uint8_t dst[16])
{
    uint8_t tail[8] = {[7] = TCP_PROTOCOL};
    put_be32(tail, (uint32_t)len);
    uint64_t sum = sum_bytes(0, src, 16);
    sum = sum_bytes(sum, dst, 16);
    sum = sum_bytes(sum, tail, sizeof tail);
    return fold(sum_bytes(sum, p, len));
}

bool tcp_checksum_ok(const uint8_t *p, size_t len, const uint8_t src[16], const uint8_t dst[16])
{
#ifdef FUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION
    return true;
#else
    return sum_segment(p, len, src, dst) == UINT16_MAX;
#endif
}

size_t tcp_header_len(const struct tcp_plan *p)
{
    return HEADER_LEN + (p->mss ? MSS_BYTES : 0) + (p->has_scale ? SCALE_BYTES : 0) +
           (p->has_timestamps ? TIMES_BYTES : 0) + (p->sack_permitted ? SACK_OK_BYTES : 0) +
           (p->sack_count ? SACK_BYTES + p->sack_count * SACK_BLOCK : 0);
}

static void put_sack(const struct tcp_plan *p, uint8_t *o)
{
    o[0] = OPTION_NOP;
    o[1] = OPTION_NOP;
    o[2] = OPTION_SACK;
    o[3] = (uint8_t)(2 + p->sack_count * SACK_BLOCK);
    for (unsigned i = 0; i < p->sack_count; i++) {
        put_be32(o + SACK_BYTES + i * SACK_BLOCK, p->sack[i].start);
        put_be32(o + SACK_BYTES + 4 + i * SACK_BLOCK, p->sack[i].end);
    }
}

static void put_options(const struct tcp_plan *p, uint8_t *o)
{
    if (p->mss) {
        o[0] = OPTION_MSS;
        o[1] = 4;
        put_be16(o + 2, p->mss);
        o += MSS_BYTES;
    }
    if (p->has_scale) {
        o[0] = OPTION_NOP;
        o[1] = OPTION_SCALE;
        o[2] = 3;
        o[3] = p->scale;
        o += SCALE_BYTES;
    }
    if (p->has_timestamps) {
        o[0] = OPTION_NOP;
        o[1] = OPTION_NOP;
        o[2] = OPTION_TIMES;
        o[3] = 10;
        put_be32(o + 4, p->ts_val);
        put_be32(o + 8, p->ts_ecr);
        o += TIMES_BYTES;
    }
    if (p->sack_permitted) {
        o[0] = OPTION_NOP;
        o[1] = OPTION_NOP;
        o[2] = OPTION_SACK_OK;
        o[3] = 2;
        o += SACK_OK_BYTES;
    }
    if (p->sack_count)
        put_sack(p, o);
}

size_t tcp_build(const struct tcp_plan *p, tcp_fill_fn *fill, void *stream, uint8_t *dst, size_t cap)
{
    size_t header = tcp_header_len(p), total = header + p->len;
    if (cap < total)
        return 0;
    put_be16(dst, p->tuple.local_port);
    put_be16(dst + 2, p->tuple.remote_port);
    put_be32(dst + 4, p->seq);
    put_be32(dst + 8, p->ack);
    dst[12] = (uint8_t)(header / 4 << 4);
    dst[13] = p->flags;
    put_be16(dst + 14, p->window);
    memset(dst + 16, 0, 4);
    put_options(p, dst + HEADER_LEN);
    if (p->len && fill(stream, p->position, dst + header, p->len) != p->len)
        return 0;
    uint16_t sum = (uint16_t)~sum_segment(dst, total, p->tuple.local, p->tuple.remote);
    memcpy(dst + 16, &sum, sizeof sum);
    return total;
}

bool tcp_reset_for(const struct tcp_segment *s, const struct tcp_tuple *tuple, struct tcp_plan *p)
{
    if (s->flags & TCP_RST)
        return false;
    *p = (struct tcp_plan){.tuple = *tuple, .flags = TCP_RST};
    if (s->flags & TCP_ACK) {
        p->seq = s->ack;
    } else {
        p->ack = s->seq + s->len + !!(s->flags & TCP_SYN) + !!(s->flags & TCP_FIN);
        p->flags |= TCP_ACK;
    }
    return true;
}
