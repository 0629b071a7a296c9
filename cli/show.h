/*
 * Printing JSON values for people: lists as tables, objects as indented lines. Every list and `show` command
 * builds one JSON value and prints it either way, so both say the same.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CLI_SHOW_H
#define VOXPOP_CLI_SHOW_H

#include <jansson.h>
#include <stdint.h>

#include "cli/command.h"

/* As JSON with --json; otherwise a table of an array's objects, or the fields of an object. Takes `value`. */
int show_value(const struct invocation *i, json_t *value);

/* "1234567" -> "1 234 567". Returns `out`. */
const char *show_count(uint64_t n, char out[32]);

#endif
