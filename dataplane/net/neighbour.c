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

static void learn(struct route_neighbours *n, const uint8_t address[16], const uint8_t mac[6], bool create,
                  uint64_t now_us)
{
    uint64_t told = 0;
    memcpy(&told, mac, 6);
    struct route_neighbour *e = find(n, address);
    if (!e && !create)
        return;
    if (!e)
        e = take(n, address, now_us);
    uint64_t known = atomic_load_explicit(&e->mac, memory_order_relaxed);
    n->changed += known && known != told;
    n->learned++;
    atomic_store_explicit(&e->mac, told, memory_order_relaxed);
    e->confirmed_us = now_us;
    enter(e, ROUTE_NEIGHBOUR_REACHABLE);
    e->requests = 0;
}

static void learn_nd(struct route_neighbours *n, const struct net_packet *p, const struct net_addresses *ours,
                     uint64_t now_us)
{
    struct nd_message m;
    if (nd_of_packet(p, &m) || !m.has_mac)
        return;
    if (m.is_solicit) {
        if (net_addresses_has(ours, m.target) && net_source_is_sane(p->source))
            learn(n, p->source, m.mac, true, now_us);
        return;
    }
    /* An advertisement that may not override only confirms what is known, or fills in what is not (RFC
     * 4861 7.2.5). */
    struct route_neighbour *e = find(n, m.target);
    if (!e || !net_addresses_has(ours, p->destination))
        return;
    uint64_t told = 0, known = atomic_load_explicit(&e->mac, memory_order_relaxed);
    memcpy(&told, m.mac, 6);
    if (m.override || !known || known == told)
        learn(n, m.target, m.mac, false, now_us);
}

void neighbour_learn(struct route_neighbours *n, const struct net_packet *p, const struct net_addresses *ours,
                     uint64_t now_us)
{
    struct arp_message m;
    if (p->class == NET_ND) {
        learn_nd(n, p, ours, now_us);
    } else if (p->class == NET_ARP && !arp_parse(p->l4, p->l4_len, &m)) {
        /* RFC 826: update what is known in any case; add only when the message is for us. Never our own
         * address. */
        if (net_source_is_sane(m.sender) && !net_addresses_has(ours, m.sender) &&
            net_addresses_has(ours, m.target))
            learn(n, m.sender, m.sender_mac, m.operation == ARP_REQUEST, now_us);
    }
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
