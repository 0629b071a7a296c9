/*
 * voxpop-dataplane: start and stop, mirrored. Attaches the region that the supervisor made, brings up the ports, runs one worker on
 * each pinned core and the handshake helper beside them, until SIGTERM.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <getopt.h>
#include <libgen.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>
#include <x86intrin.h>

#include "config/config.h"
#include "dataplane/crypto/aead.h"
#include "dataplane/tls_setup.h"
#include "dataplane/worker.h"

#define HELPER_RING (1u << 20) /* at least */
#define PEERS_MAX   4096u   /* DTLS associations of one worker */
#define IDLE_SPINS  256u    /* idle iterations before an adaptive worker sleeps */
#define IDLE_NS     50000L  /* for so long */

struct dataplane {
    const char *file;
    struct config config;
    struct worker_config worker_config;
    struct region region;
    struct tls_server *tls;
    struct tls_helper *helper;
    struct dtls_server *dtls;
    struct dtls_helper *dtls_helper;
    struct worker *worker[WORKERS_MAX];
    struct spsc *handover;     /* [from * workers + to] */
    struct spsc **handover_in; /* [to * workers + from] */
    bool ports;
};

static volatile sig_atomic_t stopping, reloading;
static _Atomic uint64_t unix_s; /* kept by the main thread, for the workers */

static void on_stop(int signal_number)
{
    stopping = 1;
}

static void on_reload(int signal_number)
{
    reloading = 1;
}

static void log_configure(const struct config *c)
{
    log_process("dataplane");
    log_limit((enum log_level)c->log.level, c->log.lines_per_second);
}

/* DPDK's levels go from 1, an emergency, to 8. */
static void log_dpdk(unsigned severity, const char *line)
{
    enum log_level level = severity <= 4 ? LOG_ERROR : severity == 5 ? LOG_WARNING : severity <= 7 ? LOG_INFO : LOG_DEBUG;
    log_event(level, "dpdk", "text=%s", log_text(line).text);
}

static bool fail(const char *why)
{
    log_event(LOG_ERROR, "cannot_start", "why=%s", log_text(why).text);
    return false;
}

/* ---- from the configuration to facts ---- */

/* Of the time stamp counter, from 5 ms of it: for histograms in microseconds. */
static uint32_t ticks_per_us(void)
{
    uint64_t began_us = region_now_us(), began = __rdtsc(), now_us;
    while ((now_us = region_now_us()) - began_us < 5000)
        ;
    return (uint32_t)((__rdtsc() - began) / (now_us - began_us)) | !(now_us - began_us);
}

/*
 * Bytes of a window: as many as its field can say without a scale. A record of TLS that is not whole takes up to 16 KiB of it, and what
 * is left is what a client can send in a round trip.
 */
#define RECEIVE_LIMIT 65535u

static void make_worker_config(const struct config *c, struct worker_config *w)
{
    *w = (struct worker_config){
        .tcp = tcp_config_default(),
        .voice = {.packets_per_second_max = c->voice.packets_per_second_max, .discoveries_per_second_max = 10,
                  .pending_max = WORKER_HELD, .speakers_max = c->voice.speakers_max, .ticks_per_us = ticks_per_us(),
                  .iteration_budget_us = c->voice.iteration_budget_us},
        .tls_port = (uint16_t)c->tls.port,
        .voice_port_base = (uint16_t)c->voice.port_base,
        .heartbeat_interval_ms = c->gateway.heartbeat_interval_ms,
        .voice_heartbeat_interval_ms = c->voice.heartbeat_interval_ms,
        .payload_max = c->gateway.payload_max,
        .body_max = c->http.body_max < WORKER_BODY_MAX ? c->http.body_max : WORKER_BODY_MAX,
        .upload_max = c->http.upload_max,
        .handshake_us = c->tls.handshake_timeout_s * 1000000ull,
        .head_us = c->http.head_timeout_s * 1000000ull,
        .keep_alive_us = c->http.idle_timeout_s * 1000000ull,
        .answer_us = c->http.answer_timeout_s * 1000000ull,
        .reader_us = c->http.reader_timeout_s * 1000000ull,
        .close_us = 60000000ull,
        .unsent_max = 4096,
        .keep_max = 8192,
        .syn_max = c->tls.half_open_max,
        .echo = c->echo.enabled,
        .echo_max = 16u << 20,
        .spin = c->dataplane.idle == IDLE_SPIN,
    };
    w->tcp.rcv_limit = RECEIVE_LIMIT;
    w->tcp.congestion = c->tcp.congestion == CONGESTION_NEWRENO ? TCP_NEWRENO : TCP_CUBIC;
    w->tcp.keepalive_idle_us = c->tcp.keepalive_s * 1000000ull;
    w->tcp.keepalive_interval_us = c->tcp.keepalive_interval_s * 1000000ull;
    w->tcp.keepalive_probes_max = (uint8_t)c->tcp.keepalive_probes;
    w->tcp.mss4 = (uint16_t)(c->dataplane.port.mtu - 40);
    w->tcp.mss6 = (uint16_t)(c->dataplane.port.mtu - 60);
    for (uint32_t i = 0; i < c->pop.address_count; i++) {
        uint8_t address[16];
        unsigned bits;
        if (config_address(c->pop.addresses[i].text, address, &bits))
            net_addresses_add(&w->addresses, address);
    }
}

static const char *program_directory(char *buffer, size_t size)
{
    ssize_t n = readlink("/proc/self/exe", buffer, size - 1);
    buffer[n > 0 ? n : 0] = 0;
    return dirname(buffer);
}

static void make_port_config(const struct config *c, struct port_config *p, char *xdp, size_t xdp_size)
{
    static const enum port_profile profiles[] = {[PROFILE_AFXDP] = PORT_AFXDP, [PROFILE_MEMIF] = PORT_MEMIF,
                                                 [PROFILE_PCI] = PORT_PCI};
    char self[512];
    *p = (struct port_config){
        .profile = profiles[c->dataplane.port.profile],
        .workers = c->dataplane.workers,
        .memory = c->dataplane.hugepages == HUGEPAGES_OFF ? PORT_MEMORY_PLAIN : PORT_MEMORY_AUTO,
        .memory_mb = c->dataplane.memory_mb,
        .packets = c->dataplane.port.packets,
        .descriptors = c->dataplane.port.queue_size,
        .memif_server = c->dataplane.port.memif_role == MEMIF_SERVER,
        .log_level = c->log.level == LOG_DEBUG ? 7 : 0,
        .log = log_dpdk,
    };
    for (uint32_t k = 0; k < p->workers; k++)
        p->cpu[k] = config_core(c, k);
    if (p->profile == PORT_MEMIF)
        p->interface[p->interfaces++] = c->dataplane.port.memif_socket;
    for (uint32_t i = 0; p->profile == PORT_AFXDP && i < c->dataplane.port.interface_count; i++)
        p->interface[p->interfaces++] = c->dataplane.port.interfaces[i].name;
    for (uint32_t i = 0; p->profile == PORT_PCI && i < c->dataplane.port.pci_device_count; i++)
        p->interface[p->interfaces++] = c->dataplane.port.pci_devices[i].name;
    if (p->profile == PORT_PCI && c->dataplane.port.vdev[0])
        p->interface[p->interfaces++] = c->dataplane.port.vdev;
    if (c->dataplane.port.xdp_program[0])
        snprintf(xdp, xdp_size, "%s", c->dataplane.port.xdp_program);
    else
        snprintf(xdp, xdp_size, "%s/port/steer.bpf.o", program_directory(self, sizeof self));
    if (p->profile == PORT_AFXDP)
        p->xdp_program = xdp;
}

/* ---- start ---- */

static bool start_region(struct dataplane *d)
{
    char path[512], why[256];
    if (!config_path(&d->config, CONFIG_REGION_FILE, path, sizeof path))
        return fail("pop.run_directory is too long");
    if (!region_attach(&d->region, path, true, why))
        return fail(why);
    struct region_geometry want;
    config_geometry(&d->config, &want);
    if (memcmp(&want, &d->region.header->geometry, sizeof want))
        return fail("the configuration's sizes are not those of the region: restart `voxpop supervise` for a cold start");
    region_process_enter(&d->region, PROCESS_DATAPLANE);
    return true;
}

/* Which certificates clients are shown from now on. */
static void log_certificates(struct dataplane *d)
{
    char names[256];
    tls_server_describe(d->tls, names, sizeof names);
    log_event(LOG_INFO, "certificates", "names=%s", log_text(names).text);
}

/* Room for the ClientHello of every handshake: one that finds none is refused, which a client takes for an error, not for a queue. */
static uint32_t helper_ring(uint32_t handshakes_max)
{
    uint32_t bytes = HELPER_RING;
    while (bytes < 1024 * handshakes_max)
        bytes *= 2;
    return bytes;
}

static bool start_tls(struct dataplane *d)
{
    char why[TLS_ERROR_MAX];
    if (!(d->tls = tls_setup(&d->config, &d->region.header->secrets.tickets, (uint64_t)time(NULL), why)))
        return fail(why);
    log_certificates(d);
    struct tls_helper_config hc = {.server = d->tls, .workers = d->config.dataplane.workers,
                                   .threads = d->config.tls.handshake_threads,
                                   .handshakes_max = 2 * d->config.tls.half_open_max,
                                   .ring_bytes = helper_ring(2 * d->config.tls.half_open_max), .cpu = -1};
    if (!(d->helper = tls_helper_start(&hc, why)))
        return fail(why);
    return true;
}

/* The certificate that peers are shown is as old as the region. */
static bool start_dtls(struct dataplane *d)
{
    char why[DTLS_ERROR_MAX];
    struct peer_identity *identity = region_section(&d->region, SECTION_PEER_IDENTITY);
    if (!atomic_load(&identity->ready) && !dtls_identity_make(identity))
        return fail("cannot make a certificate for DTLS");
    if (!(d->dtls = dtls_server_new(identity, why)))
        return fail(why);
    atomic_store(&identity->ready, 1);
    struct dtls_helper_config hc = {.server = d->dtls, .workers = d->config.dataplane.workers,
                                    .associations_max = PEERS_MAX, .ring_bytes = HELPER_RING};
    if (!(d->dtls_helper = dtls_helper_start(&hc, why)))
        return fail(why);
    return true;
}

static bool start_ports(struct dataplane *d)
{
    struct port_config pc;
    char xdp[640], why[PORT_ERROR_MAX];
    make_port_config(&d->config, &pc, xdp, sizeof xdp);
    if (port_start(&pc, why))
        return fail(why);
    d->ports = true;
    const struct net_addresses *ours = &d->worker_config.addresses;
    if (port_steer(ours->address, ours->count, why))
        return fail(why);
    return true;
}

static bool start_handover(struct dataplane *d)
{
    uint32_t n = d->config.dataplane.workers;
    if (n == 1)
        return true;
    d->handover = aligned_alloc(64, n * n * sizeof *d->handover);
    d->handover_in = calloc(n * n, sizeof *d->handover_in);
    if (!d->handover || !d->handover_in)
        return fail("no memory for the rings between workers");
    for (uint32_t i = 0; i < n * n; i++) {
        if (!spsc_init(&d->handover[i], 1024, sizeof(struct packet)))
            return fail("no memory for the rings between workers");
        d->handover_in[i % n * n + i / n] = &d->handover[i];
    }
    log_event(LOG_INFO, "steering", "how=software why=\"ports cannot steer by connection: workers hand packets over\"");
    return true;
}

static int worker_main(void *arg)
{
    struct worker *w = arg;
    unsigned idle = 0;
    while (!stopping) {
        w->unix_s = atomic_load_explicit(&unix_s, memory_order_relaxed);
        if (worker_step(w, region_now_us())) {
            idle = 0;
        } else if (!w->config->spin && ++idle >= IDLE_SPINS) {
            nanosleep(&(struct timespec){.tv_nsec = IDLE_NS}, NULL);
        }
    }
    return 0;
}

static bool start_workers(struct dataplane *d)
{
    char why[256];
    uint32_t n = d->config.dataplane.workers;
    for (uint32_t k = 0; k < n; k++) {
        struct worker *w = worker_new(&d->region, k, &d->worker_config, port_queue_of(k, 0), d->helper,
                                      region_now_us(), why);
        if (!w)
            return fail(why);
        d->worker[k] = w;
        if (!worker_serve_webrtc(w, d->dtls_helper))
            return fail("no memory for peers of WebRTC");
        w->area->core = config_core(&d->config, k);
        w->answers_link = k == 0 || w->port_info.port == d->worker[0]->port_info.port;
        if (n > 1) {
            w->to_worker = d->handover + k * n;
            w->from_worker = d->handover_in + k * n;
        }
    }
    for (uint32_t k = 0; k < n; k++)
        if (port_launch(k, worker_main, d->worker[k]))
            return fail("a worker's core runs something else");
    return true;
}

static void keep_time(void)
{
    atomic_store_explicit(&unix_s, (uint64_t)time(NULL), memory_order_relaxed);
}

static bool start(struct dataplane *d)
{
    keep_time();
    make_worker_config(&d->config, &d->worker_config);
    enum aead_backend backend = d->config.dataplane.crypto == CRYPTO_OPENSSL     ? AEAD_BACKEND_OPENSSL
                                : d->config.dataplane.crypto == CRYPTO_IPSEC_MB ? AEAD_BACKEND_IPSEC_MB
                                                                                : AEAD_BACKEND_AUTO;
    if (!aead_init(backend))
        return fail("dataplane.crypto: ipsec-mb cannot run on this processor: set it to openssl");
    return start_region(d) && start_tls(d) && start_dtls(d) && start_ports(d) && start_handover(d) && start_workers(d);
}

/* ---- stop ---- */

static void stop(struct dataplane *d)
{
    stopping = 1;
    for (uint32_t k = 0; k < WORKERS_MAX && d->worker[k]; k++)
        port_join(k);
    if (d->ports)
        port_stop();
    for (uint32_t k = 0; k < WORKERS_MAX && d->worker[k]; k++)
        worker_free(d->worker[k]);
    if (d->helper)
        tls_helper_stop(d->helper);
    dtls_helper_stop(d->dtls_helper);
    dtls_server_free(d->dtls);
    if (d->tls)
        tls_server_free(d->tls);
    if (d->region.base) {
        atomic_store(&d->region.header->process[PROCESS_DATAPLANE].ready, 0);
        atomic_store(&d->region.header->process[PROCESS_DATAPLANE].pid, 0);
        region_detach(&d->region);
    }
}

static bool load(struct dataplane *d, int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {0}};
    static char why[CONFIG_WHY_MAX];
    int option;
    while ((option = getopt_long(argc, argv, "c:", options, NULL)) == 'c')
        d->file = optarg;
    if (option != -1 || !d->file || optind != argc)
        return fprintf(stderr, "usage: voxpop-dataplane --config FILE (started by `voxpop supervise`)\n"), false;
    if (!config_load(&d->config, d->file, why))
        return fputs(why, stderr), false;
    log_configure(&d->config);
    return true;
}

/* Of the keys that a reload is enough for, the log's and TLS's are the ones that this process reads. */
static void reload(struct dataplane *d)
{
    static struct config fresh;
    static char why[CONFIG_WHY_MAX], why_tls[TLS_ERROR_MAX];
    if (!config_load(&fresh, d->file, why)) {
        log_event(LOG_ERROR, "reload_refused", "why=%s", log_text(why).text);
        return;
    }
    log_configure(&fresh);
    if (!tls_setup_reload(d->tls, &fresh, why_tls)) {
        log_event(LOG_ERROR, "certificates_refused", "why=%s", log_text(why_tls).text);
        return;
    }
    d->config.tls = fresh.tls;
    log_certificates(d);
}

static void serve(struct dataplane *d)
{
    atomic_store(&d->region.header->process[PROCESS_DATAPLANE].ready, 1);
    log_event(LOG_INFO, "ready", "workers=%u crypto=%s", d->config.dataplane.workers, aead_backend_name(aead_backend_current()));
    for (unsigned i = 1; !stopping; i++) {
        nanosleep(&(struct timespec){.tv_nsec = 200000000L}, NULL);
        keep_time();
        if (i % 5 == 0) {
            port_maintain();
            tls_setup_tickets(d->tls, &d->config, &d->region.header->secrets.tickets, (uint64_t)time(NULL));
        }
        if (reloading) {
            reloading = 0;
            reload(d);
        }
    }
    log_event(LOG_INFO, "stopping", "why=signal");
}

int main(int argc, char **argv)
{
    static struct dataplane d;
    if (!load(&d, argc, argv))
        return 2;
    struct sigaction action = {.sa_handler = on_stop};
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    sigaction(SIGHUP, &(struct sigaction){.sa_handler = on_reload}, NULL);
    bool started = start(&d);
    if (started)
        serve(&d);
    stop(&d);
    return started ? 0 : 1;
}
