/*
 * A bundle: everything that a replay needs, in a directory of its own (mode 0700, files 0600: it holds the
 * keys of connections and calls, and what was said).
 *
 *   snapshot      the region as it stood between two transactions of every worker (snapshot.h)
 *   inputs        entries of the capture rings (record.h), each with its head; of a worker in order
 *   bundle.json   version, layout, geometry, configuration, times; whether it is whole, and if not why not
 *
 * Recording goes through these calls, which never block, so that a test can do it beside the workers:
 *
 *   begin -> paused? -> copy -> released? -> save -> drain ... -> stop -> stopped? -> finish
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_BUNDLE_H
#define VOXPOP_BUNDLE_H

#include <jansson.h>

#include "dataplane/capture/record.h"

#define BUNDLE_VERSION 1
#define BUNDLE_PATH    512u

struct bundle_worker {
    struct record_facts facts;
    bool known;          /* its facts have come */
    uint64_t started_us; /* the time of its first iteration in the recording */
    uint32_t paused_us;
};

struct recording {
    struct region *region;
    char directory[BUNDLE_PATH];
    char why[256]; /* why the bundle is not whole; empty: it is */
    uint32_t generation;
    uint64_t dropped[WORKERS_MAX]; /* before it began */
    uint8_t *copy;
    uint64_t copied; /* bytes */
    int inputs;      /* file */
    uint8_t *buffer;
    size_t used;
    uint64_t entries, packets, bytes;
    uint64_t unix_offset_us; /* unix time - the loop's time */
    uint64_t last_us;
    struct bundle_worker worker[WORKERS_MAX];
};

/* Makes the directory and asks the workers to stand still. False, with a line in `why` (256 bytes). */
bool recording_begin(struct recording *rec, struct region *r, const char *directory, uint64_t unix_offset_us,
                     char *why);

/* Every worker stands still. */
bool recording_paused(const struct recording *rec);

/* Copies the region and lets the workers go on. */
void recording_copy(struct recording *rec);

/* 1: every worker records; 0: not yet; -1: one did not wait, the recording is void. */
int recording_released(const struct recording *rec);

/* Writes the copy; may be done by a child process. */
bool recording_save(struct recording *rec, char *why);

/* Takes what the workers recorded. Returns entries. */
unsigned recording_drain(struct recording *rec);

/* Something was lost, or a worker has ended: rec->why says what; recording on is of no use. */
bool recording_broken(struct recording *rec);

/* Tells the workers to stop; every worker has stopped. */
void recording_stop(struct recording *rec);
bool recording_stopped(const struct recording *rec);

/* Takes what is left and writes bundle.json. False, with a line in `why`: it could not be written. */
bool recording_finish(struct recording *rec, char *why);

/* Without a bundle: removes what was begun. */
void recording_abandon(struct recording *rec);

/* ---- reading ---- */

struct bundle {
    struct region region; /* private memory */
    struct worker_config config;
    struct bundle_worker worker[WORKERS_MAX]; /* facts.config is not filled in: it is the same for all */
    uint64_t unix_offset_us;
    const uint8_t *inputs; /* mapped */
    uint64_t inputs_size;
};

/* False, with a line in `why` (256 bytes): not a bundle, of another build, or not whole. */
bool bundle_open(struct bundle *b, const char *directory, char *why);
void bundle_close(struct bundle *b);

/* The entry at *at, which moves on behind it; NULL at the end. *whole is false when the file ends within it.
 */
const struct capture_entry *bundle_next(const struct bundle *b, uint64_t *at, bool *whole);

#endif
