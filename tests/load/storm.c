/*
 * resume-storm: so many sessions lose their connections in one moment and come back by resume, while events
 * go on, one a second, and a few that never left say heartbeats at a steady rate. How long until all are back
 * and have every event, each once and in its order; how long the heartbeats of the untouched take, before and
 * meanwhile.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "chat.h"

#include <stdlib.h>

#define DROPS_A_STEP 1000u
#define BEATS_PER_S  2000u /* of all untouched */
#define EVENT_US     1000000u
#define GIVE_UP_S    240u

struct storm {
    uint64_t beats, began_us; /* the k-th beat is due at began + k / BEATS_PER_S */
    uint64_t event_us;
};

/* Those who stay are the first: they beat in turns. One that was not answered yet is passed over. */
static void beat(struct chat *c, struct storm *s)
{
    uint64_t now = region_now_us();
    for (unsigned n = 0; n < LOAD_BURST; n++, s->beats++) {
        uint64_t at = s->began_us + s->beats * 1000000 / BEATS_PER_S;
        uint32_t i = (uint32_t)(s->beats % c->options->untouched);
        if (at > now)
            return;
        if (!c->herd.client[i].owed)
            herd_heartbeat(&c->herd, i, at);
    }
}

static bool go_on(struct chat *c, struct storm *s)
{
    uint64_t now = region_now_us();
    beat(c, s);
    if (now >= s->event_us && chat_tell(c))
        s->event_us = now + EVENT_US;
    return chat_step(c);
}

static bool calm(struct chat *c, struct storm *s, double seconds)
{
    uint64_t until = region_now_us() + (uint64_t)(seconds * 1e6);
    bool good = true;
    while (good && region_now_us() < until)
        good = go_on(c, s);
    return good;
}

/* What each had is noted before it goes. */
static bool drop_all(struct chat *c, struct storm *s)
{
    bool good = true;
    for (uint32_t i = c->options->untouched; good && i < c->options->connections; i++) {
        c->kept[i] = c->herd.client[i].heard;
        herd_reset(&c->herd, i, true);
        if (i % DROPS_A_STEP == 0)
            good = go_on(c, s);
    }
    return good;
}

static bool all_are_back(const struct chat *c, uint32_t bound)
{
    return c->bound == bound + c->options->connections - c->options->untouched &&
           c->deliveries == (uint64_t)c->events * c->options->connections;
}

static bool come_back(struct chat *c, struct storm *s, uint32_t bound)
{
    uint64_t until = region_now_us() + GIVE_UP_S * 1000000ull, last = 0;
    bool good = true;
    while (good && !all_are_back(c, bound) && region_now_us() < until) {
        if (c->bound == bound + c->options->connections - c->options->untouched && !last)
            last = region_now_us();
        if (last)
            s->event_us = UINT64_MAX; /* all are connected: the last event is the last */
        good = go_on(c, s);
    }
    if (good && !all_are_back(c, bound))
        herd_wrong(&c->herd, UINT32_MAX, "%u of %u are back, and %llu deliveries never came",
                   c->bound - bound, c->options->connections - c->options->untouched,
                   (unsigned long long)((uint64_t)c->events * c->options->connections - c->deliveries));
    if (good && c->resumes_failed)
        herd_wrong(&c->herd, UINT32_MAX, "%llu resumes found their events gone",
                   (unsigned long long)c->resumes_failed);
    return good && !c->herd.wrong[0];
}

static bool storm(struct chat *c)
{
    const struct load_options *o = c->options;
    struct storm s = {0};
    c->sessions = true;
    c->kept = malloc(o->connections * sizeof *c->kept);
    if (!c->kept)
        return false;
    for (uint32_t i = 0; i < o->connections; i++)
        c->kept[i] = UINT32_MAX;
    if (!chat_open(c))
        return false;
    s.began_us = s.event_us = region_now_us();
    c->herd.answer_us = (struct histogram){0};
    if (!calm(c, &s, o->seconds))
        return false;
    struct histogram before = c->herd.answer_us;
    struct chat_sample from = chat_sample(c);
    uint64_t not_taken = c->herd.not_taken, resumed = c->herd.resumed, told = c->events;
    uint32_t bound = c->bound;
    c->herd.answer_us = (struct histogram){0};
    load_time_start(&c->time);
    bool good = drop_all(c, &s) && come_back(c, &s, bound);
    struct chat_sample to = chat_sample(c);
    double took = (double)(to.at_us - from.at_us) / 1e6;
    uint32_t leavers = o->connections - o->untouched;
    printf("{\"kind\":\"resume-storm\",\"sessions\":%u,\"untouched\":%u,\"all_resumed_s\":%.3f,\"per_s\":%."
           "0f,\"by_ticket\":%llu,"
           "\"events\":%u,\"events_meanwhile\":%llu,\"deliveries\":%llu,\"resumes_failed\":%llu,\"worker_"
           "busy\":%.2f,"
           "\"helper_s\":%.2f,",
           leavers, o->untouched, took, leavers / took, (unsigned long long)(c->herd.resumed - resumed),
           c->events, (unsigned long long)(c->events - told), (unsigned long long)c->deliveries,
           (unsigned long long)c->resumes_failed, chat_worker_share(&from, &to),
           (to.helper_us - from.helper_us) / 1e6);
    chat_print_latency("calm", &before);
    chat_print_latency("storm", &c->herd.answer_us);
    chat_print_common(c, load_busy_share(&c->time), c->herd.not_taken - not_taken);
    free(c->kept);
    c->kept = NULL;
    return good;
}

int load_resume_storm(const struct load_options *o)
{
    static struct chat c;
    return chat_run(&c, o, storm);
}
