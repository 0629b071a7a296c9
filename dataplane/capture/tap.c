/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/capture/capture.h"

#include "dataplane/capture/record.h"

bool capture_put(struct worker *w, enum capture_kind kind, const void *head, uint32_t head_length,
                 const void *body, uint32_t body_length)
{
    struct capture_ring *r = w->capture;
    uint8_t *data = (uint8_t *)(r + 1);
    uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    uint64_t need = (sizeof(struct capture_entry) + head_length + body_length + 7) & ~7ull;
    uint64_t at = tail & (r->size - 1), filler = at + need > r->size ? r->size - at : 0;
    if (r->size - (tail - atomic_load_explicit(&r->head, memory_order_acquire)) < filler + need) {
        atomic_fetch_add_explicit(&r->dropped, 1, memory_order_relaxed);
        count_drop(w->counters, DROP_CAPTURE_FULL);
        return false;
    }
    if (filler >= sizeof(struct capture_entry))
        memcpy(data + at,
               &(struct capture_entry){.length = (uint32_t)(filler - sizeof(struct capture_entry))},
               sizeof(struct capture_entry));
    else if (filler)
        memset(data + at, 0, filler);
    uint8_t *to = data + ((tail + filler) & (r->size - 1));
    struct capture_entry e = {.length = head_length + body_length,
                              .kind = (uint8_t)kind,
                              .worker = (uint8_t)w->index,
                              .port = w->port_info.port,
                              .time_us = w->now_us};
    memcpy(to, &e, sizeof e);
    if (head_length)
        memcpy(to + sizeof e, head, head_length);
    if (body_length)
        memcpy(to + sizeof e + head_length, body, body_length);
    atomic_store_explicit(&r->tail, tail + filler + need, memory_order_release);
    w->counters->count[COUNT_captured]++;
    return true;
}

/* A session's index is the low half, its peer's (the voice beside the gateway) the high one, or SESSION_NONE.
 */
static bool is_subject(const struct worker *w, uint32_t session)
{
    uint64_t subject = atomic_load_explicit(&w->capture->subject, memory_order_relaxed);
    return session != SESSION_NONE && (session == (uint32_t)subject || session == (uint32_t)(subject >> 32));
}

static void put_frame(struct worker *w, const struct packet *p, enum capture_kind kind)
{
    if (w->capture_wanted == CAPTURE_REPLAY)
        record_frame(w, p);
    else
        capture_put(w, kind, NULL, 0, p->data, p->len);
}

/* A replay is made of what was received. */
static bool wants_all(const struct worker *w, enum capture_kind kind)
{
    return w->capture_wanted == CAPTURE_ALL || (w->capture_wanted == CAPTURE_REPLAY && kind == CAPTURE_RX);
}

void capture_frame_(struct worker *w, const struct packet *p, enum capture_kind kind)
{
    if (wants_all(w, kind))
        put_frame(w, p, kind);
}

static bool wants_connection(const struct worker *w, uint32_t index)
{
    return w->capture_wanted == CAPTURE_SESSION && index != UINT32_MAX &&
           is_subject(w, conn_at(w, index)->session);
}

static bool wants_member(const struct worker *w, uint32_t index)
{
    if (index == MEMBER_NONE)
        return false;
    const struct voice_member *m = pool_at(voice_members(w->voice), index);
    const uint32_t room = w->index * w->region->header->geometry.rooms + m->room;
    uint64_t subject = atomic_load_explicit(&w->capture->subject, memory_order_relaxed);
    return (w->capture_wanted == CAPTURE_ROOM && room == subject) ||
           (w->capture_wanted == CAPTURE_SESSION && is_subject(w, m->session));
}

void capture_connection_(struct worker *w, const struct packet *p, const struct tcp_tuple *tuple)
{
    if (wants_all(w, CAPTURE_RX) || wants_connection(w, conn_table_find(&w->table, tuple)))
        put_frame(w, p, CAPTURE_RX);
}

void capture_sent_segment_(struct worker *w, const struct packet *p, uint32_t connection)
{
    if (wants_all(w, CAPTURE_TX) || wants_connection(w, connection))
        put_frame(w, p, CAPTURE_TX);
}

/* RTP has its SSRC at byte 8, a discovery request at byte 4. */
static uint32_t member_of_packet(const struct worker *w, const struct net_packet *n)
{
    if (n->payload_len < 12)
        return MEMBER_NONE;
    return voice_member_of(w->voice, be32(n->payload + (n->payload[0] >> 6 == 2 ? 8 : 4)));
}

void capture_voice_(struct worker *w, const struct packet *p, const struct net_packet *n)
{
    if (wants_all(w, CAPTURE_RX) || wants_member(w, member_of_packet(w, n)))
        put_frame(w, p, CAPTURE_RX);
}

void capture_sent_voice_(struct worker *w, const struct packet *p, uint32_t member)
{
    if (wants_all(w, CAPTURE_TX) || wants_member(w, member))
        put_frame(w, p, CAPTURE_TX);
}
