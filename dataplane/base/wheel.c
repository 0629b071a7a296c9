/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/base/wheel.h"

#include <stdlib.h>
#include <string.h>

#define TICK_SHIFT 10
#define LEVELS     4
#define SLOTS      256u
#define NONE       UINT32_MAX
#define EXPIRED    (LEVELS * SLOTS) /* the list of timers found due and not yet reported */

struct timer {
    uint64_t deadline_us;
    uint32_t next, prev;
    uint32_t list; /* level * SLOTS + slot, EXPIRED, or NONE: unset */
};

struct wheel {
    uint64_t tick; /* every timer due at or before it is in EXPIRED */
    uint32_t head[LEVELS * SLOTS + 1];
    uint32_t set[LEVELS + 1]; /* timers on each level, and in EXPIRED */
    struct timer timer[];
};

struct wheel *wheel_new(uint32_t count, uint64_t now_us)
{
    struct wheel *w = malloc(sizeof *w + count * sizeof w->timer[0]);
    if (!w)
        return NULL;
    w->tick = now_us >> TICK_SHIFT;
    memset(w->set, 0, sizeof w->set);
    for (unsigned i = 0; i <= EXPIRED; i++)
        w->head[i] = NONE;
    for (uint32_t i = 0; i < count; i++)
        w->timer[i] = (struct timer){WHEEL_NEVER, NONE, NONE, NONE};
    return w;
}

void wheel_free(struct wheel *w)
{
    free(w);
}

static void list_remove(struct wheel *w, uint32_t index)
{
    struct timer *t = &w->timer[index];
    if (t->prev == NONE)
        w->head[t->list] = t->next;
    else
        w->timer[t->prev].next = t->next;
    if (t->next != NONE)
        w->timer[t->next].prev = t->prev;
    w->set[t->list / SLOTS]--;
    t->list = NONE;
}

static void list_add(struct wheel *w, uint32_t index, uint32_t list)
{
    struct timer *t = &w->timer[index];
    t->list = list;
    t->prev = NONE;
    t->next = w->head[list];
    if (t->next != NONE)
        w->timer[t->next].prev = index;
    w->head[list] = index;
    w->set[list / SLOTS]++;
}

/* The tick at whose end the deadline has passed: never early. */
static uint64_t due_tick(uint64_t deadline_us)
{
    return (deadline_us >> TICK_SHIFT) + (deadline_us % (1u << TICK_SHIFT) != 0);
}

/*
 * By distance: level n holds what is due within 256^(n+1) ticks. What lies beyond the last is parked as if due at
 * its end.
 */
static void place(struct wheel *w, uint32_t index)
{
    uint64_t due = due_tick(w->timer[index].deadline_us);
    if (due <= w->tick) {
        list_add(w, index, EXPIRED);
        return;
    }
    uint64_t distance = due - w->tick;
    if (distance >> (8 * LEVELS))
        distance = (1ull << (8 * LEVELS)) - 1;
    unsigned level = (63 - (unsigned)__builtin_clzll(distance)) / 8;
    list_add(w, index, level * SLOTS + (uint32_t)((w->tick + distance) >> (8 * level)) % SLOTS);
}

void wheel_set(struct wheel *w, uint32_t index, uint64_t deadline_us)
{
    struct timer *t = &w->timer[index];
    if (t->list != NONE)
        list_remove(w, index);
    t->deadline_us = deadline_us;
    if (deadline_us != WHEEL_NEVER)
        place(w, index);
}

uint64_t wheel_deadline(const struct wheel *w, uint32_t index)
{
    return w->timer[index].list == NONE ? WHEEL_NEVER : w->timer[index].deadline_us;
}

void wheel_ahead(const struct wheel *w, uint32_t index)
{
    __builtin_prefetch(&w->timer[index], 1);
}

/* Empties a slot whose time has come: its timers fall one level down, or are due. */
static void cascade(struct wheel *w, uint32_t list)
{
    uint32_t index = w->head[list];
    while (index != NONE) {
        uint32_t next = w->timer[index].next;
        list_remove(w, index);
        place(w, index);
        index = next;
    }
}

/* The next tick, up to `now`, at which there may be something to do: empty levels are skipped whole. */
static uint64_t next_tick(const struct wheel *w, uint64_t now)
{
    unsigned level = 0;
    while (level < LEVELS && !w->set[level])
        level++;
    if (level == LEVELS)
        return now;
    uint64_t next = ((w->tick >> (8 * level)) + 1) << (8 * level);
    return next < now ? next : now;
}

static void advance(struct wheel *w, uint64_t now)
{
    w->tick = next_tick(w, now);
    for (unsigned level = LEVELS - 1; level > 0; level--)
        if (w->tick % (1ull << (8 * level)) == 0)
            cascade(w, level * SLOTS + (uint32_t)((w->tick >> (8 * level)) % SLOTS));
    cascade(w, (uint32_t)(w->tick % SLOTS));
}

uint32_t wheel_due(struct wheel *w, uint64_t now_us)
{
    uint64_t now = now_us >> TICK_SHIFT;
    while (w->head[EXPIRED] == NONE && w->tick < now)
        advance(w, now);
    uint32_t index = w->head[EXPIRED];
    if (index != NONE)
        list_remove(w, index);
    return index;
}
