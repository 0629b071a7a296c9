/*
 * ARP: what parses is emitted again byte for byte. The input is a frame, as in the other targets.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "dataplane/net/arp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct arp_message m;
    uint8_t again[ARP_LEN];
    if (len < 14 || arp_parse(data + 14, len - 14, &m))
        return 0;
    arp_emit(again, &m);
    if (memcmp(again, data + 14, ARP_LEN) != 0)
        abort();
    return 0;
}
