/*
 * The life of an operation: made, given rows, its answer undone for another attempt, freed.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/store/db.h"

#include <stdlib.h>

const char *store_status_text(enum store_status s)
{
    static const char *const text[] = {
#define STORE_STATUS_TEXT(name, what) what,
        STORE_STATUS_LIST(STORE_STATUS_TEXT)
#undef STORE_STATUS_TEXT
    };
    return text[s];
}

struct store_op *store_op_new(enum store_verb verb, store_done_fn *done, void *ctx)
{
    struct store_op *op = calloc(1, sizeof *op);
    if (!op)
        abort();
    op->verb = verb;
    op->done = done;
    op->ctx = ctx;
    return op;
}

struct store_row *store_op_row(struct store_op *op, enum store_row_kind kind)
{
    op->rows = realloc(op->rows, (op->row_count + 1) * sizeof *op->rows);
    if (!op->rows)
        abort();
    op->rows[op->row_count] = (struct store_row){.kind = kind};
    return &op->rows[op->row_count++];
}

static void row_clear(struct store_row *r)
{
    switch (r->kind) {
    case ROW_USER:
        user_clear(&r->user);
        break;
    case ROW_GUILD:
        guild_clear(&r->guild);
        break;
    case ROW_ROLE:
        role_clear(&r->role);
        break;
    case ROW_CHANNEL:
        channel_clear(&r->channel);
        break;
    case ROW_MEMBER:
        member_clear(&r->member);
        break;
    case ROW_BAN:
        ban_clear(&r->ban);
        break;
    case ROW_TOKEN:
    case ROW_NOTE:
    case ROW_INVITE:
    case ROW_WORDS:
        break;
    }
}

void store_op_unanswer(struct store_op *op)
{
    for (size_t i = 0; i < op->view_count; i++)
        message_view_clear(&op->views[i]);
    free(op->views);
    free(op->pinned_ms);
    free(op->entry.payload);
    for (size_t i = 0; i < op->more_count; i++)
        free(op->more[i].payload);
    free(op->more);
    op->more = NULL;
    op->more_count = 0;
    op->views = NULL;
    op->pinned_ms = NULL;
    op->view_count = 0;
    op->entry = (struct outbox_entry){0};
    op->replayed = false;
    op->status = STORE_OK;
}

void store_op_free(struct store_op *op)
{
    store_op_unanswer(op);
    for (size_t i = 0; i < op->row_count; i++)
        row_clear(&op->rows[i]);
    free(op->rows);
    free(op->ids);
    free(op->emoji);
    free(op->payload);
    message_clear(&op->message);
    free(op);
}
