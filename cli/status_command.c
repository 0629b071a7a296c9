/*
 * voxpop status: one screen, from two samples of the region half a second apart.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "cli/place.h"
#include "cli/show.h"
#include "controlplane/noc/status.h"

#define SAMPLE_MS   500
#define DROPS_SHOWN 12

struct samples {
    struct status before, now;
};

static double per_second(const struct samples *s, uint64_t before, uint64_t now)
{
    double seconds = (double)(s->now.time_us - s->before.time_us) / 1e6;
    return now >= before && seconds > 0 ? (double)(now - before) / seconds : 0;
}

static const char *rate(const struct samples *s, uint64_t before, uint64_t now, char out[32])
{
    return show_count((uint64_t)(per_second(s, before, now) + 0.5), out);
}

static void print_process(const char *name, const struct status_process *p)
{
    if (p->alive)
        printf("%-14s alive, pid %u, life %u%s\n", name, p->pid, p->lives, p->ready ? "" : ", not ready");
    else if (!p->lives)
        printf("%-14s not started\n", name);
    else
        printf("%-14s DOWN after %u %s\n", name, p->lives, p->lives == 1 ? "life" : "lives");
}

static void print_ports(const struct samples *s)
{
    char in[32], out[32], missed[32], full[32], steered[32], passed[32];
    printf("\n%-14s %-5s %14s %14s %12s %12s %14s %12s\n", "PORT", "LINK", "IN/S", "OUT/S", "MISSED",
           "TX FULL", "STEERED", "PASSED");
    for (uint32_t i = 0; i < s->now.ports; i++) {
        const struct status_port *p = &s->now.port[i];
        const struct status_port *was = i < s->before.ports ? &s->before.port[i] : p;
        printf("%-14s %-5s %14s %14s %12s %12s %14s %12s\n", p->name, p->link ? "up" : "DOWN",
               rate(s, was->rx_packets, p->rx_packets, in), rate(s, was->tx_packets, p->tx_packets, out),
               show_count(p->rx_missed, missed), show_count(p->tx_full, full),
               show_count(p->steered, steered), show_count(p->passed, passed));
    }
    if (!s->now.ports)
        printf("none\n");
}

static void print_workers(const struct samples *s)
{
    char in[32], out[32], total_in[32], total_out[32];
    printf("\n%-14s %5s %14s %14s %20s %20s\n", "CORE", "BUSY", "IN/S", "OUT/S", "IN", "OUT");
    for (uint32_t k = 0; k < s->now.workers; k++) {
        const struct status_worker *w = &s->now.worker[k], *was = &s->before.worker[k];
        printf("%-14u %3.0f %% %14s %14s %20s %20s\n", w->core, 100 * status_busy(&s->now, &s->before, k),
               rate(s, was->packets_in, w->packets_in, in), rate(s, was->packets_out, w->packets_out, out),
               show_count(w->packets_in, total_in), show_count(w->packets_out, total_out));
    }
}

static const struct counters *sorted_by;

static int more_drops_first(const void *a, const void *b)
{
    uint64_t x = sorted_by->drop[*(const unsigned *)a], y = sorted_by->drop[*(const unsigned *)b];
    return (y > x) - (y < x);
}

static void print_drops(const struct samples *s)
{
    unsigned reason[DROP_REASON_COUNT], count = 0;
    char total[32], now[32];
    for (unsigned i = DROP_NONE + 1; i < DROP_REASON_COUNT; i++)
        if (s->now.total.drop[i])
            reason[count++] = i;
    sorted_by = &s->now.total;
    qsort(reason, count, sizeof *reason, more_drops_first);
    printf("\n%-24s %14s %10s  %s\n", "DROPPED", "TOTAL", "/S", "WHY");
    for (unsigned i = 0; i < count && i < DROPS_SHOWN; i++)
        printf("%-24s %14s %10s  %s\n", drop_reason_name(reason[i]),
               show_count(s->now.total.drop[reason[i]], total),
               rate(s, s->before.total.drop[reason[i]], s->now.total.drop[reason[i]], now),
               drop_reason_text(reason[i]));
    if (!count)
        printf("nothing\n");
    if (count > DROPS_SHOWN)
        printf("and for %u more reasons: voxpop status --json\n", count - DROPS_SHOWN);
}

static void print_screen(const struct samples *s)
{
    const struct status *n = &s->now;
    printf("%-14s %s\n", "POP", n->ready ? "ready" : "NOT READY");
    print_process("dataplane", &n->process[PROCESS_DATAPLANE]);
    print_process("control plane", &n->process[PROCESS_CONTROLPLANE]);
    print_process("supervisor", &n->process[PROCESS_SUPERVISOR]);
    printf("\n%-14s %u open, %u shaking hands\n", "connections", n->connections_open, n->handshakes);
    printf("%-14s %u gateway, %u voice\n", "sessions", n->gateway_sessions, n->voice_sessions);
    printf("%-14s %u open, %u members\n", "rooms", n->rooms, n->members);
    print_ports(s);
    print_workers(s);
    print_drops(s);
}

int run_status(const struct invocation *i)
{
    struct region r;
    struct timespec pause = {.tv_nsec = SAMPLE_MS * 1000000L};
    int code = place_attach(i, &r);
    if (code)
        return code;
    struct samples *s = malloc(sizeof *s);
    if (!s) {
        region_detach(&r);
        return EXIT_FAILED;
    }
    status_read(&r, &s->before);
    nanosleep(&pause, NULL);
    status_read(&r, &s->now);
    if (i->json)
        code = show_value(i, status_json(&s->now, &s->before));
    else
        print_screen(s);
    free(s);
    region_detach(&r);
    return code;
}
