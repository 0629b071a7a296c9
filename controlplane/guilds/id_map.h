/*
 * A map from 64-bit ids to pointers: open addressing, linear probing, deletion by shifting back. Id 0 is not
 * a key. Grows by doubling at 3/4 full; owns its slots, not what they point to. All zero is an empty map.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_ID_MAP_H
#define VOXPOP_ID_MAP_H

#include <stddef.h>
#include <stdint.h>

struct id_slot {
    uint64_t id; /* 0: empty */
    void *value;
};

struct id_map {
    struct id_slot *slots;
    size_t size; /* a power of two, or 0 */
    size_t count;
};

void *id_map_get(const struct id_map *m, uint64_t id);
/* Puts or replaces; returns what was there. */
void *id_map_put(struct id_map *m, uint64_t id, void *value);
/* Returns what was there. */
void *id_map_remove(struct id_map *m, uint64_t id);
void id_map_free(struct id_map *m);

/* for (size_t i = 0; (v = id_map_next(m, &i));) visits every value, in no order. */
static inline void *id_map_next(const struct id_map *m, size_t *at)
{
    while (*at < m->size) {
        const struct id_slot *s = &m->slots[(*at)++];
        if (s->id)
            return s->value;
    }
    return NULL;
}

#endif
