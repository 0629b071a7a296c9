/*
 * A peer's DTLS association, as the worker sees it: datagrams to the helper, flights to the outbox, keys into
 * the region. When a flight goes out again is decided here, by the loop's time (RFC 6347 4.2.4).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/webrtc/internal.h"

#define AGAIN_US     200000u
#define AGAIN_MAX    7u
#define POLL_MAX     32u
#define RECORD       13u
#define HANDSHAKE    22u
#define CLIENT_HELLO 1u

void association_end(struct webrtc *w, uint32_t i)
{
    struct peer_own *own = &w->own[i];
    if (own->begun)
        dtls_helper_end(w->env.helper, w->env.worker, own->handle);
    own->begun = false;
    own->again_us = 0;
}

/* Only a client's first words begin an association. */
static bool is_hello(const struct voice_datagram *d)
{
    return d->length > RECORD && d->data[0] == HANDSHAKE && d->data[RECORD] == CLIENT_HELLO;
}

static bool begin(struct webrtc *w, uint32_t i, const struct voice_datagram *d)
{
    struct peer_own *own = &w->own[i];
    const struct voice_peer *p = peer_of(w, i);
    struct dtls_expected expected = {.hash = p->hash};
    memcpy(expected.fingerprint, p->fingerprint, sizeof expected.fingerprint);
    uint64_t handle = (uint64_t)++w->serial << 32 | i;
    if (handle == 0) /* no key of a map */
        handle = 1ull << 63;
    if (!dtls_helper_begin(w->env.helper, w->env.worker, handle, &expected, d->data, d->length))
        return false;
    own->begun = true;
    own->handle = handle;
    own->again_us = own->again_count = 0;
    return true;
}

void association_input(struct webrtc *w, uint32_t i, const struct voice_datagram *d)
{
    struct peer_own *own = &w->own[i];
    if (!rate_allows(w, i, &own->handshakes, HANDSHAKES_PER_S))
        return;
    if (!own->begun && !is_hello(d)) {
        refuse(w, DROP_VOICE_DTLS);
        return;
    }
    address_from(&own->dtls, d);
    bool taken = own->begun ? dtls_helper_input(w->env.helper, w->env.worker, own->handle, d->data, d->length)
                            : begin(w, i, d);
    if (!taken)
        refuse(w, DROP_WEBRTC_BUSY);
}

/* ---- what the helper made ---- */

static void send_flight(struct webrtc *w, const struct address *to, const struct dtls_result *r)
{
    for (size_t at = 0, n; at < r->send_len; at += n) {
        n = dtls_cut(r->send + at, r->send_len - at);
        struct webrtc_datagram *d = n <= WEBRTC_DATAGRAM_MAX ? outbox_put(w, to) : NULL;
        if (!d)
            return;
        memcpy(d->bytes, r->send + at, n);
        d->length = (uint16_t)n;
    }
}

/*
 * Keys, and with them windows and indices that begin anew. `keyed` is 0 while they change, so that a process
 * that is killed in between leaves no half of them.
 */
static void take_keys(struct webrtc *w, uint32_t i, const struct dtls_keys *k)
{
    struct voice_peer *p = peer_of(w, i);
    atomic_store(&p->keyed, 0);
    p->profile = k->profile;
    memcpy(p->key_in, k->key_in, sizeof p->key_in);
    memcpy(p->key_out, k->key_out, sizeof p->key_out);
    memcpy(p->salt_in, k->salt_in, sizeof p->salt_in);
    memcpy(p->salt_out, k->salt_out, sizeof p->salt_out);
    p->ssrc_in = 0;
    p->rx_top = p->rx_rtcp_top = 0;
    memset(p->rx_bits, 0, sizeof p->rx_bits);
    memset(p->rx_rtcp_bits, 0, sizeof p->rx_rtcp_bits);
    memset(p->slot, 0, sizeof p->slot);
    atomic_store(&p->rtcp_index, 0);
    media_expand(w, i);
    atomic_store(&p->keyed, p->generation);
    count(w->env.counters, COUNT_webrtc_keyed);
}

static void take_result(struct webrtc *w, uint32_t i, const struct dtls_result *r)
{
    struct peer_own *own = &w->own[i];
    send_flight(w, &own->dtls, r);
    if (r->keyed)
        take_keys(w, i, &r->keys);
    if (r->state == DTLS_FAILED || r->state == DTLS_CLOSED) {
        if (r->state == DTLS_FAILED)
            refuse(w, DROP_WEBRTC_DTLS);
        association_end(w, i);
        if (r->state == DTLS_CLOSED) /* the peer has left: nothing is sent to it any more */
            voice_address_bind(w->env.voice, i, NULL);
        return;
    }
    bool waits = r->state == DTLS_SHAKING && r->send_len;
    if (waits && !own->again_us)
        own->again_after_us = AGAIN_US;
    own->again_us = r->state != DTLS_SHAKING ? 0 : waits ? w->now_us + own->again_after_us : own->again_us;
}

unsigned association_poll(struct webrtc *w)
{
    struct dtls_helper_result r;
    unsigned n = 0;
    while (n < POLL_MAX && dtls_helper_poll(w->env.helper, w->env.worker, &r)) {
        uint32_t i = (uint32_t)r.handle;
        if (i < w->env.members->capacity && w->own[i].active && w->own[i].begun &&
            w->own[i].handle == r.handle)
            take_result(w, i, &r.result);
        wipe(&r.result.keys, sizeof r.result.keys);
        n++;
    }
    return n;
}

void association_tick(struct webrtc *w, uint32_t i)
{
    struct peer_own *own = &w->own[i];
    if (!own->begun || !own->again_us || w->now_us < own->again_us)
        return;
    if (own->again_count++ == AGAIN_MAX) {
        refuse(w, DROP_WEBRTC_DTLS);
        association_end(w, i);
        return;
    }
    own->again_after_us *= 2;
    own->again_us = w->now_us + own->again_after_us;
    dtls_helper_again(w->env.helper, w->env.worker, own->handle);
}
