/*
 * Messages, typing and reactions over REST (reference/rest.md 6, rows of /channels/{channel}/messages).
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/call.h"

#include "controlplane/protocol/intents.h"
#include "controlplane/protocol/timestamp.h"

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

struct store_op *rest_message_op(struct rest_call *c, enum store_verb verb)
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

/* The files that came with the body become the operation's; false: the asker may attach none. */
static bool message_files(struct rest_call *c, struct store_op *op)
{
    if (c->file_count && !(c->permissions & PERM_ATTACH_FILES)) {
        store_op_free(op);
        rest_error(c, 403, 50013, "Missing Permissions");
        return false;
    }
    op->message.attachments = c->files;
    op->message.attachment_count = c->file_count;
    c->files = NULL;
    c->file_count = 0;
    return true;
}

/* A channel's slow mode binds all but those who look after it. */
static bool slow_mode(struct rest_call *c, struct store_op *op)
{
    struct limit_state state;
    uint32_t window_ms = c->channel->rate_limit_per_user * 1000;
    if (!window_ms || (c->permissions & (PERM_MANAGE_MESSAGES | PERM_MANAGE_CHANNELS)) ||
        limits_take(c->rest->limits, LIMIT_SLOW_MODE, c->user_id, c->channel->id, 1, window_ms, c->m->now_ms,
                    &state))
        return true;
    store_op_free(op);
    return rest_limited(c, &state, 20016, "This action cannot be performed due to slowmode rate limit");
}

void rest_message_post(struct rest_call *c)
{
    struct message_fault fault;
    if (c->channel->type == CHANNEL_CATEGORY) {
        rest_error(c, 403, 50008, "Cannot send messages in a non-text channel");
        return;
    }
    struct store_op *op = rest_message_op(c, STORE_MESSAGE_CREATE);
    op->message.channel_id = c->match.channel_id;
    op->message.author_id = c->user_id;
    if (!message_files(c, op))
        return;
    if (!message_compose(op, c->m, c->guild, c->permissions, c->body, &fault)) {
        message_refuse(c, op, &fault);
        return;
    }
    if (!slow_mode(c, op))
        return;
    op->message.id = snowflake_next(&c->m->ids, c->m->now_ms);
    op->nonce_since = snowflake_floor(c->m->now_ms - NONCE_MS);
    rest_submit(c, op);
}

void rest_message_patch(struct rest_call *c)
{
    struct message_fault fault;
    struct store_op *op = rest_message_op(c, STORE_MESSAGE_EDIT);
    op->message.channel_id = c->match.channel_id;
    if (!message_files(c, op))
        return;
    if (!message_revise(op, c->m, c->guild, c->permissions, c->body, &fault))
        message_refuse(c, op, &fault);
    else
        rest_submit(c, op);
}

void rest_message_delete(struct rest_call *c)
{
    rest_submit(c, rest_message_op(c, STORE_MESSAGE_DELETE));
}

static void message_pin(struct rest_call *c, bool pinned)
{
    struct store_op *op = rest_message_op(c, STORE_MESSAGE_PIN);
    op->message.pinned = pinned;
    op->before_ms = c->m->now_ms;
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
    struct store_op *op = rest_message_op(c, STORE_MESSAGES_DELETE);
    if (bulk_ids(c, op))
        rest_submit(c, op);
    else
        store_op_free(op);
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
    uint64_t anchor = 0, limit;
    if (!query_limit(c, 50, 100, &limit) || !history_anchor(c, &direction, &anchor))
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
    op->limit = (uint32_t)limit;
    rest_submit(c, op);
}

static void pins_out(struct rest_call *c, const struct store_op *op, bool old)
{
    struct json_out body = {0};
    size_t shown =
        op->view_count < op->limit - 1u ? op->view_count : op->limit - 1u; /* one more was asked for */
    if (!old) {
        out_object(&body);
        out_key(&body, "items");
    }
    out_list(&body);
    for (size_t i = 0; i < shown; i++) {
        struct message_full full;
        model_message_full(c->m, &op->views[i], &full);
        if (!old) {
            out_object(&body);
            out_field_time(&body, "pinned_at", op->pinned_ms[i]);
            out_key(&body, "message");
        }
        object_message(&body, &full);
        if (!old)
            out_object_end(&body);
        free((void *)full.mentions);
    }
    out_list_end(&body);
    if (!old) {
        out_field_bool(&body, "has_more", shown < op->view_count);
        out_object_end(&body);
    }
    rest_send_out(c, 200, &body);
}

static void pins_read(struct store_op *op, void *ctx)
{
    if (op->status != STORE_OK)
        rest_store_failed(ctx, op->status);
    else
        pins_out(ctx, op, false);
}

static void pins_read_old(struct store_op *op, void *ctx)
{
    if (op->status != STORE_OK)
        rest_store_failed(ctx, op->status);
    else
        pins_out(ctx, op, true);
}

static void pins(struct rest_call *c, store_done_fn *done, uint64_t limit, int64_t before_ms,
                 const char *none)
{
    if (!(c->permissions & PERM_READ_MESSAGE_HISTORY)) {
        rest_send(c, 200, none);
        return;
    }
    struct store_op *op = store_op_new(STORE_PINS, done, c);
    op->channel_id = c->match.channel_id;
    op->user_id = c->user_id;
    op->before_ms = before_ms;
    op->limit = (uint32_t)limit + 1;
    rest_submit(c, op);
}

void rest_pins_get(struct rest_call *c)
{
    uint64_t limit;
    char encoded[128], text[128];
    int64_t before = INT64_MAX;
    if (!query_limit(c, 50, 50, &limit))
        return;
    if (query_text(c, "before", encoded, sizeof encoded) &&
        (!percent_decode(encoded, strlen(encoded), text, sizeof text) || !timestamp_parse(text, &before))) {
        rest_invalid(c, "before", "DATE_TIME_TYPE_PARSE", "An ISO 8601 time.");
        return;
    }
    pins(c, pins_read, limit, before, "{\"items\":[],\"has_more\":false}");
}

void rest_pins_get_old(struct rest_call *c)
{
    pins(c, pins_read_old, 50, INT64_MAX, "[]");
}

static void typing_told(struct rest_call *c, struct effect *e, const struct member_ref *who)
{
    struct json_out body = {0};
    dispatch_typing_start(&body, c->channel->id, c->channel->guild_id, c->user_id, who, c->m->now_ms / 1000);
    e->body = body.data;
    e->body_length = body.length;
    c->m->sink(c->m->sink_ctx, e);
    json_out_free(&body);
}

void rest_typing(struct rest_call *c)
{
    struct member_ref who;
    struct effect e = {.kind = EFFECT_EVENT, .channel_id = c->channel->id, .name = "TYPING_START"};
    e.intent = intent_of_event(e.name, !c->guild);
    if (c->m->sink && c->guild && model_member_ref(c->m, c->guild, c->user_id, &who)) {
        e.guild_id = c->guild->row.id;
        e.user_id = c->user_id;
        e.view_channel = c->channel->id;
        typing_told(c, &e, &who);
    } else if (c->m->sink && !c->guild) {
        e.topic = EFFECT_TO_USER;
        for (size_t i = 0; i < 2; i++) {
            e.user_id = c->channel->recipients[i];
            typing_told(c, &e, NULL);
        }
    }
    rest_send(c, 204, NULL);
}
