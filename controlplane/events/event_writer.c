/*
 * The event log's writer; see event_writer.h.
 *
 * Fence: when the log enters a segment, everything that names events of the one before it stands in the
 * fan-out rings below the cursors of that moment. log_fence keeps those cursors a segment; a restarted writer
 * does not know them and takes the present ones for all, which is later and so safe.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/events/event_writer.h"

#include <stdlib.h>

#include "controlplane/events/deflate.h"

#define EVENT_SHED_EVERY_US 1000000u

static uint64_t *fence_of(struct region_link *l, uint64_t segment)
{
    return l->log_fence + segment % l->log->segments * l->workers;
}

static void fence_set(struct region_link *l, uint64_t segment)
{
    uint64_t *fence = fence_of(l, segment);
    for (uint32_t w = 0; w < l->workers; w++)
        fence[w] = l->worker[w].fanout.cursor;
}

void events_open(struct region_link *l)
{
    l->log = region_section(l->region, SECTION_EVENT_LOG);
    l->log_cursor = atomic_load_explicit(&l->log->head, memory_order_relaxed);
    /* The segment that the head stands in was taken by whoever began it; its pins are those of its own
     * events. */
    l->log_ready = (l->log_cursor + EVENT_SEGMENT_BYTES - 1) / EVENT_SEGMENT_BYTES * EVENT_SEGMENT_BYTES;
    l->log_fence = calloc(l->log->segments * l->workers, sizeof *l->log_fence);
    if (!l->log_fence)
        abort();
    for (uint64_t s = 0; s < l->log->segments; s++)
        fence_set(l, s);
    l->deflater = deflater_open();
}

void events_close(struct region_link *l)
{
    free(l->log_fence);
    l->log_fence = NULL;
    deflater_close(l->deflater);
    l->deflater = NULL;
}

static bool fence_passed(struct region_link *l, uint64_t segment)
{
    const uint64_t *fence = fence_of(l, segment);
    for (uint32_t w = 0; w < l->workers; w++)
        if (atomic_load_explicit(&l->worker[w].fanout.ring->head, memory_order_acquire) < fence[w])
            return false;
    return true;
}

static bool segment_pinned(struct region_link *l, uint64_t segment)
{
    bool pinned = false;
    for (uint32_t w = 0; w < l->workers; w++) {
        const uint32_t *pins = region_part(l->region, w, PART_PINS);
        pinned |= __atomic_load_n(&pins[segment % l->log->segments], __ATOMIC_ACQUIRE) != 0;
    }
    return pinned;
}

static void shed(struct region_link *l, uint64_t segment)
{
    uint64_t now = region_now_us();
    for (uint32_t w = 0; w < l->workers; w++)
        if (ring_room(&l->worker[w].fanout) < 4096)
            return;
    if (now - l->log_shed_us < EVENT_SHED_EVERY_US || l->depth)
        return;
    l->log_shed_us = now;
    link_begin(l);
    for (uint32_t w = 0; w < l->workers; w++) {
        struct verb_shed *v = link_verb(l, w, VERB_SHED, sizeof *v);
        v->segment = (uint32_t)(segment % l->log->segments);
    }
    link_end(l);
}

/* Makes segment number `segment` (counted since the log was made) free for writing. */
static bool segment_free(struct region_link *l, uint64_t segment)
{
    struct event_log *log = l->log;
    if (segment < log->segments)
        return true;
    uint64_t gone = segment - log->segments, oldest = (gone + 1) * EVENT_SEGMENT_BYTES;
    if (!fence_passed(l, gone))
        return false;
    /* First `oldest`, then the look at the pins: a reader pins first and then looks at `oldest`. */
    if (atomic_load_explicit(&log->oldest, memory_order_relaxed) < oldest)
        atomic_store_explicit(&log->oldest, oldest, memory_order_release);
    event_log_fence();
    if (!segment_pinned(l, gone))
        return true;
    shed(l, gone);
    return false;
}

bool events_room(struct region_link *l)
{
    uint64_t here = l->log_cursor / EVENT_SEGMENT_BYTES, ahead = l->log->segments >= 8 ? 3 : 1;
    while (l->log_ready < (here + ahead + 1) * EVENT_SEGMENT_BYTES) {
        if (!segment_free(l, l->log_ready / EVENT_SEGMENT_BYTES))
            return false;
        l->log_ready = (l->log_ready / EVENT_SEGMENT_BYTES + 1) * EVENT_SEGMENT_BYTES;
    }
    return true;
}

bool events_fit(const struct region_link *l)
{
    return l->log_cursor + EVENT_SEGMENT_BYTES <= l->log_ready;
}

static uint64_t place(struct region_link *l, uint64_t length)
{
    uint64_t left = EVENT_SEGMENT_BYTES - l->log_cursor % EVENT_SEGMENT_BYTES;
    if (left < length) {
        fence_set(l, l->log_cursor / EVENT_SEGMENT_BYTES);
        l->log_cursor += left;
    }
    if (l->log_cursor + length > l->log_ready)
        abort(); /* events_room kept the room: one transaction has outgrown it */
    uint64_t position = l->log_cursor;
    l->log_cursor += length;
    if (l->log_cursor % EVENT_SEGMENT_BYTES == 0)
        fence_set(l, position / EVENT_SEGMENT_BYTES);
    txn_intend(&l->txn, &l->log->head, l->log_cursor);
    return position;
}

/* Compresses what is to be, as far as an event has room for it; returns the bytes it takes. */
static size_t compress(struct region_link *l, const struct event_spec *s, size_t taken,
                       struct deflated variant[EVENT_VARIANTS])
{
    size_t room = EVENT_LENGTH_MAX - EVENT_ALIGN - taken;
    variant[EVENT_FULL] = variant[EVENT_WITHOUT_CONTENT] = (struct deflated){0};
    if (!s->deflate)
        return 0;
    variant[EVENT_FULL] = deflater_text(l->deflater, EVENT_FULL, s->text, s->length, room);
    room -= variant[EVENT_FULL].length;
    if (s->redacted)
        variant[EVENT_WITHOUT_CONTENT] =
            deflater_text(l->deflater, EVENT_WITHOUT_CONTENT, s->redacted, s->redacted_length, room);
    return variant[EVENT_FULL].length + variant[EVENT_WITHOUT_CONTENT].length;
}

/* Writes a text and its compressed form at *at. */
static void write_variant(struct event *e, enum event_variant_kind kind, uint32_t *at, const char *text,
                          size_t length, const struct deflated *d)
{
    struct event_variant *v = &e->variant[kind];
    *v = (struct event_variant){.offset = *at, .length = (uint32_t)length};
    memcpy((uint8_t *)e + *at, text, length);
    *at += (uint32_t)length;
    if (!d->bytes)
        return;
    v->deflated = *at;
    v->deflated_length = (uint32_t)d->length;
    v->check = d->check;
    memcpy((uint8_t *)e + *at, d->bytes, d->length);
    *at += (uint32_t)d->length;
}

uint64_t event_write(struct region_link *l, const struct event_spec *s)
{
    struct deflated deflated[EVENT_VARIANTS];
    uint32_t exceptions = s->redacted ? (uint32_t)s->exception_count : 0;
    if (exceptions > EVENT_EXCEPTIONS_MAX)
        exceptions = EVENT_EXCEPTIONS_MAX;
    uint32_t at = (uint32_t)sizeof(struct event) + 8 * exceptions;
    uint64_t bytes = at + s->length + (s->redacted ? s->redacted_length : 0);
    bytes += compress(l, s, bytes, deflated);
    bytes = (bytes + EVENT_ALIGN - 1) & ~(uint64_t)(EVENT_ALIGN - 1);
    assert(bytes <= EVENT_LENGTH_MAX);
    uint64_t position = place(l, bytes);
    struct event *e = event_at(l->log, position);
    *e = (struct event){.length = (uint32_t)bytes,
                        .exceptions = (uint16_t)exceptions,
                        .position = position,
                        .topic_id = s->topic_id,
                        .classes = s->classes,
                        .intents = s->intents,
                        .except_session = s->except_session};
    if (exceptions)
        memcpy(e + 1, s->exceptions, 8 * exceptions);
    write_variant(e, EVENT_FULL, &at, s->text, s->length, &deflated[EVENT_FULL]);
    if (s->redacted)
        write_variant(e, EVENT_WITHOUT_CONTENT, &at, s->redacted, s->redacted_length,
                      &deflated[EVENT_WITHOUT_CONTENT]);
    l->log->events++; /* for the operator: what a killed writer undoes stays counted */
    return position;
}

void event_walk(struct region_link *l, uint32_t topic, uint64_t position)
{
    for (uint32_t w = 0; w < l->workers; w++) {
        struct verb_walk *v = link_verb(l, w, VERB_WALK, sizeof *v);
        *v = (struct verb_walk){.topic = topic, .event = position};
    }
}

void event_dispatch(struct region_link *l, uint32_t session, uint64_t position)
{
    const struct session_control *s = session_control_at(l->region, session);
    struct verb_dispatch *v = link_verb(l, s->worker, VERB_DISPATCH, sizeof *v);
    *v = (struct verb_dispatch){.session = session, .generation = s->generation, .event = position};
}
