/*
 * Rooms: the list of a room's members, in the region, and the queue of its packets that wait for their
 * fan-out, on the heap.
 *
 * A walk's cursor names the member that is served next. What holds: it is a member of the room, or
 * MEMBER_NONE: a member that leaves moves it on. New members come in at the head, so a walk under way never
 * meets them.
 *
 * A room slot is in use while it has members; its generation grows with each use. Slots are chosen by the
 * control plane; of the pool only `fresh` (one past the highest slot ever used) and `used` are kept, for
 * whoever reads the region.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/voice/internal.h"

static void room_touch(struct voice *v, struct room *r)
{
    txn_touch(v->env.txn, r, sizeof *r, &r->stamp);
}

static void room_open(struct voice *v, const struct verb_member *verb, uint64_t now_us)
{
    struct pool *rooms = v->env.rooms;
    struct room *r = room_of(v, verb->room);
    txn_touch(v->env.txn, rooms, sizeof *rooms, &rooms->stamp);
    if (rooms->fresh <= verb->room)
        rooms->fresh = verb->room + 1;
    if (++rooms->used > rooms->used_max)
        rooms->used_max = rooms->used;
    *r = (struct room){.link = POOL_NONE,
                       .generation = r->generation + 1,
                       .stamp = r->stamp,
                       .channel_id = verb->channel_id,
                       .guild_id = verb->guild_id,
                       .head = MEMBER_NONE,
                       .opened_us = now_us};
    if (v->config.speakers_max)
        memset(&v->speakers[(size_t)verb->room * v->config.speakers_max], 0,
               v->config.speakers_max * sizeof *v->speakers);
    if (verb->channel_id)
        map_put(&v->by_channel, verb->channel_id, verb->room); /* has room for all rooms there are */
}

void room_link(struct voice *v, uint32_t i, const struct verb_member *verb, uint64_t now_us)
{
    struct room *r = room_of(v, verb->room);
    struct voice_member *m = member_of(v, i);
    room_touch(v, r);
    if (!r->count)
        room_open(v, verb, now_us);
    if (r->head != MEMBER_NONE) {
        member_touch(v, r->head);
        member_of(v, r->head)->prev = i;
    }
    m->room = verb->room;
    m->link = v->own[i].next = r->head;
    m->prev = MEMBER_NONE;
    r->head = i;
    r->count++;
}

void room_unlink(struct voice *v, uint32_t i)
{
    struct voice_member *m = member_of(v, i);
    struct room *r = room_of(v, m->room);
    struct voice_walk *w = &v->walk[m->room];
    room_touch(v, r);
    if (w->walking && w->cursor == i)
        w->cursor = m->link;
    if (m->link != MEMBER_NONE) {
        member_touch(v, m->link);
        member_of(v, m->link)->prev = m->prev;
    }
    if (m->prev != MEMBER_NONE) {
        member_touch(v, m->prev);
        member_of(v, m->prev)->link = v->own[m->prev].next = m->link;
    } else {
        r->head = m->link;
    }
    if (v->config.speakers_max)
        speaker_leave(&v->speakers[(size_t)m->room * v->config.speakers_max], v->config.speakers_max,
                      m->ssrc);
    m->room = ROOM_NONE;
    m->link = m->prev = v->own[i].next = MEMBER_NONE;
    if (--r->count)
        return;
    map_remove(&v->by_channel, r->channel_id);
    txn_touch(v->env.txn, v->env.rooms, sizeof *v->env.rooms, &v->env.rooms->stamp);
    v->env.rooms->used--;
}

void walk_activate(struct voice *v, uint32_t room)
{
    struct voice_walk *w = &v->walk[room];
    if (w->active)
        return;
    w->active = true;
    w->next = ROOM_NONE;
    if (v->walk_first == ROOM_NONE)
        v->walk_first = room;
    else
        v->walk[v->walk_last].next = room;
    v->walk_last = room;
    v->walks++;
}

uint32_t room_of_channel(const struct voice *v, uint64_t channel_id)
{
    uint64_t room;
    return channel_id && map_get(&v->by_channel, channel_id, &room) ? (uint32_t)room : ROOM_NONE;
}

bool voice_room_parts(struct voice *v, const struct verb_room *verb)
{
    uint32_t room = room_of_channel(v, verb->channel_id);
    if (room == ROOM_NONE || room != verb->room) {
        count_drop(v->env.counters, DROP_VOICE_STALE_VERB);
        return false;
    }
    room_touch(v, room_of(v, room));
    room_of(v, room)->parts = verb->parts & ~(1u << v->config.worker);
    return true;
}

/* False: as many packets wait as may. */
bool room_enqueue(struct voice *v, uint32_t room, const struct voice_datagram *d, const struct voice_frame *f)
{
    uint32_t at = v->packet_free;
    if (at == PENDING_NONE)
        return false;
    struct voice_packet *p = &v->packets[at];
    struct voice_walk *w = &v->walk[room];
    v->packet_free = p->next;
    *p = (struct voice_packet){.frame = *f,
                               .holder = d->holder,
                               .arrived = d->arrived,
                               .next = PENDING_NONE,
                               .room = room,
                               .room_generation = room_of(v, room)->generation};
    if (w->first == PENDING_NONE)
        w->first = at;
    else
        v->packets[w->last].next = at;
    w->last = at;
    v->waiting++;
    walk_activate(v, room);
    uint32_t ahead = room_of(v, room)->head;
    for (unsigned k = 0; k < PREFETCH_AHEAD && ahead != MEMBER_NONE; k++, ahead = v->own[ahead].next)
        member_prefetch(v, ahead);
    return true;
}

/* The first packet of a room's queue has been everywhere. */
void room_dequeue(struct voice *v, struct voice_walk *w)
{
    uint32_t at = w->first;
    w->first = v->packets[at].next;
    w->walking = false;
    v->packets[at].next = PENDING_NONE;
    if (v->released_first == PENDING_NONE)
        v->released_first = at;
    else
        v->packets[v->released_last].next = at;
    v->released_last = at;
    v->waiting--;
}

void *voice_released(struct voice *v)
{
    uint32_t at = v->released_first;
    assert(!v->batch_count); /* packets of an unsealed batch are still read */
    if (at == PENDING_NONE)
        return NULL;
    struct voice_packet *p = &v->packets[at];
    v->released_first = p->next;
    p->next = v->packet_free;
    v->packet_free = at;
    return p->holder;
}
