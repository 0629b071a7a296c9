/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/webrtc/slots.h"

#define CLOCK_KHZ    48 /* of Opus (RFC 7587) */
#define TS_AHEAD_MAX (2 * 48000)

uint32_t slot_of(const struct voice_peer *p, uint32_t source, uint64_t now_us)
{
    uint32_t best = SLOT_NONE;
    for (uint32_t i = 0; i < p->slots; i++) {
        const struct peer_slot *s = &p->slot[i];
        if (s->source == source)
            return i;
        bool idle = !s->source || now_us - s->sent_us >= SLOT_IDLE_US;
        if (idle && (best == SLOT_NONE || s->sent_us < p->slot[best].sent_us))
            best = i;
    }
    return best;
}

static uint32_t elapsed(const struct peer_slot *s, uint64_t now_us)
{
    uint64_t ticks = (now_us - s->sent_us) * CLOCK_KHZ / 1000;
    return ticks < SLOT_FRAME ? SLOT_FRAME : (uint32_t)ticks;
}

/* Whether the source's timestamp goes on as the clock does: a step forward, not more than was waited for (and
 * some). */
static bool timestamp_follows(const struct peer_slot *s, uint32_t timestamp, uint64_t now_us)
{
    int32_t step = (int32_t)(timestamp + s->ts_offset - s->ts_last);
    int32_t waited = (int32_t)elapsed(s, now_us);
    return step > 0 && step <= waited + TS_AHEAD_MAX &&
           (now_us - s->sent_us < SLOT_PAUSE_US || 2 * step >= waited);
}

static void advance(struct peer_slot *s, uint64_t step)
{
    s->used = step < 64 ? s->used << step | 1 : 1;
    s->top += step;
}

/* A packet from before the newest: where its gap is. */
static bool take_late(struct peer_slot *s, uint16_t back, uint32_t timestamp, struct slot_step *out)
{
    if (back >= 64 || back >= s->top || s->used >> back & 1)
        return false;
    s->used |= 1ull << back;
    *out = (struct slot_step){.index = s->top - back, .timestamp = timestamp + s->ts_offset};
    return true;
}

bool slot_take(struct peer_slot *s, uint32_t source, uint16_t sequence, uint32_t timestamp, uint64_t now_us,
               struct slot_step *out)
{
    uint16_t step = (uint16_t)(sequence - s->sequence);
    bool begins = s->source != source || !s->top || (step > SLOT_GAP_MAX && step < 65536 - 100);
    if (!begins && (step == 0 || step > SLOT_GAP_MAX))
        return take_late(s, (uint16_t)-step, timestamp, out);
    bool marker = begins || now_us - s->sent_us >= SLOT_PAUSE_US;
    if (begins || !timestamp_follows(s, timestamp, now_us))
        s->ts_offset = s->ts_last + (s->top ? elapsed(s, now_us) : 0) - timestamp;
    advance(s, begins ? 1 : step);
    s->source = source;
    s->sequence = sequence;
    s->sent_us = now_us;
    s->ts_last = timestamp + s->ts_offset;
    *out = (struct slot_step){.index = s->top, .timestamp = s->ts_last, .marker = marker};
    return true;
}
