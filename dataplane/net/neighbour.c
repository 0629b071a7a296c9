/*
 * Neighbours: see neighbour.h.
 *
 * A set of ROUTE_NEIGHBOUR_WAYS entries per hash: no chains, nothing to repair after a kill. An entry's
 * `state` is stored last, and a MAC is one store.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/net/neighbour.h"
#include "dataplane/net/arp.h"
#include "dataplane/net/nd.h"

static enum route_neighbour_state state_of(const struct route_neighbour *e)
{
    return (enum route_neighbour_state)atomic_load_explicit(&e->state, memory_order_relaxed);
}

/* The one function that assigns `state`. */
static void enter(struct route_neighbour *e, enum route_neighbour_state state)
{
    atomic_store_explicit(&e->state, state, memory_order_release);
}

static struct route_neighbour *set_of(struct route_neighbours *n, const uint8_t address[16])
{
    uint64_t half[2];
    memcpy(half, address, 16);
    uint64_t hash = route_mix(route_mix(half[0]) ^ half[1]);
    return &n->entry[hash % (ROUTE_NEIGHBOURS_MAX / ROUTE_NEIGHBOUR_WAYS) * ROUTE_NEIGHBOUR_WAYS];
}

static struct route_neighbour *find(struct route_neighbours *n, const uint8_t address[16])
{
    struct route_neighbour *set = set_of(n, address);
    for (unsigned i = 0; i < ROUTE_NEIGHBOUR_WAYS; i++)
        if (state_of(&set[i]) != ROUTE_NEIGHBOUR_FREE && memcmp(set[i].address, address, 16) == 0)
            return &set[i];
    return NULL;
}

static void due(struct route_neighbours *n, struct route_neighbour *e, uint64_t when_us)
{
    e->request_us = when_us;
    if (when_us < n->next_us || !n->asking)
        n->next_us = when_us;
    n->asking = 1;
}

/* May `a` rather be thrown out than `b`? Free ones first, then those that never answered, then the longest
 * unused. */
static bool is_less_wanted(const struct route_neighbour *a, const struct route_neighbour *b)
{
    unsigned ra = min_u64(state_of(a), ROUTE_NEIGHBOUR_REACHABLE),
             rb = min_u64(state_of(b), ROUTE_NEIGHBOUR_REACHABLE);
    return ra != rb ? ra < rb : a->used_us < b->used_us;
}

/* A new entry, in place of the one least wanted; not yet in a state. */
static struct route_neighbour *take(struct route_neighbours *n, const uint8_t address[16], uint64_t now_us)
{
    struct route_neighbour *set = set_of(n, address), *e = set;
    for (unsigned i = 1; i < ROUTE_NEIGHBOUR_WAYS; i++)
        if (is_less_wanted(&set[i], e))
            e = &set[i];
    n->evicted += state_of(e) != ROUTE_NEIGHBOUR_FREE;
    enter(e, ROUTE_NEIGHBOUR_FREE);
    memcpy(e->address, address, 16);
    atomic_store_explicit(&e->mac, 0, memory_order_relaxed);
    e->requests = 0;
    e->confirmed_us = 0;
    e->used_us = now_us;
    return e;
}

bool neighbour_lookup(struct route_neighbours *n, const uint8_t address[16], uint64_t now_us, uint8_t mac[6])
{
    struct route_neighbour *e = find(n, address);
    if (!e) {
        e = take(n, address, now_us);
        due(n, e, now_us);
        enter(e, ROUTE_NEIGHBOUR_INCOMPLETE);
        return false;
    }
    e->used_us = now_us;
    if (state_of(e) == ROUTE_NEIGHBOUR_INCOMPLETE)
        return false;
    if (state_of(e) == ROUTE_NEIGHBOUR_REACHABLE && now_us - e->confirmed_us >= NEIGHBOUR_REACHABLE_US) {
        due(n, e, now_us);
        enter(e, ROUTE_NEIGHBOUR_STALE);
    }
    uint64_t known = atomic_load_explicit(&e->mac, memory_order_relaxed);
    memcpy(mac, &known, 6);
    return true;
}

/* What a message says of an address. */
struct told {
    uint8_t address[16];
    uint64_t mac;
    uint32_t flags; /* enum told_flag */
};

enum told_flag {
    TOLD_CREATES = 1,   /* its sender asked for us, and is to be known */
    TOLD_ANSWERS = 2,   /* it may be the answer to a request */
    TOLD_OVERRIDES = 4, /* and a known MAC may change by it (RFC 4861 7.2.5) */
};

static void confirm(struct route_neighbours *n, struct route_neighbour *e, uint64_t mac, uint64_t now_us)
{
    uint64_t known = atomic_load_explicit(&e->mac, memory_order_relaxed);
    n->changed += known && known != mac;
    n->learned++;
    atomic_store_explicit(&e->mac, mac, memory_order_relaxed);
    e->confirmed_us = now_us;
    enter(e, ROUTE_NEIGHBOUR_REACHABLE);
    e->requests = 0;
}

/* Somebody says that it has moved: it is asked for, a second after the last request at the earliest. */
static void doubt(struct route_neighbours *n, struct route_neighbour *e, uint64_t now_us)
{
    if (state_of(e) != ROUTE_NEIGHBOUR_REACHABLE)
        return;
    due(n, e, max_u64(now_us, e->request_us));
    enter(e, ROUTE_NEIGHBOUR_STALE);
}

static void take_told(struct route_neighbours *n, const struct told *t, uint64_t now_us)
{
    struct route_neighbour *e = find(n, t->address);
    if (!e && !(t->flags & TOLD_CREATES))
        return;
    if (!e)
        e = take(n, t->address, now_us);
    uint64_t known = atomic_load_explicit(&e->mac, memory_order_relaxed);
    bool to_us = t->flags & (TOLD_CREATES | TOLD_ANSWERS), same = !known || known == t->mac;
    bool answer = t->flags & TOLD_ANSWERS && t->flags & TOLD_OVERRIDES && e->requests > 1;
    if (to_us && (same || answer))
        confirm(n, e, t->mac, now_us);
    else if (!same && t->flags & TOLD_OVERRIDES)
        doubt(n, e, now_us);
}

/* ---- what a message says ---- */

static bool told_by_nd(const struct net_packet *p, const struct net_addresses *ours, struct told *out)
{
    struct nd_message m;
    if (nd_of_packet(p, &m) || !m.has_mac)
        return false;
    memcpy(&out->mac, m.mac, 6);
    memcpy(out->address, m.is_solicit ? p->source : m.target, 16);
    if (m.is_solicit) {
        out->flags = TOLD_CREATES | TOLD_OVERRIDES;
        return net_addresses_has(ours, m.target) && net_source_is_sane(p->source);
    }
    /* One that may not override only confirms what is known, or fills in what is not. */
    bool to_us = net_addresses_has(ours, p->destination);
    out->flags = (to_us ? TOLD_ANSWERS : 0) | (m.override ? TOLD_OVERRIDES : 0);
    return to_us || m.override;
}

/* RFC 826: what is known is updated in any case; it is added only when the message is for us. Never our own
 * address. */
static bool told_by_arp(const struct net_packet *p, const struct net_addresses *ours, struct told *out)
{
    struct arp_message m;
    if (arp_parse(p->l4, p->l4_len, &m) || !net_source_is_sane(m.sender) || net_addresses_has(ours, m.sender))
        return false;
    bool to_us = net_addresses_has(ours, m.target), gratuitous = memcmp(m.sender, m.target, 16) == 0;
    memcpy(&out->mac, m.sender_mac, 6);
    memcpy(out->address, m.sender, 16);
    out->flags = TOLD_OVERRIDES;
    if (to_us)
        out->flags |= m.operation == ARP_REQUEST ? TOLD_CREATES : TOLD_ANSWERS;
    return to_us || gratuitous;
}

bool neighbour_learn(struct route_neighbours *n, const struct net_packet *p, const struct net_addresses *ours,
                     uint64_t now_us)
{
    struct told t = {0};
    if (p->class == NET_ND ? !told_by_nd(p, ours, &t) : p->class != NET_ARP || !told_by_arp(p, ours, &t))
        return false;
    take_told(n, &t, now_us);
    return !(t.flags & TOLD_CREATES);
}

/* The entry's request is due: to be sent (true), or given up. */
static bool ask(struct route_neighbours *n, struct route_neighbour *e, uint64_t now_us)
{
    if (e->requests == NEIGHBOUR_TRIES) {
        n->failed++;
        enter(e, ROUTE_NEIGHBOUR_FREE);
        return false;
    }
    e->requests++;
    e->request_us = now_us + NEIGHBOUR_RETRY_US;
    n->requests++;
    return true;
}

bool neighbour_request(struct route_neighbours *n, uint64_t now_us, uint8_t target[16])
{
    if (!n->asking || now_us < n->next_us)
        return false;
    uint64_t next_us = UINT64_MAX;
    bool found = false;
    for (unsigned i = 0; i < ROUTE_NEIGHBOURS_MAX; i++) {
        struct route_neighbour *e = &n->entry[i];
        enum route_neighbour_state state = state_of(e);
        if (state != ROUTE_NEIGHBOUR_INCOMPLETE && state != ROUTE_NEIGHBOUR_STALE)
            continue;
        if (!found && e->request_us <= now_us && ask(n, e, now_us)) {
            memcpy(target, e->address, 16);
            found = true;
        }
        if (state_of(e) != ROUTE_NEIGHBOUR_FREE && e->request_us < next_us)
            next_us = e->request_us;
    }
    n->asking = next_us != UINT64_MAX;
    n->next_us = found ? max_u64(next_us, now_us + NEIGHBOUR_REQUEST_GAP_US) : next_us;
    return found;
}

uint64_t neighbour_deadline(const struct route_neighbours *n)
{
    return n->asking ? n->next_us : UINT64_MAX;
}
