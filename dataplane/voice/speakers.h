/*
 * Who of a room's speakers is heard: at most `max` at a time, the loudest. Pure.
 *
 * A place is held by an SSRC:  free --packet of speech--> held --silent or away for SPEAKER_HOLD_US--> free
 *                                         held --somebody clearly louder, after SPEAKER_TENURE_US--> his
 *
 * Loudness is the audio level where the client sends it (RFC 6464), otherwise what the client says of itself
 * (op 5: speaking, priority), otherwise that a packet came: then who came first stays. A newcomer must be
 * louder by SPEAKER_MARGIN than the quietest, so that two of about the same loudness do not take the place
 * from each other at each word.
 *
 * Silence takes no place. Of a speaker's own silence SPEAKER_SILENCE packets pass, which tell a receiver that
 * speech has ended (reference/voice.md 5.6); what follows is dropped.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_VOICE_SPEAKERS_H
#define VOXPOP_VOICE_SPEAKERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drop_reason.h"

#define SPEAKERS_MAX      64u
#define SPEAKER_HOLD_US   400000u
#define SPEAKER_TENURE_US 500000u
#define SPEAKER_MARGIN    6u /* dB */
#define SPEAKER_SILENCE   5u

struct speaker {
    uint32_t ssrc;    /* 0: free */
    uint8_t loudness; /* 0 to 255, a running mean: dB above -127 dBov, and 128 more with priority */
    uint8_t silent;   /* packets of silence in a row */
    uint16_t pad;
    uint64_t since_us; /* of the place */
    uint64_t last_us;  /* packet of speech, or of silence that passed */
};

/* What a packet tells of how loud it is. `level`: -dBov, above 127: unknown. */
uint8_t speaker_loudness(uint8_t level, bool speaking, bool priority);

/* DROP_NONE: the packet is to be heard; it has changed `places[max]`. */
enum drop_reason speaker_admit(struct speaker *places, uint32_t max, uint32_t ssrc, uint8_t loudness,
                               bool silence, uint64_t now_us);

/* Who left gives his place back. */
void speaker_leave(struct speaker *places, uint32_t max, uint32_t ssrc);

#endif
