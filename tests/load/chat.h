/*
 * Chat load: a herd of clients at a box of its own (over memif; the bench is the control plane, which binds a
 * session to each connection, subscribes it to one topic, and walks that topic), or at somebody else's server
 * (over a DPDK device on an interface).
 *
 * What is told to everybody is a numbered event of a fixed length. A client's n-th message must be event n,
 * with the session sequence n: nothing missing, doubled, out of order or changed.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_LOAD_CHAT_H
#define VOXPOP_LOAD_CHAT_H

#include "box.h"
#include "herd.h"
#include "load.h"

#define CHAT_EVENT 200u /* bytes of its text */

struct chat {
    const struct load_options *options;
    struct box box;
    bool has_box;
    struct herd herd;
    struct port_queue *port;
    struct load_time time;
    uint64_t rest_ticks, told_us;
    uint64_t progress_opened, progress_deliveries;
    bool sessions;       /* bind one to each connection */
    uint32_t rto_max_us; /* of the herd's TCP; 0: as usual */
    uint32_t bound;      /* sessions there are, or were begun and resumed */
    uint32_t *kept;      /* sessions outlive their connections: the last event that a client had; UINT32_MAX: it has
                            begun none. NULL: each connection begins one */
    uint64_t resumes_failed;
    uint32_t events;    /* told so far */
    uint64_t *event_us; /* when, by number, a circle of CHAT_EVENTS */
    uint64_t deliveries;
    uint32_t *leaving; /* clients that are to go */
    uint32_t leaving_count;
    struct histogram delivery_us; /* of the events that were opened */
};
#define CHAT_EVENTS 1024u

/* Starts box (if o->dataplane), wire and herd, and runs fn on the generator's core. Its status. */
int chat_run(struct chat *c, const struct load_options *o, bool (*fn)(struct chat *c));

/* One iteration: herd, notices, rest, progress. False: it is over (ctrl-C, or something was wrong). */
bool chat_step(struct chat *c);

/* All clients are opened, and have their sessions. */
bool chat_open(struct chat *c);

/* Tells everybody the next event. False: not now, the ring is full. */
bool chat_tell(struct chat *c);

/* So long, at most: iterates while `until` has not come. */
bool chat_wait(struct chat *c, double seconds);

/* What the box has used up so far. */
struct chat_sample {
    uint64_t at_us, busy, idle; /* the worker's cycles */
    double helper_us;           /* CPU time of the thread that shakes hands */
};
struct chat_sample chat_sample(const struct chat *c);
double chat_worker_share(const struct chat_sample *from, const struct chat_sample *to);

/* Prints NAME_p50_us and so on, members of a JSON object. */
void chat_print_latency(const char *name, const struct histogram *h);

/* Prints the members of JSON that every figure has: generator_busy, generator_bound, interrupted. */
void chat_print_common(const struct chat *c, double busy, uint64_t not_taken);

#endif
