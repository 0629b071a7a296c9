/*
 * A snapshot of the region: of what a replay needs, the parts that were ever used. Taken while every worker
 * stands still (record.h); the control plane goes on meanwhile, so nothing of what it alone keeps is in it,
 * nor keys that no worker needs.
 *
 * Copying is what the workers wait for: it goes to memory, and is done twice, the first time without them, so
 * that the second finds the pages there. The file is written afterwards.
 *
 * File (gzip): magic, size of the region, then {offset, length, bytes} in order until a length of 0. Pages of
 * zeros are left out.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_SNAPSHOT_H
#define VOXPOP_SNAPSHOT_H

#include "region.h"

#define SNAPSHOT_LOG_BYTES (8u << 20) /* of the event log's end */

/* Private memory as large as a region, zero, used as it is touched. NULL: none. */
uint8_t *snapshot_memory(uint64_t size);

/* Copies what a replay needs to the same offsets in `to`. Returns bytes copied. */
uint64_t snapshot_copy(const struct region *r, uint8_t *to);

/* Takes keys out that no worker needs. */
void snapshot_forget_keys(uint8_t *copy);

/* Writes a copy to a file (mode 0600). False, with a line in `why` (256 bytes). */
bool snapshot_write(const uint8_t *copy, uint64_t size, const char *path, char *why);

/* Reads a file into new memory and adopts it as a region, to be given back with region_detach. */
bool snapshot_read(struct region *r, const char *path, char *why);

#endif
