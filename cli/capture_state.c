/*
 * What is known of a capture from outside; see capture.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "cli/capture.h"

/* A file beside the region. */
static void path_of(const struct place *p, const char *name, char path[600])
{
    const char *slash = strrchr(p->region, '/');
    snprintf(path, 600, "%.*s/%s", slash ? (int)(slash - p->region) : 1, slash ? p->region : ".", name);
}

int capture_lock(const struct place *p, long *writer)
{
    char path[600], text[32] = "";
    path_of(p, "capture.pid", path);
    *writer = 0;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0) {
        fprintf(stderr, "voxpop: %s: %s\n", path, strerror(errno));
        return -1;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    ssize_t n = read(fd, text, sizeof text - 1);
    *writer = n > 0 ? strtol(text, NULL, 10) : 1;
    close(fd);
    return -1;
}

void capture_sign(int lock, long pid)
{
    if (ftruncate(lock, 0) == 0 && pid)
        dprintf(lock, "%ld\n", pid);
}

void capture_tell(const struct place *p, json_t *state)
{
    char path[600], temporary[600];
    path_of(p, "capture.json", path);
    path_of(p, "capture.json.new", temporary);
    if (json_dump_file(state, temporary, 0) == 0)
        rename(temporary, path);
    json_decref(state);
}

json_t *capture_told(const struct place *p)
{
    char path[600];
    path_of(p, "capture.json", path);
    return json_load_file(path, 0, NULL);
}
