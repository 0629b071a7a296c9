/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "herd_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "region.h"

#define BLOCKS       (1u << 16) /* 128 MiB, touched as they are needed */
#define KEYS         8192u
#define PORT_FIRST   1024u
#define TIMERS       64u /* served in one iteration */
#define OPEN_AT_ONCE 8u  /* begin in one iteration */
#define RCV_LIMIT    32768u
#define OWED_MAX     4u /* answers: whoever waits for so many does not ask again by itself */

uint64_t herd_draw(struct herd *h)
{
    h->random ^= h->random << 13;
    h->random ^= h->random >> 7;
    h->random ^= h->random << 17;
    return h->random;
}

void herd_wrong(struct herd *h, uint32_t client, const char *format, ...)
{
    char what[120];
    va_list args;
    if (h->wrong[0])
        return;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    if (client == UINT32_MAX)
        snprintf(h->wrong, sizeof h->wrong, "%s", what);
    else
        snprintf(h->wrong, sizeof h->wrong, "client %u: %s", client, what);
}

/* ---- places ---- */

static uint32_t lives(const struct herd *h)
{
    uint32_t n = (UINT16_MAX - PORT_FIRST) / h->ports;
    return n < 256 ? n : 256;
}

static void tuple_of(const struct herd *h, const struct herd_client *c, struct tcp_tuple *t)
{
    uint32_t i = herd_index(h, c), address = i % h->addresses + 256;
    *t = (struct tcp_tuple){
        .local = {[10] = 0xff, [11] = 0xff, 198, 19, (uint8_t)(address >> 8), (uint8_t)address},
        .local_port = (uint16_t)(PORT_FIRST + c->life * h->ports + i / h->addresses),
        .remote_port = h->config.server_port};
    memcpy(t->remote, h->config.server, 16);
}

uint32_t herd_find(const struct herd *h, const uint8_t ip[16], uint16_t port)
{
    static const uint8_t network[14] = {[10] = 0xff, [11] = 0xff, 198, 19};
    uint32_t address = ((uint32_t)ip[14] << 8 | ip[15]) - 256;
    if (memcmp(ip, network, sizeof network) != 0 || address >= h->addresses || port < PORT_FIRST)
        return UINT32_MAX;
    uint32_t i = (port - PORT_FIRST) % h->ports * h->addresses + address;
    if (i >= h->config.count || h->client[i].life != (port - PORT_FIRST) / h->ports)
        return UINT32_MAX;
    return i;
}

/* ---- beginning and end ---- */

static struct pool *make_blocks(void)
{
    struct pool *p = aligned_alloc(64, sizeof *p + (size_t)BLOCKS * BLOCK_SIZE);
    if (p)
        pool_init(p, p + 1, BLOCK_SIZE, BLOCKS);
    return p;
}

bool herd_make(struct herd *h, const struct herd_config *config, struct port_queue *port)
{
    char why[TLS_ERROR_MAX];
    uint32_t n = config->count;
    *h = (struct herd){
        .config = *config, .port = port, .random = config->seed | 1, .tcp = tcp_config_default()};
    h->tcp.rcv_limit = RCV_LIMIT;
    if (config->rto_max_us) { /* as often as within the usual backoff */
        h->tcp.rto_max_us = config->rto_max_us;
        h->tcp.retransmit_max = UINT8_MAX;
    }
    h->addresses = n < HERD_ADDRESSES ? n : HERD_ADDRESSES;
    h->ports = (n + h->addresses - 1) / h->addresses;
    h->now_us = h->began_us = region_now_us();
    h->client = calloc(n, sizeof *h->client);
    h->again = malloc(n * sizeof *h->again);
    h->timers = wheel_new(n, h->now_us);
    h->blocks = make_blocks();
    h->keys = tls_key_cache_new(KEYS);
    if (!h->client || !h->again || !h->timers || !h->blocks || !h->keys) {
        fprintf(stderr, "voxpop-load: no memory for %u clients\n", n);
        return false;
    }
    if (!(h->tls = tls_client_new(config->ca, TLS_AES_128_GCM_SHA256, NULL, why))) {
        fprintf(stderr, "voxpop-load: %s\n", why);
        return false;
    }
    return true;
}

void herd_free(struct herd *h)
{
    for (uint32_t i = 0; h->client && i < h->next; i++)
        herd_forget(h, &h->client[i]);
    if (h->out_room)
        port_free(h->out, h->out_room);
    tls_client_session_free(h->session);
    tls_client_free(h->tls);
    tls_key_cache_free(h->keys);
    wheel_free(h->timers);
    free(h->blocks);
    free(h->again);
    free(h->client);
}

struct tcp_env herd_env(struct herd *h, struct herd_client *c)
{
    return (struct tcp_env){.config = &h->tcp,
                            .blocks = h->blocks,
                            .extend = herd_extend,
                            .stream = c,
                            .counters = &h->tcp_counters};
}

/* ---- a client's life ---- */

static void leave_stage(struct herd *h, struct herd_client *c)
{
    if (c->stage == HERD_OPEN)
        h->open--;
    else if (c->stage != HERD_IDLE)
        h->opening--;
}

static void end_life(struct herd *h, struct herd_client *c)
{
    leave_stage(h, c);
    herd_forget(h, c);
    wheel_set(h->timers, herd_index(h, c), WHEEL_NEVER);
    c->stage = HERD_IDLE;
    c->life = (uint8_t)((c->life + 1u) % lives(h));
}

static void set_timer(struct herd *h, const struct herd_client *c)
{
    uint64_t tcp = tcp_deadline(&c->tcp), deadline = tcp < c->heartbeat_us ? tcp : c->heartbeat_us;
    if (deadline < wheel_deadline(h->timers, herd_index(h, c)))
        wheel_set(h->timers, herd_index(h, c), deadline);
}

void herd_output(struct herd *h, struct herd_client *c)
{
    struct tcp_env env = herd_env(h, c);
    struct tcp_plan p;
    while (tcp_plan(&c->tcp, &env, h->now_us, &p))
        herd_emit(h, &p, c);
    if (c->tcp.state != TCP_CLOSED)
        return set_timer(h, c);
    if (c->stage == HERD_OPEN)
        h->lost++;
    else
        h->again[(h->again_first + h->again_count++) % h->config.count] = herd_index(h, c);
    end_life(h, c);
}

void herd_is_open(struct herd *h, struct herd_client *c)
{
    h->opening--;
    h->open++;
    h->opened++;
    c->stage = HERD_OPEN;
    histogram_add(&h->opening_us, h->now_us - c->asked_us);
    if (h->config.heartbeat_us) /* the first at a moment of its own, as clients are to do */
        c->heartbeat_us = h->now_us + herd_draw(h) % h->config.heartbeat_us;
    if (h->config.opened)
        h->config.opened(h->config.user, herd_index(h, c));
}

static void begin(struct herd *h, uint32_t i)
{
    struct herd_client *c = &h->client[i];
    struct tcp_env env = herd_env(h, c);
    struct tcp_tuple t;
    uint8_t life = c->life;
    *c = (struct herd_client){
        .life = life, .stage = HERD_CONNECTING, .asked_us = h->now_us, .heartbeat_us = UINT64_MAX};
    tuple_of(h, c, &t);
    tcp_connect(&c->tcp, &env, &t, (uint32_t)herd_draw(h), h->now_us);
    h->opening++;
    herd_output(h, c);
}

static void open_again(struct herd *h, uint32_t client)
{
    h->again[(h->again_first + h->again_count++) % h->config.count] = client;
}

void herd_die(struct herd *h, uint32_t client, bool again)
{
    struct herd_client *c = &h->client[client];
    if (c->stage == HERD_IDLE)
        return;
    end_life(h, c);
    h->died++;
    if (again)
        open_again(h, client);
}

void herd_reset(struct herd *h, uint32_t client, bool again)
{
    struct herd_client *c = &h->client[client];
    struct tcp_env env = herd_env(h, c);
    struct tcp_plan p;
    if (c->stage == HERD_IDLE)
        return;
    tcp_abort(&c->tcp);
    while (tcp_plan(&c->tcp, &env, h->now_us, &p))
        herd_emit(h, &p, c);
    herd_die(h, client, again);
}

void herd_want(struct herd *h, uint32_t clients)
{
    h->want = clients < h->config.count ? clients : h->config.count;
}

/* How many more may begin now, by window and rate. With a ticket to come, the first goes alone. */
static unsigned may_begin(struct herd *h, bool idle)
{
    const struct herd_config *g = &h->config;
    if (h->opening >= g->window || (g->resume && !h->session && h->opening))
        return 0;
    unsigned n = g->window - h->opening;
    if (g->resume && !h->session)
        return 1;
    if (g->rate > 0) {
        h->allowance += (double)(h->now_us - h->allowance_us) * g->rate / 1e6;
        h->allowance_us = h->now_us;
        if (h->allowance > 2 * OPEN_AT_ONCE)
            h->allowance = 2 * OPEN_AT_ONCE;
        n = h->allowance < n ? (unsigned)h->allowance : n;
    } else if (!idle) {
        n = 0;
    }
    return n < OPEN_AT_ONCE ? n : OPEN_AT_ONCE;
}

static unsigned open_more(struct herd *h, bool idle)
{
    unsigned n = may_begin(h, idle), begun = 0;
    for (; begun < n; begun++) {
        if (h->next < h->want) {
            begin(h, h->next++);
        } else if (h->again_count) {
            uint32_t i = h->again[h->again_first];
            h->again_first = (h->again_first + 1) % h->config.count;
            h->again_count--;
            begin(h, i);
        } else {
            break;
        }
        h->allowance -= 1;
    }
    return begun;
}

/* ---- what it sends by itself ---- */

void herd_send(struct herd *h, uint32_t client, const char *text, size_t length)
{
    struct herd_client *c = &h->client[client];
    if (c->stage != HERD_OPEN)
        return;
    herd_say(h, c, (const uint8_t *)text, length);
    herd_output(h, c);
}

static void beat(struct herd *h, struct herd_client *c, uint64_t due_us)
{
    h->unanswered += c->owed != 0;
    c->owed++;
    c->asked_us = due_us;
    h->heartbeats++;
    char text[48];
    int n = c->heard ? snprintf(text, sizeof text, "{\"op\":1,\"d\":%u}", c->heard)
                     : snprintf(text, sizeof text, "{\"op\":1,\"d\":null}");
    herd_say(h, c, (const uint8_t *)text, (size_t)n);
}

void herd_heartbeat(struct herd *h, uint32_t client, uint64_t due_us)
{
    if (h->client[client].stage != HERD_OPEN)
        return;
    beat(h, &h->client[client], due_us);
    herd_output(h, &h->client[client]);
}

static unsigned timers(struct herd *h)
{
    uint32_t i;
    unsigned n = 0;
    while (n < TIMERS && (i = wheel_due(h->timers, h->now_us)) != UINT32_MAX) {
        struct herd_client *c = &h->client[i];
        struct tcp_env env = herd_env(h, c);
        n++;
        if (c->stage == HERD_IDLE)
            continue;
        if (tcp_deadline(&c->tcp) <= h->now_us)
            tcp_on_timer(&c->tcp, &env, h->now_us);
        if (c->heartbeat_us <= h->now_us && c->tcp.state != TCP_CLOSED) {
            c->heartbeat_us += h->config.heartbeat_us;
            if (c->owed < OWED_MAX)
                beat(h, c, h->now_us);
        }
        herd_output(h, c);
    }
    return n;
}

unsigned herd_step(struct herd *h, uint64_t now_us)
{
    h->now_us = now_us;
    tls_key_cache_begin(h->keys);
    unsigned got = herd_receive(h), work = got + timers(h);
    work += open_more(h, got < PORT_BURST_MAX / 2);
    herd_flush(h);
    return work;
}
