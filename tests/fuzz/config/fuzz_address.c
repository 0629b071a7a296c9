/*
 * Any text as an address, a prefix and a host: a prefix has no bits behind its length, a host is a prefix of
 * full length, and an address is whatever either takes.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t host[16], prefix[16], address[16], masked[16];
    unsigned prefix_bits = 0, address_bits = 0;
    char *text = malloc(size + 1);
    if (!text)
        return 0;
    memcpy(text, data, size);
    text[size] = 0;
    bool is_host = config_host(text, host), is_prefix = config_prefix(text, prefix, &prefix_bits),
         is_address = config_address(text, address, &address_bits);
    free(text);
    if ((is_host || is_prefix) && !is_address)
        abort();
    if (is_address && address_bits > 128)
        abort();
    if (is_prefix) {
        route_mask(masked, prefix, prefix_bits);
        if (prefix_bits > 128 || memcmp(masked, prefix, 16) || memcmp(prefix, address, 16))
            abort();
    }
    if (is_host && (!is_prefix || prefix_bits != 128 || memcmp(host, prefix, 16)))
        abort();
    return 0;
}
