/*
 * A session's queue of event references: what it is still to be sent, what is on the way, and what is kept for a resume
 * (include/session.h has the picture). And the pins: how many references of each segment of the event log this core still needs.
 *
 * Owns: struct session's queue fields, the core's chunks and pins. Refuses: a session that would hold more than `keep_max`
 * references forgets the oldest ones kept for a resume; one that has more than `unsent_max` unsent is a slow reader, and its owner
 * closes it. No I/O, no clock.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_FANOUT_QUEUE_H
#define VOXPOP_FANOUT_QUEUE_H

#include "event_log.h"
#include "session.h"

/* What all queues of one core share. */
struct queue_env {
    struct txn *txn;             /* or NULL in tests */
    struct pool *chunks;         /* struct session_chunk */
    const struct event_log *log;
    uint32_t *pins;              /* of this core, one a segment */
    uint32_t unsent_max;         /* references */
    uint32_t keep_max;           /* references kept for a resume, at most */
    /* On the heap, zeroed, one a segment: pins that the open transaction lets go. NULL: they go at once (tests). */
    uint32_t *let_go;
    uint32_t let_go_from, let_go_to; /* where in it there is anything */
};

enum queue_result {
    QUEUE_OK,
    QUEUE_SLOW,      /* more than unsent_max unsent: not queued */
    QUEUE_NO_CHUNK,  /* not queued: none is free, and what the session holds is not acknowledged */
};

/* Every function that changes a session saves it first. */
void queue_touch(struct queue_env *q, struct session *s);

/* To be called when the transaction is published: what it let go pins no longer. */
void queue_settle(struct queue_env *q);

/* A session begins, with the numbers from 1 on. */
void queue_start(struct queue_env *q, struct session *s);

/* The same for a session whose client has seen everything up to `seq` elsewhere. */
void queue_start_behind(struct queue_env *q, struct session *s, uint32_t seq);

/* Appends an event; it gets the next number. Pins while the session has a connection. */
enum queue_result queue_push(struct queue_env *q, struct session *s, uint64_t event_position);

/* The reference that is to be described next (that of seq_sent + 1), or false: nothing is unsent. */
bool queue_next(const struct queue_env *q, const struct session *s, uint32_t *ref);

/* `bytes` more of it are described; `whole`: all of it, the next one is then seq_sent + 1. */
void queue_described(struct queue_env *q, struct session *s, uint32_t bytes, bool whole);

/* TCP has acknowledged everything up to the end of `seq`: nothing up to there pins. */
void queue_acked(struct queue_env *q, struct session *s, uint32_t seq);

/* The same for one whose reference the caller has: in order, nothing has to be looked up. */
void queue_acked_ref(struct queue_env *q, struct session *s, uint32_t seq, uint32_t ref);

/* The client says that it has seen `seq`: drops what is older than SESSION_KEEP before it. False: it cannot have. */
bool queue_heard(struct queue_env *q, struct session *s, uint32_t seq);

/* The connection is gone: nothing pins any more. */
void queue_away(struct queue_env *q, struct session *s);

/*
 * A new connection goes on behind `seq`: everything after it is unsent again, and pinned. False: those events are not held any
 * more (never were, were trimmed, or the log has moved on); the session is left away.
 */
bool queue_resume(struct queue_env *q, struct session *s, uint32_t seq);

/* The session ends: gives back all chunks and pins. */
void queue_end(struct queue_env *q, struct session *s);

/* Adds this session's pins to the counts (restart: all counts are made anew). */
void queue_recount(struct queue_env *q, const struct session *s);

/* The oldest reference that pins; false: none does. */
bool queue_oldest_pinned(const struct queue_env *q, const struct session *s, uint32_t *ref);

/* Asserts what session.h promises. */
void queue_check(const struct queue_env *q, const struct session *s);

static inline uint32_t queue_unsent(const struct session *s)
{
    return s->seq_last - s->seq_sent;
}

#endif
