/*
 * A region as a running box would have left it, for tests of what the operator sees.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_FAKE_BOX_H
#define VOXPOP_FAKE_BOX_H

#include "region.h"

/*
 * Two workers on one port each, three connections (TCP and TLS to voice), two gateway sessions and a voice
 * session, a room with two members. `pid` is both processes'. Freed with free(r->base).
 */
void fake_box(struct region *r, uint32_t pid);

/* The geometry it has. */
extern const struct region_geometry fake_geometry;

#endif
