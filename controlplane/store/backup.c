/*
 * Backups of the whole file and their way back, for the operator. A backup is of one moment: it reads under
 * one read transaction, which a writer in another process does not wait for.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/store/db.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define STEP_PAGES 1024

static void complain(sqlite3 *h, int rc, store_report_fn *report, void *ctx)
{
    report(ctx, h && sqlite3_errcode(h) ? sqlite3_errmsg(h) : sqlite3_errstr(rc));
}

static int copy(sqlite3 *to, sqlite3 *from, store_progress_fn *progress, void *ctx)
{
    sqlite3_backup *b = sqlite3_backup_init(to, "main", from, "main");
    int rc = b ? SQLITE_OK : sqlite3_errcode(to);
    while (rc == SQLITE_OK) {
        rc = sqlite3_backup_step(b, STEP_PAGES);
        uint64_t total = (uint64_t)sqlite3_backup_pagecount(b);
        if (progress && (rc == SQLITE_OK || rc == SQLITE_DONE))
            progress(ctx, total - (uint64_t)sqlite3_backup_remaining(b), total);
    }
    if (b)
        sqlite3_backup_finish(b);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* A file that is to hold something for ever does, together with its name. */
static int make_durable(const char *path)
{
    char folder[4096];
    const char *slash = strrchr(path, '/');
    snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path + 1) : 1, slash ? path : ".");
    int file = open(path, O_RDONLY | O_CLOEXEC), at = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool good = file >= 0 && at >= 0 && fsync(file) == 0 && fsync(at) == 0;
    if (file >= 0)
        close(file);
    if (at >= 0)
        close(at);
    return good ? SQLITE_OK : SQLITE_IOERR;
}

bool store_backup(const char *path, const char *to, store_progress_fn *progress, store_report_fn *report,
                  void *ctx)
{
    sqlite3 *from = NULL, *into = NULL;
    if (access(to, F_OK) == 0) {
        report(ctx, "there is a file of that name already");
        return false;
    }
    int rc = sqlite3_open_v2(path, &from, SQLITE_OPEN_READWRITE, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(from, 2000);
    if (rc == SQLITE_OK) /* one moment: the snapshot stands until the connection ends */
        rc = sqlite3_exec(from, "BEGIN; SELECT count(*) FROM sqlite_master;", NULL, NULL, NULL);
    if (rc != SQLITE_OK) {
        complain(from, rc, report, ctx);
    } else {
        rc = sqlite3_open_v2(to, &into, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
        if (rc == SQLITE_OK)
            rc = copy(into, from, progress, ctx);
        if (rc != SQLITE_OK)
            complain(into, rc, report, ctx);
    }
    sqlite3_close_v2(into);
    sqlite3_close_v2(from);
    if (rc == SQLITE_OK && (rc = make_durable(to)) != SQLITE_OK)
        report(ctx, "the copy is made, but the disk does not confirm it");
    if (rc != SQLITE_OK && into)
        unlink(to);
    return rc == SQLITE_OK;
}

bool store_restore(const char *path, const char *from_path, store_progress_fn *progress,
                   store_report_fn *report, void *ctx)
{
    sqlite3 *from = NULL, *into = NULL;
    if (!store_check(from_path, report, ctx))
        return false;
    int rc = sqlite3_open_v2(from_path, &from, SQLITE_OPEN_READONLY, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_open_v2(path, &into, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    if (rc == SQLITE_OK) /* a store that has it open is in the way, and stays there */
        rc =
            sqlite3_exec(into, "PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; COMMIT;", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = copy(into, from, progress, ctx);
    if (rc == SQLITE_BUSY)
        report(ctx, "the store is open: stop the control plane first");
    else if (rc != SQLITE_OK)
        complain(into, rc, report, ctx);
    sqlite3_close_v2(into);
    sqlite3_close_v2(from);
    return rc == SQLITE_OK;
}
