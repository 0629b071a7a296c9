/*
 * A box in one process and virtual time: a worker on a virtual port, a control plane that answers every
 * message with an event for everybody, and participants. Recorded, it gives the bundles of the replay tests.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_REPLAY_BOX_H
#define VOXPOP_REPLAY_BOX_H

#include "dataplane/worker.h"
#include "participant.h"

#define PARTICIPANTS 3u
#define FRAMES_MAX   256u
#define LANES        2u /* workers at most */
#define TICK_US      5000u
#define UNIX_S       1700000000u

struct frame {
    uint64_t time_us;
    uint32_t length;
    uint8_t bytes[1600];
};

/* Frames that the worker sent, kept from when the box is told to. */
struct frames {
    struct frame *frame;
    uint32_t count, capacity;
};

struct box {
    struct region region;
    struct worker_config config;
    uint32_t workers;
    bool parts; /* of the voice room: the first member is worker 0's */
    /* Packets come in at worker 0, which hands them to their owner; the voice room is the last one's. */
    struct box_worker {
        struct box *box;
        struct port_queue *port;
        struct worker *worker;
        struct spsc to[LANES]; /* packets that it hands over, by worker */
        struct spsc *from[LANES];
        struct ring_end notice, command, fanout;
        struct frames kept;
    } lane[LANES];
    struct tls_server *server;
    struct tls_client *client;
    uint64_t now_us;
    /* on the wire */
    struct frame in[FRAMES_MAX], out[FRAMES_MAX];
    uint32_t in_count, in_next, out_count;
    bool keep;
    /* handshakes under way, and their results, without a thread */
    struct shake {
        uint64_t handle;
        struct tls_handshake *handshake;
    } shake[8];
    struct shake_result {
        unsigned worker;
        struct tls_helper_result result;
        uint8_t send[8192];
    } result[8];
    uint32_t results;
    bool results_held; /* the helper is slow */
    /* the control plane's side */
    struct txn txn;
    uint64_t log_head;
    uint32_t opened, heard, voices;
    struct participant participant[PARTICIPANTS];
    uint32_t participants;
};

/* With a file, the region lies in it, as a running box's does, and time is the machine's. */
struct box *box_new(uint32_t workers, const char *region_file);
void box_free(struct box *b);

/* The next participant connects. */
void box_join(struct box *b);

/* Its WebSocket and its voice, once its handshake is done. */
void box_enter(struct box *b, uint32_t index);

/* Everybody takes a turn: `talk`: every participant whose voice is on sends a frame. */
void box_turn(struct box *b, bool talk);

/* Every worker's table of the link knows the clients' station; who runs for minutes must say so again. */
void box_learn_link(struct box *b);

/* A turn of the workers alone. */
void box_work(struct box *b);

#endif
