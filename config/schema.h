/*
 * Filling `struct config` through libcyaml, with a schema built from the table of keys.
 * Private to config/.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CONFIG_SCHEMA_H
#define VOXPOP_CONFIG_SCHEMA_H

#include "config/config.h"

/*
 * Reads a document that check_document has passed, into a zeroed struct that the caller frees with free().
 * NULL: libcyaml refused; its first line is in `error`.
 */
struct config *schema_load(const char *text, size_t length, char *error, size_t size);

#endif
