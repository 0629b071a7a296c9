/*
 * Packets copied for a capture: one ring a worker, written by the worker, read by the capture writer (a
 * process of its own, so that a capture outlives either process). Full: the copy is dropped and counted; the
 * packet itself is never delayed.
 *
 * The control words are written by the operator's tool; a worker looks at `wanted` once an iteration.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CAPTURE_RING_H
#define VOXPOP_CAPTURE_RING_H

#include <stdatomic.h>
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
    _Atomic uint64_t subject;    /* session index or room index */
    uint8_t pad0[48];
    /* writer: the worker */
    _Atomic uint64_t tail; /* bytes written */
    _Atomic uint64_t dropped;
    uint8_t pad1[48];
    /* writer: the capture writer */
    _Atomic uint64_t head; /* bytes read */
    uint8_t pad2[56];
    uint64_t size; /* constant: bytes behind this struct, a power of two */
    uint8_t pad3[56];
};
_Static_assert(sizeof(struct capture_ring) == 256, "capture_ring is a published format");

/* An entry: this head, then `length` bytes, padded to 8; never wraps (a head with kind 0 fills the end). */
struct capture_entry {
    uint32_t length;
    uint8_t kind; /* enum capture_kind, 0: filler */
    uint8_t worker;
    uint16_t port;
    uint64_t time_us; /* the loop's clock */
};
_Static_assert(sizeof(struct capture_entry) == 16, "capture_entry is a published format");

/* The last four are what a replay bundle has besides packets (CAPTURE_REPLAY). */
enum capture_kind {
    CAPTURE_RX = 1,
    CAPTURE_TX = 2,
    CAPTURE_STEP = 3,  /* an iteration begins: no bytes */
    CAPTURE_VERB = 4,  /* a ring entry that the worker took: {u32 ring, struct ring_entry, payload} */
    CAPTURE_EVENT = 5, /* bytes of the event log that a verb names: {u64 position, bytes} */
    CAPTURE_KEYS = 6,  /* result of a handshake: struct of dataplane/tls */
};

#endif
