/*
 * The thread that runs DTLS handshakes away from the packet path, and its rings with the workers.
 *
 *   worker --FIRST, DATAGRAM, AGAIN, END--> requests --> helper --results--> worker
 *
 * A worker never waits. It counts its associations, so that there are never more than associations_max, and
 * keeps room in its ring for the END of each. The helper takes a request only when its longest result would
 * find room. A datagram for an association that nobody knows (its process died) is passed over: the peer
 * begins anew or gives up.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_WEBRTC_HELPER_H
#define VOXPOP_WEBRTC_HELPER_H

#include "dataplane/webrtc/dtls.h"

struct dtls_helper;

struct dtls_helper_config {
    struct dtls_server *server; /* outlives the helper */
    unsigned workers;
    uint32_t associations_max; /* per worker */
    uint32_t ring_bytes;       /* each ring, both ways; a power of two, at least 256 KiB */
};

struct dtls_helper *dtls_helper_start(const struct dtls_helper_config *config, char error[DTLS_ERROR_MAX]);
void dtls_helper_stop(struct dtls_helper *h); /* ends the thread and every association */

/* False, each: the ring is full, or there are too many associations; nothing was taken. */
bool dtls_helper_begin(struct dtls_helper *h, unsigned worker, uint64_t handle,
                       const struct dtls_expected *expected, const uint8_t *datagram, uint32_t len);
bool dtls_helper_input(struct dtls_helper *h, unsigned worker, uint64_t handle, const uint8_t *datagram,
                       uint32_t len);
bool dtls_helper_again(struct dtls_helper *h, unsigned worker, uint64_t handle);

/* Once for each begin that was taken, whatever became of it. Never refused. */
void dtls_helper_end(struct dtls_helper *h, unsigned worker, uint64_t handle);

struct dtls_helper_result {
    uint64_t handle;
    struct dtls_result result; /* `send` is valid until the next poll of this worker */
};

bool dtls_helper_poll(struct dtls_helper *h, unsigned worker, struct dtls_helper_result *out);

#endif
