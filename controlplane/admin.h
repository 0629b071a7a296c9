/*
 * The operator's socket: a unix stream socket (mode 0600) on which every line is a request and every answer a
 * line.
 *
 *      {"verb":"session.list","args":{...}}   ->   {"ok":true,"result":...}  or  {"ok":false,"error":"a
 * sentence"}
 *
 * Verbs of the live half are in admin_live.c; all others are the model's (guilds/model_admin.h), with a dot
 * or a space between noun and verb. One request at a time on a connection: the next line is read when the
 * answer is written. Refuses lines over ADMIN_LINE_MAX and more than ADMIN_CLIENTS_MAX connections.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_ADMIN_H
#define VOXPOP_ADMIN_H

#include "controlplane/routes/routes.h"
#include "controlplane/sessions/control.h"

#include <jansson.h>

#define ADMIN_LINE_MAX    (1u << 20)
#define ADMIN_CLIENTS_MAX 32

struct admin_client {
    int fd;          /* -1: the slot is free, or waits for its answer only */
    uint64_t number; /* of the connection, never reused; 0: the slot is free */
    bool asked;      /* an answer is owed */
    bool taking;     /* its lines are being taken */
    char *in;        /* ADMIN_LINE_MAX bytes */
    size_t in_length;
    char *out;
    size_t out_length, out_sent;
};

struct admin {
    struct control *control;
    struct routes *routes;
    int listener, epoll;
    uint64_t next_number;
    struct admin_client client[ADMIN_CLIENTS_MAX];
};

/* The result or {"error": "..."}; taken over. */
typedef void admin_answer_fn(void *ctx, json_t *result);

/* False with a sentence in `why` (256 bytes). Events of its descriptors come with data.u64 >= ADMIN_EVENT. */
#define ADMIN_EVENT (1ull << 32)
bool admin_open(struct admin *a, struct control *c, struct routes *r, const char *path, int epoll, char *why);
void admin_close(struct admin *a);
/* One event of epoll whose data.u64 is ADMIN_EVENT or above. */
void admin_event(struct admin *a, uint64_t data, uint32_t events);

/* A verb of the live half: answered now or later through `answer`. False: not one of them. */
bool admin_live(struct admin *a, const char *verb, const json_t *args, admin_answer_fn *answer, void *ctx);

#endif
