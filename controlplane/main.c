/*
 * voxpop-controlplane: start and stop, mirrored. Attaches the region that the supervisor made, opens store,
 * model, core, REST and the operator's socket, and goes on from what stands in the region, until SIGTERM.
 * SIGHUP reads the keys anew that a reload is enough for.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <arpa/inet.h>
#include <getopt.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/config.h"
#include "controlplane/guilds/change.h"
#include "config/log.h"
#include "controlplane/loop.h"
#include "controlplane/presence/presence.h"
#include "controlplane/routes/maps.h"
#include "controlplane/noc/noc.h"
#include "controlplane/reference.h"
#include "controlplane/sessions/starts.h"
#include "controlplane/voice/voice.h"

struct process {
    const char *config_file;
    struct config config;
    char gateway_url[CONFIG_PATH_MAX + 16];
    char files_url[CONFIG_PATH_MAX + 16]; /* where files of messages are served */
    char voice_endpoint[CONFIG_NAME_MAX + 16];
    char voice_ip[INET_ADDRSTRLEN];
    char pid_file[512];
    struct region region;
    struct region_link link;
    struct store *store;
    struct model *model;
    struct control control;
    struct rest *rest;
    struct requests requests;
    struct routes routes;
    struct loop loop;
    struct noc *noc;
    bool linked, core, looping;
};

static bool fail(const char *why)
{
    log_event(LOG_ERROR, "cannot_start", "why=%s", log_text(why).text);
    return false;
}

/* ---- from the configuration to facts ---- */

/* The host part of an address of the configuration: IPv6 in brackets. */
static void host_of(const char *text, char *host, size_t size)
{
    int n = (int)strcspn(text, "/");
    snprintf(host, size, strchr(text, ':') ? "[%.*s]" : "%.*s", n, text);
}

static void make_names(struct process *p)
{
    const struct config *c = &p->config;
    char host[CONFIG_NAME_MAX + 2] = "localhost", port[8] = "";
    if (c->pop.address_count)
        host_of(c->pop.addresses[0].text, host, sizeof host);
    if (c->tls.port != 443)
        snprintf(port, sizeof port, ":%u", c->tls.port);
    if (c->gateway.url[0])
        snprintf(p->gateway_url, sizeof p->gateway_url, "%s", c->gateway.url);
    else
        snprintf(p->gateway_url, sizeof p->gateway_url, "wss://%s%s", host, port);
    /* wss://host:port/path is https://host:port to fetch from */
    bool plain = strncmp(p->gateway_url, "ws://", 5) == 0;
    const char *at = strstr(p->gateway_url, "://");
    at = at ? at + 3 : p->gateway_url;
    snprintf(p->files_url, sizeof p->files_url, "http%s://%.*s", plain ? "" : "s", (int)strcspn(at, "/?"),
             at);
    if (c->voice.endpoint[0])
        snprintf(p->voice_endpoint, sizeof p->voice_endpoint, "%s/voice", c->voice.endpoint);
    else /* the port always: a client library drops :443 itself, and adds 80 for another */
        snprintf(p->voice_endpoint, sizeof p->voice_endpoint, "%s:%u/voice", host, c->tls.port);
    snprintf(p->voice_ip, sizeof p->voice_ip, "127.0.0.1");
    for (uint32_t i = c->pop.address_count; i-- > 0;) {
        uint8_t a[16];
        unsigned bits;
        if (config_address(c->pop.addresses[i].text, a, &bits) && route_is4(a))
            inet_ntop(AF_INET, a + 12, p->voice_ip, sizeof p->voice_ip);
    }
}

static void make_control_config(const struct process *p, struct control_config *cc)
{
    const struct config *c = &p->config;
    control_config_defaults(cc);
    cc->gateway_url = p->gateway_url;
    cc->voice_endpoint = p->voice_endpoint;
    cc->voice_ip = p->voice_ip;
    cc->voice_port_base = (uint16_t)c->voice.port_base;
    cc->voice_members_per_core = c->voice.members_per_core;
    memset(cc->voice_modes, 0, sizeof cc->voice_modes);
    for (uint32_t i = 0; i < c->voice.mode_count; i++)
        cc->voice_modes[i] = (uint8_t)c->voice.modes[i];
    cc->keep_gateway_ms = c->gateway.resume_window_s * 1000;
    cc->identify_gateway_ms = c->gateway.identify_timeout_s * 1000;
    cc->payloads_per_minute = c->gateway.payloads_per_minute;
    cc->max_concurrency = c->gateway.max_concurrency;
    cc->identifies_per_day = c->gateway.identifies_per_day;
    cc->identifies_per_second = c->gateway.identifies_per_second;
    cc->resumes_per_second = c->gateway.resumes_per_second;
    cc->box = THIS_BOX;
}

/* ---- start ---- */

static bool start_region(struct process *p)
{
    char path[512], why[256];
    if (!config_path(&p->config, CONFIG_REGION_FILE, path, sizeof path) ||
        !config_path(&p->config, "controlplane.pid", p->pid_file, sizeof p->pid_file))
        return fail("pop.run_directory is too long");
    if (!region_attach(&p->region, path, true, why))
        return fail(why);
    region_process_enter(&p->region, PROCESS_CONTROLPLANE);
    p->link.wait = loop_wait;
    p->link.wait_ctx = &p->loop;
    link_open(&p->link, &p->region);
    p->linked = true;
    return true;
}

static bool start_model(struct process *p)
{
    char path[512], why[256];
    if (!config_path(&p->config, p->config.control.store, path, sizeof path))
        return fail("control.store is too long a path");
    struct store_config sc = {.path = path, .queue_max = p->config.control.store_queue_max};
    if (!(p->store = store_open(&sc, why, sizeof why)))
        return fail(why);
    if (!(p->model = model_open(p->store, 1, 1, (int64_t)loop_unix_ms(), why, sizeof why)))
        return fail(why);
    return true;
}

static uint64_t voice_channel(void *ctx, uint64_t guild_id, uint64_t user_id)
{
    const struct control *c = ctx;
    uint32_t slot = voice_slot_of(c, guild_id, user_id);
    return slot == SESSION_NONE ? 0 : session_of(c, slot)->channel_id;
}

static bool voice_state(void *ctx, uint64_t guild_id, uint64_t user_id, struct voice_state *state, char *id)
{
    const struct control *c = ctx;
    uint32_t slot = voice_slot_of(c, guild_id, user_id);
    if (slot == SESSION_NONE)
        return false;
    voice_state_of(c, slot, state, id);
    return true;
}

static uint64_t online_count(void *ctx, uint64_t guild_id)
{
    return presence_online_count(ctx, guild_id);
}

static struct rest_starts session_starts(void *ctx, uint64_t user_id)
{
    struct starts_left l = starts_left(ctx, user_id);
    return (struct rest_starts){l.total, l.remaining, l.reset_after_ms, l.max_concurrency};
}

static bool start_rest(struct process *p)
{
    struct rest_config rc;
    rest_config_defaults(&rc);
    rc.gateway_url = p->gateway_url;
    rc.region_id = rc.region_name = p->config.pop.region;
    rc.global = (struct rest_limit){p->config.control.rest_requests_per_second, 1000};
    rc.voice_channel = voice_channel;
    rc.voice_state = voice_state;
    rc.online_count = online_count;
    rc.starts = session_starts;
    rc.hook_ctx = &p->control;
    p->model->files_url = p->files_url;
    p->rest = rest_open(p->model, &rc);
    return p->rest ? true : fail("REST: out of memory");
}

static bool start_core(struct process *p)
{
    struct control_config cc;
    char path[512], why[256];
    make_control_config(p, &cc);
    if (!start_rest(p))
        return false;
    /* The loop comes first: it is what waits if the rings are full of what the last life left. */
    if (!config_path(&p->config, p->config.control.socket, path, sizeof path))
        return fail("control.socket is too long a path");
    if (!loop_open(&p->loop, &p->control, &p->routes, p->store, path, why))
        return fail(why);
    p->looping = true;
    p->control.link = &p->link;
    control_open(&p->control, &p->link, p->model, &cc, loop_unix_ms());
    p->core = true;
    routes_open(&p->routes, &p->link);
    enum store_status s = effects_recover(p->model, p->link.area->outbox_published);
    if (s != STORE_OK)
        return fail(store_status_text(s));
    requests_open(&p->requests, &p->control, p->rest);
    return true;
}

/* ---- what the configuration wants to be in the maps of routes ---- */

static void wish_route(struct process *p, const char *prefix, const char *via, uint32_t port)
{
    struct route_change change = {.hop = {.port = (uint16_t)port}};
    if (!config_prefix(prefix, change.prefix, &change.length) ||
        (via[0] && !config_host(via, change.hop.gateway)))
        log_event(LOG_ERROR, "route_refused", "prefix=%s via=%s", log_text(prefix).text, log_text(via).text);
    else
        routes_wish(&p->routes, &change, NULL, NULL);
}

/* Only into a table that is empty: a table with routes is the last life's, with what the operator changed. */
static void wish_routes(struct process *p)
{
    const struct config_routes *r = &p->config.routes;
    if (routes_active(&p->routes)->prefixes)
        return;
    for (uint32_t i = 0; i < p->config.pop.address_count; i++) {
        struct route_change change = {.hop = {.port = 0}};
        uint8_t address[16];
        if (!config_address(p->config.pop.addresses[i].text, address, &change.length))
            continue;
        route_mask(change.prefix, address, change.length);
        routes_wish(&p->routes, &change, NULL, NULL);
    }
    for (uint32_t i = 0; i < r->count; i++)
        wish_route(p, r->list[i].prefix, r->list[i].via, r->list[i].port);
    if (r->gateway4[0])
        wish_route(p, "0.0.0.0/0", r->gateway4, 0);
    if (r->gateway6[0])
        wish_route(p, "::/0", r->gateway6, 0);
}

static uint64_t region_key(const char *name)
{
    uint64_t hash = 0xcbf29ce484222325ull; /* FNV-1a */
    for (; *name; name++)
        hash = (hash ^ (uint8_t)*name) * 0x100000001b3ull;
    return hash;
}

/* Which boxes serve a region: this one. Once: the map does not change while there is one box. */
static void publish_box(struct process *p)
{
    struct map_writer *w = map_writer_open(region_section(&p->region, SECTION_BOX_MAP));
    map_put(w, region_key(p->config.pop.region), THIS_BOX);
    if (!map_flush(w, &p->link))
        log_event(LOG_WARNING, "box_map", "why=\"a worker is behind\"");
    map_writer_close(w);
}

static void write_pid(const struct process *p)
{
    char temporary[520];
    snprintf(temporary, sizeof temporary, "%s.new", p->pid_file);
    FILE *f = fopen(temporary, "w");
    if (!f)
        return;
    fprintf(f, "%d\n", (int)getpid());
    fclose(f);
    rename(temporary, p->pid_file);
}

/* ---- stop, and the command line ---- */

static void stop(struct process *p)
{
    if (p->region.base)
        atomic_store(&p->region.header->process[PROCESS_CONTROLPLANE].ready, 0);
    noc_stop(p->noc);
    if (p->looping)
        loop_close(&p->loop);
    if (p->core)
        control_close(&p->control);
    routes_close(&p->routes);
    if (p->model)
        model_close(p->model); /* and the store with it */
    else if (p->store)
        store_close(p->store);
    if (p->rest)
        rest_close(p->rest);
    requests_close(&p->requests);
    if (p->linked)
        link_close_link(&p->link);
    if (p->region.base) {
        unlink(p->pid_file);
        atomic_store(&p->region.header->process[PROCESS_CONTROLPLANE].pid, 0);
        region_detach(&p->region);
    }
}

/* Without its page the box serves on: `voxpop status` reads the same region. */
static void start_noc(struct process *p)
{
    char why[256] = "";
    p->noc = noc_start(&p->region, &p->config, why);
    if (!p->noc && why[0])
        log_event(LOG_ERROR, "noc_refused", "why=%s", log_text(why).text);
}

static bool load(struct process *p, int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"reference", no_argument, NULL, 'r'}, {0}};
    static char why[CONFIG_WHY_MAX];
    int option;
    while ((option = getopt_long(argc, argv, "c:", options, NULL)) == 'c')
        p->config_file = optarg;
    if (option == 'r') {
        reference_print(stdout);
        exit(0);
    }
    if (option != -1 || !p->config_file || optind != argc)
        return fprintf(stderr, "usage: voxpop-controlplane --config FILE (started by `voxpop supervise`)\n"),
               false;
    if (!config_load(&p->config, p->config_file, why))
        return fputs(why, stderr), false;
    make_names(p);
    log_process("controlplane");
    log_limit((enum log_level)p->config.log.level, p->config.log.lines_per_second);
    return true;
}

static void reload(struct process *p)
{
    static struct config fresh;
    static char why[CONFIG_WHY_MAX];
    struct control_config cc;
    if (!config_load(&fresh, p->config_file, why)) {
        log_event(LOG_ERROR, "reload_refused", "why=%s", log_text(why).text);
        return;
    }
    p->config.gateway = fresh.gateway;
    log_limit((enum log_level)fresh.log.level, fresh.log.lines_per_second);
    make_control_config(p, &cc);
    p->control.config = cc;
    log_event(LOG_INFO, "reload", "file=%s", p->config_file);
}

static void block_signals(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL); /* before the store's threads begin, which inherit it */
    signal(SIGPIPE, SIG_IGN);
}

static void serve(struct process *p)
{
    struct region_process *self = &p->region.header->process[PROCESS_CONTROLPLANE];
    wish_routes(p);
    publish_box(p);
    start_noc(p);
    write_pid(p);
    atomic_store(&self->ready, 1);
    log_event(LOG_INFO, "ready", "life=%u sessions=%u voice=%u guilds=%zu", atomic_load(&self->lives),
              p->control.gateway_sessions, p->control.voice_sessions, p->model->guilds.count);
    while (!p->loop.stop) {
        loop_run(&p->loop);
        if (p->loop.reload)
            reload(p);
        p->loop.reload = false;
    }
    log_event(LOG_INFO, "stopping", "why=signal");
}

int main(int argc, char **argv)
{
    static struct process p;
    block_signals();
    if (!load(&p, argc, argv))
        return 2;
    bool started = start_region(&p) && start_model(&p) && start_core(&p);
    if (started)
        serve(&p);
    stop(&p);
    return started ? 0 : 1;
}
