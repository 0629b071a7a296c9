/*
 * Sealed datagrams out, after the commit.
 *
 * A round (voice_begin_output) serves every room that has packets waiting, in turn, and of each at most
 * VOICE_SLICE members; a room that has more to do goes on in the next round. A batch may hold receivers of
 * several rooms.
 *
 * A member's nonce counter is stored before its packet is sealed, so a process that is killed between the two
 * leaves a number unused and none used twice.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/voice/internal.h"

/* ---- who ---- */

void voice_begin_output(struct voice *v)
{
    assert(!v->batch_count);
    v->round++;
    v->walks_left = v->walks;
}

static bool receives(struct voice *v, const struct voice_member *m, uint32_t i, const struct voice_packet *p)
{
    if (i == p->sender || m->mode == VOICE_MODE_NONE || m->flags & MEMBER_DEAF)
        return false;
    if (m->address == ADDRESS_BOUND)
        return true;
    count_drop(v->env.counters, DROP_VOICE_UNBOUND);
    return false;
}

static void target_fill(struct voice_target *t, const struct voice_member *m, uint32_t i,
                        const struct voice_packet *p)
{
    t->member = i;
    t->length = (uint16_t)(p->header_length + p->text_length + RTP_TRAILER);
    t->peer_port = m->peer_port;
    t->local_port = m->local_port;
    memcpy(t->peer_ip, m->peer_ip, sizeof t->peer_ip);
    memcpy(t->local_ip, m->local_ip, sizeof t->local_ip);
    t->payload = NULL;
}

/* As many of the first packet's receivers as the batch and the slice have room for; returns the batch's new
 * size. */
static unsigned walk_packet(struct voice *v, struct voice_walk *w, struct voice_target *targets, unsigned n)
{
    const struct voice_packet *p = &v->packets[w->first];
    if (!w->walking) {
        const struct room *r = room_of(v, p->room);
        w->cursor = r->generation == p->room_generation && r->count ? r->head : MEMBER_NONE;
        w->walking = true;
    }
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
        if (!receives(v, m, i, p))
            continue;
        target_fill(&targets[n], m, i, p);
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

/* ---- what ---- */

/* A counter never used under this member's key; false: none is left. */
static bool counter_take(struct voice *v, uint32_t i, uint32_t *counter)
{
    struct voice_member *m = member_of(v, i);
    _Atomic uint32_t *next = &m->tx_counter[m->generation & 1];
    *counter = atomic_load_explicit(next, memory_order_relaxed);
    if (*counter < VOICE_COUNTER_LAST) {
        atomic_store_explicit(next, *counter + 1, memory_order_relaxed);
        return true;
    }
    count_drop(v->env.counters, DROP_VOICE_COUNTER_END);
    if (!v->own[i].exhausted) { /* no transaction is open here: told with the next packet in */
        v->own[i].exhausted = true;
        member_owe(v, i, OWED_EXHAUSTED);
    }
    return false;
}

/* False: the receiver's key is used up. */
static bool job_make(struct voice *v, const struct voice_target *t, const struct voice_packet *p,
                     struct aead_seal *job)
{
    uint32_t counter;
    if (!counter_take(v, t->member, &counter))
        return false;
    uint8_t *text = t->payload + p->header_length;
    memcpy(t->payload, p->data,
           RTP_HEADER + RTP_PREAMBLE); /* without a preamble, ciphertext comes over the last four */
    *job = (struct aead_seal){.key = &v->keys[t->member],
                              .aad = p->data,
                              .src = p->data + p->header_length,
                              .dst = text,
                              .tag = text + p->text_length,
                              .aad_len = p->header_length,
                              .len = p->text_length};
    put_be32(job->nonce, counter);
    memcpy(text + p->text_length + AEAD_TAG_SIZE, job->nonce, RTP_COUNTER_SIZE);
    return true;
}

/*
 * Receivers look for an extension's profile behind the header even where X is 0 (voice.md 5.3, 4): ciphertext
 * that begins like one is sealed again under the next counter. False: there was none.
 */
static bool seal_unambiguously(struct voice *v, struct voice_target *t, const struct voice_packet *p,
                               struct aead_seal *job)
{
    while (p->header_length == RTP_HEADER && be16(job->dst) == RTP_PROFILE) {
        if (!job_make(v, t, p, job))
            return false;
        txn_barrier();
        aead_seal_batch(job, 1);
    }
    return true;
}

void voice_seal(struct voice *v, struct voice_target *targets, unsigned n)
{
    struct aead_seal jobs[VOICE_BATCH];
    uint8_t of[VOICE_BATCH];
    unsigned made = 0;
    assert(n == v->batch_count);
    for (unsigned i = 0; i < n; i++) {
        if (!targets[i].payload)
            continue; /* counted by the caller, who knows why */
        if (job_make(v, &targets[i], &v->packets[v->batch[i]], &jobs[made]))
            of[made++] = (uint8_t)i;
        else
            targets[i].payload = NULL;
    }
    txn_barrier(); /* counters are stored: now they may be used */
    if (made)
        aead_seal_batch(jobs, made);
    for (unsigned k = 0; k < made; k++) {
        struct voice_target *t = &targets[of[k]];
        const struct voice_packet *p = &v->packets[v->batch[of[k]]];
        if (!seal_unambiguously(v, t, p, &jobs[k])) {
            t->payload = NULL;
            continue;
        }
        member_of(v, t->member)->tx_packets++;
        room_of(v, p->room)->packets_out++;
        count(v->env.counters, COUNT_voice_out);
    }
    v->batch_count = 0;
}
