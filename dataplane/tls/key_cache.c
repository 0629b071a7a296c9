/*
 * Four-way sets; the ways of a set are replaced in turn, passing over those used in this burst. Tags lie
 * apart from the keys: a lookup touches two lines, then its key.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tls/key_cache.h"
#include <stdlib.h>
#include "dataplane/base/bytes.h"

#define WAYS 4

enum direction { FREE = 0, READ, WRITE };

struct tag {
    uint64_t handle;
    uint64_t burst; /* the last one in which the keys were handed out */
    uint16_t epoch;
    uint8_t direction; /* enum direction; FREE: the way is empty */
    uint8_t next;      /* in a set's first tag: the way to replace next */
};

struct tls_key_cache {
    uint32_t sets; /* a power of two */
    uint64_t burst;
    uint64_t misses;
    struct tag *tags;
    struct tls_keys *keys;
};

struct tls_key_cache *tls_key_cache_new(uint32_t entries)
{
    uint32_t sets = 1;
    while (sets * WAYS < entries && sets < 1u << 28)
        sets *= 2;
    struct tls_key_cache *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->sets = sets;
    c->burst = 1;
    c->tags = calloc((size_t)sets * WAYS, sizeof *c->tags);
    c->keys = aligned_alloc(64, (size_t)sets * WAYS * sizeof *c->keys);
    if (c->keys)
        memset(c->keys, 0, (size_t)sets * WAYS * sizeof *c->keys);
    if (!c->tags || !c->keys) {
        free(c->tags);
        free(c->keys);
        free(c);
        return NULL;
    }
    return c;
}

void tls_key_cache_free(struct tls_key_cache *c)
{
    if (!c)
        return;
    wipe(c->keys, (size_t)c->sets * WAYS * sizeof *c->keys);
    free(c->keys);
    free(c->tags);
    free(c);
}

/* First way of the handle's set: all keys of one connection share a set. */
static size_t set_of(const struct tls_key_cache *c, uint64_t handle)
{
    return ((handle * 0x9e3779b97f4a7c15u) >> 32 & (c->sets - 1)) * WAYS;
}

static struct tls_keys *find(struct tls_key_cache *c, uint64_t handle, enum direction direction,
                             uint16_t epoch)
{
    size_t set = set_of(c, handle);
    for (size_t i = set; i < set + WAYS; i++)
        if (c->tags[i].handle == handle && c->tags[i].direction == direction && c->tags[i].epoch == epoch) {
            c->tags[i].burst = c->burst;
            return &c->keys[i];
        }
    return NULL;
}

/* A way for new keys, its old ones wiped; NULL when all are in use in this burst. */
static struct tls_keys *take(struct tls_key_cache *c, uint64_t handle, enum direction direction,
                             uint16_t epoch, uint16_t suite)
{
    size_t set = set_of(c, handle);
    for (unsigned i = 0; i < WAYS; i++) {
        size_t way = set + (c->tags[set].next + i) % WAYS;
        struct tag *t = &c->tags[way];
        if (t->direction != FREE && t->burst == c->burst)
            continue;
        c->tags[set].next = (uint8_t)((way - set + 1) % WAYS);
        c->misses++;
        t->handle = handle;
        t->burst = c->burst;
        t->epoch = epoch;
        t->direction = (uint8_t)direction;
        /* Keys of one suite lie over one another; only what another suite leaves uncovered must be wiped. */
        if (c->keys[way].suite != suite)
            tls_keys_wipe(&c->keys[way]);
        return &c->keys[way];
    }
    return NULL;
}

void tls_key_cache_begin(struct tls_key_cache *c)
{
    c->burst++;
}

const struct tls_keys *tls_key_cache_read(struct tls_key_cache *cache, uint64_t handle,
                                          const struct tls_conn *c)
{
    struct tls_keys *k = find(cache, handle, READ, c->read_epoch);
    if (!k) {
        k = take(cache, handle, READ, c->read_epoch, c->suite);
        if (k)
            tls_keys_read(k, c);
    }
    return k;
}

const struct tls_keys *tls_key_cache_write(struct tls_key_cache *cache, uint64_t handle,
                                           const struct tls_conn *c, uint16_t epoch)
{
    bool held = epoch == c->write_epoch ||
                (epoch == (uint16_t)(c->write_epoch - 1) && (c->flags & TLS_PREVIOUS_HELD));
    if (!held)
        return NULL;
    struct tls_keys *k = find(cache, handle, WRITE, epoch);
    if (!k) {
        k = take(cache, handle, WRITE, epoch, c->suite);
        if (k)
            tls_keys_write(k, c, epoch);
    }
    return k;
}

void tls_key_cache_forget(struct tls_key_cache *c, uint64_t handle)
{
    size_t set = set_of(c, handle);
    for (size_t i = set; i < set + WAYS; i++)
        if (c->tags[i].direction != FREE && c->tags[i].handle == handle) {
            c->tags[i].direction = FREE;
            tls_keys_wipe(&c->keys[i]);
        }
}

uint64_t tls_key_cache_misses(const struct tls_key_cache *c)
{
    return c->misses;
}
