/*
 * A map from non-zero 64-bit keys to 64-bit values on the heap: open addressing, linear probing, deletion by
 * shifting back. All zero is an empty map. Out of memory: abort.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_INDEX_MAP_H
#define VOXPOP_INDEX_MAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INDEX_NONE UINT64_MAX

struct index_slot {
    uint64_t key; /* 0: empty */
    uint64_t value;
};

struct index_map {
    struct index_slot *slots;
    size_t size; /* a power of two, or 0 */
    size_t count;
};

/* INDEX_NONE: not there. */
uint64_t index_map_get(const struct index_map *m, uint64_t key);
void index_map_put(struct index_map *m, uint64_t key, uint64_t value);
/* What was there, or INDEX_NONE. */
uint64_t index_map_remove(struct index_map *m, uint64_t key);
void index_map_free(struct index_map *m);

static inline void *index_map_pointer(const struct index_map *m, uint64_t key)
{
    uint64_t v = index_map_get(m, key);
    return v == INDEX_NONE ? NULL : (void *)(uintptr_t)v;
}

/* Visits every slot in use, in no order: for (size_t at = 0; (s = index_map_next(m, &at));) */
static inline const struct index_slot *index_map_next(const struct index_map *m, size_t *at)
{
    while (*at < m->size) {
        const struct index_slot *s = &m->slots[(*at)++];
        if (s->key)
            return s;
    }
    return NULL;
}

#endif
