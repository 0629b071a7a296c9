/*
 * Starts of sessions; see starts.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/sessions/starts.h"

#include <stdlib.h>

#define UNLIMITED 1000000000u

struct starts {
    uint64_t window_ms, day_ms; /* when each began */
    uint32_t window, day;
};

static struct starts *starts_of(struct control *c, uint64_t user_id)
{
    struct starts *s = index_map_pointer(&c->starts, user_id);
    if (s)
        return s;
    if (!(s = calloc(1, sizeof *s)))
        abort();
    index_map_put(&c->starts, user_id, (uint64_t)(uintptr_t)s);
    return s;
}

bool starts_may(struct control *c, uint64_t user_id)
{
    struct starts *s = starts_of(c, user_id);
    if (c->now_ms - s->window_ms >= STARTS_WINDOW_MS) {
        s->window_ms = c->now_ms;
        s->window = 0;
    }
    if (c->now_ms - s->day_ms >= STARTS_DAY_MS) {
        s->day_ms = c->now_ms;
        s->day = 0;
    }
    return (!c->config.max_concurrency || s->window < c->config.max_concurrency) &&
           (!c->config.identifies_per_day || s->day < c->config.identifies_per_day);
}

void starts_take(struct control *c, uint64_t user_id)
{
    struct starts *s = starts_of(c, user_id);
    s->window++;
    s->day++;
}

struct starts_left starts_left(const struct control *c, uint64_t user_id)
{
    const struct starts *s = index_map_pointer(&c->starts, user_id);
    uint32_t total = c->config.identifies_per_day ? c->config.identifies_per_day : UNLIMITED;
    uint64_t age = s ? c->now_ms - s->day_ms : STARTS_DAY_MS;
    uint32_t used = age < STARTS_DAY_MS ? s->day : 0;
    return (struct starts_left){.total = total,
                                .remaining = total > used ? total - used : 0,
                                .reset_after_ms = age < STARTS_DAY_MS ? (uint32_t)(STARTS_DAY_MS - age) : 0,
                                .max_concurrency =
                                    c->config.max_concurrency ? c->config.max_concurrency : 1000};
}

void starts_free(struct control *c)
{
    const struct index_slot *s;
    for (size_t at = 0; (s = index_map_next(&c->starts, &at)) != NULL;)
        free((void *)(uintptr_t)s->value);
    index_map_free(&c->starts);
}
