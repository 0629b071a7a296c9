/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/capture/replay.h"

#include <stdio.h>
#include <stdlib.h>

#include "dataplane/capture/bundle.h"
#include "dataplane/capture/drain.h"

/* One worker's recording, and the worker that lives through it. */
struct lane {
    struct replay *replay;
    uint32_t index;
    const struct capture_entry **entry;
    size_t entries, capacity;
    size_t step, end;      /* entries of the iteration under way: its STEP, and the next one */
    size_t rx_at, keys_at; /* next to be looked at */
    struct worker *worker;
    struct port_queue *port;
    struct spsc handed;
    struct spsc *from[WORKERS_MAX];   /* all of them `handed` */
    struct spsc nowhere[WORKERS_MAX]; /* takes nothing */
};

struct replay {
    struct bundle bundle;
    const struct replay_sink *sink;
    struct replay_summary *sum;
    char *why;
    struct lane lane[WORKERS_MAX];
};

static bool refuse(struct replay *r, const char *text)
{
    snprintf(r->why, 256, "%s", text);
    return false;
}

static const void *body(const struct capture_entry *e)
{
    return e + 1;
}

static void tell(struct lane *l, bool sent, const uint8_t *frame, size_t len)
{
    struct replay *r = l->replay;
    if (r->sink && r->sink->frame)
        r->sink->frame(r->sink->user, l->index, sent, l->worker->now_us + r->bundle.unix_offset_us, frame,
                       len);
}

/* ---- the port ---- */

static const struct capture_entry *next_of(const struct lane *l, size_t *at, enum capture_kind kind)
{
    while (*at < l->end) {
        const struct capture_entry *e = l->entry[(*at)++];
        if (e->kind == kind)
            return e;
    }
    return NULL;
}

static size_t take_in(struct lane *l, const struct capture_entry *e, uint8_t *frame, size_t room)
{
    if (e->length > room)
        return 0;
    memcpy(frame, body(e), e->length);
    l->replay->sum->packets_in++;
    tell(l, false, frame, e->length);
    return e->length;
}

static size_t port_in(void *user, uint8_t *frame, size_t room)
{
    struct lane *l = user;
    const struct capture_entry *e = next_of(l, &l->rx_at, CAPTURE_RX);
    return e ? take_in(l, e, frame, room) : 0;
}

static bool port_out(void *user, const uint8_t *frame, size_t len)
{
    struct lane *l = user;
    l->replay->sum->packets_out++;
    l->replay->sum->bytes_out += len;
    tell(l, true, frame, len);
    return true;
}

/* Packets that came by way of another worker. */
static bool hand(struct lane *l, const struct capture_entry *e)
{
    struct packet p;
    if (!port_alloc(l->port, &p, 1))
        return false;
    p.len = (uint16_t)take_in(l, e, p.data, p.room);
    if (p.len && spsc_push(&l->handed, &p))
        return true;
    port_free(&p, 1);
    return false;
}

/* ---- handshakes ---- */

static bool handshake_submit(void *user, unsigned worker, uint64_t handle, bool first, const uint8_t *record,
                             uint32_t len)
{
    const struct lane *l = user;
    size_t at = l->step;
    const struct capture_entry *e;
    while ((e = next_of(l, &at, CAPTURE_KEYS))) {
        const struct record_handshake *h = body(e);
        if (h->step == RECORD_BUSY && h->handle == handle)
            return false;
    }
    return true;
}

static void handshake_cancel(void *user, unsigned worker, uint64_t handle)
{
}

static void count_handshake(struct lane *l, const struct record_handshake *h)
{
    const struct connection *c = connection_of(&l->replay->bundle.region, h->handle, NULL);
    if (h->step != TLS_STEP_DONE)
        return;
    if (c && c->kind == CONNECTION_HANDSHAKE && (c->flags & CONN_STEP_OUT))
        l->replay->sum->handshakes++;
    else
        l->replay->sum->skipped++;
}

static bool handshake_poll(void *user, unsigned worker, struct tls_helper_result *out)
{
    struct lane *l = user;
    const struct capture_entry *e;
    while ((e = next_of(l, &l->keys_at, CAPTURE_KEYS))) {
        const struct record_handshake *h = body(e);
        if (h->step == RECORD_BUSY)
            continue;
        *out = (struct tls_helper_result){.handle = h->handle};
        out->step.step = (enum tls_step)h->step;
        out->step.send = (const uint8_t *)(h + 1);
        out->step.send_len = h->send_length;
        out->step.why = (struct tls_refusal){(enum drop_reason)h->reason, h->alert};
        out->step.secrets = h->secrets;
        count_handshake(l, h);
        return true;
    }
    return false;
}

/* ---- what the control plane did ---- */

static bool write_event(struct replay *r, const struct capture_entry *e)
{
    struct event_log *log = region_section(&r->bundle.region, SECTION_EVENT_LOG);
    const struct record_event *head = body(e);
    uint64_t length = e->length - sizeof *head, bytes = event_log_bytes(log);
    if (!bytes || head->position % bytes + length > bytes || length < sizeof(struct event))
        return refuse(r, "inputs: an event outside the log");
    memcpy(event_at(log, head->position), head + 1, length);
    if (atomic_load(&log->head) < head->position + length)
        atomic_store(&log->head, head->position + length);
    r->sum->events++;
    return true;
}

/* An entry goes to the very place where it was: its number is its position. Before it may be the filler of a
 * wrap. */
static bool write_verb(struct lane *l, const struct capture_entry *e)
{
    struct replay *r = l->replay;
    const struct record_verb *head = body(e);
    const struct ring_entry *n = (const void *)(head + 1);
    uint64_t length = e->length - sizeof *head;
    struct ring *ring = head->ring == RECORD_FANOUT ? l->worker->fanout.ring : l->worker->command.ring;
    uint64_t tail = atomic_load(&ring->tail), gap = n->number - tail, at = n->number & (ring->size - 1);
    if (length != sizeof *n + n->length || at + ring_entry_bytes(n->length) > ring->size ||
        n->number < tail || n->number % RING_ALIGN ||
        (gap && (at || gap != ring->size - (tail & (ring->size - 1)))))
        return refuse(r, "inputs: a verb out of its place");
    if (gap)
        *(struct ring_entry *)(void *)(ring_data(ring) + (tail & (ring->size - 1))) =
            (struct ring_entry){.length = (uint32_t)(gap - sizeof *n), .number = tail};
    struct ring_entry *to = (void *)(ring_data(ring) + at);
    memcpy(to, n, length);
    to->done = 0;
    atomic_store(&ring->tail, n->number + ring_entry_bytes(n->length));
    r->sum->verbs++;
    return true;
}

/* ---- one iteration ---- */

static void set_words(struct lane *l, const struct record_step *s)
{
    struct worker *w = l->worker;
    struct event_log *log = region_section(&l->replay->bundle.region, SECTION_EVENT_LOG);
    uint64_t tail = atomic_load(&w->notice.ring->tail);
    w->unix_s = s->unix_s;
    atomic_store(&log->oldest, s->log_oldest);
    atomic_store(&w->notice.ring->head, s->notice_head < tail ? s->notice_head : tail);
}

static bool give_inputs(struct lane *l)
{
    bool good = true;
    for (size_t i = l->step + 1; i < l->end && good; i++) {
        const struct capture_entry *e = l->entry[i];
        if (e->kind == CAPTURE_EVENT)
            good = write_event(l->replay, e);
        else if (e->kind == CAPTURE_VERB)
            good = write_verb(l, e);
        else if (e->kind == CAPTURE_RX_HANDED && !hand(l, e))
            good = refuse(l->replay, "inputs: a packet too many, or too long");
    }
    return good;
}

/* What the recorded worker took, this one must have taken too. */
static bool all_taken(struct lane *l)
{
    struct worker *w = l->worker;
    struct packet p;
    const char *left = NULL;
    if (next_of(l, &l->rx_at, CAPTURE_RX) || spsc_pop(&l->handed, &p))
        left = "a packet";
    else if (next_of(l, &l->keys_at, CAPTURE_KEYS))
        left = "a handshake";
    else if (ring_next(&w->command) || (!w->walk && ring_next(&w->fanout)))
        left = "a verb";
    if (!left)
        return true;
    snprintf(l->replay->why, 256, "the replay parted from the recording: worker %u left %s over at %llu us",
             l->index, left, (unsigned long long)(w->now_us - l->replay->bundle.worker[l->index].started_us));
    return false;
}

static bool run_step(struct lane *l)
{
    const struct capture_entry *e = l->entry[l->step];
    struct worker *w = l->worker;
    for (l->end = l->step + 1; l->end < l->entries && l->entry[l->end]->kind != CAPTURE_STEP;)
        l->end++;
    l->rx_at = l->keys_at = l->step + 1;
    w->now_us = e->time_us; /* for what is told of packets handed over */
    set_words(l, body(e));
    if (!give_inputs(l))
        return false;
    worker_step(w, e->time_us);
    l->replay->sum->steps++;
    bool good = all_taken(l);
    l->step = l->end;
    return good;
}

static struct lane *earliest(struct replay *r)
{
    struct lane *first = NULL;
    for (uint32_t k = 0; k < r->sum->workers; k++) {
        struct lane *l = &r->lane[k];
        if (l->step < l->entries &&
            (!first || l->entry[l->step]->time_us < first->entry[first->step]->time_us))
            first = l;
    }
    return first;
}

/* ---- beginning ---- */

/* The least that an entry of this kind holds; UINT32_MAX: no such kind. */
static uint32_t shortest(const struct capture_entry *e)
{
    switch ((enum capture_kind)e->kind) {
    case CAPTURE_RX:
    case CAPTURE_RX_HANDED:
        return 1;
    case CAPTURE_STEP:
        return sizeof(struct record_step);
    case CAPTURE_VERB:
        return sizeof(struct record_verb) + sizeof(struct ring_entry);
    case CAPTURE_EVENT:
        return sizeof(struct record_event);
    case CAPTURE_KEYS:
        return sizeof(struct record_handshake);
    case CAPTURE_TX:
    case CAPTURE_FACTS:
        break;
    }
    return UINT32_MAX;
}

static bool sound(const struct replay *r, const struct capture_entry *e)
{
    if (e->length < shortest(e) || e->worker >= r->sum->workers)
        return false;
    const struct record_handshake *h = body(e);
    return e->kind != CAPTURE_KEYS || h->send_length == e->length - sizeof *h;
}

static bool append(struct lane *l, const struct capture_entry *e)
{
    if (l->entries == l->capacity) {
        size_t capacity = l->capacity ? 2 * l->capacity : 1024;
        const struct capture_entry **bigger = realloc(l->entry, capacity * sizeof *bigger);
        if (!bigger)
            return false;
        l->entry = bigger;
        l->capacity = capacity;
    }
    l->entry[l->entries++] = e;
    return true;
}

static bool sort_inputs(struct replay *r)
{
    const struct capture_entry *e;
    uint64_t at = 0;
    bool whole;
    while ((e = bundle_next(&r->bundle, &at, &whole))) {
        struct lane *l = &r->lane[e->worker < WORKERS_MAX ? e->worker : 0];
        if (!sound(r, e) || (!l->entries && e->kind != CAPTURE_STEP))
            return refuse(r, "inputs: an entry that no worker writes");
        if (!append(l, e))
            return refuse(r, "no memory for the inputs");
    }
    return whole || refuse(r, "inputs: cut short");
}

/* The rings begin empty where the workers had come to; what they take is recorded. */
static void empty_rings(struct region *region, uint32_t worker)
{
    struct ring *command = region_part(region, worker, PART_RING_COMMAND);
    struct ring *fanout = region_part(region, worker, PART_RING_FANOUT);
    atomic_store(&command->tail, atomic_load(&command->head));
    atomic_store(&fanout->tail, atomic_load(&fanout->head));
}

static bool start_lane(struct replay *r, uint32_t k)
{
    struct lane *l = &r->lane[k];
    const struct bundle_worker *recorded = &r->bundle.worker[k];
    struct port_virtual port = {.rx = port_in, .tx = port_out, .user = l, .mtu = recorded->facts.mtu};
    struct handshake_source source = {.user = l,
                                      .submit = handshake_submit,
                                      .cancel = handshake_cancel,
                                      .poll = handshake_poll,
                                      .lasting = true};
    memcpy(port.mac, recorded->facts.mac, sizeof port.mac);
    empty_rings(&r->bundle.region, k);
    l->port = port_virtual_open(&port);
    if (!l->port || !spsc_init(&l->handed, 4096, sizeof(struct packet)))
        return refuse(r, "no memory for a port");
    l->worker = worker_new_with(&r->bundle.region, k, &r->bundle.config, l->port, &source,
                                recorded->started_us, r->why);
    if (!l->worker)
        return false;
    for (uint32_t i = 0; i < WORKERS_MAX; i++)
        l->from[i] = &l->handed;
    l->worker->answers_link = recorded->facts.answers_link;
    l->worker->to_worker = l->nowhere;
    l->worker->from_worker = l->from;
    r->sum->connections += l->worker->connections->used;
    return true;
}

static uint64_t total(const struct replay *r, enum counter which)
{
    uint64_t n = 0;
    for (uint32_t k = 0; k < r->sum->workers; k++)
        n += ((const struct counters *)region_part(&r->bundle.region, k, PART_COUNTERS))->count[which];
    return n;
}

/* ---- end ---- */

/* Fan-outs under way are brought to their end: their packets are held until then. */
static void stop_lane(struct lane *l)
{
    struct packet p;
    if (l->worker) {
        l->step = l->end = l->entries;
        while (voice_pending(l->worker->voice))
            worker_step(l->worker, l->worker->now_us);
        worker_free(l->worker);
    }
    while (l->handed.element && spsc_pop(&l->handed, &p))
        port_free(&p, 1);
    spsc_free(&l->handed);
    if (l->port)
        port_virtual_close(l->port);
    free(l->entry);
}

static void look(struct replay *r)
{
    struct replay_summary *s = r->sum;
    uint64_t end = 0;
    s->workers = r->bundle.region.header->geometry.workers;
    s->start_unix_us = r->bundle.worker[0].started_us + r->bundle.unix_offset_us;
    const struct capture_entry *e;
    bool whole;
    for (uint64_t at = 0; (e = bundle_next(&r->bundle, &at, &whole));)
        end = e->time_us > end ? e->time_us : end;
    s->end_unix_us = end ? end + r->bundle.unix_offset_us : s->start_unix_us;
    s->duration_us = s->end_unix_us - s->start_unix_us;
}

static bool play(struct replay *r)
{
    bool good = sort_inputs(r);
    for (uint32_t k = 0; good && k < r->sum->workers; k++)
        good = start_lane(r, k);
    uint64_t opened = good ? total(r, COUNT_connections_opened) : 0,
             closed = good ? total(r, COUNT_connections_closed) : 0;
    struct lane *l;
    while (good && (l = earliest(r)))
        good = run_step(l);
    for (uint32_t k = 0; k < r->sum->workers; k++)
        stop_lane(&r->lane[k]);
    if (good) {
        r->sum->opened = total(r, COUNT_connections_opened) - opened;
        r->sum->closed = total(r, COUNT_connections_closed) - closed;
    }
    return good;
}

static bool with_bundle(const char *directory, const struct replay_sink *sink, struct replay_summary *out,
                        char *why, bool (*what)(struct replay *r))
{
    struct replay *r = aligned_alloc(64, (sizeof *r + 63) & ~(size_t)63);
    *out = (struct replay_summary){0};
    if (!r) {
        snprintf(why, 256, "no memory for a replay");
        return false;
    }
    memset(r, 0, sizeof *r);
    r->sink = sink;
    r->sum = out;
    r->why = why;
    for (uint32_t k = 0; k < WORKERS_MAX; k++) {
        r->lane[k].replay = r;
        r->lane[k].index = k;
    }
    bool good = bundle_open(&r->bundle, directory, why);
    if (good) {
        look(r);
        good = !what || what(r);
        bundle_close(&r->bundle);
    }
    free(r);
    return good;
}

bool replay_look(const char *directory, struct replay_summary *out, char *why)
{
    return with_bundle(directory, NULL, out, why, NULL);
}

bool replay_run(const char *directory, const struct replay_sink *sink, struct replay_summary *out, char *why)
{
    return with_bundle(directory, sink, out, why, play);
}
