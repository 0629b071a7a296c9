/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/conn_table.h"

#include <stdlib.h>

#include "dataplane/base/siphash.h"

static const struct tcp_tuple *tuple_of(const struct conn_table *t, uint32_t index)
{
    return &((const struct connection *)pool_at(t->pool, index))->tcp.tuple;
}

static uint32_t home_of(const struct conn_table *t, const struct tcp_tuple *tuple)
{
    return (uint32_t)siphash24(t->key, tuple, sizeof *tuple) & t->mask;
}

bool conn_table_init(struct conn_table *t, const struct pool *connections, const uint8_t key[16])
{
    uint32_t slots = 64;
    while (slots < 2 * connections->capacity)
        slots *= 2;
    t->slot = malloc(slots * sizeof *t->slot);
    t->mask = slots - 1;
    t->pool = connections;
    memcpy(t->key, key, sizeof t->key);
    for (uint32_t i = 0; t->slot && i < slots; i++)
        t->slot[i] = UINT32_MAX;
    return t->slot != NULL;
}

void conn_table_free(struct conn_table *t)
{
    free(t->slot);
    t->slot = NULL;
}

static uint32_t locate(const struct conn_table *t, const struct tcp_tuple *tuple)
{
    uint32_t at = home_of(t, tuple);
    while (t->slot[at] != UINT32_MAX && memcmp(tuple_of(t, t->slot[at]), tuple, sizeof *tuple))
        at = (at + 1) & t->mask;
    return at;
}

uint32_t conn_table_find(const struct conn_table *t, const struct tcp_tuple *tuple)
{
    return t->slot[locate(t, tuple)];
}

uint32_t conn_table_place(const struct conn_table *t, const struct tcp_tuple *tuple)
{
    uint32_t place = home_of(t, tuple);
    __builtin_prefetch(&t->slot[place]);
    return place;
}

uint32_t conn_table_at(const struct conn_table *t, uint32_t place)
{
    return t->slot[place];
}

void conn_table_add(struct conn_table *t, uint32_t index)
{
    t->slot[locate(t, tuple_of(t, index))] = index;
}

void conn_table_remove(struct conn_table *t, uint32_t index)
{
    uint32_t gap = locate(t, tuple_of(t, index));
    if (t->slot[gap] != index)
        return;
    for (uint32_t at = (gap + 1) & t->mask; t->slot[at] != UINT32_MAX; at = (at + 1) & t->mask) {
        uint32_t home = home_of(t, tuple_of(t, t->slot[at]));
        if (((at - home) & t->mask) >= ((at - gap) & t->mask)) {
            t->slot[gap] = t->slot[at];
            gap = at;
        }
    }
    t->slot[gap] = UINT32_MAX;
}
