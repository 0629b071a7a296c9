/*
 * The table of prefixes; see routes.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/routes/routes.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

void routes_open(struct routes *r, struct region_link *l)
{
    *r = (struct routes){.tables = region_section(l->region, SECTION_ROUTES)};
}

void routes_close(struct routes *r)
{
    free(r->wishes);
    *r = (struct routes){0};
}

void routes_wish(struct routes *r, const struct route_change *change, route_done_fn *done, void *ctx)
{
    if (r->count == r->capacity) {
        r->capacity = r->capacity ? r->capacity * 2 : 16;
        r->wishes = realloc(r->wishes, r->capacity * sizeof *r->wishes);
        if (!r->wishes)
            abort();
    }
    r->wishes[r->count++] = (struct route_wish){*change, done, ctx};
}

static bool remove_prefix(struct route_table *t, const struct route_change *c)
{
    uint8_t masked[16];
    route_mask(masked, c->prefix, c->length);
    if (!t->slot[route_slot(t, masked, c->length)].used)
        return false;
    /* Open addressing has no hole to leave: the others are entered anew. */
    struct route_table *was = malloc(sizeof *was);
    if (!was)
        abort();
    memcpy(was, t, sizeof *was);
    route_table_clear(t);
    for (uint32_t i = 0; i < ROUTE_SLOTS; i++) {
        const struct route_prefix *p = &was->slot[i];
        if (p->used && (p->length != c->length || memcmp(p->prefix, masked, 16) != 0))
            route_add(t, p->prefix, p->length, &was->hop[p->hop]);
    }
    free(was);
    return true;
}

static const char *carry_out(struct route_table *t, const struct route_change *c)
{
    if (c->remove)
        return remove_prefix(t, c) ? NULL : "no such route";
    return route_add(t, c->prefix, c->length, &c->hop) ? NULL : "the table of routes is full";
}

void routes_flush(struct routes *r, struct region_link *l)
{
    unsigned half;
    if (!r->count || !route_write(&r->tables->swap, &half))
        return;
    size_t count = r->count;
    const char **errors = calloc(count, sizeof *errors);
    if (!errors)
        abort();
    memcpy(&r->tables->table[half], &r->tables->table[half ^ 1], sizeof r->tables->table[half]);
    for (size_t i = 0; i < count; i++)
        errors[i] = carry_out(&r->tables->table[half], &r->wishes[i].change);
    link_begin(l);
    route_publish(&r->tables->swap, &l->txn);
    link_end(l);
    for (size_t i = 0; i < count; i++)
        if (r->wishes[i].done)
            r->wishes[i].done(r->wishes[i].ctx, errors[i]);
    free(errors);
    r->count -= count;
    memmove(r->wishes, r->wishes + count, r->count * sizeof *r->wishes);
}

void route_text(char text[ROUTE_TEXT_MAX], const uint8_t address[16], unsigned length, bool host)
{
    char ip[INET6_ADDRSTRLEN];
    bool four = route_is4(address) && length >= 96;
    inet_ntop(four ? AF_INET : AF_INET6, four ? address + 12 : address, ip, sizeof ip);
    if (host)
        snprintf(text, ROUTE_TEXT_MAX, "%s", ip);
    else
        snprintf(text, ROUTE_TEXT_MAX, "%s/%u", ip, four ? length - 96 : length);
}
