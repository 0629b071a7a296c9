/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/base/map.h"

#include <stdlib.h>

static uint64_t slot_of(const struct map *m, uint64_t key)
{
    key ^= key >> 32;
    key *= 0x9e3779b97f4a7c15ull;
    key ^= key >> 29;
    return key & (m->slots - 1);
}

bool map_init(struct map *m, uint64_t expected)
{
    m->slots = 64;
    while (m->slots < 2 * expected)
        m->slots *= 2;
    m->used = 0;
    m->entry = calloc(m->slots, sizeof *m->entry);
    return m->entry != NULL;
}

void map_free(struct map *m)
{
    free(m->entry);
    m->entry = NULL;
}

void map_prefetch(const struct map *m, uint64_t key)
{
    __builtin_prefetch(&m->entry[slot_of(m, key)]);
    __asm__ volatile(""); /* or gcc takes this for a function without effect */
}

static struct map_entry *find(const struct map *m, uint64_t key)
{
    uint64_t at = slot_of(m, key);
    while (m->entry[at].key && m->entry[at].key != key)
        at = (at + 1) & (m->slots - 1);
    return &m->entry[at];
}

static bool grow(struct map *m)
{
    struct map bigger = {calloc(2 * m->slots, sizeof *bigger.entry), 2 * m->slots, m->used};
    if (!bigger.entry)
        return false;
    for (uint64_t i = 0; i < m->slots; i++)
        if (m->entry[i].key)
            *find(&bigger, m->entry[i].key) = m->entry[i];
    free(m->entry);
    *m = bigger;
    return true;
}

bool map_put(struct map *m, uint64_t key, uint64_t value)
{
    if (2 * (m->used + 1) > m->slots && !grow(m))
        return false;
    struct map_entry *e = find(m, key);
    if (!e->key)
        m->used++;
    *e = (struct map_entry){key, value};
    return true;
}

bool map_get(const struct map *m, uint64_t key, uint64_t *value)
{
    const struct map_entry *e = find(m, key);
    if (e->key)
        *value = e->value;
    return e->key != 0;
}

/* Closes the gap behind the removed entry, so that no search ends early (Knuth, volume 3, 6.4, algorithm R). */
bool map_remove(struct map *m, uint64_t key)
{
    struct map_entry *e = find(m, key);
    if (!e->key)
        return false;
    uint64_t gap = (uint64_t)(e - m->entry), mask = m->slots - 1;
    for (uint64_t at = (gap + 1) & mask; m->entry[at].key; at = (at + 1) & mask) {
        uint64_t home = slot_of(m, m->entry[at].key);
        if (((at - home) & mask) >= ((at - gap) & mask)) {
            m->entry[gap] = m->entry[at];
            gap = at;
        }
    }
    m->entry[gap] = (struct map_entry){0, 0};
    m->used--;
    return true;
}
