/*
 * Deadlines of sessions and connections: a binary heap of {due, kind, subject}. Nothing is ever taken out
 * early: a deadline whose reason has gone is recognised and passed over when it is due, by the generation
 * that it bears. Rebuilt from the region after a restart. Out of memory: abort.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_DEADLINES_H
#define VOXPOP_DEADLINES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum deadline_kind {
    DEADLINE_IDENTIFY, /* subject: connection handle that must have identified */
    DEADLINE_AWAY,     /* subject: generation << 32 | session whose client has been away for long */
    DEADLINE_AFK,      /* subject: voice slot that may have been silent for long */
    DEADLINE_TOKEN,    /* subject: voice slot that is owed a new VOICE_SERVER_UPDATE (its flag tells whether
                          still) */
    DEADLINE_GONE,     /* subject: as of AWAY; others are to see it no more */
    DEADLINE_PRESENCE, /* subject: as of AWAY; others are to be told of its user */
    DEADLINE_DRAIN,    /* no subject: the next wave */
    DEADLINE_HELD,     /* subject: connection handle that is told to come again later */
    DEADLINE_ASKED,    /* subject: as of HELD; it was told */
    DEADLINE_TURN,     /* no subject: who waits for its turn */
    DEADLINE_LISTS,    /* no subject: watchers of member lists are to be told */
    DEADLINE_VISITORS, /* no subject: members of a temporary invite who are not there any more leave */
    DEADLINE_PEER,     /* subject: as of AWAY; a voice session by HTTP whose client may have gone */
    DEADLINE_QUALITY   /* subject: as of AWAY; a voice session that is to be judged */
};

struct deadline {
    uint64_t due_ms;
    uint64_t subject;
    enum deadline_kind kind;
};

struct deadlines {
    struct deadline *heap;
    size_t count, capacity;
};

void deadlines_add(struct deadlines *d, uint64_t due_ms, enum deadline_kind kind, uint64_t subject);
/* Takes the earliest out if it is due. */
bool deadlines_due(struct deadlines *d, uint64_t now_ms, struct deadline *out);
/* UINT64_MAX: none. */
uint64_t deadlines_next(const struct deadlines *d);
void deadlines_free(struct deadlines *d);

/* A number below `below` that neighbours do not share. */
static inline uint64_t deadlines_jitter(uint64_t of, uint64_t below)
{
    return (of * 0x9e3779b97f4a7c15ull >> 32) * below >> 32;
}

#endif
