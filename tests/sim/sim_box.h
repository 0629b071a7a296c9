/*
 * The box of the worker simulation: a worker on a virtual port in virtual time, its clients, and a control
 * plane's side that answers late, never, or for what is gone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_SIM_BOX_H
#define VOXPOP_SIM_BOX_H

#include "dataplane/worker.h"
#include "sim_client.h"

#define CLIENTS    6u
#ifndef FRAMES_MAX
#define FRAMES_MAX 2048u
#endif
#define RESULTS    8192u /* handshakes that a burst of first records may begin */
#define SESSIONS   8u

struct frame {
    uint32_t length;
    uint8_t bytes[1600];
};

struct sim {
    struct region region;
    struct worker_config config;
    struct worker *worker;
    struct port_queue *port;
    uint64_t now_us, seed;
    struct sim_client client[CLIENTS];
    struct frame in[FRAMES_MAX], out[FRAMES_MAX];
    uint32_t in_count, in_next, out_count;
    struct tls_helper_result result[RESULTS];
    uint32_t results, result_first;
    bool helper_rests;
    uint32_t shakes_per_turn; /* handshakes that the helper finishes; 0: any number */
    uint32_t shakes_left;     /* of this turn */
    bool tickets; /* the handshake ends with a ticket's record */
    uint8_t ticket[64];
    unsigned check_every; /* turns; 0 and 1: each */
    unsigned turns;
    bool answers_arp; /* the clients' host does: for tests that take minutes */
    /* the control plane's side */
    struct txn txn;
    struct ring_end notice, command, fanout;
    uint64_t log_head, log_end;
    uint64_t handle[32]; /* connections it has heard of, the latest last */
    uint32_t handles;
    uint32_t generation[SESSIONS];
    bool control_rests;
    uint32_t answer_bytes; /* every request is answered with so many; 0: as chance has it */
    uint32_t closed;
    struct pool *starved;
    uint32_t *taken, taken_count;
};

uint32_t sim_chance(struct sim *s, uint32_t n);

void sim_start(struct sim *s, const struct region_geometry *g, uint64_t seed);
void sim_stop(struct sim *s);

/* The worker's process is another now: what it had on its heap is gone. */
void sim_restart(struct sim *s);

/* The client's frames are put on the wire. */
void sim_gather(struct sim *s, struct sim_client *c);

/* What is on the wire is received, what must hold is checked, and what it caused comes back. */
void sim_work(struct sim *s, bool lossy);

/* The control plane hears its notices; capricious: and does something that nobody asked for. */
void sim_control(struct sim *s, bool capricious);

enum sim_order { SIM_BIND, SIM_DISPATCH, SIM_CLOSE, SIM_END, SIM_END_QUIETLY };
void sim_order(struct sim *s, enum sim_order what, uint32_t session);

/* Of this pool, only so many elements are left; until sim_feed. */
void sim_starve(struct sim *s, struct pool *p, uint32_t left);
void sim_feed(struct sim *s);

/* All clients, the worker and the control plane, once or n times, with nothing lost. */
void sim_turn(struct sim *s);
void sim_turns(struct sim *s, unsigned n);

/* Clients are gone without a word and the control plane ends what it knows: all must come back. */
void sim_everything_is_given_back(struct sim *s);

#endif
