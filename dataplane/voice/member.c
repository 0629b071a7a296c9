/*
 * Members: the control plane's verbs, keys, and notices.
 *
 *      free (generation 0) --MEMBER_SET--> in use --MEMBER_REMOVE--> free
 *
 * MEMBER_SET says everything anew; what differs changes. Another user or SSRC: nothing of the one
 * before stays. Another key or mode: the replay window begins anew.
 *
 * When may a nonce counter begin anew? Only with another key, and only where an undo of this transaction
 * cannot bring back a key that has used it: the slot's generation at the transaction's beginning is
 * remembered, and the counter of its parity never goes down. A key that stays takes its counter along. The
 * control plane never gives a key twice.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/voice/internal.h"
#include "dataplane/voice/replay.h"

static uint32_t base_of(const struct voice *v)
{
    return v->config.worker * v->env.members->capacity;
}

/* A box-wide index as the index within this core, or MEMBER_NONE. */
static uint32_t local_index(const struct voice *v, uint32_t member)
{
    return member - base_of(v) < v->env.members->capacity ? member - base_of(v) : MEMBER_NONE;
}

static bool refused(struct voice *v, enum drop_reason why)
{
    count_drop(v->env.counters, why);
    return false;
}

void member_touch(struct voice *v, uint32_t i)
{
    struct voice_member *m = member_of(v, i);
    if (!v->env.txn || m->stamp != txn_number(v->env.txn))
        v->own[i].generation_before = m->generation;
    txn_touch(v->env.txn, (uint8_t *)m + MEMBER_SAVED_AT, MEMBER_SAVED, &m->stamp);
}

/* ---- keys ---- */

void member_expand(struct voice *v, uint32_t i)
{
    static const enum aead_algorithm algorithm[VOICE_MODE_COUNT] = {
        [VOICE_AES256_GCM_RTPSIZE] = AEAD_AES_256_GCM,
        [VOICE_XCHACHA20_RTPSIZE] = AEAD_XCHACHA20_POLY1305,
        [VOICE_XSALSA20] = AEAD_XSALSA20_POLY1305,
    };
    const struct voice_member *m = member_of(v, i);
    aead_key_expand(&v->keys[i], algorithm[m->mode], m->key);
}

static void member_forget_key(struct voice *v, uint32_t i)
{
    if (v->keys[i].cipher)
        aead_key_wipe(&v->keys[i]);
}

/* The counter of `generation` is to go on from `value`, or from where it is if that could come back. */
static void counter_start(struct voice *v, uint32_t i, uint32_t generation, uint32_t value)
{
    _Atomic uint32_t *counter = &member_of(v, i)->tx_counter[generation & 1];
    uint32_t before = v->own[i].generation_before, now = atomic_load_explicit(counter, memory_order_relaxed);
    if (before && (before & 1) == (generation & 1) && now > value)
        value = now;
    atomic_store_explicit(counter, value, memory_order_relaxed);
}

/* ---- MEMBER_SET ---- */

static bool set_possible(struct voice *v, const struct verb_member *verb, uint32_t i)
{
    if (i == MEMBER_NONE || verb->room >= v->env.rooms->capacity || !verb->generation || !verb->ssrc ||
        verb->mode >= VOICE_MODE_COUNT || verb->kind >= MEMBER_KINDS)
        return refused(v, DROP_VOICE_NO_MEMBER);
    const struct voice_member *m = member_of(v, i);
    if (m->generation && (int32_t)(verb->generation - m->generation) < 0)
        return refused(v, DROP_VOICE_STALE_VERB);
    const struct room *r = room_of(v, verb->room);
    uint32_t others = r->count - (m->generation && m->room == verb->room);
    if (others && r->channel_id != verb->channel_id)
        return refused(v, DROP_VOICE_NO_MEMBER);
    uint32_t holder = voice_member_of(v, verb->ssrc);
    if (holder != i && (holder != MEMBER_NONE || !map_put(&v->by_ssrc, verb->ssrc, i)))
        return refused(v, DROP_VOICE_NO_MEMBER);
    return true;
}

/* An SSRC is given out once. The same one under another number is a session that moved to the core of its new
 * socket. */
static bool another_session(const struct voice_member *m, const struct verb_member *verb)
{
    return m->user_id != verb->user_id || m->ssrc != verb->ssrc || m->kind != verb->kind;
}

/* Whoever carries members of its kind has nothing to do with this one any more. */
static void tell_gone(struct voice *v, uint32_t i)
{
    const struct voice_transport *t = v->transport[member_of(v, i)->kind];
    if (t && t->gone)
        t->gone(t->user, i);
}

/* A slot for its next occupant. Links and generation are left alone. */
static void member_clear(struct voice *v, uint32_t i, const struct verb_member *verb)
{
    struct voice_member *m = member_of(v, i);
    m->address = ADDRESS_NONE;
    m->flags = 0;
    memset(m->peer_ip, 0, sizeof m->peer_ip);
    memset(m->local_ip, 0, sizeof m->local_ip);
    m->peer_port = m->local_port = 0;
    m->rate_start_us = 0;
    m->rate_packets = m->discovered = 0;
    memset(m->stream, 0, sizeof m->stream);
    for (unsigned kind = 0; kind < STREAM_KINDS; kind++)
        m->stream[kind].kind = (uint8_t)kind;
    m->stream[STREAM_AUDIO].ssrc = verb->ssrc;
    m->kind = verb->kind;
    m->user_id = verb->user_id;
    m->ssrc = verb->ssrc;
    m->ts_travelled = 0;
    m->rx_packets = m->tx_packets = m->rx_dropped = m->moved = m->rtcp = 0;
    v->own[i].owed = 0;
}

static void set_key(struct voice *v, uint32_t i, const struct verb_member *verb, bool in_use)
{
    struct voice_member *m = member_of(v, i);
    bool same_key = in_use && equal_constant_time(m->key, verb->key, sizeof m->key);
    if (!same_key)
        counter_start(v, i, verb->generation, VOICE_COUNTER_FIRST);
    else if (verb->generation != m->generation)
        counter_start(v, i, verb->generation,
                      atomic_load_explicit(&m->tx_counter[m->generation & 1], memory_order_relaxed));
    if (same_key && m->mode == verb->mode)
        return;
    memcpy(m->key, verb->key, sizeof m->key);
    m->mode = verb->mode;
    replay_reset(m);
    if (m->mode == VOICE_MODE_NONE)
        member_forget_key(v, i);
    else
        member_expand(v, i);
}

static void pool_count_member(struct voice *v, uint32_t i)
{
    struct pool *members = v->env.members;
    txn_touch(v->env.txn, members, sizeof *members, &members->stamp);
    if (members->fresh <= i)
        members->fresh = i + 1;
    if (++members->used > members->used_max)
        members->used_max = members->used;
}

bool voice_member_set(struct voice *v, const struct verb_member *verb, uint64_t now_us)
{
    uint32_t i = local_index(v, verb->member);
    if (!set_possible(v, verb, i))
        return false;
    struct voice_member *m = member_of(v, i);
    member_touch(v, i);
    bool in_use = m->generation != 0;
    if (in_use && m->ssrc != verb->ssrc)
        map_remove(&v->by_ssrc, m->ssrc);
    if (!in_use)
        pool_count_member(v, i);
    if (in_use && another_session(m, verb))
        tell_gone(v, i);
    if (!in_use || another_session(m, verb))
        member_clear(v, i, verb);
    m->session = verb->session;
    set_key(v, i, verb, in_use);
    if (m->generation != verb->generation)
        v->own[i].exhausted = false;
    m->generation = verb->generation;
    m->flags = (uint8_t)((m->flags & MEMBER_HEARD) | (verb->flags & MEMBER_TOLD));
    if (in_use && (m->room != verb->room || room_of(v, verb->room)->channel_id != verb->channel_id)) {
        room_unlink(v, i);
        in_use = false;
    }
    if (!in_use)
        room_link(v, i, verb, now_us);
    return true;
}

/* ---- the other verbs ---- */

/* The member that a verb names, or MEMBER_NONE (counted). */
static uint32_t find(struct voice *v, uint32_t member, uint32_t generation)
{
    uint32_t i = local_index(v, member);
    if (i != MEMBER_NONE && generation && member_of(v, i)->generation == generation)
        return i;
    refused(v, DROP_VOICE_STALE_VERB);
    return MEMBER_NONE;
}

bool voice_member_bind(struct voice *v, const struct verb_member_bind *verb)
{
    uint32_t i = find(v, verb->member, verb->generation);
    if (i == MEMBER_NONE)
        return false;
    struct voice_member *m = member_of(v, i);
    if (m->address == ADDRESS_NONE || m->peer_port != verb->port ||
        memcmp(m->peer_ip, verb->ip, sizeof m->peer_ip) != 0)
        return refused(v, DROP_VOICE_BIND);
    member_touch(v, i);
    m->address = ADDRESS_BOUND;
    return true;
}

bool voice_member_remove(struct voice *v, const struct verb_member_ref *verb)
{
    uint32_t i = find(v, verb->member, verb->generation);
    if (i == MEMBER_NONE)
        return false;
    struct voice_member *m = member_of(v, i);
    struct pool *members = v->env.members;
    member_touch(v, i);
    txn_touch(v->env.txn, members, sizeof *members, &members->stamp);
    room_unlink(v, i);
    tell_gone(v, i);
    map_remove(&v->by_ssrc, m->ssrc);
    wipe(m->key, sizeof m->key);
    member_forget_key(v, i);
    m->mode = VOICE_MODE_NONE;
    m->address = ADDRESS_NONE;
    m->generation = 0;
    v->own[i].owed = 0;
    members->used--;
    return true;
}

/* ---- notices ---- */

bool member_notify(struct voice *v, enum notice what, uint32_t i)
{
    const struct voice_member *m = member_of(v, i);
    struct notice_member n = {.member = base_of(v) + i, .generation = m->generation, .port = m->peer_port};
    memcpy(n.ip, m->peer_ip, sizeof n.ip);
    return v->env.notify(v->env.user, what, &n, sizeof n);
}

void member_owe(struct voice *v, uint32_t i, enum owed what)
{
    struct voice_own *own = &v->own[i];
    own->owed |= (uint8_t)what;
    if (own->owed_listed)
        return;
    own->owed_listed = true;
    own->owed_next = v->owed_first;
    v->owed_first = i;
}

void member_exhausted(struct voice *v, uint32_t i)
{
    if (v->own[i].exhausted)
        return;
    v->own[i].exhausted = true;
    member_owe(v, i, OWED_EXHAUSTED);
}

void member_pay(struct voice *v)
{
    while (v->owed_first != MEMBER_NONE) {
        uint32_t i = v->owed_first;
        struct voice_own *own = &v->own[i];
        if (own->owed & OWED_DISCOVERED && !member_notify(v, NOTICE_DISCOVERED, i))
            return;
        own->owed &= (uint8_t)~OWED_DISCOVERED;
        if (own->owed & OWED_EXHAUSTED && !member_notify(v, NOTICE_EXHAUSTED, i))
            return;
        own->owed = 0;
        own->owed_listed = false;
        v->owed_first = own->owed_next;
    }
}
