/*
 * The map of ids: see id_map.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/guilds/id_map.h"

#include <stdlib.h>

/* Snowflakes of one guild differ in their low and middle bits: multiply, take the high half. */
static size_t id_map_home(const struct id_map *m, uint64_t id)
{
    return (size_t)((id * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (m->size - 1);
}

/* The slot of the id, or the empty one where it belongs. The map has slots. */
static struct id_slot *id_map_slot(const struct id_map *m, uint64_t id)
{
    size_t i = id_map_home(m, id);
    while (m->slots[i].id && m->slots[i].id != id)
        i = (i + 1) & (m->size - 1);
    return &m->slots[i];
}

static void id_map_grow(struct id_map *m)
{
    struct id_map wide = {.size = m->size ? m->size * 2 : 8, .count = m->count};
    wide.slots = calloc(wide.size, sizeof *wide.slots);
    if (!wide.slots)
        abort();
    for (size_t i = 0; i < m->size; i++)
        if (m->slots[i].id)
            *id_map_slot(&wide, m->slots[i].id) = m->slots[i];
    free(m->slots);
    *m = wide;
}

void *id_map_get(const struct id_map *m, uint64_t id)
{
    return m->size && id ? id_map_slot(m, id)->value : NULL;
}

void *id_map_put(struct id_map *m, uint64_t id, void *value)
{
    if ((m->count + 1) * 4 > m->size * 3)
        id_map_grow(m);
    struct id_slot *s = id_map_slot(m, id);
    void *was = s->value;
    m->count += s->id == 0;
    *s = (struct id_slot){id, value};
    return was;
}

void *id_map_remove(struct id_map *m, uint64_t id)
{
    if (!m->size || !id)
        return NULL;
    struct id_slot *s = id_map_slot(m, id);
    void *was = s->value;
    if (!s->id)
        return NULL;
    m->count--;
    size_t hole = (size_t)(s - m->slots), mask = m->size - 1;
    for (size_t i = (hole + 1) & mask; m->slots[i].id; i = (i + 1) & mask) {
        size_t home = id_map_home(m, m->slots[i].id);
        if (((i - home) & mask) >= ((i - hole) & mask)) { /* it may stand in the hole */
            m->slots[hole] = m->slots[i];
            hole = i;
        }
    }
    m->slots[hole] = (struct id_slot){0};
    return was;
}

void id_map_free(struct id_map *m)
{
    free(m->slots);
    *m = (struct id_map){0};
}
