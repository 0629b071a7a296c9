/*
 * REST: turns a parsed request into a reply and effects. The route table (routes.c) lists every method and
 * pattern with the permission, the bucket and the handler; README's list is generated from it. Owns
 * rate-limit buckets; refuses what reference/rest.md 3 says with exactly its bodies. Knows no socket: the
 * reply is bytes of HTTP/1.1.
 *
 * Threading: the main thread. rest_handle never blocks; `done` is called once for every request, during
 * rest_handle or later during store_drain. Effects of a mutation go to the model's sink before `done`, once,
 * in outbox order; a replayed request (same key) has a reply and no effects.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_REST_H
#define VOXPOP_REST_H

#include "controlplane/guilds/model.h"

#define REST_BODY_MAX                                                                                        \
    (256 * 1024) /* of JSON; how long a body with files may be is the dataplane's to say                     \
                  */

enum rest_method { REST_GET, REST_POST, REST_PUT, REST_PATCH, REST_DELETE, REST_OTHER };

/* Not kept after rest_handle returns. Text of length 0 may be NULL. */
struct rest_request {
    enum rest_method method;
    const char *path; /* "/api/v10/channels/1/messages", percent-encoded as received */
    size_t path_length;
    const char *query; /* behind the '?' */
    size_t query_length;
    const char *authorization; /* the header's value; NULL: none */
    size_t authorization_length;
    const char *content_type;
    size_t content_type_length;
    const char *reason; /* X-Audit-Log-Reason, percent-encoded */
    size_t reason_length;
    const char *if_match; /* not looked at here */
    size_t if_match_length;
    const char *body;
    size_t body_length;
    struct request_key key; /* boot id, worker and ring entry number */
    bool keep_alive;        /* what the request asked for */
};

struct rest_reply {
    int status;
    const char *data; /* the whole HTTP/1.1 response; valid during `done` */
    size_t length;
    bool keep_alive;
    uint64_t user_id; /* who asked; 0: nobody known */
};

typedef void rest_done_fn(void *ctx, const struct rest_reply *reply);

/* X(name, requests, milliseconds, text): a bucket of so many requests, refilled evenly over so long. */
#define REST_BUCKET_LIST(X)                                                                                  \
    X(NONE, 0, 0, "not limited")                                                                             \
    X(READ, 100, 5000, "reading an object")                                                                  \
    X(HISTORY, 50, 5000, "reading messages")                                                                 \
    X(MESSAGE_CREATE, 50, 5000, "sending messages to a channel")                                             \
    X(MESSAGE_EDIT, 50, 5000, "editing messages of a channel")                                               \
    X(MESSAGE_DELETE, 50, 5000, "deleting messages of a channel")                                            \
    X(TYPING, 20, 5000, "typing in a channel")                                                               \
    X(REACTION, 20, 5000, "reacting in a channel")                                                           \
    X(GUILD_CHANGE, 50, 10000, "changing a guild's channels, roles and members")

#define REST_BUCKET_ENUM(name, requests, ms, text) REST_BUCKET_##name,
enum rest_bucket { REST_BUCKET_LIST(REST_BUCKET_ENUM) REST_BUCKETS };
#undef REST_BUCKET_ENUM

struct rest_limit {
    uint32_t requests; /* 0: no limit */
    uint32_t window_ms;
};

/* session_start_limit of GET /gateway/bot */
struct rest_starts {
    uint32_t total, remaining, reset_after_ms, max_concurrency;
};

struct rest_config {
    const char *gateway_url; /* "wss://198.18.0.1", without query */
    const char *region_id, *region_name;
    uint32_t session_start_total;
    struct rest_limit limits[REST_BUCKETS];
    struct rest_limit global; /* every request of one account */
    /* The voice channel the user is in, or 0; NULL: nobody is in voice. */
    uint64_t (*voice_channel)(void *ctx, uint64_t guild_id, uint64_t user_id);
    /* That of the user's voice state; false: not in voice. The session id's text goes to `id` (64 bytes). */
    bool (*voice_state)(void *ctx, uint64_t guild_id, uint64_t user_id, struct voice_state *state, char *id);
    /* online members of a guild, for with_counts; NULL: unknown */
    uint64_t (*online_count)(void *ctx, uint64_t guild_id);
    /* How many sessions the account may start; NULL: session_start_total, one at a time. */
    struct rest_starts (*starts)(void *ctx, uint64_t user_id);
    void *hook_ctx;
};

struct rest;

/* Every limit as REST_BUCKET_LIST has it, 50 requests a second for one account. */
void rest_config_defaults(struct rest_config *c);
/* The configuration is copied; its strings are not. */
struct rest *rest_open(struct model *m, const struct rest_config *c);
/* After the store has been closed: requests still pending get no answer. */
void rest_close(struct rest *r);
void rest_handle(struct rest *r, const struct rest_request *q, rest_done_fn *done, void *ctx);
/* X(name) of enum rest_method from the request line's token. */
enum rest_method rest_method_of(const char *method, size_t length);

struct rest_route_text {
    const char *method, *pattern, *permission, *bucket, *text;
};
/* The i-th row of the route table, or NULL behind the last: for README and the NOC page. */
bool rest_route_at(size_t i, struct rest_route_text *text);

#endif
