/*
 * Recording a bundle; see bundle.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/capture/bundle.h"
#include "dataplane/capture/drain.h"
#include "dataplane/capture/facts.h"
#include "dataplane/capture/snapshot.h"

#define BUFFER (1u << 20)

static uint32_t workers(const struct recording *rec)
{
    return rec->region->header->geometry.workers;
}

static void path_of(const struct recording *rec, const char *name, char path[BUNDLE_PATH + 32])
{
    snprintf(path, BUNDLE_PATH + 32, "%s/%s", rec->directory, name);
}

static bool fail(char *why, const char *what, const char *directory)
{
    snprintf(why, 256, "%.150s: %s: %s", directory, what, strerror(errno));
    return false;
}

/* Browsers there now: associations are the helper's and cannot be made again, so that none of what they say
 * could be replayed. */
static bool peers_forbid(const struct region *r, char *why)
{
    unsigned long long n = 0;
    for (uint32_t k = 0; k < r->header->geometry.workers; k++) {
        const struct pool *p = region_part(r, k, PART_MEMBERS);
        uint32_t fresh = p->fresh < p->capacity ? p->fresh : p->capacity;
        for (uint32_t i = 0; i < fresh; i++) {
            const struct voice_member *m = pool_at(p, i);
            n += m->generation && m->kind == MEMBER_WEBRTC;
        }
    }
    if (n)
        snprintf(
            why, 256,
            "%llu browsers are in voice channels, and DTLS cannot be replayed: record when they have left",
            n);
    return n;
}

bool recording_begin(struct recording *rec, struct region *r, const char *directory, uint64_t unix_offset_us,
                     char *why)
{
    char path[BUNDLE_PATH + 32];
    *rec = (struct recording){.region = r, .inputs = -1, .unix_offset_us = unix_offset_us};
    if (peers_forbid(r, why))
        return false;
    if (strlen(directory) >= sizeof rec->directory) {
        snprintf(why, 256, "the directory's name is too long");
        return false;
    }
    memcpy(rec->directory, directory, strlen(directory) + 1);
    if (mkdir(directory, 0700) && errno != EEXIST)
        return fail(why, "cannot be made", directory);
    if (chmod(directory, 0700))
        return fail(why, "is not ours", directory);
    path_of(rec, "bundle.json", path);
    unlink(path); /* of an earlier recording: without it this is no bundle */
    path_of(rec, "inputs", path);
    rec->inputs = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (rec->inputs < 0)
        return fail(why, "cannot be written", path);
    rec->copy = snapshot_memory(r->size);
    rec->buffer = malloc(BUFFER);
    if (!rec->copy || !rec->buffer) {
        recording_abandon(rec);
        return fail(why, "no memory for a snapshot", directory);
    }
    snapshot_copy(r, rec->copy);
    for (uint32_t k = 0; k < workers(rec); k++)
        rec->dropped[k] = atomic_load(&drain_ring(r, k)->dropped);
    rec->generation = drain_start(r, CAPTURE_REPLAY, 0);
    return true;
}

bool recording_paused(const struct recording *rec)
{
    for (uint32_t k = 0; k < workers(rec); k++)
        if (atomic_load(&drain_ring(rec->region, k)->paused) != rec->generation)
            return false;
    return true;
}

void recording_copy(struct recording *rec)
{
    rec->copied = snapshot_copy(rec->region, rec->copy);
    for (uint32_t k = 0; k < workers(rec); k++)
        atomic_store(&drain_ring(rec->region, k)->released, rec->generation);
    snapshot_forget_keys(rec->copy);
}

int recording_released(const struct recording *rec)
{
    int all = 1;
    for (uint32_t k = 0; k < workers(rec); k++) {
        const struct capture_ring *c = drain_ring(rec->region, k);
        if (atomic_load(&c->refused) == rec->generation)
            return -1;
        if (atomic_load(&c->recording) != rec->generation)
            all = 0;
    }
    return all;
}

bool recording_save(struct recording *rec, char *why)
{
    char path[BUNDLE_PATH + 32];
    path_of(rec, "snapshot", path);
    return snapshot_write(rec->copy, rec->region->size, path, why);
}

/* ---- inputs ---- */

static void flush(struct recording *rec)
{
    for (size_t done = 0; done < rec->used && !rec->why[0];) {
        ssize_t n = write(rec->inputs, rec->buffer + done, rec->used - done);
        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && errno != EINTR)
            snprintf(rec->why, sizeof rec->why, "inputs could not be written: %s", strerror(errno));
    }
    rec->used = 0;
}

static void append(struct recording *rec, const struct capture_entry *e)
{
    uint64_t n = drain_entry_bytes(e);
    if (n > BUFFER - rec->used)
        flush(rec);
    if (n > BUFFER) {
        snprintf(rec->why, sizeof rec->why, "an input of %llu bytes", (unsigned long long)n);
        return;
    }
    memcpy(rec->buffer + rec->used, e, sizeof *e + e->length);
    memset(rec->buffer + rec->used + sizeof *e + e->length, 0, n - sizeof *e - e->length);
    rec->used += n;
    rec->entries++;
    rec->bytes += n;
    rec->packets += e->kind == CAPTURE_RX || e->kind == CAPTURE_RX_HANDED;
    rec->last_us = e->time_us;
}

static void take_facts(struct recording *rec, uint32_t k, const struct capture_entry *e)
{
    struct bundle_worker *w = &rec->worker[k];
    if (e->length != sizeof w->facts)
        return;
    memcpy(&w->facts, e + 1, sizeof w->facts);
    w->known = w->facts.size == sizeof w->facts;
    w->started_us = e->time_us;
    w->paused_us = atomic_load(&drain_ring(rec->region, k)->paused_us);
}

/* Routes are in the snapshot, and not among the inputs. */
static void check_step(struct recording *rec, const struct capture_entry *e)
{
    const struct record_step *s = (const void *)(e + 1);
    const struct route_tables *t = (const void *)(rec->copy + rec->region->header->section[SECTION_ROUTES]);
    if (s->route_generation != atomic_load(&t->swap.generation) && !rec->why[0])
        snprintf(rec->why, sizeof rec->why, "routes were changed meanwhile");
}

unsigned recording_drain(struct recording *rec)
{
    unsigned taken = 0;
    for (uint32_t k = 0; k < workers(rec); k++) {
        struct capture_ring *c = drain_ring(rec->region, k);
        const struct capture_entry *e;
        for (unsigned n = 0; n < 4096 && (e = drain_next(c)); n++, taken++) {
            if (e->kind == CAPTURE_FACTS) {
                take_facts(rec, k, e);
            } else {
                if (e->kind == CAPTURE_STEP && e->length == sizeof(struct record_step))
                    check_step(rec, e);
                append(rec, e);
            }
            drain_done(c, e);
        }
    }
    if (!taken && rec->used)
        flush(rec);
    return taken;
}

bool recording_broken(struct recording *rec)
{
    for (uint32_t k = 0; k < workers(rec) && !rec->why[0]; k++) {
        const struct capture_ring *c = drain_ring(rec->region, k);
        uint64_t dropped = atomic_load(&c->dropped) - rec->dropped[k];
        if (dropped)
            snprintf(
                rec->why, sizeof rec->why,
                "%llu inputs of worker %u found no room: make limits.capture_bytes larger, or record less",
                (unsigned long long)dropped, k);
        else if (atomic_load(&c->wanted) == CAPTURE_REPLAY && atomic_load(&c->recording) != rec->generation &&
                 !peers_forbid(rec->region, rec->why))
            snprintf(rec->why, sizeof rec->why, "worker %u ended during the recording", k);
    }
    return rec->why[0] != 0;
}

void recording_stop(struct recording *rec)
{
    drain_stop(rec->region);
}

bool recording_stopped(const struct recording *rec)
{
    for (uint32_t k = 0; k < workers(rec); k++)
        if (atomic_load(&drain_ring(rec->region, k)->recording) == rec->generation)
            return false;
    return true;
}

/* ---- bundle.json ---- */

static json_t *geometry_json(const struct region_geometry *g)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I, s:I}", "workers", (json_int_t)g->workers, "connections",
                     (json_int_t)g->connections, "sessions", (json_int_t)g->sessions, "topics",
                     (json_int_t)g->topics, "members", (json_int_t)g->members, "log_segments",
                     (json_int_t)g->log_segments, "ring_bytes", (json_int_t)g->ring_bytes);
}

static json_t *workers_json(const struct recording *rec)
{
    json_t *list = json_array();
    for (uint32_t k = 0; k < workers(rec); k++) {
        const struct bundle_worker *w = &rec->worker[k];
        char mac[18];
        facts_mac(w->facts.mac, mac);
        json_array_append_new(
            list, json_pack("{s:s, s:I, s:b, s:I, s:I}", "mac", mac, "mtu", (json_int_t)w->facts.mtu,
                            "answers_link", (int)w->facts.answers_link, "started_us",
                            (json_int_t)w->started_us, "paused_us", (json_int_t)w->paused_us));
    }
    return list;
}

static json_t *bundle_json(const struct recording *rec)
{
    char layout[20];
    snprintf(layout, sizeof layout, "%016llx", (unsigned long long)rec->region->header->layout_hash);
    json_t *why = rec->why[0] ? json_string(rec->why) : json_null();
    return json_pack(
        "{s:i, s:s, s:b, s:o, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:I, s:o, s:o}", "voxpop_bundle",
        BUNDLE_VERSION, "holds", "keys of connections and calls, and what was said: treat it as a secret",
        "complete", rec->why[0] == 0, "why", why, "layout", layout, "geometry",
        geometry_json(&rec->region->header->geometry), "unix_offset_us", (json_int_t)rec->unix_offset_us,
        "started_us", (json_int_t)rec->worker[0].started_us, "ended_us", (json_int_t)rec->last_us, "entries",
        (json_int_t)rec->entries, "packets", (json_int_t)rec->packets, "bytes", (json_int_t)rec->bytes,
        "config", facts_config(&rec->worker[0].facts.config), "workers", workers_json(rec));
}

static void release(struct recording *rec)
{
    if (rec->copy)
        munmap(rec->copy, rec->region->size);
    free(rec->buffer);
    if (rec->inputs >= 0)
        close(rec->inputs);
    rec->copy = NULL;
    rec->buffer = NULL;
    rec->inputs = -1;
}

bool recording_finish(struct recording *rec, char *why)
{
    char path[BUNDLE_PATH + 32];
    while (recording_drain(rec))
        ;
    recording_broken(rec);
    for (uint32_t k = 0; k < workers(rec) && !rec->why[0]; k++)
        if (!rec->worker[k].known)
            snprintf(rec->why, sizeof rec->why, "worker %u is of another build", k);
    json_t *j = bundle_json(rec);
    path_of(rec, "bundle.json", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    bool good = j && fd >= 0 && json_dumpfd(j, fd, JSON_INDENT(2)) == 0 && write(fd, "\n", 1) == 1;
    if (fd >= 0 && close(fd))
        good = false;
    json_decref(j);
    if (!good)
        fail(why, "cannot be written", path);
    release(rec);
    return good;
}

void recording_abandon(struct recording *rec)
{
    static const char *const names[] = {"inputs", "snapshot", "bundle.json"};
    char path[BUNDLE_PATH + 32];
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        path_of(rec, names[i], path);
        unlink(path);
    }
    rmdir(rec->directory);
    release(rec);
}
