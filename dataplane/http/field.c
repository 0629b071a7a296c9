/*
 * The character classes, and comparing and splitting field values.
 * RFC 9110 5.6; RFC 3986 2, 3.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/http/field.h"

#define T HTTP_TOKEN_CHAR
#define V HTTP_VALUE_CHAR
#define P HTTP_TARGET_CHAR
#define H HTTP_HOST_CHAR

const uint8_t http_char_class[256] = {
    ['\t'] = V,
    [' '] = V,
    ['!'] = T | V | P | H,
    ['"'] = V,
    ['#'] = T | V,
    ['$'] = T | V | P | H,
    ['%'] = T | V,
    ['&' ... '\''] = T | V | P | H,
    ['(' ... ')'] = V | P | H,
    ['*' ... '+'] = T | V | P | H,
    [','] = V | P | H,
    ['-' ... '.'] = T | V | P | H,
    ['/'] = V,
    ['0' ... '9'] = T | V | P | H,
    [':'] = V | P,
    [';'] = V | P | H,
    ['<'] = V,
    ['='] = V | P | H,
    ['>' ... '?'] = V,
    ['@'] = V | P,
    ['A' ... 'Z'] = T | V | P | H,
    ['[' ... ']'] = V,
    ['^'] = T | V,
    ['_'] = T | V | P | H,
    ['`'] = T | V,
    ['a' ... 'z'] = T | V | P | H,
    ['{'] = V,
    ['|'] = T | V,
    ['}'] = V,
    ['~'] = T | V | P | H,
    [0x80 ... 0xff] = V,
};

#undef T
#undef V
#undef P
#undef H

static uint8_t lower_case(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c | 0x20 : c;
}

bool http_equals(const uint8_t *p, size_t len, const char *lower)
{
    size_t i = 0;
    for (; i < len && lower[i]; i++)
        if (lower_case(p[i]) != (uint8_t)lower[i])
            return false;
    return i == len && !lower[i];
}

bool http_same(const uint8_t *a, const uint8_t *b, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (lower_case(a[i]) != lower_case(b[i]))
            return false;
    return true;
}

static bool blank(uint8_t c)
{
    return c == ' ' || c == '\t';
}

void http_strip(const uint8_t *p, size_t *begin, size_t *end)
{
    while (*begin < *end && blank(p[*begin]))
        ++*begin;
    while (*end > *begin && blank(p[*end - 1]))
        --*end;
}

bool http_list_next(const uint8_t *p, size_t len, size_t *at, const uint8_t **element, size_t *element_length)
{
    while (*at < len) {
        size_t begin = *at, end = begin;
        while (end < len && p[end] != ',')
            end++;
        *at = end + (end < len);
        http_strip(p, &begin, &end);
        if (begin < end) {
            *element = p + begin;
            *element_length = end - begin;
            return true;
        }
    }
    return false;
}
