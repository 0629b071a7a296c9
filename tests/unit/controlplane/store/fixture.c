/*
 * See fixture.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/controlplane/store/fixture.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define NOW_MS INT64_C(1750000000000)

const char *fixture_root = "/tmp";

static void keep_effect(void *ctx, const struct effect *e)
{
    struct fixture *f = ctx;
    if (e->kind == EFFECT_PUBLISHED) {
        assert(e->outbox_id > f->published);
        f->published = e->outbox_id;
        return;
    }
    assert(f->effect_count < EFFECTS_KEPT);
    struct kept_effect *k = &f->effects[f->effect_count++];
    k->e = *e;
    k->name = text_copy(e->name);
    k->body = e->body ? strndup(e->body, e->body_length) : NULL;
    k->redacted = e->redacted ? strndup(e->redacted, e->redacted_length) : NULL;
}

static uint64_t voice_channel(void *ctx, uint64_t guild_id, uint64_t user_id)
{
    (void)guild_id;
    (void)user_id;
    return ((struct fixture *)ctx)->in_voice;
}

void fixture_attach(struct fixture *f)
{
    char error[256];
    struct store_config config = {.path = f->path};
    struct rest_config rest;
    struct store *s = store_open(&config, error, sizeof error);
    assert(s);
    f->m = model_open(s, 1, 1, NOW_MS, error, sizeof error);
    assert(f->m);
    f->m->sink = keep_effect;
    f->m->sink_ctx = f;
    rest_config_defaults(&rest);
    rest.global.requests = 0;
    rest.voice_channel = voice_channel;
    rest.hook_ctx = f;
    f->rest = rest_open(f->m, &rest);
}

static void fixture_account(struct fixture *f, const char *name, uint64_t *id, char *token)
{
    const json_t *r = fixture_admin(f, "account create", "{\"name\":\"%s\"}", name);
    *id = json_id_of(r, "id");
    strcpy(token, json_string_value(json_object_get(r, "token")));
}

void fixture_open(struct fixture *f)
{
    memset(f, 0, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "%s/voxpop-store-XXXXXX", fixture_root);
    assert(mkdtemp(f->dir));
    snprintf(f->path, sizeof f->path, "%s/store.db", f->dir);
    fixture_attach(f);
    fixture_account(f, "owner", &f->owner, f->owner_token);
    fixture_account(f, "other", &f->other, f->other_token);
    fixture_account(f, "stranger", &f->stranger, f->stranger_token);
    const json_t *g = fixture_admin(f, "guild create", "{\"name\":\"demo\",\"owner\":\"%llu\"}",
                                    (unsigned long long)f->owner);
    f->guild = json_id_of(g, "id");
    f->text = json_id_of(g, "text_channel_id");
    f->voice = json_id_of(g, "voice_channel_id");
    fixture_admin(f, "guild join", "{\"guild\":\"%llu\",\"account\":\"%llu\"}", (unsigned long long)f->guild,
                  (unsigned long long)f->other);
    fixture_forget_effects(f);
}

static void fixture_detach(struct fixture *f)
{
    model_close(f->m);
    rest_close(f->rest);
}

void fixture_restart(struct fixture *f)
{
    fixture_detach(f);
    fixture_attach(f);
}

void fixture_close(struct fixture *f)
{
    char command[160];
    fixture_detach(f);
    fixture_forget_effects(f);
    json_decref(f->json);
    free(f->raw);
    snprintf(command, sizeof command, "rm -rf '%s'", f->dir);
    assert(system(command) == 0);
}

static void answered_json(struct fixture *f, json_t *json)
{
    json_decref(f->json);
    f->json = json;
    f->answers++;
}

static void admin_answer(void *ctx, json_t *result)
{
    answered_json(ctx, result);
}

void fixture_wait(struct fixture *f, size_t answers)
{
    while (f->answers < answers) {
        assert(store_wait(f->m->store, 10000));
        store_drain(f->m->store, 64);
    }
}

const json_t *fixture_admin(struct fixture *f, const char *verb, const char *args_format, ...)
{
    char text[512];
    va_list args;
    va_start(args, args_format);
    vsnprintf(text, sizeof text, args_format, args);
    va_end(args);
    json_t *parsed = json_loads(text, 0, NULL);
    assert(parsed);
    fixture_admin_json(f, verb, parsed);
    json_decref(parsed);
    return f->json;
}

const json_t *fixture_admin_json(struct fixture *f, const char *verb, const json_t *args)
{
    size_t before = f->answers;
    assert(admin_call(f->m, verb, args, admin_answer, f));
    fixture_wait(f, before + 1);
    return f->json;
}

static void rest_answer(void *ctx, const struct rest_reply *reply)
{
    struct fixture *f = ctx;
    free(f->raw);
    f->raw = strndup(reply->data, reply->length);
    f->status = reply->status;
    const char *body = strstr(f->raw, "\r\n\r\n");
    assert(body);
    answered_json(f, json_loads(body + 4, JSON_DECODE_ANY, NULL));
}

void fixture_start(struct fixture *f, const struct request_key *key, const char *token, const char *method,
                   const char *body, const char *path)
{
    char whole[512], authorization[128];
    snprintf(whole, sizeof whole, "/api/v10%s", path);
    snprintf(authorization, sizeof authorization, "Bot %s", token ? token : "");
    char *query = strchr(whole, '?');
    struct rest_request q = {.method = rest_method_of(method, strlen(method)),
                             .path = whole,
                             .path_length = query ? (size_t)(query - whole) : strlen(whole),
                             .query = query ? query + 1 : NULL,
                             .query_length = query ? strlen(query + 1) : 0,
                             .keep_alive = true};
    if (token) {
        q.authorization = authorization;
        q.authorization_length = strlen(authorization);
    }
    if (body) {
        q.content_type = "application/json";
        q.content_type_length = strlen(q.content_type);
        q.body = body;
        q.body_length = strlen(body);
    }
    if (key)
        q.key = *key;
    rest_handle(f->rest, &q, rest_answer, f);
}

int fixture_ask_keyed(struct fixture *f, const struct request_key *key, const char *token, const char *method,
                      const char *body, const char *path)
{
    size_t before = f->answers;
    fixture_start(f, key, token, method, body, path);
    fixture_wait(f, before + 1);
    return f->status;
}

int fixture_ask(struct fixture *f, const char *token, const char *method, const char *body,
                const char *path_format, ...)
{
    char path[400];
    va_list args;
    va_start(args, path_format);
    vsnprintf(path, sizeof path, path_format, args);
    va_end(args);
    return fixture_ask_keyed(f, NULL, token, method, body, path);
}

void fixture_forget_effects(struct fixture *f)
{
    for (size_t i = 0; i < f->effect_count; i++) {
        free(f->effects[i].name);
        free(f->effects[i].body);
        free(f->effects[i].redacted);
    }
    f->effect_count = 0;
}

const struct kept_effect *fixture_event(const struct fixture *f, const char *name)
{
    for (size_t i = 0; i < f->effect_count; i++)
        if (f->effects[i].name && !strcmp(f->effects[i].name, name))
            return &f->effects[i];
    return NULL;
}

const struct kept_effect *fixture_effect(const struct fixture *f, enum effect_kind kind)
{
    for (size_t i = 0; i < f->effect_count; i++)
        if (f->effects[i].e.kind == kind)
            return &f->effects[i];
    return NULL;
}

const char *fixture_text(const struct fixture *f, const char *key)
{
    const char *text = json_string_value(json_object_get(f->json, key));
    return text ? text : "";
}

uint64_t json_id_of(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    uint64_t id = 0;
    return text && snowflake_parse(text, strlen(text), &id) ? id : 0;
}

json_t *dispatch_d(const char *body, size_t length, const char *event)
{
    char *whole = NULL;
    assert(asprintf(&whole, "{\"s\":1,%.*s", (int)length, body) > 0);
    json_t *parsed = json_loads(whole, 0, NULL);
    free(whole);
    assert(parsed);
    assert(json_integer_value(json_object_get(parsed, "op")) == 0);
    assert(!strcmp(json_string_value(json_object_get(parsed, "t")), event));
    json_t *d = json_incref(json_object_get(parsed, "d"));
    json_decref(parsed);
    return d;
}

void fixture_refused(const struct fixture *f, int status, int code)
{
    assert_int_equal(f->status, status);
    assert_true(json_is_object(f->json));
    assert_int_equal(json_integer_value(json_object_get(f->json, "code")), code);
    assert_true(json_is_string(json_object_get(f->json, "message")));
}

uint64_t fixture_give_role(struct fixture *f, uint64_t permissions)
{
    uint64_t id = json_id_of(fixture_admin(f, "role create",
                                           "{\"guild\":\"%llu\",\"name\":\"r\",\"permissions\":\"%llu\"}",
                                           (unsigned long long)f->guild, (unsigned long long)permissions),
                             "id");
    fixture_admin(f, "role give", "{\"guild\":\"%llu\",\"account\":\"%llu\",\"role\":\"%llu\"}",
                  (unsigned long long)f->guild, (unsigned long long)f->other, (unsigned long long)id);
    fixture_forget_effects(f);
    return id;
}
