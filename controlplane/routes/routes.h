/*
 * The table of prefixes (route.h), as the operator and the configuration want it. A change is made in a copy
 * of the active table and published as soon as every worker has left the inactive one; whoever asked is
 * answered then. The table in the region is what is true: it outlives this process.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_ROUTES_H
#define VOXPOP_ROUTES_H

#include "controlplane/region_link.h"

struct route_change {
    uint8_t prefix[16]; /* IPv4 as ::ffff:a.b.c.d */
    unsigned length;    /* bits of all 128 */
    bool remove;
    struct route_hop hop;
};

/* `error`: NULL when it is in force. */
typedef void route_done_fn(void *ctx, const char *error);

struct route_wish {
    struct route_change change;
    route_done_fn *done;
    void *ctx;
};

struct routes {
    struct route_tables *tables;
    struct route_wish *wishes;
    size_t count, capacity;
};

void routes_open(struct routes *r, struct region_link *l);
/* Wishes that were not carried out are dropped, unanswered. */
void routes_close(struct routes *r);

/* done may be NULL. */
void routes_wish(struct routes *r, const struct route_change *change, route_done_fn *done, void *ctx);
/* Not within a transaction. Carries out all wishes in one publication; does nothing while a worker is behind.
 */
void routes_flush(struct routes *r, struct region_link *l);

/* The table in force: for lists. */
static inline const struct route_table *routes_active(const struct routes *r)
{
    return &r->tables->table[route_active(&r->tables->swap)];
}

/* "198.18.0.0/16" or "fd00::/8" of a prefix, "198.18.0.1" of a host's length when `host`. */
#define ROUTE_TEXT_MAX 64
void route_text(char text[ROUTE_TEXT_MAX], const uint8_t address[16], unsigned length, bool host);

#endif
