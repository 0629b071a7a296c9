/*
 * The box under test: a region, the real voxpop-dataplane on it, and the control plane's end of its rings.
 * The bench is the only producer there: it posts the same verbs, through the same ring and transactions, that
 * the control plane posts when a client has logged in. What it leaves out is logging in.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_LOAD_BOX_H
#define VOXPOP_LOAD_BOX_H

#include <sys/types.h>

#include "config/config.h"
#include "region.h"
#include "verb.h"

struct box {
    struct config config;
    struct region region;
    char region_path[512];
    pid_t dataplane; /* or the supervisor's */
    bool supervised;
    struct txn txn;
    struct ring_end notice, command, fanout;
    uint64_t notices;
    /* What each notice is shown to before it is done with; false: not now, show it again. Or NULL. */
    bool (*on_notice)(void *user, const struct ring_entry *e);
    void *user;
    struct ring_entry *waiting; /* the notice that is to be shown again */
};

/* Clients live in 198.19.0.0/16 behind a router, which is the generator. */
extern const uint8_t box_address[16], box_router[16];

/* Creates the region, starts `program` on it and waits until it serves. False: a line is on stderr, nothing
 * is left over. */
bool box_start(struct box *b, const char *config_file, const char *program);
void box_stop(struct box *b);

/* The same with `supervisor` (voxpop), which makes the region, starts the dataplane, and starts it again. The
 * configuration names something that does nothing as the control plane: that is the bench. */
bool box_supervise(struct box *b, const char *config_file, const char *supervisor);

/* Is the dataplane still there? */
bool box_alive(struct box *b);

/* Posts VERB_MEMBER_SET; false: the ring is full, listen and try again. */
bool box_member_set(struct box *b, const struct verb_member *m);

/* Posts a verb to the ring `command` or `fanout`; false: it is full. */
bool box_post(struct box *b, struct ring_end *ring, enum verb verb, const void *body, uint32_t length);

/* Writes an event that everybody may see to the log; its position. UINT64_MAX: the log is full (it is written
 * once). */
uint64_t box_event(struct box *b, const char *text, uint32_t length);

/* Takes the notices, as the control plane would: the ring must not fill. */
void box_listen(struct box *b);

/* Have all verbs had their effect? */
bool box_settled(const struct box *b);

/* CPU time that the threads of this name have used, us. */
double box_cpu_us(const struct box *b, const char *thread);

/* What the dataplane maps, bytes: its region in full, hugepages besides it, and what else is resident. */
struct box_memory {
    uint64_t region, huge, heap;
};
bool box_memory(const struct box *b, struct box_memory *out);

/* Microseconds that the dataplane's workers have waited for a CPU. */
double box_waited_us(const struct box *b);

const struct counters *box_counters(const struct box *b);

#endif
