/*
 * Start and end of rooms, for voice_state.c; the rest is in voice.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_VOICE_ROOM_H
#define VOXPOP_VOICE_ROOM_H

#include "controlplane/sessions/control.h"

void voice_rooms_open(struct control *c);
void voice_rooms_close(struct control *c);

#endif
