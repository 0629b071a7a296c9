/*
 * Addresses and prefixes as the configuration and the operator write them; see config.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "config/config.h"

#include <arpa/inet.h>
#include <string.h>

/* "/bits" at the end: 0 to `max`, decimal, no leading zeros. -1: malformed. */
static int bits_of(const char *text, unsigned max)
{
    unsigned bits = 0;
    if (!*text || strlen(text) > 3 || (text[0] == '0' && text[1]))
        return -1;
    for (; *text; text++) {
        if (*text < '0' || *text > '9')
            return -1;
        bits = bits * 10 + (unsigned)(*text - '0');
    }
    return bits <= max ? (int)bits : -1;
}

/* *bits: -1 when there are none. */
static bool parse(const char *text, uint8_t address[16], int *bits, bool *is4)
{
    char host[CONFIG_NAME_MAX];
    const char *slash = strchr(text, '/');
    size_t length = slash ? (size_t)(slash - text) : strlen(text);
    uint8_t raw[16];
    if (length >= sizeof host)
        return false;
    memcpy(host, text, length);
    host[length] = 0;
    *bits = -1;
    *is4 = inet_pton(AF_INET, host, raw) == 1;
    if (!*is4 && inet_pton(AF_INET6, host, raw) != 1)
        return false;
    if (slash && (*bits = bits_of(slash + 1, *is4 ? 32 : 128)) < 0)
        return false;
    if (*is4) {
        memset(address, 0, 10);
        memset(address + 10, 0xff, 2);
        memcpy(address + 12, raw, 4);
    } else {
        memcpy(address, raw, 16);
    }
    return true;
}

bool config_address(const char *text, uint8_t address[16], unsigned *bits)
{
    int given;
    bool is4;
    uint8_t got[16];
    if (!parse(text, got, &given, &is4))
        return false;
    memcpy(address, got, 16);
    *bits = given < 0 ? (is4 ? 120 : 64) : (unsigned)given + (is4 ? 96 : 0);
    return true;
}

bool config_prefix(const char *text, uint8_t prefix[16], unsigned *bits)
{
    int given;
    bool is4;
    uint8_t got[16], masked[16];
    if (!parse(text, got, &given, &is4))
        return false;
    unsigned n = given < 0 ? 128 : (unsigned)given + (is4 ? 96 : 0);
    route_mask(masked, got, n);
    if (memcmp(masked, got, 16) != 0)
        return false;
    memcpy(prefix, got, 16);
    *bits = n;
    return true;
}

bool config_host(const char *text, uint8_t address[16])
{
    unsigned bits;
    return !strchr(text, '/') && config_address(text, address, &bits);
}
