/*
 * A datagram in, within the transaction. Order of an RTP packet's checks: form, SSRC, nonce counter, rate,
 * tag; nothing is changed before the tag verifies. Then the window and the address; the rest is offer.c's.
 * RTCP goes the same way, and is counted: receivers of native clients read none (reference/voice.md 9).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/voice/internal.h"
#include "dataplane/voice/replay.h"

#define RATE_US   1000000u
#define AHEAD_KEY 256u /* bytes at either end of an expanded key that a short packet needs (crypto/aead.c)   \
                        */
#define LEGACY_BEHIND_MAX                                                                                    \
    (1 << 23) /* that a late packet's timestamp may be behind: 1,024 packets of 120 ms, and some */

/* ---- rates: at most so many in the running second ---- */

static bool rate_running(const struct voice_member *m, uint64_t now_us)
{
    return now_us - m->rate_start_us < RATE_US;
}

void rate_roll(struct voice_member *m, uint64_t now_us)
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

void voice_address_bind(struct voice *v, uint32_t i, const struct voice_datagram *from)
{
    struct voice_member *m = member_of(v, i);
    if (from ? m->address == ADDRESS_BOUND && address_is(m, from) : m->address == ADDRESS_NONE)
        return;
    member_touch(v, i);
    if (!from) {
        m->address = ADDRESS_NONE;
        return;
    }
    m->moved += m->address == ADDRESS_BOUND;
    address_take(m, from, ADDRESS_BOUND);
}

/* ---- IP discovery ---- */

static enum voice_verdict discover(struct voice *v, const struct voice_datagram *d, uint64_t now_us)
{
    uint32_t i = voice_member_of(v, be32(d->data + 4));
    if (i == MEMBER_NONE || member_of(v, i)->kind != MEMBER_NATIVE)
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

/* ---- RTP and RTCP ---- */

/* The opened text lies behind the header. Legacy ciphertext begins behind its tag. */
static bool open_packet(const struct voice *v, uint32_t i, const struct rtp_packet *r, uint8_t *p)
{
    uint8_t nonce[AEAD_NONCE_SIZE_MAX] = {0};
    uint8_t *text = p + r->header_length;
    if (member_of(v, i)->mode == VOICE_XSALSA20) {
        memcpy(nonce, p, RTP_HEADER);
        return aead_open(&v->keys[i], nonce, NULL, 0, text + RTP_LEGACY_TAG, r->text_length, text, text);
    }
    put_be32(nonce, r->counter);
    return aead_open(&v->keys[i], nonce, p, r->header_length, text, r->text_length, text + r->text_length,
                     text);
}

/*
 * Legacy packets bring no counter. Theirs is the sequence number, continued over its wraps as RFC 3711 3.3.1
 * does; a timestamp that does not go along gives away a packet from a whole round of sequence numbers ago.
 */
static bool legacy_counter(const struct voice_member *m, struct rtp_packet *r)
{
    const struct stream *s = &m->stream[STREAM_AUDIO];
    if (!m->rx_any) {
        r->counter = 0x10000u + r->sequence;
        return true;
    }
    int16_t step = (int16_t)(uint16_t)(r->sequence - (uint16_t)m->rx_counter_top);
    r->counter = m->rx_counter_top + (uint32_t)step;
    int32_t ahead = (int32_t)(r->timestamp - (s->ts_first + (uint32_t)m->ts_travelled));
    return step > 0 ? ahead > 0 : ahead <= 0 && ahead > -LEGACY_BEHIND_MAX;
}

/* The member that an RTP or RTCP packet claims to be from may be heard: counter, rate, tag. Nothing is
 * changed. */
static bool is_authentic(struct voice *v, uint32_t i, const struct rtp_packet *r, uint8_t *p, uint64_t now_us,
                         enum drop_reason *why)
{
    const struct voice_member *m = member_of(v, i);
    *why = DROP_VOICE_REPLAY;
    if (r->counter >= VOICE_COUNTER_FIRST || !replay_fresh(m, r->counter))
        return false; /* the upper half is ours: a reflected packet */
    *why = DROP_VOICE_RATE;
    if (rate_running(m, now_us) && m->rate_packets >= v->config.packets_per_second_max)
        return false;
    *why = DROP_VOICE_AUTH;
    return open_packet(v, i, r, p);
}

/* What an authentic packet changes, whatever it is. */
static void take(struct voice *v, uint32_t i, const struct voice_datagram *d, const struct rtp_packet *r)
{
    struct voice_member *m = member_of(v, i);
    member_touch(v, i);
    address_proven(m, d, replay_mark(m, r->counter));
    if (m->rx_counter_top >= VOICE_COUNTER_FIRST - VOICE_COUNTERS_KEPT)
        member_exhausted(v, i);
}

bool voice_rate_allows(struct voice *v, uint32_t i, uint64_t now_us)
{
    struct voice_member *m = member_of(v, i);
    if (!rate_running(m, now_us) || m->rate_packets < v->config.packets_per_second_max)
        return true;
    refuse_member(v, m, DROP_VOICE_RATE);
    return false;
}

static enum voice_verdict control_packet(struct voice *v, const struct voice_datagram *d, uint64_t now_us)
{
    struct rtp_packet r;
    enum drop_reason why = rtcp_parse(d->data, d->length, &r);
    uint32_t i = why == DROP_NONE ? voice_member_of(v, r.ssrc) : MEMBER_NONE;
    if (i == MEMBER_NONE)
        return refuse(v, why == DROP_NONE ? DROP_VOICE_SSRC : why);
    struct voice_member *m = member_of(v, i);
    if (m->mode == VOICE_MODE_NONE || m->mode == VOICE_XSALSA20 || m->kind != MEMBER_NATIVE)
        return refuse_member(v, m, DROP_VOICE_RTCP);
    if (!is_authentic(v, i, &r, d->data, now_us, &why))
        return refuse_member(v, m, why);
    take(v, i, d, &r);
    rate_roll(m, now_us);
    m->rate_packets++;
    m->rtcp++;
    count(v->env.counters, COUNT_voice_rtcp);
    return VOICE_DONE;
}

static enum drop_reason parse(const struct voice_member *m, const struct voice_datagram *d,
                              struct rtp_packet *r)
{
    if (!m || m->mode != VOICE_XSALSA20)
        return rtp_parse(d->data, d->length, r);
    enum drop_reason why = rtp_parse_legacy(d->data, d->length, r);
    return why == DROP_NONE && !legacy_counter(m, r) ? DROP_VOICE_REPLAY : why;
}

static enum voice_verdict media(struct voice *v, const struct voice_datagram *d, uint64_t now_us)
{
    struct rtp_packet r;
    uint32_t i = voice_member_of(v, be32(d->data + 8));
    struct voice_member *m = i == MEMBER_NONE ? NULL : member_of(v, i);
    enum drop_reason why = parse(m, d, &r);
    if (why != DROP_NONE)
        return refuse(v, why);
    if (!m || m->kind != MEMBER_NATIVE)
        return refuse(v, DROP_VOICE_SSRC);
    if (m->mode == VOICE_MODE_NONE)
        return refuse_member(v, m, DROP_VOICE_AUTH);
    if (!is_authentic(v, i, &r, d->data, now_us, &why))
        return refuse_member(v, m, why);
    take(v, i, d, &r);
    why = m->mode == VOICE_XSALSA20 ? rtp_parse_opened(d->data, &r) : DROP_NONE;
    if (why == DROP_NONE && !rtp_padding_ok(&r, d->data + r.header_length))
        why = DROP_VOICE_SHORT;
    struct voice_frame f = {.data = d->data,
                            .sender = i,
                            .text_length = r.text_length,
                            .extension_bytes = r.extension_bytes,
                            .header_length = r.header_length};
    return packet_offer(v, d, &f, why, now_us);
}

/* Always inline: gcc takes a function that only prefetches for one without effect. */
static inline __attribute__((always_inline)) void fetch(const void *p, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += 64)
        __builtin_prefetch((const uint8_t *)p + at);
}

void voice_ahead(const struct voice *v, unsigned step, uint32_t ssrc)
{
    if (step == 0) {
        map_prefetch(&v->by_ssrc, ssrc);
        return;
    }
    uint32_t i = voice_member_of(v, ssrc);
    if (i == MEMBER_NONE)
        return;
    const struct voice_member *m = member_of(v, i);
    if (step == 1) {
        fetch(m, sizeof *m);
        fetch(&v->own[i], sizeof v->own[i]);
        fetch(&v->keys[i], AHEAD_KEY);
        fetch((const uint8_t *)&v->keys[i] + sizeof v->keys[i] - AHEAD_KEY, AHEAD_KEY);
    } else if (step == 3 && m->room < v->env.rooms->capacity) {
        uint32_t head = room_of(v, m->room)->head;
        if (head < v->env.members->capacity) {
            fetch(&v->own[head], sizeof v->own[head]);
            member_prefetch(v, head);
        }
    } else if (m->room < v->env.rooms->capacity) {
        fetch(room_of(v, m->room), sizeof(struct room));
        fetch(&v->walk[m->room], sizeof v->walk[m->room]);
        fetch(&v->speakers[(size_t)m->room * v->config.speakers_max], 64);
    }
    __asm__ volatile("");
}

enum voice_verdict voice_input(struct voice *v, const struct voice_datagram *d, uint64_t now_us)
{
    enum drop_reason why = DROP_NONE;
    enum voice_verdict verdict;
    member_pay(v);
    if (d->length > VOICE_DATAGRAM_MAX)
        return refuse(v, DROP_VOICE_LONG);
    for (unsigned kind = 0; kind < MEMBER_KINDS; kind++) {
        const struct voice_transport *t = v->transport[kind];
        if (t && t->input(t->user, d, now_us, &verdict))
            return verdict;
    }
    switch (voice_classify(d->data, d->length, &why)) {
    case VOICE_CLASS_DISCOVERY:
        return discover(v, d, now_us);
    case VOICE_CLASS_PING:
        ping_answer(d->data);
        return VOICE_REPLY;
    case VOICE_CLASS_RTP:
        return media(v, d, now_us);
    case VOICE_CLASS_RTCP:
        return control_packet(v, d, now_us);
    case VOICE_CLASS_NONE:
        break;
    }
    return refuse(v, why);
}
