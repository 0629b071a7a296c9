/*
 * A datagram in, within the transaction. Order of an RTP packet's checks: form, SSRC, nonce counter, rate,
 * tag; nothing is changed before the tag verifies. Then the window, the address, the statistics; then whether
 * anybody is to hear it.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/voice/internal.h"
#include "dataplane/voice/replay.h"

#define RATE_US 1000000u

static enum voice_verdict refuse(struct voice *v, enum drop_reason why)
{
    count_drop(v->env.counters, why);
    return VOICE_DONE;
}

static enum voice_verdict refuse_member(struct voice *v, struct voice_member *m, enum drop_reason why)
{
    m->rx_dropped++;
    return refuse(v, why);
}

/* ---- rates: at most so many in the running second ---- */

static bool rate_running(const struct voice_member *m, uint64_t now_us)
{
    return now_us - m->rate_start_us < RATE_US;
}

static void rate_roll(struct voice_member *m, uint64_t now_us)
{
    if (rate_running(m, now_us))
        return;
    m->rate_start_us = now_us;
    m->rate_packets = m->discovered = 0;
}

/* ---- addresses ---- */

static bool address_is(const struct voice_member *m, const struct voice_datagram *d)
{
    return m->peer_port == d->peer_port && m->local_port == d->local_port &&
           memcmp(m->peer_ip, d->peer_ip, sizeof m->peer_ip) == 0 &&
           memcmp(m->local_ip, d->local_ip, sizeof m->local_ip) == 0;
}

static void address_take(struct voice_member *m, const struct voice_datagram *d, enum member_address address)
{
    memcpy(m->peer_ip, d->peer_ip, sizeof m->peer_ip);
    memcpy(m->local_ip, d->local_ip, sizeof m->local_ip);
    m->peer_port = d->peer_port;
    m->local_port = d->local_port;
    m->address = (uint8_t)address;
}

/* An authentic packet came from there. One that was overtaken does not move an address back. */
static void address_proven(struct voice_member *m, const struct voice_datagram *d, bool newest)
{
    if (m->address == ADDRESS_BOUND && (!newest || address_is(m, d)))
        return;
    m->moved += m->address == ADDRESS_BOUND;
    address_take(m, d, ADDRESS_BOUND);
}

/* ---- IP discovery ---- */

static enum voice_verdict discover(struct voice *v, const struct voice_datagram *d, uint64_t now_us)
{
    uint32_t i = voice_member_of(v, be32(d->data + 4));
    if (i == MEMBER_NONE)
        return refuse(v, DROP_VOICE_SSRC);
    struct voice_member *m = member_of(v, i);
    if (rate_running(m, now_us) && m->discovered >= v->config.discoveries_per_second_max)
        return refuse_member(v, m, DROP_VOICE_DISCOVERY_RATE);
    member_touch(v, i);
    rate_roll(m, now_us);
    m->discovered++;
    if (m->address != ADDRESS_BOUND) {
        address_take(m, d, ADDRESS_CANDIDATE);
        if (!member_notify(v, NOTICE_DISCOVERED, i))
            member_owe(v, i, OWED_DISCOVERED);
    }
    discovery_answer(d->data, d->peer_ip, d->peer_port);
    count(v->env.counters, COUNT_discoveries);
    return VOICE_REPLY;
}

/* ---- RTP ---- */

static bool open_packet(const struct voice *v, uint32_t i, const struct rtp_packet *r, uint8_t *p)
{
    uint8_t nonce[AEAD_NONCE_SIZE_MAX] = {0};
    uint8_t *text = p + r->header_length;
    put_be32(nonce, r->counter);
    return aead_open(&v->keys[i], nonce, p, r->header_length, text, r->text_length, text + r->text_length,
                     text);
}

/* What an authentic packet changes, whoever may hear it. */
static void take(struct voice *v, uint32_t i, const struct voice_datagram *d, const struct rtp_packet *r,
                 uint64_t now_us)
{
    struct voice_member *m = member_of(v, i);
    member_touch(v, i);
    rate_roll(m, now_us);
    m->rate_packets++;
    address_proven(m, d, replay_mark(m, r->counter));
    stream_arrived(&m->stream[STREAM_AUDIO], r, now_us);
    m->rx_packets++;
    if (!(m->flags & MEMBER_HEARD) && member_notify(v, NOTICE_HEARD, i))
        m->flags |= MEMBER_HEARD;
    count(v->env.counters, COUNT_voice_in);
}

static enum voice_verdict forward(struct voice *v, uint32_t i, const struct voice_datagram *d,
                                  const struct rtp_packet *r)
{
    struct voice_member *m = member_of(v, i);
    struct room *room = room_of(v, m->room);
    if (!rtp_padding_ok(r, d->data + r->header_length))
        return refuse_member(v, m, DROP_VOICE_SHORT);
    if (m->flags & MEMBER_MUTED)
        return refuse_member(v, m, DROP_VOICE_MUTED);
    room->packets_in++;
    if (room->count == 1)
        return VOICE_DONE;
    return room_enqueue(v, d, r, i) ? VOICE_FORWARD : refuse_member(v, m, DROP_VOICE_PENDING_FULL);
}

static enum voice_verdict media(struct voice *v, const struct voice_datagram *d, uint64_t now_us)
{
    struct rtp_packet r;
    enum drop_reason why = rtp_parse(d->data, d->length, &r);
    if (why != DROP_NONE)
        return refuse(v, why);
    uint32_t i = voice_member_of(v, r.ssrc);
    if (i == MEMBER_NONE)
        return refuse(v, DROP_VOICE_SSRC);
    struct voice_member *m = member_of(v, i);
    if (r.counter >= VOICE_COUNTER_FIRST ||
        !replay_fresh(m, r.counter)) /* the upper half is ours: a reflected packet */
        return refuse_member(v, m, DROP_VOICE_REPLAY);
    if (rate_running(m, now_us) && m->rate_packets >= v->config.packets_per_second_max)
        return refuse_member(v, m, DROP_VOICE_RATE);
    if (m->mode == VOICE_MODE_NONE || !open_packet(v, i, &r, d->data))
        return refuse_member(v, m, DROP_VOICE_AUTH);
    take(v, i, d, &r, now_us);
    return forward(v, i, d, &r);
}

enum voice_verdict voice_input(struct voice *v, const struct voice_datagram *d, uint64_t now_us)
{
    enum drop_reason why = DROP_NONE;
    member_pay(v);
    if (d->length > VOICE_DATAGRAM_MAX)
        return refuse(v, DROP_VOICE_LONG);
    switch (voice_classify(d->data, d->length, &why)) {
    case VOICE_CLASS_DISCOVERY:
        return discover(v, d, now_us);
    case VOICE_CLASS_PING:
        ping_answer(d->data);
        return VOICE_REPLY;
    case VOICE_CLASS_RTP:
        return media(v, d, now_us);
    case VOICE_CLASS_NONE:
        break;
    }
    return refuse(v, why);
}
