/*
 * The operator's verbs over accounts beyond making them: show, set, delete, their tokens, their friends. As
 * model_admin.h, which asks here last.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_ACCOUNT_ADMIN_H
#define VOXPOP_ACCOUNT_ADMIN_H

#include "controlplane/guilds/model_admin.h"

bool account_admin_call(struct model *m, const char *verb, const json_t *args, admin_done_fn *done,
                        void *ctx);
const struct admin_verb_text *account_admin_verb_at(size_t i);

#endif
