/*
 * SPDX-License-Identifier: Apache-2.0
 *
 *      OFF --wanted, new generation--> ASKED --quiet, or 100 ms--> PAUSED --released--> ON
 *                                        |                           |                  |
 *                                        +--released before          +--500 ms          +--ring full
 *                                        v                           v                  v
 *                                       OVER                        OVER               OVER
 *
 *      any --no longer wanted--> OFF
 *
 * PAUSED is the one phase in which the worker does nothing, ON the one in which it records.
 */
#include "dataplane/capture/record.h"

#include "dataplane/capture/capture.h"

#define QUIET_US 100000u

static void enter(struct worker *w, enum record_phase phase)
{
    struct capture_ring *r = w->capture;
    struct recorder *rec = &w->recorder;
    rec->phase = phase;
    rec->since_us = w->now_us;
    atomic_store_explicit(&r->paused, phase == RECORD_PAUSED ? rec->generation : 0, memory_order_release);
    atomic_store_explicit(&r->recording, phase == RECORD_ON ? rec->generation : 0, memory_order_release);
}

static void put(struct worker *w, enum capture_kind kind, const void *head, uint32_t head_length,
                const void *body, uint32_t body_length)
{
    struct recorder *rec = &w->recorder;
    if (rec->phase != RECORD_ON)
        return;
    bool good = true;
    if (!rec->step_written) {
        rec->step_written = true;
        good = capture_put(w, CAPTURE_STEP, &rec->step, sizeof rec->step, NULL, 0);
    }
    if (!good || (kind != CAPTURE_STEP && !capture_put(w, kind, head, head_length, body, body_length)))
        enter(w, RECORD_OVER);
}

/* What is kept on the heap alone is not in a snapshot: it had better be nothing. */
static bool quiet(const struct worker *w)
{
    return !voice_pending(w->voice) && !w->late_count && !w->ready_count && !w->walk;
}

static void step_begins(struct worker *w)
{
    struct recorder *rec = &w->recorder;
    rec->step_written = false;
    rec->pending = voice_pending(w->voice) != 0;
    rec->step = (struct record_step){
        .unix_s = w->unix_s,
        .log_oldest = atomic_load_explicit(&w->queues.log->oldest, memory_order_acquire),
        .notice_head = atomic_load_explicit(&w->notice.ring->head, memory_order_acquire),
        .route_generation = atomic_load_explicit(&w->routes->swap.generation, memory_order_acquire)};
}

static void begin_recording(struct worker *w)
{
    struct record_facts facts;
    atomic_store_explicit(&w->capture->paused_us, (uint32_t)(w->now_us - w->recorder.since_us),
                          memory_order_relaxed);
    memset(&facts, 0, sizeof facts);
    facts.size = sizeof facts;
    facts.mtu = w->port_info.mtu;
    memcpy(facts.mac, w->port_info.mac, sizeof facts.mac);
    facts.answers_link = w->answers_link;
    facts.config = *w->config;
    enter(w, RECORD_ON);
    if (!capture_put(w, CAPTURE_FACTS, &facts, sizeof facts, NULL, 0))
        enter(w, RECORD_OVER);
    step_begins(w);
    if (w->walk) /* taken before the snapshot, and not done with */
        record_verb_(w, RECORD_FANOUT, w->walk);
}

static void pause_worker(struct worker *w)
{
    /* Events behind this are recorded; those before it are in the snapshot, which is taken later. */
    w->recorder.log_head = atomic_load_explicit(&w->queues.log->head, memory_order_acquire);
    enter(w, RECORD_PAUSED);
}

bool record_begin(struct worker *w)
{
    struct capture_ring *r = w->capture;
    struct recorder *rec = &w->recorder;
    uint32_t generation = atomic_load_explicit(&r->generation, memory_order_acquire);
    bool released = atomic_load_explicit(&r->released, memory_order_acquire) == generation;
    if (rec->phase == RECORD_OFF || rec->generation != generation) {
        rec->generation = generation;
        enter(w, released ? RECORD_OVER : RECORD_ASKED);
    }
    if (rec->phase == RECORD_ASKED && (quiet(w) || w->now_us - rec->since_us >= QUIET_US))
        pause_worker(w);
    if (rec->phase == RECORD_PAUSED) {
        if (released) {
            begin_recording(w);
        } else if (w->now_us - rec->since_us >= CAPTURE_PAUSE_US) {
            atomic_store_explicit(&r->refused, generation, memory_order_release);
            enter(w, RECORD_OVER);
        } else {
            return false;
        }
    } else if (rec->phase == RECORD_ON) {
        step_begins(w);
    }
    if (rec->phase == RECORD_ON && w->webrtc && webrtc_count(w->webrtc))
        enter(w, RECORD_OVER); /* what DTLS makes cannot be made again */
    w->capture_wanted = rec->phase == RECORD_ON ? CAPTURE_REPLAY : CAPTURE_OFF;
    return true;
}

void record_leave(struct worker *w)
{
    enter(w, RECORD_OFF);
}

void record_end(struct worker *w, bool effect)
{
    if (w->recorder.phase == RECORD_ON && !w->recorder.step_written && (effect || w->recorder.pending))
        put(w, CAPTURE_STEP, NULL, 0, NULL, 0);
}

void record_frame(struct worker *w, const struct packet *p)
{
    put(w, w->handed ? CAPTURE_RX_HANDED : CAPTURE_RX, NULL, 0, p->data, p->len);
}

/* The event that a verb names, unless it is in the snapshot. */
static void put_event(struct worker *w, uint64_t position)
{
    if (position < w->recorder.log_head)
        return;
    const struct event *e = event_at(w->queues.log, position);
    struct record_event head = {position};
    put(w, CAPTURE_EVENT, &head, sizeof head, e, e->length);
}

void record_verb_(struct worker *w, enum record_ring ring, const struct ring_entry *e)
{
    struct record_verb head = {.ring = ring};
    if (e->type == VERB_WALK)
        put_event(w, ((const struct verb_walk *)(const void *)e->payload)->event);
    else if (e->type == VERB_DISPATCH)
        put_event(w, ((const struct verb_dispatch *)(const void *)e->payload)->event);
    put(w, CAPTURE_VERB, &head, sizeof head, e, (uint32_t)sizeof *e + e->length);
}

void record_handshake_(struct worker *w, const struct tls_helper_result *r)
{
    struct record_handshake head;
    memset(&head, 0, sizeof head);
    head.handle = r->handle;
    head.step = (uint8_t)r->step.step;
    head.send_length = r->step.send_len;
    head.reason = (uint16_t)r->step.why.reason;
    head.alert = r->step.why.alert;
    if (r->step.step == TLS_STEP_DONE)
        head.secrets = r->step.secrets;
    put(w, CAPTURE_KEYS, &head, sizeof head, r->step.send, r->step.send_len);
    wipe(&head, sizeof head);
}

void record_busy_(struct worker *w, uint64_t handle)
{
    struct record_handshake head;
    memset(&head, 0, sizeof head);
    head.handle = handle;
    head.step = RECORD_BUSY;
    put(w, CAPTURE_KEYS, &head, sizeof head, NULL, 0);
}
