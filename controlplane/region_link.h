/*
 * The control plane's end of the region: its transaction, its ends of every worker's rings, the verbs it
 * sends.
 *
 * Owns: the transaction log, the producers of `command` and `fanout`, the consumers of `notice`. Refuses to
 * begin anything while a ring has less than half its bytes free or the event log has no room (link_room):
 * what one transaction may send always fits, so nothing is ever lost half-way. Everything sent within a
 * transaction appears at the workers when it is published, or never.
 *
 *      link_begin -> verbs, events, changes of the region -> link_end
 *
 * Transactions nest by counting; the outermost one commits. link_cut() ends one and begins the next, waiting
 * for room in between: for work that may be repeated from any cut.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_REGION_LINK_H
#define VOXPOP_REGION_LINK_H

#include "region.h"
#include "verb.h"

#define LINK_SEND_PART  (32u << 10) /* bytes of one VERB_SEND */
#define LINK_REASON_MAX 123u        /* bytes of a close frame's reason (RFC 6455 5.5) */

struct worker_link {
    struct ring_end notice;
    struct ring_end command;
    struct ring_end fanout;
};

/* What waits until the workers have read some of what they were told; must keep the process's signs of life.
 */
typedef void link_wait_fn(void *ctx);

struct region_link {
    struct region *region;
    struct txn txn;
    uint32_t depth;
    uint32_t workers;
    struct control_area *area;
    struct counters *counters;
    struct pool *sessions;
    struct pool *topics;
    struct pool *blocks;
    struct worker_link worker[WORKERS_MAX];
    /* event log (events/event_writer.c) */
    struct event_log *log;
    uint64_t log_cursor;  /* behind the last event written, also in the open transaction */
    uint64_t log_ready;   /* positions below it may be written */
    uint64_t *log_fence;  /* [segment * workers + worker]: fanout entries before it name events there */
    uint64_t log_shed_us; /* when readers were last asked to go */
    struct deflater *deflater;
    link_wait_fn *wait;
    void *wait_ctx;
};

/* Attaches to a region: recovers the transaction that a predecessor left, finds the rings. */
void link_open(struct region_link *l, struct region *r);
void link_close_link(struct region_link *l);

void link_begin(struct region_link *l);
void link_commit(struct region_link *l);
void link_publish(struct region_link *l);
void link_end(struct region_link *l);

/* May the next input be handled? False: wait, the workers are behind. */
bool link_room(struct region_link *l);
/* Waits for room. Not within a transaction. */
void link_wait(struct region_link *l);
/* Within a transaction: commits and publishes it, waits for room, begins another. */
void link_cut(struct region_link *l);
/* Has the open transaction taken most of what it may? */
bool link_long(struct region_link *l);
/* link_cut, if it has. */
void link_cut_if_long(struct region_link *l);

/* An entry for a worker, zeroed, `length` bytes of payload: the caller fills it in before the transaction
 * ends. */
void *link_verb(struct region_link *l, uint32_t worker, enum verb v, uint32_t length);
/* A message of a connection: WebSocket opcode 1 (text), or 0 for HTTP. flags: SEND_END, SEND_CLOSE. One that
 * is too long for the open transaction is cut between its parts. */
void link_send(struct region_link *l, uint64_t connection, uint8_t opcode, uint8_t flags, const void *data,
               uint32_t length);
void link_close(struct region_link *l, uint64_t connection, uint16_t code, bool after_events,
                const char *reason);

static inline uint32_t link_worker_of(const struct region_link *l, uint64_t connection)
{
    uint32_t w = (uint32_t)connection / l->region->header->geometry.connections;
    return w < l->workers ? w : 0;
}

static inline void link_drop(struct region_link *l, enum drop_reason why)
{
    count_drop(l->counters, why);
}

#endif
