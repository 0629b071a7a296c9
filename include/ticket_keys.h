/*
 * The keys that TLS session tickets are sealed with, in the region, so that a ticket outlives the process
 * that gave it: the one in use and the one before. Writer: the dataplane's main thread; all cores share them.
 *
 * A key is in use for a period, and its tickets are good for as long: so the key before opens every ticket
 * that is not out of date. A change writes the new key over the oldest, then counts: a process killed in
 * between leaves the key in use as it was.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TICKET_KEYS_H
#define VOXPOP_TICKET_KEYS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TICKET_KEY_SIZE 80 /* name 16, HMAC 32, AES 32 */

struct ticket_key {
    uint8_t bytes[TICKET_KEY_SIZE];
    uint64_t since_s; /* unix time from which it is used */
};

struct ticket_keys {
    struct ticket_key key[2];
    _Atomic uint64_t
        changes; /* in use is key[changes % 2]; the other is the one before, once there was one */
};
_Static_assert(sizeof(struct ticket_keys) == 184, "ticket_keys is a published format");
_Static_assert(offsetof(struct ticket_keys, changes) == 176, "ticket_keys is a published format");

static inline const struct ticket_key *ticket_key_current(const struct ticket_keys *k)
{
    return &k->key[atomic_load_explicit(&k->changes, memory_order_acquire) % 2];
}

/* NULL: there was none before. */
static inline const struct ticket_key *ticket_key_previous(const struct ticket_keys *k)
{
    uint64_t changes = atomic_load_explicit(&k->changes, memory_order_acquire);
    return changes ? &k->key[(changes + 1) % 2] : NULL;
}

/* Whether the key in use has served its period; also when the clock was set back. */
static inline bool ticket_keys_due(const struct ticket_keys *k, uint64_t now_s, uint64_t period_s)
{
    uint64_t since_s = ticket_key_current(k)->since_s;
    return now_s < since_s || now_s - since_s >= period_s;
}

static inline void ticket_keys_change(struct ticket_keys *k, const uint8_t fresh[TICKET_KEY_SIZE],
                                      uint64_t now_s)
{
    uint64_t changes = atomic_load_explicit(&k->changes, memory_order_relaxed);
    struct ticket_key *next = &k->key[(changes + 1) % 2];
    memcpy(next->bytes, fresh, TICKET_KEY_SIZE);
    next->since_s = now_s;
    atomic_store_explicit(&k->changes, changes + 1, memory_order_release);
}

#endif
