/*
 * Recording a worker's inputs, so that the same worker code can be run on them again in virtual time
 * (replay.h). What a worker does is a function of the region as it stood between two transactions and of
 * these entries of its capture ring, in this order:
 *
 *   FACTS                                                once: configuration and link
 *   STEP (RX | RX_HANDED | KEYS | EVENT VERB)...         an iteration that had any effect, and what it took
 *
 * Iterations without effect are left out: a worker that does nothing depends on nothing. What a recording
 * does not hold: packets whose fan-out was under way at the snapshot (the worker waits for a quiet iteration,
 * for a while), and changes of routes (the bundle is refused then).
 *
 * A full ring ends the recording, never delays a packet.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_RECORD_H
#define VOXPOP_RECORD_H

#include "dataplane/worker.h"

enum record_ring { RECORD_COMMAND = 0, RECORD_FANOUT = 1 };

struct record_verb {
    uint32_t ring; /* enum record_ring */
    uint32_t pad;
    /* struct ring_entry, payload */
};

struct record_event {
    uint64_t position;
    /* struct event and its text */
};

#define RECORD_BUSY 255u /* in place of an enum tls_step: the helper took no record of this handshake */

struct record_handshake {
    uint64_t handle;
    struct tls_secrets secrets; /* TLS_STEP_DONE */
    uint32_t send_length;
    uint16_t reason; /* TLS_STEP_FAILED: enum drop_reason */
    uint8_t step;    /* enum tls_step, or RECORD_BUSY */
    uint8_t alert;
    /* bytes to send */
};

struct record_facts {
    uint32_t size; /* of this struct: another build's is another size */
    uint16_t mtu;
    uint8_t mac[6];
    bool answers_link;
    struct worker_config config;
};

/* ---- the worker's hooks: cheap while w->capture_wanted is not CAPTURE_REPLAY ---- */

/* CAPTURE_REPLAY is wanted: begins, goes on, or waits. False: the worker must do nothing in this iteration.
 */
bool record_begin(struct worker *w);

/* CAPTURE_REPLAY is wanted no more. */
void record_leave(struct worker *w);

/* The end of an iteration; `effect`: it did anything. */
void record_end(struct worker *w, bool effect);

void record_frame(struct worker *w, const struct packet *p);
void record_verb_(struct worker *w, enum record_ring ring, const struct ring_entry *e);
void record_handshake_(struct worker *w, const struct tls_helper_result *r);
void record_busy_(struct worker *w, uint64_t handle);

static inline void record_verb(struct worker *w, enum record_ring ring, const struct ring_entry *e)
{
    if (w->capture_wanted == CAPTURE_REPLAY)
        record_verb_(w, ring, e);
}

static inline void record_handshake(struct worker *w, const struct tls_helper_result *r)
{
    if (w->capture_wanted == CAPTURE_REPLAY)
        record_handshake_(w, r);
}

static inline void record_busy(struct worker *w, uint64_t handle)
{
    if (w->capture_wanted == CAPTURE_REPLAY)
        record_busy_(w, handle);
}

#endif
