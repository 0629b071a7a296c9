/*
 * Compressing an event's text once for everybody (event_log.h): raw deflate without history, ended by a sync
 * flush. One thread.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_DEFLATE_H
#define VOXPOP_DEFLATE_H

#include <stddef.h>
#include <stdint.h>

struct deflater;

struct deflater *deflater_open(void);
void deflater_close(struct deflater *d);

#define DEFLATER_TEXTS 2u

struct deflated {
    const uint8_t *bytes; /* good until the same place is used again; NULL: it would be longer than allowed */
    size_t length;
    uint32_t check; /* Adler-32 of the text */
};

/* Compresses a text to place `at` (below DEFLATER_TEXTS), to at most `max` bytes. */
struct deflated deflater_text(struct deflater *d, unsigned at, const char *text, size_t length, size_t max);

#endif
