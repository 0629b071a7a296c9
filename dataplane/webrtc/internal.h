/*
 * What the files of dataplane/webrtc share beside the cores. Known to this folder alone.
 *
 *   webrtc.c    beginning and end; the verb; whose datagram it is; the outbox
 *   ice.c       checks, verified addresses, consent          association.c  DTLS, and when flights go out
 * again media.c     SRTP and SRTCP in; sealing for receivers     reports.c      RTCP out cores, without any
 * of this: stun.c srtp.c rtp.c rtcp.c slots.c dtls.c identity.c; helper.c: the thread
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_WEBRTC_INTERNAL_H
#define VOXPOP_WEBRTC_INTERNAL_H

#include "dataplane/base/bytes.h"
#include "dataplane/base/map.h"
#include "dataplane/webrtc/srtp.h"
#include "dataplane/webrtc/webrtc.h"

#define OUTBOX           256u
#define VERIFIED_MAX     4u   /* addresses of one peer */
#define CHECKS_PER_S     100u /* of one peer, before their integrity is looked at */
#define HANDSHAKES_PER_S 100u /* DTLS datagrams of one peer */
#define SECOND_US        1000000u

/* Where datagrams of a peer come from and go to. */
struct address {
    uint8_t peer_ip[16], local_ip[16];
    uint16_t peer_port, local_port;
};

/* What this process knows of a peer besides the region. */
struct peer_own {
    struct srtp_session in, out; /* of the keys in the region, while keyed */
    bool active;
    bool begun; /* an association is the helper's */
    uint32_t active_at;
    uint64_t handle;     /* of the association */
    struct address dtls; /* where its flights go */
    uint64_t again_us;   /* the flight goes out again; 0: never */
    uint64_t again_after_us;
    uint32_t again_count;
    struct address verified[VERIFIED_MAX];
    uint8_t verified_count, verified_next;
    uint64_t rate_start_us;
    uint32_t checks, handshakes; /* in the running second */
    uint64_t report_us;          /* the next report is due */
    uint64_t sender_us;          /* a sender report of the peer came */
    uint32_t sender_ntp;
    uint32_t lost_before; /* as of our last report */
    uint64_t top_before;
};

struct webrtc {
    struct webrtc_env env;
    struct voice_transport transport;
    struct peer_own *own; /* by member; pages come with use */
    struct map by_address;
    uint32_t *active; /* members that are peers */
    uint32_t active_count;
    uint32_t cursor; /* in `active`, of what time brings */
    uint64_t visited_us;
    uint64_t now_us;
    uint32_t serial; /* of associations */
    struct webrtc_datagram *outbox;
    uint32_t outbox_head, outbox_tail; /* never reduced; modulo OUTBOX */
};

static inline struct voice_member *member_of(const struct webrtc *w, uint32_t i)
{
    return pool_at(w->env.members, i);
}

static inline struct voice_peer *peer_of(const struct webrtc *w, uint32_t i)
{
    return &w->env.peers[i];
}

static inline bool peer_keyed(const struct voice_peer *p)
{
    return p->generation && atomic_load_explicit(&p->keyed, memory_order_relaxed) == p->generation;
}

/* webrtc.c */
void refuse(struct webrtc *w, enum drop_reason why);
void address_from(struct address *a, const struct voice_datagram *d);
bool address_equal(const struct address *a, const struct address *b);
/* The peer that has verified this address, or MEMBER_NONE. */
uint32_t peer_at(const struct webrtc *w, const struct voice_datagram *d);
void address_learn(struct webrtc *w, uint32_t i, const struct voice_datagram *d);
/* Memory for a datagram to `a`; its length is set by the caller. NULL: the outbox is full (counted). */
struct webrtc_datagram *outbox_put(struct webrtc *w, const struct address *a);
/* The chosen address of a peer; false: it has none. */
bool address_bound(const struct webrtc *w, uint32_t i, struct address *a);
/* One more in the running second of this peer; false: too many. */
bool rate_allows(struct webrtc *w, uint32_t i, uint32_t *count, uint32_t max);

/* ice.c */
void ice_input(struct webrtc *w, const struct voice_datagram *d);
void ice_tick(struct webrtc *w, uint32_t i);

/* association.c */
void association_input(struct webrtc *w, uint32_t i, const struct voice_datagram *d);
unsigned association_poll(struct webrtc *w);
void association_tick(struct webrtc *w, uint32_t i);
void association_end(struct webrtc *w, uint32_t i);

/* media.c */
void media_expand(struct webrtc *w, uint32_t i);
enum voice_verdict media_input(struct webrtc *w, uint32_t i, const struct voice_datagram *d);
void media_control(struct webrtc *w, uint32_t i, const struct voice_datagram *d);
uint16_t media_length(void *user, uint32_t member, const struct voice_frame *f);
enum voice_step media_seal(void *user, uint32_t member, const struct voice_frame *f, uint8_t *payload,
                           struct aead_seal *job);

/* reports.c */
void report_tick(struct webrtc *w, uint32_t i);
void report_bye(struct webrtc *w, uint32_t i);

#endif
