/*
 * The configuration that a recording was made under, as JSON: what a replay must give its workers besides the
 * region.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_FACTS_H
#define VOXPOP_FACTS_H

#include <jansson.h>

#include "dataplane/worker.h"

/* A new object. */
json_t *facts_config(const struct worker_config *c);

/* False, with a line in `why` (256 bytes) that names the key, when anything is missing or out of range. */
bool facts_config_read(const json_t *j, struct worker_config *c, char *why);

/* "02:00:00:00:00:01" */
void facts_mac(const uint8_t mac[6], char text[18]);
bool facts_mac_read(const char *text, uint8_t mac[6]);

#endif
