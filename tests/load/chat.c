/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "chat.h"

#include <stdlib.h>
#include <string.h>

#include "dataplane/crypto/aead.h"
#include "dataplane/net/net.h"
#include "dataplane/ws/frame.h"

#define PROGRESS_US 1000000u
#define STALLED_US  20000000u /* without a step forward: it is over */
#define TOPIC       0u

/* ---- events ---- */

/* The text of event `n` behind the prefix of a session; always CHAT_EVENT bytes. */
static void event_text_of(uint32_t n, char text[CHAT_EVENT + 1])
{
    int used = snprintf(text, CHAT_EVENT + 1,
                        "\"op\":0,\"t\":\"MESSAGE_CREATE\",\"d\":{\"id\":\"%010u\",\"content\":\"", n);
    for (size_t i = (size_t)used; i < CHAT_EVENT - 3; i++)
        text[i] = (char)('a' + (n + i * 7) % 26);
    memcpy(text + CHAT_EVENT - 3, "\"}}", 4);
}

static uint32_t prefix_of(uint32_t n, char prefix[24])
{
    return (uint32_t)snprintf(prefix, 24, "{\"s\":%u,", n);
}

static void delivered(struct chat *c, uint32_t client)
{
    c->herd.client[client].heard++;
    c->deliveries++;
}

static bool on_text(void *user, uint32_t client, const uint8_t *text, size_t length)
{
    struct chat *c = user;
    char prefix[24], event[CHAT_EVENT + 1];
    uint32_t n = c->herd.client[client].heard + 1, head = prefix_of(n, prefix);
    event_text_of(n, event);
    if (n > c->events || length != head + CHAT_EVENT || memcmp(text, prefix, head) ||
        memcmp(text + head, event, CHAT_EVENT))
        return false;
    histogram_add(&c->delivery_us, c->herd.now_us - c->event_us[n % CHAT_EVENTS]);
    delivered(c, client);
    return true;
}

static uint32_t expects(void *user, uint32_t client)
{
    const struct chat *c = user;
    char prefix[24];
    uint32_t n = c->herd.client[client].heard + 1;
    if (n > c->events)
        return 0;
    uint32_t length = prefix_of(n, prefix) + CHAT_EVENT;
    return (uint32_t)tls_sealed_size(length + (length < 126 ? 2 : 4));
}

static void passed(void *user, uint32_t client)
{
    delivered(user, client);
}

/* Somebody else's server is told by its first client, and tells all. */
static bool tell_peer(struct chat *c)
{
    char text[CHAT_EVENT + 64];
    int head = snprintf(text, sizeof text, "tell {\"s\":%u,", c->events + 1);
    event_text_of(c->events + 1, text + head);
    c->events++;
    c->event_us[c->events % CHAT_EVENTS] = region_now_us();
    herd_send(&c->herd, 0, text, (size_t)head + CHAT_EVENT);
    return true;
}

bool chat_tell(struct chat *c)
{
    char text[CHAT_EVENT + 1];
    if (!c->has_box)
        return tell_peer(c);
    struct verb_walk v = {.topic = TOPIC};
    event_text_of(c->events + 1, text);
    if (ring_room(&c->box.fanout) < 4096 || (v.event = box_event(&c->box, text, CHAT_EVENT)) == UINT64_MAX)
        return false;
    if (!box_post(&c->box, &c->box.fanout, VERB_WALK, &v, sizeof v))
        return false;
    c->events++;
    c->event_us[c->events % CHAT_EVENTS] = region_now_us();
    return true;
}

/* ---- sessions ---- */

static bool on_open(struct chat *c, const struct notice_open *n)
{
    uint32_t i = herd_find(&c->herd, n->peer_ip, n->peer_port);
    if (i == UINT32_MAX || !c->sessions)
        return true;
    if (ring_room(&c->box.fanout) < 4096)
        return false;
    struct verb_session v = {.session = i,
                             .generation = c->kept ? 1 : c->herd.client[i].life + 1u,
                             .connection = n->connection,
                             .user_id = 1000 + i,
                             .intents = ~0u,
                             .kind = SESSION_GATEWAY,
                             .flags = SESSION_CONTENT};
    struct verb_subscribe s = {.session = i, .generation = v.generation, .topic = TOPIC};
    if (c->kept && c->kept[i] != UINT32_MAX) {
        struct verb_resume r = {.session = v, .seq = c->kept[i]};
        box_post(&c->box, &c->box.fanout, VERB_SESSION_RESUME, &r, sizeof r);
        c->herd.client[i].heard = c->kept[i];
    } else {
        box_post(&c->box, &c->box.fanout, VERB_SESSION_BIND, &v, sizeof v);
        box_post(&c->box, &c->box.fanout, VERB_SUBSCRIBE, &s, sizeof s);
    }
    c->herd.client[i].flags |= HERD_BOUND;
    c->bound++;
    return true;
}

static bool on_notice(void *user, const struct ring_entry *e)
{
    struct chat *c = user;
    c->resumes_failed += e->type == NOTICE_RESUME_FAILED;
    return e->type != NOTICE_OPEN || on_open(user, (const struct notice_open *)(const void *)e->payload);
}

/* ---- iterations ---- */

static void tell_progress(struct chat *c)
{
    const struct herd *h = &c->herd;
    uint64_t now = region_now_us();
    if (now - c->told_us < PROGRESS_US)
        return;
    double s = (double)(now - c->told_us) / 1e6;
    fprintf(stderr,
            "# %5.0f s  open %7u (%.0f/s)  opening %3u  lost %llu refused %llu  heartbeats %llu answered %llu"
            "  deliveries %.0f/s  busy %.0f %%\n",
            (double)(now - h->began_us) / 1e6, h->open, (double)(h->opened - c->progress_opened) / s,
            h->opening, (unsigned long long)h->lost, (unsigned long long)h->refused,
            (unsigned long long)h->heartbeats, (unsigned long long)h->answers,
            (double)(c->deliveries - c->progress_deliveries) / s, load_busy_share(&c->time) * 100);
    c->told_us = now;
    c->progress_opened = h->opened;
    c->progress_deliveries = c->deliveries;
}

bool chat_step(struct chat *c)
{
    unsigned work = herd_step(&c->herd, region_now_us());
    if (c->has_box)
        box_listen(&c->box);
    load_time_step(&c->time, work < LOAD_BURST / 4, c->rest_ticks);
    tell_progress(c);
    return !c->herd.wrong[0] && !load_interrupted();
}

bool chat_wait(struct chat *c, double seconds)
{
    uint64_t until = region_now_us() + (uint64_t)(seconds * 1e6);
    while (region_now_us() < until)
        if (!chat_step(c))
            return false;
    return true;
}

bool chat_open(struct chat *c)
{
    uint32_t n = c->options->connections;
    uint64_t opened = 0, until = region_now_us() + STALLED_US;
    herd_want(&c->herd, n);
    while (c->herd.open < n || (c->has_box && c->sessions && c->bound < n)) {
        if (!chat_step(c))
            return false;
        if (opened != c->herd.opened + c->bound) {
            opened = c->herd.opened + c->bound;
            until = c->herd.now_us + STALLED_US;
        } else if (c->herd.now_us > until) {
            herd_wrong(&c->herd, UINT32_MAX, "only %u of %u are open, and no more for %u s", c->herd.open, n,
                       STALLED_US / 1000000);
        }
    }
    return true;
}

void chat_print_common(const struct chat *c, double busy, uint64_t not_taken)
{
    printf(
        "\"generator_busy\":%.2f,\"generator_bound\":%s,\"lost\":%llu,\"refused\":%llu,\"interrupted\":%s}\n",
        busy, busy > LOAD_BOUND || not_taken ? "true" : "false", (unsigned long long)c->herd.lost,
        (unsigned long long)c->herd.refused, load_interrupted() ? "true" : "false");
    fflush(stdout);
}

struct chat_sample chat_sample(const struct chat *c)
{
    struct chat_sample s = {.at_us = region_now_us()};
    if (c->has_box) {
        s.busy = box_counters(&c->box)->count[COUNT_busy_cycles];
        s.idle = box_counters(&c->box)->count[COUNT_idle_cycles];
        s.helper_us = box_cpu_us(&c->box, "tls-helper");
    }
    return s;
}

double chat_worker_share(const struct chat_sample *from, const struct chat_sample *to)
{
    double busy = (double)(to->busy - from->busy), idle = (double)(to->idle - from->idle);
    return busy + idle > 0 ? busy / (busy + idle) : 0;
}

void chat_print_latency(const char *name, const struct histogram *h)
{
    printf("\"%s_p50_us\":%llu,\"%s_p99_us\":%llu,\"%s_p999_us\":%llu,\"%s_max_us\":%llu,", name,
           (unsigned long long)histogram_at(h, 0.5), name, (unsigned long long)histogram_at(h, 0.99), name,
           (unsigned long long)histogram_at(h, 0.999), name, (unsigned long long)h->max);
}

/* ---- start and end ---- */

static bool (*script)(struct chat *c);

static int run(void *arg)
{
    struct chat *c = arg;
    load_time_start(&c->time);
    if (!herd_meet(&c->herd)) {
        fprintf(stderr, "voxpop-load: nobody answers ARP\n");
        return 1;
    }
    bool good = script(c);
    return good && !c->herd.wrong[0] ? 0 : 1;
}

static void print_drops(const struct chat *c)
{
    const struct counters *k = box_counters(&c->box);
    for (unsigned i = 1; i < DROP_REASON_COUNT; i++)
        if (k->drop[i])
            fprintf(stderr, "# dropped by the dataplane: %s %llu\n", drop_reason_name(i),
                    (unsigned long long)k->drop[i]);
    fprintf(stderr,
            "# retransmitted by the dataplane: %llu, by the herd: %llu; not taken by the wire: %llu\n",
            (unsigned long long)k->count[COUNT_tcp_retransmits],
            (unsigned long long)c->herd.tcp_counters.retransmits, (unsigned long long)c->herd.not_taken);
}

static bool start(struct chat *c)
{
    const struct load_options *o = c->options;
    static uint8_t server[16];
    char socket[512];
    memcpy(server, box_address, sizeof server);
    if (o->dataplane) {
        if (!(o->kills ? box_supervise(&c->box, o->config, o->dataplane)
                       : box_start(&c->box, o->config, o->dataplane)))
            return false;
        c->has_box = true;
        c->box.on_notice = on_notice;
        c->box.user = c;
    }
    if (o->device)
        c->port = load_device(o);
    else if (config_path(&c->box.config, c->box.config.dataplane.port.memif_socket, socket, sizeof socket))
        c->port = load_port(o, socket);
    if (!c->port)
        return false;
    struct herd_config hc = {.count = o->connections,
                             .ca = o->ca,
                             .target = o->target,
                             .server = server,
                             .server_port = o->server_port,
                             .window = o->opening,
                             .rate = o->rate,
                             .resume = o->resume,
                             .heartbeat_us = (uint64_t)(o->heartbeat * 1e6),
                             .rto_max_us = c->rto_max_us,
                             .seed = o->seed,
                             .user = c,
                             .text = on_text,
                             .expects = o->verify_all ? NULL : expects,
                             .passed = passed};
    c->event_us = calloc(CHAT_EVENTS, sizeof *c->event_us);
    return c->event_us && herd_make(&c->herd, &hc, c->port);
}

int chat_run(struct chat *c, const struct load_options *o, bool (*fn)(struct chat *c))
{
    int status = 1;
    c->options = o;
    c->rest_ticks = (uint64_t)(LOAD_WAIT_US * load_ticks_per_us());
    script = fn;
    if (!aead_init(AEAD_BACKEND_AUTO))
        return 1;
    if (start(c)) {
        status = load_run(run, c);
        if (c->has_box)
            print_drops(c);
        herd_free(&c->herd);
    }
    if (c->port)
        port_stop();
    if (c->herd.wrong[0])
        fprintf(stderr, "voxpop-load: WRONG: %s\n", c->herd.wrong);
    if (c->has_box && !box_alive(&c->box)) {
        fprintf(stderr, "voxpop-load: the dataplane ended\n");
        status = 1;
    }
    if (c->has_box)
        box_stop(&c->box);
    free(c->event_us);
    return status;
}
