/*
 * Reading ISO 8601 times with an offset, as clients send them ("2024-05-01T12:34:56.789000+00:00", "...Z").
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TIMESTAMP_H
#define VOXPOP_TIMESTAMP_H

#include <stdbool.h>
#include <stdint.h>

/* False: not such a time. */
bool timestamp_parse(const char *text, int64_t *unix_ms);

#endif
