/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "token.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define ONCE_TEXT     8u
#define ONCE_UNSIGNED 6u

size_t token_base64url(const uint8_t *in, size_t length, char *out)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    size_t n = 0;
    for (size_t i = 0; i < length; i += 3) {
        uint32_t v = (uint32_t)in[i] << 16;
        size_t left = length - i;
        v |= left > 1 ? (uint32_t)in[i + 1] << 8 : 0;
        v |= left > 2 ? in[i + 2] : 0;
        for (size_t k = 0; k < (left > 2 ? 4 : left + 1); k++)
            out[n++] = digits[v >> (18 - 6 * k) & 63];
    }
    return n;
}

static void signature(const uint8_t key[TOKEN_KEY], const char *text, size_t length,
                      char sign[TOKEN_SIGN_TEXT])
{
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned size = sizeof mac;
    if (!HMAC(EVP_sha256(), key, TOKEN_KEY, (const uint8_t *)text, length, mac, &size))
        abort();
    token_base64url(mac, TOKEN_SIGN, sign);
}

size_t token_sign(const uint8_t key[TOKEN_KEY], char text[TOKEN_TEXT_MAX], size_t length)
{
    char sign[TOKEN_SIGN_TEXT];
    signature(key, text, length, sign);
    text[length] = '.';
    memcpy(text + length + 1, sign, sizeof sign);
    return length + 1 + sizeof sign;
}

enum token_form token_check(const uint8_t key[TOKEN_KEY], const char *text, size_t length)
{
    char sign[TOKEN_SIGN_TEXT];
    const char *first = length < TOKEN_TEXT_MAX ? memchr(text, '.', length) : NULL;
    size_t rest = first ? length - (size_t)(first + 1 - text) : 0;
    size_t once = rest > TOKEN_SIGN_TEXT + 1 ? rest - TOKEN_SIGN_TEXT - 1 : 0;
    if ((once != ONCE_TEXT && once != ONCE_UNSIGNED) || first[1 + once] != '.')
        return TOKEN_WRONG;
    if (once == ONCE_UNSIGNED)
        return TOKEN_UNSIGNED;
    signature(key, text, length - TOKEN_SIGN_TEXT - 1, sign);
    return CRYPTO_memcmp(sign, text + length - TOKEN_SIGN_TEXT, sizeof sign) ? TOKEN_WRONG : TOKEN_SIGNED;
}

const char *token_bare(const char *text, size_t *length)
{
    size_t skip = *length >= 4 && !strncasecmp(text, "Bot ", 4)      ? 4
                  : *length >= 7 && !strncasecmp(text, "Bearer ", 7) ? 7
                                                                     : 0;
    *length -= skip;
    return text + skip;
}
