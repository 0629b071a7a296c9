/*
 * What somebody has said in a guild, taken away with a ban. Inside the writer's transaction, so that nothing
 * said meanwhile is left.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/store/db.h"

#include <stdio.h>
#include <stdlib.h>

#define TOLD_MAX 100 /* messages that one event tells of */

struct place {
    uint64_t channel_id, message_id;
};

/* Every message of theirs, channel by channel; the caller frees. */
static int words_find(struct db *d, const struct words *w, struct place **list, size_t *count)
{
    sqlite3_stmt *s = db_bind(d, DB_WORDS_OF, "iii", w->guild_id, w->user_id, w->since_id);
    int rc = s ? SQLITE_DONE : sqlite3_extended_errcode(d->handle);
    *list = NULL;
    *count = 0;
    while (s && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        if ((*count & (*count - 1)) == 0) {
            *list = realloc(*list, (*count ? *count * 2 : 1) * sizeof **list);
            if (!*list)
                abort();
        }
        (*list)[(*count)++] = (struct place){db_u64(s, 0), db_u64(s, 1)};
    }
    return db_end(s, rc);
}

/* One event of up to TOLD_MAX that stand together in a channel; how many it took. */
static size_t words_tell(struct store_op *op, const struct place *at, size_t count)
{
    char *ids = calloc(TOLD_MAX, 21);
    size_t used = 0, n = 0;
    op->more = realloc(op->more, (op->more_count + 1) * sizeof *op->more);
    if (!ids || !op->more)
        abort();
    for (; n < count && n < TOLD_MAX && at[n].channel_id == at->channel_id; n++)
        used +=
            (size_t)snprintf(ids + used, 22, "%s%llu", n ? "," : "", (unsigned long long)at[n].message_id);
    op->more[op->more_count++] =
        (struct outbox_entry){.kind = OUTBOX_MESSAGES_DELETE, .channel_id = at->channel_id, .payload = ids};
    return n;
}

int db_words_drop(struct db *d, const struct words *w, struct store_op *op)
{
    struct place *list;
    size_t count;
    int rc = words_find(d, w, &list, &count);
    for (size_t i = 0; rc == SQLITE_OK && i < count; i++)
        rc = db_message_drop(d, list[i].channel_id, list[i].message_id);
    for (size_t i = 0; rc == SQLITE_OK && i < count;)
        i += words_tell(op, list + i, count - i);
    free(list);
    return rc;
}
