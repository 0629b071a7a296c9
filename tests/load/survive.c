/*
 * survive: the dataplane is killed (SIGKILL) again and again, at seeded random instants, while all clients
 * hear events and say heartbeats; `voxpop supervise` starts it anew. Every connection that was established
 * must go on: none closed, no byte lost or doubled (every event and every answer, in order, on the same TLS
 * connection). Reported: how long from a kill until the first packet that the next life sent.
 *
 * What was on the wire is lost with the wire: memif's rings go with the process. So each kill is a loss of
 * packets both ways, too.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "chat.h"

#include <signal.h>
#include <stdlib.h>
#include <time.h>

#define LIVE_US_MAX 400000u /* a life that serves is killed within */
#define AGAIN_S     15.0    /* the next one must serve within */
#define ALL_S       120.0   /* and everything must be there in the end */
#define AHEAD       4u      /* events that not everybody has heard */
#define EVERY_US    20000u

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
    return chat_step(c);
}

static const struct region_process *life(const struct chat *c)
{
    return &c->box.region.header->process[PROCESS_DATAPLANE];
}

/*
 * net_memif takes the rings away, in a thread of its own, when the other side dies: until it has, and until
 * there is somebody to connect to again, nobody may touch the port.
 */
static void reconnect(struct chat *c, uint64_t until, uint32_t lives)
{
    struct port_info info;
    do {
        nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
        port_info(c->port, &info);
    } while (info.link_up && region_now_us() < until);
    do {
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
        if (atomic_load(&life(c)->lives) != lives && atomic_load(&life(c)->ready))
            port_maintain();
        port_info(c->port, &info);
    } while (!info.link_up && region_now_us() < until);
}

/* Kills, and goes on until a packet of the next life is there. */
static bool kill_once(struct chat *c, uint64_t *told_us)
{
    uint32_t lives = atomic_load(&life(c)->lives);
    uint64_t at = region_now_us(), until = at + (uint64_t)(AGAIN_S * 1e6);
    kill((pid_t)atomic_load(&life(c)->pid), SIGKILL);
    atomic_store(&life(c)->ready, 0);
    reconnect(c, until, lives);
    uint64_t received = c->herd.received;
    while (c->herd.received == received && region_now_us() < until)
        if (!talk(c, told_us))
            return false;
    if (c->herd.received == received) {
        herd_wrong(&c->herd, UINT32_MAX, "nothing came for %.0f s after a kill", AGAIN_S);
        return false;
    }
    histogram_add(&gap_us, region_now_us() - at);
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
    if (c->deliveries < all || c->herd.answers < c->herd.heartbeats)
        herd_wrong(&c->herd, UINT32_MAX, "%llu deliveries and %llu answers never came",
                   (unsigned long long)(all - c->deliveries),
                   (unsigned long long)(c->herd.heartbeats - c->herd.answers));
    return !c->herd.wrong[0];
}

static bool survive(struct chat *c)
{
    uint64_t told_us = 0;
    unsigned kills = 0;
    bool good = chat_open(c);
    for (; good && kills < c->options->kills; kills++) {
        uint64_t until = region_now_us() + draw(c) % LIVE_US_MAX;
        while (good && region_now_us() < until)
            good = talk(c, &told_us);
        good = good && kill_once(c, &told_us);
    }
    good = good && all_there(c);
    printf("{\"kind\":\"survive\",\"connections\":%u,\"held\":%u,\"kills\":%u,\"lives\":%u,\"events\":%u,"
           "\"deliveries\":%llu,"
           "\"heartbeats\":%llu,\"answered\":%llu,\"retransmits\":%llu,",
           c->options->connections, c->herd.open, kills, atomic_load(&life(c)->lives), c->events,
           (unsigned long long)c->deliveries, (unsigned long long)c->herd.heartbeats,
           (unsigned long long)c->herd.answers, (unsigned long long)c->herd.tcp_counters.retransmits);
    chat_print_latency("gap", &gap_us);
    chat_print_common(c, load_busy_share(&c->time), 0);
    if (good && c->herd.lost)
        herd_wrong(&c->herd, UINT32_MAX, "%llu connections were closed", (unsigned long long)c->herd.lost);
    return good && !c->herd.lost;
}

int load_survive(const struct load_options *o)
{
    static struct chat c;
    c.sessions = true;
    return chat_run(&c, o, survive);
}
