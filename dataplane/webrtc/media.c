/*
 * Media of peers. In: SRTP is opened and becomes a native packet, in place: the member's own SSRC, payload
 * type 120, no extension. Out: a frame becomes a packet of one of the receiver's slots, with the receiver's
 * payload type and ids; who speaks is its one CSRC.
 *
 * Order of an incoming packet's checks: keys, form, payload type, SSRC, rate, index, tag; nothing is changed
 * before the tag verifies. A slot's index is stored in the region before its packet is sealed.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/voice/datagram.h"
#include "dataplane/webrtc/internal.h"
#include "dataplane/webrtc/rtcp.h"
#include "dataplane/webrtc/rtp.h"
#include "dataplane/webrtc/slots.h"

#define ROUND_TRIP_MAX (10u << 16) /* 1/65536 s: whatever is longer is no round trip */

void media_expand(struct webrtc *w, uint32_t i)
{
    const struct voice_peer *p = peer_of(w, i);
    srtp_session_make(&w->own[i].in, p->profile, p->key_in, p->salt_in);
    srtp_session_make(&w->own[i].out, p->profile, p->key_out, p->salt_out);
}

/* ---- in ---- */

static enum voice_verdict refused(struct webrtc *w, uint32_t i, enum drop_reason why)
{
    member_of(w, i)->rx_dropped++;
    refuse(w, why);
    return VOICE_DONE;
}

/* Opens the packet and takes its index. DROP_NONE: its text lies behind v->header, *len is without tag. */
static enum drop_reason open_packet(struct webrtc *w, uint32_t i, uint8_t *p, const struct rtp_view *v,
                                    size_t *len)
{
    struct voice_peer *peer = peer_of(w, i);
    struct srtp_window window = {peer->rx_top, {peer->rx_bits[0], peer->rx_bits[1]}};
    uint64_t index = srtp_index(&window, v->sequence);
    if (!srtp_fresh(&window, index))
        return DROP_VOICE_REPLAY;
    if (!srtp_open(&w->own[i].in, p, v->header, len, index))
        return DROP_VOICE_AUTH;
    srtp_mark(&window, index);
    peer->rx_top = window.top;
    peer->rx_bits[0] = window.bits[0];
    peer->rx_bits[1] = window.bits[1];
    peer->ssrc_in = v->ssrc;
    return DROP_NONE;
}

/* Padding is the peer's own affair (RFC 3550 5.1): without it. False: nothing is left. */
static bool unpad(const uint8_t *p, const struct rtp_view *v, size_t *len)
{
    size_t payload = *len - v->header;
    if (!payload)
        return false;
    uint8_t padding = v->padded ? p[*len - 1] : 0;
    if (v->padded && (!padding || padding >= payload))
        return false;
    *len -= padding;
    return true;
}

enum voice_verdict media_input(struct webrtc *w, uint32_t i, const struct voice_datagram *d)
{
    const struct voice_peer *peer = peer_of(w, i);
    struct rtp_view v;
    size_t len = d->length;
    if (!peer_keyed(peer))
        return refused(w, i, DROP_WEBRTC_UNKEYED);
    if (!rtp_view(d->data, len, peer->level_id, &v))
        return refused(w, i, DROP_VOICE_EXTENSION);
    if (v.payload_type != peer->payload_type)
        return refused(w, i, DROP_VOICE_PAYLOAD_TYPE);
    if (peer->ssrc_in && peer->ssrc_in != v.ssrc)
        return refused(w, i, DROP_VOICE_SSRC);
    if (!voice_rate_allows(w->env.voice, i, w->now_us))
        return VOICE_DONE;
    enum drop_reason why = open_packet(w, i, d->data, &v, &len);
    if (why != DROP_NONE)
        return refused(w, i, why);
    if (!unpad(d->data, &v, &len))
        return VOICE_DONE; /* a probe of the path */
    uint8_t *native = d->data + v.header - RTP_HEADER;
    native[0] = 0x80;
    native[1] = RTP_PAYLOAD_TYPE;
    put_be16(native + 2, v.sequence);
    put_be32(native + 4, v.timestamp);
    put_be32(native + 8, member_of(w, i)->ssrc);
    struct voice_frame f = {.data = native,
                            .sender = i,
                            .text_length = (uint16_t)(len - v.header),
                            .header_length = RTP_HEADER,
                            .level = v.level == RTP_LEVEL_NONE ? VOICE_LEVEL_ABSENT : v.level & 0x7f};
    return voice_offer(w->env.voice, d, &f, w->now_us);
}

/* Indices are each SSRC's own, and a peer may have one for every slot: only what its audio's says is taken to
 * heart. */
static bool is_fresh_control(struct voice_peer *peer, uint32_t ssrc, uint32_t index)
{
    struct srtp_window window = {peer->rx_rtcp_top, {peer->rx_rtcp_bits[0], peer->rx_rtcp_bits[1]}};
    if (ssrc != peer->ssrc_in)
        return true;
    if (!srtp_fresh(&window, index))
        return false;
    srtp_mark(&window, index);
    peer->rx_rtcp_top = window.top;
    peer->rx_rtcp_bits[0] = window.bits[0];
    peer->rx_rtcp_bits[1] = window.bits[1];
    return true;
}

/* What it hears of us: the worst of its slots. The round trip is that of our last sender report (RFC
 * 3550 6.4.1). */
static void take_blocks(struct webrtc *w, struct voice_peer *p, const struct rtcp_heard *heard)
{
    uint32_t now = (uint32_t)(rtcp_ntp(w->now_us) >> 16), loss = 0, jitter = 0;
    bool ours = false;
    for (unsigned k = 0; k < heard->blocks; k++) {
        const struct rtcp_block *b = &heard->block[k];
        if (b->ssrc - p->ssrc >= p->slots)
            continue;
        uint32_t trip = now - b->lsr - b->dlsr; /* 1/65536 s */
        ours = true;
        loss = b->fraction * 256u > loss ? b->fraction * 256u : loss;
        jitter = b->jitter > jitter ? b->jitter : jitter;
        if (b->lsr && trip < ROUND_TRIP_MAX)
            p->round_trip_us = (uint32_t)((uint64_t)trip * SECOND_US >> 16);
    }
    if (!ours)
        return;
    p->reported_loss = p->reported_us ? (3 * p->reported_loss + loss) / 4 : loss;
    p->reported_jitter = jitter;
    p->reported_us = w->now_us;
}

void media_control(struct webrtc *w, uint32_t i, const struct voice_datagram *d)
{
    struct voice_peer *peer = peer_of(w, i);
    struct peer_own *own = &w->own[i];
    static _Thread_local struct rtcp_heard heard;
    size_t len = d->length;
    uint32_t index;
    if (!peer_keyed(peer) || !voice_rate_allows(w->env.voice, i, w->now_us))
        return;
    bool opened = srtcp_open(&own->in, d->data, &len, &index);
    if (!opened || !is_fresh_control(peer, be32(d->data + 4), index)) {
        refused(w, i, opened ? DROP_VOICE_REPLAY : DROP_VOICE_AUTH);
        return;
    }
    if (!rtcp_hear(d->data, len, &heard)) {
        refused(w, i, DROP_WEBRTC_RTCP);
        return;
    }
    member_of(w, i)->rtcp++;
    count(w->env.counters, COUNT_voice_rtcp);
    take_blocks(w, peer, &heard);
    if (heard.has_sender && heard.sender.ssrc == peer->ssrc_in) {
        own->sender_us = w->now_us;
        own->sender_ntp = (uint32_t)(heard.sender.ntp >> 16);
    }
}

/* ---- out ---- */

static bool tells_level(const struct voice_peer *p, const struct voice_frame *f)
{
    return p->level_id && f->level != VOICE_LEVEL_ABSENT;
}

static uint16_t payload_length(const struct voice_frame *f)
{
    return (uint16_t)(f->text_length - f->extension_bytes);
}

uint16_t media_length(void *user, uint32_t i, const struct voice_frame *f)
{
    struct webrtc *w = user;
    const struct voice_peer *p = peer_of(w, i);
    if (!peer_keyed(p) || !p->slots) {
        if (p->slots)
            refuse(w, DROP_WEBRTC_UNKEYED);
        return 0;
    }
    /* Sealing comes when the lengths of the batch are known: what it wants is on its way meanwhile. */
    __builtin_prefetch(&p->slot[0], 1);
    __builtin_prefetch(&p->slot[1], 1);
    __builtin_prefetch(w->own[i].out.rtp_salt);
    __builtin_prefetch(&w->own[i].out.rtp.cipher);
    size_t head = tells_level(p, f) ? RTP_HEAD_LEVEL : RTP_HEAD_PLAIN;
    return (uint16_t)(head + payload_length(f) + srtp_tag_size(p->profile));
}

/* The slot's next packet for this frame. False: no slot is free, or it came too late. */
static bool place(struct webrtc *w, struct voice_peer *p, const struct voice_frame *f, struct rtp_head *h,
                  uint64_t *index)
{
    uint32_t source = be32(f->data + 8), k = slot_of(p, source, w->now_us);
    struct slot_step step;
    if (k == SLOT_NONE) {
        refuse(w, DROP_WEBRTC_SLOTS);
        return false;
    }
    struct peer_slot *s = &p->slot[k];
    if (!slot_take(s, source, be16(f->data + 2), be32(f->data + 4), w->now_us, &step)) {
        refuse(w, DROP_WEBRTC_LATE);
        return false;
    }
    s->packets++;
    s->octets += payload_length(f);
    *index = step.index;
    *h = (struct rtp_head){.ssrc = p->ssrc + k,
                           .timestamp = step.timestamp,
                           .source = source,
                           .sequence = (uint16_t)step.index,
                           .payload_type = p->payload_type,
                           .marker = step.marker,
                           .padded = f->data[0] & 0x20,
                           .level_id = tells_level(p, f) ? p->level_id : 0,
                           .level = f->level};
    return true;
}

enum voice_step media_seal(void *user, uint32_t i, const struct voice_frame *f, uint8_t *payload,
                           struct aead_seal *job)
{
    struct webrtc *w = user;
    struct voice_peer *p = peer_of(w, i);
    const struct srtp_session *out = &w->own[i].out;
    struct rtp_head h;
    uint64_t index;
    if (!place(w, p, f, &h, &index))
        return VOICE_STEP_NONE;
    const uint8_t *text = f->data + f->header_length + f->extension_bytes;
    uint16_t len = payload_length(f);
    size_t head = rtp_head_size(&h);
    rtp_head_put(payload, &h);
    if (p->profile == PROFILE_AES128_CM_SHA1_80) {
        memcpy(payload + head, text, len);
        txn_barrier(); /* the index is stored: now it may be used */
        srtp_seal(out, payload, head, head + len, index);
        return VOICE_STEP_DONE;
    }
    /* One by one: zeroing what is not read would take as long as the rest. */
    job->key = &out->rtp;
    job->aad = payload;
    job->src = text;
    job->dst = payload + head;
    job->tag = payload + head + len;
    job->aad_len = (uint32_t)head;
    job->len = len;
    srtp_nonce(out, h.ssrc, index, job->nonce);
    return VOICE_STEP_JOB;
}
