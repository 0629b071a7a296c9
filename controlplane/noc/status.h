/*
 * What the box is doing, read from the region alone: it works with a dead control plane, or a dead dataplane.
 * `voxpop status`, the NOC page and the metrics are three views of what stands here.
 *
 * Figures are read while others write them: each is a plain word, none is consistent with the next to the
 * packet.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_NOC_STATUS_H
#define VOXPOP_NOC_STATUS_H

#include <jansson.h>

#include "controlplane/noc/quality.h"
#include "region.h"

/* A process that has not said that it is alive for this long is taken for dead. */
#define STATUS_SILENT_US 5000000ull

struct status_port {
    char name[32];
    uint8_t mac[6];
    bool link;
    uint64_t rx_packets, tx_packets, rx_bytes, tx_bytes;
    uint64_t rx_missed, tx_full, steered, passed;
};

struct status_worker {
    uint32_t core;
    uint64_t packets_in, packets_out;
    uint64_t busy_cycles, idle_cycles;
    uint32_t connections_open, handshakes;
};

struct status_process {
    uint32_t pid;
    uint32_t lives;
    uint64_t started_ms;
    bool alive;
    bool ready;
};

struct status {
    uint64_t time_us; /* CLOCK_MONOTONIC */
    bool ready;
    uint32_t workers, ports;
    struct status_worker worker[WORKERS_MAX];
    struct status_port port[WORKERS_MAX];
    struct counters total; /* over all workers and the control plane */
    uint32_t connections_open, handshakes;
    uint32_t gateway_sessions, voice_sessions;
    uint32_t rooms, members;
    struct quality quality;
    struct status_process process[PROCESS_COUNT];
};

void status_read(const struct region *r, struct status *s);

/* Share of the cycles since `before` that found work, 0 to 1; `before` NULL: since the region was made. */
double status_busy(const struct status *s, const struct status *before, uint32_t worker);

/* The published shape of `voxpop status --json` and /status.json. The caller owns it. */
json_t *status_json(const struct status *s, const struct status *before);

/* Which elements of a pool are handed out: a byte each, up to pool.fresh; NULL: no memory. Freed by the
 * caller. `count` gets the elements looked at. */
uint8_t *status_used(const struct pool *p, uint32_t *count);

#endif
