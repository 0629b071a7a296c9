/*
 * Rooms with a part on several cores: an opened voice packet on its way from one worker to another, in packet
 * memory of its own, through the same rings as packets that came to the wrong core (demux.c). It looks like
 * an Ethernet frame of a type that is nobody's, so that a recording holds it like any other; one from the
 * wire is refused as such.
 *
 *      14 bytes Ethernet header | struct part | RTP header, extension, payload in the clear
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/capture/capture.h"
#include "dataplane/net/eth.h"
#include "dataplane/worker.h"

#define PART_TYPE 0x88b5u /* IEEE 802: for local experiments */

struct part {
    uint64_t channel_id;
    uint16_t text_length, extension_bytes;
    uint8_t header_length, level, flags, header_new;
};
_Static_assert(sizeof(struct part) == 16, "every byte is written");

bool parts_hand(void *user, uint32_t worker, uint64_t channel_id, const struct voice_frame *f)
{
    struct worker *w = user;
    struct packet p;
    struct part part = {channel_id, f->text_length, f->extension_bytes, f->header_length,
                        f->level,   f->flags,       f->header_new};
    if (!w->to_worker || !port_alloc(w->port, &p, 1))
        return false;
    memset(p.data, 0, ETH_HEADER);
    put_be16(p.data + 12, PART_TYPE);
    memcpy(p.data + ETH_HEADER, &part, sizeof part);
    memcpy(p.data + ETH_HEADER + sizeof part, f->data, (size_t)f->header_length + f->text_length);
    p.len = (uint16_t)(ETH_HEADER + sizeof part + f->header_length + f->text_length);
    if (spsc_push(&w->to_worker[worker], &p))
        return true;
    port_free(&p, 1);
    return false;
}

bool parts_packet(struct worker *w, struct packet *p)
{
    struct part part;
    if (p->len < ETH_HEADER + sizeof part || be16(p->data + 12) != PART_TYPE)
        return false;
    capture_frame(w, p, CAPTURE_RX);
    worker_open(w);
    if (!w->held_free_count) {
        count_drop(w->counters, DROP_VOICE_PENDING_FULL);
        port_free(p, 1);
        return true;
    }
    struct packet *held = w->held_free[--w->held_free_count];
    *held = *p;
    memcpy(&part, p->data + ETH_HEADER, sizeof part);
    struct voice_datagram d = {.arrived = w->received, .holder = held};
    struct voice_frame f = {.data = p->data + ETH_HEADER + sizeof part,
                            .sender = MEMBER_NONE,
                            .text_length = part.text_length,
                            .extension_bytes = part.extension_bytes,
                            .header_length = part.header_length,
                            .level = part.level,
                            .flags = part.flags,
                            .header_new = part.header_new};
    if (voice_offer_part(w->voice, part.channel_id, &d, &f, w->now_us) == VOICE_FORWARD)
        return true;
    w->held_free[w->held_free_count++] = held;
    port_free(p, 1);
    return true;
}
