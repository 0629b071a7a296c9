/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/webrtc/srtp.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#include "dataplane/base/bytes.h"

#define GCM_SALT    12u
#define CM_SALT     14u
#define CM_TAG      10u
#define SHA1_SIZE   20u
#define RTCP_HEADER 8u
#define RTCP_INDEX  4u
#define RTCP_SEALED 0x80000000u /* E: the packet is encrypted */
#define PACKET_MAX  2048u

/* RFC 3711 4.3.1 */
enum label {
    LABEL_RTP_KEY,
    LABEL_RTP_AUTH,
    LABEL_RTP_SALT,
    LABEL_RTCP_KEY,
    LABEL_RTCP_AUTH,
    LABEL_RTCP_SALT
};

size_t srtp_key_size(enum srtp_profile profile)
{
    return profile == PROFILE_AEAD_AES_256_GCM ? 32 : profile == PROFILE_NONE ? 0 : 16;
}

size_t srtp_salt_size(enum srtp_profile profile)
{
    return profile == PROFILE_AES128_CM_SHA1_80 ? CM_SALT : GCM_SALT;
}

size_t srtp_tag_size(enum srtp_profile profile)
{
    return profile == PROFILE_AES128_CM_SHA1_80 ? CM_TAG : AEAD_TAG_SIZE;
}

/* ---- AES in counter mode ---- */

/* One context a thread, keyed anew for each use: these are not the packets that have to be fast. */
static EVP_CIPHER_CTX *counter_context(void)
{
    static _Thread_local EVP_CIPHER_CTX *context;
    if (!context && !(context = EVP_CIPHER_CTX_new()))
        abort();
    return context;
}

static void counter_mode(const uint8_t *key, size_t key_size, const uint8_t iv[16], uint8_t *p, size_t len)
{
    EVP_CIPHER_CTX *c = counter_context();
    int out;
    if (EVP_EncryptInit_ex(c, key_size == 32 ? EVP_aes_256_ctr() : EVP_aes_128_ctr(), NULL, key, iv) != 1 ||
        EVP_EncryptUpdate(c, p, &out, p, (int)len) != 1)
        abort();
}

/* ---- key derivation, RFC 3711 4.3, with a rate of 0 ---- */

static void derive(size_t key_size, const uint8_t *key, const uint8_t salt[CM_SALT], enum label label,
                   uint8_t *out, size_t len)
{
    uint8_t iv[16] = {0};
    memcpy(iv, salt, CM_SALT);
    iv[7] ^= (uint8_t)label;
    memset(out, 0, len);
    counter_mode(key, key_size, iv, out, len);
}

void srtp_session_make(struct srtp_session *s, enum srtp_profile profile, const uint8_t *key,
                       const uint8_t *salt)
{
    uint8_t padded[CM_SALT] = {0}; /* RFC 7714 11: a salt of 12 bytes is followed by zeros */
    size_t key_size = srtp_key_size(profile), salt_size = srtp_salt_size(profile);
    memcpy(padded, salt, salt_size);
    memset(s, 0, sizeof *s);
    s->profile = (uint8_t)profile;
    derive(key_size, key, padded, LABEL_RTP_KEY, s->rtp_key, key_size);
    derive(key_size, key, padded, LABEL_RTP_SALT, s->rtp_salt, salt_size);
    derive(key_size, key, padded, LABEL_RTCP_KEY, s->rtcp_key, key_size);
    derive(key_size, key, padded, LABEL_RTCP_SALT, s->rtcp_salt, salt_size);
    wipe(padded, sizeof padded);
    if (profile != PROFILE_AES128_CM_SHA1_80) {
        aead_key_expand(&s->rtp, key_size == 32 ? AEAD_AES_256_GCM : AEAD_AES_128_GCM, s->rtp_key);
        return;
    }
    memcpy(padded, salt, salt_size);
    derive(key_size, key, padded, LABEL_RTP_AUTH, s->rtp_auth, sizeof s->rtp_auth);
    derive(key_size, key, padded, LABEL_RTCP_AUTH, s->rtcp_auth, sizeof s->rtcp_auth);
    wipe(padded, sizeof padded);
}

void srtp_session_wipe(struct srtp_session *s)
{
    wipe(s, sizeof *s);
}

/* ---- AES-CM and HMAC-SHA1 ---- */

/* RFC 3711 4.1.1 */
static void counter_iv(const uint8_t salt[CM_SALT], uint32_t ssrc, uint64_t index, uint8_t iv[16])
{
    uint8_t mask[16] = {0};
    put_be32(mask + 4, ssrc);
    put_be64(mask + 6, index | (uint64_t)(ssrc & 0xffff) << 48);
    memcpy(iv, salt, CM_SALT);
    iv[14] = iv[15] = 0;
    for (size_t i = 0; i < 14; i++)
        iv[i] ^= mask[i];
}

/* HMAC over [p, p+len) and four bytes more. */
static void authenticate(const uint8_t key[20], const uint8_t *p, size_t len, uint32_t more,
                         uint8_t mac[SHA1_SIZE])
{
    uint8_t text[PACKET_MAX];
    unsigned size = SHA1_SIZE;
    memcpy(text, p, len);
    put_be32(text + len, more);
    HMAC(EVP_sha1(), key, 20, text, len + 4, mac, &size);
}

static size_t seal_cm(const struct srtp_session *s, uint8_t *p, size_t header, size_t len, uint64_t index)
{
    uint8_t iv[16], mac[SHA1_SIZE];
    counter_iv(s->rtp_salt, be32(p + 8), index, iv);
    counter_mode(s->rtp_key, 16, iv, p + header, len - header);
    authenticate(s->rtp_auth, p, len, (uint32_t)(index >> 16), mac);
    memcpy(p + len, mac, CM_TAG);
    return len + CM_TAG;
}

static bool open_cm(const struct srtp_session *s, uint8_t *p, size_t header, size_t len, uint64_t index)
{
    uint8_t iv[16], mac[SHA1_SIZE];
    authenticate(s->rtp_auth, p, len, (uint32_t)(index >> 16), mac);
    if (!equal_constant_time(mac, p + len, CM_TAG))
        return false;
    counter_iv(s->rtp_salt, be32(p + 8), index, iv);
    counter_mode(s->rtp_key, 16, iv, p + header, len - header);
    return true;
}

/* ---- RTP ---- */

void srtp_nonce(const struct srtp_session *s, uint32_t ssrc, uint64_t index, uint8_t nonce[12])
{
    /* 00 00, SSRC, ROC and SEQ, exclusive-or the salt; in registers, as what was just stored in pieces is read whole slowly. */
    put_be64(nonce, be64(s->rtp_salt) ^ ((uint64_t)ssrc << 16 | (index >> 32 & 0xffff)));
    put_be32(nonce + 8, be32(s->rtp_salt + 8) ^ (uint32_t)index);
}

size_t srtp_seal(const struct srtp_session *s, uint8_t *p, size_t header, size_t len, uint64_t index)
{
    uint8_t nonce[AEAD_NONCE_SIZE_MAX];
    if (s->profile == PROFILE_AES128_CM_SHA1_80)
        return seal_cm(s, p, header, len, index);
    srtp_nonce(s, be32(p + 8), index, nonce);
    aead_seal(&s->rtp, nonce, p, header, p + header, len - header, p + header, p + len);
    return len + AEAD_TAG_SIZE;
}

bool srtp_open(const struct srtp_session *s, uint8_t *p, size_t header, size_t *len, uint64_t index)
{
    uint8_t nonce[AEAD_NONCE_SIZE_MAX];
    size_t tag = srtp_tag_size(s->profile);
    if (*len < header + tag || *len > PACKET_MAX - 4)
        return false;
    *len -= tag;
    if (s->profile == PROFILE_AES128_CM_SHA1_80)
        return open_cm(s, p, header, *len, index);
    srtp_nonce(s, be32(p + 8), index, nonce);
    return aead_open(&s->rtp, nonce, p, header, p + header, *len - header, p + *len, p + header);
}

/* ---- RTCP ---- */

static void rtcp_nonce(const struct srtp_session *s, uint32_t ssrc, uint32_t index, uint8_t nonce[12])
{
    memset(nonce, 0, 12);
    put_be32(nonce + 2, ssrc);
    put_be32(nonce + 8, index);
    for (size_t i = 0; i < GCM_SALT; i++)
        nonce[i] ^= s->rtcp_salt[i];
}

static void rtcp_key(const struct srtp_session *s, struct aead_key *key)
{
    aead_key_expand(key, s->profile == PROFILE_AEAD_AES_256_GCM ? AEAD_AES_256_GCM : AEAD_AES_128_GCM,
                    s->rtcp_key);
}

/* RFC 7714 9.2: the associated data is the header and the word of E flag and index. */
static void rtcp_associated(const uint8_t *p, uint32_t word, uint8_t aad[RTCP_HEADER + RTCP_INDEX])
{
    memcpy(aad, p, RTCP_HEADER);
    put_be32(aad + RTCP_HEADER, word);
}

size_t srtcp_seal(const struct srtp_session *s, uint8_t *p, size_t len, uint32_t index)
{
    uint8_t iv[16], nonce[AEAD_NONCE_SIZE_MAX], mac[SHA1_SIZE], aad[RTCP_HEADER + RTCP_INDEX];
    uint32_t word = RTCP_SEALED | index;
    if (s->profile == PROFILE_AES128_CM_SHA1_80) {
        counter_iv(s->rtcp_salt, be32(p + 4), index, iv);
        counter_mode(s->rtcp_key, 16, iv, p + RTCP_HEADER, len - RTCP_HEADER);
        authenticate(s->rtcp_auth, p, len, word, mac);
        put_be32(p + len, word);
        memcpy(p + len + RTCP_INDEX, mac, CM_TAG);
        return len + RTCP_INDEX + CM_TAG;
    }
    struct aead_key key;
    rtcp_key(s, &key);
    rtcp_nonce(s, be32(p + 4), index, nonce);
    rtcp_associated(p, word, aad);
    aead_seal(&key, nonce, aad, sizeof aad, p + RTCP_HEADER, len - RTCP_HEADER, p + RTCP_HEADER, p + len);
    put_be32(p + len + AEAD_TAG_SIZE, word);
    aead_key_wipe(&key);
    return len + AEAD_TAG_SIZE + RTCP_INDEX;
}

static bool open_rtcp_cm(const struct srtp_session *s, uint8_t *p, size_t *len, uint32_t *index)
{
    uint8_t iv[16], mac[SHA1_SIZE];
    size_t text = *len - CM_TAG - RTCP_INDEX;
    uint32_t word = be32(p + text);
    authenticate(s->rtcp_auth, p, text, word, mac);
    if (!equal_constant_time(mac, p + text + RTCP_INDEX, CM_TAG))
        return false;
    *index = word & ~RTCP_SEALED;
    *len = text;
    if (!(word & RTCP_SEALED))
        return true;
    counter_iv(s->rtcp_salt, be32(p + 4), *index, iv);
    counter_mode(s->rtcp_key, 16, iv, p + RTCP_HEADER, text - RTCP_HEADER);
    return true;
}

bool srtcp_open(const struct srtp_session *s, uint8_t *p, size_t *len, uint32_t *index)
{
    uint8_t nonce[AEAD_NONCE_SIZE_MAX], aad[RTCP_HEADER + RTCP_INDEX];
    size_t trailer = srtp_tag_size(s->profile) + RTCP_INDEX;
    if (*len < RTCP_HEADER + trailer || *len > PACKET_MAX - 4)
        return false;
    if (s->profile == PROFILE_AES128_CM_SHA1_80)
        return open_rtcp_cm(s, p, len, index);
    size_t text = *len - trailer;
    uint32_t word = be32(p + *len - RTCP_INDEX);
    struct aead_key key;
    if (!(word & RTCP_SEALED)) /* we negotiated encryption */
        return false;
    rtcp_key(s, &key);
    rtcp_nonce(s, be32(p + 4), word & ~RTCP_SEALED, nonce);
    rtcp_associated(p, word, aad);
    bool good = aead_open(&key, nonce, aad, sizeof aad, p + RTCP_HEADER, text - RTCP_HEADER, p + text,
                          p + RTCP_HEADER);
    aead_key_wipe(&key);
    *index = word & ~RTCP_SEALED;
    *len = text;
    return good;
}

/* ---- indices ---- */

uint64_t srtp_index(const struct srtp_window *w, uint16_t sequence)
{
    if (!w->top)
        return sequence;
    uint64_t last = w->top - 1, roc = last >> 16;
    int32_t step = (int16_t)(uint16_t)(sequence - (uint16_t)last);
    int64_t index = (int64_t)last + step;
    if (index < 0) /* before the first roll-over: it can only be ahead */
        return roc << 16 | sequence;
    return (uint64_t)index;
}

bool srtp_fresh(const struct srtp_window *w, uint64_t index)
{
    if (index > SRTP_INDEX_MAX)
        return false;
    if (index >= w->top)
        return true;
    uint64_t back = w->top - 1 - index;
    return back < SRTP_REPLAY_WINDOW && !(w->bits[back / 64] >> back % 64 & 1);
}

void srtp_mark(struct srtp_window *w, uint64_t index)
{
    if (index < w->top) {
        uint64_t back = w->top - 1 - index;
        if (back < SRTP_REPLAY_WINDOW)
            w->bits[back / 64] |= 1ull << back % 64;
        return;
    }
    uint64_t step = index + 1 - w->top;
    if (step >= SRTP_REPLAY_WINDOW) {
        w->bits[0] = w->bits[1] = 0;
    } else if (step >= 64) {
        w->bits[1] = w->bits[0] << (step - 64);
        w->bits[0] = 0;
    } else {
        w->bits[1] = w->bits[1] << step | w->bits[0] >> (64 - step);
        w->bits[0] <<= step;
    }
    w->top = index + 1;
    w->bits[0] |= 1;
}
