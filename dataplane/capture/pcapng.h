/*
 * Writing pcapng (draft-ietf-opsawg-pcapng): blocks into a buffer of the caller's. Pure: no I/O, no clock.
 *
 * Each function returns the bytes written, a multiple of 4, or 0 when `room` does not suffice. A file is a
 * section, an interface for each worker (numbered in order, from 0), packets, and in the end an interface's
 * statistics. Times are microseconds of unix time. Little endian. One section; frames are Ethernet.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_PCAPNG_H
#define VOXPOP_PCAPNG_H

#include <stddef.h>
#include <stdint.h>

#define PCAPNG_TEXT_MAX     64u
#define PCAPNG_OVERHEAD_MAX 256u /* of any block, beside a frame's bytes */

enum pcapng_direction { PCAPNG_UNKNOWN = 0, PCAPNG_INBOUND = 1, PCAPNG_OUTBOUND = 2 };

size_t pcapng_section(uint8_t *dst, size_t room, const char *application);

size_t pcapng_interface(uint8_t *dst, size_t room, const char *name, const char *description);

size_t pcapng_packet(uint8_t *dst, size_t room, uint32_t interface, uint64_t time_us,
                     enum pcapng_direction direction, const void *frame, size_t length);

/* `captured` are in the file, `dropped` found no room on their way to it. */
size_t pcapng_statistics(uint8_t *dst, size_t room, uint32_t interface, uint64_t start_us, uint64_t end_us,
                         uint64_t captured, uint64_t dropped);

#endif
