/*
 * Reads: messages with what is shown with them, history, who reacted, outbox rows.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/store/db.h"

#include <stdlib.h>
#include <string.h>

#define BIT_TTS      1u
#define BIT_EVERYONE 2u
#define BIT_PINNED   4u
#define BIT_FILES    8u

void db_message(sqlite3_stmt *s, struct message *m)
{
    uint64_t bits = db_u64(s, 13);
    *m = (struct message){
        .channel_id = db_u64(s, 0),
        .id = db_u64(s, 1),
        .author_id = db_u64(s, 2),
        .content = db_text(s, 3),
        .nonce = db_text(s, 4),
        .type = (uint8_t)db_u64(s, 5),
        .reference_id = db_u64(s, 6),
        .edited_at_ms = sqlite3_column_int64(s, 7),
        .flags = (uint32_t)db_u64(s, 8),
        .embeds = db_text(s, 9),
        .components = db_text(s, 10),
        .mentions = db_text(s, 11),
        .mention_roles = db_text(s, 12),
        .tts = bits & BIT_TTS,
        .mention_everyone = bits & BIT_EVERYONE,
        .pinned = bits & BIT_PINNED,
        .attachment_count = bits & BIT_FILES ? 1 : 0, /* until db_message_files has counted them */
    };
    if (!m->content)
        m->content = text_copy("");
}

static void file_row(sqlite3_stmt *s, struct attachment *a)
{
    *a = (struct attachment){.id = db_u64(s, 0),
                             .size = (uint32_t)db_u64(s, 1),
                             .key = {db_u64(s, 2), db_u64(s, 3)},
                             .filename = db_text(s, 4),
                             .content_type = db_text(s, 5),
                             .description = db_text(s, 6)};
}

int db_message_files(struct db *d, struct message *m)
{
    if (!m->attachment_count)
        return SQLITE_OK;
    m->attachment_count = 0;
    sqlite3_stmt *s = db_bind(d, DB_FILES_OF, "ii", m->channel_id, m->id);
    int rc = s ? SQLITE_DONE : sqlite3_extended_errcode(d->handle);
    while (s && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        m->attachments = realloc(m->attachments, (m->attachment_count + 1) * sizeof *m->attachments);
        if (!m->attachments)
            abort();
        file_row(s, &m->attachments[m->attachment_count++]);
    }
    return db_end(s, rc);
}

int64_t db_message_bits(const struct message *m)
{
    return (m->tts ? BIT_TTS : 0) | (m->mention_everyone ? BIT_EVERYONE : 0) | (m->pinned ? BIT_PINNED : 0) |
           (m->attachment_count ? BIT_FILES : 0);
}

/* Steps a statement that gives at most one message. */
int db_message_step(struct db *d, sqlite3_stmt *s, struct message *m)
{
    if (!s)
        return sqlite3_extended_errcode(d->handle);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW)
        db_message(s, m);
    db_end(s, rc);
    if (rc == SQLITE_ROW) {
        int files = db_message_files(d, m);
        if (files != SQLITE_OK) {
            message_clear(m);
            return files;
        }
    }
    return rc;
}

int db_message_get(struct db *d, uint64_t channel_id, uint64_t id, struct message *m)
{
    return db_message_step(d, db_bind(d, DB_MESSAGE_GET, "ii", channel_id, id), m);
}

/* Most messages have none, which is sooner seen than counted. SQLITE_ROW: this one has. */
static int reacted(struct db *d, uint64_t message_id)
{
    sqlite3_stmt *s = db_bind(d, DB_REACTED, "i", message_id);
    int rc = s ? sqlite3_step(s) : sqlite3_extended_errcode(d->handle);
    db_end(s, rc);
    return rc;
}

int db_view_reactions(struct db *d, struct message_view *v, uint64_t reader_id)
{
    for (size_t i = 0; i < v->reaction_count; i++)
        free(v->reactions[i].emoji);
    v->reaction_count = 0;
    int rc = reacted(d, v->message.id);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    sqlite3_stmt *s = db_bind(d, DB_REACTIONS_OF, "ii", v->message.id, reader_id);
    rc = s ? SQLITE_ROW : sqlite3_extended_errcode(d->handle);
    while (s && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        v->reactions = realloc(v->reactions, (v->reaction_count + 1) * sizeof *v->reactions);
        if (!v->reactions)
            abort();
        v->reactions[v->reaction_count++] = (struct reaction){
            .emoji = db_text(s, 0), .count = (uint32_t)db_u64(s, 1), .me = sqlite3_column_int(s, 2) != 0};
    }
    return db_end(s, rc);
}

int db_view_fill(struct db *d, struct message_view *v, uint64_t reader_id)
{
    if (v->message.reference_id) {
        struct message to;
        int rc = db_message_get(d, v->message.channel_id, v->message.reference_id, &to);
        if (rc != SQLITE_ROW && rc != SQLITE_DONE)
            return rc;
        if (rc == SQLITE_ROW) {
            v->referenced = malloc(sizeof to);
            if (!v->referenced)
                abort();
            *v->referenced = to;
        }
    }
    return db_view_reactions(d, v, reader_id);
}

struct message_view *store_op_view(struct store_op *op)
{
    op->views = realloc(op->views, (op->view_count + 1) * sizeof *op->views);
    if (!op->views)
        abort();
    op->views[op->view_count] = (struct message_view){0};
    return &op->views[op->view_count++];
}

void db_outbox_entry(sqlite3_stmt *s, struct outbox_entry *e)
{
    *e = (struct outbox_entry){
        .id = db_u64(s, 0),
        .kind = (enum outbox_kind)db_u64(s, 1),
        .channel_id = db_u64(s, 2),
        .message_id = db_u64(s, 3),
        .user_id = db_u64(s, 4),
        .author_id = db_u64(s, 5),
        .payload = db_text(s, 6),
    };
}

int db_outbox_view(struct db *d, struct store_op *op)
{
    enum outbox_kind kind = op->entry.kind;
    if (kind != OUTBOX_MESSAGE_CREATE && kind != OUTBOX_MESSAGE_UPDATE && kind != OUTBOX_MESSAGE_PIN)
        return SQLITE_OK;
    struct message m;
    int rc = db_message_get(d, op->entry.channel_id, op->entry.message_id, &m);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    struct message_view *v = store_op_view(op);
    v->message = m;
    return db_view_fill(d, v, op->entry.user_id);
}

/* Appends the messages of one half of a page. */
static int history_half(struct db *d, struct store_op *op, enum db_statement which, uint64_t anchor,
                        uint64_t limit)
{
    sqlite3_stmt *s = db_bind(d, which, "iii", op->channel_id, anchor, limit);
    int rc = s ? SQLITE_DONE : sqlite3_extended_errcode(d->handle);
    size_t first = op->view_count;
    while (s && limit && (rc = sqlite3_step(s)) == SQLITE_ROW)
        db_message(s, &store_op_view(op)->message);
    rc = db_end(s, rc);
    for (size_t i = first; i < op->view_count; i++) {
        if (rc == SQLITE_OK)
            rc = db_message_files(d, &op->views[i].message);
        else
            op->views[i].message.attachment_count = 0;
    }
    return rc;
}

static void history_reverse(struct store_op *op, size_t count)
{
    for (size_t i = 0, j = count; i + 1 < j; i++) {
        struct message_view v = op->views[--j];
        op->views[j] = op->views[i];
        op->views[i] = v;
    }
}

/* Newest first, whatever the direction (rest.md 6.2). */
static int read_history(struct db *d, struct store_op *op)
{
    uint64_t at = op->message_id, last = INT64_MAX, limit = op->limit;
    int rc = SQLITE_OK;
    if (at > last)
        at = last;
    if (op->history == HISTORY_AFTER || op->history == HISTORY_AROUND) {
        uint64_t after = op->history == HISTORY_AROUND ? (limit - 1) / 2 : limit;
        rc = history_half(d, op, DB_HISTORY_AFTER, at, after);
        history_reverse(op, op->view_count);
        limit = limit / 2 + 1;
    }
    if (rc == SQLITE_OK && op->history == HISTORY_AROUND)
        rc = history_half(d, op, DB_HISTORY_BEFORE, at, limit);
    else if (rc == SQLITE_OK && op->history == HISTORY_BEFORE && at)
        rc = history_half(d, op, DB_HISTORY_BEFORE, at - 1, limit);
    else if (rc == SQLITE_OK && op->history == HISTORY_LATEST)
        rc = history_half(d, op, DB_HISTORY_BEFORE, last, limit);
    for (size_t i = 0; rc == SQLITE_OK && i < op->view_count; i++)
        rc = db_view_fill(d, &op->views[i], op->user_id);
    return rc;
}

static int read_message(struct db *d, struct store_op *op)
{
    struct message m;
    int rc = db_message_get(d, op->channel_id, op->message_id, &m);
    if (rc == SQLITE_DONE)
        op->status = STORE_NOT_FOUND;
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    struct message_view *v = store_op_view(op);
    v->message = m;
    return db_view_fill(d, v, op->user_id);
}

static int read_reactors(struct db *d, struct store_op *op)
{
    struct message m;
    int rc = db_message_get(d, op->channel_id, op->message_id, &m);
    if (rc == SQLITE_DONE)
        op->status = STORE_NOT_FOUND;
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    message_clear(&m);
    sqlite3_stmt *s =
        db_bind(d, DB_REACTORS, "itii", op->message_id, op->emoji, op->message.id, (uint64_t)op->limit);
    op->ids = calloc(op->limit ? op->limit : 1, sizeof *op->ids);
    if (!op->ids)
        abort();
    rc = s ? SQLITE_DONE : sqlite3_extended_errcode(d->handle);
    while (s && (rc = sqlite3_step(s)) == SQLITE_ROW && op->id_count < op->limit)
        op->ids[op->id_count++] = db_u64(s, 0);
    return db_end(s, rc);
}

static int read_pins(struct db *d, struct store_op *op)
{
    sqlite3_stmt *s = db_bind(d, DB_PINS_OF, "iii", op->channel_id, op->before_ms, (uint64_t)op->limit);
    int rc = s ? SQLITE_DONE : sqlite3_extended_errcode(d->handle);
    op->ids = calloc((size_t)op->limit + 1, sizeof *op->ids);
    op->pinned_ms = calloc((size_t)op->limit + 1, sizeof *op->pinned_ms);
    if (!op->ids || !op->pinned_ms)
        abort();
    while (s && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        op->ids[op->id_count] = db_u64(s, 0);
        op->pinned_ms[op->id_count++] = sqlite3_column_int64(s, 1);
    }
    rc = db_end(s, rc);
    for (size_t i = 0; rc == SQLITE_OK && i < op->id_count; i++) {
        struct message m;
        if ((rc = db_message_get(d, op->channel_id, op->ids[i], &m)) != SQLITE_ROW)
            return rc == SQLITE_DONE ? SQLITE_CORRUPT : rc; /* its pin goes with a message */
        struct message_view *v = store_op_view(op);
        v->message = m;
        rc = db_view_fill(d, v, op->user_id);
    }
    return rc;
}

static int read_file(struct db *d, struct store_op *op)
{
    sqlite3_stmt *s = db_bind(d, DB_FILE_GET, "i", op->message_id);
    int rc = s ? sqlite3_step(s) : sqlite3_extended_errcode(d->handle);
    if (rc == SQLITE_DONE)
        op->status = STORE_NOT_FOUND;
    if (rc == SQLITE_ROW) {
        struct attachment *a = calloc(1, sizeof *a);
        if (!a)
            abort();
        file_row(s, a);
        a->data = malloc(a->size + 1u);
        if (!a->data)
            abort();
        if (sqlite3_column_bytes(s, 7) == (int)a->size && a->size)
            memcpy(a->data, sqlite3_column_blob(s, 7), a->size);
        else if (a->size)
            rc = SQLITE_CORRUPT;
        op->message.attachments = a;
        op->message.attachment_count = 1;
    }
    return db_end(s, rc);
}

int db_read(struct db *d, struct store_op *op)
{
    switch (op->verb) {
    case STORE_PINS:
        return read_pins(d, op);
    case STORE_FILE:
        return read_file(d, op);
    case STORE_HISTORY:
        return read_history(d, op);
    case STORE_REACTORS:
        return read_reactors(d, op);
    default:
        return read_message(d, op);
    }
}
