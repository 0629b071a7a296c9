/*
 * Which request keys the outbox holds, in memory, so that the file needs no index of them: a mutation is
 * looked up once and noted once, and most have never been seen before. Found at the start in the outbox
 * itself; the writer's.
 *
 * Kept by a 64-bit print of the key. A key whose print says that it is there is compared with the row.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_STORE_KEYS_H
#define VOXPOP_STORE_KEYS_H

#include "controlplane/index_map.h"
#include "controlplane/store/store.h"

struct keys {
    struct index_map by_print; /* -> id of the outbox row */
    uint64_t *prints;          /* by id of the row, a circle; 0: a row without a key */
    uint64_t size;             /* of the circle: a power of two, or 0 */
    uint64_t first, next;      /* ids of the rows it spans */
};

bool key_given(const struct request_key *k);
/* The row that perhaps has the key; 0: surely none has. */
uint64_t keys_find(const struct keys *s, const struct request_key *k);
/* Row `id`, above all before, has this key or none. */
void keys_note(struct keys *s, uint64_t id, const struct request_key *k);
/* Rows from `id` on were never written. */
void keys_undo(struct keys *s, uint64_t id);
/* Rows up to `id` are gone. */
void keys_prune(struct keys *s, uint64_t id);
void keys_free(struct keys *s);

#endif
