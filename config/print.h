/*
 * The defaults as text.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CONFIG_PRINT_H
#define VOXPOP_CONFIG_PRINT_H

#include "config/config.h"

/* A YAML file that sets every key to its default; with a comment on each, or bare. */
void config_print_defaults(FILE *to, bool comments);

#endif
