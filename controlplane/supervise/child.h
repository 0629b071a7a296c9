/*
 * One of the two processes: started, or taken over from an earlier supervisor; watched through a pidfd, so
 * that it need not be a child of ours and its number cannot be mistaken for another's.
 *
 *      ABSENT --child_start--> RUNNING --child_ended--> ABSENT
 *         \----child_adopt----/
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_SUPERVISE_CHILD_H
#define VOXPOP_SUPERVISE_CHILD_H

#include <sys/types.h>

#include "config/config.h"
#include "controlplane/supervise/restart.h"
#include "region.h"

struct child {
    const char *name; /* dataplane, controlplane */
    enum region_process_name process;
    char program[512];
    char pid_file[512];
    pid_t pid; /* 0: absent */
    int pidfd; /* -1: absent */
    bool own;  /* our child: we reap it */
    uint64_t started_us;
    struct restart restart;
    uint64_t due_us; /* absent: when to start it */
};

/* Finds the program and the place of the pid file. False, with a line: there is no program. */
bool child_prepare(struct child *ch, const struct config *c, const char *name,
                   enum region_process_name process);

bool child_start(struct child *ch, const struct config *c, const char *file);

/* Takes over the running process that the region or the pid file names, if it runs our program. */
bool child_adopt(struct child *ch, const struct region *r);

/* Its pidfd says that it has ended, as it was `asked` to or not: reaps, logs, and sets due_us. */
void child_ended(struct child *ch, bool asked);

void child_signal(const struct child *ch, int signal);

/* A file with a process id in it, replaced in one step. */
bool child_write_pid(const char *path, pid_t pid);

#endif
