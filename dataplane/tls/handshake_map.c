/*
 * Handshakes by handle.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tls/handshake_map.h"
#include <stdlib.h>

bool handshake_map_init(struct handshake_map *m, uint32_t used_max)
{
    uint32_t size = 2;
    while (size < 2 * used_max)
        size *= 2;
    *m = (struct handshake_map){calloc(size, sizeof *m->entries), size, 0, used_max};
    return m->entries != NULL;
}

void handshake_map_destroy(struct handshake_map *m)
{
    for (uint32_t i = 0; m->entries && i < m->size; i++)
        tls_handshake_free(m->entries[i].handshake);
    free(m->entries);
    m->entries = NULL;
}

static uint32_t home(const struct handshake_map *m, uint64_t handle)
{
    return (uint32_t)((handle * 0x9e3779b97f4a7c15u) >> 32) & (m->size - 1);
}

/* The entry of the handle, or the free one where it would go. */
static uint32_t slot(const struct handshake_map *m, uint64_t handle)
{
    uint32_t i = home(m, handle);
    while (m->entries[i].handshake && m->entries[i].handle != handle)
        i = (i + 1) & (m->size - 1);
    return i;
}

struct tls_handshake *handshake_map_find(const struct handshake_map *m, uint64_t handle)
{
    return m->entries[slot(m, handle)].handshake;
}

bool handshake_map_add(struct handshake_map *m, uint64_t handle, struct tls_handshake *h)
{
    if (m->used == m->used_max)
        return false;
    m->entries[slot(m, handle)] = (struct handshake_entry){handle, h};
    m->used++;
    return true;
}

struct tls_handshake *handshake_map_remove(struct handshake_map *m, uint64_t handle)
{
    uint32_t hole = slot(m, handle), mask = m->size - 1;
    struct tls_handshake *h = m->entries[hole].handshake;
    if (!h)
        return NULL;
    for (uint32_t i = (hole + 1) & mask; m->entries[i].handshake; i = (i + 1) & mask) {
        /* An entry may move into the hole unless its home lies behind the hole. */
        if (((i - home(m, m->entries[i].handle)) & mask) >= ((i - hole) & mask)) {
            m->entries[hole] = m->entries[i];
            hole = i;
        }
    }
    m->entries[hole].handshake = NULL;
    m->used--;
    return h;
}
