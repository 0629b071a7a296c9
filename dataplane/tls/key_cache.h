/*
 * A worker's expanded keys: a small cache over the secrets in the region, so that an idle connection costs
 * 192 bytes and not 1 KiB a direction. Process-local; a miss expands, and derives where no key is kept (0.7
 * to 3 us).
 *
 * A handle must name one life of one connection (slot and generation): keys are found by handle, direction
 * and epoch alone.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TLS_KEY_CACHE_H
#define VOXPOP_TLS_KEY_CACHE_H

#include "dataplane/tls/keys.h"

struct tls_key_cache;

/*
 * What a worker has. More would not stay in the second-level cache, and then a hit costs what a miss does
 * where the connection keeps its key (keys.h): an expansion, some 150 ns.
 */
#define TLS_KEY_CACHE_ENTRIES 512

/* `entries` is rounded up to a power of two, at least 4. NULL: out of memory. */
struct tls_key_cache *tls_key_cache_new(uint32_t entries);
void tls_key_cache_free(struct tls_key_cache *cache);

/*
 * Begins a burst: keys handed out from now on stay valid until the next call of this. Once per burst of
 * packets, and again when a lookup found every way of its set in use.
 */
void tls_key_cache_begin(struct tls_key_cache *cache);

/* The keys that open the peer's records now. NULL: set in use; finish what is prepared, begin a new burst,
 * ask again. */
const struct tls_keys *tls_key_cache_read(struct tls_key_cache *cache, uint64_t handle,
                                          const struct tls_conn *c);

/* The keys that seal records of `epoch`. NULL: the same, or (also right after tls_key_cache_begin) that epoch
 * is gone. */
const struct tls_keys *tls_key_cache_write(struct tls_key_cache *cache, uint64_t handle,
                                           const struct tls_conn *c, uint16_t epoch);

/* The connection is gone: wipes its keys. */
void tls_key_cache_forget(struct tls_key_cache *cache, uint64_t handle);

/* Lookups that had to derive, for the operator. */
uint64_t tls_key_cache_misses(const struct tls_key_cache *cache);

#endif
