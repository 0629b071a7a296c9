/*
 * The loop: the only place of the control plane with a clock, descriptors and sleep. It polls the notice
 * rings, drains the store, carries out deadlines and route changes, serves the operator's socket. Busy:
 * without sleeping. Idle: it sleeps in epoll for at most a millisecond, so that a notice waits no longer; the
 * dataplane wakes nobody.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_LOOP_H
#define VOXPOP_LOOP_H

#include "controlplane/admin.h"
#include "controlplane/requests.h"
#include "controlplane/routes/routes.h"

struct loop {
    struct control *control;
    struct routes *routes;
    struct admin admin;
    struct store *store;
    int epoll, signals;
    bool stop, reload;
    uint64_t published_us; /* when the store was last told what is published */
    uint64_t published;
};

bool loop_open(struct loop *l, struct control *c, struct routes *r, struct store *s, const char *socket,
               char *why);
/* Returns at SIGTERM or SIGINT, or with `reload` set at SIGHUP. */
void loop_run(struct loop *l);
void loop_close(struct loop *l);

/* Waiting for the workers (region_link's wait): signs of life go on, a signal ends the process there and
 * then. */
void loop_wait(void *ctx);

uint64_t loop_unix_ms(void);

#endif
