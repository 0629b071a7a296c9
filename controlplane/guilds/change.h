/*
 * A change of the model: rows to put or remove, the effects that tell everybody, and the reply that tells the
 * asker, committed together and applied when durable. The effects are written into the outbox row itself, so
 * they are the same whoever publishes them: the process that made the change, or the one after it.
 *
 *      change_begin -> change_row* change_effect* change_reply -> change_submit -> (store) -> applied -> sink
 * -> done
 *
 * One change at a time in a guild, or of whatever else a change locks by its id: rows are whole, and two
 * built from the same state would undo each other. While it stands in model->changing, change_wait keeps a
 * caller until it may build its own.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CHANGE_H
#define VOXPOP_CHANGE_H

#include "controlplane/guilds/model.h"

#define CHANGE_WAIT_MAX 4096 /* callers that wait at once */

struct change;

/* status: the store's. http_status and body: what change_reply recorded, of the first submission if it was
 * repeated. */
typedef void change_done_fn(void *ctx, enum store_status status, int http_status, const char *body);

/* guild_id 0: a change outside any guild. */
struct change *change_begin(struct model *m, const struct request_key *key, uint64_t guild_id);
/* Locks this id instead of the guild's: what the change is about is in no guild. */
void change_lock(struct change *c, uint64_t id);
struct store_row *change_row(struct change *c, enum store_row_kind kind);
void change_effect(struct change *c, const struct effect *e);
/* An event of the guild; intent, view_channel and name as given, the body from a dispatch_* writer. */
void change_event(struct change *c, const char *name, uint64_t view_channel, const struct json_out *body);
/* An event to the sessions of one user. */
void change_user_event(struct change *c, const char *name, uint64_t user_id, const struct json_out *body);
void change_reply(struct change *c, int http_status, const char *body);
/* False: the queue is full; the change is gone, done is not called. */
bool change_submit(struct change *c, change_done_fn *done, void *ctx);
void change_abandon(struct change *c);

/* True: what has this id is changing, and `again` will be called once it is not. False: go ahead. `full` is
 * set when none may wait. */
typedef void change_again_fn(void *ctx);
bool change_wait(struct model *m, uint64_t id, change_again_fn *again, void *ctx, bool *full);

/* The reply recorded in a change's payload; body is the caller's to free, NULL for none. */
bool change_recorded(const char *payload, int *http_status, char **body);

/* At the model's end: those who wait are dropped. */
void change_forget(struct model *m);

/* The effects of any completed operation, to the model's sink: those of a change from its payload, those of a
 * message from it. */
void effects_publish(struct model *m, const struct store_op *op);

/* At start, before anything else: what the last process committed and did not publish (its outbox_published).
 */
enum store_status effects_recover(struct model *m, uint64_t outbox_published);

#endif
