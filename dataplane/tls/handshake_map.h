/*
 * The handshakes of one worker that are under way, by handle. Of fixed size; known to the helper thread
 * alone. Open addressing with linear probing, at most half full; a removal moves later entries of the run
 * forward.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TLS_HANDSHAKE_MAP_H
#define VOXPOP_TLS_HANDSHAKE_MAP_H

#include "dataplane/tls/handshake.h"

struct handshake_entry {
    uint64_t handle;
    struct tls_handshake *handshake; /* NULL: the entry is free */
};

struct handshake_map {
    struct handshake_entry *entries;
    uint32_t size; /* a power of two */
    uint32_t used, used_max;
};

bool handshake_map_init(struct handshake_map *m, uint32_t used_max);
void handshake_map_destroy(struct handshake_map *m); /* frees the handshakes, too */
struct tls_handshake *handshake_map_find(const struct handshake_map *m, uint64_t handle);
bool handshake_map_add(struct handshake_map *m, uint64_t handle, struct tls_handshake *h); /* false: full */
struct tls_handshake *handshake_map_remove(struct handshake_map *m, uint64_t handle); /* NULL: not there */

#endif
