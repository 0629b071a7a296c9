/*
 * Finding what the operator names.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CLI_FIND_H
#define VOXPOP_CLI_FIND_H

#include "region.h"

/* A session by its index, or its id or enough of its beginning. False: none or several, said on stderr. */
bool find_session(const struct region *r, const char *text, uint32_t *index);

/* A room by its index in the box, or its channel. False: none, said on stderr. */
bool find_room(const struct region *r, const char *text, uint32_t *worker, uint32_t *index);

#endif
