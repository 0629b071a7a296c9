/*
 * An opened packet, within the transaction: what it tells of its stream, and whether anybody is to hear it.
 * Here members of all kinds, and other parts of a room, are the same.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/voice/internal.h"

#define LEVEL_SILENT 127u

static bool is_silence(const struct voice_frame *f)
{
    const uint8_t *payload = f->data + f->header_length + f->extension_bytes;
    return f->level == LEVEL_SILENT || rtp_is_silence(payload, (size_t)(f->text_length - f->extension_bytes));
}

/* To everybody in this part of the room, if its speaker is heard at all. */
static enum voice_verdict spread(struct voice *v, uint32_t room, const struct voice_datagram *d,
                                 const struct voice_frame *f, uint64_t now_us)
{
    struct room *r = room_of(v, room);
    uint32_t max = v->config.speakers_max;
    if (max) {
        uint8_t loudness = speaker_loudness(f->level, f->flags & MEMBER_SPEAKING, f->flags & MEMBER_PRIORITY);
        enum drop_reason why = speaker_admit(&v->speakers[(size_t)room * max], max, be32(f->data + 8),
                                             loudness, is_silence(f), now_us);
        r->silent += why == DROP_VOICE_SILENCE;
        r->not_loudest += why == DROP_VOICE_NOT_LOUDEST;
        if (why != DROP_NONE)
            return refuse(v, why);
    }
    if (r->count == 1 && f->sender != MEMBER_NONE && !r->parts)
        return VOICE_DONE;
    return room_enqueue(v, room, d, f) ? VOICE_FORWARD : refuse(v, DROP_VOICE_PENDING_FULL);
}

/* `why`: what is wrong with it although it is authentic. */
enum voice_verdict packet_offer(struct voice *v, const struct voice_datagram *d,
                                const struct voice_frame *given, enum drop_reason why, uint64_t now_us)
{
    struct voice_frame f = *given;
    struct voice_member *m = member_of(v, f.sender);
    bool voiced;
    member_touch(v, f.sender);
    rate_roll(m, now_us);
    m->rate_packets++;
    f.header_new = stream_arrived(m, be16(f.data + 2), be32(f.data + 4), now_us);
    if (m->mode == VOICE_XSALSA20 && m->ts_travelled >= VOICE_TRAVEL_MAX - VOICE_TRAVEL_KEPT)
        member_exhausted(v, f.sender);
    m->rx_packets++;
    if (!(m->flags & MEMBER_HEARD) && member_notify(v, NOTICE_HEARD, f.sender))
        m->flags |= MEMBER_HEARD;
    count(v->env.counters, COUNT_voice_in);
    if (why == DROP_NONE && m->flags & MEMBER_MUTED)
        why = DROP_VOICE_MUTED;
    if (why != DROP_NONE)
        return refuse_member(v, m, why);
    f.flags = m->flags & (MEMBER_SPEAKING | MEMBER_PRIORITY);
    if (m->kind == MEMBER_NATIVE)
        f.level = rtp_audio_level(f.data + f.header_length, f.extension_bytes, &voiced);
    room_of(v, m->room)->packets_in++;
    return spread(v, m->room, d, &f, now_us);
}

enum voice_verdict voice_offer(struct voice *v, const struct voice_datagram *d, const struct voice_frame *f,
                               uint64_t now_us)
{
    return packet_offer(v, d, f, DROP_NONE, now_us);
}

enum voice_verdict voice_offer_part(struct voice *v, uint64_t channel_id, const struct voice_datagram *d,
                                    const struct voice_frame *f, uint64_t now_us)
{
    uint32_t room = room_of_channel(v, channel_id);
    if (room == ROOM_NONE) /* the last of this part has left meanwhile */
        return VOICE_DONE;
    room_of(v, room)->packets_over++;
    return spread(v, room, d, f, now_us);
}
