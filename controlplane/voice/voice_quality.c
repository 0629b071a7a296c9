/*
 * How good each voice session is, by the E-model (emodel.h): looked at every few seconds, from what the
 * dataplane counts in the region, and kept in the session's slot, where the operator's tool and the metrics
 * read it.
 *
 * mos_from: what others hear of him, as far as the way to the box goes: his stream's loss, bursts and jitter
 * since the last look. mos_to: what he hears, as his receiver reports say; native clients send none. The
 * round trip is that of RTCP, or of the TCP connection of his voice gateway.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/sessions/session_table.h"
#include "controlplane/voice/emodel.h"
#include "controlplane/voice/voice.h"

#include <math.h>

#define LOOK_MS     5000u
#define PACKETS_MIN 50u /* a second of speech: fewer say nothing of loss */
#define CLOCK_KHZ   48.0

static void look_again(struct control *c, uint32_t slot)
{
    deadlines_add(&c->deadlines, c->now_ms + LOOK_MS, DEADLINE_QUALITY, session_subject(c, slot));
}

void voice_quality_begin(struct control *c, uint32_t slot)
{
    struct session_control *s = session_touch(c, slot);
    s->mos_from = s->mos_to = s->round_trip_ms = 0;
    s->judged_packets = s->judged_lost = s->judged_gaps = s->judged_concealed = 0;
    look_again(c, slot);
}

void voice_quality_open(struct control *c, uint32_t slot)
{
    const struct session_control *s = session_of(c, slot);
    if (s->ready && (s->protocol || s->signalling))
        look_again(c, slot);
}

static uint16_t score(double loss, double burst, double delay_ms)
{
    struct emodel_line l = {.loss = loss, .burst = burst, .delay_ms = delay_ms};
    return (uint16_t)lround(100 * emodel_mos(emodel_rating(&l)));
}

static void judge_stream(struct session_control *s, const struct stream *now, double round_trip_ms)
{
    if (now->packets < s->judged_packets) /* it has begun anew */
        s->judged_packets = s->judged_lost = s->judged_gaps = s->judged_concealed = 0;
    double packets = now->packets - s->judged_packets, lost = (int32_t)(now->lost - s->judged_lost);
    if (packets < PACKETS_MIN)
        return;
    double loss = lost > 0 ? lost / (packets + lost) : 0;
    double burst = emodel_burst(now->concealed - s->judged_concealed, now->gaps - s->judged_gaps, loss);
    s->mos_from = score(loss, burst, emodel_delay_ms(round_trip_ms, now->jitter / 16.0 / CLOCK_KHZ));
    s->judged_packets = now->packets;
    s->judged_lost = now->lost;
    s->judged_gaps = now->gaps;
    s->judged_concealed = now->concealed;
}

static double round_trip_ms(const struct control *c, const struct session_control *s,
                            const struct voice_peer *p)
{
    const struct connection *n = connection_of(c->link->region, s->connection, NULL);
    if (p && p->round_trip_us)
        return p->round_trip_us / 1000.0;
    return n ? n->tcp.srtt_us / 1000.0 : 0;
}

/* What the dataplane knows of the session's peer; NULL: it is none. */
static const struct voice_peer *peer_at(const struct control *c, const struct session_control *s)
{
    uint32_t per = c->link->region->header->geometry.members;
    const struct voice_peer *p = region_part(c->link->region, s->member / per, PART_PEERS);
    p += s->member % per;
    return s->transport == MEMBER_WEBRTC && p->generation == s->member_generation ? p : NULL;
}

void voice_quality_due(struct control *c, uint32_t slot)
{
    if (session_of(c, slot)->kind != SESSION_VOICE || session_of(c, slot)->member == MEMBER_NONE)
        return;
    struct session_control *s = session_touch(c, slot);
    const struct voice_member *m = member_at(c->link->region, s->member);
    if (m->generation == s->member_generation) {
        const struct voice_peer *p = peer_at(c, s);
        double trip = round_trip_ms(c, s, p);
        s->round_trip_ms = (uint16_t)fmin(lround(trip), UINT16_MAX);
        judge_stream(s, &m->stream[STREAM_AUDIO], trip);
        if (p && p->reported_us)
            s->mos_to =
                score(p->reported_loss / 65536.0, 1, emodel_delay_ms(trip, p->reported_jitter / CLOCK_KHZ));
    }
    look_again(c, slot);
}
