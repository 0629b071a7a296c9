/*
 * Somebody who has a bundle and the capture that a replay of it made, and nothing else: opens every TLS
 * record and every voice packet in it with the bundle's keys.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_OBSERVER_H
#define VOXPOP_OBSERVER_H

#include "dataplane/capture/bundle.h"
#include "participant.h"

#define LISTENERS 3u
#define VOICE_MAX 4096u

struct observer {
    struct listener {
        bool known;          /* its keys are */
        struct tls_conn tls; /* as its client has it */
        uint32_t first;      /* sequence number of stream position 0 */
        uint32_t plain;      /* bytes of handshake before the records that we can open */
        bool synced;         /* `first` is known */
        uint8_t wire[STREAM_MAX];
        uint8_t there[STREAM_MAX];
        uint8_t text[STREAM_MAX];
        uint32_t text_length;
        struct heard {
            uint32_t speaker, number;
        } voice[VOICE_MAX];
        uint32_t voices;
    } listener[LISTENERS];
    uint32_t resets;
    uint32_t sent, received; /* frames in the capture */
    uint64_t last_us;
};

/* Takes the keys out of the bundle, and the frames out of the capture; opens everything. Fails the test on
 * what does not open. */
struct observer *observer_open(const char *directory, const char *capture);
void observer_close(struct observer *o);

/* How often this listener was told this. */
uint32_t observer_told(const struct observer *o, uint32_t listener, const char *text);

/* How many frames it heard of this speaker; fails the test unless they are numbered first, first + 1, ... */
uint32_t observer_heard(const struct observer *o, uint32_t listener, uint32_t speaker, uint32_t *first);

#endif
