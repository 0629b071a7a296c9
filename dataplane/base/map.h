/*
 * A hash map of 64-bit keys to 64-bit values on the heap: for what can be made again from the region (indices by key). Open
 * addressing; grows; key 0 is not allowed.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_BASE_MAP_H
#define VOXPOP_BASE_MAP_H

#include <stdbool.h>
#include <stdint.h>

struct map {
    struct map_entry {
        uint64_t key, value;
    } *entry;
    uint64_t slots; /* a power of two */
    uint64_t used;
};

bool map_init(struct map *m, uint64_t expected); /* false: no memory */
void map_free(struct map *m);
bool map_put(struct map *m, uint64_t key, uint64_t value); /* replaces; false: no memory */
bool map_get(const struct map *m, uint64_t key, uint64_t *value);
/* Brings into the cache what map_get of this key will look at first. */
void map_prefetch(const struct map *m, uint64_t key);
bool map_remove(struct map *m, uint64_t key); /* false: was not there */

#endif
