/*
 * What a worker keeps while it records for a replay (record.h).
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_RECORDER_H
#define VOXPOP_RECORDER_H

#include <stdbool.h>
#include <stdint.h>

/* What a worker reads that others write, as it stood when the iteration began. An entry CAPTURE_STEP. */
struct record_step {
    uint64_t unix_s;
    uint64_t log_oldest;
    uint64_t notice_head; /* how far the control plane had read */
    uint64_t route_generation;
};

enum record_phase { RECORD_OFF = 0, RECORD_ASKED, RECORD_PAUSED, RECORD_ON, RECORD_OVER };

struct recorder {
    enum record_phase phase;
    uint32_t generation; /* of the recording that was asked for last */
    uint64_t since_us;   /* in this phase */
    uint64_t log_head;   /* events before it are in the snapshot */
    bool step_written;   /* of this iteration */
    bool pending;        /* this iteration began with voice to send */
    struct record_step step;
};

#endif
