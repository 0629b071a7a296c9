/*
 * Asking the control plane over its socket.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CLI_REMOTE_H
#define VOXPOP_CLI_REMOTE_H

#include <jansson.h>

#include "cli/command.h"

/* Operands and options under their names. */
json_t *remote_arguments(const struct invocation *i);
/* The result; NULL with the exit code, having said why. Takes args. */
json_t *remote_ask(const struct invocation *i, const char *verb, json_t *args, int *code);

#endif
