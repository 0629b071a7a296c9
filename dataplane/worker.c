/*
 * The loop. See worker.h for what one iteration does and in which order.
 *
 * What a restart finds: the transaction undone or published (txn_recover), then everything on the heap made anew from the region:
 * the table of connections, timers, the index of subscriptions, pins, the connections whose input was held back.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <x86intrin.h>

#include "dataplane/capture/capture.h"
#include "dataplane/capture/record.h"
#include "dataplane/net/neighbour.h"

#define READY_AHEAD                                                                                          \
    6u /* connections: long enough for memory to answer, short enough that the first-level cache holds them  \
        */

/* ---- the transaction ---- */

void worker_open(struct worker *w)
{
    if (w->open && txn_room(&w->txn) >= WORKER_UNDO_RESERVE && w->plan_count < WORKER_PLANS - WORKER_BURST)
        return;
    worker_commit(w);
    txn_begin(&w->txn);
    w->open = true;
}

static void settle(struct worker *w)
{
    if (!w->open)
        return;
    txn_commit(&w->txn);
    txn_publish(&w->txn);
    queue_settle(&w->queues);
    w->open = false;
}

void worker_commit(struct worker *w)
{
    settle(w);
    if (w->plan_count || w->out_count)
        transmit(w);
}

/* ---- connections in it ---- */

/* Saves the lines of a slot that are hot, or those that are not; neighbours as one. */
static inline __attribute__((always_inline)) void save_lines(struct worker *w, const struct connection *c, bool hot)
{
    for (unsigned line = 0, end; line < CONNECTION_LINES; line = end) {
        for (end = line + 1; end < CONNECTION_LINES && connection_line_is_hot(end) == connection_line_is_hot(line); end++)
            ;
        if (connection_line_is_hot(line) == hot)
            txn_save(&w->txn, (const uint8_t *)c + line * CONNECTION_LINE, (end - line) * CONNECTION_LINE);
    }
}

void conn_touch_hot(struct worker *w, struct connection *c)
{
    uint64_t number = txn_number(&w->txn);
    if (c->stamp >> 1 == number)
        return;
    save_lines(w, c, true);
    c->stamp = number << 1;
}

void conn_touch(struct worker *w, struct connection *c)
{
    uint64_t number = txn_number(&w->txn), all = number << 1 | 1;
    if (c->stamp == all)
        return;
    if (c->stamp >> 1 == number)
        save_lines(w, c, false);
    else
        txn_save(&w->txn, c, sizeof *c);
    c->stamp = all;
}

/* ---- notices ---- */

bool worker_may_notify(const struct worker *w)
{
    return ring_room(&w->notice) >= 2 * ring_entry_bytes(w->config->body_max + (32u << 10)) + (64u << 10);
}

bool worker_notify(struct worker *w, enum notice what, const void *body, uint32_t length)
{
    struct ring_entry *e = ring_reserve(&w->notice, &w->txn, (uint16_t)what, length);
    if (e)
        memcpy(e->payload, body, length);
    return e != NULL;
}

static bool notify_from_voice(void *user, enum notice what, const void *body, uint32_t length)
{
    return worker_notify(user, what, body, length);
}

/* ---- connections that wait for their turn ---- */

/* The place `behind` places behind the first. */
static uint32_t ready_place(const struct worker *w, uint32_t behind)
{
    uint64_t at = (uint64_t)w->ready_first + behind;
    return (uint32_t)(at < w->connections->capacity ? at : at - w->connections->capacity);
}

void worker_ready(struct worker *w, uint32_t connection)
{
    if (w->ready_mark[connection])
        return;
    w->ready_mark[connection] = 1;
    w->ready[ready_place(w, w->ready_count++)] = connection;
}

unsigned worker_at_most(const struct worker *w, unsigned most)
{
    return w->now_us - w->area->voice_us < WORKER_VOICE_US ? most / WORKER_VOICE_CUT : most;
}

/* Fetches those whose turn comes soon. */
static void ready_ahead(const struct worker *w)
{
    if (w->ready_count > READY_AHEAD)
        conn_ahead(w, w->ready[ready_place(w, READY_AHEAD)]);
    if (w->ready_count > READY_AHEAD / 2)
        conn_ahead_more(w, w->ready[ready_place(w, READY_AHEAD / 2)]);
}

/* Those that become ready meanwhile wait for the next iteration. */
static unsigned serve_ready(struct worker *w)
{
    unsigned n = w->ready_count, most = worker_at_most(w, WORKER_SERVED);
    n = n < most ? n : most;
    for (unsigned i = 0; i < n; i++) {
        uint32_t index = w->ready[w->ready_first];
        ready_ahead(w);
        w->ready_first = ready_place(w, 1);
        w->ready_count--; /* its place is free before it asks again */
        w->ready_mark[index] = 0;
        struct connection *c = conn_at(w, index);
        if (c->kind == CONNECTION_FREE)
            continue;
        worker_open(w);
        conn_service(w, c);
    }
    return n;
}

/* ---- one iteration ---- */

/* What other workers have handed over: as much of each. */
static unsigned take_handed(struct worker *w, struct packet *out)
{
    uint32_t workers = w->region->header->geometry.workers;
    unsigned n = 0, each = WORKER_HANDED / workers < WORKER_BURST ? WORKER_HANDED / workers : WORKER_BURST;
    for (uint32_t k = 0; w->from_worker && k < workers; k++)
        for (unsigned i = 0; i < each && k != w->index && spsc_pop(w->from_worker[k], &out[n]); i++)
            n++;
    return n;
}

/*
 * A fan-out is answered by as many acknowledgements: an iteration takes about as many packets as it may send.
 *
 * Packets are taken, then verbs are carried out, then packets are looked at: whoever was told by another worker that he is a member here
 * may send at once, and asks for his address once only, so that the verb that made him one must not wait behind his packet.
 */
static unsigned receive(struct worker *w)
{
    struct packet burst[WORKER_BURST], handed[WORKER_HANDED];
    unsigned n, got = 0, over = take_handed(w, handed), verbs = 0;
    do {
        n = port_rx(w->port, burst, WORKER_BURST);
        if (!got) {
            w->received = __rdtsc();
            verbs = verbs_command(w);
        }
        for (unsigned i = 0; i < n; i++)
            w->counters->count[COUNT_rx_bytes] += burst[i].len;
        w->counters->count[COUNT_rx_packets] += n;
        worker_ahead(w, burst, n);
        for (unsigned i = 0; i < n; i++)
            worker_packet(w, &burst[i]);
        got += n;
    } while (n == WORKER_BURST && got < WORKER_RECEIVE && w->out_count <= WORKER_BURST && !voice_pending(w->voice));
    w->handed = true;
    for (unsigned i = 0; i < over; i++)
        worker_packet(w, &handed[i]);
    w->handed = false;
    return got + over + verbs;
}

static unsigned handshakes(struct worker *w)
{
    struct tls_helper_result r;
    unsigned n = 0;
    while (w->handshake.poll && n < WORKER_BURST && w->handshake.poll(w->handshake.user, w->index, &r)) {
        record_handshake(w, &r);
        worker_open(w);
        conn_handshake(w, &r);
        wipe(&r.step.secrets, sizeof r.step.secrets);
        n++;
    }
    return n;
}

static unsigned peers(struct worker *w)
{
    if (!w->webrtc)
        return 0;
    if (webrtc_count(w->webrtc))
        worker_open(w);
    return webrtc_poll(w->webrtc, w->now_us);
}

static unsigned timers(struct worker *w)
{
    uint32_t index;
    unsigned n = 0, most = worker_at_most(w, WORKER_TIMERS);
    while (n < most && (index = wheel_due(w->timers, w->now_us)) != UINT32_MAX) {
        worker_open(w);
        conn_timer(w, conn_at(w, index));
        n++;
    }
    while (n < 2 * WORKER_TIMERS && (index = wheel_due(w->opening_timers, w->now_us)) != UINT32_MAX) {
        worker_open(w);
        listen_timer(w, index);
        n++;
    }
    return n;
}

/* Ten times a second: the process and the port say how they are. */
static void report(struct worker *w)
{
    struct port_stats s;
    struct worker_area *a = w->area;
    if (w->now_us - a->loop_us < 100000 && w->now_us >= a->loop_us)
        return;
    port_stats(w->port, &s);
    port_info(w->port, &w->port_info);
    a->port_rx_packets = s.ipackets;
    a->port_tx_packets = s.opackets;
    a->port_rx_bytes = s.ibytes;
    a->port_tx_bytes = s.obytes;
    a->port_rx_missed = s.imissed + s.no_memory;
    a->port_tx_full = s.tx_full;
    a->port_steered = s.xdp_steered;
    a->port_passed = s.xdp_passed;
    a->port_link = w->port_info.link_up;
    a->port_mtu = w->port_info.mtu;
    memcpy(a->port_mac, w->port_info.mac, sizeof w->port_info.mac);
    snprintf(a->port_name, sizeof a->port_name, "%.31s", w->port_info.name);
    a->connections_open = w->connections->used;
    a->handshakes = w->handshakes + w->openings.table->used;
    w->counters->count[COUNT_tcp_retransmits] += w->tcp_counters.retransmits;
    w->counters->count[COUNT_tcp_challenges] += w->tcp_counters.challenges;
    w->tcp_counters = (struct tcp_counters){0};
    a->loop_us = w->now_us;
    atomic_store_explicit(&w->region->header->process[PROCESS_DATAPLANE].alive_us, w->now_us, memory_order_relaxed);
}

/* False: a snapshot is being taken, this iteration is not to be. */
static bool begin_capture(struct worker *w)
{
    w->capture_wanted = atomic_load_explicit(&w->capture->wanted, memory_order_acquire);
    if (w->capture_wanted == CAPTURE_REPLAY)
        return record_begin(w);
    if (w->recorder.phase != RECORD_OFF)
        record_leave(w);
    return true;
}

/*
 * Voice first: what a burst brought is sealed and sent before anything else is begun, so that no handshake or fan-out of this
 * iteration is in its way. Verbs, and those of the one before, are bounded (worker_at_most).
 */
static unsigned forward_voice(struct worker *w)
{
    if (!voice_pending(w->voice) && !w->late_count)
        return 0;
    settle(w);
    w->area->voice_us = w->now_us;
    return transmit_voice(w);
}

static void count_iteration(struct worker *w, uint64_t began, bool voice, bool work)
{
    uint64_t took = __rdtsc() - began;
    w->counters->count[COUNT_iterations]++;
    w->counters->count[work ? COUNT_busy_cycles : COUNT_idle_cycles] += took;
    if (!voice || !w->config->voice.ticks_per_us)
        return;
    uint64_t us = took / w->config->voice.ticks_per_us;
    w->area->voice_iteration[residence_bucket(us)]++;
    w->counters->count[COUNT_voice_over_budget] += us > w->config->voice.iteration_budget_us;
}

bool worker_step(struct worker *w, uint64_t now_us)
{
    uint64_t began = __rdtsc();
    w->now_us = now_us;
    report(w);
    if (!begin_capture(w))
        return false;
    w->route_half = route_read(&w->routes->swap, w->index);
    unsigned work = receive(w), voice = forward_voice(w);
    work += voice;
    work += handshakes(w);
    work += peers(w);
    work += timers(w);
    work += verbs_fanout(w);
    work += serve_ready(w);
    worker_commit(w);
    work += transmit_webrtc(w);
    work += transmit_solicitations(w);
    record_end(w, work);
    count_iteration(w, began, voice, work);
    return work || w->ready_count || w->late_count || voice_pending(w->voice);
}

uint64_t worker_deadline(const struct worker *w)
{
    return neighbour_deadline(w->neighbours);
}

/* ---- beginning and end ---- */

static void attach_parts(struct worker *w)
{
    struct region *r = w->region;
    uint32_t k = w->index;
    w->area = region_part(r, k, PART_AREA);
    w->counters = region_part(r, k, PART_COUNTERS);
    w->connections = region_part(r, k, PART_CONNECTIONS);
    w->blocks = region_part(r, k, PART_BLOCKS);
    w->records = region_part(r, k, PART_DESCRIPTORS);
    w->items = region_part(r, k, PART_ITEMS);
    w->sessions = region_section(r, SECTION_SESSIONS);
    w->routes = region_section(r, SECTION_ROUTES);
    w->neighbours = region_part(r, k, PART_NEIGHBOURS);
    w->capture = region_part(r, k, PART_CAPTURE);
    w->queues = (struct queue_env){.txn = &w->txn, .chunks = region_part(r, k, PART_CHUNKS),
                                   .log = region_section(r, SECTION_EVENT_LOG), .pins = region_part(r, k, PART_PINS),
                                   .unsent_max = w->config->unsent_max, .keep_max = w->config->keep_max};
    w->topics = (struct topics){.txn = &w->txn, .topic = region_part(r, k, PART_TOPICS), .count = r->header->geometry.topics,
                                .chunks = region_part(r, k, PART_TOPIC_CHUNKS), .session = w->sessions};
    txn_attach(&w->txn, r->base, region_part(r, k, PART_TXN));
    txn_recover(&w->txn);
    ring_producer(&w->notice, region_part(r, k, PART_RING_NOTICE));
    ring_consumer(&w->command, region_part(r, k, PART_RING_COMMAND));
    ring_consumer(&w->fanout, region_part(r, k, PART_RING_FANOUT));
}

static bool make_heap(struct worker *w)
{
    struct region *r = w->region;
    uint32_t capacity = w->connections->capacity;
    struct voice_config vc = w->config->voice;
    vc.worker = w->index;
    struct voice_env ve = {.txn = &w->txn, .rooms = region_part(r, w->index, PART_ROOMS),
                           .members = region_part(r, w->index, PART_MEMBERS), .counters = w->counters,
                           .notify = notify_from_voice,
                           .hand = w->region->header->geometry.workers > 1 ? parts_hand : NULL, .user = w};
    w->ready = malloc(capacity * sizeof *w->ready);
    w->ready_mark = calloc(capacity, 1);
    w->timers = wheel_new(capacity, w->now_us);
    w->queues.let_go = calloc(r->header->geometry.log_segments, sizeof *w->queues.let_go);
    w->keys = tls_key_cache_new(capacity < TLS_KEY_CACHE_ENTRIES ? capacity : TLS_KEY_CACHE_ENTRIES);
    w->voice = voice_new(&vc, &ve);
    if (w->voice)
        voice_residence_at(w->voice, w->area->voice_residence);
    w->ways = aligned_alloc(sizeof *w->ways, ve.members->capacity * sizeof *w->ways);
    if (w->ways)
        memset(w->ways, 0, ve.members->capacity * sizeof *w->ways);
    for (unsigned i = 0; i < WORKER_HELD; i++)
        w->held_free[w->held_free_count++] = &w->held[i];
    return w->ready && w->ready_mark && w->timers && w->keys && w->voice && w->ways && w->queues.let_go &&
           topics_attach(&w->topics) && conn_table_init(&w->table, w->connections, r->header->secrets.tables) && listen_attach(w);
}

/*
 * The pins of this core, counted anew from the sessions whose connections are its own: on the heap first, for the control plane
 * looks at them at any time.
 */
static void recount_pins(struct worker *w)
{
    uint32_t *pins = w->queues.pins, segments = w->region->header->geometry.log_segments;
    w->queues.pins = w->queues.let_go;
    for (uint32_t i = 0; i < w->connections->fresh; i++) {
        const struct connection *c = conn_at(w, i);
        if (c->kind != CONNECTION_FREE && c->session != SESSION_NONE && w->sessions[c->session].connection == i)
            queue_recount(&w->queues, &w->sessions[c->session]);
    }
    w->queues.pins = pins;
    for (uint32_t i = 0; i < segments; i++) {
        __atomic_store_n(&pins[i], w->queues.let_go[i], __ATOMIC_RELEASE);
        w->queues.let_go[i] = 0;
    }
}

struct worker *worker_new_with(struct region *r, uint32_t index, const struct worker_config *config, struct port_queue *port,
                               const struct handshake_source *handshake, uint64_t now_us, char *why)
{
    struct worker *w = aligned_alloc(64, (sizeof *w + 63) & ~(size_t)63);
    if (!w) {
        snprintf(why, 256, "no memory for worker %u", index);
        return NULL;
    }
    memset(w, 0, sizeof *w);
    w->index = index;
    w->config = config;
    w->region = r;
    w->port = port;
    if (handshake)
        w->handshake = *handshake;
    w->now_us = now_us;
    w->born_us = w->handshake.lasting ? 0 : now_us;
    port_info(port, &w->port_info);
    attach_parts(w);
    if (!make_heap(w)) {
        snprintf(why, 256, "no memory for worker %u", index);
        worker_free(w);
        return NULL;
    }
    route_reader_start(&w->routes->swap, index);
    recount_pins(w);
    conn_recover(w);
    worker_commit(w);
    return w;
}

bool worker_serve_webrtc(struct worker *w, struct dtls_helper *helper)
{
    struct webrtc_env env = {.voice = w->voice, .members = region_part(w->region, w->index, PART_MEMBERS),
                             .peers = region_part(w->region, w->index, PART_PEERS), .counters = w->counters,
                             .helper = helper, .worker = w->index};
    memcpy(env.hash_key, w->region->header->secrets.seed, sizeof env.hash_key);
    w->webrtc = webrtc_new(&env, w->now_us);
    return w->webrtc != NULL;
}

/* ---- the helper thread as a source of handshakes ---- */

static bool helper_submit(void *user, unsigned worker, uint64_t handle, bool first, const uint8_t *record, uint32_t len)
{
    return tls_helper_submit(user, worker, handle, first, record, len);
}

static void helper_cancel(void *user, unsigned worker, uint64_t handle)
{
    tls_helper_cancel(user, worker, handle);
}

static bool helper_poll(void *user, unsigned worker, struct tls_helper_result *out)
{
    return tls_helper_poll(user, worker, out);
}

struct worker *worker_new(struct region *r, uint32_t index, const struct worker_config *config, struct port_queue *port,
                          struct tls_helper *helper, uint64_t now_us, char *why)
{
    struct handshake_source source = {.user = helper, .submit = helper_submit, .cancel = helper_cancel, .poll = helper_poll};
    return worker_new_with(r, index, config, port, helper ? &source : NULL, now_us, why);
}

void worker_free(struct worker *w)
{
    if (w->routes)
        route_reader_stop(&w->routes->swap, w->index);
    webrtc_free(w->webrtc);
    voice_free(w->voice);
    tls_key_cache_free(w->keys);
    wheel_free(w->timers);
    wheel_free(w->opening_timers);
    topics_detach(&w->topics);
    conn_table_free(&w->table);
    free(w->ways);
    free(w->ready);
    free(w->ready_mark);
    free(w->queues.let_go);
    free(w);
}
