/*
 * The event log: every dispatch is written here once, already encoded, and pointed at from then on.
 *
 * A ring of segments of 1 MiB, written by the control plane alone. A position counts bytes since the log was
 * made and only grows; it is also the event's name. A reference is 4 bytes: position / 16 mod 2^32, good for
 * 32 GiB before and after the reader's idea of the head: a ring's tail may be published before the log's
 * head, so a reader can meet a reference that is ahead of the head it sees. Events are 16-byte aligned and
 * never cross a segment.
 *
 * A segment is reused only when no core pins it: each core counts, in its own array, the references of it
 * that are unsent or unacknowledged. References kept for a resume do not pin: `oldest` moves on, and a resume
 * from before it is refused (op 9). Order for a reader that is about to pin: pin, then fence, then compare
 * with `oldest`; for the writer that is about to reuse: move `oldest`, then fence, then look at the pins. So
 * one of the two sees the other.
 *
 * Full: the control plane asks the cores to close the readers that pin the oldest segment, and waits; the
 * newest event is never the one given up.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_EVENT_LOG_H
#define VOXPOP_EVENT_LOG_H

#include "undo.h"

#define EVENT_SEGMENT_BYTES  (1u << 20)
#define EVENT_ALIGN          16u
#define EVENT_LENGTH_MAX     (EVENT_SEGMENT_BYTES / 2)
#define EVENT_EXCEPTIONS_MAX 128u
#define EVENT_SEGMENTS_MAX   (1u << 15) /* 32 GiB: what a reference can tell apart */

enum event_variant_kind {
    EVENT_FULL = 0, /* JSON, all of it */
    EVENT_WITHOUT_CONTENT =
        1, /* JSON as a session without the MESSAGE_CONTENT intent gets it; length 0: same as full */
    EVENT_VARIANTS = 2,
};

/*
 * A text, and the same text compressed if somebody who may get it wants that: raw deflate (RFC 1951) without
 * history, ended by a sync flush, so that it may stand anywhere in anybody's stream.
 */
struct event_variant {
    uint32_t offset; /* bytes from the start of the event */
    uint32_t length;
    uint32_t deflated; /* bytes from the start of the event; 0: not compressed */
    uint32_t deflated_length;
    uint32_t check; /* Adler-32 of the text (RFC 1950) */
};
_Static_assert(sizeof(struct event_variant) == 20, "event_variant is a published format");

/*
 * In the log. Writer: control plane, before it is published; constant afterwards.
 * A variant's text is what follows the per-session prefix: `{"s":N,` (voice: `{"seq":N,`) +
 * `"op":0,"t":"…","d":{…}}`.
 */
struct event {
    uint32_t length;     /* of the whole event, a multiple of 16 */
    uint16_t exceptions; /* user ids behind this struct who get EVENT_FULL whatever their intents */
    uint8_t flags;       /* EVENT_UNNUMBERED */
    uint8_t pad0;
    uint64_t position;       /* its own; lets a reader check that it found what it was pointed at */
    uint64_t topic_id;       /* snowflake of the guild, channel or user it belongs to */
    uint64_t classes;        /* bit per permission class that may see it; ~0: all */
    uint32_t intents;        /* a session needs one of these bits; 0: whatever its intents */
    uint32_t except_session; /* the one session that is not sent it, or UINT32_MAX */
    struct event_variant variant[EVENT_VARIANTS];
    /* uint64_t exception_user_id[exceptions], then the variants' text */
};
_Static_assert(sizeof(struct event) == 80, "event is a published format");
_Static_assert(offsetof(struct event, variant) == 40, "event is a published format");

/* In the region, before the segments. Writer: control plane. */
struct event_log {
    _Atomic uint64_t head;   /* position behind the newest event (by intent) */
    _Atomic uint64_t oldest; /* events before it may be overwritten at any time */
    uint64_t segments;       /* a power of two */
    uint64_t events;         /* written so far */
    uint8_t pad[32];
};
_Static_assert(sizeof(struct event_log) == 64, "event_log is a published format");

/*
 * The fence of both orders above. Not atomic_thread_fence: gcc refuses that under ThreadSanitizer, which does
 * not need it to see that the accesses are atomic.
 */
static inline void event_log_fence(void)
{
    __sync_synchronize();
}

static inline uint8_t *event_log_data(const struct event_log *l)
{
    return (uint8_t *)l + sizeof *l;
}

static inline uint64_t event_log_bytes(const struct event_log *l)
{
    return l->segments * EVENT_SEGMENT_BYTES;
}

static inline uint32_t event_segment(const struct event_log *l, uint64_t position)
{
    return (uint32_t)(position / EVENT_SEGMENT_BYTES & (l->segments - 1)); /* a power of two */
}

static inline struct event *event_at(const struct event_log *l, uint64_t position)
{
    return (struct event *)(void *)(event_log_data(l) + (position & (event_log_bytes(l) - 1)));
}

static inline uint32_t event_ref(uint64_t position)
{
    return (uint32_t)(position / EVENT_ALIGN);
}

/* The position that a reference names, seen from `now`, any position less than 32 GiB away from it. */
static inline uint64_t event_position(uint64_t now, uint32_t ref)
{
    return now - now % EVENT_ALIGN + (uint64_t)(int64_t)(int32_t)(ref - event_ref(now)) * EVENT_ALIGN;
}

static inline const uint64_t *event_exceptions(const struct event *e)
{
    return (const uint64_t *)(const void *)(e + 1);
}

/* Which variant of the event this user's session gets. `content`: it has the MESSAGE_CONTENT intent. */
static inline const struct event_variant *event_variant_of(const struct event *e, uint64_t user_id,
                                                           bool content)
{
    enum event_variant_kind kind = EVENT_FULL;
    if (!content && e->variant[EVENT_WITHOUT_CONTENT].length) {
        kind = EVENT_WITHOUT_CONTENT;
        for (uint32_t i = 0; i < e->exceptions; i++)
            if (event_exceptions(e)[i] == user_id)
                kind = EVENT_FULL;
    }
    return &e->variant[kind];
}

static inline const uint8_t *event_text(const struct event *e, uint64_t user_id, bool content,
                                        uint32_t *length)
{
    const struct event_variant *v = event_variant_of(e, user_id, content);
    *length = v->length;
    return (const uint8_t *)e + v->offset;
}

#endif
