/*
 * Packets copied for a capture: one ring a worker, written by the worker, read by the capture writer (a
 * process of its own, so that a capture outlives either process). Full: the copy is dropped and counted; the
 * packet itself is never delayed.
 *
 * The control words are written by the operator's tool; a worker looks at `wanted` once an iteration.
 *
 * CAPTURE_REPLAY, per generation, all by words of this struct:
 *
 *   tool: generation, wanted   worker: paused = generation, does nothing   tool: copies the region, released
 *   = generation               worker: recording = generation, goes on, records its inputs
 *
 * A worker stands still for at most CAPTURE_PAUSE_US; then it goes on without recording (refused =
 * generation).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CAPTURE_RING_H
#define VOXPOP_CAPTURE_RING_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum capture_filter {
    CAPTURE_OFF = 0,
    CAPTURE_ALL = 1,
    CAPTURE_SESSION = 2,
    CAPTURE_ROOM = 3,
    CAPTURE_REPLAY = 4
};

struct capture_ring {
    /* writer: the operator's tool */
    _Atomic uint32_t wanted;     /* enum capture_filter */
    _Atomic uint32_t generation; /* grows with each start */
    _Atomic uint64_t subject;    /* a room's index; or a session's, and that of its peer << 32 */
    _Atomic uint32_t released;   /* generation whose snapshot is taken */
    uint8_t pad0[44];
    /* writer: the worker */
    _Atomic uint64_t tail; /* bytes written */
    _Atomic uint64_t dropped;
    _Atomic uint32_t paused;    /* generation that it stands still for, 0: it runs */
    _Atomic uint32_t recording; /* generation that it records, 0: none */
    _Atomic uint32_t refused;   /* generation that it waited for in vain */
    _Atomic uint32_t paused_us; /* how long it stood still the last time */
    uint8_t pad1[32];
    /* writer: the capture writer */
    _Atomic uint64_t head; /* bytes read */
    uint8_t pad2[56];
    uint64_t size; /* constant: bytes behind this struct, a power of two */
    uint8_t pad3[56];
};
_Static_assert(sizeof(struct capture_ring) == 256, "capture_ring is a published format");
_Static_assert(offsetof(struct capture_ring, tail) == 64 && offsetof(struct capture_ring, head) == 128 &&
                   offsetof(struct capture_ring, size) == 192,
               "capture_ring is a published format");

#define CAPTURE_PAUSE_US 500000u

/* An entry: this head, then `length` bytes, padded to 8; never wraps (a head with kind 0 fills the end). */
struct capture_entry {
    uint32_t length;
    uint8_t kind; /* enum capture_kind, 0: filler */
    uint8_t worker;
    uint16_t port;
    uint64_t time_us; /* the loop's clock */
};
_Static_assert(sizeof(struct capture_entry) == 16, "capture_entry is a published format");

/* From CAPTURE_STEP on: what a replay bundle has besides packets (dataplane/capture/record.h). */
enum capture_kind {
    CAPTURE_RX = 1,
    CAPTURE_TX = 2,
    CAPTURE_STEP = 3,      /* an iteration begins: struct record_step */
    CAPTURE_VERB = 4,      /* a ring entry that the worker took: struct record_verb, struct ring_entry, payload */
    CAPTURE_EVENT = 5,     /* bytes of the event log that a verb names: struct record_event, bytes */
    CAPTURE_KEYS = 6,      /* result of a handshake step: struct record_handshake, bytes to send */
    CAPTURE_RX_HANDED = 7, /* a packet that another worker received and handed over */
    CAPTURE_FACTS = 8,     /* first of a recording: struct record_facts */
};

#endif
