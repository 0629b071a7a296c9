/*
 * Exactly-once handling of notices; see inputs.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/inputs.h"

#include <inttypes.h>

#include "config/log.h"

#define INPUT_DEATHS_MAX  2u
#define POISON_CLOSE_CODE 4000u

struct ring_entry *inputs_entry(struct inputs *in, uint32_t worker, uint64_t number)
{
    struct ring *r = in->link->worker[worker].notice.ring;
    return (struct ring_entry *)(void *)(ring_data(r) + (number & (r->size - 1)));
}

/* Stored before the transaction: a death within it must be told from one elsewhere. */
static void handling_set(struct inputs *in, uint32_t worker, uint64_t number)
{
    struct control_area *a = in->link->area;
    if (a->handling_number == number + 1 && a->handling_worker == worker)
        return;
    a->handling_number = 0;
    txn_barrier();
    a->handling_worker = worker;
    a->handling_deaths = 0;
    a->handling_cursor = 0;
    txn_barrier();
    a->handling_number = number + 1;
    txn_barrier();
}

static void handling_clear(struct inputs *in)
{
    struct control_area *a = in->link->area;
    a->handling_number = 0;
    txn_barrier();
    a->handling_deaths = 0;
}

void inputs_finish(struct inputs *in, uint32_t worker, uint64_t number)
{
    ring_done(&in->link->worker[worker].notice, &in->link->txn, inputs_entry(in, worker, number));
    index_map_remove(&in->pending[worker], number + 1);
}

void inputs_forget(struct inputs *in, uint32_t worker, uint64_t number)
{
    if (!in->current || in->current_worker != worker || in->current->number != number)
        return;
    in->current = NULL;
    handling_clear(in);
}

/* The connection that a notice is about; 0: none. */
static uint64_t notice_connection(const struct ring_entry *e)
{
    uint64_t connection;
    if (e->type == NOTICE_DISCOVERED || e->type == NOTICE_HEARD || e->type == NOTICE_EXHAUSTED ||
        e->length < sizeof connection)
        return 0;
    if (e->type == NOTICE_RESUME_FAILED)
        return ((const struct notice_session *)(const void *)e->payload)->connection;
    memcpy(&connection, e->payload, sizeof connection);
    return connection;
}

static void set_aside(struct inputs *in, uint32_t worker, struct ring_entry *e)
{
    struct region_link *l = in->link;
    uint64_t connection = notice_connection(e);
    log_event(LOG_WARNING, "poison", "worker=%u entry=%" PRIu64 " type=%u bytes=%u", worker, e->number,
              e->type, e->length);
    link_begin(l);
    txn_save(&l->txn, &l->area->poisoned, sizeof l->area->poisoned);
    l->area->poisoned++;
    if (connection)
        link_close(l, connection, e->type == NOTICE_REQUEST ? 0 : POISON_CLOSE_CODE, false, "unknown error");
    inputs_finish(in, worker, e->number);
    link_end(l);
    link_drop(l, DROP_CONTROL_POISON);
    handling_clear(in);
}

void inputs_open(struct inputs *in, struct region_link *l, input_fn *fn, void *ctx)
{
    struct control_area *a = l->area;
    *in = (struct inputs){.link = l, .fn = fn, .ctx = ctx};
    if (!a->handling_number || a->handling_worker >= l->workers)
        return;
    uint32_t worker = a->handling_worker;
    struct ring_entry *e = inputs_entry(in, worker, a->handling_number - 1);
    if (e->number != a->handling_number - 1 || e->done) {
        handling_clear(in); /* it died between the entry's transaction and this word */
        return;
    }
    a->handling_deaths++;
    if (a->handling_deaths >= INPUT_DEATHS_MAX) {
        set_aside(in, worker, e);
        return;
    }
    in->current = e;
    in->current_worker = worker;
}

void inputs_close(struct inputs *in)
{
    for (uint32_t w = 0; w < WORKERS_MAX; w++)
        index_map_free(&in->pending[w]);
    in->current = NULL;
}

static bool next_entry(struct inputs *in)
{
    for (uint32_t i = 0; i < in->link->workers; i++) {
        uint32_t w = (in->next_worker + i) % in->link->workers;
        struct ring_entry *e;
        while ((e = ring_next(&in->link->worker[w].notice)) != NULL) {
            if (index_map_get(&in->pending[w], e->number + 1) != INDEX_NONE)
                continue; /* taken up out of turn after a restart */
            in->current = e;
            in->current_worker = w;
            in->next_worker = w + 1;
            return true;
        }
    }
    return false;
}

bool inputs_step(struct inputs *in)
{
    struct region_link *l = in->link;
    struct control_area *a = l->area;
    if (!link_room(l) || (!in->current && !next_entry(in)))
        return false;
    struct ring_entry *e = in->current;
    uint32_t worker = in->current_worker;
    handling_set(in, worker, e->number);
    uint64_t cursor = a->handling_cursor;
    link_begin(l);
    enum input_result result = in->fn(in->ctx, worker, e, &cursor);
    if (result == INPUT_DONE)
        inputs_finish(in, worker, e->number);
    else if (result == INPUT_PENDING)
        index_map_put(&in->pending[worker], e->number + 1, 1);
    txn_save(&l->txn, &a->handling_cursor, sizeof a->handling_cursor);
    a->handling_cursor = cursor;
    link_end(l);
    a->handling_deaths = 0; /* it got further: the next death is the first again */
    if (result != INPUT_MORE) {
        in->current = NULL;
        handling_clear(in);
    }
    return true;
}
