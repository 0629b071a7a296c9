/*
 * Prometheus text; see metrics.h. Everything is called voxpop_*; a worker is its number, the control plane's
 * own counters have worker="control".
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/noc/metrics.h"

#include "controlplane/noc/quality.h"
#include "controlplane/noc/status.h"

#include <stdlib.h>

typedef unsigned long long ull;

static void head(FILE *to, const char *name, const char *type, const char *help)
{
    fprintf(to, "# HELP voxpop_%s %s\n# TYPE voxpop_%s %s\n", name, help, name, type);
}

/* The counters of worker `k`; behind the last worker: the control plane's. */
static const struct counters *counters_of(const struct region *r, uint32_t k, char label[16])
{
    bool control = k == r->header->geometry.workers;
    if (control)
        snprintf(label, 16, "control");
    else
        snprintf(label, 16, "%u", k);
    return control ? region_section(r, SECTION_CONTROL_COUNTERS) : region_part(r, k, PART_COUNTERS);
}

static void write_counters(FILE *to, const struct region *r)
{
    static const struct {
        const char *name, *help;
    } metric[] = {
#define COUNTER(name, metric, help) {metric, help},
#include "counter.def"
#undef COUNTER
    };
    char label[16];
    for (unsigned i = 0; i < COUNTER_COUNT; i++) {
        head(to, metric[i].name, "counter", metric[i].help);
        for (uint32_t k = 0; k <= r->header->geometry.workers; k++) {
            const struct counters *c = counters_of(r, k, label);
            fprintf(to, "voxpop_%s{worker=\"%s\"} %llu\n", metric[i].name, label, (ull)c->count[i]);
        }
    }
}

static void write_drops(FILE *to, const struct region *r)
{
    char label[16];
    head(to, "drops_total", "counter", "packets, records, messages and requests refused, by reason");
    for (uint32_t k = 0; k <= r->header->geometry.workers; k++) {
        const struct counters *c = counters_of(r, k, label);
        for (unsigned i = DROP_NONE + 1; i < DROP_REASON_COUNT; i++)
            fprintf(to, "voxpop_drops_total{worker=\"%s\",reason=\"%s\"} %llu\n", label, drop_reason_name(i),
                    (ull)c->drop[i]);
    }
}

static void write_ports(FILE *to, const struct status *s)
{
    static const struct {
        const char *name, *help;
        size_t at;
    } metric[] = {
        {"port_rx_packets_total", "packets the port received", offsetof(struct status_port, rx_packets)},
        {"port_tx_packets_total", "packets the port sent", offsetof(struct status_port, tx_packets)},
        {"port_rx_bytes_total", "bytes the port received", offsetof(struct status_port, rx_bytes)},
        {"port_tx_bytes_total", "bytes the port sent", offsetof(struct status_port, tx_bytes)},
        {"port_rx_missed_total", "packets the port lost before us", offsetof(struct status_port, rx_missed)},
        {"port_tx_full_total", "packets freed because the port's queue was full",
         offsetof(struct status_port, tx_full)},
        {"port_steered_total", "packets the XDP program gave to us", offsetof(struct status_port, steered)},
        {"port_passed_total", "packets the XDP program left to the kernel",
         offsetof(struct status_port, passed)},
    };
    for (size_t i = 0; i < sizeof metric / sizeof *metric; i++) {
        head(to, metric[i].name, "counter", metric[i].help);
        for (uint32_t p = 0; p < s->ports; p++) {
            uint64_t value;
            memcpy(&value, (const uint8_t *)&s->port[p] + metric[i].at, sizeof value);
            fprintf(to, "voxpop_%s{port=\"%s\"} %llu\n", metric[i].name, s->port[p].name, (ull)value);
        }
    }
    head(to, "port_link", "gauge", "1: the link is up");
    for (uint32_t p = 0; p < s->ports; p++)
        fprintf(to, "voxpop_port_link{port=\"%s\"} %d\n", s->port[p].name, s->port[p].link);
}

static void write_gauges(FILE *to, const struct status *s)
{
    head(to, "connections", "gauge", "TCP connections now, by state");
    for (uint32_t k = 0; k < s->workers; k++)
        fprintf(to,
                "voxpop_connections{worker=\"%u\",state=\"open\"} %u\n"
                "voxpop_connections{worker=\"%u\",state=\"handshaking\"} %u\n",
                k, s->worker[k].connections_open, k, s->worker[k].handshakes);
    head(to, "sessions", "gauge", "sessions now, those that may resume included");
    fprintf(to, "voxpop_sessions{kind=\"gateway\"} %u\nvoxpop_sessions{kind=\"voice\"} %u\n",
            s->gateway_sessions, s->voice_sessions);
    head(to, "rooms", "gauge", "voice rooms now");
    fprintf(to, "voxpop_rooms %u\n", s->rooms);
    head(to, "room_members", "gauge", "members of voice rooms now");
    fprintf(to, "voxpop_room_members %u\n", s->members);
}

static void write_processes(FILE *to, const struct status *s)
{
    static const char *const name[PROCESS_COUNT] = {"supervisor", "dataplane", "controlplane"};
    head(to, "ready", "gauge", "1: dataplane and control plane serve");
    fprintf(to, "voxpop_ready %d\n", s->ready);
    head(to, "process_up", "gauge", "1: the process is alive");
    for (int p = 0; p < PROCESS_COUNT; p++)
        fprintf(to, "voxpop_process_up{process=\"%s\"} %d\n", name[p], s->process[p].alive);
    head(to, "process_lives_total", "counter", "times the process was started since the region was made");
    for (int p = 0; p < PROCESS_COUNT; p++)
        fprintf(to, "voxpop_process_lives_total{process=\"%s\"} %u\n", name[p], s->process[p].lives);
}

static const struct {
    const char *name;
    enum worker_part part;
} pools[] = {
    {"connections", PART_CONNECTIONS},
    {"blocks", PART_BLOCKS},
    {"descriptors", PART_DESCRIPTORS},
    {"items", PART_ITEMS},
    {"chunks", PART_CHUNKS},
    {"rooms", PART_ROOMS},
    {"topic_chunks", PART_TOPIC_CHUNKS},
    {"members", PART_MEMBERS},
};

static void write_pool_field(FILE *to, const struct region *r, const char *metric, const char *type,
                             const char *help, size_t at)
{
    head(to, metric, type, help);
    for (uint32_t k = 0; k < r->header->geometry.workers; k++)
        for (size_t i = 0; i < sizeof pools / sizeof *pools; i++) {
            uint32_t value;
            memcpy(&value, (const uint8_t *)region_part(r, k, pools[i].part) + at, sizeof value);
            fprintf(to, "voxpop_%s{worker=\"%u\",pool=\"%s\"} %u\n", metric, k, pools[i].name, value);
        }
}

static void write_bounds(FILE *to, const struct region *r)
{
    write_pool_field(to, r, "pool_used", "gauge", "elements handed out", offsetof(struct pool, used));
    write_pool_field(to, r, "pool_capacity", "gauge", "elements there are", offsetof(struct pool, capacity));
    write_pool_field(to, r, "pool_refused_total", "counter", "times that none was left",
                     offsetof(struct pool, refused));
    head(to, "ring_full_total", "counter", "times a ring had no room");
    for (uint32_t k = 0; k < r->header->geometry.workers; k++) {
        static const char *const name[] = {"notice", "command", "fanout"};
        for (int i = 0; i < 3; i++) {
            const struct ring *ring = region_part(r, k, (enum worker_part)(PART_RING_NOTICE + i));
            fprintf(to, "voxpop_ring_full_total{worker=\"%u\",ring=\"%s\"} %llu\n", k, name[i],
                    (ull)ring->full);
        }
    }
}

void metrics_write(FILE *to, const struct region *r)
{
    struct status *s = malloc(sizeof *s);
    if (!s)
        return;
    status_read(r, s);
    write_processes(to, s);
    write_gauges(to, s);
    write_ports(to, s);
    write_counters(to, r);
    write_drops(to, r);
    write_bounds(to, r);
    quality_metrics(to, r);
    free(s);
}
