/*
 * A cursor over JSON that knows objects with a few short keys and plain integers, and gives up on everything
 * else.
 * RFC 8259 2, 4, 6.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/ws/heartbeat.h"

#include <stdio.h>
#include <string.h>

#define INTEGER_MAX (INT64_C(1) << 53) /* up to here every reader of JSON agrees on an integer */
#define SEQ_ACK_MAX 65535

#define OP_GATEWAY_BEAT 1
#define OP_VOICE_BEAT   3

struct cursor {
    const uint8_t *at, *end;
};

static void skip_space(struct cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
        c->at++;
}

static bool take(struct cursor *c, const char *text)
{
    size_t len = strlen(text);
    if ((size_t)(c->end - c->at) < len || memcmp(c->at, text, len) != 0)
        return false;
    c->at += len;
    return true;
}

/* A structural character with the whitespace around it. */
static bool take_mark(struct cursor *c, const char *mark)
{
    skip_space(c);
    if (!take(c, mark))
        return false;
    skip_space(c);
    return true;
}

/* An integer from 0 to INTEGER_MAX without sign, leading zeros, fraction or exponent. */
static bool take_integer(struct cursor *c, int64_t *value)
{
    const uint8_t *begin = c->at;
    int64_t v = 0;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9' && c->at - begin < (ptrdiff_t)VOICE_T_MAX)
        v = v * 10 + (*c->at++ - '0');
    ptrdiff_t digits = c->at - begin;
    if (digits == 0 || (digits > 1 && *begin == '0') || v > INTEGER_MAX)
        return false;
    *value = v;
    return true; /* what else follows, "5", "." or "e", fits no mark that may stand here */
}

/* A value is read by the function of its key. */
struct member {
    const char *key; /* with its quotes */
    bool (*read)(struct cursor *c, void *to);
};

/*
 * An object of these members, each at most once. Returns the set of those that were there (bit per member),
 * or −1: there is something else.
 */
static int take_object(struct cursor *c, const struct member *members, unsigned count, void *to)
{
    int seen = 0;
    if (!take_mark(c, "{"))
        return -1;
    do {
        unsigned i = 0;
        skip_space(c);
        while (i < count && !take(c, members[i].key))
            i++;
        if (i == count || seen & 1 << i || !take_mark(c, ":") || !members[i].read(c, to))
            return -1;
        seen |= 1 << i;
    } while (take_mark(c, ","));
    return take_mark(c, "}") ? seen : -1;
}

static bool read_null(struct cursor *c, void *to)
{
    return take(c, "null");
}

static bool read_sequence(struct cursor *c, void *to)
{
    struct gateway_beat *beat = to;
    beat->sequence = HEARTBEAT_NONE;
    return take(c, "null") || take_integer(c, &beat->sequence);
}

static bool read_op(struct cursor *c, int64_t wanted)
{
    int64_t op;
    return take_integer(c, &op) && op == wanted;
}

static bool read_gateway_op(struct cursor *c, void *to)
{
    return read_op(c, OP_GATEWAY_BEAT);
}

static bool read_voice_op(struct cursor *c, void *to)
{
    return read_op(c, OP_VOICE_BEAT);
}

static bool read_t(struct cursor *c, void *to)
{
    struct voice_beat *beat = to;
    int64_t value;
    beat->t = c->at;
    if (!take_integer(c, &value))
        return false;
    beat->t_length = (uint8_t)(c->at - beat->t);
    return true;
}

static bool read_seq_ack(struct cursor *c, void *to)
{
    struct voice_beat *beat = to;
    int64_t value;
    if (take(c, "-1")) {
        beat->seq_ack = HEARTBEAT_NONE;
        return true;
    }
    if (!take_integer(c, &value) || value > SEQ_ACK_MAX)
        return false;
    beat->seq_ack = (int32_t)value;
    return true;
}

static bool read_voice_d(struct cursor *c, void *to)
{
    static const struct member members[] = {{"\"t\"", read_t}, {"\"seq_ack\"", read_seq_ack}};
    int seen = take_object(c, members, 2, to);
    return seen >= 0 && seen & 1;
}

bool gateway_beat_parse(const uint8_t *p, size_t len, struct gateway_beat *beat)
{
    static const struct member members[] = {
        {"\"op\"", read_gateway_op}, {"\"d\"", read_sequence}, {"\"s\"", read_null}, {"\"t\"", read_null}};
    struct cursor c = {p, p + len};
    struct gateway_beat out;
    int seen = take_object(&c, members, 4, &out);
    if (seen < 0 || (seen & 3) != 3 || c.at != c.end)
        return false;
    *beat = out;
    return true;
}

bool voice_beat_parse(const uint8_t *p, size_t len, unsigned version, struct voice_beat *beat)
{
    const struct member members[] = {{"\"op\"", read_voice_op},
                                     {"\"d\"", version >= 8 ? read_voice_d : read_t}};
    struct cursor c = {p, p + len};
    struct voice_beat out = {.seq_ack = HEARTBEAT_NONE};
    int seen = take_object(&c, members, 2, &out);
    if (seen != 3 || c.at != c.end)
        return false;
    *beat = out;
    return true;
}

size_t gateway_beat_ack(uint8_t dst[HEARTBEAT_MAX])
{
    memcpy(dst, GATEWAY_BEAT_ACK, sizeof GATEWAY_BEAT_ACK - 1);
    return sizeof GATEWAY_BEAT_ACK - 1;
}

size_t gateway_hello(uint8_t dst[HEARTBEAT_MAX], uint32_t heartbeat_interval_ms)
{
    return (size_t)snprintf((char *)dst, HEARTBEAT_MAX, "{\"op\":10,\"d\":{\"heartbeat_interval\":%u}}",
                            heartbeat_interval_ms);
}

size_t voice_beat_ack(uint8_t dst[HEARTBEAT_MAX], unsigned version, const struct voice_beat *beat)
{
    const char *form = version >= 8 ? "{\"op\":6,\"d\":{\"t\":%.*s}}" : "{\"op\":6,\"d\":%.*s}";
    return (size_t)snprintf((char *)dst, HEARTBEAT_MAX, form, (int)beat->t_length, (const char *)beat->t);
}

size_t voice_hello(uint8_t dst[HEARTBEAT_MAX], unsigned version, uint32_t heartbeat_interval_ms)
{
    return (size_t)snprintf((char *)dst, HEARTBEAT_MAX,
                            "{\"op\":8,\"d\":{\"v\":%u,\"heartbeat_interval\":%u}}", version,
                            heartbeat_interval_ms);
}
