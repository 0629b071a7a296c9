/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/webrtc/stun.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "dataplane/base/bytes.h"

#define BINDING_REQUEST    0x0001u
#define BINDING_INDICATION 0x0011u
#define BINDING_SUCCESS    0x0101u
#define BINDING_ERROR      0x0111u
#define INTEGRITY_SIZE     20u
#define FINGERPRINT_XOR    0x5354554eu
#define REQUIRED_BELOW     0x8000u /* RFC 8489 14: lower types must be understood */
#define HASHED_MAX         1500u

enum attribute {
    ATTRIBUTE_USERNAME = 0x0006,
    ATTRIBUTE_INTEGRITY = 0x0008,
    ATTRIBUTE_ERROR = 0x0009,
    ATTRIBUTE_UNKNOWN = 0x000a,
    ATTRIBUTE_INTEGRITY_256 = 0x001c,
    ATTRIBUTE_XOR_MAPPED = 0x0020,
    ATTRIBUTE_PRIORITY = 0x0024,
    ATTRIBUTE_USE_CANDIDATE = 0x0025,
    ATTRIBUTE_FINGERPRINT = 0x8028,
    ATTRIBUTE_CONTROLLED = 0x8029,
    ATTRIBUTE_CONTROLLING = 0x802a,
};

/* CRC-32 of IEEE 802.3, a bit at a time over a table of nibbles: messages are about a hundred bytes. */
static uint32_t crc32_of(const uint8_t *p, size_t len)
{
    static const uint32_t nibble[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
        0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c, 0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    uint32_t crc = ~0u;
    for (size_t i = 0; i < len; i++) {
        crc ^= p[i];
        crc = nibble[crc & 15] ^ crc >> 4;
        crc = nibble[crc & 15] ^ crc >> 4;
    }
    return ~crc;
}

/* ---- parse ---- */

static void attribute_take(struct stun_request *r, const uint8_t *p, size_t at, uint16_t type,
                           uint16_t length)
{
    switch (type) {
    case ATTRIBUTE_USERNAME:
        r->username = p + at + 4;
        r->username_length = length;
        break;
    case ATTRIBUTE_USE_CANDIDATE:
        r->use_candidate = true;
        break;
    case ATTRIBUTE_CONTROLLED:
        r->controlled = true;
        break;
    case ATTRIBUTE_CONTROLLING:
        r->controlling = true;
        break;
    case ATTRIBUTE_PRIORITY:
    case ATTRIBUTE_INTEGRITY_256:
        break;
    default:
        if (type < REQUIRED_BELOW && r->unknown_count < STUN_UNKNOWN_MAX)
            r->unknown[r->unknown_count++] = type;
    }
}

/* The length that an attribute must have, or -1: any. */
static int length_of(uint16_t type)
{
    switch (type) {
    case ATTRIBUTE_INTEGRITY:
        return INTEGRITY_SIZE;
    case ATTRIBUTE_FINGERPRINT:
    case ATTRIBUTE_PRIORITY:
        return 4;
    case ATTRIBUTE_USE_CANDIDATE:
        return 0;
    case ATTRIBUTE_CONTROLLED:
    case ATTRIBUTE_CONTROLLING:
        return 8;
    default:
        return -1;
    }
}

static enum stun_result attributes(const uint8_t *p, size_t len, struct stun_request *r)
{
    for (size_t at = STUN_HEADER; at < len;) {
        if (len - at < 4)
            return STUN_MALFORMED;
        uint16_t type = be16(p + at), length = be16(p + at + 2);
        size_t padded = ((size_t)length + 3) & ~(size_t)3;
        if (len - at - 4 < padded || (length_of(type) >= 0 && length_of(type) != length) ||
            (type == ATTRIBUTE_USERNAME && length > STUN_USERNAME_MAX))
            return STUN_MALFORMED;
        if (type == ATTRIBUTE_FINGERPRINT) {
            if (at + 8 != len)
                return STUN_MALFORMED;
            r->has_fingerprint = true;
            return (crc32_of(p, at) ^ FINGERPRINT_XOR) == be32(p + at + 4) ? STUN_REQUEST : STUN_FINGERPRINT;
        }
        if (r->integrity_at == 0 && type == ATTRIBUTE_INTEGRITY)
            r->integrity_at = (uint16_t)at;
        else if (r->integrity_at == 0)
            attribute_take(r, p, at, type, length);
        at += 4 + padded;
    }
    return STUN_REQUEST;
}

enum stun_result stun_parse(const uint8_t *p, size_t len, struct stun_request *out)
{
    if (len < STUN_HEADER || len > HASHED_MAX || len % 4 || p[0] & 0xc0 || be32(p + 4) != STUN_MAGIC ||
        be16(p + 2) != len - STUN_HEADER)
        return STUN_MALFORMED;
    struct stun_request r = {0};
    memcpy(r.transaction, p + 8, sizeof r.transaction);
    enum stun_result result = attributes(p, len, &r);
    if (result != STUN_REQUEST)
        return result;
    if (be16(p) == BINDING_INDICATION)
        return STUN_INDICATION;
    if (be16(p) != BINDING_REQUEST)
        return STUN_OTHER;
    *out = r;
    return STUN_REQUEST;
}

/* ---- integrity ---- */

/* HMAC over what precedes the attribute, with a header that ends behind it (RFC 8489 14.5). */
static void integrity_of(const uint8_t *p, size_t at, const char *password, size_t password_length,
                         uint8_t mac[INTEGRITY_SIZE])
{
    uint8_t hashed[HASHED_MAX];
    unsigned length = INTEGRITY_SIZE;
    memcpy(hashed, p, at);
    put_be16(hashed + 2, (uint16_t)(at + 4 + INTEGRITY_SIZE - STUN_HEADER));
    HMAC(EVP_sha1(), password, (int)password_length, hashed, at, mac, &length);
}

bool stun_authentic(const uint8_t *p, const struct stun_request *r, const char *password,
                    size_t password_length)
{
    uint8_t mac[INTEGRITY_SIZE];
    if (!r->integrity_at)
        return false;
    integrity_of(p, r->integrity_at, password, password_length, mac);
    return equal_constant_time(mac, p + r->integrity_at + 4, sizeof mac);
}

/* ---- answers ---- */

static uint8_t *attribute_put(uint8_t *p, enum attribute type, uint16_t length)
{
    put_be16(p, (uint16_t)type);
    put_be16(p + 2, length);
    return p + 4;
}

static uint8_t *head_put(uint8_t *out, uint16_t type, const struct stun_request *r)
{
    put_be16(out, type);
    put_be16(out + 2, 0);
    put_be32(out + 4, STUN_MAGIC);
    memcpy(out + 8, r->transaction, sizeof r->transaction);
    return out + STUN_HEADER;
}

/* Integrity (with a password) and fingerprint behind what stands; returns the whole length. */
static size_t finish(uint8_t *out, uint8_t *p, const char *password, size_t password_length)
{
    if (password) {
        size_t at = (size_t)(p - out);
        p = attribute_put(p, ATTRIBUTE_INTEGRITY, INTEGRITY_SIZE);
        integrity_of(out, at, password, password_length, p);
        p += INTEGRITY_SIZE;
    }
    size_t at = (size_t)(p - out);
    put_be16(out + 2, (uint16_t)(at + 8 - STUN_HEADER));
    p = attribute_put(p, ATTRIBUTE_FINGERPRINT, 4);
    put_be32(p, crc32_of(out, at) ^ FINGERPRINT_XOR);
    return at + 8;
}

size_t stun_success(uint8_t *out, const struct stun_request *r, const uint8_t ip[16], uint16_t port,
                    const char *password, size_t password_length)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    bool is4 = memcmp(ip, mapped, sizeof mapped) == 0;
    size_t size = is4 ? 4 : 16;
    uint8_t mask[16], *p = head_put(out, BINDING_SUCCESS, r);
    put_be32(mask, STUN_MAGIC);
    memcpy(mask + 4, r->transaction, sizeof r->transaction);
    p = attribute_put(p, ATTRIBUTE_XOR_MAPPED, (uint16_t)(4 + size));
    p[0] = 0;
    p[1] = is4 ? 1 : 2;
    put_be16(p + 2, port ^ (uint16_t)(STUN_MAGIC >> 16));
    for (size_t i = 0; i < size; i++)
        p[4 + i] = ip[16 - size + i] ^ mask[i];
    return finish(out, p + 4 + size, password, password_length);
}

size_t stun_failure(uint8_t *out, const struct stun_request *r, enum stun_error error, const char *password,
                    size_t password_length)
{
    uint8_t *p = head_put(out, BINDING_ERROR, r);
    p = attribute_put(p, ATTRIBUTE_ERROR, 4);
    put_be16(p, 0);
    p[2] = (uint8_t)(error / 100);
    p[3] = (uint8_t)(error % 100);
    p += 4;
    if (error == STUN_UNKNOWN_ATTRIBUTE) {
        p = attribute_put(p, ATTRIBUTE_UNKNOWN, (uint16_t)(2 * r->unknown_count));
        for (unsigned i = 0; i < r->unknown_count; i++, p += 2)
            put_be16(p, r->unknown[i]);
        if (r->unknown_count % 2) {
            put_be16(p, 0);
            p += 2;
        }
    }
    return finish(out, p, password, password_length);
}
