/*
 * Bytes right before a page that cannot be read or written: a parser that looks one byte past its input dies
 * here.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TESTS_GUARD_H
#define VOXPOP_TESTS_GUARD_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct guard {
    uint8_t *map;
    size_t size; /* bytes before the unreadable page */
};

static inline struct guard guard_make(size_t size)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    struct guard g = {.size = (size + page - 1) / page * page};
    g.map = mmap(NULL, g.size + page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (g.map == MAP_FAILED || mprotect(g.map + g.size, page, PROT_NONE) != 0)
        abort();
    return g;
}

/* A copy that ends where the unreadable page begins. Valid until the next call. */
static inline uint8_t *guard_put(const struct guard *g, const void *bytes, size_t len)
{
    uint8_t *p = g->map + g->size - len;
    if (len)
        memcpy(p, bytes, len);
    return p;
}

static inline void guard_free(struct guard *g)
{
    munmap(g->map, g->size + (size_t)sysconf(_SC_PAGESIZE));
}

#endif
