/*
 * Asking the control plane from within a command.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CLI_REMOTE_H
#define VOXPOP_CLI_REMOTE_H

#include "cli/command.h"

#include <jansson.h>

/* Operands and options under their names; the caller's to json_decref. */
json_t *remote_arguments(const struct invocation *i);

/* One request and its answer. *result is the caller's to json_decref; NULL with an exit code, when it said
 * why. */
int remote_call(const struct invocation *i, const char *verb, const json_t *args, json_t **result);

#endif
