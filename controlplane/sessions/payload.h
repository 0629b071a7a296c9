/*
 * Reading what clients send: JSON text to plain structs, pure, before anybody acts on it. Strings are
 * borrowed from the JSON they were read from.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_PAYLOAD_H
#define VOXPOP_PAYLOAD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "controlplane/presence/presence.h"

#define PAYLOAD_NONCE_MAX 32u
#define PAYLOAD_USERS_MAX 100u

/* {"op":int,"d":...}: the root, for the caller to json_decref; NULL: not that. */
json_t *payload_open(const char *text, size_t length, int *op, const json_t **d);

/* A snowflake: a string of digits or a positive integer. */
bool payload_id(const json_t *j, uint64_t *id);
/* A boolean that may be absent or null (false). */
bool payload_flag(const json_t *d, const char *key, bool *out);

struct identify {
    const char *token;
    uint32_t intents;
    bool has_intents;               /* user clients omit them */
    bool intents_known;             /* no bit outside the list */
    uint16_t shard_id, shard_count; /* count 0: none named */
    bool shard_valid;
    uint8_t large_threshold;
    uint8_t platform; /* session_control.platform */
    bool compress;    /* payloads may be compressed, each by itself */
    bool has_presence;
    struct presence_update presence;
};
bool identify_parse(const json_t *d, struct identify *out);

struct resume {
    const char *token;
    const char *session_id;
    uint32_t seq;
};
bool resume_parse(const json_t *d, struct resume *out);

struct members_request {
    uint64_t guild_id;
    const char *query; /* NULL: by ids */
    uint32_t limit;
    uint64_t user_ids[PAYLOAD_USERS_MAX];
    size_t user_count;
    bool presences;
    const char *nonce; /* NULL: none, or too long */
};
bool members_request_parse(const json_t *d, struct members_request *out);

struct voice_identify {
    uint64_t server_id, user_id;
    const char *session_id;
    const char *token;
};
bool voice_identify_parse(const json_t *d, struct voice_identify *out);

struct voice_resume {
    uint64_t server_id;
    const char *session_id;
    const char *token;
    uint32_t seq_ack;
};
bool voice_resume_parse(const json_t *d, struct voice_resume *out);

struct voice_select {
    const char *protocol;
    const char *mode; /* NULL: none */
    uint8_t ip[16];   /* IPv4 as ::ffff:a.b.c.d; all zero: not an address */
    uint16_t port;
};
bool voice_select_parse(const json_t *d, struct voice_select *out);

struct voice_speaking {
    uint8_t flags;
};
bool voice_speaking_parse(const json_t *d, struct voice_speaking *out);

#endif
