/*
 * Parts of the region as JSON: what `list` and `show` print. Read-only, and never a key, token or text.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_CLI_FACTS_H
#define VOXPOP_CLI_FACTS_H

#include <jansson.h>

#include "region.h"

/* "198.18.0.7:40007", "[fd00:18::7]:40007"; without a port: port < 0. Returns `out`. */
const char *facts_address(const uint8_t address[16], int port, char out[64]);

/* 32 hexadecimal digits. */
void facts_session_id(const struct session_control *c, char out[33]);

/* A 64-bit id: a string, as clients see it. */
json_t *facts_id(uint64_t id);

/* One layer each of an open connection. */
json_t *facts_tcp(const struct tcp_conn *t);
json_t *facts_tls(const struct tls_conn *t);
json_t *facts_websocket(const struct connection *c);

const char *facts_connection_kind(uint8_t kind);

/* Whole seconds since a time of the region's clock. */
int64_t facts_age_s(uint64_t since_us);

/* A member of a voice room: address state, packets, losses, jitter. */
json_t *facts_member(const struct voice_member *m, uint32_t index);

/* A room, as a row. */
json_t *facts_room(const struct region *r, uint32_t worker, uint32_t index);

const char *facts_voice_mode(uint8_t mode);

#endif
