/*
 * Characters and slices of HTTP/1.1 fields: what is a token, a visible value, a hexadecimal digit; comparing
 * without regard to case; walking a comma list. Pure, nothing is copied.
 * RFC 9110 5.5, 5.6; RFC 9112 5.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_HTTP_FIELD_H
#define VOXPOP_HTTP_FIELD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes [offset, offset + length) of the head that was parsed. Offset 0 is a field that was absent (only the
 * method begins there). */
struct http_slice {
    uint16_t offset;
    uint16_t length;
};

static inline bool http_present(struct http_slice s)
{
    return s.offset != 0;
}

#define HTTP_TOKEN_CHAR  1u /* tchar, RFC 9110 5.6.2 */
#define HTTP_VALUE_CHAR  2u /* HTAB, SP, VCHAR, obs-text, RFC 9110 5.5 */
#define HTTP_TARGET_CHAR 4u /* pchar without "%", "/" and "?", RFC 3986 3.3, 3.4 */
#define HTTP_HOST_CHAR   8u /* reg-name without "%", RFC 3986 3.2.2 */

/* Bits HTTP_*_CHAR of each byte. */
extern const uint8_t http_char_class[256];

static inline bool http_is(uint8_t c, unsigned class_bits)
{
    return (http_char_class[c] & class_bits) != 0;
}

/* Value of a hexadecimal digit, −1 when it is none. */
static inline int http_hex(uint8_t c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Are these `len` bytes `lower` (NUL-terminated, lower case), ASCII case aside? */
bool http_equals(const uint8_t *p, size_t len, const char *lower);

/* Are a[0, len) and b[0, len) the same, ASCII case aside? */
bool http_same(const uint8_t *a, const uint8_t *b, size_t len);

/* Takes spaces and tabs off both ends of p[*begin, *end). */
void http_strip(const uint8_t *p, size_t *begin, size_t *end);

/*
 * The next element of a comma list: moves *at on, strips whitespace, skips empty elements (RFC 9110 5.6.1.2).
 * Returns false at the end of the list.
 */
bool http_list_next(const uint8_t *p, size_t len, size_t *at, const uint8_t **element,
                    size_t *element_length);

#endif
