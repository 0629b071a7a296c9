/*
 * Writing the event log (event_log.h): room ahead, the events themselves, and the verbs that point at them.
 *
 * A segment is written again only when no worker pins it and no fan-out entry that a worker has yet to read
 * names an event in it. While one does, events_room says no: readers that pin the oldest segment are asked to
 * go (VERB_SHED, once a second), and the control plane waits.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_EVENT_WRITER_H
#define VOXPOP_EVENT_WRITER_H

#include "controlplane/region_link.h"

struct event_spec {
    uint64_t topic_id;       /* snowflake it belongs to */
    uint64_t classes;        /* who may see it; ~0: all */
    uint32_t intents;        /* any of these; 0: whatever */
    uint32_t except_session; /* SESSION_NONE: nobody */
    const uint64_t *exceptions;
    size_t exception_count; /* more than EVENT_EXCEPTIONS_MAX: the rest is not excepted */
    const char *text;
    size_t length;
    const char *redacted; /* NULL: the same for all */
    size_t redacted_length;
    bool deflate; /* somebody wants it compressed */
};

void events_open(struct region_link *l);
void events_close(struct region_link *l);

/* Is there room for what one transaction may write? */
bool events_room(struct region_link *l);
/* Is there room for one more event of any size in this transaction? */
bool events_fit(const struct region_link *l);

/* Whether a text of so many bytes (all variants together) can be an event at all. */
static inline bool event_text_fits(size_t bytes)
{
    return bytes <= EVENT_LENGTH_MAX - sizeof(struct event) - 8 * EVENT_EXCEPTIONS_MAX - 2 * EVENT_ALIGN;
}

/* Writes one event; its position. Only texts that fit (event_text_fits). */
uint64_t event_write(struct region_link *l, const struct event_spec *e);

/* Tells every worker to deliver it to the topic's subscribers. */
void event_walk(struct region_link *l, uint32_t topic, uint64_t position);
/* Tells the session's worker to deliver it to this one. */
void event_dispatch(struct region_link *l, uint32_t session, uint64_t position);

#endif
