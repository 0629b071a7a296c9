/*
 * The operator's verbs over the model: "account create", "guild create" and the like, with a JSON object of
 * arguments and a JSON object as the answer. The verb table (model_admin.c) is what `voxpop` lists.
 *
 * Arguments and results are in the table's text. A failure is {"error": "a sentence"}. Ids are strings of
 * digits.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_MODEL_ADMIN_H
#define VOXPOP_MODEL_ADMIN_H

#include "controlplane/guilds/model.h"

#include <jansson.h>

/* `result` is the caller's to json_decref. */
typedef void admin_done_fn(void *ctx, json_t *result);

/*
 * Calls `done` once: during the call (lists, refusals) or during a later store_drain, when the change is
 * durable. `args` is not kept. False: no such verb, `done` is not called.
 */
bool admin_call(struct model *m, const char *verb, const json_t *args, admin_done_fn *done, void *ctx);

struct admin_verb_text {
    const char *verb, *arguments, *text;
};
/* The i-th verb, or NULL behind the last. */
const struct admin_verb_text *admin_verb_at(size_t i);

#endif
