/*
 * Relationships of user accounts: friends, requests, blocks.
 *
 *      nothing --PUT--> outgoing | incoming --PUT by the other--> friends
 *      any --PUT type 2--> blocked;  any --DELETE--> nothing
 *
 * Bots have none (20001).
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/call.h"

/* The asker's account, or NULL when the call has been answered. */
static const struct account *asker(struct rest_call *c)
{
    const struct account *a = model_account(c->m, c->user_id);
    if (a && !a->user.bot)
        return a;
    rest_error(c, 403, 20001, "Bots cannot use this endpoint");
    return NULL;
}

/* The other one, likewise. */
static const struct account *other(struct rest_call *c)
{
    const struct account *a = model_account(c->m, c->match.user_id);
    if (!a)
        rest_unknown(c, 10013);
    else if (a->user.bot || a->user.id == c->user_id)
        rest_error(c, 400, 80007, "Users cannot be friends with themselves or with bots");
    else
        return a;
    return NULL;
}

void rest_relationships_get(struct rest_call *c)
{
    const struct account *a = asker(c);
    struct json_out body = {0};
    if (!a)
        return;
    out_list(&body);
    for (size_t i = 0; i < a->relation_count; i++) {
        const struct user *u = model_user(c->m, a->relations[i].user_id);
        if (u)
            object_relation(&body, &(struct relation_view){u, (int)a->relations[i].type});
    }
    out_list_end(&body);
    rest_send_out(c, 200, &body);
}

static void block(struct change *change, const struct account *a, const struct account *b)
{
    action_relation(change, a, b, RELATION_BLOCKED);
    if (model_relation(b, a->user.id) != RELATION_BLOCKED)
        action_relation(change, b, a, RELATION_NONE);
}

static void ask(struct change *change, const struct account *a, const struct account *b)
{
    switch (model_relation(a, b->user.id)) {
    case RELATION_INCOMING:
        action_befriend(change, a, b);
        break;
    case RELATION_NONE:
    case RELATION_BLOCKED:
        action_relation(change, a, b, RELATION_OUTGOING);
        action_relation(change, b, a, RELATION_INCOMING);
        break;
    case RELATION_OUTGOING:
    case RELATION_FRIEND:
        break;
    }
}

void rest_relationship_put(struct rest_call *c)
{
    int64_t type = RELATION_FRIEND;
    bool given;
    const struct account *a = asker(c), *b = a ? other(c) : NULL;
    if (!b || !field_int(c, "type", RELATION_FRIEND, RELATION_BLOCKED, &type, &given))
        return;
    if (type == RELATION_FRIEND && model_relation(b, a->user.id) == RELATION_BLOCKED) {
        rest_error(c, 400, 80001, "Blocked by that user");
        return;
    }
    struct change *change = change_begin(c->m, &c->key, 0);
    if (type == RELATION_BLOCKED)
        block(change, a, b);
    else
        ask(change, a, b);
    rest_commit(c, change);
}

void rest_relationship_delete(struct rest_call *c)
{
    const struct account *a = asker(c), *b = a ? model_account(c->m, c->match.user_id) : NULL;
    if (!a)
        return;
    if (!b || model_relation(a, b->user.id) == RELATION_NONE) {
        rest_unknown(c, 10013);
        return;
    }
    struct change *change = change_begin(c->m, &c->key, 0);
    action_unfriend(change, a, b);
    rest_commit(c, change);
}
