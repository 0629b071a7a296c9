/*
 * Rooms and members: which worker has which room, and the indices of both; see voice.h.
 *
 * A member's index is handed out again as late as possible, and each time with the next generation: workers
 * tell uses of one slot apart by it, and keep their nonce counters by its parity.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/voice/voice.h"

#include <stdlib.h>

#include "controlplane/events/audience.h"
#include "controlplane/events/event_writer.h"
#include "controlplane/routes/maps.h"
#include "controlplane/voice/voice_room.h"

#define VOICE_SPEAKS_FIRST 4u /* op 5: priority */

/* ---- indices ---- */

static void *array(size_t count, size_t size)
{
    void *p = calloc(count, size);
    if (!p)
        abort();
    return p;
}

static void pool_open(struct control *c, uint32_t worker, const bool *member_used, const bool *room_used)
{
    const struct region_geometry *g = &c->link->region->header->geometry;
    struct voice_pool *p = &c->pools[worker];
    p->members = array(g->members, sizeof *p->members);
    p->generations = array(g->members, sizeof *p->generations);
    p->rooms = array(g->rooms, sizeof *p->rooms);
    for (uint32_t i = 0; i < g->members; i++) {
        const struct voice_member *m = member_at(c->link->region, worker * g->members + i);
        p->generations[i] = m->generation;
        if (!member_used[worker * g->members + i])
            p->members[p->member_free++] = i;
    }
    for (uint32_t i = g->rooms; i-- > 0;)
        if (!room_used[worker * g->rooms + i])
            p->rooms[p->room_free++] = i;
}

static uint32_t member_take(struct control *c, uint32_t worker, uint32_t *generation)
{
    struct voice_pool *p = &c->pools[worker];
    uint32_t per = c->link->region->header->geometry.members;
    uint32_t i = p->members[p->member_head];
    p->member_head = (p->member_head + 1) % per;
    p->member_free--;
    p->generations[i] +=
        p->generations[i] == UINT32_MAX ? 3 : 1; /* never 0: that is a free one; odd follows even */
    *generation = p->generations[i];
    return worker * per + i;
}

static void member_give(struct control *c, uint32_t member)
{
    uint32_t per = c->link->region->header->geometry.members;
    struct voice_pool *p = &c->pools[member / per];
    p->members[(p->member_head + p->member_free++) % per] = member % per;
}

/* ---- rooms ---- */

struct voice_room *voice_room_of(const struct control *c, uint64_t channel_id)
{
    return index_map_pointer(&c->rooms, channel_id);
}

static struct voice_room *room_make(struct control *c, uint64_t guild_id, uint64_t channel_id)
{
    struct voice_room *r = array(1, sizeof *r);
    *r = (struct voice_room){.channel_id = channel_id,
                             .guild_id = guild_id,
                             .topic = topic_find(c, TOPIC_VOICE, channel_id, c->link->depth > 0)};
    index_map_put(&c->rooms, channel_id, (uint64_t)(uintptr_t)r);
    map_put(c->owner_map, channel_id, THIS_BOX);
    return r;
}

uint32_t voice_worker_of(const struct control *c, uint32_t slot)
{
    return session_of(c, slot)->member / c->link->region->header->geometry.members;
}

static void part_make(struct voice_room *r, uint32_t worker, uint32_t index)
{
    r->parts |= 1u << worker;
    r->index[worker] = index;
}

static void room_free(struct voice_room *r)
{
    free(r->slots);
    free(r);
}

static void room_add(struct control *c, struct voice_room *r, uint32_t slot)
{
    if (r->count == r->capacity) {
        r->capacity = r->capacity ? r->capacity * 2 : 8;
        r->slots = realloc(r->slots, r->capacity * sizeof *r->slots);
        if (!r->slots)
            abort();
    }
    r->slots[r->count++] = slot;
    const struct session_control *s = session_of(c, slot);
    index_map_put(&c->by_member, (uint64_t)s->member + 1, slot);
    uint32_t worker = voice_worker_of(c, slot);
    r->members[worker]++;
    map_put(c->voice_map, s->ssrc, (uint64_t)worker << 32 | r->index[worker]);
}

/* A room, or another part of one, goes where the most members are free. */
static uint32_t worker_for_part(const struct control *c, uint32_t taken)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t w = 0; w < c->link->workers; w++)
        if (!(taken >> w & 1) && c->pools[w].member_free && c->pools[w].room_free &&
            (best == UINT32_MAX || c->pools[w].member_free > c->pools[best].member_free))
            best = w;
    return best;
}

/* The part of a room that has the fewest members and takes one more. */
static uint32_t smallest_part(const struct control *c, const struct voice_room *r)
{
    uint32_t best = UINT32_MAX;
    for (uint32_t w = 0; w < c->link->workers; w++)
        if (r->parts >> w & 1 && c->pools[w].member_free &&
            (best == UINT32_MAX || r->members[w] < r->members[best]))
            best = w;
    return best;
}

/* UINT32_MAX: nowhere. */
static uint32_t worker_for_member(const struct control *c, const struct voice_room *r)
{
    uint32_t part = r ? smallest_part(c, r) : UINT32_MAX;
    if (part != UINT32_MAX && r->members[part] < c->config.voice_members_per_core)
        return part;
    uint32_t another = worker_for_part(c, r ? r->parts : 0);
    return another != UINT32_MAX ? another : part;
}

/*
 * The n-th SSRC: a permutation of 30-bit numbers keyed by the region's seed, times 4. Unique for 2^30 of
 * them, not to be guessed by strangers, with room behind each for a client's video (reference/voice.md 4).
 */
static uint32_t ssrc_of(const struct control *c, uint32_t n)
{
    uint32_t key[4], left = n >> 15 & 0x7fff, right = n & 0x7fff;
    memcpy(key, c->link->region->header->secrets.seed, sizeof key);
    for (int round = 0; round < 4; round++) {
        uint32_t f = (uint32_t)(route_mix((uint64_t)key[round] << 15 | right) & 0x7fff);
        uint32_t next = left ^ f;
        left = right;
        right = next;
    }
    return (left << 15 | right) << 2;
}

static uint32_t ssrc_take(struct control *c)
{
    struct control_area *a = c->link->area;
    uint32_t ssrc;
    txn_save(&c->link->txn, &a->ssrc_next, sizeof a->ssrc_next);
    do
        ssrc = ssrc_of(c, a->ssrc_next++);
    while (ssrc == 0 || ssrc == (0x2112a442u & ~3u)); /* a STUN cookie there would look like STUN */
    return ssrc;
}

struct voice_room *voice_room_enter(struct control *c, uint32_t slot)
{
    struct session_control *s = session_touch(c, slot);
    struct voice_room *r = voice_room_of(c, s->channel_id);
    uint32_t worker = worker_for_member(c, r);
    if (worker == UINT32_MAX) {
        link_drop(c->link, DROP_VOICE_NO_MEMBER);
        return NULL;
    }
    struct voice_pool *p = &c->pools[worker];
    if (!r)
        r = room_make(c, s->guild_id, s->channel_id);
    if (!(r->parts >> worker & 1))
        part_make(r, worker, p->rooms[--p->room_free]);
    s->ssrc = ssrc_take(c);
    s->room = r->index[worker];
    s->member = member_take(c, worker, &s->member_generation);
    room_add(c, r, slot);
    return r;
}

/* Each part of a room is told of the others, behind the verbs that made or ended them. */
static void parts_tell(struct control *c, struct voice_room *r)
{
    bool whole = !r->told && !(r->parts & (r->parts - 1));
    if (whole)
        r->told = r->parts; /* its worker knows */
    if (r->told == r->parts)
        return;
    for (uint32_t left = r->parts; left; left &= left - 1) {
        uint32_t worker = (uint32_t)__builtin_ctz(left);
        struct verb_room *v = link_verb(c->link, worker, VERB_ROOM_PARTS, sizeof *v);
        *v = (struct verb_room){.room = r->index[worker], .parts = r->parts, .channel_id = r->channel_id};
    }
    r->told = r->parts;
}

static void part_end(struct control *c, struct voice_room *r, uint32_t worker)
{
    struct voice_pool *p = &c->pools[worker];
    p->rooms[p->room_free++] = r->index[worker];
    r->parts &= ~(1u << worker);
    if (r->parts)
        parts_tell(c, r);
}

void voice_room_leave(struct control *c, uint32_t slot)
{
    struct session_control *s = session_touch(c, slot);
    struct voice_room *r = voice_room_of(c, s->channel_id);
    if (!r || s->member == MEMBER_NONE)
        return;
    uint32_t worker = voice_worker_of(c, slot);
    struct verb_member_ref *v = link_verb(c->link, worker, VERB_MEMBER_REMOVE, sizeof *v);
    *v = (struct verb_member_ref){s->member, s->member_generation};
    index_map_remove(&c->by_member, (uint64_t)s->member + 1);
    map_remove(c->voice_map, s->ssrc);
    member_give(c, s->member);
    for (uint32_t i = 0; i < r->count; i++)
        if (r->slots[i] == slot)
            r->slots[i--] = r->slots[--r->count];
    explicit_bzero(s->key, sizeof s->key);
    s->member = MEMBER_NONE;
    s->room = ROOM_NONE;
    if (--r->members[worker] == 0)
        part_end(c, r, worker);
    if (r->count)
        return;
    topic_end(c, TOPIC_VOICE, r->channel_id);
    index_map_remove(&c->rooms, r->channel_id);
    map_remove(c->owner_map, r->channel_id);
    room_free(r);
}

/* ---- members ---- */

void voice_member_set(struct control *c, uint32_t slot)
{
    const struct session_control *s = session_of(c, slot);
    struct voice_room *r = voice_room_of(c, s->channel_id);
    if (!r || s->member == MEMBER_NONE)
        return;
    struct verb_member *v = link_verb(c->link, voice_worker_of(c, slot), VERB_MEMBER_SET, sizeof *v);
    *v = (struct verb_member){.member = s->member,
                              .generation = s->member_generation,
                              .room = s->room,
                              .session = slot,
                              .user_id = s->user_id,
                              .channel_id = s->channel_id,
                              .guild_id = s->guild_id,
                              .ssrc = s->ssrc,
                              .mode = s->mode,
                              .kind = s->transport};
    if (s->self_mute || s->mute || s->suppress)
        v->flags |= MEMBER_MUTED;
    if (s->self_deaf || s->deaf)
        v->flags |= MEMBER_DEAF;
    if (s->speaking)
        v->flags |= MEMBER_SPEAKING;
    if (s->speaking & VOICE_SPEAKS_FIRST)
        v->flags |= MEMBER_PRIORITY;
    memcpy(v->key, s->key, sizeof v->key);
    parts_tell(c, r);
}

void voice_member_bind(struct control *c, uint32_t slot, const uint8_t ip[16], uint16_t port)
{
    const struct session_control *s = session_of(c, slot);
    const struct voice_room *r = voice_room_of(c, s->channel_id);
    if (!r || s->member == MEMBER_NONE)
        return;
    struct verb_member_bind *v = link_verb(c->link, voice_worker_of(c, slot), VERB_MEMBER_BIND, sizeof *v);
    *v = (struct verb_member_bind){.member = s->member, .generation = s->member_generation, .port = port};
    memcpy(v->ip, ip, sizeof v->ip);
}

uint32_t voice_slot_of_member(const struct control *c, const struct notice_member *n)
{
    uint32_t slot = (uint32_t)index_map_get(&c->by_member, (uint64_t)n->member + 1);
    return slot != SESSION_NONE && session_of(c, slot)->member_generation == n->generation ? slot
                                                                                           : SESSION_NONE;
}

void voice_room_publish(struct control *c, const struct voice_room *r, uint32_t except)
{
    uint64_t position = event_write(c->link, &(struct event_spec){.topic_id = r->channel_id,
                                                                  .classes = ~0ull,
                                                                  .except_session = except,
                                                                  .text = c->out.data,
                                                                  .length = c->out.length});
    if (r->topic != POOL_NONE) {
        event_walk(c->link, r->topic, position);
        return;
    }
    for (uint32_t i = 0; i < r->count; i++)
        if (r->slots[i] != except && session_of(c, r->slots[i])->protocol)
            event_dispatch(c->link, r->slots[i], position);
}

/* ---- start and end ---- */

static void slot_rejoin(struct control *c, uint32_t slot, bool *member_used, bool *room_used)
{
    const struct region_geometry *g = &c->link->region->header->geometry;
    const struct session_control *s = session_of(c, slot);
    uint32_t worker = s->member / g->members;
    struct voice_room *r = voice_room_of(c, s->channel_id);
    if (!r)
        r = room_make(c, s->guild_id, s->channel_id);
    part_make(r, worker, s->room);
    r->told = r->parts; /* in the transaction that made it */
    member_used[s->member] = true;
    room_used[worker * g->rooms + s->room] = true;
    room_add(c, r, slot);
}

void voice_rooms_open(struct control *c)
{
    const struct region_geometry *g = &c->link->region->header->geometry;
    bool *member_used = array((size_t)g->members * g->workers, sizeof *member_used);
    bool *room_used = array((size_t)g->rooms * g->workers, sizeof *room_used);
    c->pools = array(g->workers, sizeof *c->pools);
    for (uint32_t i = 0; i < c->link->sessions->fresh; i++) {
        const struct session_control *s = session_of(c, i);
        if (s->kind == SESSION_VOICE && s->member != MEMBER_NONE)
            slot_rejoin(c, i, member_used, room_used);
    }
    for (uint32_t w = 0; w < g->workers; w++)
        pool_open(c, w, member_used, room_used);
    for (uint32_t i = 0; i < c->link->sessions->fresh; i++) {
        const struct session_control *s = session_of(c, i);
        if (s->kind == SESSION_VOICE && s->member != MEMBER_NONE)
            c->pools[s->member / g->members].generations[s->member % g->members] = s->member_generation;
    }
    free(member_used);
    free(room_used);
}

void voice_rooms_close(struct control *c)
{
    const struct index_slot *s;
    for (size_t at = 0; (s = index_map_next(&c->rooms, &at)) != NULL;)
        room_free((struct voice_room *)(uintptr_t)s->value);
    for (uint32_t w = 0; w < c->link->workers; w++) {
        free(c->pools[w].members);
        free(c->pools[w].generations);
        free(c->pools[w].rooms);
    }
    free(c->pools);
    index_map_free(&c->rooms);
    index_map_free(&c->by_member);
}
