/*
 * After the commit: plans become packets. Headers and sealed bytes are written straight into transmit memory.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <x86intrin.h>

#include "dataplane/capture/capture.h"
#include "dataplane/net/neighbour.h"
#include "dataplane/worker.h"

/* Fills in the way to `destination`. False: no route, or its next hop is not known yet (counted). */
static bool path_to(struct worker *w, const uint8_t source[16], const uint8_t destination[16], struct net_path *path)
{
    struct route_hop hop;
    if (!route_lookup(&w->routes->table[w->route_half], destination, &hop)) {
        count_drop(w->counters, DROP_NO_ROUTE);
        return false;
    }
    *path = (struct net_path){0};
    if (!neighbour_lookup(w->neighbours, hop.gateway, w->now_us, path->next_hop_mac)) {
        count_drop(w->counters, DROP_NEIGHBOUR_PENDING);
        return false;
    }
    memcpy(path->source, source, 16);
    memcpy(path->destination, destination, 16);
    memcpy(path->source_mac, w->port_info.mac, 6);
    return true;
}

/* How many the port takes; the rest is still the caller's. */
static unsigned offer_to_port(struct worker *w, struct packet *packets, unsigned n)
{
    uint64_t bytes = 0;
    unsigned taken = port_offer(w->port, packets, n);
    for (unsigned i = 0; i < taken; i++)
        bytes += packets[i].len;
    w->counters->count[COUNT_tx_packets] += taken;
    w->counters->count[COUNT_tx_bytes] += bytes;
    return taken;
}

static void port_refused(struct worker *w, struct packet *packets, unsigned n)
{
    w->counters->drop[DROP_PORT_TX_FULL] += n;
    port_refuse(w->port, packets, n);
}

static void give_to_port(struct worker *w, struct packet *packets, unsigned n)
{
    unsigned taken = offer_to_port(w, packets, n);
    if (taken < n)
        port_refused(w, packets + taken, n - taken);
}

/* One plan into one packet. False: nothing to send (its connection or record is gone, or nobody knows the way). */
static bool build_segment(struct worker *w, const struct worker_plan *plan, struct packet *p)
{
    struct net_path path;
    const struct tcp_tuple *t = &plan->tcp.tuple;
    struct send_stream stream = {w, NULL, plan->record};
    if (plan->connection != UINT32_MAX) {
        stream.connection = conn_at(w, plan->connection);
        bool gone = stream.connection->generation != plan->generation || stream.connection->kind == CONNECTION_FREE;
        if (plan->tcp.len && gone) /* its keys are, too */
            return false;
    }
    if (!path_to(w, t->local, t->remote, &path))
        return false;
    size_t head = net_header_len(t->remote);
    size_t len = tcp_build(&plan->tcp, send_fill, &stream, p->data + head, p->room - head);
    if (!len)
        return false;
    p->len = (uint16_t)net_emit_ip(p->data, &path, TCP_PROTOCOL, len);
    capture_sent_segment(w, p, plan->connection);
    return true;
}

static void transmit_plans(struct worker *w, const struct worker_plan *plans, unsigned n)
{
    struct packet packets[WORKER_BURST];
    if (!port_alloc(w->port, packets, n)) {
        w->counters->drop[DROP_PORT_NO_MEMORY] += n;
        return;
    }
    unsigned built = 0;
    for (unsigned i = 0; i < n; i++)
        if (build_segment(w, &plans[i], &packets[built]))
            built++;
    if (built < n)
        port_free(packets + built, n - built);
    give_to_port(w, packets, built);
}

void transmit(struct worker *w)
{
    for (unsigned i = 0; i < w->out_count; i++)
        capture_frame(w, &w->out[i], CAPTURE_TX);
    for (unsigned i = 0; i < w->out_count; i += WORKER_BURST)
        give_to_port(w, w->out + i, w->out_count - i < WORKER_BURST ? w->out_count - i : WORKER_BURST);
    w->out_count = 0;
    for (unsigned i = 0; i < w->plan_count; i += WORKER_BURST)
        transmit_plans(w, w->plans + i, w->plan_count - i < WORKER_BURST ? w->plan_count - i : WORKER_BURST);
    w->plan_count = 0;
}

/* The member's way, as far as it is kept; otherwise looked up. False: nobody knows it (counted). */
static bool find_way(struct worker *w, const struct voice_target *t, struct net_path *path)
{
    struct way *way = &w->ways[t->member];
    if (way_is_good(way, &w->way_epoch, t->local_ip, t->local_port, t->peer_ip, t->peer_port))
        return true;
    way->epoch = 0;
    if (!path_to(w, t->local_ip, t->peer_ip, path))
        return false;
    if (net_address_is4(t->peer_ip))
        way_keep(way, &w->way_epoch, path, t->local_port, t->peer_port);
    return true;
}

static size_t emit_target(const struct worker *w, const struct voice_target *t, const struct net_path *path, uint8_t *frame)
{
    const struct way *way = &w->ways[t->member];
    return way->epoch ? way_emit(way, frame, t->length) : net_emit_udp(frame, path, t->local_port, t->peer_port, t->length);
}

/*
 * A queue that is full for a moment costs time, not voice: what it has no room for waits, and the walk with it, for as long as the port
 * takes anything at all. A port that takes nothing for WORKER_PATIENCE_US is stuck: what waits is dropped, and what follows is not
 * kept until it takes something again. Under a recording nothing waits: when a port was full is not in it.
 */
static void give_late(struct worker *w)
{
    unsigned taken, given = 0;
    while (given < w->late_count && (taken = offer_to_port(w, w->late + given, w->late_count - given)))
        given += taken;
    if (given) {
        w->late_us = w->now_us;
        w->port_stuck = false;
        memmove(w->late, w->late + given, (w->late_count - given) * sizeof *w->late);
        w->late_count -= given;
    }
    w->port_stuck |= w->late_count && w->now_us - w->late_us > WORKER_PATIENCE_US;
    if (w->port_stuck || w->capture_wanted == CAPTURE_REPLAY) {
        port_refused(w, w->late, w->late_count);
        w->late_count = 0;
    }
    if (!w->late_count)
        voice_sent(w->voice, __rdtsc());
}

static unsigned transmit_targets(struct worker *w, struct voice_target *targets, unsigned n)
{
    struct packet *packets = w->late;
    struct net_path path[VOICE_BATCH];
    for (unsigned i = 0; i < n; i++)
        __builtin_prefetch(&w->ways[targets[i].member]);
    if (!port_alloc(w->port, packets, n)) {
        w->counters->drop[DROP_PORT_NO_MEMORY] += n;
        for (unsigned i = 0; i < n; i++)
            targets[i].payload = NULL;
        voice_seal(w->voice, targets, n);
        return 0;
    }
    for (unsigned i = 0; i < n; i++) {
        bool known = find_way(w, &targets[i], &path[i]);
        targets[i].payload = known ? packets[i].data + net_header_len(targets[i].peer_ip) + 8 : NULL;
    }
    voice_seal(w->voice, targets, n);
    struct packet spare[VOICE_BATCH];
    unsigned built = 0, left_out = 0;
    for (unsigned i = 0; i < n; i++) {
        if (!targets[i].payload) {
            spare[left_out++] = packets[i];
            continue;
        }
        struct packet p = packets[i];
        p.len = (uint16_t)emit_target(w, &targets[i], &path[i], p.data);
        capture_sent_voice(w, &p, targets[i].member);
        packets[built++] = p;
    }
    if (left_out)
        port_free(spare, left_out);
    w->late_count = built;
    if (!w->port_stuck)
        w->late_us = w->now_us;
    give_late(w);
    return built;
}

unsigned transmit_voice(struct worker *w)
{
    struct voice_target targets[VOICE_BATCH];
    unsigned sent = 0, n;
    uint64_t routes = atomic_load_explicit(&w->routes->swap.reader[w->index].seen, memory_order_relaxed);
    if (w->late_count)
        give_late(w);
    way_epoch_update(&w->way_epoch, routes, w->neighbours, w->now_us);
    voice_begin_output(w->voice);
    while (!w->late_count && (n = voice_targets(w->voice, targets)))
        sent += transmit_targets(w, targets, n);
    struct packet *held;
    while ((held = voice_released(w->voice))) {
        port_free(held, 1);
        w->held_free[w->held_free_count++] = held;
    }
    return sent;
}

/* False: it was not sent (counted). */
static bool build_peer_datagram(struct worker *w, const struct webrtc_datagram *d, struct packet *p)
{
    struct net_path path;
    if (!d->length || !path_to(w, d->local_ip, d->peer_ip, &path))
        return false;
    memcpy(p->data + net_header_len(d->peer_ip) + 8, d->bytes, d->length);
    p->len = (uint16_t)net_emit_udp(p->data, &path, d->local_port, d->peer_port, d->length);
    capture_frame(w, p, CAPTURE_TX);
    return true;
}

unsigned transmit_webrtc(struct worker *w)
{
    const struct webrtc_datagram *d;
    unsigned sent = 0;
    while (w->webrtc && (d = webrtc_next(w->webrtc))) {
        struct packet p;
        if (!port_alloc(w->port, &p, 1)) {
            count_drop(w->counters, DROP_PORT_NO_MEMORY);
            continue;
        }
        if (!build_peer_datagram(w, d, &p)) {
            port_free(&p, 1);
            continue;
        }
        give_to_port(w, &p, 1);
        sent++;
    }
    return sent;
}

unsigned transmit_solicitations(struct worker *w)
{
    uint8_t target[16];
    unsigned asked = 0;
    while (neighbour_request(w->neighbours, w->now_us, target)) {
        const struct net_addresses *ours = &w->config->addresses;
        struct packet p;
        unsigned i = 0;
        while (i < ours->count && net_address_is4(ours->address[i]) != net_address_is4(target))
            i++;
        asked++;
        if (i == ours->count || !port_alloc(w->port, &p, 1))
            return asked;
        p.len = (uint16_t)net_solicit(p.data, ours->address[i], w->port_info.mac, target);
        capture_frame(w, &p, CAPTURE_TX);
        give_to_port(w, &p, 1);
    }
    return asked;
}
