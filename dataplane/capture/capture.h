/*
 * Taps: copies of packets into the worker's capture ring (include/capture_ring.h), when the operator wants
 * them. With no capture each tap is one test of a word that the worker read at the start of its iteration.
 *
 * Filters: everything; one session (the packets of the connection it has, and of its voice member); one room;
 * what a replay needs (record.h). Full ring: the copy is dropped and counted, the packet goes on.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CAPTURE_H
#define VOXPOP_CAPTURE_H

#include "dataplane/worker.h"

/* Appends an entry of `kind`; false: the ring is full (counted). */
bool capture_put(struct worker *w, enum capture_kind kind, const void *head, uint32_t head_length,
                 const void *body, uint32_t body_length);

void capture_frame_(struct worker *w, const struct packet *p, enum capture_kind kind);
void capture_connection_(struct worker *w, const struct packet *p, const struct tcp_tuple *tuple);
void capture_voice_(struct worker *w, const struct packet *p, const struct net_packet *n);
void capture_sent_segment_(struct worker *w, const struct packet *p, uint32_t connection);
void capture_sent_voice_(struct worker *w, const struct packet *p, uint32_t member);

/* A frame of no connection and no room: for captures of everything. */
static inline void capture_frame(struct worker *w, const struct packet *p, enum capture_kind kind)
{
    if (w->capture_wanted)
        capture_frame_(w, p, kind);
}

/* A received segment of this connection. */
static inline void capture_connection(struct worker *w, const struct packet *p, const struct tcp_tuple *tuple)
{
    if (w->capture_wanted)
        capture_connection_(w, p, tuple);
}

/* A received voice datagram. */
static inline void capture_voice(struct worker *w, const struct packet *p, const struct net_packet *n)
{
    if (w->capture_wanted)
        capture_voice_(w, p, n);
}

static inline void capture_sent_segment(struct worker *w, const struct packet *p, uint32_t connection)
{
    if (w->capture_wanted)
        capture_sent_segment_(w, p, connection);
}

static inline void capture_sent_voice(struct worker *w, const struct packet *p, uint32_t member)
{
    if (w->capture_wanted)
        capture_sent_voice_(w, p, member);
}

#endif
