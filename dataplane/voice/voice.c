/*
 * Beginning and end: what a new process makes from the region, and what it wipes.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "dataplane/voice/internal.h"

static size_t keys_bytes(const struct voice *v)
{
    return (size_t)v->env.members->capacity * sizeof *v->keys;
}

/* Room for a key of every member: address space only, until keys are expanded. Huge pages spare the fan-out a
 * TLB miss a receiver. */
static bool keys_make(struct voice *v)
{
    void *p =
        mmap(NULL, keys_bytes(v), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        return false;
    madvise(p, keys_bytes(v), MADV_HUGEPAGE);
    v->keys = p;
    return true;
}

static bool make(struct voice *v)
{
    uint32_t members = v->env.members->capacity, rooms = v->env.rooms->capacity, n = v->config.pending_max;
    v->own = calloc(members, sizeof *v->own);
    v->walk = calloc(rooms, sizeof *v->walk);
    v->packets = calloc(n, sizeof *v->packets);
    v->speakers = calloc((size_t)rooms * v->config.speakers_max + 1, sizeof *v->speakers);
    if (!v->own || !v->walk || !v->packets || !v->speakers || !map_init(&v->by_ssrc, members) ||
        !map_init(&v->by_channel, rooms) || !keys_make(v))
        return false;
    for (uint32_t i = 0; i < rooms; i++)
        v->walk[i].first = v->walk[i].last = PENDING_NONE;
    for (uint32_t i = 0; i < n; i++)
        v->packets[i].next = i + 1 < n ? i + 1 : PENDING_NONE;
    return true;
}

static bool take_over(struct voice *v)
{
    for (uint32_t i = 0; i < v->env.members->fresh; i++) {
        const struct voice_member *m = member_of(v, i);
        if (!m->generation)
            continue;
        v->own[i].next = m->link;
        if (!map_put(&v->by_ssrc, m->ssrc, i))
            return false;
        if (m->mode != VOICE_MODE_NONE)
            member_expand(v, i);
        if (m->room < v->env.rooms->capacity && room_of(v, m->room)->head == i &&
            room_of(v, m->room)->channel_id &&
            !map_put(&v->by_channel, room_of(v, m->room)->channel_id, m->room))
            return false;
    }
    return true;
}

struct voice *voice_new(const struct voice_config *config, const struct voice_env *env)
{
    struct voice *v = calloc(1, sizeof *v);
    if (!v)
        return NULL;
    v->config = *config;
    v->env = *env;
    v->config.pending_max = config->pending_max ? config->pending_max : 1;
    v->walk_first = v->walk_last = ROOM_NONE;
    v->released_first = v->released_last = PENDING_NONE;
    v->owed_first = MEMBER_NONE;
    if (make(v) && take_over(v))
        return v;
    voice_free(v);
    return NULL;
}

void voice_free(struct voice *v)
{
    if (!v)
        return;
    if (v->keys) {
        for (uint32_t i = 0; i < v->env.members->fresh; i++)
            if (v->keys[i].cipher)
                aead_key_wipe(&v->keys[i]);
        munmap(v->keys, keys_bytes(v));
    }
    map_free(&v->by_ssrc);
    map_free(&v->by_channel);
    free(v->speakers);
    free(v->own);
    free(v->walk);
    free(v->packets);
    free(v);
}

void voice_transport_set(struct voice *v, enum member_kind kind, const struct voice_transport *t)
{
    assert(kind != MEMBER_NATIVE && kind < MEMBER_KINDS);
    v->transport[kind] = t;
}

void voice_residence_at(struct voice *v, uint64_t *buckets)
{
    v->residence = buckets;
}

uint32_t voice_member_of(const struct voice *v, uint32_t ssrc)
{
    uint64_t i;
    return ssrc && map_get(&v->by_ssrc, ssrc, &i) ? (uint32_t)i : MEMBER_NONE;
}

struct pool *voice_members(const struct voice *v)
{
    return v->env.members;
}

unsigned voice_pending(const struct voice *v)
{
    return v->waiting;
}
