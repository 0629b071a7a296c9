/*
 * The live half in a world of its own: a region in memory, a model on a store file, and, in place of the
 * dataplane, workers that read the rings and keep for each client what it would have been sent. Clients talk
 * by notices.
 *
 * The control plane's process can die between any two inputs (world_restart), or in the middle of one
 * (world.die_in_each): its transaction is undone, which must leave the region as it was, and the next life
 * begins.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TEST_WORLD_H
#define VOXPOP_TEST_WORLD_H

#include "controlplane/guilds/actions.h"
#include "controlplane/requests.h"
#include "controlplane/sessions/control.h"

#include <jansson.h>

#define WORLD_WORKERS     2u
#define WORLD_CONNECTIONS 32u
#define WORLD_TEXTS       256u
#define WORLD_MS          1750000000000ull

/* One WebSocket or HTTP connection, as its client sees it. */
struct client {
    uint64_t handle;
    uint32_t worker;
    uint32_t session; /* bound one, or SESSION_NONE */
    bool open;
    char *text[WORLD_TEXTS]; /* messages received, in order */
    unsigned count, read;    /* read: those that client_next has given */
    uint16_t close_code;     /* 0: not closed by us */
    char *http;              /* bytes of an HTTP answer */
    size_t http_length;
};

struct fake_session {
    uint32_t generation;
    uint8_t kind, flags;
    uint32_t intents;
    uint64_t user_id;
    struct client *client; /* NULL: away */
    uint64_t event[WORLD_TEXTS];
    uint32_t first, last; /* numbers of event[0] and of the newest one */
};

struct fake_subscription {
    uint32_t session, generation, topic, class;
    uint64_t from;
};

struct fake_worker {
    struct txn txn;
    struct ring_end notice, command, fanout;
    struct fake_subscription subs[128];
    unsigned sub_count;
    uint32_t connections;
};

struct member_seen {
    struct verb_member set;
    struct verb_member_bind bind;
    struct verb_peer peer; /* the last that was said */
    bool present, bound;
};

struct world {
    void *memory;
    uint64_t size;
    struct region region;
    struct region_link link;
    struct control control;
    struct control_config config;
    struct model *model;
    struct rest *rest;
    struct requests requests;
    char dir[64], path[96];
    uint64_t now_ms;
    bool die_in_each; /* before each input is handled, a life dies in the middle of it */
    bool die_after_each;
    unsigned lives;
    struct client clients[64];
    unsigned client_count;
    struct fake_worker worker[WORLD_WORKERS];
    struct fake_session sessions[64];
    struct member_seen members[64];
    uint32_t parts[WORLD_WORKERS]; /* of the room that this worker was last told of */
    /* of the last admin verb */
    json_t *result;
    bool answered;
    /* a demo guild */
    uint64_t guild, text, voice;
    uint64_t user[3];
    char token[3][TOKEN_TEXT_MAX];
};

/* Three accounts, the first owns a guild that all are members of. */
void world_open(struct world *w);
void world_close(struct world *w);
/* The control plane dies and lives again on the same region and store. */
void world_restart(struct world *w);
/* Everybody does what there is to do, until nobody has anything. */
void world_run(struct world *w);
void world_pass(struct world *w, uint64_t ms);
/* The operator's verb of the model, to its end; borrowed until the next. */
const json_t *world_admin(struct world *w, const char *verb, const char *args_format, ...)
    __attribute__((format(printf, 3, 4)));

/* A connection to worker `worker`, whose WebSocket is up (kind: enum connection_kind). */
struct client *client_open(struct world *w, uint32_t worker, uint8_t kind, uint8_t version);
void client_say(struct world *w, struct client *c, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Its TCP or WebSocket ends by the client's hand. */
void client_gone(struct world *w, struct client *c, uint16_t code);
/* The next message that it has not looked at, parsed; NULL: none. The caller decrefs. */
json_t *client_next(struct client *c);
/* The next message must be this dispatch; its d. */
json_t *client_expect(struct client *c, const char *event, uint32_t s);
/* The next of this opcode; its d, for the caller to decref. Fails if there is none. */
json_t *client_expect_op(struct client *c, int op);
/* Messages of this event since it last looked; looks at all. */
unsigned client_count_events(struct client *c, const char *event);
void client_skip(struct client *c);
/* Logged in with the guild received, everything read. `extra` is more JSON of identify's d, beginning with a
 * comma. */
struct client *client_login(struct world *w, unsigned who, uint32_t worker, uint32_t intents,
                            const char *extra);

/* An HTTP request on a connection of its own; the whole answer's text stands in client->http after world_run.
 */
struct client *client_http(struct world *w, uint8_t method, const char *const texts[REQUEST_TEXTS]);
/* To the API, in JSON. */
struct client *client_request(struct world *w, unsigned who, uint8_t method, const char *path,
                              const char *body);

/* Another one on the same connection, once the last is answered. */
void client_ask(struct world *w, struct client *c, unsigned who, uint8_t method, const char *path,
                const char *body);

void notice(struct world *w, uint32_t worker, enum notice type, const void *data, size_t length);
uint64_t json_id(const json_t *o, const char *key);

/* The fake workers' side (dataplane.c). */
void dataplane_open(struct world *w);
bool dataplane_run(struct world *w);

#endif
