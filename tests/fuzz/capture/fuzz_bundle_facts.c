/*
 * Any bytes as the configuration in a bundle: what is taken is written and read again to the same.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "dataplane/capture/facts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct worker_config first = {0}, second = {0};
    char why[256] = "";
    json_t *j = json_loadb((const char *)data, size, JSON_ALLOW_NUL, NULL);
    if (!j)
        return 0;
    if (facts_config_read(j, &first, why)) {
        json_t *again = facts_config(&first);
        if (!facts_config_read(again, &second, why) || memcmp(&first, &second, sizeof first))
            abort();
        json_decref(again);
    } else if (!why[0] || !memchr(why, 0, sizeof why)) {
        abort();
    }
    json_decref(j);
    return 0;
}
