/*
 * Voice load on a box: clients join, then speakers speak, either as fast as what they sent has come (a
 * window), or in time: each 50 times a second at a phase of its own, drawn from the seed.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_LOAD_VOICE_H
#define VOXPOP_LOAD_VOICE_H

#include "box.h"
#include "crowd.h"
#include "load.h"

struct voice_load {
    const struct load_options *options;
    struct box *box;
    struct crowd crowd;
    struct port_queue *port;
    struct load_time time;
    uint64_t rest_ticks, quiet_ticks;
    uint64_t random;
    uint64_t slot_ends; /* of the 10 ms in which so many packets are opened whatever the rate */
    uint32_t slot_opened;
    uint64_t refused;        /* packets that the wire did not take: the box's receive ring was full */
    uint64_t unsaid;         /* that were due and not made: the generator had no memory for them */
    uint64_t dropped_before; /* copies, ahead of this trial */
    uint64_t lost;           /* copies that were dropped since, as far as was looked */
    struct histogram
        late; /* of the last trial (--loads): tenths of a microsecond from sending to receiving */
};

/* What a trial gave. */
struct voice_trial {
    double offered; /* sealed packets/s that the speakers asked for; 0: a window */
    double rate;    /* sealed packets/s that came */
    double busy;    /* the generator's share */
    double worker_busy;
    uint64_t expected, missing;
    uint64_t refused;   /* packets that the wire did not take, or that were not made */
    uint64_t accounted; /* copies that somebody counted as dropped */
    uint64_t link;      /* packets of the box that are about the link: as many more it may have dropped */
    bool disturbed;     /* the generator or the dataplane was not on its CPU for a while */
};

/* Everyone is made known to the box, asks for its address, and is bound to it. False: see crowd.wrong, or
 * stderr. */
bool voice_join(struct voice_load *v);

/* Speaks for `seconds`. `offered` 0: at most `window` copies are on their way. */
bool voice_speak(struct voice_load *v, double offered, double seconds, struct voice_trial *out);

/* Every copy that did not come is one that was counted as dropped, and the other way round. */
bool voice_balances(const struct voice_trial *t);

#endif
