/*
 * The store's threads: a writer that commits everything queued in one transaction, a reader for history, and
 * the way back to the caller's thread.
 *
 *      store_submit -> lane (writer or reader) -> group -> BEGIN .. COMMIT -> finished -> eventfd ->
 * store_drain -> done
 *
 * Who touches what: `lanes` and `finished` under `lock`; each lane's connection by its thread; `start` by the
 * caller's thread before the first submit and never after. A group that fails on the disk is tried again one
 * operation at a time, so that an operation fails for its own fault only.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/store/db.h"
#include "controlplane/store/working.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define PRUNE_ROWS 1024 /* outbox rows that one commit takes away at most */
#define READS_MAX  64u  /* reads taken at once, among which equal ones are answered together */

struct queue {
    struct store_op *first, **end;
    uint32_t count;
};

struct lane {
    struct store *store;
    struct db db;
    pthread_t thread;
    pthread_cond_t wake;
    struct queue waiting;
};

struct store {
    pthread_mutex_t lock;
    struct lane writer, reader;
    struct queue finished;
    bool closing;
    int event_fd;
    uint32_t queue_max, group_max, outbox_keep;
    uint64_t outbox_next, outbox_oldest; /* the writer's */
    struct working *working;             /* the writer's */
    struct keys keys;                    /* the writer's */
    _Atomic uint64_t published;
    _Atomic uint64_t written, groups, read, coalesced, failed, poisoned;
};

static void queue_init(struct queue *q)
{
    *q = (struct queue){.end = &q->first};
}

static void queue_push(struct queue *q, struct store_op *op)
{
    op->next = NULL;
    *q->end = op;
    q->end = &op->next;
    q->count++;
}

/* Takes the first `max` as a list. */
static struct store_op *queue_take(struct queue *q, uint32_t max)
{
    struct store_op *list = q->first, **at = &q->first;
    for (uint32_t i = 0; i < max && *at; i++) {
        at = &(*at)->next;
        q->count--;
    }
    q->first = *at;
    if (at != &q->first)
        *at = NULL;
    else
        list = NULL;
    if (!q->first)
        q->end = &q->first;
    return list;
}

static bool verb_reads(enum store_verb v)
{
    return v >= STORE_MESSAGE_GET;
}

/* Takes away published rows up to *to, which becomes outbox_oldest once that is committed. */
static int write_prune(struct store *s, struct db *d, uint64_t *to)
{
    uint64_t published = atomic_load_explicit(&s->published, memory_order_relaxed);
    if (published >= s->outbox_next)
        published = s->outbox_next - 1;
    uint64_t may = published > s->outbox_keep ? published - s->outbox_keep : 0;
    *to = s->outbox_oldest;
    if (may < s->outbox_oldest + PRUNE_ROWS / 4)
        return SQLITE_OK;
    *to = may < s->outbox_oldest + PRUNE_ROWS ? may : s->outbox_oldest + PRUNE_ROWS;
    return db_run(d, DB_OUTBOX_PRUNE, "ii", s->outbox_oldest, *to);
}

/* One transaction over the list. */
static int write_group(struct store *s, struct store_op *list)
{
    struct db *d = &s->writer.db;
    uint64_t next = s->outbox_next, oldest = s->outbox_oldest;
    errno = 0;
    int rc = db_run(d, DB_BEGIN, "");
    working_begin(s->working, list);
    for (struct store_op *op = list; op && rc == SQLITE_OK; op = op->next)
        rc = db_mutate(d, op, &next);
    working_pause(s->working); /* the disk, which takes nearly all of the time, is nobody's fault */
    if (rc == SQLITE_OK)
        rc = write_prune(s, d, &oldest);
    if (rc == SQLITE_OK)
        rc = db_run(d, DB_COMMIT, "");
    working_end(s->working);
    if (rc == SQLITE_OK) {
        for (struct store_op *op = list; op; op = op->next)
            s->written++;
        s->groups++;
        s->outbox_next = next;
        s->outbox_oldest = oldest;
        keys_prune(&s->keys, oldest);
        return SQLITE_OK;
    }
    s->failed++;
    keys_undo(&s->keys, s->outbox_next);
    enum store_status status = db_failure(rc);
    if (!sqlite3_get_autocommit(d->handle))
        db_run(d, DB_ROLLBACK, "");
    for (struct store_op *op = list; op; op = op->next) {
        store_op_unanswer(op);
        op->status = status;
    }
    return rc;
}

/* Mutations that were under way when the process died before are carried out alone, or no more at all. */
static void write_suspect(struct store *s, struct store_op *op)
{
    int rc = db_replay(&s->writer.db, op);
    if (rc != SQLITE_OK || op->replayed) {
        op->status = db_status(rc);
        return;
    }
    if (working_alone(s->working, &op->key)) {
        write_group(s, op);
        return;
    }
    op->status = STORE_POISONED;
    s->poisoned++;
}

static void write_list(struct store *s, struct store_op *list)
{
    if (write_group(s, list) == SQLITE_OK || !list->next)
        return;
    for (struct store_op *op = list; op; op = op->next) {
        struct store_op *rest = op->next;
        op->next = NULL;
        store_op_unanswer(op);
        write_group(s, op);
        op->next = rest;
    }
}

/* While there are suspects, every operation goes alone, so that a death tells which one it was. */
static void write_lane(struct store *s, struct store_op *list)
{
    if (!working_suspects(s->working)) {
        write_list(s, list);
        return;
    }
    for (struct store_op *op = list, *rest; op; op = rest) {
        rest = op->next;
        op->next = NULL;
        bool suspect = working_suspect(s->working, &op->key);
        if (suspect)
            write_suspect(s, op);
        else
            write_group(s, op);
        op->next = rest;
    }
}

static bool reads_equal(const struct store_op *a, const struct store_op *b)
{
    return a->verb == STORE_HISTORY && b->verb == STORE_HISTORY && a->channel_id == b->channel_id &&
           a->history == b->history && a->message_id == b->message_id && a->limit == b->limit;
}

/* The same page for somebody else: only whose reactions are one's own may differ. */
static int read_copy(struct db *d, const struct store_op *from, struct store_op *to)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < from->view_count && rc == SQLITE_OK; i++) {
        const struct message_view *v = &from->views[i];
        struct message_view *w = store_op_view(to);
        message_copy(&w->message, &v->message);
        if (v->referenced) {
            w->referenced = malloc(sizeof *w->referenced);
            if (!w->referenced)
                abort();
            message_copy(w->referenced, v->referenced);
        }
        if (v->reaction_count)
            rc = db_view_reactions(d, w, to->user_id);
    }
    return rc;
}

/* All of the list in one read transaction: what it costs to begin and end one is paid once. */
static void read_list(struct store *s, struct store_op *list)
{
    struct db *d = &s->reader.db;
    bool together = db_run(d, DB_BEGIN_READ, "") == SQLITE_OK;
    for (struct store_op *op = list; op; op = op->next) {
        const struct store_op *same = list;
        while (same != op && (same->status != STORE_OK || !reads_equal(same, op)))
            same = same->next;
        errno = 0;
        int rc = same != op ? read_copy(d, same, op) : db_read(d, op);
        s->read++;
        s->coalesced += same != op;
        if (rc != SQLITE_OK) {
            store_op_unanswer(op);
            op->status = db_failure(rc);
            s->failed++;
        }
    }
    if (together && !sqlite3_get_autocommit(d->handle))
        db_run(d, DB_COMMIT, "");
}

static void lane_finish(struct store *s, struct store_op *list)
{
    pthread_mutex_lock(&s->lock);
    while (list) {
        struct store_op *op = list;
        list = op->next;
        queue_push(&s->finished, op);
    }
    pthread_mutex_unlock(&s->lock);
    uint64_t one = 1;
    while (write(s->event_fd, &one, sizeof one) < 0)
        ; /* only EINTR is possible: the count never nears its end */
}

static void *lane_run(void *arg)
{
    struct lane *l = arg;
    struct store *s = l->store;
    for (;;) {
        pthread_mutex_lock(&s->lock);
        while (!l->waiting.first && !s->closing)
            pthread_cond_wait(&l->wake, &s->lock);
        struct store_op *list = queue_take(&l->waiting, l == &s->writer ? s->group_max : READS_MAX);
        pthread_mutex_unlock(&s->lock);
        if (!list)
            return NULL;
        if (l == &s->writer)
            write_lane(s, list);
        else
            read_list(s, list);
        lane_finish(s, list);
    }
}

/* The keys of what the outbox holds. */
static int store_keys(struct store *s)
{
    struct db *d = &s->writer.db;
    sqlite3_stmt *q = db_bind(d, DB_LOAD_REQUESTS, "");
    int rc = q ? SQLITE_DONE : sqlite3_extended_errcode(d->handle);
    struct request_key k;
    while (q && (rc = sqlite3_step(q)) == SQLITE_ROW && db_request_key(q, &k))
        keys_note(&s->keys, db_u64(q, 3), &k);
    d->keys = &s->keys;
    return db_end(q, rc == SQLITE_ROW ? SQLITE_CORRUPT : rc);
}

/* Where the outbox begins and goes on. */
static int store_outbox_ends(struct store *s)
{
    struct db *d = &s->writer.db;
    sqlite3_stmt *q = db_bind(d, DB_OUTBOX_ENDS, "");
    int rc = q ? sqlite3_step(q) : sqlite3_extended_errcode(d->handle);
    if (rc == SQLITE_ROW) {
        uint64_t oldest = db_u64(q, 0);
        s->outbox_oldest = oldest ? oldest - 1 : 0;
        s->outbox_next = db_u64(q, 1) + 1;
    }
    rc = db_end(q, rc);
    return rc == SQLITE_OK ? store_keys(s) : rc;
}

static bool lane_start(struct store *s, struct lane *l)
{
    l->store = s;
    return pthread_create(&l->thread, NULL, lane_run, l) == 0;
}

struct store *store_open(const struct store_config *c, char *error, size_t error_size)
{
    struct store *s = calloc(1, sizeof *s);
    uint32_t retry_ms = c->retry_ms ? c->retry_ms : 2000;
    if (!s)
        abort();
    s->queue_max = c->queue_max ? c->queue_max : 8192;
    s->group_max = c->group_max ? c->group_max : 2048;
    s->outbox_keep = c->outbox_keep ? c->outbox_keep : 65536;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->writer.wake, NULL);
    pthread_cond_init(&s->reader.wake, NULL);
    queue_init(&s->writer.waiting);
    queue_init(&s->reader.waiting);
    queue_init(&s->finished);
    s->event_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (db_open(&s->writer.db, c->path, true, retry_ms, error, error_size) != SQLITE_OK)
        goto no_writer;
    if (db_open(&s->reader.db, c->path, false, retry_ms, error, error_size) != SQLITE_OK)
        goto no_reader;
    int rc = store_outbox_ends(s);
    if (rc != SQLITE_OK) {
        snprintf(error, error_size, "%s", sqlite3_errmsg(s->writer.db.handle));
        goto no_threads;
    }
    s->working = working_open(c->path);
    if (lane_start(s, &s->writer) && lane_start(s, &s->reader))
        return s;
    snprintf(error, error_size, "cannot start a thread");
    abort();
no_threads:
    keys_free(&s->keys);
    db_close(&s->reader.db);
no_reader:
    db_close(&s->writer.db);
no_writer:
    close(s->event_fd);
    free(s);
    return NULL;
}

void store_close(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    s->closing = true;
    pthread_cond_signal(&s->writer.wake);
    pthread_cond_signal(&s->reader.wake);
    pthread_mutex_unlock(&s->lock);
    pthread_join(s->writer.thread, NULL);
    pthread_join(s->reader.thread, NULL);
    for (struct store_op *op = queue_take(&s->finished, UINT32_MAX), *next; op; op = next) {
        next = op->next;
        store_op_free(op);
    }
    db_close(&s->reader.db);
    db_close(&s->writer.db);
    working_close(s->working);
    keys_free(&s->keys);
    pthread_cond_destroy(&s->writer.wake);
    pthread_cond_destroy(&s->reader.wake);
    pthread_mutex_destroy(&s->lock);
    close(s->event_fd);
    free(s);
}

bool store_submit(struct store *s, struct store_op *op)
{
    struct lane *l = verb_reads(op->verb) ? &s->reader : &s->writer;
    pthread_mutex_lock(&s->lock);
    bool room = l->waiting.count < s->queue_max && !s->closing;
    if (room) {
        queue_push(&l->waiting, op);
        pthread_cond_signal(&l->wake);
    }
    pthread_mutex_unlock(&s->lock);
    return room;
}

int store_event_fd(const struct store *s)
{
    return s->event_fd;
}

size_t store_drain(struct store *s, size_t max)
{
    uint64_t count;
    size_t drained = 0;
    if (read(s->event_fd, &count, sizeof count) < 0)
        count = 0; /* nothing signalled: there may still be something left of the last time */
    pthread_mutex_lock(&s->lock);
    struct store_op *list = queue_take(&s->finished, max < UINT32_MAX ? (uint32_t)max : UINT32_MAX);
    bool more = s->finished.first != NULL;
    pthread_mutex_unlock(&s->lock);
    while (list) {
        struct store_op *op = list;
        list = op->next;
        op->done(op, op->ctx);
        store_op_free(op);
        drained++;
    }
    uint64_t one = 1;
    if (more && write(s->event_fd, &one, sizeof one) < 0)
        return drained; /* the count is at its end, so the fd is readable */
    return drained;
}

bool store_wait(struct store *s, int timeout_ms)
{
    struct pollfd p = {.fd = s->event_fd, .events = POLLIN};
    return poll(&p, 1, timeout_ms) > 0;
}

void store_counts(const struct store *s, struct store_counts *c)
{
    *c = (struct store_counts){.written = s->written,
                               .groups = s->groups,
                               .read = s->read,
                               .coalesced = s->coalesced,
                               .failed = s->failed,
                               .poisoned = s->poisoned};
}

void store_published(struct store *s, uint64_t id)
{
    atomic_store_explicit(&s->published, id, memory_order_relaxed);
}

enum store_status store_load(struct store *s, const struct store_loader *l, uint64_t *highest_id)
{
    return db_status(db_load(&s->writer.db, l, highest_id));
}

enum store_status store_outbox_after(struct store *s, uint64_t after, store_done_fn *each, void *ctx)
{
    struct db *d = &s->writer.db;
    int rc = SQLITE_OK;
    for (size_t page = 1; rc == SQLITE_OK && page;) {
        struct store_op *ops[256];
        page = 0;
        sqlite3_stmt *q = db_bind(d, DB_OUTBOX_AFTER, "i", after);
        rc = q ? SQLITE_DONE : sqlite3_extended_errcode(d->handle);
        while (q && page < 256 && (rc = sqlite3_step(q)) == SQLITE_ROW) {
            ops[page] = store_op_new(STORE_CHANGE, each, ctx);
            db_outbox_entry(q, &ops[page]->entry);
            after = ops[page++]->entry.id;
        }
        rc = db_end(q, rc);
        for (size_t i = 0; i < page; i++) {
            if (rc == SQLITE_OK)
                rc = db_outbox_view(d, ops[i]);
            if (rc == SQLITE_OK)
                each(ops[i], ctx);
            store_op_free(ops[i]);
        }
    }
    return db_status(rc);
}
