/*
 * Who is in which receive slot of a peer, and what a packet's sequence number and timestamp become there.
 *
 * A source keeps its slot until another needs it; a slot is free for others when nothing went out in it for
 * SLOT_IDLE_US. Within a talk spurt gaps of the source stay gaps. Indices grow: a packet that came late goes
 * out where its gap was, once; never twice under one index, whatever the source does with its numbers.
 *
 * Timestamps follow the clock: a native client's stand still while it is silent, jump at will, and begin
 * anew; so does a slot with another source in it (reference/media-e2e.md 5).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_WEBRTC_SLOTS_H
#define VOXPOP_WEBRTC_SLOTS_H

#include <stdbool.h>
#include <stdint.h>

#include "peer.h"

#define SLOT_NONE     UINT32_MAX
#define SLOT_IDLE_US  1000000u
#define SLOT_PAUSE_US 100000u /* longer: a new talk spurt */
#define SLOT_FRAME    960u    /* timestamp units of 20 ms */
#define SLOT_GAP_MAX  3000u   /* RFC 3550 A.1: a larger step of the source is a new beginning */

/* The slot for this source, or SLOT_NONE: all are busy. Changes nothing. */
uint32_t slot_of(const struct voice_peer *p, uint32_t source, uint64_t now_us);

struct slot_step {
    uint64_t index;
    uint32_t timestamp;
    bool marker;
};

/*
 * The place of a packet of `source`. False: it came too late, or twice. On true the slot is changed: the
 * index counts as used from here on.
 */
bool slot_take(struct peer_slot *s, uint32_t source, uint16_t sequence, uint32_t timestamp, uint64_t now_us,
               struct slot_step *out);

#endif
