/*
 * Voice sessions without a socket: a member of a room whose signalling was one HTTP request (WHIP, WHEP).
 * Nobody tells when its client goes without a word: the dataplane sees its checks, so the region is looked
 * at, by a deadline a slot. See voice.h, and include/peer.h for what checks are.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "config/log.h"
#include "controlplane/sessions/session_table.h"
#include "controlplane/voice/voice_media.h"

#include <inttypes.h>

#define LOOK_MS 2000u
#define GONE_US 30000000u /* without a check for so long (RFC 7675 5.1) */

void voice_http_watch(struct control *c, uint32_t slot)
{
    deadlines_add(&c->deadlines, c->now_ms + LOOK_MS, DEADLINE_PEER, session_subject(c, slot));
}

bool voice_http_bind(struct control *c, uint32_t slot)
{
    struct session_control *s = session_touch(c, slot);
    struct voice_room *r = voice_room_enter(c, slot);
    if (!r)
        return false;
    s->state = (uint8_t)((s->state & SLOT_AFK_DUE) | SLOT_BOUND);
    s->transport = MEMBER_WEBRTC;
    s->mode = VOICE_MODE_NONE;
    voice_member_set(c, slot);
    s->ready = 1;
    voice_tell_joined(c, slot, r);
    voice_http_watch(c, slot);
    voice_quality_begin(c, slot);
    return true;
}

/* Has said goodbye (its association has ended, and with it its address), or has not been heard of for long.
 */
static bool is_gone(const struct control *c, const struct session_control *s)
{
    const struct region *region = c->link->region;
    uint32_t per = region->header->geometry.members, worker = s->member / per;
    const struct voice_member *m = member_at(region, s->member);
    const struct voice_peer *peers = region_part(region, worker, PART_PEERS), *p = &peers[s->member % per];
    const struct worker_area *a = region_part(region, worker, PART_AREA);
    if (m->generation != s->member_generation || p->generation != s->member_generation)
        return false; /* the worker has not read of it yet */
    bool met = atomic_load(&p->keyed) == p->generation;
    return (met && m->address != ADDRESS_BOUND) || a->loop_us > p->checked_us + GONE_US;
}

void voice_http_due(struct control *c, uint32_t slot)
{
    const struct session_control *s = session_of(c, slot);
    if (s->kind != SESSION_VOICE || !s->signalling || s->member == MEMBER_NONE)
        return;
    if (!is_gone(c, s)) {
        voice_http_watch(c, slot);
        return;
    }
    log_event(LOG_INFO, "peer_gone", "session=%u user=%" PRIu64, slot, s->user_id);
    voice_leave(c, slot);
}
