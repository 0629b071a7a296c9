/*
 * voxpop store check|backup|restore: on the file itself, whether the control plane lives or not.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "cli/place.h"
#include "cli/show.h"
#include "controlplane/store/store.h"

#define LINES_MAX   100
#define PROGRESS_NS 200000000ll /* between two lines of progress */

/* What a command learns on its way. */
struct learned {
    json_t *lines;
    long long told_ns;
    uint64_t total;
};

static void line(void *ctx, const char *text)
{
    struct learned *l = ctx;
    if (json_array_size(l->lines) < LINES_MAX)
        json_array_append_new(l->lines, json_string(text));
}

static void progress(void *ctx, uint64_t done, uint64_t total)
{
    struct learned *l = ctx;
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    long long now = ts.tv_sec * 1000000000ll + ts.tv_nsec;
    l->total = total;
    if (total && (done == total || now - l->told_ns >= PROGRESS_NS)) {
        fprintf(stderr, "%3llu %% of %llu pages%s", (unsigned long long)(100 * done / total),
                (unsigned long long)total, isatty(STDERR_FILENO) && done < total ? "\r" : "\n");
        l->told_ns = now;
    }
}

/* What the command has come to; `lines` say what is wrong. */
static int tell(const struct invocation *i, struct learned *l, const char *file, bool good)
{
    if (!good && !i->json)
        for (size_t k = 0; k < json_array_size(l->lines); k++)
            fprintf(stderr, "voxpop: %s\n", json_string_value(json_array_get(l->lines, k)));
    json_t *value = json_pack("{s:b, s:s, s:o}", "ok", good, "file", file, "lines", l->lines);
    if (l->total)
        json_object_set_new(value, "pages", json_integer((json_int_t)l->total));
    if (i->json || good)
        show_value(i, value);
    else
        json_decref(value);
    return good ? EXIT_OK : EXIT_FAILED;
}

int run_store_check(const struct invocation *i)
{
    struct learned l = {.lines = json_array()};
    char store[512];
    int code = i->operands ? EXIT_OK : place_store(i, store);
    if (code) {
        json_decref(l.lines);
        return code;
    }
    const char *file = i->operands ? i->operand[0] : store;
    return tell(i, &l, file, store_check(file, line, &l));
}

int run_store_backup(const struct invocation *i)
{
    struct learned l = {.lines = json_array()};
    char store[512];
    int code = place_store(i, store);
    if (code) {
        json_decref(l.lines);
        return code;
    }
    return tell(i, &l, i->operand[0], store_backup(store, i->operand[0], progress, line, &l));
}

int run_store_restore(const struct invocation *i)
{
    struct learned l = {.lines = json_array()};
    char store[512];
    int code = place_store(i, store);
    if (code) {
        json_decref(l.lines);
        return code;
    }
    return tell(i, &l, store, store_restore(store, i->operand[0], progress, line, &l));
}
