/*
 * What the workers tell the control plane, taken exactly once: every notice is handled in one transaction
 * together with being done, or in several, each of which stores how far it got (the cursor), or later, when
 * the store has answered (pending).
 *
 *      not seen --handler: DONE--> done
 *      not seen --handler: MORE--> current --MORE--> current --DONE--> done
 *      not seen --handler: PENDING--> pending --inputs_finish--> done
 *
 * A restart begins with the entry that was being handled; the rings then give every entry that is not done,
 * so pending ones are handled anew (the store knows their keys). An entry that was being handled at two
 * deaths in a row is set aside: done, counted, its connection closed alone. "Being handled" ends where the
 * store takes over.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_INPUTS_H
#define VOXPOP_INPUTS_H

#include "controlplane/index_map.h"
#include "controlplane/region_link.h"

enum input_result { INPUT_DONE, INPUT_MORE, INPUT_PENDING };

/*
 * Called within a transaction. *cursor is 0 at first, then what the handler left there with INPUT_MORE; it is
 * stored with the transaction. PENDING: the handler has changed nothing, and inputs_finish will be called.
 */
typedef enum input_result input_fn(void *ctx, uint32_t worker, const struct ring_entry *e, uint64_t *cursor);

struct inputs {
    struct region_link *link;
    input_fn *fn;
    void *ctx;
    struct ring_entry *current; /* begun and not finished; NULL: none */
    uint32_t current_worker;
    uint32_t next_worker; /* whose ring is looked at next */
    struct index_map pending[WORKERS_MAX];
};

/* After link_open. Sets a poisoned entry aside, or takes up the one under way. */
void inputs_open(struct inputs *in, struct region_link *l, input_fn *fn, void *ctx);
void inputs_close(struct inputs *in);

/* Handles one entry, or one step of one. False: nothing to do, or no room in the rings. */
bool inputs_step(struct inputs *in);

/* Within the transaction that has the effect of an entry that is pending, or will never be handled. */
void inputs_finish(struct inputs *in, uint32_t worker, uint64_t number);
/* After a transaction that finished an entry which may be the one that the start took up. */
void inputs_forget(struct inputs *in, uint32_t worker, uint64_t number);

/* The entry of a number that is not done. */
struct ring_entry *inputs_entry(struct inputs *in, uint32_t worker, uint64_t number);

#endif
