/*
 * survive: the dataplane is killed (SIGKILL) again and again, at seeded random instants, while all clients
 * hear events and say heartbeats; `voxpop supervise` starts it anew. Every connection that was established
 * must go on: none closed, no byte lost or doubled (every event and every answer, in order, on the same TLS
 * connection). Reported: how long from a kill until the first packet that the next life sent.
 *
 * The wire is a veth pair with AF_XDP at both ends, which is there whoever lives. What comes while nobody
 * serves is lost, and so is what the dataplane had in its queues.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "chat.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define LIVE_US_MAX 300000u /* a life is killed within, from its first packet */
#define EARLY       8u      /* one in so many from its beginning: it may not serve yet */
#define RTO_US_MAX                                                                                           \
    1000000u           /* clients try again so often: in a minute a backoff would be longer than all lives */
#define AGAIN_S  15.0  /* the next one must serve within */
#define ALL_S    120.0 /* and everything must be there in the end */
#define AHEAD    4u    /* events that not everybody has heard */
#define EVERY_US 20000u

static struct histogram gap_us;

static uint64_t draw(struct chat *c)
{
    c->herd.random ^= c->herd.random << 13;
    c->herd.random ^= c->herd.random >> 7;
    c->herd.random ^= c->herd.random << 17;
    return c->herd.random >> 8;
}

static bool talk(struct chat *c, uint64_t *told_us)
{
    uint64_t now = region_now_us(), all = (uint64_t)c->events * c->options->connections;
    if (now - *told_us >= EVERY_US && all - c->deliveries <= (uint64_t)AHEAD * c->options->connections &&
        chat_tell(c))
        *told_us = now;
    if (c->herd.lost)
        herd_wrong(&c->herd, UINT32_MAX, "%llu connections were closed", (unsigned long long)c->herd.lost);
    return chat_step(c);
}

static const struct region_process *life(const struct chat *c)
{
    return &c->box.region.header->process[PROCESS_DATAPLANE];
}

/*
 * Goes on until there is a life that is not `before`: until its first packet comes, or, if it need not serve,
 * until it has begun. What the life before had under way is none of its packets: that has come long before
 * the next attaches.
 */
static bool lives_again(struct chat *c, uint32_t before, bool serves, uint64_t *told_us)
{
    uint64_t until = region_now_us() + (uint64_t)(AGAIN_S * 1e6), received = c->herd.received;
    bool begun = false;
    while (!(serves ? c->herd.received != received : begun)) {
        if (region_now_us() > until) {
            herd_wrong(&c->herd, UINT32_MAX, "nothing came for %.0f s after a kill", AGAIN_S);
            return false;
        }
        if (!talk(c, told_us))
            return false;
        begun = begun || atomic_load(&life(c)->pid) != before;
        if (!begun)
            received = c->herd.received;
    }
    return true;
}

/* Lets a life talk for a drawn time, and kills it; one in EARLY has that time from its beginning and may not
 * serve yet. */
static bool kill_once(struct chat *c, unsigned *kills, uint64_t *killed_us, uint64_t *told_us)
{
    uint64_t until = region_now_us() + draw(c) % LIVE_US_MAX;
    while (region_now_us() < until)
        if (!talk(c, told_us))
            return false;
    bool serves = draw(c) % EARLY;
    uint32_t before = atomic_load(&life(c)->pid);
    *killed_us = *killed_us ? *killed_us : region_now_us();
    *kills += kill((pid_t)before, SIGKILL) == 0;
    if (!lives_again(c, before, serves, told_us))
        return false;
    if (serves) {
        histogram_add(&gap_us, region_now_us() - *killed_us);
        *killed_us = 0;
    }
    return true;
}

/* The last words: everything that was told is heard, every heartbeat answered. */
static bool all_there(struct chat *c)
{
    uint64_t until = region_now_us() + (uint64_t)(ALL_S * 1e6),
             all = (uint64_t)c->events * c->options->connections;
    for (uint32_t i = 0; i < c->options->connections; i++)
        c->herd.client[i].heartbeat_us = UINT64_MAX;
    while ((c->deliveries < all || c->herd.answers < c->herd.heartbeats) && region_now_us() < until)
        if (!chat_step(c))
            return false;
    if (c->herd.lost || c->deliveries < all || c->herd.answers < c->herd.heartbeats)
        herd_wrong(&c->herd, UINT32_MAX,
                   "%llu connections were closed, %llu deliveries and %llu answers never came",
                   (unsigned long long)c->herd.lost, (unsigned long long)(all - c->deliveries),
                   (unsigned long long)(c->herd.heartbeats - c->herd.answers));
    return !c->herd.wrong[0];
}

static bool survive(struct chat *c)
{
    uint64_t told_us = 0, killed_us = 0;
    unsigned kills = 0;
    bool good = chat_open(c);
    while (good && kills < c->options->kills)
        good = kill_once(c, &kills, &killed_us, &told_us);
    good = good && all_there(c);
    printf("{\"kind\":\"survive\",\"connections\":%u,\"held\":%u,\"kills\":%u,\"lives\":%u,\"events\":%u,"
           "\"deliveries\":%llu,"
           "\"heartbeats\":%llu,\"answered\":%llu,\"retransmits\":%llu,",
           c->options->connections, c->herd.open, kills, atomic_load(&life(c)->lives), c->events,
           (unsigned long long)c->deliveries, (unsigned long long)c->herd.heartbeats,
           (unsigned long long)c->herd.answers, (unsigned long long)c->herd.tcp_counters.retransmits);
    chat_print_latency("gap", &gap_us);
    chat_print_common(c, load_busy_share(&c->time), 0);
    return good && !c->herd.lost;
}

int load_survive(const struct load_options *o)
{
    static struct chat c;
    c.sessions = true;
    c.rto_max_us = RTO_US_MAX;
    return chat_run(&c, o, survive);
}
