/*
 * Any bytes as a bundle's inputs: entries follow one another within the file, and where it ends within one is
 * said.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>

#include "dataplane/capture/bundle.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bundle *b = aligned_alloc(64, (sizeof *b + 63) & ~(size_t)63);
    uint8_t *inputs = aligned_alloc(8, (size + 7) & ~(size_t)7);
    uint64_t at = 0, before = 0, sum = 0;
    const struct capture_entry *e;
    bool whole;
    if (!b || !inputs)
        abort();
    memcpy(inputs, data, size);
    b->inputs = inputs;
    b->inputs_size = size;
    while ((e = bundle_next(b, &at, &whole))) {
        if ((const uint8_t *)e != inputs + before || at < before + sizeof *e + e->length || at > size)
            abort();
        for (uint32_t i = 0; i < e->length; i++)
            sum += ((const uint8_t *)(e + 1))[i];
        before = at;
    }
    if (whole != (at == size) || sum > 255 * size)
        abort();
    free(inputs);
    free(b);
    return 0;
}
