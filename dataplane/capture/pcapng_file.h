/*
 * A pcapng file being written: an interface for each worker, packets, statistics at the end. Gathers blocks
 * and writes them whole, so that a file whose writer was killed can be read up to there.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_PCAPNG_FILE_H
#define VOXPOP_PCAPNG_FILE_H

#include <stdbool.h>

#include "dataplane/capture/pcapng.h"
#include "layout.h"

#define PCAPNG_FILE_BUFFER (256u << 10)

struct pcapng_file {
    int fd;
    int error; /* errno of the first write that failed, 0: none */
    uint32_t interfaces;
    size_t used;    /* bytes gathered */
    uint64_t bytes; /* of the file so far, with those */
    uint64_t start_us;
    uint64_t last_us;
    uint64_t packets[WORKERS_MAX];
    uint8_t buffer[PCAPNG_FILE_BUFFER];
};

/* Creates (mode 0600) or empties the file. False, with a line in `why` (256 bytes). */
bool pcapng_file_open(struct pcapng_file *f, const char *path, uint32_t workers, uint64_t start_us,
                      char *why);

void pcapng_file_packet(struct pcapng_file *f, uint32_t worker, uint64_t time_us,
                        enum pcapng_direction direction, const void *frame, size_t length);

/* Hands what was gathered to the kernel. */
void pcapng_file_flush(struct pcapng_file *f);

/* Writes the statistics and closes. `dropped`: a count for each worker, or NULL. False: not everything could
 * be written. */
bool pcapng_file_close(struct pcapng_file *f, const uint64_t *dropped, uint64_t end_us);

#endif
