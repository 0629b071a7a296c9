/*
 * One connection to the SQLite file: its statements, listed once, prepared when first used, and kept. Private
 * to this folder. A connection belongs to one thread.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_STORE_DB_H
#define VOXPOP_STORE_DB_H

#include "controlplane/store/keys.h"

#include <sqlite3.h>

#define DB_SCHEMA_VERSION 3

#define MESSAGE_COLUMNS                                                                                      \
    "channel_id, id, author_id, content, nonce, type, reference_id, edited_ms, flags, embeds, components, "  \
    "mentions, mention_roles, bits"
#define OUTBOX_COLUMNS "id, kind, channel_id, message_id, user_id, author_id, payload"

/* X(name, SQL) */
#define DB_STATEMENT_LIST(X)                                                                                 \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                              \
    X(BEGIN_READ, "BEGIN")                                                                                   \
    X(COMMIT, "COMMIT")                                                                                      \
    X(ROLLBACK, "ROLLBACK")                                                                                  \
    X(OUTBOX_PUT, "INSERT INTO outbox(" OUTBOX_COLUMNS ", boot, worker, entry) "                             \
                  "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")                                                   \
    X(OUTBOX_BY_ID, "SELECT " OUTBOX_COLUMNS " FROM outbox "                                                 \
                    "WHERE id = ? AND boot = ? AND worker = ? AND entry = ?")                                \
    X(OUTBOX_AFTER, "SELECT " OUTBOX_COLUMNS " FROM outbox WHERE id > ? ORDER BY id LIMIT 256")              \
    X(OUTBOX_ENDS, "SELECT ifnull(min(id), 0), ifnull(max(id), 0) FROM outbox")                              \
    X(OUTBOX_PRUNE, "DELETE FROM outbox WHERE id > ? AND id <= ?")                                           \
    X(MESSAGE_PUT, "INSERT INTO messages(" MESSAGE_COLUMNS ") "                                              \
                   "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")                                      \
    X(MESSAGE_SET, "UPDATE messages SET content = ?3, edited_ms = ?4, flags = ?5, embeds = ?6, "             \
                   "components = ?7, mentions = ?8, mention_roles = ?9, bits = ?10 "                         \
                   "WHERE channel_id = ?1 AND id = ?2")                                                      \
    X(MESSAGE_GET, "SELECT " MESSAGE_COLUMNS " FROM messages WHERE channel_id = ? AND id = ?")               \
    X(MESSAGE_AUTHOR, "SELECT author_id FROM messages WHERE channel_id = ? AND id = ?")                      \
    X(MESSAGE_BY_NONCE, "SELECT " MESSAGE_COLUMNS " FROM messages "                                          \
                        "WHERE author_id = ? AND nonce = ? AND id >= ? AND channel_id = ? "                  \
                        "ORDER BY id LIMIT 1")                                                               \
    X(FILE_PUT, "INSERT INTO attachments(id, channel_id, message_id, size, key_high, key_low, filename, "    \
                "content_type, description, data) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")                    \
    X(FILES_OF, "SELECT id, size, key_high, key_low, filename, content_type, description FROM attachments "  \
                "WHERE channel_id = ? AND message_id = ? ORDER BY id")                                       \
    X(FILE_GET, "SELECT id, size, key_high, key_low, filename, content_type, description, data "             \
                "FROM attachments WHERE id = ?")                                                             \
    X(FILE_DROP, "DELETE FROM attachments WHERE id = ?")                                                     \
    X(FILES_DROP, "DELETE FROM attachments WHERE channel_id = ? AND message_id = ?")                         \
    X(CHANNEL_FILES_DROP, "DELETE FROM attachments WHERE channel_id = ?")                                    \
    X(PIN_PUT, "INSERT OR REPLACE INTO pins(channel_id, message_id, pinned_ms) VALUES (?, ?, ?)")            \
    X(PIN_DROP, "DELETE FROM pins WHERE channel_id = ? AND message_id = ?")                                  \
    X(CHANNEL_PINS_DROP, "DELETE FROM pins WHERE channel_id = ?")                                            \
    X(PIN_COUNT, "SELECT count(*) FROM pins WHERE channel_id = ?")                                           \
    X(PINS_OF, "SELECT message_id, pinned_ms FROM pins WHERE channel_id = ? AND pinned_ms < ? "              \
               "ORDER BY pinned_ms DESC, message_id DESC LIMIT ?")                                           \
    X(LAST_PIN, "SELECT ifnull(max(pinned_ms), 0) FROM pins WHERE channel_id = ?")                           \
    X(MESSAGE_DROP, "DELETE FROM messages WHERE channel_id = ? AND id = ?")                                  \
    X(CHANNEL_MESSAGES_DROP, "DELETE FROM messages WHERE channel_id = ?")                                    \
    X(HISTORY_BEFORE, "SELECT " MESSAGE_COLUMNS " FROM messages WHERE channel_id = ? AND id <= ? "           \
                      "ORDER BY id DESC LIMIT ?")                                                            \
    X(HISTORY_AFTER, "SELECT " MESSAGE_COLUMNS " FROM messages WHERE channel_id = ? AND id > ? "             \
                     "ORDER BY id LIMIT ?")                                                                  \
    X(WORDS_OF, "SELECT m.channel_id, m.id FROM channels c CROSS JOIN messages m "                           \
                "ON m.channel_id = c.id AND m.id >= ?3 WHERE c.guild_id = ?1 AND m.author_id = ?2")          \
    X(LAST_MESSAGE, "SELECT max(id) FROM messages WHERE channel_id = ?")                                     \
    X(REACTION_PUT, "INSERT OR IGNORE INTO reactions(message_id, emoji, user_id, made_id) "                  \
                    "VALUES (?, ?, ?, ?)")                                                                   \
    X(REACTION_DROP, "DELETE FROM reactions WHERE message_id = ? AND emoji = ? AND user_id = ?")             \
    X(REACTIONS_DROP, "DELETE FROM reactions WHERE message_id = ?")                                          \
    X(EMOJI_DROP, "DELETE FROM reactions WHERE message_id = ? AND emoji = ?")                                \
    X(CHANNEL_REACTIONS_DROP, "DELETE FROM reactions WHERE message_id IN "                                   \
                              "(SELECT id FROM messages WHERE channel_id = ?)")                              \
    X(REACTIONS_OF, "SELECT emoji, count(*), max(user_id = ?2) FROM reactions WHERE message_id = ?1 "        \
                    "GROUP BY emoji ORDER BY min(made_id)")                                                  \
    X(REACTED, "SELECT 1 FROM reactions WHERE message_id = ? LIMIT 1")                                       \
    X(REACTORS, "SELECT user_id FROM reactions WHERE message_id = ? AND emoji = ? AND user_id > ? "          \
                "ORDER BY user_id LIMIT ?")                                                                  \
    X(USER_PUT, "INSERT OR REPLACE INTO accounts(id, username, global_name, avatar, flags, bot) "            \
                "VALUES (?, ?, ?, ?, ?, ?)")                                                                 \
    X(USER_DROP, "DELETE FROM accounts WHERE id = ?")                                                        \
    X(TOKEN_PUT, "INSERT OR REPLACE INTO tokens(hash, user_id, created_ms) VALUES (?, ?, ?)")                \
    X(TOKEN_DROP, "DELETE FROM tokens WHERE hash = ?")                                                       \
    X(TOKENS_DROP, "DELETE FROM tokens WHERE user_id = ?")                                                   \
    X(GUILD_PUT, "INSERT OR REPLACE INTO guilds(id, owner_id, name, icon, description, afk_channel_id, "     \
                 "afk_timeout, system_channel_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")                          \
    X(GUILD_DROP, "DELETE FROM guilds WHERE id = ?")                                                         \
    X(GUILD_CHANNELS, "SELECT id FROM channels WHERE guild_id = ?")                                          \
    X(GUILD_ROLES_DROP, "DELETE FROM roles WHERE guild_id = ?")                                              \
    X(GUILD_MEMBERS_DROP, "DELETE FROM members WHERE guild_id = ?")                                          \
    X(GUILD_MEMBER_ROLES_DROP, "DELETE FROM member_roles WHERE guild_id = ?")                                \
    X(ROLE_PUT, "INSERT OR REPLACE INTO roles(id, guild_id, name, permissions, color, position, hoist, "     \
                "managed, mentionable) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")                                  \
    X(ROLE_DROP, "DELETE FROM roles WHERE id = ?")                                                           \
    X(ROLE_MEMBERS_DROP, "DELETE FROM member_roles WHERE guild_id = ? AND role_id = ?")                      \
    X(ROLE_OVERWRITES_DROP, "DELETE FROM overwrites WHERE id = ? AND member = 0")                            \
    X(CHANNEL_PUT, "INSERT OR REPLACE INTO channels(id, guild_id, parent_id, type, name, topic, position, "  \
                   "nsfw, bitrate, user_limit, rate_limit_per_user, recipient_a, recipient_b) "              \
                   "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)")                                         \
    X(CHANNEL_DROP, "DELETE FROM channels WHERE id = ?")                                                     \
    X(OVERWRITE_PUT, "INSERT INTO overwrites(channel_id, id, member, allow, deny) VALUES (?, ?, ?, ?, ?)")   \
    X(OVERWRITES_DROP, "DELETE FROM overwrites WHERE channel_id = ?")                                        \
    X(MEMBER_PUT, "INSERT OR REPLACE INTO members(guild_id, user_id, nick, joined_ms, timeout_ms, deaf, "    \
                  "mute, temporary) VALUES (?, ?, ?, ?, ?, ?, ?, ?)")                                        \
    X(MEMBER_DROP, "DELETE FROM members WHERE guild_id = ? AND user_id = ?")                                 \
    X(MEMBER_ROLE_PUT, "INSERT INTO member_roles(guild_id, user_id, role_id) VALUES (?, ?, ?)")              \
    X(MEMBER_ROLES_DROP, "DELETE FROM member_roles WHERE guild_id = ? AND user_id = ?")                      \
    X(BAN_PUT, "INSERT OR REPLACE INTO bans(guild_id, user_id, reason) VALUES (?, ?, ?)")                    \
    X(BAN_DROP, "DELETE FROM bans WHERE guild_id = ? AND user_id = ?")                                       \
    X(GUILD_BANS_DROP, "DELETE FROM bans WHERE guild_id = ?")                                                \
    X(INVITE_PUT, "INSERT OR REPLACE INTO invites(id, guild_id, channel_id, inviter_id, created_ms, "        \
                  "max_age_s, max_uses, uses, temporary) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)")                \
    X(INVITE_DROP, "DELETE FROM invites WHERE id = ?")                                                       \
    X(CHANNEL_INVITES_DROP, "DELETE FROM invites WHERE channel_id = ?")                                      \
    X(GUILD_INVITES_DROP, "DELETE FROM invites WHERE guild_id = ?")                                          \
    X(LOAD_BANS, "SELECT guild_id, user_id, reason FROM bans")                                               \
    X(LOAD_INVITES, "SELECT id, guild_id, channel_id, inviter_id, created_ms, max_age_s, max_uses, uses, "   \
                    "temporary FROM invites")                                                                \
    X(LOAD_USERS, "SELECT id, username, global_name, avatar, flags, bot FROM accounts")                      \
    X(LOAD_TOKENS, "SELECT hash, user_id, created_ms FROM tokens")                                           \
    X(LOAD_GUILDS, "SELECT id, owner_id, name, icon, description, afk_channel_id, afk_timeout, "             \
                   "system_channel_id FROM guilds")                                                          \
    X(LOAD_ROLES, "SELECT id, guild_id, name, permissions, color, position, hoist, managed, mentionable "    \
                  "FROM roles")                                                                              \
    X(LOAD_CHANNELS, "SELECT id, guild_id, parent_id, type, name, topic, position, nsfw, bitrate, "          \
                     "user_limit, rate_limit_per_user, recipient_a, recipient_b FROM channels")              \
    X(LOAD_OVERWRITES, "SELECT id, member, allow, deny FROM overwrites WHERE channel_id = ?")                \
    X(LOAD_MEMBERS, "SELECT guild_id, user_id, nick, joined_ms, timeout_ms, deaf, mute, temporary "          \
                    "FROM members")                                                                          \
    X(LOAD_REQUESTS, "SELECT boot, worker, entry, id FROM outbox WHERE boot IS NOT NULL ORDER BY id")        \
    X(LOAD_MEMBER_ROLES,                                                                                     \
      "SELECT role_id FROM member_roles WHERE guild_id = ? AND user_id = ? ORDER BY role_id")

#define DB_STATEMENT_ENUM(name, sql) DB_##name,
enum db_statement { DB_STATEMENT_LIST(DB_STATEMENT_ENUM) DB_STATEMENTS };
#undef DB_STATEMENT_ENUM

struct db {
    sqlite3 *handle;
    sqlite3_stmt *statements[DB_STATEMENTS];
    struct keys *keys; /* the writer's; NULL: no operation here has a key */
};

/* Opens, and when `create` brings the schema up to date. SQLITE_OK, or another code with a sentence in
 * `error`. */
int db_open(struct db *d, const char *path, bool create, uint32_t retry_ms, char *error, size_t error_size);
void db_close(struct db *d);
enum store_status db_status(int rc);
/* The same of an operation of this thread that has just failed, with what the system said of it (errno). */
enum store_status db_failure(int rc);

/*
 * The statement with its parameters: one letter each in `types`: i int64_t, t const char * (NULL: null), b
 * const void * and int. NULL when it could not be prepared. Text must last until the statement is stepped.
 */
sqlite3_stmt *db_bind(struct db *d, enum db_statement s, const char *types, ...);
/* After the last step: resets; SQLITE_OK when `rc` says that all rows were seen (or the caller stopped at
 * one). */
int db_end(sqlite3_stmt *s, int rc);
/* A statement without rows; SQLITE_OK or an error. */
#define db_run(d, s, ...) db_finish((d), db_bind((d), (s), __VA_ARGS__))
int db_finish(struct db *d, sqlite3_stmt *s);

uint64_t db_u64(sqlite3_stmt *s, int column);
char *db_text(sqlite3_stmt *s, int column); /* a copy, NULL for null */

/* Reading a message with all that is shown with it. rc: SQLITE_ROW found, SQLITE_DONE not, else an error. */
void db_message(sqlite3_stmt *s, struct message *m);
int64_t db_message_bits(const struct message *m);
int db_message_step(struct db *d, sqlite3_stmt *s, struct message *m);
int db_message_get(struct db *d, uint64_t channel_id, uint64_t id, struct message *m);
int db_view_fill(struct db *d, struct message_view *v, uint64_t reader_id);
/* The reactions again, for another reader. */
int db_view_reactions(struct db *d, struct message_view *v, uint64_t reader_id);
int db_message_files(struct db *d, struct message *m);
struct message_view *store_op_view(struct store_op *op); /* appends an empty view */
void db_outbox_entry(sqlite3_stmt *s, struct outbox_entry *e);
/* The view that an outbox entry of a message needs, if the message still exists. */
int db_outbox_view(struct db *d, struct store_op *op);

/* One operation. Sets op->status for what is no error of the disk; returns SQLITE_OK or the disk's error. */
int db_mutate(struct db *d, struct store_op *op, uint64_t *outbox_next);
int db_read(struct db *d, struct store_op *op);
int db_message_drop(struct db *d, uint64_t channel_id, uint64_t id);
/* words.c: removes them, and puts what there is to tell of it behind op->more, without ids. */
int db_words_drop(struct db *d, const struct words *w, struct store_op *op);
/* The recorded outcome of the operation's key, if there is one (op->replayed). */
int db_replay(struct db *d, struct store_op *op);
int db_put_row(struct db *d, const struct store_row *r);
int db_remove_row(struct db *d, const struct store_row *r);
bool db_request_key(sqlite3_stmt *s, struct request_key *k); /* the first three columns */
int db_load(struct db *d, const struct store_loader *l, uint64_t *highest_id);
/* notes.c */
int notes_open(sqlite3 *h);
int note_put(sqlite3 *h, const struct note *n);
int note_remove(sqlite3 *h, const struct note *n);
int notes_load(sqlite3 *h, const struct store_loader *to);
/* Frees and zeroes what an attempt left in the operation's answer. */
void store_op_unanswer(struct store_op *op);

#endif
