/*
 * The connection: opening, schema, statements, binding.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/store/db.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* By version, from 1. A file is brought up one version at a time. */
static const char *const schema[DB_SCHEMA_VERSION] = {
    "CREATE TABLE accounts(id INTEGER PRIMARY KEY, username TEXT NOT NULL, global_name TEXT, avatar TEXT,"
    "  flags INTEGER NOT NULL, bot INTEGER NOT NULL);"
    "CREATE TABLE tokens(hash BLOB PRIMARY KEY, user_id INTEGER NOT NULL, created_ms INTEGER NOT NULL) "
    "WITHOUT ROWID;"
    "CREATE INDEX tokens_user ON tokens(user_id);"
    "CREATE TABLE guilds(id INTEGER PRIMARY KEY, owner_id INTEGER NOT NULL, name TEXT NOT NULL, icon TEXT,"
    "  description TEXT, afk_channel_id INTEGER NOT NULL, afk_timeout INTEGER NOT NULL,"
    "  system_channel_id INTEGER NOT NULL);"
    "CREATE TABLE roles(id INTEGER PRIMARY KEY, guild_id INTEGER NOT NULL, name TEXT NOT NULL,"
    "  permissions INTEGER NOT NULL, color INTEGER NOT NULL, position INTEGER NOT NULL, hoist INTEGER NOT "
    "NULL,"
    "  managed INTEGER NOT NULL, mentionable INTEGER NOT NULL);"
    "CREATE INDEX roles_guild ON roles(guild_id);"
    "CREATE TABLE channels(id INTEGER PRIMARY KEY, guild_id INTEGER NOT NULL, parent_id INTEGER NOT NULL,"
    "  type INTEGER NOT NULL, name TEXT, topic TEXT, position INTEGER NOT NULL, nsfw INTEGER NOT NULL,"
    "  bitrate INTEGER NOT NULL, user_limit INTEGER NOT NULL, rate_limit_per_user INTEGER NOT NULL);"
    "CREATE INDEX channels_guild ON channels(guild_id);"
    "CREATE TABLE overwrites(channel_id INTEGER, id INTEGER, member INTEGER NOT NULL, allow INTEGER NOT NULL,"
    "  deny INTEGER NOT NULL, PRIMARY KEY(channel_id, id)) WITHOUT ROWID;"
    "CREATE TABLE members(guild_id INTEGER, user_id INTEGER, nick TEXT, joined_ms INTEGER NOT NULL,"
    "  timeout_ms INTEGER NOT NULL, deaf INTEGER NOT NULL, mute INTEGER NOT NULL,"
    "  PRIMARY KEY(guild_id, user_id)) WITHOUT ROWID;"
    "CREATE TABLE member_roles(guild_id INTEGER, user_id INTEGER, role_id INTEGER,"
    "  PRIMARY KEY(guild_id, user_id, role_id)) WITHOUT ROWID;"
    "CREATE TABLE messages(channel_id INTEGER, id INTEGER, author_id INTEGER NOT NULL, content TEXT NOT NULL,"
    "  nonce TEXT, type INTEGER NOT NULL, reference_id INTEGER NOT NULL, edited_ms INTEGER NOT NULL,"
    "  flags INTEGER NOT NULL, embeds TEXT, components TEXT, mentions TEXT, mention_roles TEXT,"
    "  bits INTEGER NOT NULL, PRIMARY KEY(channel_id, id)) WITHOUT ROWID;"
    "CREATE INDEX messages_nonce ON messages(author_id, nonce, id) WHERE nonce IS NOT NULL;"
    "CREATE TABLE reactions(message_id INTEGER, emoji TEXT, user_id INTEGER, made_id INTEGER NOT NULL,"
    "  PRIMARY KEY(message_id, emoji, user_id)) WITHOUT ROWID;"
    "CREATE TABLE outbox(id INTEGER PRIMARY KEY, kind INTEGER NOT NULL, channel_id INTEGER NOT NULL,"
    "  message_id INTEGER NOT NULL, user_id INTEGER NOT NULL, author_id INTEGER NOT NULL, payload TEXT,"
    "  boot BLOB, worker INTEGER, entry INTEGER);"
    "CREATE UNIQUE INDEX requests ON outbox(boot, worker, entry) WHERE boot IS NOT NULL;",
    "ALTER TABLE channels ADD COLUMN recipient_a INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE channels ADD COLUMN recipient_b INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE pins(channel_id INTEGER, message_id INTEGER, pinned_ms INTEGER NOT NULL,"
    "  PRIMARY KEY(channel_id, message_id)) WITHOUT ROWID;"
    "INSERT INTO pins SELECT channel_id, id, (id >> 22) + 1420070400000 FROM messages WHERE bits & 4;"
    "CREATE TABLE attachments(id INTEGER PRIMARY KEY, channel_id INTEGER NOT NULL, message_id INTEGER NOT "
    "NULL,"
    "  size INTEGER NOT NULL, key_high INTEGER NOT NULL, key_low INTEGER NOT NULL, filename TEXT NOT NULL,"
    "  content_type TEXT NOT NULL, description TEXT, data BLOB NOT NULL);"
    "CREATE INDEX attachments_message ON attachments(channel_id, message_id);"
    "CREATE TABLE bans(guild_id INTEGER, user_id INTEGER, reason TEXT, PRIMARY KEY(guild_id, user_id)) "
    "WITHOUT ROWID;"
    "CREATE TABLE invites(id INTEGER PRIMARY KEY, guild_id INTEGER NOT NULL, channel_id INTEGER NOT NULL,"
    "  inviter_id INTEGER NOT NULL, created_ms INTEGER NOT NULL, max_age_s INTEGER NOT NULL,"
    "  max_uses INTEGER NOT NULL, uses INTEGER NOT NULL);"
    "CREATE INDEX invites_guild ON invites(guild_id);"
    "CREATE INDEX invites_channel ON invites(channel_id);",
    "DROP INDEX requests;"
    "ALTER TABLE members ADD COLUMN temporary INTEGER NOT NULL DEFAULT 0;"
    "ALTER TABLE invites ADD COLUMN temporary INTEGER NOT NULL DEFAULT 0;"};

static const char *const statement_sql[DB_STATEMENTS] = {
#define DB_STATEMENT_TEXT(name, sql) sql,
    DB_STATEMENT_LIST(DB_STATEMENT_TEXT)
#undef DB_STATEMENT_TEXT
};

static int db_version(sqlite3 *h, int *version)
{
    sqlite3_stmt *s;
    int rc = sqlite3_prepare_v2(h, "PRAGMA user_version", -1, &s, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        *version = sqlite3_column_int(s, 0);
        rc = SQLITE_OK;
    }
    sqlite3_finalize(s);
    return rc;
}

/* Each version's script and its number in one transaction. */
static int db_upgrade(sqlite3 *h, char *error, size_t size)
{
    int version = 0, rc = db_version(h, &version);
    if (rc == SQLITE_OK && version > DB_SCHEMA_VERSION) {
        snprintf(error, size, "schema %d is newer than this program's %d", version, DB_SCHEMA_VERSION);
        return SQLITE_MISMATCH;
    }
    for (; rc == SQLITE_OK && version < DB_SCHEMA_VERSION; version++) {
        char *sql = sqlite3_mprintf("BEGIN IMMEDIATE; %s PRAGMA user_version = %d; COMMIT;", schema[version],
                                    version + 1);
        rc = sqlite3_exec(h, sql, NULL, NULL, NULL);
        sqlite3_free(sql);
    }
    return rc;
}

int db_open(struct db *d, const char *path, bool create, uint32_t retry_ms, char *error, size_t error_size)
{
    *d = (struct db){0};
    *error = 0;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
    int rc = sqlite3_open_v2(path, &d->handle, flags, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_extended_result_codes(d->handle, 1);
        sqlite3_busy_timeout(d->handle, (int)retry_ms);
        /* A message dirties its channel's last page: a long log lets a checkpoint write each page once for
         * many messages (1,000 channels, 300 bytes: 21 k/s with 20000 pages, 12 k/s with 4000, in one run).
         */
        rc = sqlite3_exec(d->handle,
                          "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = OFF;"
                          "PRAGMA wal_autocheckpoint = 20000; PRAGMA cache_size = -65536;"
                          "PRAGMA temp_store = MEMORY; PRAGMA cell_size_check = ON;",
                          NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK && create)
        rc = db_upgrade(d->handle, error, error_size);
    if (rc == SQLITE_OK && create)
        rc = notes_open(d->handle);
    if (rc != SQLITE_OK) {
        if (!*error)
            snprintf(error, error_size, "%s", d->handle ? sqlite3_errmsg(d->handle) : sqlite3_errstr(rc));
        db_close(d);
    }
    return rc;
}

void db_close(struct db *d)
{
    for (size_t i = 0; i < DB_STATEMENTS; i++)
        sqlite3_finalize(d->statements[i]);
    sqlite3_close_v2(d->handle);
    *d = (struct db){0};
}

enum store_status db_status(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE:
        return STORE_OK;
    case SQLITE_FULL:
        return STORE_DISK_FULL;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_CANTOPEN:
        return STORE_READ_ONLY;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return STORE_CORRUPT;
    default:
        return STORE_IO;
    }
}

enum store_status db_failure(int rc)
{
    enum store_status status = db_status(rc);
    if (status != STORE_IO)
        return status;
    switch (errno) { /* the last that the system said to this thread */
    case EROFS:
        return STORE_READ_ONLY;
    case ENOSPC:
    case EDQUOT:
        return STORE_DISK_FULL;
    default:
        return status;
    }
}

sqlite3_stmt *db_bind(struct db *d, enum db_statement which, const char *types, ...)
{
    sqlite3_stmt **s = &d->statements[which];
    if (!*s && sqlite3_prepare_v3(d->handle, statement_sql[which], -1, SQLITE_PREPARE_PERSISTENT, s, NULL) !=
                   SQLITE_OK)
        return NULL;
    va_list args;
    va_start(args, types);
    for (int i = 1; types[i - 1]; i++) {
        if (types[i - 1] == 'i') {
            sqlite3_bind_int64(*s, i, va_arg(args, int64_t));
        } else if (types[i - 1] == 't') {
            sqlite3_bind_text(*s, i, va_arg(args, const char *), -1, SQLITE_STATIC);
        } else {
            const void *blob = va_arg(args, const void *);
            sqlite3_bind_blob(*s, i, blob, va_arg(args, int), SQLITE_STATIC);
        }
    }
    va_end(args);
    return *s;
}

int db_end(sqlite3_stmt *s, int rc)
{
    if (s) {
        sqlite3_reset(s);
        sqlite3_clear_bindings(s);
    }
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

int db_finish(struct db *d, sqlite3_stmt *s)
{
    if (!s)
        return sqlite3_extended_errcode(d->handle);
    return db_end(s, sqlite3_step(s));
}

uint64_t db_u64(sqlite3_stmt *s, int column)
{
    return (uint64_t)sqlite3_column_int64(s, column);
}

char *db_text(sqlite3_stmt *s, int column)
{
    return text_copy((const char *)sqlite3_column_text(s, column));
}
