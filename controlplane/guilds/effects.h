/*
 * An effect as JSON, in the payload of its change, and the effects of completed operations. Private to this
 * folder, apart from what change.h declares.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_EFFECTS_H
#define VOXPOP_EFFECTS_H

#include "controlplane/guilds/effect.h"
#include "controlplane/protocol/json_out.h"

void effect_write(struct json_out *o, const struct effect *e);

#endif
