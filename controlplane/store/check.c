/*
 * The operator's check of a whole file.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/store/db.h"

#include <string.h>

bool store_check(const char *path, store_report_fn *report, void *ctx)
{
    sqlite3 *h;
    sqlite3_stmt *s = NULL;
    bool sound = false;
    int rc = sqlite3_open_v2(path, &h, SQLITE_OPEN_READONLY, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(h, "PRAGMA integrity_check", -1, &s, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        const char *line = (const char *)sqlite3_column_text(s, 0);
        sound = line && !strcmp(line, "ok");
        if (line)
            report(ctx, line);
        rc = SQLITE_OK;
    }
    if (rc != SQLITE_DONE) {
        report(ctx, sqlite3_errmsg(h));
        sound = false;
    }
    sqlite3_finalize(s);
    sqlite3_close_v2(h);
    return sound;
}
