/*
 * Transactions, rings and verbs of the control plane; see region_link.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/region_link.h"

#include <inttypes.h>
#include <stdlib.h>

#include "controlplane/events/event_writer.h"
#include "config/log.h"

#define LINK_UNDO_KEPT (24u << 10) /* undo bytes that one more small change may need */

void link_open(struct region_link *l, struct region *r)
{
    link_wait_fn *wait = l->wait;
    void *wait_ctx = l->wait_ctx;
    *l = (struct region_link){.region = r, .wait = wait, .wait_ctx = wait_ctx};
    txn_attach(&l->txn, r->base, region_section(r, SECTION_CONTROL_TXN));
    txn_recover(&l->txn);
    l->workers = r->header->geometry.workers;
    l->area = region_section(r, SECTION_CONTROL);
    l->counters = region_section(r, SECTION_CONTROL_COUNTERS);
    l->sessions = region_section(r, SECTION_SESSIONS_CONTROL);
    l->topics = region_section(r, SECTION_TOPICS);
    l->blocks = region_section(r, SECTION_CONTROL_BLOCKS);
    for (uint32_t w = 0; w < l->workers; w++) {
        ring_consumer(&l->worker[w].notice, region_part(r, w, PART_RING_NOTICE));
        ring_producer(&l->worker[w].command, region_part(r, w, PART_RING_COMMAND));
        ring_producer(&l->worker[w].fanout, region_part(r, w, PART_RING_FANOUT));
    }
    events_open(l);
}

void link_close_link(struct region_link *l)
{
    events_close(l);
    l->region = NULL;
}

void link_begin(struct region_link *l)
{
    if (l->depth++ == 0)
        txn_begin(&l->txn);
}

void link_commit(struct region_link *l)
{
    txn_commit(&l->txn);
}

void link_publish(struct region_link *l)
{
    txn_publish(&l->txn);
    l->depth = 0;
}

void link_end(struct region_link *l)
{
    assert(l->depth);
    if (l->depth > 1) {
        l->depth--;
        return;
    }
    link_commit(l);
    link_publish(l);
}

static bool ring_half_free(const struct ring_end *e)
{
    return ring_room(e) >= e->ring->size / 2;
}

bool link_room(struct region_link *l)
{
    for (uint32_t w = 0; w < l->workers; w++)
        if (!ring_half_free(&l->worker[w].command) || !ring_half_free(&l->worker[w].fanout))
            return false;
    return events_room(l);
}

void link_wait(struct region_link *l)
{
    assert(!l->depth);
    while (!link_room(l)) {
        if (!l->wait)
            abort(); /* nobody reads the rings and nobody may wait: a test that sends too much */
        l->wait(l->wait_ctx);
    }
}

void link_cut(struct region_link *l)
{
    uint32_t depth = l->depth;
    assert(depth);
    l->depth = 1;
    link_end(l);
    link_wait(l);
    link_begin(l);
    l->depth = depth;
}

static bool ring_low(const struct ring_end *e)
{
    return ring_room(e) < e->ring->size / 4;
}

bool link_long(struct region_link *l)
{
    bool is_long = txn_room(&l->txn) < LINK_UNDO_KEPT || !events_fit(l);
    for (uint32_t w = 0; w < l->workers && !is_long; w++)
        is_long = ring_low(&l->worker[w].command) || ring_low(&l->worker[w].fanout);
    return is_long;
}

void link_cut_if_long(struct region_link *l)
{
    if (link_long(l))
        link_cut(l);
}

void *link_verb(struct region_link *l, uint32_t worker, enum verb v, uint32_t length)
{
    struct worker_link *w = &l->worker[worker];
    struct ring_entry *e =
        ring_reserve(v < VERB_SESSION_BIND ? &w->command : &w->fanout, &l->txn, (uint16_t)v, length);
    if (!e) {
        /* link_room kept half the ring free: one transaction has outgrown it. The next life begins it again.
         */
        log_event(LOG_ERROR, "ring_overflow", "worker=%u verb=%d bytes=%u", worker, v, length);
        abort();
    }
    memset(e->payload, 0, length);
    return e->payload;
}

void link_send(struct region_link *l, uint64_t connection, uint8_t opcode, uint8_t flags, const void *data,
               uint32_t length)
{
    uint32_t at = 0;
    do {
        uint32_t n = length - at < LINK_SEND_PART ? length - at : LINK_SEND_PART;
        if (at)
            link_cut_if_long(l);
        struct verb_send *s = link_verb(l, link_worker_of(l, connection), VERB_SEND, (uint32_t)sizeof *s + n);
        s->connection = connection;
        s->total = length;
        s->opcode = opcode;
        s->flags = at ? SEND_CONTINUED : 0;
        s->flags |= at + n < length ? SEND_MORE : flags;
        if (n)
            memcpy(s->bytes, (const uint8_t *)data + at, n);
        at += n;
    } while (at < length);
}

void link_close(struct region_link *l, uint64_t connection, uint16_t code, bool after_events,
                const char *reason)
{
    size_t n = reason ? strlen(reason) : 0;
    if (n > LINK_REASON_MAX)
        n = LINK_REASON_MAX;
    struct verb_close *v = link_verb(l, link_worker_of(l, connection), VERB_CLOSE, (uint32_t)(sizeof *v + n));
    v->connection = connection;
    v->code = code;
    v->after_events = after_events;
    if (n)
        memcpy(v->reason, reason, n);
}
