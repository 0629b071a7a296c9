/*
 * Draining; see drain.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/sessions/drain.h"

#include "config/log.h"
#include "controlplane/sessions/session_table.h"

#define ASK             "{\"op\":7,\"d\":null}"
#define SESSIONS_A_WAVE 65536u /* looked at, so that no wave takes long */

static struct control_area *area_touch(struct control *c)
{
    struct control_area *a = c->link->area;
    txn_touch(&c->link->txn, a, sizeof *a, &a->stamp);
    return a;
}

static void next_wave(struct control *c)
{
    deadlines_add(&c->deadlines, c->now_ms + DRAIN_WAVE_MS / 2 + deadlines_jitter(c->now_ms, DRAIN_WAVE_MS),
                  DEADLINE_DRAIN, 0);
}

void drain_begin(struct control *c, uint32_t over_ms)
{
    struct control_area *a = area_touch(c);
    bool waves = a->draining && a->drain_at < c->link->sessions->fresh; /* the next one is due already */
    a->draining = 1;
    a->drain_at = 0;
    a->drain_asked = 0;
    a->drain_began_ms = c->now_ms;
    a->drain_over_ms = c->now_ms + over_ms;
    if (!waves)
        next_wave(c);
    log_event(LOG_INFO, "drain", "sessions=%u over_ms=%u", c->gateway_sessions, over_ms);
}

void drain_end(struct control *c)
{
    struct control_area *a = area_touch(c);
    if (a->draining)
        log_event(LOG_INFO, "drain_ends", "asked=%u", a->drain_asked);
    a->draining = 0;
}

void drain_open(struct control *c)
{
    if (c->link->area->draining)
        next_wave(c);
}

/* How far the waves are to have come by now. */
static uint32_t target(const struct control *c)
{
    const struct control_area *a = c->link->area;
    uint64_t all = c->link->sessions->fresh, over = a->drain_over_ms - a->drain_began_ms;
    uint64_t gone = c->now_ms > a->drain_began_ms ? c->now_ms - a->drain_began_ms : 0;
    return gone >= over ? (uint32_t)all : (uint32_t)(all * gone / over);
}

void drain_wave(struct control *c)
{
    struct control_area *a = area_touch(c);
    if (!a->draining)
        return;
    uint32_t to = target(c);
    for (uint32_t looked = 0; a->drain_at < to && looked < SESSIONS_A_WAVE; looked++) {
        const struct session_control *s = session_of(c, a->drain_at++);
        if (s->kind != SESSION_GATEWAY || !s->connection)
            continue;
        link_send(c->link, s->connection, 1, 0, ASK, sizeof ASK - 1);
        a->drain_asked++;
        link_cut_if_long(c->link);
        a = area_touch(c);
    }
    if (a->drain_at < c->link->sessions->fresh)
        next_wave(c);
}

struct drain_progress drain_progress(const struct control *c)
{
    const struct control_area *a = c->link->area;
    struct drain_progress p = {
        .draining = a->draining, .asked = a->drain_asked, .sessions = c->gateway_sessions};
    for (uint32_t i = 0; i < c->link->sessions->fresh; i++)
        p.connected += session_of(c, i)->kind == SESSION_GATEWAY && session_of(c, i)->connection;
    p.looked_at = a->draining ? a->drain_at : 0;
    p.slots = c->link->sessions->fresh;
    p.done = !a->draining || a->drain_at >= c->link->sessions->fresh;
    return p;
}
