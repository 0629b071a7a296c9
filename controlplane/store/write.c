/*
 * Mutations of messages and reactions, and the outbox row that each leaves. Every function here runs inside
 * the writer's transaction.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/store/db.h"

#include "controlplane/protocol/snowflake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REACTIONS_MAX 20  /* different emoji on a message */
#define PINS_MAX      250 /* of a channel */

/* Has this key been answered before? Then the recorded outcome is the answer. */
int db_replay(struct db *d, struct store_op *op)
{
    uint64_t id = d->keys ? keys_find(d->keys, &op->key) : 0;
    if (!id)
        return SQLITE_OK;
    sqlite3_stmt *s = db_bind(d, DB_OUTBOX_BY_ID, "ibii", id, (const void *)op->key.boot,
                              (int)sizeof op->key.boot, (uint64_t)op->key.worker, op->key.entry);
    if (!s)
        return sqlite3_extended_errcode(d->handle);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        op->replayed = true;
        db_outbox_entry(s, &op->entry);
    }
    rc = db_end(s, rc);
    return rc == SQLITE_OK && op->replayed ? db_outbox_view(d, op) : rc;
}

static int outbox_put(struct db *d, const struct outbox_entry *e, const struct request_key *k)
{
    int rc = db_run(d, DB_OUTBOX_PUT, "iiiiiitbii", e->id, (uint64_t)e->kind, e->channel_id, e->message_id,
                    e->user_id, e->author_id, e->payload, key_given(k) ? (const void *)k->boot : NULL,
                    (int)sizeof k->boot, (uint64_t)k->worker, k->entry);
    if (d->keys && rc == SQLITE_OK)
        keys_note(d->keys, e->id, k);
    return rc;
}

/* The operation has changed something: this is what there is to publish, and the key is used up. */
static int write_outbox(struct db *d, struct store_op *op, struct outbox_entry e, uint64_t *outbox_next)
{
    e.id = (*outbox_next)++;
    int rc = outbox_put(d, &e, &op->key);
    e.payload = text_copy(e.payload);
    op->entry = e;
    return rc;
}

static struct outbox_entry message_entry(const struct store_op *op, enum outbox_kind kind, uint64_t author_id)
{
    return (struct outbox_entry){.kind = kind,
                                 .channel_id = op->channel_id,
                                 .message_id = op->message_id,
                                 .user_id = op->user_id,
                                 .author_id = author_id,
                                 .payload = op->payload};
}

/* The message as it is now becomes the operation's view. */
static int write_view(struct db *d, struct store_op *op, const struct message *m)
{
    struct message_view *v = store_op_view(op);
    message_copy(&v->message, m);
    return db_view_fill(d, v, op->user_id);
}

/* enforce_nonce: is there a first message already? */
static int write_nonce(struct db *d, struct store_op *op, bool *found)
{
    const struct message *m = &op->message;
    struct message first;
    *found = false;
    if (!op->enforce_nonce || !m->nonce)
        return SQLITE_OK;
    int rc = db_message_step(
        d, db_bind(d, DB_MESSAGE_BY_NONCE, "itii", m->author_id, m->nonce, op->nonce_since, m->channel_id),
        &first);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    *found = true;
    rc = write_view(d, op, &first);
    message_clear(&first);
    return rc;
}

/* The author of the message answered is mentioned, unless the sender said otherwise. */
static void mention_author(struct message *m, uint64_t author_id)
{
    char id[24];
    char *joined = NULL;
    size_t n = (size_t)snprintf(id, sizeof id, "%llu", (unsigned long long)author_id);
    for (const char *at = m->mentions; at && *at; at += strcspn(at, ","), at += *at == ',')
        if (!strncmp(at, id, n) && (at[n] == ',' || !at[n]))
            return;
    if (asprintf(&joined, "%s%s%s", m->mentions ? m->mentions : "", m->mentions ? "," : "", id) < 0)
        abort();
    free(m->mentions);
    m->mentions = joined;
}

static int write_reference(struct db *d, struct store_op *op)
{
    struct message *m = &op->message;
    if (!m->reference_id)
        return SQLITE_OK;
    sqlite3_stmt *s = db_bind(d, DB_MESSAGE_AUTHOR, "ii", m->channel_id, m->reference_id);
    if (!s)
        return sqlite3_extended_errcode(d->handle);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW && op->mention_replied)
        mention_author(m, db_u64(s, 0));
    if (rc == SQLITE_DONE && !op->reference_optional)
        op->status = STORE_BAD_REFERENCE;
    if (rc == SQLITE_DONE && op->reference_optional) {
        m->reference_id = 0;
        m->type = MESSAGE_DEFAULT;
    }
    return db_end(s, rc);
}

/* Those of m's files that came with the operation. */
static int files_put(struct db *d, const struct message *m, const struct attachment *files, size_t count)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < count; i++) {
        const struct attachment *a = &files[i];
        rc = db_run(d, DB_FILE_PUT, "iiiiiitttb", a->id, m->channel_id, m->id, (uint64_t)a->size, a->key[0],
                    a->key[1], a->filename, a->content_type, a->description,
                    (const void *)(a->data ? a->data : ""), (int)a->size);
    }
    return rc;
}

static int write_create(struct db *d, struct store_op *op, uint64_t *outbox_next)
{
    const struct message *m = &op->message;
    bool found;
    int rc = write_nonce(d, op, &found);
    if (rc != SQLITE_OK || found)
        return rc;
    rc = write_reference(d, op);
    if (rc != SQLITE_OK || op->status != STORE_OK)
        return rc;
    rc = db_run(d, DB_MESSAGE_PUT, "iiittiiiitttti", m->channel_id, m->id, m->author_id, m->content, m->nonce,
                (uint64_t)m->type, m->reference_id, m->edited_at_ms, (uint64_t)m->flags, m->embeds,
                m->components, m->mentions, m->mention_roles, db_message_bits(m));
    if (rc == SQLITE_OK)
        rc = files_put(d, m, m->attachments, m->attachment_count);
    if (rc != SQLITE_OK)
        return rc;
    struct message_view *v = store_op_view(op);
    message_copy(&v->message, m);
    if (m->reference_id && (rc = db_view_fill(d, v, op->user_id)) != SQLITE_OK)
        return rc;
    struct outbox_entry e = {.kind = OUTBOX_MESSAGE_CREATE,
                             .channel_id = m->channel_id,
                             .message_id = m->id,
                             .user_id = m->author_id,
                             .author_id = m->author_id};
    return write_outbox(d, op, e, outbox_next);
}

static void replace_text(char **text, const char *now)
{
    free(*text);
    *text = text_copy(now);
}

/* The edited fields into m. The operation stays as it is: its group may have to be tried again. */
static void message_edit(struct message *m, const struct store_op *op)
{
    const struct message *now = &op->message;
    if (op->edit_content) {
        replace_text(&m->content, now->content);
        replace_text(&m->mentions, now->mentions);
        replace_text(&m->mention_roles, now->mention_roles);
        m->mention_everyone = now->mention_everyone;
    }
    if (op->edit_embeds)
        replace_text(&m->embeds, now->embeds);
    if (op->edit_components)
        replace_text(&m->components, now->components);
    if (op->edit_flags)
        m->flags = now->flags;
    if (op->edit_content || op->edit_embeds || op->edit_components || op->edit_attachments)
        m->edited_at_ms = now->edited_at_ms;
}

static bool keeps_file(const struct store_op *op, uint64_t id)
{
    for (size_t i = 0; i < op->id_count; i++)
        if (op->ids[i] == id)
            return true;
    return false;
}

/* How many files the message will have. */
static size_t files_left(const struct message *m, const struct store_op *op)
{
    size_t n = op->message.attachment_count;
    for (size_t i = 0; i < m->attachment_count; i++)
        n += !op->edit_attachments || keeps_file(op, m->attachments[i].id);
    return n;
}

/* Takes away the files that the edit does not keep, and adds those that it brings. */
static int edit_files(struct db *d, struct message *m, const struct store_op *op)
{
    const struct message *now = &op->message;
    struct message all = {0};
    int rc = SQLITE_OK;
    if (!op->edit_attachments && !now->attachment_count)
        return SQLITE_OK;
    all.attachments = calloc(m->attachment_count + now->attachment_count + 1, sizeof *all.attachments);
    if (!all.attachments)
        abort();
    for (size_t i = 0; i < m->attachment_count; i++) {
        struct attachment *a = &m->attachments[i];
        if (!op->edit_attachments || keeps_file(op, a->id)) {
            all.attachments[all.attachment_count++] = *a;
            *a = (struct attachment){0};
        } else if (rc == SQLITE_OK) {
            rc = db_run(d, DB_FILE_DROP, "i", a->id);
        }
    }
    if (rc == SQLITE_OK)
        rc = files_put(d, m, now->attachments, now->attachment_count);
    struct message fresh = {0};
    attachments_copy(&fresh, now);
    for (size_t i = 0; i < fresh.attachment_count; i++)
        all.attachments[all.attachment_count++] = fresh.attachments[i];
    free(fresh.attachments);
    attachments_clear(m);
    m->attachments = all.attachments;
    m->attachment_count = all.attachment_count;
    return rc;
}

/* Anybody's words are their own: others with MANAGE_MESSAGES may change the flags alone. */
static bool may_edit(const struct store_op *op, uint64_t author_id)
{
    return author_id == op->user_id || (op->may_manage && !op->edit_content && !op->edit_embeds &&
                                        !op->edit_components && !op->edit_attachments);
}

static int message_set(struct db *d, const struct message *m)
{
    return db_run(d, DB_MESSAGE_SET, "iitiitttti", m->channel_id, m->id, m->content, m->edited_at_ms,
                  (uint64_t)m->flags, m->embeds, m->components, m->mentions, m->mention_roles,
                  db_message_bits(m));
}

/* Loads the message that the operation names; SQLITE_OK with op->status NOT_FOUND when there is none. */
static int write_find(struct db *d, struct store_op *op, struct message *m)
{
    int rc = db_message_get(d, op->channel_id, op->message_id, m);
    if (rc == SQLITE_DONE) {
        *m = (struct message){0};
        op->status = STORE_NOT_FOUND;
    }
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int write_edit(struct db *d, struct store_op *op, uint64_t *outbox_next)
{
    struct message m;
    int rc = write_find(d, op, &m);
    if (rc != SQLITE_OK || op->status != STORE_OK)
        return rc;
    if (!may_edit(op, m.author_id)) {
        op->status = STORE_NOT_AUTHOR;
        message_clear(&m);
        return SQLITE_OK;
    }
    message_edit(&m, op);
    if (!*m.content && !m.embeds && !m.components && !files_left(&m, op)) {
        op->status = STORE_EMPTY;
        message_clear(&m);
        return SQLITE_OK;
    }
    rc = edit_files(d, &m, op);
    if (rc == SQLITE_OK)
        rc = message_set(d, &m);
    if (rc == SQLITE_OK)
        rc = write_view(d, op, &m);
    if (rc == SQLITE_OK)
        rc = write_outbox(d, op, message_entry(op, OUTBOX_MESSAGE_UPDATE, m.author_id), outbox_next);
    message_clear(&m);
    return rc;
}

static int pin_put(struct db *d, struct store_op *op)
{
    sqlite3_stmt *s = db_bind(d, DB_PIN_COUNT, "i", op->channel_id);
    int rc = s ? sqlite3_step(s) : sqlite3_extended_errcode(d->handle);
    uint64_t pins = rc == SQLITE_ROW ? db_u64(s, 0) : 0;
    rc = db_end(s, rc);
    if (rc != SQLITE_OK)
        return rc;
    if (pins >= PINS_MAX) {
        op->status = STORE_TOO_MANY_PINS;
        return SQLITE_OK;
    }
    return db_run(d, DB_PIN_PUT, "iii", op->channel_id, op->message_id, op->before_ms);
}

/* When the channel's last pin was made, as the payload; NULL: there is none. */
static int pin_payload(struct db *d, struct store_op *op, char text[24], const char **payload)
{
    sqlite3_stmt *s = db_bind(d, DB_LAST_PIN, "i", op->channel_id);
    int rc = s ? sqlite3_step(s) : sqlite3_extended_errcode(d->handle);
    int64_t last = rc == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    snprintf(text, 24, "%lld", (long long)last);
    *payload = last ? text : NULL;
    return db_end(s, rc);
}

static int write_pin(struct db *d, struct store_op *op, uint64_t *outbox_next)
{
    struct message m;
    int rc = write_find(d, op, &m);
    if (rc != SQLITE_OK || op->status != STORE_OK)
        return rc;
    if (m.pinned == op->message.pinned) {
        message_clear(&m);
        return SQLITE_OK; /* it was so already: nothing to tell anybody */
    }
    m.pinned = op->message.pinned;
    rc = m.pinned ? pin_put(d, op) : db_run(d, DB_PIN_DROP, "ii", op->channel_id, op->message_id);
    char text[24];
    struct outbox_entry e = message_entry(op, OUTBOX_MESSAGE_PIN, m.author_id);
    if (rc == SQLITE_OK && op->status == STORE_OK)
        rc = message_set(d, &m);
    if (rc == SQLITE_OK && op->status == STORE_OK)
        rc = write_view(d, op, &m);
    if (rc == SQLITE_OK && op->status == STORE_OK)
        rc = pin_payload(d, op, text, (const char **)&e.payload);
    if (rc == SQLITE_OK && op->status == STORE_OK)
        rc = write_outbox(d, op, e, outbox_next);
    message_clear(&m);
    return rc;
}

int db_message_drop(struct db *d, uint64_t channel_id, uint64_t id)
{
    static const enum db_statement drops[] = {DB_MESSAGE_DROP, DB_FILES_DROP, DB_PIN_DROP};
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < sizeof drops / sizeof *drops; i++)
        rc = db_run(d, drops[i], "ii", channel_id, id);
    return rc == SQLITE_OK ? db_run(d, DB_REACTIONS_DROP, "i", id) : rc;
}

static int write_delete(struct db *d, struct store_op *op, uint64_t *outbox_next)
{
    struct message m;
    int rc = write_find(d, op, &m);
    if (rc != SQLITE_OK || op->status != STORE_OK)
        return rc;
    uint64_t author_id = m.author_id;
    message_clear(&m);
    if (author_id != op->user_id && !op->may_manage) {
        op->status = STORE_NOT_AUTHOR;
        return SQLITE_OK;
    }
    rc = db_message_drop(d, op->channel_id, op->message_id);
    return rc == SQLITE_OK
               ? write_outbox(d, op, message_entry(op, OUTBOX_MESSAGE_DELETE, author_id), outbox_next)
               : rc;
}

static int write_delete_many(struct db *d, struct store_op *op, uint64_t *outbox_next)
{
    char *list = calloc(op->id_count + 1, 21);
    size_t used = 0;
    int rc = SQLITE_OK;
    if (!list)
        abort();
    for (size_t i = 0; rc == SQLITE_OK && i < op->id_count; i++) {
        rc = db_message_drop(d, op->channel_id, op->ids[i]);
        used += (size_t)snprintf(list + used, 22, "%s%llu", used ? "," : "", (unsigned long long)op->ids[i]);
    }
    struct outbox_entry e = message_entry(op, OUTBOX_MESSAGES_DELETE, 0);
    e.payload = list;
    if (rc == SQLITE_OK)
        rc = write_outbox(d, op, e, outbox_next);
    free(list);
    return rc;
}

/* Is the emoji on the message already, and how many different ones are there? */
static int reaction_kinds(struct db *d, const struct store_op *op, bool *there, size_t *kinds)
{
    struct message_view v = {.message = {.id = op->message_id}};
    int rc = db_view_fill(d, &v, op->user_id);
    *there = false;
    *kinds = v.reaction_count;
    for (size_t i = 0; i < v.reaction_count; i++)
        *there |= !strcmp(v.reactions[i].emoji, op->emoji);
    message_view_clear(&v);
    return rc;
}

static int write_reaction(struct db *d, struct store_op *op, uint64_t *outbox_next)
{
    struct message m;
    bool add = op->verb == STORE_REACTION_ADD, there;
    size_t kinds;
    int rc = write_find(d, op, &m);
    if (rc != SQLITE_OK || op->status != STORE_OK)
        return rc;
    uint64_t author_id = m.author_id;
    message_clear(&m);
    if (add && (rc = reaction_kinds(d, op, &there, &kinds)) != SQLITE_OK)
        return rc;
    if (add && !there && (!op->may_manage || kinds >= REACTIONS_MAX)) {
        op->status = op->may_manage ? STORE_TOO_MANY_REACTIONS : STORE_MAY_NOT_ADD;
        return SQLITE_OK;
    }
    if (add)
        rc = db_run(d, DB_REACTION_PUT, "itii", op->message_id, op->emoji, op->user_id, *outbox_next);
    else
        rc = db_run(d, DB_REACTION_DROP, "iti", op->message_id, op->emoji, op->user_id);
    if (rc != SQLITE_OK || sqlite3_changes(d->handle) == 0)
        return rc; /* it was so already: nothing to tell anybody */
    struct outbox_entry e = message_entry(op, add ? OUTBOX_REACTION_ADD : OUTBOX_REACTION_REMOVE, author_id);
    e.payload = op->emoji;
    return write_outbox(d, op, e, outbox_next);
}

static int write_reactions_clear(struct db *d, struct store_op *op, uint64_t *outbox_next)
{
    struct message m;
    int rc = write_find(d, op, &m);
    if (rc != SQLITE_OK || op->status != STORE_OK)
        return rc;
    uint64_t author_id = m.author_id;
    message_clear(&m);
    rc = op->emoji ? db_run(d, DB_EMOJI_DROP, "it", op->message_id, op->emoji)
                   : db_run(d, DB_REACTIONS_DROP, "i", op->message_id);
    if (rc != SQLITE_OK || sqlite3_changes(d->handle) == 0)
        return rc;
    struct outbox_entry e = message_entry(op, OUTBOX_REACTIONS_CLEAR, author_id);
    e.payload = op->emoji;
    return write_outbox(d, op, e, outbox_next);
}

static int change_row(struct db *d, struct store_op *op, const struct store_row *r)
{
    if (r->kind == ROW_WORDS)
        return db_words_drop(d, &r->words, op);
    return r->remove ? db_remove_row(d, r) : db_put_row(d, r);
}

static int write_change(struct db *d, struct store_op *op, uint64_t *outbox_next)
{
    static const struct request_key none;
    int rc = SQLITE_OK;
    for (size_t i = 0; rc == SQLITE_OK && i < op->row_count; i++)
        rc = change_row(d, op, &op->rows[i]);
    if (rc != SQLITE_OK)
        return rc;
    rc = write_outbox(d, op, message_entry(op, OUTBOX_CHANGE, 0), outbox_next);
    for (size_t i = 0; rc == SQLITE_OK && i < op->more_count; i++) {
        op->more[i].id = (*outbox_next)++;
        rc = outbox_put(d, &op->more[i], &none);
    }
    return rc;
}

int db_mutate(struct db *d, struct store_op *op, uint64_t *outbox_next)
{
    int rc = db_replay(d, op);
    if (rc != SQLITE_OK || op->replayed)
        return rc;
    switch (op->verb) {
    case STORE_MESSAGE_CREATE:
        return write_create(d, op, outbox_next);
    case STORE_MESSAGE_EDIT:
        return write_edit(d, op, outbox_next);
    case STORE_MESSAGE_PIN:
        return write_pin(d, op, outbox_next);
    case STORE_MESSAGE_DELETE:
        return write_delete(d, op, outbox_next);
    case STORE_MESSAGES_DELETE:
        return write_delete_many(d, op, outbox_next);
    case STORE_REACTION_ADD:
    case STORE_REACTION_REMOVE:
        return write_reaction(d, op, outbox_next);
    case STORE_REACTIONS_CLEAR:
        return write_reactions_clear(d, op, outbox_next);
    case STORE_REPLAY:
        op->status = STORE_NOT_FOUND;
        return SQLITE_OK;
    default:
        return write_change(d, op, outbox_next);
    }
}
