/*
 * What notes say of accounts: the key of their tokens, what they may ask for, and who is whose friend.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/guilds/model.h"

#include "controlplane/protocol/intents.h"

#include <stdlib.h>
#include <string.h>

static struct relation *relation_of(const struct account *a, uint64_t other)
{
    for (size_t i = 0; a && i < a->relation_count; i++)
        if (a->relations[i].user_id == other)
            return &a->relations[i];
    return NULL;
}

enum relationship model_relation(const struct account *a, uint64_t other)
{
    const struct relation *r = relation_of(a, other);
    return r ? r->type : RELATION_NONE;
}

static void put_relation(struct account *a, uint64_t other, enum relationship type)
{
    struct relation *r = relation_of(a, other);
    if (!r) {
        a->relations = realloc(a->relations, (a->relation_count + 1) * sizeof *a->relations);
        if (!a->relations)
            abort();
        r = &a->relations[a->relation_count++];
    }
    *r = (struct relation){other, type};
}

void model_put_note(struct model *m, const struct note *n)
{
    struct account *a = id_map_get(&m->accounts, n->a);
    switch ((enum note_kind)n->kind) {
    case NOTE_TOKEN_KEY:
        memcpy(m->token_key, n->value, sizeof m->token_key);
        m->tokens_unsigned = n->a != 0;
        break;
    case NOTE_INTENTS:
        if (a && n->length == 4)
            a->intents_allowed = ((uint32_t)n->value[0] | (uint32_t)n->value[1] << 8 |
                                  (uint32_t)n->value[2] << 16 | (uint32_t)n->value[3] << 24) &
                                 INTENTS_PRIVILEGED;
        break;
    case NOTE_RELATIONSHIP:
        if (a && n->length == 1)
            put_relation(a, n->b, (enum relationship)n->value[0]);
        break;
    }
}

void model_remove_note(struct model *m, const struct note *n)
{
    struct account *a = id_map_get(&m->accounts, n->a);
    struct relation *r = relation_of(a, n->b);
    if (n->kind == NOTE_RELATIONSHIP && r)
        *r = a->relations[--a->relation_count];
    else if (n->kind == NOTE_INTENTS && a)
        a->intents_allowed = INTENTS_PRIVILEGED;
}
