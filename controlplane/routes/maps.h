/*
 * Writers of the region's maps (route.h): voice SSRC -> worker and room; guild, user with a session, or voice
 * room (by its channel's id) -> owning box; region -> boxes. Ids are of one generator: one map holds them all.
 *
 * A change is noted here and carried out in the inactive half as soon as every worker has left it; then that
 * half is published. The other half has missed the changes of this round: they are made there first in the
 * next one, so no round copies the whole map. A restarted writer does not know what was missed: it fills the
 * inactive half anew from what is true, and the other half with a copy of that.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_MAPS_H
#define VOXPOP_MAPS_H

#include "controlplane/region_link.h"

#define THIS_BOX 1u /* the one box there is */

struct map_change {
    uint64_t key;
    uint64_t value; /* UINT64_MAX: take it out */
};

struct map_changes {
    struct map_change *list;
    size_t count, capacity;
};

enum map_round { MAP_FILL, MAP_COPY, MAP_FOLLOW };

struct map_writer {
    struct route_map *map;
    struct map_changes wanted; /* in neither half */
    struct map_changes missed; /* in the active half alone */
    enum map_round round;      /* what the inactive half starts from: nothing, the active one, itself */
    uint64_t refused;          /* keys that did not fit */
};

/* Everything that is true must be put before the first flush. */
struct map_writer *map_writer_open(struct route_map *map);
void map_writer_close(struct map_writer *w);

void map_put(struct map_writer *w, uint64_t key, uint64_t value);
void map_remove(struct map_writer *w, uint64_t key);

/* Not within a transaction. True: nothing is left to do. */
bool map_flush(struct map_writer *w, struct region_link *l);

#endif
