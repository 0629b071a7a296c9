/*
 * RTCP to peers (RFC 3550 6.4, RFC 8834 4.1): about once a second a compound packet with a sender report and
 * a CNAME for every slot that is in use, and what we hear of the peer's own stream; BYE at the end.
 *
 * An SRTCP index is stored in the region before its packet is sealed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/webrtc/internal.h"
#include "dataplane/webrtc/rtcp.h"

#define REPORT_US   1000000u
#define IN_USE_US   5000000u /* a slot that sent nothing for longer is left out */
#define CLOCK_KHZ   48
#define CNAME       "voxpop"
#define ROOM_NEEDED 128u /* bytes of one slot's reports, and the trailer */

/* What we hear of the peer. False: nothing yet. */
static bool block_of(struct webrtc *w, uint32_t i, struct rtcp_block *b)
{
    const struct voice_peer *p = peer_of(w, i);
    const struct stream *s = &member_of(w, i)->stream[STREAM_AUDIO];
    struct peer_own *own = &w->own[i];
    if (!p->rx_top)
        return false;
    uint64_t expected = p->rx_top - own->top_before;
    int64_t lost = (int64_t)s->lost - own->lost_before;
    *b = (struct rtcp_block){.ssrc = p->ssrc_in,
                             .lost = (int32_t)s->lost,
                             .highest = (uint32_t)(p->rx_top - 1),
                             .jitter = s->jitter >> 4};
    if (own->top_before && expected && lost > 0)
        b->fraction = (uint8_t)min_u64(255, (uint64_t)lost * 256 / expected);
    if (own->sender_us) {
        b->lsr = own->sender_ntp;
        b->dlsr = (uint32_t)((w->now_us - own->sender_us) * 65536 / 1000000);
    }
    own->top_before = p->rx_top;
    own->lost_before = s->lost;
    return true;
}

static size_t slot_put(const struct webrtc *w, const struct voice_peer *p, uint32_t k,
                       const struct rtcp_block *b, uint8_t *out)
{
    const struct peer_slot *s = &p->slot[k];
    struct rtcp_sender sender = {.ssrc = p->ssrc + k,
                                 .ntp = rtcp_ntp(w->now_us),
                                 .timestamp =
                                     s->ts_last + (uint32_t)((w->now_us - s->sent_us) * CLOCK_KHZ / 1000),
                                 .packets = s->packets,
                                 .octets = s->octets};
    size_t len = rtcp_sender_put(out, &sender, b);
    return len + rtcp_cname_put(out + len, sender.ssrc, CNAME);
}

static void send(struct webrtc *w, uint32_t i, struct webrtc_datagram *d, size_t len)
{
    struct voice_peer *p = peer_of(w, i);
    uint32_t index = atomic_load_explicit(&p->rtcp_index, memory_order_relaxed);
    if (index >= SRTCP_INDEX_MAX)
        return;
    atomic_store_explicit(&p->rtcp_index, index + 1, memory_order_relaxed);
    txn_barrier(); /* stored: now it may be used */
    d->length = (uint16_t)srtcp_seal(&w->own[i].out, d->bytes, len, index);
    count(w->env.counters, COUNT_webrtc_reports);
}

static bool ready(const struct webrtc *w, uint32_t i, struct address *a)
{
    return peer_keyed(peer_of(w, i)) && address_bound(w, i, a);
}

void report_tick(struct webrtc *w, uint32_t i)
{
    const struct voice_peer *p = peer_of(w, i);
    struct address a;
    struct rtcp_block block;
    if (w->now_us < w->own[i].report_us || !ready(w, i, &a))
        return;
    w->own[i].report_us = w->now_us + REPORT_US;
    struct webrtc_datagram *d = outbox_put(w, &a);
    if (!d)
        return;
    const struct rtcp_block *b = block_of(w, i, &block) ? &block : NULL;
    size_t len = 0;
    for (uint32_t k = 0; k < p->slots && len + ROOM_NEEDED < DTLS_DATAGRAM_MAX; k++) {
        if (!p->slot[k].packets || w->now_us - p->slot[k].sent_us > IN_USE_US)
            continue;
        len += slot_put(w, p, k, len ? NULL : b, d->bytes + len);
    }
    if (!len) {
        len = rtcp_receiver_put(d->bytes, p->ssrc, b);
        len += rtcp_cname_put(d->bytes + len, p->ssrc, CNAME);
    }
    send(w, i, d, len);
}

void report_bye(struct webrtc *w, uint32_t i)
{
    const struct voice_peer *p = peer_of(w, i);
    struct address a;
    struct webrtc_datagram *d = ready(w, i, &a) ? outbox_put(w, &a) : NULL;
    if (!d)
        return;
    size_t len = rtcp_receiver_put(d->bytes, p->ssrc, NULL);
    for (uint32_t k = 0; k < p->slots; k++)
        if (p->slot[k].packets)
            len += rtcp_bye_put(d->bytes + len, p->ssrc + k);
    send(w, i, d, len);
}
