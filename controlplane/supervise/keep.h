/*
 * Making the region, or keeping the one that is there.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_SUPERVISE_KEEP_H
#define VOXPOP_SUPERVISE_KEEP_H

#include "config/config.h"
#include "region.h"

/*
 * Attaches the region at `path` if it is of this boot, this build and this configuration's geometry. False:
 * `why` says what was wrong with it (empty: there was none), and the caller ends the processes that use it
 * before keep_create.
 */
bool keep_existing(struct region *r, const char *path, const struct config *c, char *why);

/* Creates it anew, on hugepages if the configuration allows and enough are free; `note` says if not. */
bool keep_create(struct region *r, const char *path, const struct config *c, char *note, char *why);

#endif
