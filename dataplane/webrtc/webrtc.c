/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdlib.h>
#include <sys/mman.h>

#include "dataplane/base/siphash.h"
#include "dataplane/webrtc/internal.h"
#include "dataplane/webrtc/stun.h"

#define VISIT_US     5000u   /* peers are visited so often */
#define VISIT_ALL_US 100000u /* each at least so often, within VISIT_MAX */
#define VISIT_MAX    64u

void refuse(struct webrtc *w, enum drop_reason why)
{
    count_drop(w->env.counters, why);
}

bool rate_allows(struct webrtc *w, uint32_t i, uint32_t *counted, uint32_t max)
{
    struct peer_own *own = &w->own[i];
    if (w->now_us - own->rate_start_us >= SECOND_US) {
        own->rate_start_us = w->now_us;
        own->checks = own->handshakes = 0;
    }
    if (*counted >= max) {
        refuse(w, DROP_WEBRTC_RATE);
        return false;
    }
    ++*counted;
    return true;
}

/* ---- addresses ---- */

void address_from(struct address *a, const struct voice_datagram *d)
{
    memcpy(a->peer_ip, d->peer_ip, sizeof a->peer_ip);
    memcpy(a->local_ip, d->local_ip, sizeof a->local_ip);
    a->peer_port = d->peer_port;
    a->local_port = d->local_port;
}

bool address_equal(const struct address *a, const struct address *b)
{
    return memcmp(a, b, sizeof *a) == 0;
}

bool address_bound(const struct webrtc *w, uint32_t i, struct address *a)
{
    const struct voice_member *m = member_of(w, i);
    memcpy(a->peer_ip, m->peer_ip, sizeof a->peer_ip);
    memcpy(a->local_ip, m->local_ip, sizeof a->local_ip);
    a->peer_port = m->peer_port;
    a->local_port = m->local_port;
    return m->address == ADDRESS_BOUND;
}

static uint64_t address_key(const struct webrtc *w, const struct address *a)
{
    return siphash24(w->env.hash_key, a, sizeof *a) | 1; /* a key is never 0 */
}

static void address_forget(struct webrtc *w, uint32_t i, const struct address *a)
{
    uint64_t key = address_key(w, a), holder;
    if (map_get(&w->by_address, key, &holder) && holder == i)
        map_remove(&w->by_address, key);
}

static bool address_put(struct webrtc *w, uint32_t i, const struct address *a)
{
    struct peer_own *own = &w->own[i];
    for (unsigned k = 0; k < own->verified_count; k++)
        if (address_equal(&own->verified[k], a))
            return map_put(&w->by_address, address_key(w, a), i);
    unsigned at = own->verified_next;
    if (own->verified_count < VERIFIED_MAX)
        own->verified_count++;
    else
        address_forget(w, i, &own->verified[at]);
    own->verified[at] = *a;
    own->verified_next = (uint8_t)((at + 1) % VERIFIED_MAX);
    return map_put(&w->by_address, address_key(w, a), i);
}

void address_learn(struct webrtc *w, uint32_t i, const struct voice_datagram *d)
{
    struct address a;
    address_from(&a, d);
    address_put(w, i, &a);
}

uint32_t peer_at(const struct webrtc *w, const struct voice_datagram *d)
{
    struct address a;
    uint64_t i;
    address_from(&a, d);
    if (!w->active_count || !map_get(&w->by_address, address_key(w, &a), &i))
        return MEMBER_NONE;
    const struct peer_own *own = &w->own[i];
    for (unsigned k = 0; k < own->verified_count; k++)
        if (address_equal(&own->verified[k], &a))
            return (uint32_t)i;
    return MEMBER_NONE;
}

/* ---- the outbox ---- */

struct webrtc_datagram *outbox_put(struct webrtc *w, const struct address *a)
{
    if (w->outbox_tail - w->outbox_head == OUTBOX) {
        refuse(w, DROP_WEBRTC_OUTBOX);
        return NULL;
    }
    struct webrtc_datagram *d = &w->outbox[w->outbox_tail++ % OUTBOX];
    memcpy(d->peer_ip, a->peer_ip, sizeof d->peer_ip);
    memcpy(d->local_ip, a->local_ip, sizeof d->local_ip);
    d->peer_port = a->peer_port;
    d->local_port = a->local_port;
    d->length = 0;
    return d;
}

const struct webrtc_datagram *webrtc_next(struct webrtc *w)
{
    return w->outbox_head == w->outbox_tail ? NULL : &w->outbox[w->outbox_head++ % OUTBOX];
}

/* ---- whose datagram ---- */

static bool transport_input(void *user, const struct voice_datagram *d, uint64_t now_us,
                            enum voice_verdict *verdict)
{
    struct webrtc *w = user;
    uint8_t first = d->length >= 13 ? d->data[0] : 255; /* RFC 7983 */
    w->now_us = now_us;
    *verdict = VOICE_DONE;
    if (first < 4 && d->length >= STUN_HEADER && be32(d->data + 4) == STUN_MAGIC) {
        ice_input(w, d);
        return true;
    }
    uint32_t i = (first >= 20 && first < 64) || first >> 6 == 2 ? peer_at(w, d) : MEMBER_NONE;
    if (i == MEMBER_NONE)
        return false;
    if (first < 64)
        association_input(w, i, d);
    else if (d->data[1] >= 192 && d->data[1] < 224) /* RFC 5761 4 */
        media_control(w, i, d);
    else
        *verdict = media_input(w, i, d);
    return true;
}

/* ---- peers come and go ---- */

static void activate(struct webrtc *w, uint32_t i)
{
    struct peer_own *own = &w->own[i];
    if (own->active)
        return;
    memset(own, 0, sizeof *own);
    own->active = true;
    own->active_at = w->active_count;
    w->active[w->active_count++] = i;
}

/* Keys, addresses and the association; what a PEER_SET says stays. */
static void forget(struct webrtc *w, uint32_t i)
{
    struct voice_peer *p = peer_of(w, i);
    struct peer_own *own = &w->own[i];
    atomic_store(&p->keyed, 0); /* first: without it the rest is nothing */
    association_end(w, i);
    while (own->verified_count)
        address_forget(w, i, &own->verified[--own->verified_count]);
    own->verified_next = 0;
    srtp_session_wipe(&own->in);
    srtp_session_wipe(&own->out);
    wipe(p->key_in, sizeof p->key_in);
    wipe(p->key_out, sizeof p->key_out);
}

static void transport_gone(void *user, uint32_t i)
{
    struct webrtc *w = user;
    struct peer_own *own = &w->own[i];
    if (!own->active)
        return;
    report_bye(w, i);
    forget(w, i);
    peer_of(w, i)->generation = 0;
    own->active = false;
    uint32_t last = w->active[--w->active_count];
    w->active[own->active_at] = last;
    w->own[last].active_at = own->active_at;
}

/* Checks under the new name follow; until one has come, what was agreed on before goes on. */
static bool restart(struct webrtc *w, struct voice_peer *p, const struct verb_peer *verb)
{
    if (p->generation != verb->generation) {
        refuse(w, DROP_VOICE_STALE_VERB);
        return false;
    }
    p->checked_us = w->now_us;
    memcpy(p->ufrag, verb->ufrag, sizeof p->ufrag);
    memcpy(p->password, verb->password, sizeof p->password);
    return true;
}

bool webrtc_peer_set(struct webrtc *w, const struct verb_peer *verb)
{
    uint32_t capacity = w->env.members->capacity, i = verb->member - w->env.worker * capacity;
    const struct voice_member *m = i < capacity ? member_of(w, i) : NULL;
    if (!m || !m->generation || m->generation != verb->generation || m->kind != MEMBER_WEBRTC ||
        verb->slots > PEER_SLOTS || !dtls_hash_size(verb->hash)) {
        refuse(w, DROP_VOICE_STALE_VERB);
        return false;
    }
    struct voice_peer *p = peer_of(w, i);
    if (verb->restart)
        return restart(w, p, verb);
    activate(w, i);
    forget(w, i);
    p->generation = verb->generation;
    p->hash = verb->hash;
    p->payload_type = verb->payload_type;
    p->level_id = verb->level_id;
    p->slots = verb->slots;
    p->ssrc = verb->ssrc;
    p->reported_us = p->round_trip_us = 0;
    p->checked_us = w->now_us; /* checks must come within WEBRTC_CONSENT_US */
    memcpy(p->ufrag, verb->ufrag, sizeof p->ufrag);
    memcpy(p->password, verb->password, sizeof p->password);
    memcpy(p->fingerprint, verb->fingerprint, sizeof p->fingerprint);
    return true;
}

/* ---- time ---- */

unsigned webrtc_poll(struct webrtc *w, uint64_t now_us)
{
    w->now_us = now_us;
    unsigned done = association_poll(w);
    uint64_t passed = now_us - w->visited_us;
    if (passed < VISIT_US || !w->active_count)
        return done;
    w->visited_us = now_us;
    uint64_t visits = w->active_count * passed / VISIT_ALL_US + 1;
    visits = visits > w->active_count ? w->active_count : visits;
    for (uint64_t k = 0; k < visits && k < VISIT_MAX; k++) {
        uint32_t i = w->active[w->cursor++ % w->active_count];
        association_tick(w, i);
        ice_tick(w, i);
        report_tick(w, i);
    }
    return done + (w->outbox_head != w->outbox_tail);
}

uint32_t webrtc_count(const struct webrtc *w)
{
    return w->active_count;
}

/* ---- beginning and end ---- */

static size_t own_bytes(const struct webrtc *w)
{
    return (size_t)w->env.members->capacity * sizeof *w->own;
}

static bool make(struct webrtc *w)
{
    w->own =
        mmap(NULL, own_bytes(w), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (w->own == MAP_FAILED)
        w->own = NULL;
    w->active = calloc(w->env.members->capacity, sizeof *w->active);
    w->outbox = calloc(OUTBOX, sizeof *w->outbox);
    return w->own && w->active && w->outbox && map_init(&w->by_address, 256);
}

static void take_over(struct webrtc *w)
{
    for (uint32_t i = 0; i < w->env.members->fresh; i++) {
        const struct voice_member *m = member_of(w, i);
        struct address a;
        if (!m->generation || m->kind != MEMBER_WEBRTC || peer_of(w, i)->generation != m->generation)
            continue;
        activate(w, i);
        if (address_bound(w, i, &a))
            address_put(w, i, &a);
        if (peer_keyed(peer_of(w, i)))
            media_expand(w, i);
    }
}

struct webrtc *webrtc_new(const struct webrtc_env *env, uint64_t now_us)
{
    struct webrtc *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    w->env = *env;
    w->now_us = now_us;
    w->transport = (struct voice_transport){.user = w,
                                            .input = transport_input,
                                            .length = media_length,
                                            .seal = media_seal,
                                            .gone = transport_gone};
    if (!make(w)) {
        webrtc_free(w);
        return NULL;
    }
    take_over(w);
    voice_transport_set(env->voice, MEMBER_WEBRTC, &w->transport);
    return w;
}

void webrtc_free(struct webrtc *w)
{
    if (!w)
        return;
    for (uint32_t k = 0; k < w->active_count; k++) {
        srtp_session_wipe(&w->own[w->active[k]].in);
        srtp_session_wipe(&w->own[w->active[k]].out);
    }
    if (w->own)
        munmap(w->own, own_bytes(w));
    if (w->by_address.entry)
        map_free(&w->by_address);
    free(w->active);
    free(w->outbox);
    free(w);
}
