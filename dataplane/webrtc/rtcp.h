/*
 * The RTCP that audio needs: sender and receiver reports, SDES with a CNAME, BYE; and what of a peer's is of
 * use.
 *
 * Pure. A compound packet is parsed whole or refused: lengths must add up, the first is a report (RFC 3550
 * 6.1), or any with RFC 5506. Feedback, applications' and unknown packets are passed over.
 *
 * Read first: RFC 3550 6, RFC 5506.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_WEBRTC_RTCP_H
#define VOXPOP_WEBRTC_RTCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RTCP_REPORTS_MAX 31u
#define RTCP_CNAME_MAX   32u

struct rtcp_block {
    uint32_t ssrc;
    uint8_t fraction; /* lost since the last report, of 256 */
    int32_t lost;     /* in all, 24 bits */
    uint32_t highest; /* extended sequence number */
    uint32_t jitter;
    uint32_t lsr, dlsr; /* middle of the last SR's NTP time; since then, in 1/65536 s */
};

struct rtcp_sender {
    uint32_t ssrc;
    uint64_t ntp;
    uint32_t timestamp, packets, octets;
};

/* What a compound packet of a peer says. */
struct rtcp_heard {
    bool has_sender, bye;
    struct rtcp_sender sender; /* the last SR */
    uint8_t blocks;
    struct rtcp_block block[RTCP_REPORTS_MAX]; /* of all reports */
};

bool rtcp_hear(const uint8_t *p, size_t len, struct rtcp_heard *out);

/* Each writes one packet and returns its length. `block` NULL: without a report block. */
size_t rtcp_sender_put(uint8_t *out, const struct rtcp_sender *s, const struct rtcp_block *block);
size_t rtcp_receiver_put(uint8_t *out, uint32_t ssrc, const struct rtcp_block *block);
size_t rtcp_cname_put(uint8_t *out, uint32_t ssrc, const char *cname); /* at most RTCP_CNAME_MAX characters */
size_t rtcp_bye_put(uint8_t *out, uint32_t ssrc);

/* NTP time of a clock in microseconds (its era is the clock's). */
uint64_t rtcp_ntp(uint64_t us);

#endif
