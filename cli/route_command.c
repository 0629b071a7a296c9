/*
 * voxpop route list: the table that the workers use now, from the region.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>

#include "cli/facts.h"
#include "cli/place.h"
#include "cli/show.h"

static json_t *row(const struct route_table *t, const struct route_prefix *p)
{
    static const uint8_t none[16];
    const struct route_hop *hop = &t->hop[p->hop % ROUTE_HOPS_MAX];
    bool is4 = route_is4(p->prefix) && p->length >= 96;
    char address[64], prefix[80], via[64] = "link";
    snprintf(prefix, sizeof prefix, "%s/%d", facts_address(p->prefix, -1, address),
             p->length - (is4 ? 96 : 0));
    if (memcmp(hop->gateway, none, 16) != 0)
        facts_address(hop->gateway, -1, via);
    return json_pack("{s:s, s:s, s:I, s:I}", "prefix", prefix, "via", via, "port", (json_int_t)hop->port,
                     "mtu", (json_int_t)hop->mtu);
}

/* Longest prefixes first, IPv4 before IPv6: the order they are matched in. */
static int compare(const void *a, const void *b)
{
    const struct route_prefix *x = *(const struct route_prefix *const *)a,
                              *y = *(const struct route_prefix *const *)b;
    int family = route_is4(y->prefix) - route_is4(x->prefix);
    if (family || x->length != y->length)
        return family ? family : y->length - x->length;
    return memcmp(x->prefix, y->prefix, 16);
}

static json_t *table_json(const struct route_table *t)
{
    const struct route_prefix **sorted = malloc(ROUTE_SLOTS * sizeof(const struct route_prefix *));
    json_t *list = json_array();
    size_t count = 0;
    for (uint32_t i = 0; sorted && i < ROUTE_SLOTS; i++)
        if (t->slot[i].used)
            sorted[count++] = &t->slot[i];
    if (sorted)
        qsort(sorted, count, sizeof *sorted, compare);
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, row(t, sorted[i]));
    free(sorted);
    return list;
}

int run_route_list(const struct invocation *i)
{
    struct region r;
    int code = place_attach(i, &r);
    if (code)
        return code;
    const struct route_tables *tables = region_section(&r, SECTION_ROUTES);
    struct route_table *copy = malloc(sizeof *copy);
    uint64_t before, after;
    /* A copy is of one generation if the generation is the same afterwards: the writer writes the other half.
     */
    do {
        before = atomic_load(&tables->swap.generation);
        if (copy)
            memcpy(copy, &tables->table[before & 1], sizeof *copy);
        after = atomic_load(&tables->swap.generation);
    } while (copy && before != after);
    code = show_value(i, copy ? table_json(copy) : NULL);
    free(copy);
    region_detach(&r);
    return code;
}
