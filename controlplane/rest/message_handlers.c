/*
 * Messages, typing and reactions over REST (reference/rest.md 6, rows of /channels/{channel}/messages).
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/call.h"

#include "controlplane/protocol/intents.h"

#include <stdlib.h>
#include <string.h>

/* A mutation is durable: its effects, then its answer. */
static void message_done(struct store_op *op, void *ctx)
{
    struct rest_call *c = ctx;
    if (op->status != STORE_OK) {
        rest_store_failed(c, op->status);
        return;
    }
    if (!op->replayed)
        effects_publish(c->m, op);
    if (op->replayed)
        rest_replayed(c, op);
    else if (op->verb == STORE_MESSAGE_CREATE || op->verb == STORE_MESSAGE_EDIT)
        rest_send_message(c, &op->views[0]);
    else
        rest_send(c, 204, NULL);
}

/* A mutation of the message in the path by the asker. */
static struct store_op *message_op(struct rest_call *c, enum store_verb verb)
{
    struct store_op *op = store_op_new(verb, message_done, c);
    op->channel_id = c->match.channel_id;
    op->message_id = c->match.message_id;
    op->user_id = c->user_id;
    op->may_manage = c->permissions & PERM_MANAGE_MESSAGES;
    return op;
}

static void message_refuse(struct rest_call *c, struct store_op *op, const struct message_fault *fault)
{
    store_op_free(op);
    if (fault->field)
        rest_invalid(c, fault->field, fault->reason, fault->text);
    else
        rest_error(c, 400, fault->code, fault->text);
}

void rest_message_post(struct rest_call *c)
{
    struct message_fault fault;
    if (c->channel->type == CHANNEL_CATEGORY) {
        rest_error(c, 403, 50008, "Cannot send messages in a non-text channel");
        return;
    }
    struct store_op *op = message_op(c, STORE_MESSAGE_CREATE);
    op->message.channel_id = c->match.channel_id;
    op->message.author_id = c->user_id;
    if (!message_compose(op, c->m, c->guild, c->permissions, c->body, &fault)) {
        message_refuse(c, op, &fault);
        return;
    }
    op->message.id = snowflake_next(&c->m->ids, c->m->now_ms);
    op->nonce_since = snowflake_floor(c->m->now_ms - NONCE_MS);
    rest_submit(c, op);
}

void rest_message_patch(struct rest_call *c)
{
    struct message_fault fault;
    struct store_op *op = message_op(c, STORE_MESSAGE_EDIT);
    if (!message_revise(op, c->m, c->guild, c->permissions, c->body, &fault))
        message_refuse(c, op, &fault);
    else
        rest_submit(c, op);
}

void rest_message_delete(struct rest_call *c)
{
    rest_submit(c, message_op(c, STORE_MESSAGE_DELETE));
}

static void message_pin(struct rest_call *c, bool pinned)
{
    struct store_op *op = message_op(c, STORE_MESSAGE_PIN);
    op->message.pinned = pinned;
    rest_submit(c, op);
}

void rest_message_pin(struct rest_call *c)
{
    message_pin(c, true);
}

void rest_message_unpin(struct rest_call *c)
{
    message_pin(c, false);
}

/* The ids of a bulk deletion, each once; false when it has answered. */
static bool bulk_ids(struct rest_call *c, struct store_op *op)
{
    const json_t *list = json_object_get(c->body, "messages"), *v;
    uint64_t oldest = snowflake_floor(c->m->now_ms - INT64_C(14) * 24 * 3600 * 1000);
    size_t count = json_array_size(list), i;
    if (count < 2 || count > 100) {
        rest_error(c, 400, 50016,
                   "Provided too few or too many messages to delete. Must provide between 2 and 100 "
                   "messages to delete.");
        return false;
    }
    op->ids = calloc(count, sizeof *op->ids);
    if (!op->ids)
        abort();
    json_array_foreach(list, i, v)
    {
        uint64_t id;
        const char *text = json_string_value(v);
        if (!text || !snowflake_parse(text, strlen(text), &id) || id > INT64_MAX) {
            rest_invalid(c, "messages", "NUMBER_TYPE_COERCE", "Value is not snowflake.");
            return false;
        }
        if (id < oldest) {
            rest_error(c, 400, 50034, "You can only bulk delete messages that are under 14 days old.");
            return false;
        }
        op->ids[op->id_count++] = id;
    }
    return true;
}

void rest_messages_delete(struct rest_call *c)
{
    struct store_op *op = message_op(c, STORE_MESSAGES_DELETE);
    if (bulk_ids(c, op))
        rest_submit(c, op);
    else
        store_op_free(op);
}

static void reaction(struct rest_call *c, enum store_verb verb, uint64_t user_id)
{
    struct store_op *op = message_op(c, verb);
    op->user_id = user_id;
    op->emoji = text_copy(c->match.emoji);
    op->may_manage = c->permissions & PERM_ADD_REACTIONS;
    rest_submit(c, op);
}

void rest_reaction_put(struct rest_call *c)
{
    reaction(c, STORE_REACTION_ADD, c->user_id);
}

void rest_reaction_delete(struct rest_call *c)
{
    reaction(c, STORE_REACTION_REMOVE, c->user_id);
}

void rest_reaction_delete_user(struct rest_call *c)
{
    reaction(c, STORE_REACTION_REMOVE, c->match.user_id);
}

static void reactors_done(struct store_op *op, void *ctx)
{
    struct rest_call *c = ctx;
    struct json_out body = {0};
    if (op->status != STORE_OK) {
        rest_store_failed(c, op->status);
        return;
    }
    out_list(&body);
    for (size_t i = 0; i < op->id_count; i++) {
        const struct user *u = model_user(c->m, op->ids[i]);
        if (u)
            object_user(&body, u);
    }
    out_list_end(&body);
    rest_send_out(c, 200, &body);
}

/* "limit" of the query; false when it has answered. */
static bool query_limit(struct rest_call *c, uint64_t usual, uint32_t *limit)
{
    uint64_t n = usual;
    char text[24];
    if (query_text(c, "limit", text, sizeof text) && (!query_number(c, "limit", &n) || n < 1 || n > 100)) {
        rest_invalid(c, "limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100.");
        return false;
    }
    *limit = (uint32_t)n;
    return true;
}

void rest_reactions_get(struct rest_call *c)
{
    uint32_t limit;
    if (!query_limit(c, 25, &limit))
        return;
    struct store_op *op = store_op_new(STORE_REACTORS, reactors_done, c);
    op->channel_id = c->match.channel_id;
    op->message_id = c->match.message_id;
    op->emoji = text_copy(c->match.emoji);
    op->limit = limit;
    query_number(c, "after", &op->message.id);
    rest_submit(c, op);
}

static void message_read(struct store_op *op, void *ctx)
{
    struct rest_call *c = ctx;
    if (op->status != STORE_OK)
        rest_store_failed(c, op->status);
    else
        rest_send_message(c, &op->views[0]);
}

void rest_message_get(struct rest_call *c)
{
    struct store_op *op = store_op_new(STORE_MESSAGE_GET, message_read, c);
    op->channel_id = c->match.channel_id;
    op->message_id = c->match.message_id;
    op->user_id = c->user_id;
    rest_submit(c, op);
}

static void history_read(struct store_op *op, void *ctx)
{
    struct rest_call *c = ctx;
    struct json_out body = {0};
    if (op->status != STORE_OK) {
        rest_store_failed(c, op->status);
        return;
    }
    out_list(&body);
    for (size_t i = 0; i < op->view_count; i++) {
        struct message_full full;
        model_message_full(c->m, &op->views[i], &full);
        object_message(&body, &full);
        free((void *)full.mentions);
    }
    out_list_end(&body);
    rest_send_out(c, 200, &body);
}

/* before, after or around: at most one of them, an id; false when it has answered. */
static bool history_anchor(struct rest_call *c, enum store_history *direction, uint64_t *anchor)
{
    static const struct {
        const char *key;
        enum store_history direction;
    } keys[] = {{"before", HISTORY_BEFORE}, {"after", HISTORY_AFTER}, {"around", HISTORY_AROUND}};
    char text[24];
    *direction = HISTORY_LATEST;
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (!query_text(c, keys[i].key, text, sizeof text))
            continue;
        if (*direction != HISTORY_LATEST || !query_number(c, keys[i].key, anchor)) {
            rest_invalid(c, keys[i].key, "NUMBER_TYPE_COERCE",
                         "One of before, after and around, a snowflake.");
            return false;
        }
        *direction = keys[i].direction;
    }
    return true;
}

void rest_messages_get(struct rest_call *c)
{
    enum store_history direction;
    uint64_t anchor = 0;
    uint32_t limit;
    if (!query_limit(c, 50, &limit) || !history_anchor(c, &direction, &anchor))
        return;
    if (!(c->permissions & PERM_READ_MESSAGE_HISTORY)) {
        rest_send(c, 200, "[]");
        return;
    }
    struct store_op *op = store_op_new(STORE_HISTORY, history_read, c);
    op->channel_id = c->match.channel_id;
    op->user_id = c->user_id;
    op->history = direction;
    op->message_id = anchor;
    op->limit = limit;
    rest_submit(c, op);
}

void rest_typing(struct rest_call *c)
{
    struct member_ref who;
    struct json_out body = {0};
    if (c->m->sink && model_member_ref(c->m, c->guild, c->user_id, &who)) {
        dispatch_typing_start(&body, c->channel->id, c->guild->row.id, c->user_id, &who, c->m->now_ms / 1000);
        struct effect e = {.kind = EFFECT_EVENT,
                           .guild_id = c->guild->row.id,
                           .channel_id = c->channel->id,
                           .user_id = c->user_id,
                           .topic = EFFECT_TO_GUILD,
                           .name = "TYPING_START",
                           .intent = INTENT_GUILD_MESSAGE_TYPING,
                           .view_channel = c->channel->id,
                           .body = body.data,
                           .body_length = body.length};
        c->m->sink(c->m->sink_ctx, &e);
        json_out_free(&body);
    }
    rest_send(c, 204, NULL);
}
