/*
 * Cutting records out of a byte stream. RFC 8446 5.1, 5.2; RFC 5246 6.2.
 *
 * The minor version is ignored, as 5.1 demands; a major version other than 3 is not TLS.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/base/bytes.h"
#include "dataplane/tls/record.h"

/* Which types may come in which phase, and with how many bytes. A type not listed for the phase is refused.
 */
static const struct {
    uint8_t phases; /* 1 << enum tls_phase */
    uint8_t type;
    uint16_t length_min, length_max;
} allowed[] = {
    {1 << TLS_PHASE_HELLO | 1 << TLS_PHASE_HANDSHAKE, TLS_HANDSHAKE, 1, TLS_PLAINTEXT_MAX},
    {1 << TLS_PHASE_HANDSHAKE, TLS_CHANGE_CIPHER_SPEC, 1, 1},
    /* behind ChangeCipherSpec an alert of TLS 1.2 is protected already */
    {1 << TLS_PHASE_HANDSHAKE, TLS_ALERT_RECORD, TLS_ALERT_SIZE, TLS_ALERT_SIZE + 8 + AEAD_TAG_SIZE},
    {1 << TLS_PHASE_HANDSHAKE | 1 << TLS_PHASE_OPEN, TLS_APPLICATION_DATA, AEAD_TAG_SIZE + 1,
     TLS_PROTECTED_MAX},
    {1 << TLS_PHASE_OPEN12, TLS_ALERT_RECORD, AEAD_TAG_SIZE, TLS_PROTECTED_MAX},
    {1 << TLS_PHASE_OPEN12, TLS_HANDSHAKE, AEAD_TAG_SIZE, TLS_PROTECTED_MAX},
    {1 << TLS_PHASE_OPEN12, TLS_APPLICATION_DATA, AEAD_TAG_SIZE, TLS_PROTECTED_MAX},
};

static int refuse(struct tls_refusal *why, enum drop_reason reason, enum tls_alert alert)
{
    *why = (struct tls_refusal){reason, (uint8_t)alert};
    return -1;
}

enum likeness { LIKE_NOT, LIKE_SO_FAR, LIKE_HTTP };

/* Whether a stranger's first bytes are the start of an HTTP request. */
static enum likeness looks_like_http(const uint8_t *p, size_t len)
{
    static const char methods[][5] = {"GET ", "POST", "HEAD", "PUT ", "OPTI",
                                      "DELE", "PATC", "CONN", "TRAC", "PRI "};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (memcmp(p, methods[i], len < 4 ? len : 4) == 0)
            return len < 4 ? LIKE_SO_FAR : LIKE_HTTP;
    return LIKE_NOT;
}

int tls_record_parse(const uint8_t *p, size_t len, enum tls_phase phase, struct tls_record *r,
                     struct tls_refusal *why)
{
    size_t rule, rules = sizeof allowed / sizeof allowed[0];
    if (len == 0)
        return 0;
    for (rule = 0; rule < rules; rule++)
        if ((allowed[rule].phases & 1 << phase) && allowed[rule].type == p[0])
            break;
    if (rule == rules) {
        enum likeness http = phase == TLS_PHASE_HELLO ? looks_like_http(p, len) : LIKE_NOT;
        if (http == LIKE_SO_FAR)
            return 0;
        return http == LIKE_HTTP ? refuse(why, DROP_TLS_PLAIN_HTTP, TLS_ALERT_NONE)
                                 : refuse(why, DROP_TLS_RECORD_TYPE, TLS_ALERT_UNEXPECTED_MESSAGE);
    }
    if (len >= 2 && p[1] != 3)
        return refuse(why, DROP_TLS_RECORD_VERSION, TLS_ALERT_PROTOCOL_VERSION);
    if (len < TLS_HEADER_SIZE)
        return 0;
    uint16_t length = be16(p + 3);
    if (length > allowed[rule].length_max)
        return refuse(why, DROP_TLS_RECORD_LENGTH, TLS_ALERT_RECORD_OVERFLOW);
    if (length < allowed[rule].length_min)
        return refuse(why, DROP_TLS_RECORD_LENGTH, TLS_ALERT_DECODE_ERROR);
    if (len < (size_t)TLS_HEADER_SIZE + length)
        return 0;
    *r = (struct tls_record){p, p[0], length};
    return TLS_HEADER_SIZE + length;
}
