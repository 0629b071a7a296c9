/*
 * Who gets the packets that wait, after the commit.
 *
 * A round (voice_begin_output) serves every room that has packets waiting, in turn, and of each at most
 * VOICE_SLICE members; a room that has more to do goes on in the next round. A batch may hold receivers of
 * several rooms.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/voice/internal.h"

void voice_begin_output(struct voice *v)
{
    assert(!v->batch_count);
    v->round++;
    v->walks_left = v->walks;
}

/* Bytes of UDP payload that this member gets; 0: none. */
static uint16_t receives(struct voice *v, const struct voice_member *m, uint32_t i,
                         const struct voice_frame *f)
{
    if (i == f->sender || m->flags & MEMBER_DEAF || (m->kind == MEMBER_NATIVE && m->mode == VOICE_MODE_NONE))
        return 0;
    if (m->address == ADDRESS_BOUND)
        return sealed_length(v, i, f);
    count_drop(v->env.counters, DROP_VOICE_UNBOUND);
    return 0;
}

static void target_fill(struct voice_target *t, const struct voice_member *m, uint32_t i, uint16_t length)
{
    t->member = i;
    t->length = length;
    t->peer_port = m->peer_port;
    t->local_port = m->local_port;
    memcpy(t->peer_ip, m->peer_ip, sizeof t->peer_ip);
    memcpy(t->local_ip, m->local_ip, sizeof t->local_ip);
    t->payload = NULL;
}

/* The room's other parts get it first: they are as late as the ring to them is long. */
static void hand_to_parts(struct voice *v, const struct room *r, const struct voice_frame *f)
{
    if (!v->env.hand || f->sender == MEMBER_NONE)
        return;
    for (uint32_t left = r->parts; left; left &= left - 1) {
        bool taken = v->env.hand(v->env.user, (uint32_t)__builtin_ctz(left), r->channel_id, f);
        if (taken)
            count(v->env.counters, COUNT_voice_parts);
        else
            count_drop(v->env.counters, DROP_VOICE_PART_FULL);
    }
}

static void walk_begin(struct voice *v, struct voice_walk *w, const struct voice_packet *p)
{
    const struct room *r = room_of(v, p->room);
    bool there = r->generation == p->room_generation && r->count;
    w->cursor = there ? r->head : MEMBER_NONE;
    w->walking = true;
    if (there && r->parts)
        hand_to_parts(v, r, &p->frame);
}

/* As many of the first packet's receivers as the batch and the slice have room for; returns the batch's new
 * size. */
static unsigned walk_packet(struct voice *v, struct voice_walk *w, struct voice_target *targets, unsigned n)
{
    const struct voice_packet *p = &v->packets[w->first];
    if (!w->walking)
        walk_begin(v, w, p);
    uint32_t ahead = w->cursor;
    for (unsigned k = 0; k < PREFETCH_AHEAD && ahead != MEMBER_NONE; k++, ahead = v->own[ahead].next)
        member_prefetch(v, ahead);
    while (w->cursor != MEMBER_NONE && w->left && n < VOICE_BATCH) {
        uint32_t i = w->cursor;
        if (ahead != MEMBER_NONE) {
            member_prefetch(v, ahead);
            ahead = v->own[ahead].next;
        }
        const struct voice_member *m = member_of(v, i);
        w->cursor = m->link;
        w->left--;
        uint16_t length = receives(v, m, i, &p->frame);
        if (!length)
            continue;
        target_fill(&targets[n], m, i, length);
        v->batch[n++] = w->first;
    }
    if (w->cursor == MEMBER_NONE)
        room_dequeue(v, w);
    return n;
}

/* The room at the head of the list is done with for this round: to the tail, or out of the list. */
static void walk_next(struct voice *v)
{
    uint32_t room = v->walk_first;
    struct voice_walk *w = &v->walk[room];
    v->walk_first = w->next;
    if (v->walk_first == ROOM_NONE)
        v->walk_last = ROOM_NONE;
    w->active = false;
    v->walks--;
    v->walks_left--;
    if (w->first != PENDING_NONE)
        walk_activate(v, room);
}

unsigned voice_targets(struct voice *v, struct voice_target *targets)
{
    unsigned n = 0;
    assert(!v->batch_count);
    while (v->walks_left && n < VOICE_BATCH) {
        struct voice_walk *w = &v->walk[v->walk_first];
        if (w->round != v->round) {
            w->round = v->round;
            w->left = VOICE_SLICE;
        }
        while (w->first != PENDING_NONE && w->left && n < VOICE_BATCH)
            n = walk_packet(v, w, targets, n);
        if (w->first == PENDING_NONE || !w->left)
            walk_next(v);
    }
    v->batch_count = n;
    return n;
}
