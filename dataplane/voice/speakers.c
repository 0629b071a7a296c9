/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/voice/speakers.h"

#define LOUDEST       127u
#define SAYS_SPEAKING 80u /* where no level says more */
#define SAYS_NOTHING  60u
#define PRIORITY      128u
#define MEAN_OF       4 /* packets, about */

uint8_t speaker_loudness(uint8_t level, bool speaking, bool priority)
{
    uint32_t loudness = level <= LOUDEST ? LOUDEST - level : speaking ? SAYS_SPEAKING : SAYS_NOTHING;
    return (uint8_t)(loudness + (priority ? PRIORITY : 0));
}

static bool is_free(const struct speaker *s, uint64_t now_us)
{
    return !s->ssrc || now_us - s->last_us > SPEAKER_HOLD_US;
}

/* The place that a newcomer takes, or NULL. */
static struct speaker *place_for(struct speaker *places, uint32_t max, uint8_t loudness, uint64_t now_us)
{
    struct speaker *quietest = NULL;
    for (struct speaker *s = places; s < places + max; s++) {
        if (is_free(s, now_us))
            return s;
        if (now_us - s->since_us >= SPEAKER_TENURE_US && (!quietest || s->loudness < quietest->loudness))
            quietest = s;
    }
    return quietest && loudness >= quietest->loudness + SPEAKER_MARGIN ? quietest : NULL;
}

static struct speaker *place_of(struct speaker *places, uint32_t max, uint32_t ssrc)
{
    for (struct speaker *s = places; s < places + max; s++)
        if (s->ssrc == ssrc)
            return s;
    return NULL;
}

static enum drop_reason go_on(struct speaker *s, uint8_t loudness, bool silence, uint64_t now_us)
{
    if (!silence) {
        s->silent = 0;
        s->loudness = (uint8_t)(s->loudness + (loudness - s->loudness) / MEAN_OF);
    } else if (s->silent == SPEAKER_SILENCE) {
        return DROP_VOICE_SILENCE; /* and last_us stays: the place becomes free */
    } else {
        s->silent++;
    }
    s->last_us = now_us;
    return DROP_NONE;
}

enum drop_reason speaker_admit(struct speaker *places, uint32_t max, uint32_t ssrc, uint8_t loudness,
                               bool silence, uint64_t now_us)
{
    struct speaker *s = place_of(places, max, ssrc);
    if (s)
        return go_on(s, loudness, silence, now_us);
    if (silence)
        return DROP_VOICE_SILENCE;
    s = place_for(places, max, loudness, now_us);
    if (!s)
        return DROP_VOICE_NOT_LOUDEST;
    *s = (struct speaker){.ssrc = ssrc, .loudness = loudness, .since_us = now_us, .last_us = now_us};
    return DROP_NONE;
}

void speaker_leave(struct speaker *places, uint32_t max, uint32_t ssrc)
{
    struct speaker *s = place_of(places, max, ssrc);
    if (s)
        *s = (struct speaker){0};
}
