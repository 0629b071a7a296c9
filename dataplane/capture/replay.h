/*
 * Replay: the workers of a bundle (bundle.h) run again, by the same code, in virtual time, on a private copy
 * of the region, with a port and handshakes that come from the recording. The same bundle gives the same
 * frames, byte for byte.
 *
 * Owns: feeding each recorded iteration to its worker, in order of time. Refuses: a bundle that is not whole
 * or of another build, and to go on when a worker leaves inputs over that the recorded one took: the two have
 * parted then. Nothing of the host is touched. The caller has called aead_init.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_REPLAY_H
#define VOXPOP_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Is told every frame, as it comes in or goes out, with its virtual time. */
struct replay_sink {
    void *user;
    void (*frame)(void *user, uint32_t worker, bool sent, uint64_t unix_us, const uint8_t *frame, size_t len);
};

struct replay_summary {
    uint32_t workers;
    uint32_t connections; /* open at the snapshot */
    uint64_t steps, packets_in, packets_out, bytes_out;
    uint64_t verbs, events;
    uint64_t opened, closed;      /* connections, meanwhile */
    uint64_t handshakes, skipped; /* finished; given to a connection that did not wait for it */
    uint64_t duration_us;
    uint64_t start_unix_us, end_unix_us;
};

/* Reads what a sink must know before the first frame: workers and times. */
bool replay_look(const char *directory, struct replay_summary *out, char *why);

/* False, with a line in `why` (256 bytes). */
bool replay_run(const char *directory, const struct replay_sink *sink, struct replay_summary *out, char *why);

#endif
