/*
 * Notes: short values by a kind and two ids, for what is too little to be a table of its own. They stand
 * beside the numbered versions of the schema: the table is made when it is missing.
 *
 * The key that tokens are signed with is one of them, made with the file.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/store/db.h"

#include <string.h>
#include <sys/random.h>

static int run(sqlite3 *h, const char *sql, const struct note *n)
{
    sqlite3_stmt *s;
    int rc = sqlite3_prepare_v2(h, sql, -1, &s, NULL);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_bind_int64(s, 1, (int64_t)n->kind);
    sqlite3_bind_int64(s, 2, (int64_t)n->a);
    sqlite3_bind_int64(s, 3, (int64_t)n->b);
    if (sqlite3_bind_parameter_count(s) > 3)
        sqlite3_bind_blob(s, 4, n->value, n->length, SQLITE_STATIC);
    rc = sqlite3_step(s);
    sqlite3_finalize(s);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* A file that had tokens before it had a key has tokens that are not signed. */
static int make_key(sqlite3 *h)
{
    struct note key = {.kind = NOTE_TOKEN_KEY, .length = NOTE_KEY_LENGTH};
    if (getrandom(key.value, NOTE_KEY_LENGTH, 0) != NOTE_KEY_LENGTH)
        return SQLITE_IOERR;
    int rc = run(h,
                 "INSERT OR IGNORE INTO notes(kind, a, b, value) "
                 "SELECT ?1, (SELECT count(*) FROM tokens) + ?2, ?3, ?4 "
                 "WHERE NOT EXISTS (SELECT 1 FROM notes WHERE kind = ?1)",
                 &key);
    explicit_bzero(&key, sizeof key);
    return rc;
}

int notes_open(sqlite3 *h)
{
    int rc = sqlite3_exec(
        h,
        "CREATE TABLE IF NOT EXISTS notes(kind INTEGER, a INTEGER, b INTEGER, value BLOB NOT NULL,"
        "  PRIMARY KEY(kind, a, b)) WITHOUT ROWID;",
        NULL, NULL, NULL);
    return rc == SQLITE_OK ? make_key(h) : rc;
}

int note_put(sqlite3 *h, const struct note *n)
{
    return run(h, "INSERT OR REPLACE INTO notes(kind, a, b, value) VALUES (?, ?, ?, ?)", n);
}

int note_remove(sqlite3 *h, const struct note *n)
{
    return run(h, "DELETE FROM notes WHERE kind = ? AND a = ? AND b = ?", n);
}

int notes_load(sqlite3 *h, const struct store_loader *to)
{
    sqlite3_stmt *s;
    int rc = sqlite3_prepare_v2(h, "SELECT kind, a, b, value FROM notes ORDER BY kind, a, b", -1, &s, NULL);
    if (rc != SQLITE_OK)
        return rc;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct note n = {.kind = (uint32_t)sqlite3_column_int(s, 0), .a = db_u64(s, 1), .b = db_u64(s, 2)};
        int length = sqlite3_column_bytes(s, 3);
        if (length > (int)sizeof n.value) {
            rc = SQLITE_CORRUPT;
            break;
        }
        n.length = (uint8_t)length;
        if (length)
            memcpy(n.value, sqlite3_column_blob(s, 3), (size_t)length);
        to->note(to->ctx, &n);
    }
    sqlite3_finalize(s);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}
