/*
 * Which way a packet leaves, and which core or box has what: tables in the region that the control plane
 * writes and the workers read without locks.
 *
 * Owns: the swap (a double buffer that is safe against readers on other cores and against a writer killed at
 * any store), the table of prefixes and next hops, maps of 64-bit keys, and the neighbours of each worker.
 * Refuses: more than its capacities (the writer is told and the active table stays as it was).
 *
 *   field group                  writer
 *   route_swap.generation        control plane (one store, or an intent of its transaction)
 *   route_swap.reader[w]         worker w
 *   route_tables.table[]         control plane, the inactive one only
 *   route_map entries            control plane, the inactive half only
 *   route_neighbours[w]          worker w (dataplane/net/neighbour.h)
 *
 * The swap. generation g makes buffer g & 1 active. A worker loads g once a burst and publishes it:
 * route_read(). The writer may change the other buffer when every running worker has published g, for then
 * nobody reads it: route_write() returns false until then, and the writer tries again later; it never waits.
 * A writer killed while it writes has changed nothing that is read: its next life starts over from
 * route_write(). One publication a transaction.
 *
 * Addresses are 16 bytes, IPv4 as ::ffff:a.b.c.d, an IPv4 prefix /n thus as /(96 + n). IPv4 never takes an
 * IPv6 route.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_ROUTE_H
#define VOXPOP_ROUTE_H

#include "undo.h"

#define ROUTE_READERS_MAX    64
#define ROUTE_READER_STOPPED UINT64_MAX
#define ROUTE_PREFIXES_MAX   10240u
#define ROUTE_SLOTS          32768u /* a power of two, at least three times ROUTE_PREFIXES_MAX */
#define ROUTE_HOPS_MAX       256u
#define ROUTE_NEIGHBOURS_MAX 1024u /* per worker */
#define ROUTE_NEIGHBOUR_WAYS 8u

/* ---- the swap ---- */

struct route_reader {
    _Atomic uint64_t
        seen; /* the last generation the worker has begun to use; ROUTE_READER_STOPPED: it does not run */
    uint8_t pad[56];
};

struct route_swap {
    _Atomic uint64_t generation; /* starts at 1 */
    uint8_t pad[56];
    struct route_reader reader[ROUTE_READERS_MAX];
};
_Static_assert(sizeof(struct route_reader) == 64, "route_reader is a published format");
_Static_assert(sizeof(struct route_swap) == 64 + 64 * ROUTE_READERS_MAX, "route_swap is a published format");
_Static_assert(offsetof(struct route_swap, reader) == 64, "route_swap is a published format");

static inline void route_swap_init(struct route_swap *s)
{
    atomic_store_explicit(&s->generation, 1, memory_order_relaxed);
    for (unsigned i = 0; i < ROUTE_READERS_MAX; i++)
        atomic_store_explicit(&s->reader[i].seen, ROUTE_READER_STOPPED, memory_order_relaxed);
}

/*
 * Worker: before its first burst. 0 is no generation, so the writer holds still from here until the first
 * route_read(). The order (own slot first, then the generation; the writer: generation first, then the slots)
 * is why both are sequentially consistent.
 */
static inline void route_reader_start(struct route_swap *s, unsigned worker)
{
    atomic_store_explicit(&s->reader[worker].seen, 0, memory_order_seq_cst);
}

static inline void route_reader_stop(struct route_swap *s, unsigned worker)
{
    atomic_store_explicit(&s->reader[worker].seen, ROUTE_READER_STOPPED, memory_order_release);
}

/* Worker: once a burst. Returns the index of the buffer that stays unchanged until the worker's next call. */
static inline unsigned route_read(struct route_swap *s, unsigned worker)
{
    uint64_t g = atomic_load_explicit(&s->generation, memory_order_seq_cst);
    if (atomic_load_explicit(&s->reader[worker].seen, memory_order_relaxed) != g)
        atomic_store_explicit(&s->reader[worker].seen, g, memory_order_release);
    return g & 1;
}

/* The active buffer, for the writer. */
static inline unsigned route_active(const struct route_swap *s)
{
    return atomic_load_explicit(&s->generation, memory_order_relaxed) & 1;
}

/*
 * Writer: may the inactive buffer be changed now? Its index in *inactive. False: a worker has not moved on
 * yet; try later. The addition of 0 is a full barrier between an earlier publication and the look at the
 * slots.
 */
static inline bool route_write(struct route_swap *s, unsigned *inactive)
{
    uint64_t g = atomic_fetch_add_explicit(&s->generation, 0, memory_order_seq_cst);
    for (unsigned i = 0; i < ROUTE_READERS_MAX; i++) {
        uint64_t seen = atomic_load_explicit(&s->reader[i].seen, memory_order_seq_cst);
        if (seen != g && seen != ROUTE_READER_STOPPED)
            return false;
    }
    *inactive = (g & 1) ^ 1;
    return true;
}

/* Writer: makes the buffer it has written active, with its transaction `t`, or at once when that is NULL. */
static inline void route_publish(struct route_swap *s, struct txn *t)
{
    uint64_t next = atomic_load_explicit(&s->generation, memory_order_relaxed) + 1;
    if (t)
        txn_intend(t, &s->generation, next);
    else
        atomic_store_explicit(&s->generation, next, memory_order_seq_cst);
}

static inline uint64_t route_mix(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    x ^= x >> 32;
    x *= 0xd6e8feb86659fd93u;
    return x ^ x >> 32;
}

/* ---- prefixes ---- */

/* Where a packet goes next. */
struct route_hop {
    uint8_t gateway[16]; /* all zero in the table: on the link, the destination itself */
    uint16_t port;       /* that it leaves by */
    uint16_t mtu;        /* bytes; 0: the port's */
    uint8_t reserved[12];
};

struct route_prefix {
    uint8_t prefix[16]; /* bits behind `length` are 0 */
    uint8_t length;     /* bits */
    uint8_t used;       /* 0: empty slot */
    uint16_t hop;       /* index */
    uint32_t reserved;
};

struct route_table {
    uint32_t prefixes;   /* slots used */
    uint32_t hops;       /* hops used */
    uint64_t lengths[3]; /* bit n: there is a prefix of n bits (0 … 128) */
    uint8_t reserved[32];
    struct route_hop hop[ROUTE_HOPS_MAX];
    struct route_prefix slot[ROUTE_SLOTS];
};

struct route_tables {
    struct route_swap swap;
    struct route_table table[2];
};
_Static_assert(sizeof(struct route_hop) == 32, "route_hop is a published format");
_Static_assert(sizeof(struct route_prefix) == 24 && offsetof(struct route_prefix, hop) == 18,
               "route_prefix is a published format");
_Static_assert(offsetof(struct route_table, lengths) == 8 && offsetof(struct route_table, hop) == 64 &&
                   offsetof(struct route_table, slot) == 64 + 32 * ROUTE_HOPS_MAX,
               "route_table is a published format");
_Static_assert(sizeof(struct route_table) == 64 + 32 * ROUTE_HOPS_MAX + 24 * ROUTE_SLOTS,
               "route_table is a published format");
_Static_assert(offsetof(struct route_tables, table) == sizeof(struct route_swap),
               "route_tables is a published format");

/* The first `length` bits of an address. */
static inline void route_mask(uint8_t out[16], const uint8_t address[16], unsigned length)
{
    memset(out, 0, 16);
    memcpy(out, address, length / 8);
    if (length % 8)
        out[length / 8] = address[length / 8] & (uint8_t)(0xff00 >> length % 8);
}

static inline uint32_t route_prefix_hash(const uint8_t prefix[16], unsigned length)
{
    uint64_t half[2];
    memcpy(half, prefix, 16);
    return (uint32_t)route_mix(route_mix(half[0] + length) ^ half[1]) & (ROUTE_SLOTS - 1);
}

/* The slot that holds this prefix, or the empty one where it belongs. There is always an empty slot. */
static inline uint32_t route_slot(const struct route_table *t, const uint8_t prefix[16], unsigned length)
{
    uint32_t i = route_prefix_hash(prefix, length);
    while (t->slot[i].used && (t->slot[i].length != length || memcmp(t->slot[i].prefix, prefix, 16) != 0))
        i = (i + 1) & (ROUTE_SLOTS - 1);
    return i;
}

/* Empties the table. */
static inline void route_table_clear(struct route_table *t)
{
    memset(t, 0, sizeof *t);
}

static inline bool route_is4(const uint8_t address[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(address, mapped, sizeof mapped) == 0;
}

/*
 * Writer: adds a prefix, or changes its hop. False: the table is full, or the length is over 128 bits; the
 * table is as it was. Equal hops are kept once. Bits of `prefix` behind `length` are ignored.
 */
static inline bool route_add(struct route_table *t, const uint8_t prefix[16], unsigned length,
                             const struct route_hop *hop)
{
    uint8_t masked[16];
    uint32_t h = 0;
    if (length > 128)
        return false;
    route_mask(masked, prefix, length);
    struct route_prefix *p = &t->slot[route_slot(t, masked, length)];
    if (!p->used && t->prefixes == ROUTE_PREFIXES_MAX)
        return false;
    while (h < t->hops && memcmp(&t->hop[h], hop, sizeof *hop) != 0)
        h++;
    if (h == ROUTE_HOPS_MAX)
        return false;
    if (h == t->hops)
        t->hop[t->hops++] = *hop;
    t->prefixes += !p->used;
    *p = (struct route_prefix){.length = (uint8_t)length, .used = 1, .hop = (uint16_t)h};
    memcpy(p->prefix, masked, 16);
    t->lengths[length / 64] |= 1ull << length % 64;
    return true;
}

/*
 * Longest match. False: no route. out->gateway is the address to resolve on the link: the gateway's, or
 * `address` itself. One probe per length in use, longest first.
 */
static inline bool route_lookup(const struct route_table *t, const uint8_t address[16], struct route_hop *out)
{
    unsigned shortest = route_is4(address) ? 96 : 0;
    for (int word = 2; word >= (int)(shortest / 64); word--) {
        uint64_t lengths = t->lengths[word];
        if (word == (int)(shortest / 64))
            lengths &= ~0ull << shortest % 64;
        while (lengths) {
            unsigned bit = 63 - (unsigned)__builtin_clzll(lengths), length = (unsigned)word * 64 + bit;
            uint8_t prefix[16];
            route_mask(prefix, address, length);
            const struct route_prefix *p = &t->slot[route_slot(t, prefix, length)];
            if (p->used) {
                static const uint8_t none[16];
                *out = t->hop[p->hop];
                if (memcmp(out->gateway, none, 16) == 0)
                    memcpy(out->gateway, address, 16);
                return true;
            }
            lengths &= ~(1ull << bit);
        }
    }
    return false;
}

/* ---- maps: voice address or SSRC -> room and core; guild, user or room -> box; region -> boxes ---- */

struct route_map_entry {
    uint64_t key; /* 0: empty */
    uint64_t value;
};

/* Two halves of `slots` entries follow. */
struct route_map {
    struct route_swap swap;
    uint32_t slots;    /* per half, a power of two; set at creation */
    uint32_t capacity; /* keys per half: three quarters of the slots */
    uint32_t used[2];  /* keys in each half */
    uint8_t reserved[48];
    struct route_map_entry entry[];
};
_Static_assert(sizeof(struct route_map_entry) == 16, "route_map_entry is a published format");
_Static_assert(offsetof(struct route_map, slots) == sizeof(struct route_swap),
               "route_map is a published format");
_Static_assert(offsetof(struct route_map, entry) == sizeof(struct route_swap) + 64,
               "route_map is a published format");
_Static_assert(sizeof(struct route_map) == sizeof(struct route_swap) + 64, "route_map is a published format");

/* Bytes a map with that many slots (a power of two, at least 4) takes in the region. */
static inline size_t route_map_size(uint32_t slots)
{
    return sizeof(struct route_map) + 2 * (size_t)slots * sizeof(struct route_map_entry);
}

/* The memory is zero, as the region is when it is made. */
static inline void route_map_init(struct route_map *m, uint32_t slots)
{
    route_swap_init(&m->swap);
    m->slots = slots;
    m->capacity = slots / 4 * 3;
}

static inline uint32_t route_map_slot(const struct route_map *m, const struct route_map_entry *half,
                                      uint64_t key)
{
    uint32_t i = (uint32_t)route_mix(key) & (m->slots - 1);
    while (half[i].key && half[i].key != key)
        i = (i + 1) & (m->slots - 1);
    return i;
}

/* `half` is what route_read() or route_write() on m->swap returned. False: not there. */
static inline bool route_map_get(const struct route_map *m, unsigned half, uint64_t key, uint64_t *value)
{
    const struct route_map_entry *e = m->entry + (size_t)half * m->slots;
    const struct route_map_entry *found = &e[route_map_slot(m, e, key)];
    if (!key || !found->key)
        return false;
    *value = found->value;
    return true;
}

/* Writer: empties the inactive half, or makes it a copy of the active one (which costs its size: change in
 * batches). */
static inline void route_map_clear(struct route_map *m, unsigned half)
{
    memset(m->entry + (size_t)half * m->slots, 0, (size_t)m->slots * sizeof *m->entry);
    m->used[half] = 0;
}

static inline void route_map_copy(struct route_map *m, unsigned half)
{
    memcpy(m->entry + (size_t)half * m->slots, m->entry + (size_t)(half ^ 1) * m->slots,
           (size_t)m->slots * sizeof *m->entry);
    m->used[half] = m->used[half ^ 1];
}

/* Writer: false when the half is full or the key is 0. */
static inline bool route_map_put(struct route_map *m, unsigned half, uint64_t key, uint64_t value)
{
    struct route_map_entry *e = m->entry + (size_t)half * m->slots;
    struct route_map_entry *at = &e[route_map_slot(m, e, key)];
    if (!key || (!at->key && m->used[half] == m->capacity))
        return false;
    m->used[half] += !at->key;
    *at = (struct route_map_entry){key, value};
    return true;
}

/* Writer: takes a key out, if it is there; the entries behind it close up. */
static inline void route_map_remove(struct route_map *m, unsigned half, uint64_t key)
{
    struct route_map_entry *e = m->entry + (size_t)half * m->slots;
    uint32_t mask = m->slots - 1, hole = route_map_slot(m, e, key);
    if (!key || !e[hole].key)
        return;
    m->used[half]--;
    for (uint32_t i = (hole + 1) & mask; e[i].key; i = (i + 1) & mask) {
        uint32_t home = (uint32_t)route_mix(e[i].key) & mask;
        /* It may move into the hole unless its home lies cyclically in (hole, i]. */
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            e[hole] = e[i];
            hole = i;
        }
    }
    e[hole] = (struct route_map_entry){0};
}

/* ---- neighbours: who is on the link; operations in dataplane/net/neighbour.h ---- */

enum route_neighbour_state {
    ROUTE_NEIGHBOUR_FREE = 0,
    ROUTE_NEIGHBOUR_INCOMPLETE, /* asked for, MAC not known */
    ROUTE_NEIGHBOUR_REACHABLE,  /* MAC confirmed lately */
    ROUTE_NEIGHBOUR_STALE,      /* MAC known and used, being asked for again */
};

/* `state` is stored last, so a worker killed half-way leaves an entry that is free, or as it was, or as it is
 * to be. */
struct route_neighbour {
    uint8_t address[16];
    _Atomic uint64_t mac;   /* in the low 48 bits, first byte lowest */
    _Atomic uint32_t state; /* enum route_neighbour_state */
    uint32_t requests;      /* sent since the last answer */
    uint64_t confirmed_us;  /* when the MAC was last learned */
    uint64_t used_us;       /* when it was last asked for by a packet */
    uint64_t request_us;    /* when the next request is due */
    uint64_t reserved;
};

struct route_neighbours {
    uint64_t requests; /* sent */
    uint64_t learned;  /* answers taken */
    uint64_t changed;  /* answers that changed a known MAC */
    uint64_t failed;   /* given up */
    uint64_t evicted;  /* thrown out for another address */
    uint64_t next_us;  /* while asking: no request is due before */
    uint64_t asking;   /* 1: there are entries to ask for */
    uint8_t reserved[8];
    struct route_neighbour entry[ROUTE_NEIGHBOURS_MAX];
};
_Static_assert(sizeof(struct route_neighbour) == 64 && offsetof(struct route_neighbour, mac) == 16 &&
                   offsetof(struct route_neighbour, state) == 24 &&
                   offsetof(struct route_neighbour, confirmed_us) == 32 &&
                   offsetof(struct route_neighbour, request_us) == 48,
               "route_neighbour is a published format");
_Static_assert(offsetof(struct route_neighbours, entry) == 64, "route_neighbours is a published format");

#endif
