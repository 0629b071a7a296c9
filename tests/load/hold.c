/*
 * connections: so many clients are opened and held, with heartbeats. How many stay, what they cost the box in
 * memory and in time; with --broadcast, an event to each of them again and again, as fast as they arrive.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "chat.h"

#include <stdlib.h>

static void print_memory(const struct chat *c)
{
    struct box_memory m;
    if (!c->has_box || !box_memory(&c->box, &m))
        return;
    uint64_t all = m.region + m.huge + m.heap;
    printf("\"region_bytes\":%llu,\"huge_bytes\":%llu,\"heap_bytes\":%llu,\"bytes_per_connection\":%.0f,",
           (unsigned long long)m.region, (unsigned long long)m.huge, (unsigned long long)m.heap,
           (double)all / (double)c->options->connections);
}

/* ---- connections ---- */

/* What clients do while they are held, besides heartbeats. */
static bool disturb(struct chat *c, uint64_t began_us, uint64_t *died, bool *storm)
{
    const struct load_options *o = c->options;
    struct herd *h = &c->herd;
    uint64_t us = region_now_us() - began_us;
    while (o->deaths > 0 && *died < (uint64_t)(o->deaths * (double)us / 1e6)) {
        herd_die(h, (uint32_t)((h->random >> 11) * (uint64_t)o->connections >> 53), true);
        ++*died;
    }
    if (o->storm > 0 && !*storm && us > o->storm * 1e6) {
        *storm = true;
        for (uint32_t i = 0; i < o->connections; i++)
            herd_die(h, i, true);
    }
    return chat_step(c);
}

static bool hold(struct chat *c)
{
    const struct load_options *o = c->options;
    struct chat_sample before = chat_sample(c);
    bool good = chat_open(c), storm = false;
    struct chat_sample opened = chat_sample(c);
    uint64_t died = 0, until = opened.at_us + (uint64_t)(o->seconds * 1e6), not_taken = c->herd.not_taken;
    for (uint32_t i = 0; i < c->herd.next && o->slow > 0; i++)
        if (i % 1000 < o->slow * 1000)
            c->herd.client[i].flags |= HERD_SLOW;
    load_time_start(&c->time);
    while (good && region_now_us() < until)
        good = disturb(c, opened.at_us, &died, &storm);
    struct chat_sample after = chat_sample(c);
    double busy = load_busy_share(&c->time);
    printf("{\"kind\":\"connections\",\"connections\":%u,\"held\":%u,\"opened\":%llu,\"resumed\":%llu,\"open_"
           "s\":%.2f,\"held_s\":%.1f,",
           o->connections, c->herd.open, (unsigned long long)c->herd.opened,
           (unsigned long long)c->herd.resumed, (double)(opened.at_us - before.at_us) / 1e6,
           (double)(after.at_us - opened.at_us) / 1e6);
    print_memory(c);
    printf("\"heartbeats\":%llu,\"answered\":%llu,\"unanswered\":%llu,\"died\":%llu,\"worker_busy\":%.4f,"
           "\"helper_us_per_handshake\":%.1f,",
           (unsigned long long)c->herd.heartbeats, (unsigned long long)c->herd.answers,
           (unsigned long long)c->herd.unanswered, (unsigned long long)c->herd.died,
           chat_worker_share(&opened, &after),
           c->herd.opened ? (opened.helper_us - before.helper_us) / (double)c->herd.opened : 0);
    chat_print_latency("open", &c->herd.opening_us);
    chat_print_latency("heartbeat", &c->herd.answer_us);
    chat_print_common(c, busy, c->herd.not_taken - not_taken);
    return good || load_interrupted();
}

int load_connections(const struct load_options *o)
{
    static struct chat c;
    c.sessions = o->sessions;
    return chat_run(&c, o, hold);
}

/* ---- fan-out ---- */

static bool all_heard(struct chat *c, double seconds)
{
    uint64_t until = region_now_us() + (uint64_t)(seconds * 1e6);
    while (c->deliveries < (uint64_t)c->events * c->options->connections && region_now_us() < until)
        if (!chat_step(c))
            return false;
    return c->deliveries == (uint64_t)c->events * c->options->connections;
}

static void print_fanout(const struct chat *c, const struct chat_sample *from, uint64_t heard,
                         const struct counters *before)
{
    struct chat_sample to = chat_sample(c);
    double s = (double)(to.at_us - from->at_us) / 1e6;
    printf("{\"kind\":\"fanout\",\"receivers\":%u,\"value\":%.0f,\"deliveries\":%llu,\"opened\":%llu,"
           "\"worker_busy\":%.2f,",
           c->options->connections, (double)heard / s, (unsigned long long)heard,
           (unsigned long long)c->delivery_us.count, chat_worker_share(from, &to));
    if (c->has_box) {
        const struct counters *k = box_counters(&c->box);
        uint64_t records = k->count[COUNT_tls_records_out] - before->count[COUNT_tls_records_out];
        printf("\"bytes_per_delivery\":%.1f,",
               records ? (double)(k->count[COUNT_tx_bytes] - before->count[COUNT_tx_bytes]) / (double)records
                       : 0);
    }
}

/* The next event when all but a quarter of the last one has arrived. */
static bool flat_out(struct chat *c)
{
    const struct load_options *o = c->options;
    static struct counters before;
    uint64_t n = o->connections, heard = c->deliveries, not_taken = c->herd.not_taken;
    if (c->has_box)
        before = *box_counters(&c->box);
    struct chat_sample from = chat_sample(c);
    uint64_t until = from.at_us + (uint64_t)(o->seconds * 1e6);
    bool good = true;
    c->delivery_us = (struct histogram){0};
    load_time_start(&c->time);
    while (good && region_now_us() < until) {
        if ((uint64_t)c->events * n - c->deliveries <= n / 4 && !chat_tell(c))
            break;
        good = chat_step(c);
    }
    print_fanout(c, &from, c->deliveries - heard, &before);
    chat_print_latency("delivery", &c->delivery_us);
    chat_print_common(c, load_busy_share(&c->time), c->herd.not_taken - not_taken);
    return good;
}

static bool broadcast(struct chat *c)
{
    c->sessions = true;
    if (!chat_open(c) || !chat_tell(c) || !all_heard(c, 30))
        return false;
    for (unsigned i = 0; i < c->options->repeats; i++) {
        if (!flat_out(c))
            return false;
        if (!all_heard(c, 30)) {
            herd_wrong(&c->herd, UINT32_MAX, "%llu deliveries never came",
                       (unsigned long long)((uint64_t)c->events * c->options->connections - c->deliveries));
            return false;
        }
    }
    return true;
}

int load_fanout(const struct load_options *o)
{
    static struct chat c;
    return chat_run(&c, o, broadcast);
}
