/*
 * Heartbeats that the dataplane answers itself, so that connections outlive the control plane. The recogniser
 * says yes only to a payload that it understands completely; everything else, also a heartbeat in an odd
 * form, goes to the control plane, which has a JSON parser. So a wrong "no" costs a round trip, and a wrong
 * "yes" must not exist.
 *
 * Not recognised: escapes in keys, repeated keys, keys other than those named, numbers that are not plain
 * integers, op 40, anything behind the object.
 *
 *   gateway    {"op":1,"d":N|null}   any order, with "s":null and "t":null allowed; 0 <= N <= 2^53
 *
 *   voice 8+   {"op":3,"d":{"t":T,"seq_ack":A}}   any order, seq_ack optional; 0 <= T <= 2^53,
 *              -1 <= A <= 65535
 *
 *   voice 4-7  {"op":3,"d":T}
 *
 * RFC 8259.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_WS_HEARTBEAT_H
#define VOXPOP_WS_HEARTBEAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HEARTBEAT_NONE   (-1)          /* nothing acknowledged */
#define GATEWAY_BEAT_ACK "{\"op\":11}" /* `d` is null by being absent */
#define HEARTBEAT_MAX    64u           /* bytes: no builder writes more */
#define VOICE_T_MAX      16u           /* digits of 2^53 */

struct gateway_beat {
    int64_t sequence; /* the last that the client has seen, or HEARTBEAT_NONE */
};

struct voice_beat {
    const uint8_t *t; /* the digits, in the payload; to be echoed as they are */
    uint8_t t_length; /* at most VOICE_T_MAX */
    int32_t seq_ack;  /* the last numbered message that the client has seen, or HEARTBEAT_NONE */
};

/* True when the payload of a text message is a heartbeat; only then *beat is written. */
bool gateway_beat_parse(const uint8_t *p, size_t len, struct gateway_beat *beat);
bool voice_beat_parse(const uint8_t *p, size_t len, unsigned version, struct voice_beat *beat);

/* Payloads of ours, written without NUL; each returns its length in bytes. */
size_t gateway_beat_ack(uint8_t dst[HEARTBEAT_MAX]);
size_t gateway_hello(uint8_t dst[HEARTBEAT_MAX], uint32_t heartbeat_interval_ms);
size_t voice_beat_ack(uint8_t dst[HEARTBEAT_MAX], unsigned version, const struct voice_beat *beat);
size_t voice_hello(uint8_t dst[HEARTBEAT_MAX], unsigned version, uint32_t heartbeat_interval_ms);

#endif
