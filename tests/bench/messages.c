/*
 * The messages bench: REST in the process on a store of its own, and beside it, in the same run, SQLite alone
 * with the same schema, statements and group size. Writes figures as JSON, one a line.
 *
 *      messages DIRECTORY SECONDS MESSAGES
 *
 * Counts what was answered, and then that exactly so many rows are there. With every sync delayed by two
 * milliseconds it says how much depends on the disk. TCP and TLS are not in it: they are the dataplane's.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "controlplane/rest/rest.h"
#include "controlplane/guilds/tokens.h"
#include "controlplane/store/db.h"

#define CHANNELS  1000u
#define GROUP     2048u
#define UNDER_WAY 4096u
#define PAGES     20000u
#define READERS   4u

static _Atomic unsigned sync_delay_us;

int fdatasync(int fd)
{
    if (sync_delay_us)
        usleep(sync_delay_us);
    return (int)syscall(SYS_fdatasync, fd);
}

struct bench {
    char file[4096];
    struct model *m;
    struct rest *rest;
    char token[TOKEN_TEXT_MAX + 8];
    uint64_t answered, refused, asked;
    uint64_t begun_us[READERS]; /* by reader: when its page was asked for */
    double *page_ms;
    size_t pages;
};

static uint64_t now_us(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000000 + (uint64_t)ts.tv_nsec / 1000;
}

static void die(const char *why)
{
    fprintf(stderr, "messages: %s\n", why);
    exit(1);
}

static uint64_t channel_id(uint64_t i)
{
    return 3000 + i % CHANNELS;
}

static void remove_file(const char *file)
{
    static const char *const ends[] = {"", "-wal", "-shm", "-working"};
    char name[4128];
    for (size_t i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "%s%s", file, ends[i]);
        unlink(name);
    }
}

/* One account with a guild of a thousand channels, in memory alone: messages are what is measured. */
static void open_bench(struct bench *b)
{
    char why[256];
    struct rest_config rc;
    struct store_config sc = {.path = b->file, .group_max = GROUP};
    struct store *s = store_open(&sc, why, sizeof why);
    b->m = s ? model_open(s, 0, 0, (int64_t)time(NULL) * 1000, why, sizeof why) : NULL;
    if (!b->m)
        die(why);
    struct user u = {.id = 1000, .username = (char *)"bench", .bot = true};
    struct guild g = {.id = 2000, .owner_id = 1000, .name = (char *)"bench"};
    struct role r = {.id = 2000, .guild_id = 2000, .name = (char *)"@everyone", .permissions = PERM_DEFAULT};
    struct member mb = {.guild_id = 2000, .user_id = 1000};
    struct token t = {.user_id = 1000};
    model_put_user(b->m, &u);
    model_put_guild(b->m, &g);
    model_put_role(b->m, &r);
    model_put_member(b->m, &mb);
    for (uint64_t i = 0; i < CHANNELS; i++)
        model_put_channel(b->m,
                          &(struct channel){.id = channel_id(i), .guild_id = 2000, .name = (char *)"c"});
    strcpy(b->token, "Bot ");
    token_make(b->m->token_key, t.user_id, b->token + 4);
    token_hash(b->token + 4, strlen(b->token + 4), t.hash);
    model_put_token(b->m, &t);
    rest_config_defaults(&rc);
    for (size_t i = 0; i < REST_BUCKETS; i++)
        rc.limits[i].requests = 0;
    rc.global.requests = 0;
    b->rest = rest_open(b->m, &rc);
}

static void close_bench(struct bench *b)
{
    model_close(b->m);
    rest_close(b->rest);
}

static void ask(struct bench *b, enum rest_method method, const char *path, const char *query,
                const char *body, rest_done_fn *done, void *ctx)
{
    struct rest_request q = {.method = method,
                             .path = path,
                             .path_length = strlen(path),
                             .query = query,
                             .query_length = strlen(query),
                             .authorization = b->token,
                             .authorization_length = strlen(b->token),
                             .content_type = "application/json",
                             .content_type_length = 16,
                             .body = body,
                             .body_length = strlen(body),
                             .keep_alive = true,
                             .key = {.boot = "messages bench..", .worker = 0, .entry = ++b->asked}};
    rest_handle(b->rest, &q, done, ctx);
}

/* ---- writes ---- */

static void posted(void *ctx, const struct rest_reply *reply)
{
    struct bench *b = ctx;
    b->answered += reply->status == 200;
    b->refused += reply->status != 200;
}

static double write_rate(struct bench *b, double seconds)
{
    char content[301], body[400], path[64];
    uint64_t begun = now_us(), end = begun + (uint64_t)(seconds * 1e6), before = b->answered, sent = 0;
    memset(content, 'x', 300);
    content[300] = 0;
    snprintf(body, sizeof body, "{\"content\":\"%s\"}", content);
    while (now_us() < end || sent > b->answered - before) {
        b->m->now_ms = (int64_t)time(NULL) * 1000;
        while (now_us() < end && sent - (b->answered - before) < UNDER_WAY) {
            snprintf(path, sizeof path, "/api/v10/channels/%llu/messages",
                     (unsigned long long)channel_id(sent));
            ask(b, REST_POST, path, "", body, posted, b);
            sent++;
        }
        store_wait(b->m->store, 100);
        store_drain(b->m->store, UNDER_WAY);
        if (b->refused)
            die("a message was refused");
    }
    return (double)(b->answered - before) * 1e6 / (double)(now_us() - begun);
}

/* The same rows by the same statements, and nothing else. */
static double raw_write_rate(const char *directory, double seconds)
{
    char file[4096], why[256], content[301];
    struct db d;
    uint64_t id = 1, begun = now_us(), end = begun + (uint64_t)(seconds * 1e6);
    snprintf(file, sizeof file, "%s/raw.db", directory);
    remove_file(file);
    memset(content, 'x', 300);
    content[300] = 0;
    if (db_open(&d, file, true, 1000, why, sizeof why) != SQLITE_OK)
        die(why);
    while (now_us() < end) {
        int rc = db_run(&d, DB_BEGIN, "");
        for (uint64_t i = 0; i < GROUP && rc == SQLITE_OK; i++, id++) {
            rc = db_run(&d, DB_MESSAGE_PUT, "iiittiiiitttti", channel_id(id), id, (uint64_t)1000, content,
                        NULL, (uint64_t)0, (uint64_t)0, (uint64_t)0, (uint64_t)0, NULL, NULL, NULL, NULL,
                        (uint64_t)0);
            if (rc == SQLITE_OK)
                rc = db_run(&d, DB_OUTBOX_PUT, "iiiiiitbii", id, (uint64_t)1, channel_id(id), id,
                            (uint64_t)1000, (uint64_t)1000, NULL, (const void *)"messages bench..", 16,
                            (uint64_t)0, id);
        }
        if (rc != SQLITE_OK || db_run(&d, DB_COMMIT, "") != SQLITE_OK)
            die("SQLite alone cannot write");
    }
    double rate = (double)(id - 1) * 1e6 / (double)(now_us() - begun);
    db_close(&d);
    remove_file(file);
    return rate;
}

static uint64_t rows_of(const char *file)
{
    sqlite3 *h;
    sqlite3_stmt *s;
    uint64_t n = 0;
    if (sqlite3_open(file, &h) == SQLITE_OK &&
        sqlite3_prepare_v2(h, "SELECT count(*) FROM messages", -1, &s, NULL) == SQLITE_OK) {
        if (sqlite3_step(s) == SQLITE_ROW)
            n = (uint64_t)sqlite3_column_int64(s, 0);
        sqlite3_finalize(s);
    }
    sqlite3_close(h);
    return n;
}

/* ---- history ---- */

/* So many messages, durable only when all are there, and without a log: what is read is what is measured. */
static void fill(const char *file, uint64_t first, uint64_t count)
{
    char why[256], content[301];
    struct db d;
    memset(content, 'x', 300);
    content[300] = 0;
    if (db_open(&d, file, true, 1000, why, sizeof why) != SQLITE_OK)
        die(why);
    if (sqlite3_exec(d.handle,
                     "PRAGMA journal_mode = DELETE; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF",
                     NULL, NULL, NULL) != SQLITE_OK)
        die("the messages to be read cannot be written at once");
    for (uint64_t c = 0; c < CHANNELS; c++) {
        db_run(&d, DB_BEGIN, "");
        for (uint64_t i = 0; i < count / CHANNELS; i++)
            if (db_run(&d, DB_MESSAGE_PUT, "iiittiiiitttti", channel_id(c), first + i * CHANNELS + c,
                       (uint64_t)1000, content, NULL, (uint64_t)0, (uint64_t)0, (uint64_t)0, (uint64_t)0,
                       NULL, NULL, NULL, NULL, (uint64_t)0) != SQLITE_OK)
                die("the messages to be read cannot be written");
        db_run(&d, DB_COMMIT, "");
    }
    db_close(&d);
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) != 0)
        die("the messages to be read are not written");
    close(fd);
}

struct reader {
    struct bench *b;
    unsigned place;
    bool asked;
};

static void paged(void *ctx, const struct rest_reply *reply)
{
    struct reader *r = ctx;
    if (reply->status != 200 || reply->length < 50 * 300)
        die("a page is not what was asked for");
    r->b->page_ms[r->b->pages++] = (double)(now_us() - r->b->begun_us[r->place]) / 1000;
    r->asked = false;
}

static int order(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double p99(double *ms, size_t n)
{
    qsort(ms, n, sizeof *ms, order);
    return ms[n * 99 / 100];
}

/* Somewhere in the channel, with fifty before it. */
static uint64_t anchor(uint64_t first, uint64_t messages, uint64_t c)
{
    uint64_t each = messages / CHANNELS;
    return first + (50 + (uint64_t)rand() % (each - 50)) * CHANNELS + c;
}

static double page_p99(struct bench *b, uint64_t first, uint64_t messages)
{
    struct reader readers[READERS];
    b->page_ms = calloc(PAGES + READERS, sizeof *b->page_ms);
    for (unsigned i = 0; i < READERS; i++)
        readers[i] = (struct reader){b, i, false};
    while (b->pages < PAGES) {
        for (unsigned i = 0; i < READERS; i++) {
            char path[64], query[64];
            uint64_t c = (uint64_t)rand() % CHANNELS;
            if (readers[i].asked)
                continue;
            snprintf(path, sizeof path, "/api/v10/channels/%llu/messages", (unsigned long long)channel_id(c));
            snprintf(query, sizeof query, "limit=50&before=%llu",
                     (unsigned long long)anchor(first, messages, c));
            readers[i].asked = true;
            b->begun_us[i] = now_us();
            ask(b, REST_GET, path, query, "", paged, &readers[i]);
        }
        store_wait(b->m->store, 100);
        store_drain(b->m->store, READERS);
    }
    return p99(b->page_ms, b->pages);
}

static double raw_page_p99(const char *file, uint64_t first, uint64_t messages)
{
    char why[256];
    struct db d;
    double *ms = calloc(PAGES, sizeof *ms);
    if (db_open(&d, file, false, 1000, why, sizeof why) != SQLITE_OK)
        die(why);
    for (size_t i = 0; i < PAGES; i++) {
        uint64_t c = (uint64_t)rand() % CHANNELS, begun = now_us();
        sqlite3_stmt *s = db_bind(&d, DB_HISTORY_BEFORE, "iii", channel_id(c), anchor(first, messages, c) - 1,
                                  (uint64_t)50);
        int rows = 0;
        while (s && sqlite3_step(s) == SQLITE_ROW)
            rows += sqlite3_column_bytes(s, 3) == 300;
        db_end(s, SQLITE_DONE);
        if (rows != 50)
            die("SQLite alone reads something else");
        ms[i] = (double)(now_us() - begun) / 1000;
    }
    db_close(&d);
    double value = p99(ms, PAGES);
    free(ms);
    return value;
}

static void figure(const char *metric, double value, const char *unit, const char *params, double limit,
                   const char *limit_name)
{
    printf("{\"bench\":\"messages\",\"metric\":\"%s\",\"value\":%.3f,\"unit\":\"%s\",\"params\":{%s},"
           "\"limit\":%.3f,"
           "\"limit_name\":\"%s\",\"peer\":null,\"peer_name\":\"none: the limit is what a user would build "
           "on\"}\n",
           metric, value, unit, params, limit, limit_name);
    fflush(stdout);
}

static void measure_writes(struct bench *b, const char *directory, double seconds, unsigned delay_us)
{
    char params[64];
    sync_delay_us = delay_us;
    double raw = raw_write_rate(directory, seconds), rate = write_rate(b, seconds);
    sync_delay_us = 0;
    snprintf(params, sizeof params, "\"channels\":%u,\"bytes\":300,\"sync_delay_ms\":%u", CHANNELS,
             delay_us / 1000);
    figure("durable_writes_per_s", rate, "messages/s", params, raw,
           "SQLite alone, same schema, groups of 2048");
}

int main(int argc, char **argv)
{
    struct bench b = {.answered = 0};
    if (argc != 4)
        die("usage: messages DIRECTORY SECONDS MESSAGES");
    double seconds = atof(argv[2]);
    uint64_t messages = strtoull(argv[3], NULL, 10), first = UINT64_C(1) << 60;
    if (messages < 100 * CHANNELS || !(seconds > 0))
        die("at least 100,000 messages, and some time");
    snprintf(b.file, sizeof b.file, "%s/messages.db", argv[1]);
    remove_file(b.file);
    open_bench(&b);
    measure_writes(&b, argv[1], seconds, 0);
    measure_writes(&b, argv[1], seconds, 2000);
    close_bench(&b);
    if (rows_of(b.file) != b.answered)
        die("what was answered is not what is stored");
    remove_file(b.file);
    fill(b.file, first, messages);
    open_bench(&b);
    double value = page_p99(&b, first, messages);
    char params[64];
    snprintf(params, sizeof params, "\"stored\":%llu,\"page\":50", (unsigned long long)messages);
    figure("history_p99_ms", value, "ms", params, raw_page_p99(b.file, first, messages),
           "SQLite alone, same schema, rows only, one reader");
    close_bench(&b);
    remove_file(b.file);
    free(b.page_ms);
    return 0;
}
