/*
 * A model on a real store file, a REST front, a recorder of effects, and ways to ask and wait, for the tests
 * of this folder.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TEST_FIXTURE_H
#define VOXPOP_TEST_FIXTURE_H

#include "controlplane/guilds/actions.h"
#include "controlplane/guilds/model_admin.h"
#include "controlplane/rest/rest.h"

#define EFFECTS_KEPT 64

/* An effect, with its text copied. */
struct kept_effect {
    struct effect e;
    char *name, *body, *redacted;
};

struct fixture {
    char dir[64], path[96];
    struct model *m;
    struct rest *rest;
    struct kept_effect effects[EFFECTS_KEPT];
    size_t effect_count;
    uint64_t published; /* the last EFFECT_PUBLISHED */
    uint64_t in_voice;  /* the voice channel that everybody is in */

    uint64_t guild, text, voice;
    uint64_t owner, other, stranger; /* owner and other are members */
    char owner_token[TOKEN_TEXT_MAX], other_token[TOKEN_TEXT_MAX], stranger_token[TOKEN_TEXT_MAX];

    int status; /* of the last answer */
    char *raw;  /* the whole response */
    json_t *json;
    size_t answers;
};

extern const char *fixture_root; /* the folder that the file's is made in */

/* A fresh file; with a guild of owner and other, and a stranger outside. */
void fixture_open(struct fixture *f);
/* The process dies and another one starts on the same file. */
void fixture_restart(struct fixture *f);
/* Opens store, model and REST on the file, which the caller has closed. */
void fixture_attach(struct fixture *f);
void fixture_close(struct fixture *f);

/* The operator's verb with arguments as JSON text; the result is borrowed until the next call. */
const json_t *fixture_admin(struct fixture *f, const char *verb, const char *args_format, ...);
const json_t *fixture_admin_json(struct fixture *f, const char *verb, const json_t *args);
/* Asks and waits. The path is behind /api/v10 and may carry a query. */
int fixture_ask(struct fixture *f, const char *token, const char *method, const char *body,
                const char *path_format, ...) __attribute__((format(printf, 5, 6)));
/* The same with a request key. */
int fixture_ask_keyed(struct fixture *f, const struct request_key *key, const char *token, const char *method,
                      const char *body, const char *path);
/* Asks without waiting; count answers with f->answers. */
void fixture_start(struct fixture *f, const struct request_key *key, const char *token, const char *method,
                   const char *body, const char *path);
void fixture_wait(struct fixture *f, size_t answers);

void fixture_forget_effects(struct fixture *f);
/* The first kept event of this name, or NULL. */
const struct kept_effect *fixture_event(const struct fixture *f, const char *name);
const struct kept_effect *fixture_effect(const struct fixture *f, enum effect_kind kind);
/* Text of a field of the last answer, "" when it is not there. */
const char *fixture_text(const struct fixture *f, const char *key);
/* The id in a field of an object. */
uint64_t json_id_of(const json_t *o, const char *key);
/* A dispatch's `d`, after checking the envelope; decref it. */
json_t *dispatch_d(const char *body, size_t length, const char *event);

/* The last answer is this error, in the protocol's form. */
void fixture_refused(const struct fixture *f, int status, int code);
/* A role with these permissions, given to `other`. */
uint64_t fixture_give_role(struct fixture *f, uint64_t permissions);

#endif
