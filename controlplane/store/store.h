/*
 * What lasts: accounts, guilds, messages. This is the whole of what callers know of the store; behind it is
 * SQLite (WAL, synchronous=FULL) today, and a wide-column store could stand there without any caller
 * noticing: no SQL, no row ids, no transaction that spans two calls.
 *
 * Owns two threads: the writer, which takes everything that is queued, commits it in one transaction and only
 * then answers (group commit), and the reader, for history. The caller's thread never waits for the disk:
 * store_submit queues, the eventfd becomes readable, store_drain calls each operation's `done` on the
 * caller's thread. Answers of mutations come in outbox order.
 *
 * Exactly once: a mutation that names a request key is committed together with the key and its outbox row.
 * The same key again gives the recorded outcome (`replayed`) and does nothing. The outbox's ids strictly
 * grow; what the publisher has not published when it dies is listed by store_outbox_after at the next start.
 *
 * Full queue: store_submit refuses (false) and the caller says so to its client. Disk errors: the operation's
 * status names them; nothing of its group is kept and nothing else is disturbed.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_STORE_H
#define VOXPOP_STORE_H

#include "controlplane/protocol/object.h"

struct store;

/* Which entry of which ring asked. `entry` numbers are never reused within a boot. */
struct request_key {
    uint8_t boot[16]; /* all zero: no key, do not record */
    uint32_t worker;
    uint64_t entry;
};

/* X(name, text for the operator) */
#define STORE_STATUS_LIST(X)                                                                                 \
    X(OK, "done")                                                                                            \
    X(NOT_FOUND, "no such message")                                                                          \
    X(NOT_AUTHOR, "not the author")                                                                          \
    X(EMPTY, "nothing would be left of the message")                                                         \
    X(BAD_REFERENCE, "the message replied to does not exist")                                                \
    X(TOO_MANY_REACTIONS, "too many different reactions")                                                    \
    X(MAY_NOT_ADD, "a new emoji needs a permission")                                                         \
    X(TOO_MANY_PINS, "too many pinned messages")                                                             \
    X(POISONED, "this operation has ended the process before")                                               \
    X(DISK_FULL, "disk full")                                                                                \
    X(READ_ONLY, "store is read-only")                                                                       \
    X(CORRUPT, "store file is corrupt")                                                                      \
    X(IO, "input/output error")                                                                              \
    X(CLOSED, "store is shutting down")

#define STORE_STATUS_ENUM(name, text) STORE_##name,
enum store_status { STORE_STATUS_LIST(STORE_STATUS_ENUM) };
#undef STORE_STATUS_ENUM

const char *store_status_text(enum store_status s);

enum store_verb {
    /* mutations, in order, on the writer */
    STORE_MESSAGE_CREATE,  /* message; enforce_nonce: the message of the same author and nonce since
                              nonce_since instead */
    STORE_MESSAGE_EDIT,    /* channel_id, message_id, user_id, may_manage, message with edit_* */
    STORE_MESSAGE_DELETE,  /* channel_id, message_id, user_id, may_manage */
    STORE_MESSAGES_DELETE, /* channel_id, ids: those that exist */
    STORE_MESSAGE_PIN,     /* channel_id, message_id, message.pinned */
    STORE_REACTION_ADD,    /* channel_id, message_id, user_id, emoji, may_manage: may start a new emoji */
    STORE_REACTION_REMOVE, /* channel_id, message_id, user_id, emoji */
    STORE_REACTIONS_CLEAR, /* channel_id, message_id, emoji: everybody's; NULL: all of them */
    STORE_REPLAY,          /* nothing but the outcome of the key; NOT_FOUND when it has none */
    STORE_CHANGE,          /* rows, payload: rows of the model and the events that say so */
    /* reads, on the reader: they see everything that was answered before they were submitted */
    STORE_MESSAGE_GET, /* channel_id, message_id, user_id */
    STORE_HISTORY,     /* channel_id, user_id, history, message_id as the anchor, limit: newest first */
    STORE_REACTORS,    /* channel_id, message_id, emoji, message.id as `after`, limit: ids */
    STORE_PINS,        /* channel_id, user_id, before_ms, limit: the last pinned first, with pinned_ms */
    STORE_FILE         /* message_id: the attachment's id; the one attachment in `message`, with its data */
};

enum store_history { HISTORY_LATEST, HISTORY_BEFORE, HISTORY_AFTER, HISTORY_AROUND };

enum store_row_kind {
    ROW_USER,
    ROW_GUILD,
    ROW_ROLE,
    ROW_CHANNEL,
    ROW_MEMBER,
    ROW_TOKEN,
    ROW_NOTE,
    ROW_BAN,
    ROW_INVITE,
    ROW_WORDS
};

/* Only the hash of a token is kept. */
struct token {
    uint8_t hash[32];
    uint64_t user_id;
    int64_t created_ms;
};

/* A short value by kind and two ids. */
#define NOTE_VALUE_MAX  40u
#define NOTE_KEY_LENGTH 32
enum note_kind {
    NOTE_TOKEN_KEY = 1,    /* value: the key that tokens are signed with; a: tokens that are older than it */
    NOTE_INTENTS = 2,      /* a: account. value: 4 bytes, little-endian, the privileged intents it may have */
    NOTE_RELATIONSHIP = 3, /* a: account, b: the other. value: 1 byte, enum relationship */
};
struct note {
    uint32_t kind;
    uint64_t a, b;
    uint8_t value[NOTE_VALUE_MAX];
    uint8_t length;
};

/* What somebody has said in a guild from this id on: only to be removed. The operation says what is gone in
 * entries of their own (`more`). */
struct words {
    uint64_t guild_id, user_id, since_id;
};

/* A row to put (whole, replacing) or to remove (by its ids; a guild takes everything in it along, a channel
 * its messages). */
struct store_row {
    enum store_row_kind kind;
    bool remove;
    union {
        struct user user;
        struct guild guild;
        struct role role;
        struct channel channel;
        struct member member;
        struct token token;
        struct note note;
        struct ban ban;
        struct invite invite;
        struct words words;
    };
};

enum outbox_kind {
    OUTBOX_NONE = 0,
    OUTBOX_MESSAGE_CREATE = 1,
    OUTBOX_MESSAGE_UPDATE = 2,
    OUTBOX_MESSAGE_DELETE = 3,
    OUTBOX_MESSAGES_DELETE = 4, /* payload: ids separated by commas */
    OUTBOX_REACTION_ADD = 5,    /* payload: emoji */
    OUTBOX_REACTION_REMOVE = 6, /* payload: emoji */
    OUTBOX_CHANGE = 7,          /* payload: as submitted */
    OUTBOX_MESSAGE_PIN = 8,
    OUTBOX_REACTIONS_CLEAR = 9 /* payload: emoji, or nothing */
};

/* What there is to publish. */
struct outbox_entry {
    uint64_t id; /* 0: nothing was changed, nothing to publish */
    enum outbox_kind kind;
    uint64_t channel_id, message_id, user_id;
    uint64_t author_id; /* of the message */
    char *payload;
};

struct store_op;
typedef void store_done_fn(struct store_op *op, void *ctx);

/* One operation: what is asked, then what is answered. Owned by the store from store_submit until `done` has
 * returned. */
struct store_op {
    enum store_verb verb;
    struct request_key key;
    store_done_fn *done;
    void *ctx;

    uint64_t channel_id, message_id, user_id;
    uint64_t nonce_since; /* an id */
    int64_t before_ms;
    uint32_t limit;
    enum store_history history;
    bool may_manage, enforce_nonce;
    bool reference_optional, mention_replied;                    /* of a message that answers another */
    bool edit_content, edit_embeds, edit_components, edit_flags; /* which fields of `message` are new */
    bool edit_attachments;                                       /* those in `ids` stay, the others go */
    struct message message;
    char *emoji;
    char *payload;
    uint64_t *ids;
    size_t id_count;
    struct store_row *rows;
    size_t row_count;

    enum store_status status;
    bool replayed; /* the outcome of an earlier submission with this key: already in the outbox, do not
                      publish again */
    struct outbox_entry entry;
    struct outbox_entry *more; /* CHANGE: further entries behind it, of removed words */
    size_t more_count;
    struct message_view *views; /* CREATE, EDIT: the one message. GET, HISTORY: those found */
    size_t view_count;
    int64_t *pinned_ms; /* PINS: by view */

    struct store_op *next; /* the store's */
};

struct store_config {
    const char *path;
    uint32_t queue_max;   /* operations waiting, each thread; 0: 8192 */
    uint32_t group_max;   /* operations in one commit; 0: 2048 */
    uint32_t outbox_keep; /* published rows kept for late resubmissions; 0: 65536 */
    uint32_t retry_ms;    /* how long a locked file is retried; 0: 2000 */
};

/* Opens, creates or upgrades the file and starts the threads; NULL with a sentence in `error`. */
struct store *store_open(const struct store_config *c, char *error, size_t error_size);
/* Commits what is queued, calls nothing, ends the threads. Undrained operations are freed. */
void store_close(struct store *s);

struct store_loader {
    void *ctx;
    void (*user)(void *ctx, const struct user *u);
    void (*token)(void *ctx, const struct token *t);
    void (*guild)(void *ctx, const struct guild *g);
    void (*role)(void *ctx, const struct role *r);
    void (*channel)(void *ctx, const struct channel *c);     /* with overwrites and last_message_id */
    void (*request)(void *ctx, const struct request_key *k); /* whose outcome is recorded */
    void (*member)(void *ctx, const struct member *m);       /* with roles */
    void (*note)(void *ctx, const struct note *n);
    void (*ban)(void *ctx, const struct ban *b);
    void (*invite)(void *ctx, const struct invite *i);
};

/* At start, on the caller's thread, before the first store_submit: everything of the model, parents first. */
enum store_status store_load(struct store *s, const struct store_loader *l, uint64_t *highest_id);
/* At start, likewise: every outbox row above `after`, in order, as the completed operation it came from. */
enum store_status store_outbox_after(struct store *s, uint64_t after, store_done_fn *each, void *ctx);
/* The publisher has published everything up to `id` (and says so in the region): older rows may go. */
void store_published(struct store *s, uint64_t id);

struct store_op *store_op_new(enum store_verb verb, store_done_fn *done, void *ctx);
void store_op_free(struct store_op *op); /* only before store_submit, or when it refused */
struct store_row *store_op_row(struct store_op *op, enum store_row_kind kind); /* appends a zeroed row */
bool store_submit(struct store *s, struct store_op *op);

int store_event_fd(const struct store *s); /* readable: call store_drain */
/* Calls `done` of what has finished, at most `max`; returns how many. */
size_t store_drain(struct store *s, size_t max);
/* Waits until something can be drained, for tools and tests; false after timeout_ms. */
bool store_wait(struct store *s, int timeout_ms);

/* Since the start. */
struct store_counts {
    uint64_t written, groups; /* mutations, and the commits they went in */
    uint64_t read, coalesced; /* reads, and those of them that were answered by another's */
    uint64_t failed;          /* by the disk */
    uint64_t poisoned;
};
void store_counts(const struct store *s, struct store_counts *counts);

/* For the operator, on a file that a store may have open (check.c, backup.c). `report` receives lines. */
typedef void store_report_fn(void *ctx, const char *line);
/* A check of the whole file. True when sound. */
bool store_check(const char *path, store_report_fn *report, void *ctx);
/* `done` of `total` pages are copied; called now and then. */
typedef void store_progress_fn(void *ctx, uint64_t done, uint64_t total);
/* A copy of what stands at this moment, while the store goes on; `to` must not exist. False: told why. */
bool store_backup(const char *path, const char *to, store_progress_fn *progress, store_report_fn *report,
                  void *ctx);
/* Replaces everything by what a sound backup holds; refuses while a store has the file open. */
bool store_restore(const char *path, const char *from, store_progress_fn *progress, store_report_fn *report,
                   void *ctx);

#endif
