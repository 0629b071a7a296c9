/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/store/working.h"

#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define WORKING_MAGIC 0x32676e696b726f77ull /* "working2" */
#define KEYS_MAX      2048u
#define DEATHS_MAX    3u    /* alone */
#define PATIENCE      4096u /* operations in which a suspect must have come back, or it never will */

struct working_key {
    struct request_key key;
    uint32_t alone; /* deaths at which it was in hand alone */
    uint32_t pad;
};

/* The file. `count` keys are in hand; it is stored last and cleared first. */
struct working_file {
    uint64_t magic;
    _Atomic uint32_t count;
    uint32_t suspect_count;
    struct working_key keys[KEYS_MAX], suspects[KEYS_MAX];
};

struct working {
    struct working_file *file;
    uint32_t patience; /* operations left */
    uint32_t held;     /* keys of the last group */
};

static bool key_same(const struct request_key *a, const struct request_key *b)
{
    return a->entry == b->entry && a->worker == b->worker && !memcmp(a->boot, b->boot, sizeof a->boot);
}

static bool key_none(const struct request_key *k)
{
    static const struct request_key none;
    return !memcmp(k->boot, none.boot, sizeof k->boot);
}

static struct working_key *suspect_of(const struct working *w, const struct request_key *k)
{
    for (uint32_t i = 0; i < w->file->suspect_count; i++)
        if (key_same(&w->file->suspects[i].key, k))
            return &w->file->suspects[i];
    return NULL;
}

/* What was in hand at the death becomes suspect. */
static void learn(struct working *w)
{
    struct working_file *f = w->file;
    uint32_t count = f->count <= KEYS_MAX ? f->count : 0;
    if (f->magic != WORKING_MAGIC || f->suspect_count > KEYS_MAX) {
        memset(f, 0, sizeof *f);
        f->magic = WORKING_MAGIC;
        return;
    }
    for (uint32_t i = 0; i < count; i++) {
        struct working_key *s = suspect_of(w, &f->keys[i].key);
        if (s)
            s->alone += count == 1;
        else if (f->suspect_count < KEYS_MAX)
            f->suspects[f->suspect_count++] = (struct working_key){f->keys[i].key, count == 1, 0};
    }
    f->count = 0;
}

struct working *working_open(const char *store_path)
{
    char path[4096];
    if (snprintf(path, sizeof path, "%s-working", store_path) >= (int)sizeof path)
        return NULL;
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0)
        return NULL;
    void *at = MAP_FAILED;
    if (posix_fallocate(fd, 0, sizeof(struct working_file)) == 0)
        at = mmap(NULL, sizeof(struct working_file), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    struct working *w = at == MAP_FAILED ? NULL : malloc(sizeof *w);
    if (!w)
        return NULL;
    w->file = at;
    w->patience = PATIENCE;
    learn(w);
    return w;
}

void working_close(struct working *w)
{
    if (w)
        munmap(w->file, sizeof *w->file);
    free(w);
}

bool working_suspects(const struct working *w)
{
    return w && w->file->suspect_count;
}

bool working_suspect(const struct working *w, const struct request_key *k)
{
    return w && !key_none(k) && suspect_of(w, k);
}

bool working_alone(const struct working *w, const struct request_key *k)
{
    const struct working_key *s = w ? suspect_of(w, k) : NULL;
    return !s || s->alone < DEATHS_MAX;
}

void working_begin(struct working *w, const struct store_op *list)
{
    uint32_t n = 0;
    if (!w)
        return;
    for (const struct store_op *op = list; op && n < KEYS_MAX; op = op->next)
        if (!key_none(&op->key))
            w->file->keys[n++] = (struct working_key){op->key, 0, 0};
    w->held = n;
    atomic_store_explicit(&w->file->count, n, memory_order_release);
}

void working_pause(struct working *w)
{
    if (w)
        atomic_store_explicit(&w->file->count, 0, memory_order_release);
}

void working_end(struct working *w)
{
    if (!w)
        return;
    struct working_file *f = w->file;
    uint32_t n = w->held;
    w->patience -= w->patience > 0;
    if (!w->patience)
        f->suspect_count = 0;
    atomic_store_explicit(&f->count, 0, memory_order_release);
    for (uint32_t i = 0; i < n && f->suspect_count; i++) {
        struct working_key *s = suspect_of(w, &f->keys[i].key);
        if (s)
            *s = f->suspects[--f->suspect_count];
    }
}
