/*
 * Where the box is: its region and its admin socket.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CLI_PLACE_H
#define VOXPOP_CLI_PLACE_H

#include "cli/command.h"
#include "region.h"

struct place {
    char region[512];
    char socket[512];
    char store[512];
};

/*
 * From --config or --run; otherwise ./run if there is a region in it, else /run/voxpop. Returns an exit code,
 * having said why on stderr when it is not EXIT_OK.
 */
int place_find(const struct invocation *i, struct place *p);

/* The same, for the store's file. */
int place_store(const struct invocation *i, char path[512]);

/* The same, and attaches the region read-only. */
int place_attach(const struct invocation *i, struct region *r);

#endif
