/*
 * Connectivity checks of a lite agent (RFC 8445 7.3), and consent (RFC 7675).
 *
 * Order: form, whose it is, rate, integrity; nothing is changed before. A user name names its peer by the
 * first eight characters of our part; somebody who does not know the rest learns nothing, not even that.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/webrtc/internal.h"
#include "dataplane/webrtc/stun.h"

#define INDEX_DIGITS 8u

/* The member that a user name of ours begins with, or MEMBER_NONE. */
static uint32_t index_of(const struct webrtc *w, const uint8_t *name)
{
    uint32_t member = 0;
    for (unsigned k = 0; k < INDEX_DIGITS; k++) {
        uint8_t c = name[k];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return MEMBER_NONE;
        member = member << 4 | (uint32_t)(c <= '9' ? c - '0' : c - 'a' + 10);
    }
    uint32_t i = member - w->env.worker * w->env.members->capacity;
    return i < w->env.members->capacity ? i : MEMBER_NONE;
}

static uint32_t peer_named(const struct webrtc *w, const struct stun_request *r)
{
    if (!r->username || r->username_length <= PEER_UFRAG || r->username[PEER_UFRAG] != ':')
        return MEMBER_NONE;
    uint32_t i = index_of(w, r->username);
    if (i == MEMBER_NONE || !w->own[i].active)
        return MEMBER_NONE;
    const struct voice_peer *p = peer_of(w, i);
    bool known = p->generation && p->generation == member_of(w, i)->generation &&
                 equal_constant_time(p->ufrag, r->username, PEER_UFRAG);
    return known ? i : MEMBER_NONE;
}

/* Back to where it came from; not if that were more than came. */
static void answer(struct webrtc *w, const struct voice_datagram *d, const uint8_t *bytes, size_t len)
{
    struct address a;
    if (len > d->length)
        return;
    address_from(&a, d);
    struct webrtc_datagram *out = outbox_put(w, &a);
    if (!out)
        return;
    memcpy(out->bytes, bytes, len);
    out->length = (uint16_t)len;
}

/* An authentic check: where it came from can be written to; the latest that was nominated is written to. */
static void verified(struct webrtc *w, uint32_t i, const struct voice_datagram *d,
                     const struct stun_request *r)
{
    peer_of(w, i)->checked_us = w->now_us;
    address_learn(w, i, d);
    if (r->use_candidate || member_of(w, i)->address != ADDRESS_BOUND)
        voice_address_bind(w->env.voice, i, d);
}

/* What an authentic request is to be answered with. */
static enum stun_error judge(const struct stun_request *r)
{
    if (r->unknown_count)
        return STUN_UNKNOWN_ATTRIBUTE;
    return r->controlled ? STUN_ROLE_CONFLICT
                         : STUN_ERROR_NONE; /* a lite agent is always the controlled one */
}

static void check(struct webrtc *w, const struct voice_datagram *d, const struct stun_request *r)
{
    uint8_t out[STUN_ANSWER_MAX];
    if (!r->username || !r->integrity_at) {
        refuse(w, DROP_WEBRTC_INTEGRITY);
        answer(w, d, out, stun_failure(out, r, STUN_BAD_REQUEST, NULL, 0));
        return;
    }
    uint32_t i = peer_named(w, r);
    if (i == MEMBER_NONE) {
        refuse(w, DROP_WEBRTC_UFRAG);
        return;
    }
    const char *password = (const char *)peer_of(w, i)->password;
    if (!rate_allows(w, i, &w->own[i].checks, CHECKS_PER_S))
        return;
    if (!stun_authentic(d->data, r, password, PEER_PASSWORD)) {
        refuse(w, DROP_WEBRTC_INTEGRITY);
        answer(w, d, out, stun_failure(out, r, STUN_UNAUTHENTICATED, NULL, 0));
        return;
    }
    enum stun_error error = judge(r);
    if (error != STUN_ERROR_NONE) {
        answer(w, d, out, stun_failure(out, r, error, password, PEER_PASSWORD));
        return;
    }
    verified(w, i, d, r);
    count(w->env.counters, COUNT_webrtc_checks);
    answer(w, d, out, stun_success(out, r, d->peer_ip, d->peer_port, password, PEER_PASSWORD));
}

void ice_input(struct webrtc *w, const struct voice_datagram *d)
{
    struct stun_request r;
    if (stun_parse(d->data, d->length, &r) == STUN_REQUEST)
        check(w, d, &r);
    else
        refuse(w, DROP_VOICE_STUN);
}

void ice_tick(struct webrtc *w, uint32_t i)
{
    struct voice_peer *p = peer_of(w, i);
    if (w->now_us - p->checked_us < WEBRTC_CONSENT_US || member_of(w, i)->address != ADDRESS_BOUND)
        return;
    refuse(w, DROP_WEBRTC_CONSENT);
    voice_address_bind(w->env.voice, i, NULL);
}
