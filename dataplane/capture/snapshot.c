/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/capture/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>
#include <zlib.h>

#define PAGE       4096u
#define RANGES_MAX (16u + WORKERS_MAX * 24u)
#define REGION_MAX (1ull << 42)

static const char magic[8] = "VXSNAP01";

struct range {
    uint64_t offset, length;
};

struct ranges {
    struct range range[RANGES_MAX];
    unsigned count;
};

static void add(struct ranges *l, uint64_t offset, uint64_t length)
{
    if (length && l->count < RANGES_MAX)
        l->range[l->count++] = (struct range){offset, length};
}

static void add_pool(struct ranges *l, const struct region *r, uint64_t offset)
{
    const struct pool *p = (const void *)(r->base + offset);
    uint32_t fresh = p->fresh < p->capacity ? p->fresh : p->capacity;
    add(l, offset, p->elements + (uint64_t)fresh * p->stride);
}

/* The log's head, and the newest events. */
static void add_log(struct ranges *l, const struct region *r)
{
    const struct event_log *log = region_section(r, SECTION_EVENT_LOG);
    uint64_t head = atomic_load(&log->head), from = atomic_load(&log->oldest), bytes = event_log_bytes(log);
    uint64_t data = r->header->section[SECTION_EVENT_LOG] + sizeof *log;
    if (from > head || head - from > bytes)
        from = head > bytes ? head - bytes : 0;
    if (head - from > SNAPSHOT_LOG_BYTES)
        from = head - SNAPSHOT_LOG_BYTES;
    add(l, r->header->section[SECTION_EVENT_LOG], sizeof *log);
    uint64_t start = from % bytes, length = head - from;
    uint64_t first = start + length > bytes ? bytes - start : length;
    add(l, data + start, first);
    add(l, data, length - first);
}

static void add_worker(struct ranges *l, const struct region *r, uint32_t k)
{
    static const enum worker_part pools[] = {PART_CONNECTIONS, PART_BLOCKS, PART_DESCRIPTORS,
                                             PART_ITEMS,       PART_CHUNKS, PART_TOPIC_CHUNKS,
                                             PART_ROOMS,       PART_MEMBERS};
    static const enum worker_part rings[] = {PART_RING_NOTICE, PART_RING_COMMAND, PART_RING_FANOUT};
    const uint64_t *part = r->header->part[k];
    const struct region_geometry *g = &r->header->geometry;
    add(l, part[PART_AREA], sizeof(struct worker_area));
    add(l, part[PART_COUNTERS], sizeof(struct counters));
    add(l, part[PART_TXN], sizeof(struct txn_log)); /* no transaction is open: nothing to undo */
    add(l, part[PART_TOPICS], (uint64_t)sizeof(struct topic) * g->topics);
    add(l, part[PART_NEIGHBOURS], sizeof(struct route_neighbours));
    add(l, part[PART_PINS], (uint64_t)sizeof(uint32_t) * g->log_segments);
    add(l, part[PART_HALF_OPEN],
        sizeof(struct half_open_table) + (uint64_t)sizeof(struct half_open) * half_open_entries(g->connections));
    add(l, part[PART_TIME_WAIT],
        sizeof(struct time_wait_table) + (uint64_t)sizeof(struct time_wait) * time_wait_entries(g->connections));
    for (size_t i = 0; i < sizeof pools / sizeof *pools; i++)
        add_pool(l, r, part[pools[i]]);
    for (size_t i = 0; i < sizeof rings / sizeof *rings; i++)
        add(l, part[rings[i]], sizeof(struct ring)); /* entries are inputs, or output */
}

static void list(struct ranges *l, const struct region *r)
{
    const struct region_header *h = r->header;
    const struct pool *sessions = region_section(r, SECTION_SESSIONS_CONTROL);
    uint32_t fresh = sessions->fresh < h->geometry.sessions ? sessions->fresh : h->geometry.sessions;
    l->count = 0;
    add(l, 0, sizeof *h);
    /* The swap first: the half that is active by it stays as it is while no worker reads on. */
    add(l, h->section[SECTION_ROUTES], sizeof(struct route_swap));
    add(l, h->section[SECTION_ROUTES] + sizeof(struct route_swap), 2 * sizeof(struct route_table));
    add(l, h->section[SECTION_SESSIONS_CONTROL], sizeof *sessions); /* how many sessions there are */
    add(l, h->section[SECTION_SESSIONS], (uint64_t)sizeof(struct session) * fresh);
    add_log(l, r);
    for (uint32_t k = 0; k < h->geometry.workers; k++)
        add_worker(l, r, k);
}

uint8_t *snapshot_memory(uint64_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

uint64_t snapshot_copy(const struct region *r, uint8_t *to)
{
    struct ranges l;
    uint64_t bytes = 0;
    list(&l, r);
    for (unsigned i = 0; i < l.count; i++) {
        txn_barrier();
        memcpy(to + l.range[i].offset, r->base + l.range[i].offset, l.range[i].length);
        bytes += l.range[i].length;
    }
    return bytes;
}

void snapshot_forget_keys(uint8_t *copy)
{
    struct region_secrets *s = &((struct region_header *)(void *)copy)->secrets;
    memset(&s->tickets, 0, sizeof s->tickets);
    memset(s->token_hmac, 0, sizeof s->token_hmac);
    memset(s->seed, 0, sizeof s->seed);
}

/* ---- the file ---- */

static bool is_zero(const uint8_t *p, size_t n)
{
    static const uint8_t zero[PAGE];
    return memcmp(p, zero, n) == 0;
}

static bool put(gzFile z, const void *p, uint64_t n)
{
    for (const uint8_t *at = p; n;) {
        unsigned part = n < (1u << 30) ? (unsigned)n : 1u << 30;
        if (gzwrite(z, at, part) != (int)part)
            return false;
        at += part;
        n -= part;
    }
    return true;
}

static bool put_run(gzFile z, const uint8_t *copy, uint64_t from, uint64_t to)
{
    uint64_t head[2] = {from, to - from};
    return from == to || (put(z, head, sizeof head) && put(z, copy + from, to - from));
}

/* A range without its pages of zeros. */
static bool put_range(gzFile z, const uint8_t *copy, const struct range *r)
{
    uint64_t end = r->offset + r->length, from = r->offset;
    for (uint64_t at = r->offset, next; at < end; at = next) {
        next = (at / PAGE + 1) * PAGE < end ? (at / PAGE + 1) * PAGE : end;
        if (!is_zero(copy + at, next - at))
            continue;
        if (!put_run(z, copy, from, at))
            return false;
        from = next;
    }
    return put_run(z, copy, from, end);
}

static bool put_all(gzFile z, const uint8_t *copy, uint64_t size)
{
    const struct region r = {
        .base = (uint8_t *)(uintptr_t)copy, .header = (void *)(uintptr_t)copy, .size = size};
    struct ranges l;
    uint64_t end[2] = {0};
    list(&l, &r);
    bool good = put(z, magic, sizeof magic) && put(z, &size, sizeof size);
    for (unsigned i = 0; good && i < l.count; i++)
        good = put_range(z, copy, &l.range[i]);
    return good && put(z, end, sizeof end);
}

bool snapshot_write(const uint8_t *copy, uint64_t size, const char *path, char *why)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), failed = errno;
    gzFile z = fd < 0 ? NULL : gzdopen(fd, "wb1");
    bool good = z && put_all(z, copy, size);
    if (z) {
        failed = errno;
        good &= gzclose(z) == Z_OK;
    } else if (fd >= 0) {
        close(fd);
    }
    if (!good)
        snprintf(why, 256, "%.180s cannot be written: %s", path, strerror(failed));
    return good;
}

static bool get(gzFile z, void *p, uint64_t n)
{
    for (uint8_t *at = p; n;) {
        unsigned part = n < (1u << 30) ? (unsigned)n : 1u << 30;
        if (gzread(z, at, part) != (int)part)
            return false;
        at += part;
        n -= part;
    }
    return true;
}

/* NULL: not a snapshot, or cut short. */
static uint8_t *read_ranges(gzFile z, uint64_t *size)
{
    char start[sizeof magic];
    uint64_t head[2];
    if (!get(z, start, sizeof start) || memcmp(start, magic, sizeof magic) || !get(z, size, sizeof *size) ||
        *size < sizeof(struct region_header) || *size > REGION_MAX)
        return NULL;
    uint8_t *memory = snapshot_memory(*size);
    bool good = memory != NULL;
    while (good && (good = get(z, head, sizeof head)) && head[1])
        good = head[0] <= *size && head[1] <= *size - head[0] && get(z, memory + head[0], head[1]);
    if (good)
        return memory;
    if (memory)
        munmap(memory, *size);
    return NULL;
}

bool snapshot_read(struct region *r, const char *path, char *why)
{
    gzFile z = gzopen(path, "rb");
    uint64_t size = 0;
    if (!z) {
        snprintf(why, 256, "%.180s: %s", path, strerror(errno));
        return false;
    }
    uint8_t *memory = read_ranges(z, &size);
    gzclose(z);
    if (!memory) {
        snprintf(why, 256, "%.180s: not a snapshot, or not whole", path);
        return false;
    }
    if (!region_adopt(r, memory, size, why)) {
        munmap(memory, size);
        return false;
    }
    return true;
}
