/*
 * Reactions over REST.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/call.h"

static void reaction(struct rest_call *c, enum store_verb verb, uint64_t user_id)
{
    struct store_op *op = rest_message_op(c, verb);
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

void rest_reactions_get(struct rest_call *c)
{
    uint64_t limit;
    if (!query_limit(c, 25, 100, &limit))
        return;
    struct store_op *op = store_op_new(STORE_REACTORS, reactors_done, c);
    op->channel_id = c->match.channel_id;
    op->message_id = c->match.message_id;
    op->emoji = text_copy(c->match.emoji);
    op->limit = (uint32_t)limit;
    query_number(c, "after", &op->message.id);
    rest_submit(c, op);
}

void rest_reactions_clear(struct rest_call *c)
{
    rest_submit(c, rest_message_op(c, STORE_REACTIONS_CLEAR));
}

void rest_emoji_clear(struct rest_call *c)
{
    struct store_op *op = rest_message_op(c, STORE_REACTIONS_CLEAR);
    op->emoji = text_copy(c->match.emoji);
    rest_submit(c, op);
}
