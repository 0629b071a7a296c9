/*
 * Neighbour discovery: what parses, emitted and parsed again, is the same message. The input is a frame with
 * a plain IPv6 header.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "dataplane/net/nd.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct nd_envelope ip = {.hop_limit = 255};
    struct nd_message m = {0}, again = {0};
    uint8_t bytes[ND_LEN_WITH_MAC];
    if (len < 54)
        return 0;
    memcpy(ip.source, data + 22, 16);
    memcpy(ip.destination, data + 38, 16);
    if (nd_parse(data + 54, len - 54, &ip, &m))
        return 0;
    size_t emitted = nd_emit(bytes, &ip, &m);
    if (nd_parse(bytes, emitted, &ip, &again))
        abort();
    if (m.is_solicit != again.is_solicit || m.router != again.router || m.solicited != again.solicited ||
        m.override != again.override || m.has_mac != again.has_mac ||
        memcmp(m.target, again.target, 16) != 0 || (m.has_mac && memcmp(m.mac, again.mac, 6) != 0))
        abort();
    return 0;
}
