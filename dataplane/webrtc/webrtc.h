/*
 * WebRTC peers on one core: members of kind MEMBER_WEBRTC, carried for dataplane/voice (struct
 * voice_transport).
 *
 * Owns: connectivity checks of an ICE-lite agent and consent, addresses that a check has verified, DTLS
 * associations (through the helper thread), SRTP and SRTCP, receive slots, reports. What lasts is in the
 * region (include/peer.h); derived keys, addresses besides the chosen one and handshakes under way are this
 * process's. Refuses, each by its reason: checks for nobody, without integrity, too many; DTLS from an
 * address that no check has verified; media before keys, replayed, of another payload type or SSRC.
 *
 * Nothing is sent from here: datagrams go to an outbox, which the worker empties after the commit. To an
 * address that is not verified goes only an answer, never longer than the question.
 *
 * Read first: include/peer.h, RFC 8445 2.7, RFC 7675, RFC 7983, RFC 5764, reference/webrtc.md.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_WEBRTC_H
#define VOXPOP_WEBRTC_H

#include "dataplane/voice/voice.h"
#include "dataplane/webrtc/helper.h"
#include "peer.h"

#define WEBRTC_DATAGRAM_MAX 1400u
#define WEBRTC_CONSENT_US   30000000u /* RFC 7675: without a check for so long, nothing is sent */

struct webrtc;

struct webrtc_env {
    struct voice *voice;
    struct pool *members;     /* of this core */
    struct voice_peer *peers; /* as many */
    struct counters *counters;
    struct dtls_helper *helper;
    uint32_t worker;
    uint8_t hash_key[16]; /* of addresses */
};

/* Takes over what the region has. NULL: no memory. Sets itself as the transport of its kind. */
struct webrtc *webrtc_new(const struct webrtc_env *env, uint64_t now_us);
void webrtc_free(struct webrtc *w);

/* The verb PEER_SET, behind the MEMBER_SET of the same member. False: refused (counted). */
bool webrtc_peer_set(struct webrtc *w, const struct verb_peer *verb);

/* Within the transaction, once an iteration: what the helper made, and what time brings. Returns how much was
 * done. */
unsigned webrtc_poll(struct webrtc *w, uint64_t now_us);

struct webrtc_datagram {
    uint8_t peer_ip[16], local_ip[16];
    uint16_t peer_port, local_port;
    uint16_t length;
    uint8_t bytes[WEBRTC_DATAGRAM_MAX];
};

/* After the commit: the next datagram to send, or NULL. Valid until the next call. */
const struct webrtc_datagram *webrtc_next(struct webrtc *w);

/* Peers of this core. */
uint32_t webrtc_count(const struct webrtc *w);

#endif
