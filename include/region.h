/*
 * Creating, attaching and recovering the region (layout.h says what is in it).
 *
 * Errors: functions that can fail return NULL or false and put one line for the operator into `why` (at least
 * 256 bytes).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_REGION_H
#define VOXPOP_REGION_H

#include "layout.h"

struct region {
    uint8_t *base;
    struct region_header *header;
    uint64_t size;
    bool huge; /* on hugepages */
};

/* Bytes that a region of this geometry takes. */
uint64_t region_bytes(const struct region_geometry *g);

/* Checks a geometry: counts that must be powers of two, ranges. */
bool region_geometry_check(const struct region_geometry *g, char *why);

/*
 * Creates the region `path` anew (an existing one is discarded). With `huge_directory` the bytes lie in a
 * file there and `path` becomes a symbolic link to it; if the hugepages do not suffice, ordinary memory under
 * /dev/shm is taken and *note says so.
 */
bool region_create(struct region *r, const char *path, const char *huge_directory,
                   const struct region_geometry *g, char *note, char *why);

/* Lays out an empty region in memory that the caller provides (tests, replay): `size` >= region_bytes(g),
 * zeroed, page aligned. */
void region_format(struct region *r, void *memory, const struct region_geometry *g,
                   const uint8_t boot_id[16]);

/* Maps an existing region. `write` false: read-only (operator's tools). */
bool region_attach(struct region *r, const char *path, bool write, char *why);

/* Takes bytes already mapped for a region, after the same checks (replay). */
bool region_adopt(struct region *r, void *memory, uint64_t size, char *why);

void region_detach(struct region *r);

/* Removes the region's files. */
void region_remove(const char *path);

/* Identity of the layout: changes when any struct or enum of the region does. */
uint64_t region_layout_hash(void);

/* This machine's boot id (16 bytes), which a region is valid for. */
bool region_boot_id(uint8_t id[16]);

static inline void *region_section(const struct region *r, enum region_section s)
{
    return r->base + r->header->section[s];
}

static inline void *region_part(const struct region *r, uint32_t worker, enum worker_part p)
{
    return r->base + r->header->part[worker][p];
}

/* CLOCK_MONOTONIC in microseconds: the clock of alive_us, loop_us and of every core's `now`. */
uint64_t region_now_us(void);

/* A process says that it is there: pid, lives, started, ready = 0. */
void region_process_enter(struct region *r, enum region_process_name who);

static inline struct session_control *session_control_at(const struct region *r, uint32_t index)
{
    return pool_at(region_section(r, SECTION_SESSIONS_CONTROL), index);
}

static inline struct session *session_at(const struct region *r, uint32_t index)
{
    return (struct session *)region_section(r, SECTION_SESSIONS) + index;
}

static inline struct connection *connection_at(const struct region *r, uint32_t worker, uint32_t index)
{
    return pool_at(region_part(r, worker, PART_CONNECTIONS), index);
}

/* A connection's index in a handle names the worker too: index = worker * connections + index within the
 * worker. */
static inline struct connection *connection_of(const struct region *r, uint64_t handle, uint32_t *worker)
{
    uint32_t index = (uint32_t)handle, per = r->header->geometry.connections;
    if (index / per >= r->header->geometry.workers)
        return NULL;
    if (worker)
        *worker = index / per;
    struct connection *c = connection_at(r, index / per, index % per);
    return c->generation == (uint32_t)(handle >> 32) && c->kind != CONNECTION_FREE ? c : NULL;
}

/* Members likewise: index = worker * members + index within the worker. */
static inline struct voice_member *member_at(const struct region *r, uint32_t index)
{
    uint32_t per = r->header->geometry.members;
    return pool_at(region_part(r, index / per, PART_MEMBERS), index % per);
}

#endif
