/*
 * The map of index_map.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/index_map.h"

#include <stdlib.h>

static size_t home_of(const struct index_map *m, uint64_t key)
{
    key ^= key >> 32;
    key *= 0xd6e8feb86659fd93u;
    key ^= key >> 32;
    return key & (m->size - 1);
}

static size_t slot_of(const struct index_map *m, uint64_t key)
{
    size_t i = home_of(m, key);
    while (m->slots[i].key && m->slots[i].key != key)
        i = (i + 1) & (m->size - 1);
    return i;
}

uint64_t index_map_get(const struct index_map *m, uint64_t key)
{
    if (!m->size || !key)
        return INDEX_NONE;
    const struct index_slot *s = &m->slots[slot_of(m, key)];
    return s->key ? s->value : INDEX_NONE;
}

static void grow(struct index_map *m)
{
    struct index_map bigger = {.size = m->size ? m->size * 2 : 16, .count = m->count};
    bigger.slots = calloc(bigger.size, sizeof *bigger.slots);
    if (!bigger.slots)
        abort();
    for (size_t i = 0; i < m->size; i++)
        if (m->slots[i].key)
            bigger.slots[slot_of(&bigger, m->slots[i].key)] = m->slots[i];
    free(m->slots);
    *m = bigger;
}

void index_map_put(struct index_map *m, uint64_t key, uint64_t value)
{
    if (!key)
        return;
    if ((m->count + 1) * 4 > m->size * 3)
        grow(m);
    struct index_slot *s = &m->slots[slot_of(m, key)];
    m->count += !s->key;
    *s = (struct index_slot){key, value};
}

uint64_t index_map_remove(struct index_map *m, uint64_t key)
{
    if (!m->size || !key)
        return INDEX_NONE;
    size_t mask = m->size - 1, hole = slot_of(m, key);
    if (!m->slots[hole].key)
        return INDEX_NONE;
    uint64_t was = m->slots[hole].value;
    m->count--;
    for (size_t i = (hole + 1) & mask; m->slots[i].key; i = (i + 1) & mask) {
        /* It may move into the hole unless its home lies cyclically in (hole, i]. */
        if (((i - home_of(m, m->slots[i].key)) & mask) >= ((i - hole) & mask)) {
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct index_slot){0};
    return was;
}

void index_map_free(struct index_map *m)
{
    free(m->slots);
    *m = (struct index_map){0};
}
