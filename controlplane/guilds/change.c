/*
 * Changes: built, committed, applied, told. The payload of a change's outbox row:
 *
 *      {"effects":[{...}],"status":200,"body":"..."}
 *
 * with an effect's fields under the short keys of effects.c.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/guilds/change.h"

#include "controlplane/guilds/effects.h"

#include <jansson.h>
#include <stdlib.h>

struct change {
    struct model *model;
    struct store_op *op;
    struct json_out effects;
    uint64_t guild_id, lock_id;
    int http_status;
    char *body;
    change_done_fn *done;
    void *ctx;
};

struct change_wait {
    struct change_wait *next;
    uint64_t id;
    change_again_fn *again;
    void *ctx;
};

static void change_free(struct change *c)
{
    json_out_free(&c->effects);
    free(c->body);
    free(c);
}

/* Every caller that waited for it may try; the first to change it makes the others wait again. */
static void change_wake(struct model *m, uint64_t id)
{
    struct change_wait *woken = NULL, **end = &woken, **at = &m->waiting;
    while (*at) {
        struct change_wait *w = *at;
        if (w->id != id) {
            at = &w->next;
            continue;
        }
        *at = w->next;
        w->next = NULL;
        *end = w;
        end = &w->next;
        m->waiting_count--;
    }
    while (woken) {
        struct change_wait *w = woken;
        woken = w->next;
        w->again(w->ctx);
        free(w);
    }
}

static void change_done(struct store_op *op, void *ctx)
{
    struct change *c = ctx;
    struct model *m = c->model;
    if (c->lock_id)
        id_map_remove(&m->changing, c->lock_id);
    if (op->status == STORE_OK && op->replayed) {
        free(c->body);
        c->body = NULL;
        change_recorded(op->entry.payload, &c->http_status, &c->body);
    } else if (op->status == STORE_OK) {
        for (size_t i = 0; i < op->row_count; i++)
            model_apply(m, &op->rows[i]);
        effects_publish(m, op);
        for (size_t i = 0; i < op->more_count; i++)
            effects_publish(m, &(struct store_op){.entry = op->more[i]});
    }
    if (c->done)
        c->done(c->ctx, op->status, c->http_status, c->body);
    change_wake(m, c->lock_id);
    change_free(c);
}

struct change *change_begin(struct model *m, const struct request_key *key, uint64_t guild_id)
{
    struct change *c = calloc(1, sizeof *c);
    if (!c)
        abort();
    c->model = m;
    c->guild_id = c->lock_id = guild_id;
    c->http_status = 204;
    c->op = store_op_new(STORE_CHANGE, change_done, c);
    if (key)
        c->op->key = *key;
    out_list(&c->effects);
    return c;
}

void change_lock(struct change *c, uint64_t id)
{
    c->lock_id = id;
}

struct store_row *change_row(struct change *c, enum store_row_kind kind)
{
    return store_op_row(c->op, kind);
}

void change_effect(struct change *c, const struct effect *e)
{
    effect_write(&c->effects, e);
}

void change_event(struct change *c, const char *name, uint64_t view_channel, const struct json_out *body)
{
    struct effect e = {.kind = EFFECT_EVENT,
                       .guild_id = c->guild_id,
                       .topic = EFFECT_TO_GUILD,
                       .name = name,
                       .view_channel = view_channel,
                       .body = body->data,
                       .body_length = body->length};
    change_effect(c, &e);
}

void change_user_event(struct change *c, const char *name, uint64_t user_id, const struct json_out *body)
{
    struct effect e = {.kind = EFFECT_EVENT,
                       .user_id = user_id,
                       .topic = EFFECT_TO_USER,
                       .name = name,
                       .body = body->data,
                       .body_length = body->length};
    change_effect(c, &e);
}

void change_reply(struct change *c, int http_status, const char *body)
{
    free(c->body);
    c->http_status = http_status;
    c->body = text_copy(body);
}

bool change_submit(struct change *c, change_done_fn *done, void *ctx)
{
    struct json_out payload = {0};
    out_list_end(&c->effects);
    out_object(&payload);
    out_key(&payload, "effects");
    out_bytes(&payload, c->effects.data, c->effects.length);
    payload.comma = true;
    out_field_int(&payload, "status", c->http_status);
    if (c->body)
        out_field_string(&payload, "body", c->body);
    out_object_end(&payload);
    c->op->payload = json_out_take(&payload);
    c->done = done;
    c->ctx = ctx;
    if (!store_submit(c->model->store, c->op)) {
        change_abandon(c);
        return false;
    }
    if (c->lock_id)
        id_map_put(&c->model->changing, c->lock_id, c->model);
    return true;
}

void change_abandon(struct change *c)
{
    store_op_free(c->op);
    change_free(c);
}

bool change_wait(struct model *m, uint64_t id, change_again_fn *again, void *ctx, bool *full)
{
    bool changing = id && id_map_get(&m->changing, id);
    *full = changing && m->waiting_count >= CHANGE_WAIT_MAX;
    if (!changing || *full)
        return false;
    struct change_wait *w = calloc(1, sizeof *w), **at = &m->waiting;
    if (!w)
        abort();
    *w = (struct change_wait){NULL, id, again, ctx};
    while (*at)
        at = &(*at)->next;
    *at = w;
    m->waiting_count++;
    return true;
}

void change_forget(struct model *m)
{
    while (m->waiting) {
        struct change_wait *w = m->waiting;
        m->waiting = w->next;
        free(w);
    }
    m->waiting_count = 0;
}

bool change_recorded(const char *payload, int *http_status, char **body)
{
    json_t *p = payload ? json_loads(payload, 0, NULL) : NULL;
    if (!p)
        return false;
    *http_status = (int)json_integer_value(json_object_get(p, "status"));
    *body = text_copy(json_string_value(json_object_get(p, "body")));
    json_decref(p);
    return true;
}
