/*
 * The operator's verbs on messages, and on the store that keeps them.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/guilds/admin_verb.h"

#include <string.h>

#define LIST_MAX 100
#define TEXT_MAX 8000 /* bytes: 2000 characters of any kind */

static json_t *message_json(const struct model *m, const struct message_view *v)
{
    const struct message *g = &v->message;
    const struct user *u = model_user(m, g->author_id);
    json_t *files = json_array();
    for (size_t i = 0; i < g->attachment_count; i++)
        json_array_append_new(files, json_string(g->attachments[i].filename));
    return json_pack("{s:o, s:o, s:s, s:s, s:I, s:I, s:b, s:I, s:o}", "id", admin_id_json(g->id), "account",
                     admin_id_json(g->author_id), "name", u ? u->username : "", "text", g->content, "sent_ms",
                     (json_int_t)snowflake_ms(g->id), "edited_ms", (json_int_t)g->edited_at_ms, "pinned",
                     (int)g->pinned, "reactions", (json_int_t)v->reaction_count, "files", files);
}

static void messages_read(struct store_op *op, void *ctx)
{
    struct admin *a = ctx;
    if (op->status != STORE_OK) {
        admin_fail(a, store_status_text(op->status));
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < op->view_count; i++)
        json_array_append_new(list, message_json(a->m, &op->views[i]));
    if (op->verb == STORE_HISTORY) {
        a->result = json_pack("{s:o}", "messages", list);
    } else {
        a->result = json_incref(json_array_get(list, 0));
        json_decref(list);
    }
    admin_finish(a);
}

static void message_written(struct store_op *op, void *ctx)
{
    struct admin *a = ctx;
    if (op->status != STORE_OK) {
        admin_fail(a, store_status_text(op->status));
        return;
    }
    effects_publish(a->m, op);
    a->result = json_pack("{s:o}", "id", admin_id_json(op->entry.message_id));
    admin_finish(a);
}

/* An operation on "channel"; NULL when the verb has been answered. */
static struct store_op *message_op(struct admin *a, enum store_verb verb, store_done_fn *done)
{
    const struct channel *c = model_channel(a->m, admin_id(a, "channel"));
    if (!c || c->type == CHANNEL_CATEGORY) {
        admin_fail(a, "no such channel");
        return NULL;
    }
    struct store_op *op = store_op_new(verb, done, a);
    op->channel_id = c->id;
    op->message_id = admin_id(a, "message");
    op->may_manage = true;
    return op;
}

static void message_submit(struct admin *a, struct store_op *op)
{
    if (store_submit(a->m->store, op))
        return;
    store_op_free(op);
    admin_fail(a, "the store's queue is full, try again");
}

void admin_message_list(struct admin *a)
{
    struct store_op *op = message_op(a, STORE_HISTORY, messages_read);
    if (!op)
        return;
    uint64_t limit = json_object_get(a->args, "limit") ? admin_id(a, "limit") : 50,
             before = admin_id(a, "before");
    if (limit < 1 || limit > LIST_MAX) {
        store_op_free(op);
        admin_fail(a, "limit: 1 to 100");
        return;
    }
    op->limit = (uint32_t)limit;
    op->history = before ? HISTORY_BEFORE : HISTORY_LATEST;
    op->message_id = before;
    message_submit(a, op);
}

void admin_message_show(struct admin *a)
{
    struct store_op *op = message_op(a, STORE_MESSAGE_GET, messages_read);
    if (op)
        message_submit(a, op);
}

void admin_message_send(struct admin *a)
{
    const char *text = admin_text(a, "text");
    uint64_t account = admin_id(a, "account");
    struct store_op *op = message_op(a, STORE_MESSAGE_CREATE, message_written);
    if (!op)
        return;
    const struct channel *c = model_channel(a->m, op->channel_id);
    if (!(model_channel_permissions(a->m, c, account) & PERM_SEND_MESSAGES) ||
        !admin_name_fits(text, TEXT_MAX)) {
        store_op_free(op);
        admin_fail(a, text ? "account: may not write there" : "text: 1 to 8000 bytes are needed");
        return;
    }
    op->user_id = account;
    op->message = (struct message){.id = snowflake_next(&a->m->ids, a->m->now_ms),
                                   .channel_id = c->id,
                                   .author_id = account,
                                   .content = text_copy(text)};
    message_submit(a, op);
}

void admin_message_delete(struct admin *a)
{
    struct store_op *op = message_op(a, STORE_MESSAGE_DELETE, message_written);
    if (op)
        message_submit(a, op);
}

void admin_store_status(struct admin *a)
{
    struct store_counts c;
    store_counts(a->m->store, &c);
    a->result =
        json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "written", (json_int_t)c.written, "commits",
                  (json_int_t)c.groups, "read", (json_int_t)c.read, "read_together", (json_int_t)c.coalesced,
                  "failed", (json_int_t)c.failed, "put_aside", (json_int_t)c.poisoned);
    admin_finish(a);
}
