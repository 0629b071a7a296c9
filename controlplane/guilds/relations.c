/*
 * Actions between accounts: who is whose friend, and what an account may ask for.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/guilds/actions.h"

#include <stdlib.h>

void action_relation(struct change *c, const struct account *a, const struct account *other,
                     enum relationship type)
{
    enum relationship was = model_relation(a, other->user.id);
    struct store_row *r;
    struct json_out body = {0};
    if (was == type)
        return;
    r = change_row(c, ROW_NOTE);
    r->remove = type == RELATION_NONE;
    r->note = (struct note){.kind = NOTE_RELATIONSHIP,
                            .a = a->user.id,
                            .b = other->user.id,
                            .value = {(uint8_t)type},
                            .length = 1};
    const char *name = type == RELATION_NONE ? "RELATIONSHIP_REMOVE" : "RELATIONSHIP_ADD";
    dispatch_relationship(
        &body, name, &(struct relation_view){&other->user, type == RELATION_NONE ? (int)was : (int)type});
    change_effect(c, &(struct effect){.kind = EFFECT_EVENT,
                                      .topic = EFFECT_TO_USER,
                                      .user_id = a->user.id,
                                      .name = name,
                                      .body = body.data,
                                      .body_length = body.length});
    json_out_free(&body);
}

void action_befriend(struct change *c, const struct account *a, const struct account *b)
{
    action_relation(c, a, b, RELATION_FRIEND);
    action_relation(c, b, a, RELATION_FRIEND);
    change_effect(c,
                  &(struct effect){.kind = EFFECT_FRIENDS, .user_id = a->user.id, .always_user = b->user.id});
}

void action_unfriend(struct change *c, const struct account *a, const struct account *b)
{
    action_relation(c, a, b, RELATION_NONE);
    if (model_relation(b, a->user.id) != RELATION_BLOCKED)
        action_relation(c, b, a, RELATION_NONE);
}

void action_account_intents(struct change *c, uint64_t user_id, uint32_t intents)
{
    struct note *n = &change_row(c, ROW_NOTE)->note;
    *n = (struct note){.kind = NOTE_INTENTS, .a = user_id, .length = 4};
    for (unsigned i = 0; i < 4; i++)
        n->value[i] = (uint8_t)(intents >> 8 * i);
}
