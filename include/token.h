/*
 * Tokens, as both processes check them. The key stands in the region (region_secrets.token_hmac), so that a
 * token which nobody made dies where it is first read, without a lookup anywhere.
 *
 *      base64url(user id as digits) . eight characters, once only . forty: HMAC-SHA256 of all before, cut
 *
 * Tokens of before there was a key have six characters in the middle and no signature.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TOKEN_H
#define VOXPOP_TOKEN_H

#include <stddef.h>
#include <stdint.h>

#define TOKEN_TEXT_MAX  96u /* with the NUL */
#define TOKEN_KEY       32u
#define TOKEN_ONCE      6u  /* bytes that make it the only one */
#define TOKEN_SIGN      30u /* bytes of the signature that are kept */
#define TOKEN_SIGN_TEXT 40u

enum token_form { TOKEN_WRONG, TOKEN_UNSIGNED, TOKEN_SIGNED };

/* Is this text, without a prefix such as "Bot ", a token? */
enum token_form token_check(const uint8_t key[TOKEN_KEY], const char *text, size_t length);

/* Adds ".signature" to the first `length` characters; returns the new length, without a NUL. */
size_t token_sign(const uint8_t key[TOKEN_KEY], char text[TOKEN_TEXT_MAX], size_t length);

/* Without padding; returns the characters written. */
size_t token_base64url(const uint8_t *in, size_t length, char *out);

/* Passes over "Bot " or "Bearer ", whatever its case. */
const char *token_bare(const char *text, size_t *length);

#endif
