/*
 * From configuration to running ports and pinned threads: see port.h.
 *
 * EAL is started once per process. Its main lcore is the thread that calls port_start and is not pinned: it
 * may run on every CPU that the process may, as may threads it makes. Worker i is lcore i + 1, pinned to its
 * CPU.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>
#include <rte_log.h>

#include "dataplane/port/device.h"

#define PACKETS_DEFAULT     16384u
#define DESCRIPTORS_DEFAULT 2048u
#define PACKET_BYTES        2560u /* of memory per packet, with its header and the pool's */
#define DRIVER_MB           48u   /* for everything else that DPDK and its drivers keep */
#define ARGUMENTS_MAX       (32 + 2 * PORT_INTERFACES_MAX)
#define ARGUMENT_BYTES      512

static struct {
    bool is_up;
    unsigned devices;
    unsigned workers;
    struct device *device[PORT_INTERFACES_MAX];
    struct port_queue *queue[PORT_WORKERS_MAX * PORT_INTERFACES_MAX]; /* queue k is worker k % workers' */
    unsigned queues;
    void (*log)(unsigned severity, const char *line);
    char last_line[256]; /* of DPDK's, for the operator */
} ports;

/* ---- DPDK's log ---- */

/* Lines that say nothing to anybody: the second and third would come at every start. */
static bool is_noise(const char *line)
{
    return strcmp(line, ports.last_line) == 0 ||                  /* a memif client trying again */
           strstr(line, "hugepages reported on node") ||          /* of a size that is not set up */
           strstr(line, "Failed to register mp action callback"); /* memif: DPDK's other processes, of which
                                                                     there are none */
}

static ssize_t log_write(void *cookie, const char *text, size_t len)
{
    for (size_t at = 0, end; at < len; at = end + 1) {
        for (end = at; end < len && text[end] != '\n'; end++)
            ;
        if (end == at)
            continue;
        char line[sizeof ports.last_line];
        snprintf(line, sizeof line, "%.*s", (int)(end - at), text + at);
        if (is_noise(line))
            continue;
        memcpy(ports.last_line, line, sizeof line);
        if (ports.log)
            ports.log((unsigned)rte_log_cur_msg_loglevel(), ports.last_line);
        else
            fprintf(stderr, "dpdk: %s\n", ports.last_line);
    }
    return (ssize_t)len;
}

static void open_log(const struct port_config *cfg)
{
    ports.log = cfg->log;
    FILE *f = fopencookie(NULL, "w", (cookie_io_functions_t){.write = log_write});
    if (f) {
        setvbuf(f, NULL, _IOLBF, 512);
        rte_openlog_stream(f);
    }
}

/* ---- memory ---- */

static uint64_t free_huge_bytes(void)
{
    const char *path = "/sys/kernel/mm/hugepages";
    DIR *dir = opendir(path);
    uint64_t bytes = 0;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        unsigned long kb, pages;
        char file[512];
        if (sscanf(e->d_name, "hugepages-%lukB", &kb) != 1)
            continue;
        snprintf(file, sizeof file, "%s/%s/free_hugepages", path, e->d_name);
        FILE *f = fopen(file, "re");
        if (f && fscanf(f, "%lu", &pages) == 1)
            bytes += (uint64_t)pages * kb * 1024;
        if (f)
            fclose(f);
    }
    if (dir)
        closedir(dir);
    return bytes;
}

static unsigned packets_of(const struct port_config *cfg)
{
    return cfg->packets ? cfg->packets : PACKETS_DEFAULT;
}

static unsigned memory_mb_of(const struct port_config *cfg)
{
    uint64_t bytes = (uint64_t)cfg->interfaces * packets_of(cfg) * PACKET_BYTES;
    return cfg->memory_mb ? cfg->memory_mb : (unsigned)(bytes >> 20) + DRIVER_MB;
}

/* ---- checks before EAL: it knows no good error messages ---- */

static int check(const struct port_config *cfg, char error[PORT_ERROR_MAX])
{
    cpu_set_t allowed;
    if (ports.is_up)
        return port_fail(error, "the ports of this process were started before");
    if (cfg->workers < 1 || cfg->workers > PORT_WORKERS_MAX)
        return port_fail(error, "%u workers: give 1 to %d", cfg->workers, PORT_WORKERS_MAX);
    if (cfg->interfaces < 1 || cfg->interfaces > PORT_INTERFACES_MAX)
        return port_fail(error, "%u interfaces: name 1 to %d", cfg->interfaces, PORT_INTERFACES_MAX);
    if (sched_getaffinity(0, sizeof allowed, &allowed))
        return port_fail(error, "cannot see which CPUs are allowed: %s", strerror(errno));
    for (unsigned i = 0; i < cfg->workers; i++) {
        if (cfg->cpu[i] >= CPU_SETSIZE || !CPU_ISSET(cfg->cpu[i], &allowed))
            return port_fail(
                error, "CPU %u of worker %u is not there or not allowed: see: nproc --all; taskset -p $$",
                cfg->cpu[i], i);
        for (unsigned k = 0; k < i; k++)
            if (cfg->cpu[k] == cfg->cpu[i])
                return port_fail(error, "CPU %u is given to workers %u and %u: give each its own",
                                 cfg->cpu[i], k, i);
    }
    for (unsigned i = 0; i < cfg->interfaces; i++) {
        const char *name = cfg->interface[i] ? cfg->interface[i] : "";
        if (!*name || (cfg->profile != PORT_PCI && strpbrk(name, ", ")))
            return port_fail(
                error, "\"%s\" names no interface: it may be neither empty nor hold comma or space", name);
    }
    if (cfg->profile == PORT_AFXDP && (!cfg->xdp_program || access(cfg->xdp_program, R_OK)))
        return port_fail(
            error,
            "cannot read the XDP program %s: build it with: ninja -C build, and name it in xdp_program",
            cfg->xdp_program ? cfg->xdp_program : "(none named)");
    return 0;
}

/* ---- EAL's arguments ---- */

struct arguments {
    int count;
    char *value[ARGUMENTS_MAX];
    char text[ARGUMENTS_MAX][ARGUMENT_BYTES];
};

static void add(struct arguments *a, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void add(struct arguments *a, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(a->text[a->count], ARGUMENT_BYTES, format, args);
    va_end(args);
    a->value[a->count] = a->text[a->count];
    a->count++;
}

/* 0@(0,1),1@0,2@1: lcore 0, the caller, floats; worker i is lcore i + 1. */
static void add_lcores(struct arguments *a, const struct port_config *cfg)
{
    char text[ARGUMENT_BYTES * 2];
    cpu_set_t allowed;
    size_t at = 0;
    const char *comma = "";
    sched_getaffinity(0, sizeof allowed, &allowed);
    at += (size_t)snprintf(text, sizeof text, "0@(");
    for (unsigned cpu = 0; cpu < CPU_SETSIZE && at < ARGUMENT_BYTES; cpu++) {
        if (CPU_ISSET(cpu, &allowed)) {
            at += (size_t)snprintf(text + at, sizeof text - at, "%s%u", comma, cpu);
            comma = ",";
        }
    }
    at += (size_t)snprintf(text + at, sizeof text - at, ")");
    for (unsigned i = 0; i < cfg->workers && at < sizeof text; i++)
        at += (size_t)snprintf(text + at, sizeof text - at, ",%u@%u", i + 1, cfg->cpu[i]);
    add(a, "--lcores");
    add(a, "%s", text);
}

static int add_memory(struct arguments *a, const struct port_config *cfg, char error[PORT_ERROR_MAX])
{
    unsigned need_mb = memory_mb_of(cfg);
    uint64_t free_mb = free_huge_bytes() >> 20;
    bool huge = cfg->memory == PORT_MEMORY_HUGE || (cfg->memory == PORT_MEMORY_AUTO && free_mb >= need_mb);
    if (huge && free_mb < need_mb)
        return port_fail(
            error,
            "%u MB of huge pages are needed and %u MB are free: type: echo %u > /proc/sys/vm/nr_hugepages",
            need_mb, (unsigned)free_mb, (need_mb + 1) / 2);
    if (huge) {
        add(a, "--in-memory"); /* nothing left in hugetlbfs or /var/run after a kill */
    } else {
        add(a, "--no-huge");
        add(a, "--no-shconf");
    }
    add(a, "-m");
    add(a, "%u", need_mb);
    return 0;
}

static bool is_vdev(const char *device)
{
    return strncmp(device, "net_", 4) == 0;
}

static void add_device(struct arguments *a, const struct port_config *cfg, struct device *d)
{
    const char *name = cfg->interface[d->index];
    unsigned rsize = 0;
    switch (cfg->profile) {
    case PORT_AFXDP:
        snprintf(d->driver, sizeof d->driver, "net_af_xdp%u", d->index);
        add(a, "--vdev=%s,iface=%s,start_queue=0,queue_count=%u,xdp_prog=%s", d->driver, name, d->queues,
            cfg->xdp_program);
        return;
    case PORT_MEMIF:
        for (unsigned n = cfg->descriptors ? cfg->descriptors : DESCRIPTORS_DEFAULT; n > 1; n /= 2)
            rsize++;
        snprintf(d->driver, sizeof d->driver, "net_memif%u", d->index);
        add(a, "--vdev=%s,role=%s,id=0,socket=%s,socket-abstract=no,bsize=2048,rsize=%u", d->driver,
            cfg->memif_server ? "server" : "client", name, rsize);
        return;
    case PORT_PCI:
        snprintf(d->driver, sizeof d->driver, "%s", d->name);
        d->driver[strcspn(d->driver, ",")] = 0;
        add(a, is_vdev(name) ? "--vdev=%s" : "--allow=%s", name);
        return;
    }
}

static int start_eal(const struct port_config *cfg, char error[PORT_ERROR_MAX])
{
    struct arguments *a = calloc(1, sizeof *a);
    if (!a)
        return port_fail(error, "no memory");
    bool pci = false;
    for (unsigned i = 0; i < cfg->interfaces; i++)
        pci |= cfg->profile == PORT_PCI && !is_vdev(cfg->interface[i]);
    add(a, "voxpop");
    add_lcores(a, cfg);
    add(a, "--file-prefix=%s", cfg->file_prefix ? cfg->file_prefix : "voxpop");
    add(a, "--no-telemetry");
    add(a, "--log-level=*:%u", cfg->log_level ? cfg->log_level : RTE_LOG_WARNING);
    if (!pci) {
        add(a, "--no-pci");
        add(a, "--iova-mode=va");
    }
    int result = add_memory(a, cfg, error);
    for (unsigned i = 0; result == 0 && i < cfg->interfaces; i++)
        add_device(a, cfg, ports.device[i]);
    if (result == 0 && rte_eal_init(a->count, a->value) < 0)
        result = port_fail(error, "DPDK does not start: %s (%s)", ports.last_line, rte_strerror(rte_errno));
    free(a);
    return result;
}

/* ---- start and stop ---- */

/*
 * A memif server's socket that a killed process left is removed: the driver would not bind to it again.
 * Whether its process lives, a lock on a file beside it tells. Connecting to find out is no way: in
 * DPDK 22.11 a control connection that ends before the handshake makes the server panic.
 */
static int take_socket(struct device *d, char error[PORT_ERROR_MAX])
{
    char path[sizeof((struct sockaddr_un *)0)->sun_path + 8];
    if (strlen(d->name) >= sizeof((struct sockaddr_un *)0)->sun_path)
        return port_fail(error, "memif socket %s: the path is too long", d->name);
    snprintf(path, sizeof path, "%s.lock", d->name);
    d->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (d->lock < 0)
        return port_fail(error, "cannot write %s: %s", path, strerror(errno));
    if (flock(d->lock, LOCK_EX | LOCK_NB))
        return port_fail(error, "memif socket %s is served by another process: stop that one first", d->name);
    unlink(d->name);
    return 0;
}

static int make_devices(const struct port_config *cfg, char error[PORT_ERROR_MAX])
{
    for (unsigned i = 0; i < cfg->interfaces; i++) {
        struct device *d = calloc(1, sizeof *d);
        if (!d)
            return port_fail(error, "no memory");
        ports.device[ports.devices++] = d;
        d->index = (uint16_t)i;
        d->lock = -1;
        d->queues = 1;
        snprintf(d->name, sizeof d->name, "%s", cfg->interface[i]);
        if (cfg->profile == PORT_AFXDP) {
            d->is_xdp = true;
            if (xdp_prepare(&d->xdp, cfg->interface[i], error))
                return -1;
            d->queues = d->xdp.queues;
        }
        d->is_client = cfg->profile == PORT_MEMIF && !cfg->memif_server;
        if (cfg->profile == PORT_MEMIF && cfg->memif_server && take_socket(d, error))
            return -1;
        if (d->queues > cfg->workers)
            return port_fail(error,
                             "interface %s has %u queues for %u workers: type: ethtool -L %s combined %u",
                             d->name, d->queues, cfg->workers, d->name, cfg->workers);
    }
    return 0;
}

static int start_devices(const struct port_config *cfg, char error[PORT_ERROR_MAX])
{
    for (unsigned i = 0; i < ports.devices; i++) {
        struct device *d = ports.device[i];
        if (cfg->profile == PORT_PCI) {
            unsigned most = device_queues_max(d->driver);
            d->queues = most > cfg->workers ? cfg->workers : most ? most : 1;
        }
        if (device_start(d, packets_of(cfg), cfg->descriptors ? cfg->descriptors : DESCRIPTORS_DEFAULT,
                         error))
            return -1;
        for (unsigned k = 0; k < d->queues; k++)
            ports.queue[ports.queues++] = &d->queue[k].head;
    }
    if (ports.queues < cfg->workers)
        return port_fail(error, "%u queues for %u workers: name more interfaces, or configure fewer workers",
                         ports.queues, cfg->workers);
    return 0;
}

int port_start(const struct port_config *cfg, char error[PORT_ERROR_MAX])
{
    struct rlimit unlimited = {RLIM_INFINITY, RLIM_INFINITY};
    error[0] = 0;
    if (check(cfg, error))
        return -1;
    setrlimit(RLIMIT_MEMLOCK, &unlimited); /* the kernel counts what AF_XDP registers */
    ports.workers = cfg->workers;
    open_log(cfg);
    if (make_devices(cfg, error) || start_eal(cfg, error)) {
        port_stop();
        return -1;
    }
    ports.is_up = true;
    if (start_devices(cfg, error)) {
        port_stop();
        return -1;
    }
    return 0;
}

void port_maintain(void)
{
    for (unsigned i = 0; i < ports.devices; i++)
        device_maintain(ports.device[i]);
}

void port_stop(void)
{
    while (ports.devices) {
        struct device *d = ports.device[--ports.devices];
        device_stop(d);
        free(d);
    }
    ports.queues = 0;
    if (ports.is_up)
        rte_eal_cleanup();
}

struct port_queue *port_queue_of(unsigned worker, unsigned i)
{
    unsigned k = worker + i * ports.workers;
    return worker < ports.workers && k < ports.queues ? ports.queue[k] : NULL;
}

int port_launch(unsigned worker, int (*fn)(void *arg), void *arg)
{
    return rte_eal_remote_launch(fn, arg, worker + 1) ? -1 : 0;
}

int port_join(unsigned worker)
{
    return rte_eal_wait_lcore(worker + 1);
}

int port_steer(const uint8_t (*addresses)[16], unsigned n, char error[PORT_ERROR_MAX])
{
    if (n > PORT_ADDRESSES_MAX)
        return port_fail(error, "%u addresses: a POP has at most %d", n, PORT_ADDRESSES_MAX);
    for (unsigned i = 0; i < ports.devices; i++)
        if (ports.device[i]->is_xdp && xdp_set_addresses(&ports.device[i]->xdp, addresses, n, error))
            return -1;
    return 0;
}
