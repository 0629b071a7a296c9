/*
 * connections: so many clients are opened and held, with heartbeats. How many stay, what they cost the box in
 * memory and in time; with --broadcast, an event to each of them again and again, as fast as they arrive.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "chat.h"

#include <stdlib.h>

struct sample {
    uint64_t at_us, busy, idle;
    double worker_us, helper_us;
};

static struct sample sample(const struct chat *c)
{
    struct sample s = {.at_us = region_now_us()};
    if (c->has_box) {
        s.busy = box_counters(&c->box)->count[COUNT_busy_cycles];
        s.idle = box_counters(&c->box)->count[COUNT_idle_cycles];
        s.helper_us = box_cpu_us(&c->box, "tls-helper");
    }
    return s;
}

static double worker_share(const struct sample *from, const struct sample *to)
{
    double busy = (double)(to->busy - from->busy), idle = (double)(to->idle - from->idle);
    return busy + idle > 0 ? busy / (busy + idle) : 0;
}

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

static void print_latency(const char *name, const struct histogram *h)
{
    printf("\"%s_p50_us\":%llu,\"%s_p99_us\":%llu,\"%s_p999_us\":%llu,\"%s_max_us\":%llu,", name,
           (unsigned long long)histogram_at(h, 0.5), name, (unsigned long long)histogram_at(h, 0.99), name,
           (unsigned long long)histogram_at(h, 0.999), name, (unsigned long long)h->max);
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
    struct sample before = sample(c);
    bool good = chat_open(c), storm = false;
    struct sample opened = sample(c);
    uint64_t died = 0, until = opened.at_us + (uint64_t)(o->seconds * 1e6), not_taken = c->herd.not_taken;
    for (uint32_t i = 0; i < c->herd.next && o->slow > 0; i++)
        if (i % 1000 < o->slow * 1000)
            c->herd.client[i].flags |= HERD_SLOW;
    load_time_start(&c->time);
    while (good && region_now_us() < until)
        good = disturb(c, opened.at_us, &died, &storm);
    struct sample after = sample(c);
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
           worker_share(&opened, &after),
           c->herd.opened ? (opened.helper_us - before.helper_us) / (double)c->herd.opened : 0);
    print_latency("open", &c->herd.opening_us);
    print_latency("heartbeat", &c->herd.answer_us);
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

/* The next event when all but a quarter of the last one has arrived. */
static bool broadcast(struct chat *c)
{
    const struct load_options *o = c->options;
    uint64_t n = o->connections;
    c->sessions = true;
    if (!chat_open(c) || !chat_tell(c) || !all_heard(c, 30))
        return false;
    for (unsigned i = 0; i < o->repeats; i++) {
        const struct counters *k = box_counters(&c->box);
        uint64_t sent = k->count[COUNT_tx_packets], not_taken = c->herd.not_taken, heard = c->deliveries,
                 bytes = k->count[COUNT_tx_bytes];
        uint64_t records = k->count[COUNT_tls_records_out];
        struct sample from = sample(c);
        uint64_t until = from.at_us + (uint64_t)(o->seconds * 1e6);
        c->delivery_us = (struct histogram){0};
        load_time_start(&c->time);
        while (region_now_us() < until) {
            if ((uint64_t)c->events * n - c->deliveries <= n / 4 && !chat_tell(c))
                break;
            if (!chat_step(c))
                return false;
        }
        struct sample to = sample(c);
        heard = c->deliveries - heard;
        double busy = load_busy_share(&c->time), s = (double)(to.at_us - from.at_us) / 1e6;
        bytes = k->count[COUNT_tx_bytes] - bytes;
        printf("{\"kind\":\"fanout\",\"receivers\":%u,\"value\":%.0f,\"deliveries\":%llu,\"opened\":%llu,"
               "\"packets\":%llu,\"bytes_per_delivery\":%.1f,"
               "\"worker_busy\":%.2f,",
               o->connections, (double)heard / s, (unsigned long long)heard,
               (unsigned long long)c->delivery_us.count,
               (unsigned long long)(k->count[COUNT_tx_packets] - sent),
               (double)bytes / (double)(k->count[COUNT_tls_records_out] - records), worker_share(&from, &to));
        print_latency("delivery", &c->delivery_us);
        chat_print_common(c, busy, c->herd.not_taken - not_taken);
        if (!all_heard(c, 30))
            return herd_wrong(&c->herd, UINT32_MAX, "%llu deliveries never came",
                              (unsigned long long)(c->events * n - c->deliveries)),
                   false;
    }
    return true;
}

int load_fanout(const struct load_options *o)
{
    static struct chat c;
    return chat_run(&c, o, broadcast);
}
