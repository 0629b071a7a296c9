/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "box.h"

#include <glob.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define READY_STEPS    150 /* of 100 ms */
#define HUGE_DIRECTORY "/dev/hugepages"

const uint8_t box_address[16] = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 1};
const uint8_t box_router[16] = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 2};

static void pause_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}, NULL);
}

/* The link, and the clients behind the router on it. */
static bool add_routes(struct region *r)
{
    static const uint8_t link[16] = {[10] = 0xff, [11] = 0xff, 198, 18},
                         clients[16] = {[10] = 0xff, [11] = 0xff, 198, 19};
    struct route_tables *routes = region_section(r, SECTION_ROUTES);
    struct route_hop on_link = {0}, routed = {0};
    unsigned half;
    memcpy(routed.gateway, box_router, sizeof routed.gateway);
    if (!route_write(&routes->swap, &half) || !route_add(&routes->table[half], link, 96 + 24, &on_link) ||
        !route_add(&routes->table[half], clients, 96 + 16, &routed))
        return false;
    route_publish(&routes->swap, NULL);
    return true;
}

static bool make_region(struct box *b)
{
    char note[256] = "", why[256];
    struct region_geometry g;
    config_geometry(&b->config, &g);
    if (!region_create(&b->region, b->region_path, HUGE_DIRECTORY, &g, note, why)) {
        fprintf(stderr, "voxpop-load: %s\n", why);
        return false;
    }
    if (note[0])
        fprintf(stderr, "# %s\n", note);
    return add_routes(&b->region);
}

static pid_t spawn(const char *program, const char *command, const char *config_file)
{
    pid_t parent = getpid(), pid = fork();
    if (pid != 0)
        return pid;
    prctl(PR_SET_PDEATHSIG, command ? SIGTERM : SIGKILL);
    if (getppid() == parent && command)
        execl(program, program, command, "--config", config_file, (char *)NULL);
    else if (getppid() == parent)
        execl(program, program, "--config", config_file, (char *)NULL);
    perror(program);
    _exit(127);
}

static bool serves(const struct box *b)
{
    return b->region.base && atomic_load(&b->region.header->process[PROCESS_DATAPLANE].ready);
}

static bool wait_until_it_serves(struct box *b, const char *program)
{
    char why[256];
    for (unsigned i = 0; b->dataplane > 0 && i < READY_STEPS && box_alive(b); i++) {
        if (serves(b))
            return true;
        pause_ms(100);
        if (!b->region.base && access(b->region_path, F_OK) == 0)
            region_attach(&b->region, b->region_path, true, why);
    }
    fprintf(stderr, "voxpop-load: %s does not start\n", program);
    return false;
}

static bool load_config(struct box *b, const char *config_file)
{
    static char why[CONFIG_WHY_MAX];
    *b = (struct box){.dataplane = -1};
    if (!config_load(&b->config, config_file, why)) {
        fputs(why, stderr);
        return false;
    }
    return config_path(&b->config, CONFIG_REGION_FILE, b->region_path, sizeof b->region_path);
}

static void take_rings(struct box *b)
{
    txn_attach(&b->txn, b->region.base, region_section(&b->region, SECTION_CONTROL_TXN));
    ring_consumer(&b->notice, region_part(&b->region, 0, PART_RING_NOTICE));
    ring_producer(&b->command, region_part(&b->region, 0, PART_RING_COMMAND));
    ring_producer(&b->fanout, region_part(&b->region, 0, PART_RING_FANOUT));
}

bool box_start(struct box *b, const char *config_file, const char *program)
{
    if (!load_config(b, config_file))
        return false;
    if (make_region(b) && (b->dataplane = spawn(program, NULL, config_file)) > 0 &&
        wait_until_it_serves(b, program)) {
        take_rings(b);
        return true;
    }
    box_stop(b);
    return false;
}

bool box_supervise(struct box *b, const char *config_file, const char *supervisor)
{
    if (!load_config(b, config_file))
        return false;
    b->supervised = true;
    if ((b->dataplane = spawn(supervisor, "supervise", config_file)) > 0 &&
        wait_until_it_serves(b, supervisor) && add_routes(&b->region)) {
        take_rings(b);
        return true;
    }
    box_stop(b);
    return false;
}

void box_stop(struct box *b)
{
    if (b->dataplane > 0) {
        kill(b->dataplane, SIGTERM);
        for (unsigned i = 0; i < (b->supervised ? 150 : 30) && box_alive(b); i++)
            pause_ms(100);
        if (b->dataplane > 0) {
            kill(b->dataplane, SIGKILL);
            waitpid(b->dataplane, NULL, 0);
        }
    }
    b->dataplane = -1;
    if (b->region.base)
        region_detach(&b->region);
    if (b->region_path[0])
        region_remove(b->region_path);
}

bool box_alive(struct box *b)
{
    if (b->dataplane > 0 && waitpid(b->dataplane, NULL, WNOHANG) == 0)
        return true;
    b->dataplane = -1;
    return false;
}

bool box_post(struct box *b, struct ring_end *ring, enum verb verb, const void *body, uint32_t length)
{
    txn_begin(&b->txn);
    struct ring_entry *e = ring_reserve(ring, &b->txn, (uint16_t)verb, length);
    if (e)
        memcpy(e->payload, body, length);
    txn_commit(&b->txn);
    txn_publish(&b->txn);
    return e != NULL;
}

bool box_member_set(struct box *b, const struct verb_member *m)
{
    return box_post(b, &b->command, VERB_MEMBER_SET, m, sizeof *m);
}

uint64_t box_event(struct box *b, const char *text, uint32_t length)
{
    struct event_log *log = region_section(&b->region, SECTION_EVENT_LOG);
    uint64_t at = atomic_load(&log->head), bytes = (sizeof(struct event) + length + 15) & ~15ull;
    uint64_t left = EVENT_SEGMENT_BYTES - at % EVENT_SEGMENT_BYTES;
    if (left < bytes)
        at += left;
    if (at + bytes > event_log_bytes(log))
        return UINT64_MAX;
    struct event *e = event_at(log, at);
    *e = (struct event){.length = (uint32_t)bytes,
                        .position = at,
                        .classes = ~0ull,
                        .except_session = UINT32_MAX,
                        .variant = {{sizeof *e, length}}};
    memcpy(e + 1, text, length);
    atomic_store(&log->head, at + bytes);
    return at;
}

void box_listen(struct box *b)
{
    struct ring_entry *e;
    while ((e = b->waiting ? b->waiting : ring_next(&b->notice))) {
        bool done = !b->on_notice || b->on_notice(b->user, e);
        b->waiting = done ? NULL : e;
        if (!done)
            return;
        txn_begin(&b->txn);
        ring_done(&b->notice, &b->txn, e);
        txn_commit(&b->txn);
        txn_publish(&b->txn);
        b->notices++;
    }
}

bool box_settled(const struct box *b)
{
    return atomic_load_explicit(&b->command.ring->head, memory_order_acquire) == b->command.cursor;
}

const struct counters *box_counters(const struct box *b)
{
    return region_part(&b->region, 0, PART_COUNTERS);
}

/* Nanoseconds that one thread ran or waited for a CPU, if its name begins so. */
static double thread_ns(const char *directory, const char *prefix, bool waited)
{
    char path[PATH_MAX], name[32] = "";
    unsigned long long ran = 0, waits = 0;
    snprintf(path, sizeof path, "%s/comm", directory);
    FILE *f = fopen(path, "re");
    bool is_it = f && fgets(name, sizeof name, f) && strncmp(name, prefix, strlen(prefix)) == 0;
    if (f)
        fclose(f);
    snprintf(path, sizeof path, "%s/schedstat", directory);
    f = is_it ? fopen(path, "re") : NULL;
    if (f && fscanf(f, "%llu %llu", &ran, &waits) != 2)
        ran = waits = 0;
    if (f)
        fclose(f);
    return (double)(waited ? waits : ran);
}

static double threads_us(const struct box *b, const char *prefix, bool waited)
{
    char pattern[64];
    glob_t found;
    double ns = 0;
    snprintf(pattern, sizeof pattern, "/proc/%d/task/*", (int)b->dataplane);
    if (glob(pattern, 0, NULL, &found) != 0)
        return 0;
    for (size_t i = 0; i < found.gl_pathc; i++)
        ns += thread_ns(found.gl_pathv[i], prefix, waited);
    globfree(&found);
    return ns / 1000;
}

double box_waited_us(const struct box *b)
{
    return threads_us(b, "rte-worker", true);
}

double box_cpu_us(const struct box *b, const char *thread)
{
    return threads_us(b, thread, false);
}

/* ---- memory ---- */

static uint64_t kilobytes(const char *line, const char *key)
{
    size_t n = strlen(key);
    return strncmp(line, key, n) == 0 ? strtoull(line + n, NULL, 10) * 1024 : 0;
}

bool box_memory(const struct box *b, struct box_memory *out)
{
    char path[64], line[PATH_MAX + 128], region[PATH_MAX] = "";
    ssize_t n = readlink(b->region_path, region, sizeof region - 1);
    region[n > 0 ? n : 0] = 0;
    snprintf(path, sizeof path, "/proc/%d/smaps", (int)b->dataplane);
    FILE *f = fopen(path, "re");
    bool is_region = false;
    *out = (struct box_memory){0};
    if (!f)
        return false;
    while (fgets(line, sizeof line, f)) {
        unsigned long long start, end;
        char key[64];
        if (sscanf(line, "%llx-%llx %63s", &start, &end, key) == 3) {
            is_region = strstr(line, b->region_path) || (region[0] && strstr(line, region));
            out->region += is_region ? end - start : 0;
        } else if (!is_region) {
            out->huge += kilobytes(line, "Shared_Hugetlb:") + kilobytes(line, "Private_Hugetlb:");
            out->heap += kilobytes(line, "Rss:");
        }
    }
    fclose(f);
    return out->region != 0;
}
