/*
 * The region's creation and attach; see region.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "region.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <time.h>
#include <unistd.h>

#define REGION_WHY      256
#define HUGE_BYTES      (2ull << 20)
#define HUGETLBFS_MAGIC 0x958458f6
#define NAMES_MAX       (1ull << 28)

static uint64_t align_up(uint64_t v, uint64_t to)
{
    return (v + to - 1) / to * to;
}

/* Hands out offsets, each part on its own page so that no two writers share a line (or a TLB entry's
 * protection). */
static uint64_t take(uint64_t *at, uint64_t bytes)
{
    uint64_t offset = *at;
    *at = align_up(*at + bytes, 4096);
    return offset;
}

static uint64_t pool_bytes(uint64_t stride, uint64_t count)
{
    return sizeof(struct pool) + stride * count;
}

struct pool_place {
    int place;
    uint32_t stride;
    size_t count_at; /* offset of the count in region_geometry */
};

#define COUNT_AT(field) offsetof(struct region_geometry, field)

static const struct pool_place section_pools[] = {
    {SECTION_CONTROL_BLOCKS, sizeof(struct block), COUNT_AT(control_blocks)},
    {SECTION_SESSIONS_CONTROL, sizeof(struct session_control), COUNT_AT(sessions)},
    {SECTION_TOPICS, sizeof(struct topic_control), COUNT_AT(topics)},
};

static const struct pool_place part_pools[] = {
    {PART_CONNECTIONS, CONNECTION_STRIDE, COUNT_AT(connections)},
    {PART_BLOCKS, sizeof(struct block), COUNT_AT(blocks)},
    {PART_DESCRIPTORS, sizeof(struct tx_record), COUNT_AT(descriptors)},
    {PART_ITEMS, sizeof(struct tx_item), COUNT_AT(items)},
    {PART_CHUNKS, sizeof(struct session_chunk), COUNT_AT(chunks)},
    {PART_TOPIC_CHUNKS, sizeof(struct topic_chunk), COUNT_AT(topic_chunks)},
    {PART_ROOMS, sizeof(struct room), COUNT_AT(rooms)},
    {PART_MEMBERS, sizeof(struct voice_member), COUNT_AT(members)},
};

#define LENGTH(a) (sizeof(a) / sizeof *(a))

static uint32_t count_of(const struct region_geometry *g, const struct pool_place *p)
{
    return *(const uint32_t *)(const void *)((const uint8_t *)g + p->count_at);
}

static void place_pools(const struct pool_place *pools, size_t n, const struct region_geometry *g,
                        uint64_t *offsets, uint64_t *at)
{
    for (size_t i = 0; i < n; i++)
        offsets[pools[i].place] = take(at, pool_bytes(pools[i].stride, count_of(g, &pools[i])));
}

#define BOX_SLOTS 256u

static uint32_t slots_for(uint64_t entries)
{
    uint32_t slots = 256;
    while (slots < 4 * entries)
        slots *= 2;
    return slots;
}

static uint32_t voice_slots(const struct region_geometry *g)
{
    return slots_for((uint64_t)g->members * g->workers);
}

static uint32_t owner_slots(const struct region_geometry *g)
{
    return slots_for((uint64_t)g->topics + g->sessions + (uint64_t)g->rooms * g->workers);
}

/* Computes every offset; returns the size. */
static uint64_t place_all(const struct region_geometry *g, struct region_header *h)
{
    uint64_t at = align_up(sizeof *h, 4096);
    h->section[SECTION_CONTROL] = take(&at, sizeof(struct control_area));
    h->section[SECTION_CONTROL_TXN] = take(&at, sizeof(struct txn_log) + g->undo_bytes);
    h->section[SECTION_CONTROL_COUNTERS] = take(&at, sizeof(struct counters));
    h->section[SECTION_SESSIONS] = take(&at, sizeof(struct session) * g->sessions);
    h->section[SECTION_EVENT_LOG] =
        take(&at, sizeof(struct event_log) + (uint64_t)g->log_segments * EVENT_SEGMENT_BYTES);
    h->section[SECTION_ROUTES] = take(&at, sizeof(struct route_tables));
    h->section[SECTION_VOICE_MAP] = take(&at, route_map_size(voice_slots(g)));
    h->section[SECTION_OWNER_MAP] = take(&at, route_map_size(owner_slots(g)));
    h->section[SECTION_BOX_MAP] = take(&at, route_map_size(BOX_SLOTS));
    h->section[SECTION_PEER_IDENTITY] = take(&at, sizeof(struct peer_identity));
    place_pools(section_pools, LENGTH(section_pools), g, h->section, &at);
    for (uint32_t w = 0; w < g->workers; w++) {
        uint64_t *part = h->part[w];
        part[PART_AREA] = take(&at, sizeof(struct worker_area));
        part[PART_COUNTERS] = take(&at, sizeof(struct counters));
        part[PART_TXN] = take(&at, sizeof(struct txn_log) + g->undo_bytes);
        part[PART_TOPICS] = take(&at, sizeof(struct topic) * g->topics);
        part[PART_NEIGHBOURS] = take(&at, sizeof(struct route_neighbours));
        part[PART_PINS] = take(&at, sizeof(uint32_t) * g->log_segments);
        part[PART_RING_NOTICE] = take(&at, sizeof(struct ring) + g->ring_bytes);
        part[PART_RING_COMMAND] = take(&at, sizeof(struct ring) + g->ring_bytes);
        part[PART_RING_FANOUT] = take(&at, sizeof(struct ring) + g->ring_bytes);
        part[PART_CAPTURE] = take(&at, sizeof(struct capture_ring) + g->capture_bytes);
        part[PART_HALF_OPEN] =
            take(&at, sizeof(struct half_open_table) + sizeof(struct half_open) * (uint64_t)half_open_entries(g->connections));
        part[PART_TIME_WAIT] =
            take(&at, sizeof(struct time_wait_table) + sizeof(struct time_wait) * (uint64_t)time_wait_entries(g->connections));
        part[PART_PEERS] = take(&at, sizeof(struct voice_peer) * g->members);
        place_pools(part_pools, LENGTH(part_pools), g, part, &at);
    }
    return align_up(at, HUGE_BYTES);
}

uint64_t region_bytes(const struct region_geometry *g)
{
    struct region_header h = {0};
    return place_all(g, &h);
}

/* Connections and members are named by 32 bits that hold the worker too. */
static bool names_suffice(const struct region_geometry *g)
{
    return (uint64_t)g->workers * g->connections <= NAMES_MAX &&
           (uint64_t)g->workers * g->members <= NAMES_MAX;
}

static bool power_of_two(uint64_t v)
{
    return v && !(v & (v - 1));
}

bool region_geometry_check(const struct region_geometry *g, char *why)
{
    if (!g->workers || g->workers > WORKERS_MAX)
        return snprintf(why, REGION_WHY, "workers: %u is not between 1 and %u", g->workers, WORKERS_MAX),
               false;
    if (!power_of_two(g->log_segments) || g->log_segments < 2 || g->log_segments > EVENT_SEGMENTS_MAX)
        return snprintf(why, REGION_WHY, "event log segments: %u is not a power of two between 2 and %u",
                        g->log_segments, EVENT_SEGMENTS_MAX),
               false;
    if (!power_of_two(g->ring_bytes) || g->ring_bytes < (1u << 20))
        return snprintf(why, REGION_WHY, "ring bytes: %u is not a power of two of at least 1 MiB",
                        g->ring_bytes),
               false;
    if (!power_of_two(g->capture_bytes) || g->capture_bytes < (1u << 16))
        return snprintf(why, REGION_WHY, "capture bytes: %u is not a power of two of at least 64 KiB",
                        g->capture_bytes),
               false;
    if (g->undo_bytes < (64u << 10))
        return snprintf(why, REGION_WHY, "undo bytes: %u is less than 64 KiB", g->undo_bytes), false;
    for (size_t i = 0; i < LENGTH(section_pools) + LENGTH(part_pools); i++) {
        const struct pool_place *p =
            i < LENGTH(section_pools) ? &section_pools[i] : &part_pools[i - LENGTH(section_pools)];
        if (count_of(g, p) == 0 || count_of(g, p) > 1u << 28)
            return snprintf(why, REGION_WHY, "a pool of %u elements: must be between 1 and 2^28",
                            count_of(g, p)),
                   false;
    }
    if (!names_suffice(g))
        return snprintf(why, REGION_WHY,
                        "%u workers with %u connections and %u members each: more than 2^28 of a kind",
                        g->workers, g->connections, g->members),
               false;
    return true;
}

uint64_t region_layout_hash(void)
{
    static const uint64_t facts[] = {
        REGION_VERSION,
        sizeof(struct region_header),
        sizeof(struct region_geometry),
        sizeof(struct worker_area),
        sizeof(struct control_area),
        sizeof(struct txn_log),
        sizeof(struct pool),
        sizeof(struct block),
        sizeof(struct ring),
        sizeof(struct connection),
        offsetof(struct connection, tcp),
        offsetof(struct connection, tls),
        offsetof(struct connection, ws),
        CONNECTION_STRIDE,
        sizeof(struct tcp_conn),
        sizeof(struct tcp_board),
        sizeof(struct tls_conn),
        sizeof(struct ws_conn),
        sizeof(struct http_conn),
        sizeof(struct tx_record),
        sizeof(struct tx_item),
        sizeof(struct session),
        sizeof(struct session_control),
        sizeof(struct session_chunk),
        sizeof(struct topic),
        sizeof(struct topic_chunk),
        sizeof(struct topic_control),
        sizeof(struct room),
        sizeof(struct voice_member),
        sizeof(struct voice_peer),
        sizeof(struct peer_slot),
        sizeof(struct peer_identity),
        sizeof(struct event_log),
        sizeof(struct event),
        sizeof(struct route_tables),
        sizeof(struct route_map),
        sizeof(struct route_neighbours),
        sizeof(struct capture_ring),
        sizeof(struct half_open),
        sizeof(struct time_wait),
        COUNTER_COUNT,
        DROP_REASON_COUNT,
        SECTION_COUNT,
        PART_COUNT,
    };
    uint64_t hash = 0xcbf29ce484222325ull; /* FNV-1a */
    for (size_t i = 0; i < LENGTH(facts); i++)
        for (int b = 0; b < 64; b += 8)
            hash = (hash ^ (facts[i] >> b & 0xff)) * 0x100000001b3ull;
    return hash;
}

static void format_pools(struct region *r, const struct pool_place *pools, size_t n, const uint64_t *offsets)
{
    for (size_t i = 0; i < n; i++) {
        struct pool *p = (struct pool *)(void *)(r->base + offsets[pools[i].place]);
        pool_init(p, p + 1, pools[i].stride, count_of(&r->header->geometry, &pools[i]));
    }
}

static void format_txn(struct region *r, uint64_t offset, uint64_t which)
{
    struct txn_log *log = (struct txn_log *)(void *)(r->base + offset);
    log->undo_size = r->header->geometry.undo_bytes;
    log->number = which << TXN_NUMBER_SHIFT;
}

void region_format(struct region *r, void *memory, const struct region_geometry *g, const uint8_t boot_id[16])
{
    *r = (struct region){.base = memory, .header = memory};
    struct region_header *h = r->header;
    h->version = REGION_VERSION;
    h->header_size = sizeof *h;
    h->layout_hash = region_layout_hash();
    memcpy(h->boot_id, boot_id, sizeof h->boot_id);
    h->geometry = *g;
    r->size = h->size = place_all(g, h);
    format_pools(r, section_pools, LENGTH(section_pools), h->section);
    format_txn(r, h->section[SECTION_CONTROL_TXN], 0);
    struct event_log *log = region_section(r, SECTION_EVENT_LOG);
    log->segments = g->log_segments;
    /* Position 0 is never an event: a reference of 0 can mean none. */
    log->head = log->oldest = EVENT_SEGMENT_BYTES;
    route_swap_init(&((struct route_tables *)region_section(r, SECTION_ROUTES))->swap);
    route_map_init(region_section(r, SECTION_VOICE_MAP), voice_slots(g));
    route_map_init(region_section(r, SECTION_OWNER_MAP), owner_slots(g));
    route_map_init(region_section(r, SECTION_BOX_MAP), BOX_SLOTS);
    for (uint32_t w = 0; w < g->workers; w++) {
        const uint64_t *part = h->part[w];
        format_pools(r, part_pools, LENGTH(part_pools), part);
        format_txn(r, part[PART_TXN], w + 1);
        ring_init(region_part(r, w, PART_RING_NOTICE), g->ring_bytes);
        ring_init(region_part(r, w, PART_RING_COMMAND), g->ring_bytes);
        ring_init(region_part(r, w, PART_RING_FANOUT), g->ring_bytes);
        ((struct capture_ring *)region_part(r, w, PART_CAPTURE))->size = g->capture_bytes;
        struct topic *topics = region_part(r, w, PART_TOPICS);
        for (uint32_t i = 0; i < g->topics; i++)
            topics[i].head = topics[i].tail = POOL_NONE;
    }
    __atomic_store_n(&h->magic, REGION_MAGIC, __ATOMIC_RELEASE); /* last: before it, this is no region */
}

static int open_huge(const char *path, const char *directory, uint64_t size, char *file, size_t file_size)
{
    struct statfs fs;
    if (!directory || statfs(directory, &fs) || fs.f_type != HUGETLBFS_MAGIC)
        return -1;
    const char *name = strrchr(path, '/');
    snprintf(file, file_size, "%s/voxpop-%d-%s", directory, (int)getpid(), name ? name + 1 : path);
    unlink(file); /* of another life with our process id, killed before anything led to it */
    int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0 && (ftruncate(fd, (off_t)size) || fallocate(fd, 0, 0, (off_t)size))) {
        close(fd);
        unlink(file);
        fd = -1;
    }
    return fd;
}

static int open_ordinary(uint64_t size, char *file, size_t file_size, const char *path)
{
    const char *name = strrchr(path, '/');
    snprintf(file, file_size, "/dev/shm/voxpop-%d-%s", (int)getpid(), name ? name + 1 : path);
    unlink(file);
    int fd = open(file, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0 && ftruncate(fd, (off_t)size)) {
        close(fd);
        unlink(file);
        fd = -1;
    }
    return fd;
}

bool region_create(struct region *r, const char *path, const char *huge_directory,
                   const struct region_geometry *g, char *note, char *why)
{
    uint8_t boot_id[16];
    char file[512];
    if (!region_geometry_check(g, why))
        return false;
    if (!region_boot_id(boot_id))
        return snprintf(why, REGION_WHY, "/proc/sys/kernel/random/boot_id cannot be read: is /proc mounted?"),
               false;
    region_remove(path);
    uint64_t size = region_bytes(g);
    note[0] = 0;
    bool huge = true;
    int fd = open_huge(path, huge_directory, size, file, sizeof file);
    if (fd < 0) {
        huge = false;
        fd = open_ordinary(size, file, sizeof file, path);
        snprintf(note, REGION_WHY, "region of %llu MiB on ordinary memory: not enough free hugepages",
                 (unsigned long long)(size >> 20));
    }
    if (fd < 0)
        return snprintf(why, REGION_WHY, "no memory for a region of %llu MiB: %s",
                        (unsigned long long)(size >> 20), strerror(errno)),
               false;
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (memory == MAP_FAILED) {
        unlink(file);
        return snprintf(why, REGION_WHY, "mapping a region of %llu MiB: %s", (unsigned long long)(size >> 20),
                        strerror(errno)),
               false;
    }
    region_format(r, memory, g, boot_id);
    r->huge = huge;
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    r->header->created_ms = (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
    if (getrandom(&r->header->secrets, sizeof r->header->secrets, 0) != (ssize_t)sizeof r->header->secrets ||
        symlink(file, path)) {
        snprintf(why, REGION_WHY, "%s: %s", path, strerror(errno));
        munmap(memory, size);
        unlink(file);
        return false;
    }
    r->header->secrets.tickets.changes = 0;
    r->header->secrets.tickets.key[0].since_s = (uint64_t)ts.tv_sec;
    return true;
}

bool region_adopt(struct region *r, void *memory, uint64_t size, char *why)
{
    struct region_header *h = memory;
    if (size < sizeof *h || h->magic != REGION_MAGIC)
        return snprintf(why, REGION_WHY, "this is not a voxpop region"), false;
    if (h->version != REGION_VERSION || h->layout_hash != region_layout_hash())
        return snprintf(why, REGION_WHY,
                        "the region was made by another build (layout %016llx, this build has %016llx): a "
                        "cold start is needed, "
                        "stop `voxpop supervise` and start it again",
                        (unsigned long long)h->layout_hash, (unsigned long long)region_layout_hash()),
               false;
    if (h->header_size != sizeof *h || h->size != size)
        return snprintf(why, REGION_WHY,
                        "the region's size is not what its header says: a cold start is needed"),
               false;
    *r = (struct region){.base = memory, .header = h, .size = size};
    return true;
}

bool region_attach(struct region *r, const char *path, bool write, char *why)
{
    int fd = open(path, (write ? O_RDWR : O_RDONLY) | O_CLOEXEC);
    if (fd < 0)
        return snprintf(why, REGION_WHY, "no region at %s (%s): is `voxpop supervise` running?", path,
                        strerror(errno)),
               false;
    struct stat st = {0};
    void *memory = MAP_FAILED;
    bool empty = fstat(fd, &st) == 0 && st.st_size == 0;
    if (!empty)
        memory =
            mmap(NULL, (size_t)st.st_size, write ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, fd, 0);
    close(fd);
    if (empty)
        return snprintf(why, REGION_WHY, "this is not a voxpop region"), false;
    if (memory == MAP_FAILED)
        return snprintf(why, REGION_WHY, "mapping %s: %s", path, strerror(errno)), false;
    uint8_t boot_id[16];
    bool good = region_adopt(r, memory, (uint64_t)st.st_size, why);
    if (good && region_boot_id(boot_id) && memcmp(boot_id, r->header->boot_id, sizeof boot_id)) {
        snprintf(why, REGION_WHY, "the region at %s is from before the last boot: start `voxpop supervise`",
                 path);
        good = false;
    }
    if (!good)
        munmap(memory, (size_t)st.st_size);
    return good;
}

void region_detach(struct region *r)
{
    munmap(r->base, r->size);
    *r = (struct region){0};
}

void region_remove(const char *path)
{
    char file[512];
    ssize_t n = readlink(path, file, sizeof file - 1);
    if (n > 0) {
        file[n] = 0;
        unlink(file);
    }
    unlink(path);
}

bool region_boot_id(uint8_t id[16])
{
    char text[64] = {0};
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    unsigned nibbles = 0;
    memset(id, 0, 16);
    for (ssize_t i = 0; i < n && nibbles < 32; i++) {
        const char *digits = "0123456789abcdef", *d = text[i] ? strchr(digits, text[i]) : NULL;
        if (d) {
            id[nibbles / 2] |= (uint8_t)((d - digits) << (nibbles % 2 ? 0 : 4));
            nibbles++;
        }
    }
    return nibbles == 32;
}

uint64_t region_now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

void region_process_enter(struct region *r, enum region_process_name who)
{
    struct region_process *p = &r->header->process[who];
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    atomic_store(&p->ready, 0);
    atomic_store(&p->started_ms, (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000);
    atomic_store(&p->alive_us, region_now_us());
    atomic_fetch_add(&p->lives, 1);
    atomic_store(&p->pid, (uint32_t)getpid());
}
