/*
 * Reading the region for the operator; see status.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/noc/status.h"

#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>

static void add_counters(struct counters *sum, const struct counters *c)
{
    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        sum->count[i] += c->count[i];
    for (unsigned i = 0; i < DROP_REASON_COUNT; i++)
        sum->drop[i] += c->drop[i];
}

/* Workers that share a port all tell the figures of the whole port: it is listed once. */
static void read_port(struct status *s, const struct worker_area *a)
{
    struct status_port *p = s->port;
    if (!a->port_name[0])
        return;
    while (p < s->port + s->ports && strncmp(p->name, a->port_name, sizeof p->name) != 0)
        p++;
    if (p < s->port + s->ports)
        return;
    s->ports++;
    *p = (struct status_port){
        .link = a->port_link == 1,
        .rx_packets = a->port_rx_packets,
        .tx_packets = a->port_tx_packets,
        .rx_bytes = a->port_rx_bytes,
        .tx_bytes = a->port_tx_bytes,
        .rx_missed = a->port_rx_missed,
        .tx_full = a->port_tx_full,
        .steered = a->port_steered,
        .passed = a->port_passed,
    };
    memcpy(p->name, a->port_name, sizeof p->name);
    p->name[sizeof p->name - 1] = 0;
    memcpy(p->mac, a->port_mac, sizeof p->mac);
}

static uint32_t pool_used(const struct region *r, uint32_t worker, enum worker_part part)
{
    return ((const struct pool *)region_part(r, worker, part))->used;
}

static void read_worker(const struct region *r, struct status *s, uint32_t k)
{
    const struct worker_area *a = region_part(r, k, PART_AREA);
    const struct counters *c = region_part(r, k, PART_COUNTERS);
    s->worker[k] = (struct status_worker){
        .core = a->core,
        .packets_in = c->count[COUNT_rx_packets],
        .packets_out = c->count[COUNT_tx_packets],
        .busy_cycles = c->count[COUNT_busy_cycles],
        .idle_cycles = c->count[COUNT_idle_cycles],
        .connections_open = a->connections_open,
        .handshakes = a->handshakes,
    };
    s->connections_open += a->connections_open;
    s->handshakes += a->handshakes;
    s->rooms += pool_used(r, k, PART_ROOMS);
    s->members += pool_used(r, k, PART_MEMBERS);
    add_counters(&s->total, c);
    read_port(s, a);
}

static void read_sessions(const struct region *r, struct status *s)
{
    const struct pool *p = region_section(r, SECTION_SESSIONS_CONTROL);
    uint32_t fresh = p->fresh < p->capacity ? p->fresh : p->capacity;
    for (uint32_t i = 0; i < fresh; i++) {
        const struct session_control *c = pool_at(p, i);
        s->gateway_sessions += c->kind == SESSION_GATEWAY;
        s->voice_sessions += c->kind == SESSION_VOICE;
    }
}

static void read_process(const struct region *r, struct status *s, enum region_process_name who)
{
    struct region_process *p = &r->header->process[who];
    struct status_process *to = &s->process[who];
    uint64_t alive_us = atomic_load(&p->alive_us);
    to->pid = atomic_load(&p->pid);
    to->lives = atomic_load(&p->lives);
    to->started_ms = atomic_load(&p->started_ms);
    to->alive = to->pid && (kill((pid_t)to->pid, 0) == 0 || errno == EPERM) &&
                (alive_us >= s->time_us || s->time_us - alive_us < STATUS_SILENT_US);
    to->ready = to->alive && atomic_load(&p->ready);
}

void status_read(const struct region *r, struct status *s)
{
    memset(s, 0, sizeof *s);
    s->time_us = region_now_us();
    s->workers = r->header->geometry.workers < WORKERS_MAX ? r->header->geometry.workers : WORKERS_MAX;
    for (uint32_t k = 0; k < s->workers; k++)
        read_worker(r, s, k);
    add_counters(&s->total, region_section(r, SECTION_CONTROL_COUNTERS));
    read_sessions(r, s);
    quality_read(r, &s->quality);
    for (int p = 0; p < PROCESS_COUNT; p++)
        read_process(r, s, (enum region_process_name)p);
    s->ready = s->process[PROCESS_DATAPLANE].ready && s->process[PROCESS_CONTROLPLANE].ready;
}

double status_busy(const struct status *s, const struct status *before, uint32_t worker)
{
    static const struct status_worker none;
    const struct status_worker *now = &s->worker[worker], *then = before ? &before->worker[worker] : &none;
    uint64_t busy = now->busy_cycles - then->busy_cycles, idle = now->idle_cycles - then->idle_cycles;
    return busy + idle ? (double)busy / (double)(busy + idle) : 0;
}

static json_t *number(uint64_t v)
{
    return json_integer((json_int_t)v);
}

static json_t *ports_json(const struct status *s)
{
    json_t *list = json_array();
    for (uint32_t i = 0; i < s->ports; i++) {
        const struct status_port *p = &s->port[i];
        char mac[18];
        snprintf(mac, sizeof mac, "%02x:%02x:%02x:%02x:%02x:%02x", p->mac[0], p->mac[1], p->mac[2], p->mac[3],
                 p->mac[4], p->mac[5]);
        json_array_append_new(
            list, json_pack("{s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o}", "name", p->name, "mac",
                            mac, "link", p->link ? "up" : "down", "rx_packets", number(p->rx_packets),
                            "tx_packets", number(p->tx_packets), "rx_bytes", number(p->rx_bytes), "tx_bytes",
                            number(p->tx_bytes), "rx_missed", number(p->rx_missed), "tx_full",
                            number(p->tx_full), "steered", number(p->steered), "passed", number(p->passed)));
    }
    return list;
}

static json_t *workers_json(const struct status *s, const struct status *before)
{
    json_t *list = json_array();
    for (uint32_t k = 0; k < s->workers; k++) {
        const struct status_worker *w = &s->worker[k];
        json_array_append_new(list, json_pack("{s:o, s:f, s:o, s:o}", "core", number(w->core), "busy_share",
                                              round(status_busy(s, before, k) * 1000) / 1000, "packets_in",
                                              number(w->packets_in), "packets_out", number(w->packets_out)));
    }
    return list;
}

static json_t *counters_json(const struct counters *c)
{
    json_t *all = json_object();
#define COUNTER(name, metric, help) json_object_set_new(all, #name, number(c->count[COUNT_##name]));
#include "counter.def"
#undef COUNTER
    return all;
}

static json_t *drops_json(const struct counters *c)
{
    json_t *all = json_object();
    for (unsigned i = DROP_NONE + 1; i < DROP_REASON_COUNT; i++)
        json_object_set_new(all, drop_reason_name(i), number(c->drop[i]));
    return all;
}

static json_t *process_json(const struct status_process *p)
{
    return json_pack("{s:o, s:b, s:o}", "pid", number(p->pid), "alive", p->alive, "lives", number(p->lives));
}

json_t *status_json(const struct status *s, const struct status *before)
{
    return json_pack("{s:b, s:o, s:{s:o, s:o}, s:{s:o, s:o}, s:{s:o, s:o}, s:o, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "ready", s->ready, "ports", ports_json(s), "connections", "open",
                     number(s->connections_open), "handshaking", number(s->handshakes), "sessions", "gateway",
                     number(s->gateway_sessions), "voice", number(s->voice_sessions), "rooms", "open",
                     number(s->rooms), "members", number(s->members), "voice_quality", quality_json(&s->quality), "drops", drops_json(&s->total),
                     "counters", counters_json(&s->total), "workers", workers_json(s, before), "controlplane",
                     process_json(&s->process[PROCESS_CONTROLPLANE]), "dataplane",
                     process_json(&s->process[PROCESS_DATAPLANE]), "time_us", number(s->time_us));
}

/* Unmarks a free list; one that changes under our eyes ends at the bound. */
static void unmark(const struct pool *p, uint32_t head, uint8_t *used, uint32_t fresh)
{
    for (uint32_t n = 0; head < fresh && n < fresh; n++) {
        used[head] = 0;
        memcpy(&head, pool_at(p, head), sizeof head);
    }
}

uint8_t *status_used(const struct pool *p, uint32_t *count)
{
    uint32_t fresh = p->fresh < p->capacity ? p->fresh : p->capacity;
    uint8_t *used = malloc(fresh + 1);
    if (!used)
        return NULL;
    memset(used, 1, fresh);
    unmark(p, p->head, used, fresh);
    unmark(p, p->limbo_head, used, fresh);
    *count = fresh;
    return used;
}
