/*
 * Which mutations the writer has in hand, told to the next life: a file beside the store's, mapped, so that
 * it survives the process (not the machine, after which nothing is resubmitted either). Private to this
 * folder.
 *
 * An operation that ends the process would do so again at every start, since its request is not answered.
 * So those that were in hand at a death are suspects: the next life carries each out alone; one that was in
 * hand alone at two deaths is carried out no more.
 *
 *      in a group at a death -> suspect -> alone at a death -> alone at another -> poisoned
 *
 * Without the file (a disk that takes no more) everything works but this.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_STORE_WORKING_H
#define VOXPOP_STORE_WORKING_H

#include "controlplane/store/store.h"

struct working;

/* NULL: there is none; every function takes it. */
struct working *working_open(const char *store_path);
void working_close(struct working *w);

/* Are there any? */
bool working_suspects(const struct working *w);
bool working_suspect(const struct working *w, const struct request_key *k);
/* May this suspect be carried out once more? */
bool working_alone(const struct working *w, const struct request_key *k);

/* The list is in hand from here on; and no more, whose keys are suspects no longer. */
void working_begin(struct working *w, const struct store_op *list);
void working_end(struct working *w);

#endif
