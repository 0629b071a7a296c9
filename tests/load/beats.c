/*
 * gateway-echo: heartbeats to and fro. First every client has one on its way all the time: the peak. Then at
 * shares of it in time, client after client, whether or not the box keeps up: a heartbeat that has to wait
 * for its turn is late from the moment it was due.
 *
 * handshakes: clients come, shake hands, upgrade, and go, as many as one core of clients can.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "chat.h"

#include <stdlib.h>

struct beats {
    struct chat chat;
    uint32_t *ready; /* clients that were answered, a circle */
    uint32_t first, count;
    bool again; /* whoever was answered beats again */
};

static struct beats b;

static void answered(void *user, uint32_t client)
{
    if (b.again)
        b.ready[(b.first + b.count++) % b.chat.options->connections] = client;
}

/* ---- gateway-echo ---- */

static bool flat_out(struct chat *c, double seconds)
{
    uint64_t until = region_now_us() + (uint64_t)(seconds * 1e6);
    bool good = true;
    while (good && region_now_us() < until) {
        for (unsigned n = b.count < LOAD_BURST ? b.count : LOAD_BURST; n; n--) {
            uint32_t i = b.ready[b.first];
            b.first = (b.first + 1) % c->options->connections;
            b.count--;
            herd_heartbeat(&c->herd, i, region_now_us());
        }
        good = chat_step(c);
    }
    return good;
}

/* The k-th heartbeat is due at began + k / rate, from client k modulo all. */
static bool paced(struct chat *c, double rate, double seconds)
{
    uint32_t n = c->options->connections;
    uint64_t began = region_now_us(), k = 0, due = (uint64_t)(seconds * rate);
    bool good = true;
    while (good && k < due) {
        uint64_t now = region_now_us();
        for (unsigned burst = 0; burst < LOAD_BURST && k < due; burst++, k++) {
            uint64_t at = began + (uint64_t)((double)k * 1e6 / rate);
            if (at > now || c->herd.client[k % n].owed)
                break;
            herd_heartbeat(&c->herd, (uint32_t)(k % n), at);
        }
        good = chat_step(c) && now - began < (uint64_t)(3e6 * seconds) + 1000000;
    }
    return good;
}

static bool settle(struct chat *c)
{
    uint64_t until = region_now_us() + 5000000;
    while (c->herd.answers < c->herd.heartbeats && region_now_us() < until)
        if (!chat_step(c))
            return false;
    if (c->herd.answers < c->herd.heartbeats)
        herd_wrong(&c->herd, UINT32_MAX, "%llu heartbeats were never answered",
                   (unsigned long long)(c->herd.heartbeats - c->herd.answers));
    return !c->herd.wrong[0];
}

static bool measure(struct chat *c, double load, double rate)
{
    struct chat_sample from = chat_sample(c);
    uint64_t answers = c->herd.answers, not_taken = c->herd.not_taken;
    c->herd.answer_us = (struct histogram){0};
    load_time_start(&c->time);
    bool good = rate > 0 ? paced(c, rate, c->options->seconds) : flat_out(c, c->options->seconds);
    struct chat_sample to = chat_sample(c);
    double busy = load_busy_share(&c->time);
    printf("{\"kind\":\"gateway-echo\",\"connections\":%u,\"load\":%.2f,\"offered\":%.0f,\"value\":%.0f,"
           "\"worker_busy\":%.3f,",
           c->options->connections, load, rate,
           (double)(c->herd.answers - answers) * 1e6 / (double)(to.at_us - from.at_us),
           chat_worker_share(&from, &to));
    b.again = false;
    good = good && settle(c);
    chat_print_latency("round_trip", &c->herd.answer_us);
    chat_print_common(c, busy, c->herd.not_taken - not_taken);
    return good;
}

static bool echo(struct chat *c)
{
    static const double loads[] = {0.5, 0.8, 0.95};
    uint32_t n = c->options->connections;
    c->herd.config.answered = answered;
    b.ready = calloc(n, sizeof *b.ready);
    if (!b.ready || !chat_open(c))
        return false;
    double peak = c->options->peak;
    for (unsigned r = 0; r < c->options->repeats && c->options->peak <= 0; r++) {
        uint64_t answers = c->herd.answers, began = region_now_us();
        b.again = true;
        for (b.count = b.first = 0; b.count < n; b.count++)
            b.ready[b.count] = b.count;
        if (!measure(c, 1, 0))
            return false;
        double rate = (double)(c->herd.answers - answers) * 1e6 / (double)(region_now_us() - began);
        peak = rate > peak ? rate : peak;
    }
    for (unsigned i = 0; i < sizeof loads / sizeof *loads; i++)
        if (!measure(c, loads[i], loads[i] * peak))
            return false;
    free(b.ready);
    return true;
}

int load_gateway_echo(const struct load_options *o)
{
    return chat_run(&b.chat, o, echo);
}

/* ---- handshakes ---- */

static void come_and_go(void *user, uint32_t client)
{
    struct chat *c = user;
    c->leaving[c->leaving_count++] = client;
}

static bool shake(struct chat *c)
{
    const struct load_options *o = c->options;
    c->leaving = calloc(o->connections, sizeof *c->leaving);
    if (!c->leaving)
        return false;
    c->herd.config.opened = come_and_go;
    herd_want(&c->herd, o->connections);
    if (!chat_wait(c, 0.5)) /* the first goes alone, for its ticket */
        return false;
    struct chat_sample from = chat_sample(c);
    uint64_t opened = c->herd.opened, resumed = c->herd.resumed,
             until = from.at_us + (uint64_t)(o->seconds * 1e6);
    load_time_start(&c->time);
    bool good = true;
    while (good && region_now_us() < until) {
        good = chat_step(c);
        while (c->leaving_count)
            herd_reset(&c->herd, c->leaving[--c->leaving_count], true);
    }
    struct chat_sample to = chat_sample(c);
    opened = c->herd.opened - opened;
    double s = (double)(to.at_us - from.at_us) / 1e6, cpu_s = (to.helper_us - from.helper_us) / 1e6;
    printf("{\"kind\":\"handshakes\",\"resume\":%s,\"count\":%llu,\"resumed\":%llu,\"per_s\":%.0f,\"helper_"
           "cpu_s\":%.3f,"
           "\"value\":%.0f,\"worker_busy\":%.3f,",
           o->resume ? "true" : "false", (unsigned long long)opened,
           (unsigned long long)(c->herd.resumed - resumed), (double)opened / s, cpu_s,
           cpu_s > 0 ? (double)opened / cpu_s : 0, chat_worker_share(&from, &to));
    chat_print_latency("open", &c->herd.opening_us);
    chat_print_common(c, load_busy_share(&c->time), 0);
    free(c->leaving);
    return good || load_interrupted();
}

int load_handshakes(const struct load_options *o)
{
    static struct chat c;
    return chat_run(&c, o, shake);
}
