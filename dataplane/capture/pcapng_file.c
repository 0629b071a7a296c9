/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/capture/pcapng_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static uint8_t *room_at(struct pcapng_file *f, size_t need)
{
    if (sizeof f->buffer - f->used < need)
        pcapng_file_flush(f);
    return f->buffer + f->used;
}

static void wrote(struct pcapng_file *f, size_t n)
{
    f->used += n;
    f->bytes += n;
}

bool pcapng_file_open(struct pcapng_file *f, const char *path, uint32_t workers, uint64_t start_us, char *why)
{
    memset(f, 0, offsetof(struct pcapng_file, buffer));
    f->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (f->fd < 0) {
        snprintf(why, 256, "%.180s: %s", path, strerror(errno));
        return false;
    }
    f->start_us = f->last_us = start_us;
    f->interfaces = workers;
    wrote(f, pcapng_section(room_at(f, PCAPNG_OVERHEAD_MAX), PCAPNG_OVERHEAD_MAX, "voxpop"));
    for (uint32_t k = 0; k < workers; k++) {
        char name[32];
        snprintf(name, sizeof name, "worker%u", k);
        wrote(f, pcapng_interface(room_at(f, PCAPNG_OVERHEAD_MAX), PCAPNG_OVERHEAD_MAX, name,
                                  "voxpop dataplane"));
    }
    return true;
}

void pcapng_file_packet(struct pcapng_file *f, uint32_t worker, uint64_t time_us,
                        enum pcapng_direction direction, const void *frame, size_t length)
{
    size_t need = length + PCAPNG_OVERHEAD_MAX;
    if (worker >= f->interfaces || need > sizeof f->buffer)
        return;
    wrote(f, pcapng_packet(room_at(f, need), need, worker, time_us, direction, frame, length));
    f->packets[worker]++;
    f->last_us = time_us;
}

void pcapng_file_flush(struct pcapng_file *f)
{
    size_t done = 0;
    while (done < f->used && !f->error) {
        ssize_t n = write(f->fd, f->buffer + done, f->used - done);
        if (n > 0)
            done += (size_t)n;
        else if (n < 0 && errno != EINTR)
            f->error = errno;
    }
    f->used = 0;
}

bool pcapng_file_close(struct pcapng_file *f, const uint64_t *dropped, uint64_t end_us)
{
    for (uint32_t k = 0; k < f->interfaces; k++)
        wrote(f, pcapng_statistics(room_at(f, PCAPNG_OVERHEAD_MAX), PCAPNG_OVERHEAD_MAX, k, f->start_us,
                                   end_us, f->packets[k], dropped ? dropped[k] : 0));
    pcapng_file_flush(f);
    if (close(f->fd) && !f->error)
        f->error = errno;
    return !f->error;
}
