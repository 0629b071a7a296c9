/*
 * The control plane's process on a region of the test's own: started, killed and started again, asked on its
 * socket, and talked to over the rings of the one worker, which the test plays.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TEST_PROCESS_H
#define VOXPOP_TEST_PROCESS_H

#include <jansson.h>
#include <sys/types.h>

#include "region.h"
#include "verb.h"

extern const char *pop_program; /* its file */

struct pop {
    char dir[64], config[96];
    struct region region;
    struct ring_end notice, command, fanout;
    struct txn txn;
    pid_t pid;
};

/* Region and configuration, and the process, ready. */
void pop_open(struct pop *p);
/* Ends it by SIGTERM, which it must obey, and removes everything. */
void pop_close(struct pop *p);
void pop_spawn(struct pop *p);
bool pop_ready(const struct pop *p);
/* Spawns the process, and waits until it is ready. */
void pop_start(struct pop *p);
/* One request on the operator's socket. */
json_t *pop_ask(const struct pop *p, const char *line);
void pop_say(struct pop *p, enum notice type, const void *data, size_t length);
/* The next entry of a ring with this verb, within five seconds. */
const struct ring_entry *pop_hear(struct pop *p, struct ring_end *from, enum verb verb);

#endif
