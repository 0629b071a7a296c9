/*
 * The order of a member list; see list_order.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/presence/list_order.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static int compare(const struct list_entry *a, const struct list_entry *b)
{
    if (a->group != b->group)
        return a->group < b->group ? -1 : 1;
    int names = strcmp(a->name, b->name);
    return names ? names : a->user_id < b->user_id ? -1 : a->user_id > b->user_id;
}

/* Where the entry is, or would be. */
static size_t place_of(const struct list_order *o, const struct list_entry *e)
{
    size_t low = 0, high = o->count;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (compare(o->entries[mid], e) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static void take_out(struct list_order *o, struct list_entry *e)
{
    size_t at = place_of(o, e);
    o->count--;
    memmove(o->entries + at, o->entries + at + 1, (o->count - at) * sizeof(struct list_entry *));
}

static void put_in(struct list_order *o, struct list_entry *e)
{
    if (o->count == o->capacity) {
        o->capacity = o->capacity ? o->capacity * 2 : 64;
        o->entries = realloc(o->entries, o->capacity * sizeof(struct list_entry *));
        if (!o->entries)
            abort();
    }
    size_t at = place_of(o, e);
    memmove(o->entries + at + 1, o->entries + at, (o->count - at) * sizeof(struct list_entry *));
    o->entries[at] = e;
    o->count++;
}

bool list_order_set(struct list_order *o, uint64_t user_id, bool in, uint32_t group, const char *name)
{
    struct list_entry now = {.user_id = user_id, .group = group},
                      *e = index_map_pointer(&o->by_user, user_id);
    for (size_t i = 0; in && name[i] && i + 1 < LIST_NAME_MAX; i++)
        now.name[i] = (char)tolower((unsigned char)name[i]);
    if (e ? in && compare(e, &now) == 0 : !in)
        return false;
    if (e)
        take_out(o, e);
    if (!in) {
        index_map_remove(&o->by_user, user_id);
        free(e);
        return true;
    }
    if (!e) {
        if (!(e = malloc(sizeof *e)))
            abort();
        index_map_put(&o->by_user, user_id, (uint64_t)(uintptr_t)e);
    }
    *e = now;
    put_in(o, e);
    return true;
}

size_t list_order_above(const struct list_order *o, uint32_t group)
{
    return place_of(o, &(struct list_entry){.group = group});
}

void list_order_free(struct list_order *o)
{
    for (size_t i = 0; i < o->count; i++)
        free(o->entries[i]);
    free(o->entries);
    index_map_free(&o->by_user);
    *o = (struct list_order){0};
}
