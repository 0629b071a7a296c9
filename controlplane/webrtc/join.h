/*
 * Joining a voice room by WebRTC: the voice gateway's protocol "webrtc" (reference/webrtc.md 1). Media is the
 * dataplane's; here an offer is answered and the worker told of the peer.
 *
 * The client may send a whole offer, and gets a whole answer, or the fragment that unmodified clients send.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_WEBRTC_JOIN_H
#define VOXPOP_WEBRTC_JOIN_H

#include "controlplane/voice/voice.h"
#include "controlplane/webrtc/sdp.h"

#define PEER_SSRC 0x56500001u /* of every peer's slot 0: SSRCs are a peer's own */

/*
 * Op 1 with protocol "webrtc": the slot's member becomes a peer, its client is sent op 4. `ip`: the address
 * of ours that this client reaches. False: the connection was closed, its offer is not one.
 */
bool peer_select(struct control *c, uint32_t slot, const json_t *d);

/*
 * Makes the slot's member a peer of this offer, and the answer to it. NULL: done; else why not. The member
 * must have been set with kind MEMBER_WEBRTC.
 */
const char *peer_join(struct control *c, uint32_t slot, const struct sdp_offer *o, const struct sdp_agreed *a,
                      const char *ip, char answer[SDP_ANSWER_MAX]);

/* Its ICE begins anew, with the fragment that its client sent; media goes on meanwhile. NULL: done. */
const char *peer_restart(struct control *c, uint32_t slot, const struct sdp_offer *fragment, const char *ip,
                         char answer[SDP_ANSWER_MAX]);

/* Does the dataplane have a certificate to show? Without it nobody can join. */
bool peer_possible(const struct control *c);

#endif
