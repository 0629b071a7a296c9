/*
 * The net layer: from a frame to a named packet and back. Pure: bytes in, a struct or a drop reason out.
 *
 * Owns: Ethernet, ARP, IPv4, IPv6, ICMP echo and errors, neighbour discovery, UDP headers, the Internet checksum, and
 * what is known of the neighbours on the link (neighbour.h). Refuses, each with its reason (drop_reason.def):
 * VLAN tags, fragments, IPv6 extension headers (but one hop-by-hop, which is skipped), sources that cannot be
 * answered, wrong checksums of IPv4, ICMP and UDP. TCP's own header and checksum are the tcp folder's
 * business (checksum.h has the pseudo header). Read first: RFC 791, RFC 8200, RFC 826, RFC 4861, RFC 768, RFC
 * 1122 3.2.
 *
 * Addresses are 16 bytes everywhere, IPv4 as ::ffff:a.b.c.d. Whether a packet is for us is the caller's
 * question: net_addresses_has(ours, packet.destination); the responders ask it themselves.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_NET_H
#define VOXPOP_NET_H

#include <stdbool.h>

#include "dataplane/base/bytes.h"
#include "dataplane/net/checksum.h"
#include "drop_reason.h"

#define NET_TTL           64 /* TTL and hop limit of what we send (RFC 1700) */
#define NET_ADDRESSES_MAX 32

#define NET_PROTOCOL_ICMP4 1
#define NET_PROTOCOL_TCP   6
#define NET_PROTOCOL_UDP   17
#define NET_PROTOCOL_ICMP6 58

enum net_class {
    NET_DROP = 0, /* see net_packet.drop */
    NET_ARP,      /* request or reply */
    NET_ICMP4,    /* echo request */
    NET_ICMP6,    /* echo request */
    NET_ICMP_ERROR, /* of either family, its checksum good: icmp_error.h */
    NET_ND,       /* neighbour solicitation or advertisement */
    NET_TCP,
    NET_UDP,
};

/* What net_parse found. Slices point into the frame. */
struct net_packet {
    enum net_class class;
    enum drop_reason drop; /* DROP_NONE unless class is NET_DROP */
    uint8_t source[16];    /* for ARP the sender's and the target's protocol address */
    uint8_t destination[16];
    uint8_t source_mac[6];
    uint8_t destination_mac[6];
    uint16_t source_port; /* TCP and UDP: 0 otherwise */
    uint16_t destination_port;
    uint8_t hop_limit; /* TTL or hop limit */
    uint8_t tos;       /* traffic class; its low two bits are ECN */
    bool is6;
    const uint8_t *l4;      /* TCP header, UDP header, ICMP message; ARP: its first byte */
    uint16_t l4_len;        /* bytes, without Ethernet padding */
    const uint8_t *payload; /* UDP: behind the header */
    uint16_t payload_len;
};

/* Looks at one frame. Returns out->class; on NET_DROP only `class` and `drop` mean anything. */
enum net_class net_parse(const uint8_t *frame, size_t len, struct net_packet *out);

/* The addresses that this box answers for on a port. Made by main from the configuration, then constant. */
struct net_addresses {
    unsigned count;
    uint8_t address[NET_ADDRESSES_MAX][16];
};

bool net_addresses_add(struct net_addresses *list, const uint8_t address[16]); /* false: full */
bool net_addresses_has(const struct net_addresses *list, const uint8_t address[16]);

/*
 * Is this TCP, UDP or echo packet for us: sent to our MAC and one of our addresses, and not from one of them?
 * DROP_NONE if so. The responders ask it themselves.
 */
enum drop_reason net_accept(const struct net_packet *p, const struct net_addresses *ours,
                            const uint8_t mac[6]);

/* Addresses as text. net_address_parse takes IPv4 and IPv6; text is at most 46 bytes with its end. */
bool net_address_parse(const char *text, uint8_t out[16]);
const char *net_address_text(const uint8_t address[16], char out[46]);

static inline bool net_address_is4(const uint8_t a[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    return memcmp(a, mapped, sizeof mapped) == 0;
}

static inline void net_address_from4(uint8_t out[16], const uint8_t in[4])
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    memcpy(out, mapped, sizeof mapped);
    memcpy(out + 12, in, 4);
}

/* May a packet from this address be answered? Refuses unspecified, loopback, multicast, broadcast. */
bool net_source_is_sane(const uint8_t address[16]);

/* The way a packet leaves: what the headers in front of the payload say. Both addresses of one family. */
struct net_path {
    uint8_t source[16];
    uint8_t destination[16];
    uint8_t source_mac[6];
    uint8_t next_hop_mac[6];
    uint8_t tos;
    uint8_t hop_limit; /* 0: NET_TTL */
};

/* Bytes of Ethernet and IP header in front of the l4 header: 34 or 54. */
static inline size_t net_header_len(const uint8_t destination[16])
{
    return net_address_is4(destination) ? 34 : 54;
}

/*
 * Writes Ethernet and IP header at `frame`, in front of `l4_len` bytes that are or will be at frame +
 * net_header_len(). Returns the frame's length. IPv4 goes out with DF and identification 0 (RFC 6864 4.1).
 * The caller has the room.
 */
size_t net_emit_ip(uint8_t *frame, const struct net_path *path, uint8_t protocol, size_t l4_len);
size_t net_emit_ip4(uint8_t *frame, const struct net_path *path, uint8_t protocol, size_t l4_len);
size_t net_emit_ip6(uint8_t *frame, const struct net_path *path, uint8_t protocol, size_t l4_len);

/*
 * The same with a UDP header and its checksum in front of `payload_len` bytes, which must already be at
 * frame + net_header_len() + 8. Returns the frame's length.
 */
size_t net_emit_udp(uint8_t *frame, const struct net_path *path, uint16_t source_port,
                    uint16_t destination_port, size_t payload_len);

/*
 * The responders turn a received frame into its answer, in place. `p` is what net_parse said of this very
 * frame; `room` is the buffer's size from frame (a neighbour advertisement may be longer than its
 * solicitation). Each returns the length of the answer; 0 means none, with the reason in *why (DROP_NONE:
 * nothing to answer, as for an ARP reply).
 */
size_t arp_reply(uint8_t *frame, size_t room, const struct net_packet *p, const struct net_addresses *ours,
                 const uint8_t mac[6], enum drop_reason *why);
size_t nd_reply(uint8_t *frame, size_t room, const struct net_packet *p, const struct net_addresses *ours,
                const uint8_t mac[6], enum drop_reason *why);
size_t icmp_echo_reply(uint8_t *frame, size_t room, const struct net_packet *p,
                       const struct net_addresses *ours, const uint8_t mac[6], enum drop_reason *why);

/*
 * What may be answered without being asked twice: a budget of answers a second, for echo replies (ICMP_RATE).
 * All zero is a full one.
 */
struct net_budget {
    uint64_t spent_us; /* the time until which the answers given have used up the rate */
};

/* May one more be sent? At most `burst` at once, and `per_second` in the long run (1 to 1000000). */
static inline bool net_budget_take(struct net_budget *b, uint32_t per_second, uint32_t burst, uint64_t now_us)
{
    uint64_t each_us = 1000000 / per_second, from = max_u64(b->spent_us, now_us);
    if (from + each_us > now_us + burst * each_us)
        return false;
    b->spent_us = from + each_us;
    return true;
}

/*
 * Questions to the link: who has `target`? Asked from `source`, one of ours of the same family. Return the
 * frame's length (42 or 86).
 */
size_t arp_request(uint8_t *frame, const uint8_t source[16], const uint8_t mac[6], const uint8_t target[16]);
size_t nd_solicit(uint8_t *frame, const uint8_t source[16], const uint8_t mac[6], const uint8_t target[16]);
size_t net_solicit(uint8_t *frame, const uint8_t source[16], const uint8_t mac[6], const uint8_t target[16]);

#endif
