/*
 * Writers of maps; see maps.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/routes/maps.h"

#include <stdlib.h>

struct map_writer *map_writer_open(struct route_map *map)
{
    struct map_writer *w = calloc(1, sizeof *w);
    if (!w)
        abort();
    w->map = map;
    return w;
}

void map_writer_close(struct map_writer *w)
{
    if (!w)
        return;
    free(w->wanted.list);
    free(w->missed.list);
    free(w);
}

static void want(struct map_writer *w, uint64_t key, uint64_t value)
{
    struct map_changes *c = &w->wanted;
    if (c->count == c->capacity) {
        c->capacity = c->capacity ? c->capacity * 2 : 64;
        c->list = realloc(c->list, c->capacity * sizeof *c->list);
        if (!c->list)
            abort();
    }
    c->list[c->count++] = (struct map_change){key, value};
}

void map_put(struct map_writer *w, uint64_t key, uint64_t value)
{
    if (w)
        want(w, key, value);
}

void map_remove(struct map_writer *w, uint64_t key)
{
    if (w)
        want(w, key, UINT64_MAX);
}

static void carry_out(struct map_writer *w, unsigned half, const struct map_changes *c)
{
    for (size_t i = 0; i < c->count; i++) {
        if (c->list[i].value == UINT64_MAX)
            route_map_remove(w->map, half, c->list[i].key);
        else if (!route_map_put(w->map, half, c->list[i].key, c->list[i].value))
            w->refused++;
    }
}

bool map_flush(struct map_writer *w, struct region_link *l)
{
    unsigned half;
    if (!w->wanted.count && w->round != MAP_FILL)
        return true;
    if (!route_write(&w->map->swap, &half))
        return false;
    if (w->round == MAP_FILL)
        route_map_clear(w->map, half);
    else if (w->round == MAP_COPY)
        route_map_copy(w->map, half);
    else
        carry_out(w, half, &w->missed);
    carry_out(w, half, &w->wanted);
    link_begin(l);
    route_publish(&w->map->swap, &l->txn);
    link_end(l);
    w->round = w->round == MAP_FILL ? MAP_COPY : MAP_FOLLOW;
    struct map_changes was = w->missed;
    w->missed = w->wanted;
    w->wanted = (struct map_changes){.list = was.list, .capacity = was.capacity};
    return true;
}
