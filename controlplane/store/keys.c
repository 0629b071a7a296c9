/*
 * The keys of keys.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/store/keys.h"

#include <stdlib.h>
#include <string.h>

bool key_given(const struct request_key *k)
{
    static const struct request_key none;
    return memcmp(k->boot, none.boot, sizeof k->boot) != 0;
}

static uint64_t mix(uint64_t h, uint64_t value)
{
    h = (h ^ value) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ h >> 29;
}

/* Never 0. */
static uint64_t print_of(const struct request_key *k)
{
    uint64_t boot[2];
    memcpy(boot, k->boot, sizeof boot);
    uint64_t h = mix(mix(mix(mix(1, boot[0]), boot[1]), k->worker), k->entry);
    return h ? h : 1;
}

static uint64_t *place_of(const struct keys *s, uint64_t id)
{
    return &s->prints[id & (s->size - 1)];
}

uint64_t keys_find(const struct keys *s, const struct request_key *k)
{
    uint64_t id = key_given(k) ? index_map_get(&s->by_print, print_of(k)) : INDEX_NONE;
    return id == INDEX_NONE ? 0 : id;
}

static void grow(struct keys *s)
{
    struct keys bigger = *s;
    bigger.size = s->size ? s->size * 2 : 1024;
    bigger.prints = calloc(bigger.size, sizeof *bigger.prints);
    if (!bigger.prints)
        abort();
    for (uint64_t id = s->first; id < s->next; id++)
        *place_of(&bigger, id) = *place_of(s, id);
    free(s->prints);
    *s = bigger;
}

static void forget(struct keys *s, uint64_t id)
{
    uint64_t *print = place_of(s, id);
    if (*print && index_map_get(&s->by_print, *print) == id)
        index_map_remove(&s->by_print, *print);
    *print = 0;
}

void keys_note(struct keys *s, uint64_t id, const struct request_key *k)
{
    if (s->first == s->next)
        s->first = s->next = id;
    while (id - s->first >= s->size)
        grow(s);
    for (; s->next <= id; s->next++) /* rows may be missing between */
        *place_of(s, s->next) = 0;
    if (!key_given(k))
        return;
    *place_of(s, id) = print_of(k);
    index_map_put(&s->by_print, print_of(k), id);
}

void keys_undo(struct keys *s, uint64_t id)
{
    while (s->next > s->first && s->next > id)
        forget(s, --s->next);
}

void keys_prune(struct keys *s, uint64_t id)
{
    while (s->first < s->next && s->first <= id)
        forget(s, s->first++);
}

void keys_free(struct keys *s)
{
    index_map_free(&s->by_print);
    free(s->prints);
    *s = (struct keys){0};
}
