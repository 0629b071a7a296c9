/*
 * A capture: what the operator asked for, the process in the background that writes it, and what is known of
 * it from outside.
 *
 * One at a time. `capture.pid` in the run directory is locked by the writer for as long as it lives, so that
 * a dead one is known as such; `capture.json` beside it says what it has done so far.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CLI_CAPTURE_H
#define VOXPOP_CLI_CAPTURE_H

#include <jansson.h>

#include "cli/place.h"

struct capture_job {
    struct place place;
    struct region region; /* mapped for writing */
    enum capture_filter filter;
    uint32_t session, room; /* CAPTURE_SESSION, CAPTURE_ROOM: index */
    char path[512];         /* file, or directory of the bundle */
    uint64_t duration_us;   /* 0: until it is stopped */
    uint64_t packets_max;   /* 0: any number */
    int lock;               /* capture.pid */
};

/* ---- capture_state.c ---- */

/* Locks capture.pid. -1: its writer is alive (*writer: its pid), or (*writer 0) it cannot be made, said on
 * stderr. */
int capture_lock(const struct place *p, long *writer);

/* Says whose the lock is. */
void capture_sign(int lock, long pid);

/* capture.json, replaced whole. Takes `state`. */
void capture_tell(const struct place *p, json_t *state);

/* NULL: there was no capture yet. */
json_t *capture_told(const struct place *p);

/* ---- capture_writer.c ---- */

/* The process in the background: never returns. Writes one line to `answer`, JSON of what it does, or of why
 * it does not
 * ({"error"}), and closes it. */
void capture_write(struct capture_job *job, int answer) __attribute__((noreturn));

#endif
