/*
 * A WebRTC peer: what a voice member of kind MEMBER_WEBRTC has besides (room.h); the slot has the member's
 * index. Writer: the room's core.
 *
 * No part of it belongs to a transaction. What a verb says is said again when its transaction is undone; keys
 * and what was sealed under them stand side by side and are both never undone; `keyed` is stored last.
 *
 *      free --PEER_SET--> waiting for checks --check--> DTLS --keys--> keyed (`keyed` == generation)
 *        ^------------------------- MEMBER_REMOVE, PEER_SET ------------------------/
 *
 * A receive slot is an SSRC that was announced once; whoever speaks is put into one. Indices of a slot only
 * ever grow under one key: top is stored before a packet is sealed with it.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_PEER_H
#define VOXPOP_PEER_H

#include <stdatomic.h>
#include <stdint.h>

#define PEER_SLOTS       10u
#define PEER_UFRAG       12u /* characters of ours; the first eight are the member's index, in hex */
#define PEER_PASSWORD    24u
#define PEER_FINGERPRINT 64u

enum peer_hash { PEER_SHA256 = 1, PEER_SHA384 = 2, PEER_SHA512 = 3 };

/* One announced SSRC and who is in it. */
struct peer_slot {
    uint32_t source; /* SSRC of the member heard here, 0: nobody yet */
    uint32_t ts_offset;
    uint64_t top;  /* highest index sealed (ROC << 16 | SEQ), 0: none; indices begin at 1 */
    uint64_t used; /* bit k: index top - k was sealed */
    uint64_t sent_us;
    uint32_t ts_last;  /* as sent */
    uint16_t sequence; /* of the source, at top */
    uint16_t pad;
    uint32_t packets;
    uint32_t octets;
};
_Static_assert(sizeof(struct peer_slot) == 48, "peer_slot is a published format");

struct voice_peer {
    uint32_t generation;    /* of the member that this was said of, 0: nothing was */
    _Atomic uint32_t keyed; /* the generation that the keys are of */
    uint8_t profile;        /* enum srtp_profile of dataplane/webrtc */
    uint8_t hash;           /* enum peer_hash */
    uint8_t payload_type;
    uint8_t level_id; /* of the audio level extension, 0: not negotiated */
    uint8_t slots;    /* announced */
    uint8_t pad0[3];
    uint32_t ssrc;    /* of slot 0; the others follow */
    uint32_t ssrc_in; /* of the peer's audio, 0: not heard yet */
    uint8_t ufrag[PEER_UFRAG];
    uint8_t password[PEER_PASSWORD];
    uint8_t fingerprint[PEER_FINGERPRINT]; /* of the peer's certificate */
    uint8_t key_in[32], key_out[32];
    uint8_t salt_in[14], salt_out[14];
    /* receiving: as struct srtp_window */
    uint64_t rx_top, rx_bits[2];
    uint64_t rx_rtcp_top, rx_rtcp_bits[2];
    _Atomic uint32_t rtcp_index; /* next of ours */
    uint32_t pad1;
    uint64_t checked_us; /* last authentic check */
    uint64_t nominated_us;
    struct peer_slot slot[PEER_SLOTS];
    /* what the peer reports of what it hears (RFC 3550 6.4.2) */
    uint64_t reported_us;     /* 0: nothing yet */
    uint32_t reported_loss;   /* of 65536, smoothed over the last reports */
    uint32_t reported_jitter; /* timestamp units */
    uint32_t round_trip_us;   /* 0: not known */
    uint8_t pad2[236];
};
/* The certificate that peers are shown, and its key. Made by the dataplane when there is none. */
struct peer_identity {
    _Atomic uint32_t ready; /* 1: the rest is there */
    uint16_t certificate_length, key_length;
    uint8_t fingerprint[32];  /* SHA-256 */
    uint8_t certificate[704]; /* DER */
    uint8_t key[272];         /* DER */
    uint8_t pad[8];
};
_Static_assert(sizeof(struct peer_identity) == 1024, "peer_identity is a published format");

_Static_assert(sizeof(struct voice_peer) == 1024, "peer is a published format");

#endif
