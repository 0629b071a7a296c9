/*
 * Any bytes as a configuration file. What is refused is told in whole lines that begin with the file's name;
 * what is taken is taken the same way twice.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <string.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct config first, second;
    static char why[CONFIG_WHY_MAX];
    memset(why, 'x', sizeof why);
    if (config_parse(&first, "f.yaml", (const char *)data, size, why)) {
        if (!config_parse(&second, "f.yaml", (const char *)data, size, why) ||
            memcmp(&first, &second, sizeof first))
            abort();
        return 0;
    }
    size_t length = strnlen(why, sizeof why);
    if (length == 0 || length == sizeof why || strncmp(why, "f.yaml:", 7) != 0)
        abort();
    return 0;
}
