/*
 * Reception statistics of one stream: RFC 3550 A.3 (loss, from gaps) and A.8 (jitter), with what real clients
 * do besides.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/voice/internal.h"

#define MAX_DROPOUT  3000 /* RFC 3550 A.1: a larger step is a new start */
#define MAX_MISORDER 100  /* RFC 3550 A.1 */
#define CLOCK_KHZ    48   /* of Opus (RFC 7587) */
#define TRANSIT_MAX  9600 /* 200 ms: more is a pause or a restarted timestamp, not the network's jitter */

/*
 * A client's timestamp stands still in a pause and jumps to 0 at its end (voice.md 5.3), so a large
 * difference of transit times says nothing about the network. Sequence numbers are unlucky witnesses across a
 * restart, too: no loss is counted for it.
 */
static void jitter_add(struct stream *s, uint32_t timestamp, uint64_t now_us)
{
    int64_t arrived = (int64_t)(now_us - s->arrived_us) * CLOCK_KHZ / 1000;
    int64_t d = arrived - (int32_t)(timestamp - s->ts_last);
    d = d < 0 ? -d : d;
    if (d <= TRANSIT_MAX)
        s->jitter += (uint32_t)d - ((s->jitter + 8) >> 4);
}

/*
 * How far the timestamp has come since the first packet, forward only. True: this one is ahead of all before,
 * and the way is not so long that a header could come again.
 */
static bool travel(struct voice_member *m, struct stream *s, uint32_t timestamp)
{
    if (!s->packets) {
        s->ts_first = timestamp;
        m->ts_travelled = 0;
        return true;
    }
    int32_t ahead = (int32_t)(timestamp - (s->ts_first + (uint32_t)m->ts_travelled));
    if (ahead > 0)
        m->ts_travelled += (uint32_t)ahead;
    return ahead > 0 && m->ts_travelled < VOICE_TRAVEL_MAX;
}

bool stream_arrived(struct voice_member *m, uint16_t sequence, uint32_t timestamp, uint64_t now_us)
{
    struct stream *s = &m->stream[STREAM_AUDIO];
    bool ahead = travel(m, s, timestamp);
    int16_t step = (int16_t)(uint16_t)(sequence - s->seq_last);
    if (s->packets++ && step <= 0 && step > -MAX_MISORDER) { /* late, or twice: a gap is filled */
        s->lost -= s->lost > 0 && step < 0;
        s->reordered += step < 0;
        return ahead;
    }
    if (s->packets > 1 && step > 0 && step <= MAX_DROPOUT) {
        s->lost += (uint32_t)step - 1;
        s->concealed += (uint32_t)step - 1;
        s->gaps += step > 1;
        jitter_add(s, timestamp, now_us);
    }
    s->seq_last = sequence;
    s->ts_last = timestamp;
    s->arrived_us = now_us;
    return ahead;
}
