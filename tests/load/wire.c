/*
 * The wire alone: frames as long as a sealed voice packet go to whoever sends them back (dpdk-testpmd
 * macswap) and come again, each going out anew as soon as it is back. Counts what came back; checks lengths
 * and that nothing is lost.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <string.h>

#include "crowd.h"
#include "load.h"

#define WIRE_WINDOW 1024u

struct wire {
    const struct load_options *options;
    struct port_queue *port;
    bool good;
};

static unsigned fill_wire(struct port_queue *q)
{
    struct packet burst[32];
    unsigned sent = 0;
    while (sent < WIRE_WINDOW && port_alloc(q, burst, 32)) {
        for (unsigned i = 0; i < 32; i++) {
            memset(burst[i].data, 0x5a, CROWD_FRAME);
            memcpy(burst[i].data, (uint8_t[]){2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x88, 0xb5}, 14);
            burst[i].len = CROWD_FRAME;
        }
        sent += port_tx(q, burst, 32);
    }
    return sent;
}

/* For `seconds`; what came back a second. */
static double bounce(struct wire *w, double seconds, double *busy)
{
    struct load_time time;
    struct packet burst[LOAD_BURST];
    uint64_t came = 0, rest = (uint64_t)(LOAD_WAIT_US * load_ticks_per_us());
    load_time_start(&time);
    uint64_t until = time.began + (uint64_t)(seconds * 1e6 * load_ticks_per_us());
    while (__rdtsc() < until) {
        unsigned n = port_rx(w->port, burst, LOAD_BURST);
        for (unsigned i = 0; i < n; i++)
            w->good &= burst[i].len == CROWD_FRAME;
        w->good &= port_tx(w->port, burst, n) == n;
        came += n;
        load_time_step(&time, n < LOAD_BURST / 2, rest);
    }
    *busy = load_busy_share(&time);
    return (double)came / ((double)(__rdtsc() - time.began) / load_ticks_per_us()) * 1e6;
}

static unsigned collect(struct port_queue *q)
{
    struct packet burst[LOAD_BURST];
    unsigned n, got = 0;
    for (uint64_t until = __rdtsc() + (uint64_t)(50000 * load_ticks_per_us()); __rdtsc() < until;) {
        n = port_rx(q, burst, LOAD_BURST);
        port_free(burst, n);
        got += n;
    }
    return got;
}

static int run(void *arg)
{
    struct wire *w = arg;
    collect(w->port); /* the first receive gives the other side buffers to send in */
    unsigned sent = fill_wire(w->port);
    for (unsigned i = 0; i < w->options->repeats; i++) {
        double busy, rate = bounce(w, w->options->seconds, &busy);
        printf("{\"kind\":\"wire\",\"value\":%.0f,\"generator_busy\":%.2f,\"generator_bound\":%s}\n", rate,
               busy, busy > LOAD_BOUND ? "true" : "false");
        fflush(stdout);
    }
    unsigned back = collect(w->port);
    if (w->good && back == sent)
        return 0;
    fprintf(stderr, "voxpop-load: of %u frames %u came back%s\n", sent, back,
            w->good ? "" : ", some of another length");
    return 1;
}

int load_wire(const struct load_options *o)
{
    struct wire w = {.options = o, .good = true};
    if (!(w.port = load_port(o, o->socket)))
        return 1;
    int status = load_run(run, &w);
    port_stop();
    return status;
}
