/*
 * Parse, emit and answer, against frames of a real kernel and against what RFCs forbid.
 *
 * Frames under test end at an unreadable page: reading past the end is a crash, not a guess.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "dataplane/net/nd.h"
#include "dataplane/net/net.h"
#include "frames.h"

#define AREA      4096u
#define FRAME_MAX 2048u

static uint8_t *edge; /* the first unreadable byte */
static struct net_packet p;
static struct net_addresses ours;
static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t their_mac[6] = {2, 0, 0, 0, 0, 2};
static uint8_t our4[16], our6[16], their4[16], their6[16];

static int set_up_all(void **state)
{
    uint8_t *area = mmap(NULL, 2 * AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (area == MAP_FAILED || mprotect(area + AREA, AREA, PROT_NONE))
        return -1;
    edge = area + AREA;
    net_address_parse("198.18.70.1", our4);
    net_address_parse("fd00:18:70::1", our6);
    net_address_parse("198.18.70.2", their4);
    net_address_parse("fd00:18:70::2", their6);
    net_addresses_add(&ours, our4);
    net_addresses_add(&ours, our6);
    return 0;
}

/* A copy of a frame that ends at the edge, to be changed and parsed. */
static uint8_t *place(const uint8_t *frame, size_t len)
{
    memcpy(edge - len, frame, len);
    return edge - len;
}

#define PLACE(name) place(frame_##name, sizeof frame_##name)

static enum net_class parse(const uint8_t *frame)
{
    return net_parse(frame, (size_t)(edge - frame), &p);
}

#define assert_dropped(frame, reason)                                                                        \
    do {                                                                                                     \
        assert_int_equal(parse(frame), NET_DROP);                                                            \
        assert_string_equal(drop_reason_name(p.drop), #reason);                                              \
    } while (0)

static void fix_ip4(uint8_t *f)
{
    put_be16(f + 24, 0);
    put_be16(f + 24, checksum(f + 14, (f[14] & 15u) * 4));
}

/* ---- what kernels send ---- */

static void kernels_datagrams_are_read(void **state)
{
    uint8_t *f = PLACE(udp4);
    assert_int_equal(parse(f), NET_UDP);
    assert_false(p.is6);
    assert_memory_equal(p.source, their4, 16);
    assert_memory_equal(p.destination, our4, 16);
    assert_memory_equal(p.source_mac, their_mac, 6);
    assert_memory_equal(p.destination_mac, our_mac, 6);
    assert_int_equal(p.destination_port, 5000);
    assert_int_equal(p.hop_limit, 64);
    assert_int_equal(p.payload_len, 5);
    assert_ptr_equal(p.payload, f + 42);
    assert_int_equal(p.l4_len, 13);
    f = PLACE(udp6);
    assert_int_equal(parse(f), NET_UDP);
    assert_true(p.is6);
    assert_memory_equal(p.source, their6, 16);
    assert_memory_equal(p.destination, our6, 16);
    assert_int_equal(p.destination_port, 5000);
    assert_ptr_equal(p.payload, f + 62);
}

static void kernels_tcp_segments_are_handed_on_whole(void **state)
{
    uint8_t *f = PLACE(tcp4_syn);
    assert_int_equal(parse(f), NET_TCP);
    assert_int_equal(p.destination_port, 443);
    assert_ptr_equal(p.l4, f + 34);
    assert_int_equal(p.l4_len, 40);
    assert_int_equal(checksum_fold(checksum_add(checksum_pseudo(p.source, p.destination, 6, 40), p.l4, 40)),
                     0);
    f = PLACE(tcp6_syn);
    assert_int_equal(parse(f), NET_TCP);
    assert_int_equal(p.l4_len, 40);
    assert_int_equal(checksum_fold(checksum_add(checksum_pseudo(p.source, p.destination, 6, 40), p.l4, 40)),
                     0);
}

static void ethernet_padding_is_not_payload(void **state)
{
    uint8_t b[60], *f;
    memset(b, 0xee, sizeof b);
    memcpy(b, frame_udp4, sizeof frame_udp4);
    f = place(b, sizeof b);
    assert_int_equal(parse(f), NET_UDP);
    assert_int_equal(p.payload_len, 5);
}

static void every_shortened_frame_is_dropped_with_a_reason(void **state)
{
    static const struct {
        const uint8_t *frame;
        size_t len;
    } all[] = {{frame_arp_request, sizeof frame_arp_request},
               {frame_echo4_request, sizeof frame_echo4_request},
               {frame_udp4, sizeof frame_udp4},
               {frame_tcp4_syn, sizeof frame_tcp4_syn},
               {frame_nd_solicit, sizeof frame_nd_solicit},
               {frame_echo6_request, sizeof frame_echo6_request},
               {frame_udp6, sizeof frame_udp6},
               {frame_tcp6_syn, sizeof frame_tcp6_syn}};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
        assert_int_not_equal(parse(place(all[i].frame, all[i].len)), NET_DROP);
        for (size_t len = 0; len < all[i].len; len++) {
            assert_int_equal(parse(place(all[i].frame, len)), NET_DROP);
            assert_int_not_equal(p.drop, DROP_NONE);
        }
    }
}

static void every_flipped_bit_of_a_checked_header_is_noticed(void **state)
{
    for (unsigned bit = 0; bit < 8 * (sizeof frame_udp4 - 14); bit++) {
        uint8_t *f = PLACE(udp4);
        f[14 + bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(parse(f), NET_DROP);
    }
    for (unsigned bit = 0; bit < 8 * (sizeof frame_echo6_request - 54); bit++) {
        uint8_t *f = PLACE(echo6_request);
        f[54 + bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_int_equal(parse(f), NET_DROP);
    }
}

/* ---- answers equal the kernel's ---- */

static void arp_reply_equals_the_kernels(void **state)
{
    uint8_t *f = PLACE(arp_request);
    enum drop_reason why;
    assert_int_equal(parse(f), NET_ARP);
    assert_memory_equal(p.source, their4, 16);
    assert_memory_equal(p.destination, our4, 16);
    assert_int_equal(arp_reply(f, 42, &p, &ours, our_mac, &why), sizeof frame_arp_reply);
    assert_int_equal(why, DROP_NONE);
    assert_memory_equal(f, frame_arp_reply, sizeof frame_arp_reply);
}

static void nd_reply_equals_the_kernels(void **state)
{
    uint8_t *f = PLACE(nd_solicit);
    enum drop_reason why;
    assert_int_equal(parse(f), NET_ND);
    assert_int_equal(nd_reply(f, 86, &p, &ours, our_mac, &why), sizeof frame_nd_advertise);
    assert_memory_equal(f, frame_nd_advertise, sizeof frame_nd_advertise);
}

static void questions_to_the_link_equal_the_kernels(void **state)
{
    uint8_t f[FRAME_MAX];
    assert_int_equal(net_solicit(f, their4, their_mac, our4), sizeof frame_arp_request);
    assert_memory_equal(f, frame_arp_request, sizeof frame_arp_request);
    assert_int_equal(net_solicit(f, their6, their_mac, our6), sizeof frame_nd_solicit);
    assert_memory_equal(f, frame_nd_solicit, sizeof frame_nd_solicit);
}

static void echo_replies_carry_the_kernels_message(void **state)
{
    uint8_t *f = PLACE(echo4_request);
    enum drop_reason why;
    assert_int_equal(parse(f), NET_ICMP4);
    assert_int_equal(icmp_echo_reply(f, 62, &p, &ours, our_mac, &why), sizeof frame_echo4_reply);
    assert_memory_equal(f, frame_echo4_reply, 18);
    assert_memory_equal(f + 26, frame_echo4_reply + 26, sizeof frame_echo4_reply - 26);
    assert_int_equal(checksum(f + 14, 20), 0);
    f = PLACE(echo6_request);
    assert_int_equal(parse(f), NET_ICMP6);
    assert_int_equal(icmp_echo_reply(f, 82, &p, &ours, our_mac, &why), sizeof frame_echo6_reply);
    assert_memory_equal(f + 18, frame_echo6_reply + 18, sizeof frame_echo6_reply - 18);
    assert_int_equal(f[14], 0x60);
}

static void echo_with_options_is_answered_without_them(void **state)
{
    uint8_t f[FRAME_MAX], plain[sizeof frame_echo4_reply];
    enum drop_reason why;
    size_t len = sizeof frame_echo4_request;
    memcpy(plain, frame_echo4_request, len);
    assert_int_equal(net_parse(plain, len, &p), NET_ICMP4);
    assert_int_equal(icmp_echo_reply(plain, len, &p, &ours, our_mac, &why), len);
    memcpy(f, frame_echo4_request, 34);
    memcpy(f + 34, (uint8_t[]){7, 7, 4, 0, 0, 0, 0, 0}, 8); /* record route */
    memcpy(f + 42, frame_echo4_request + 34, len - 34);
    f[14] = 0x47;
    put_be16(f + 16, (uint16_t)(len - 14 + 8));
    fix_ip4(f);
    assert_int_equal(net_parse(f, len + 8, &p), NET_ICMP4);
    assert_int_equal(icmp_echo_reply(f, sizeof f, &p, &ours, our_mac, &why), len);
    assert_memory_equal(f, plain, len);
}

static void questions_for_others_are_not_answered(void **state)
{
    enum drop_reason why;
    struct net_addresses nobody = {0};
    uint8_t *f = PLACE(arp_request);
    parse(f);
    assert_int_equal(arp_reply(f, 42, &p, &nobody, our_mac, &why), 0);
    assert_int_equal(why, DROP_ARP_NOT_OURS);
    f = PLACE(nd_solicit);
    parse(f);
    assert_int_equal(nd_reply(f, 86, &p, &nobody, our_mac, &why), 0);
    assert_int_equal(why, DROP_ND_NOT_OURS);
    f = PLACE(echo4_request);
    parse(f);
    assert_int_equal(icmp_echo_reply(f, 62, &p, &nobody, our_mac, &why), 0);
    assert_int_equal(why, DROP_IP_NOT_OURS);
    assert_int_equal(icmp_echo_reply(f, 62, &p, &ours, their_mac, &why), 0); /* a frame for another station */
    assert_int_equal(why, DROP_ETH_NOT_OURS);
    assert_memory_equal(f, frame_echo4_request, sizeof frame_echo4_request);
}

static void replies_are_not_answered(void **state)
{
    enum drop_reason why;
    uint8_t *f = PLACE(arp_reply);
    struct net_addresses theirs = {0};
    net_addresses_add(&theirs, their4);
    net_addresses_add(&theirs, their6);
    assert_int_equal(parse(f), NET_ARP);
    assert_int_equal(arp_reply(f, 42, &p, &theirs, their_mac, &why), 0);
    assert_int_equal(why, DROP_NONE);
    f = PLACE(nd_advertise);
    assert_int_equal(parse(f), NET_ND);
    assert_int_equal(nd_reply(f, 86, &p, &theirs, their_mac, &why), 0);
    assert_int_equal(why, DROP_NONE);
    assert_dropped(PLACE(echo4_reply), ICMP_TYPE);
    assert_dropped(PLACE(echo6_reply), ICMP_TYPE);
}

static void station_that_claims_our_address_is_not_answered(void **state)
{
    enum drop_reason why;
    uint8_t *f = PLACE(arp_request);
    memcpy(f + 28, our4 + 12, 4); /* "who has 198.18.70.1? Tell 198.18.70.1": an announcement */
    assert_int_equal(parse(f), NET_ARP);
    assert_int_equal(arp_reply(f, 42, &p, &ours, our_mac, &why), 0);
    assert_int_equal(why, DROP_ADDRESS_CONFLICT);
    f = PLACE(arp_reply);
    assert_int_equal(parse(f), NET_ARP);
    assert_int_equal(arp_reply(f, 42, &p, &ours, our_mac, &why), 0);
    assert_int_equal(why, DROP_ADDRESS_CONFLICT);
    f = PLACE(nd_advertise);
    assert_int_equal(parse(f), NET_ND);
    assert_int_equal(nd_reply(f, 86, &p, &ours, our_mac, &why), 0);
    assert_int_equal(why, DROP_ADDRESS_CONFLICT);
}

static void packet_from_our_own_address_is_refused(void **state)
{
    struct net_addresses both = ours;
    net_addresses_add(&both, their4);
    net_addresses_add(&both, their6);
    parse(PLACE(udp4));
    assert_int_equal(net_accept(&p, &ours, our_mac), DROP_NONE);
    assert_int_equal(net_accept(&p, &both, our_mac), DROP_IP4_SOURCE);
    parse(PLACE(udp6));
    assert_int_equal(net_accept(&p, &both, our_mac), DROP_IP6_SOURCE);
}

static void duplicate_address_detection_of_our_address_is_told_to_all(void **state)
{
    uint8_t target[16], *f = PLACE(nd_duplicate);
    enum drop_reason why;
    struct nd_message m;
    struct net_addresses theirs = {0};
    net_address_parse("fe80::ff:fe00:2", target);
    net_addresses_add(&theirs, target);
    assert_int_equal(parse(f), NET_ND);
    size_t len = nd_reply(f, 86, &p, &theirs, our_mac, &why);
    assert_int_equal(len, 86);
    assert_int_equal(parse(f), NET_ND);
    assert_memory_equal(p.destination_mac, ((uint8_t[]){0x33, 0x33, 0, 0, 0, 1}), 6);
    assert_int_equal(p.destination[0], 0xff);
    assert_int_equal(nd_of_packet(&p, &m), DROP_NONE);
    assert_false(m.is_solicit);
    assert_false(m.solicited);
    assert_true(m.override);
    assert_memory_equal(m.target, target, 16);
}

/* ---- what is refused ---- */

static void ethernet_is_strict(void **state)
{
    uint8_t *f = PLACE(udp4);
    put_be16(f + 12, 0x8100);
    assert_dropped(f, ETH_TYPE);
    put_be16(f + 12, 46); /* an IEEE 802.3 length */
    assert_dropped(f, ETH_TYPE);
    f = PLACE(udp4);
    f[6] |= 1;
    assert_dropped(f, ETH_SOURCE);
}

static void ip4_fragments_and_reserved_bits_are_refused(void **state)
{
    uint8_t *f = PLACE(udp4);
    put_be16(f + 20, 0x2000);
    fix_ip4(f);
    assert_dropped(f, IP4_FRAGMENT);
    put_be16(f + 20, 1);
    fix_ip4(f);
    assert_dropped(f, IP4_FRAGMENT);
    put_be16(f + 20, 0x8000);
    fix_ip4(f);
    assert_dropped(f, IP4_HEADER);
    put_be16(f + 20, 0x4000);
    fix_ip4(f);
    assert_int_equal(parse(f), NET_UDP);
}

static void ip4_lengths_must_agree(void **state)
{
    uint8_t *f = PLACE(udp4);
    f[14] = 0x44;
    assert_dropped(f, IP4_HEADER);
    f = PLACE(udp4);
    put_be16(f + 16, be16(f + 16) + 1);
    fix_ip4(f);
    assert_dropped(f, IP4_SHORT);
    put_be16(f + 16, 19);
    fix_ip4(f);
    assert_dropped(f, IP4_HEADER);
    f = PLACE(udp4);
    f[14] = 0x65;
    assert_dropped(f, IP4_HEADER);
}

static void ip4_options_are_skipped(void **state)
{
    uint8_t b[FRAME_MAX], *f;
    memcpy(b, frame_udp4, 34);
    memcpy(b + 34, (uint8_t[]){148, 4, 0, 0}, 4);
    memcpy(b + 38, frame_udp4 + 34, sizeof frame_udp4 - 34);
    b[14] = 0x46;
    put_be16(b + 16, be16(b + 16) + 4);
    fix_ip4(b);
    f = place(b, sizeof frame_udp4 + 4);
    assert_int_equal(parse(f), NET_UDP);
    assert_int_equal(p.payload_len, 5);
    assert_ptr_equal(p.payload, f + 46);
}

static void sources_that_cannot_be_answered_are_refused(void **state)
{
    static const char *const four[] = {"0.0.0.0",         "0.1.2.3",   "127.0.0.1",  "224.0.0.1",
                                       "255.255.255.255", "240.0.0.1", "198.18.70.1"};
    static const char *const six[] = {"::1", "::", "ff02::1", "::ffff:198.18.70.2", "fd00:18:70::1"};
    uint8_t a[16];
    for (unsigned i = 0; i < sizeof four / sizeof *four; i++) {
        uint8_t *f = PLACE(tcp4_syn);
        net_address_parse(four[i], a);
        memcpy(f + 26, a + 12, 4);
        fix_ip4(f);
        assert_dropped(f, IP4_SOURCE);
    }
    for (unsigned i = 0; i < sizeof six / sizeof *six; i++) {
        uint8_t *f = PLACE(tcp6_syn);
        net_address_parse(six[i], a);
        memcpy(f + 22, a, 16);
        assert_dropped(f, IP6_SOURCE);
    }
}

static void ip6_destination_that_passes_for_ip4_is_refused(void **state)
{
    uint8_t *f = PLACE(tcp6_syn);
    memcpy(f + 38, our4, 16);
    assert_dropped(f, IP_NOT_OURS);
}

/* A copy of the UDP frame with extension headers between. */
static uint8_t *with_extension(uint8_t first, const uint8_t *bytes, size_t len)
{
    uint8_t b[FRAME_MAX];
    memcpy(b, frame_udp6, 54);
    memcpy(b + 54, bytes, len);
    memcpy(b + 54 + len, frame_udp6 + 54, sizeof frame_udp6 - 54);
    b[20] = first;
    put_be16(b + 18, (uint16_t)(be16(b + 18) + len));
    return place(b, sizeof frame_udp6 + len);
}

static void one_hop_by_hop_header_is_skipped(void **state)
{
    assert_int_equal(parse(with_extension(0, (uint8_t[]){17, 0, 1, 4, 0, 0, 0, 0}, 8)), NET_UDP); /* PadN */
    assert_int_equal(p.payload_len, 5);
    assert_int_equal(parse(with_extension(0, (uint8_t[]){17, 0, 5, 2, 0, 0, 0, 0}, 8)),
                     NET_UDP); /* router alert */
    assert_dropped(PLACE(mld_hop_by_hop), ICMP_TYPE);
}

static void other_extension_headers_are_refused(void **state)
{
    static const uint8_t types[] = {43, 44, 51, 60, 135, 139, 140};
    for (unsigned i = 0; i < sizeof types; i++)
        assert_dropped(with_extension(types[i], (uint8_t[]){17, 0, 1, 4, 0, 0, 0, 0}, 8), IP6_EXTENSION);
    assert_dropped(with_extension(0, (uint8_t[]){0, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0}, 16),
                   IP6_EXTENSION);
    /* an option that must not be skipped (jumbo payload), and one that is cut off */
    assert_dropped(with_extension(0, (uint8_t[]){17, 0, 0xc2, 4, 0, 0, 0, 0}, 8), IP6_EXTENSION);
    assert_dropped(with_extension(0, (uint8_t[]){17, 0, 1, 5, 0, 0, 0, 0}, 8), IP6_EXTENSION);
    /* a header longer than the packet */
    assert_dropped(with_extension(0, (uint8_t[]){17, 9, 1, 4, 0, 0, 0, 0}, 8), IP6_SHORT);
}

static void udp_length_and_checksum_are_checked(void **state)
{
    uint8_t *f = PLACE(udp4);
    put_be16(f + 38, 7);
    assert_dropped(f, UDP_SHORT);
    put_be16(f + 38, 14);
    assert_dropped(f, UDP_SHORT);
    f = PLACE(udp4);
    put_be16(f + 40, 0); /* IPv4 may leave the checksum out … */
    assert_int_equal(parse(f), NET_UDP);
    f = PLACE(udp6);
    put_be16(f + 60, 0); /* … IPv6 may not */
    assert_dropped(f, UDP_CHECKSUM);
}

static void other_protocols_are_refused(void **state)
{
    uint8_t *f = PLACE(udp4);
    f[23] = 47;
    fix_ip4(f);
    assert_dropped(f, IP_PROTOCOL);
    f = PLACE(udp6);
    f[20] = 59;
    assert_dropped(f, IP_PROTOCOL);
    f[20] = 1; /* IPv4's ICMP in IPv6 */
    assert_dropped(f, IP_PROTOCOL);
}

static void arp_is_strict(void **state)
{
    static const uint8_t broken[][2] = {{15, 6}, {16, 9}, {18, 7}, {19, 5}, {21, 3}, {22, 1}};
    for (unsigned i = 0; i < sizeof broken / 2; i++) {
        uint8_t *f = PLACE(arp_request);
        f[broken[i][0]] = broken[i][1];
        assert_dropped(f, ARP_MALFORMED);
    }
    uint8_t *f = PLACE(arp_request);
    memset(f + 28, 0, 4); /* a probe: is my address free? */
    assert_int_equal(parse(f), NET_ARP);
    put_be16(f + 20, 2);
    assert_dropped(f, ARP_MALFORMED);
    f = PLACE(arp_request);
    f[28] = 224;
    assert_dropped(f, ARP_MALFORMED);
}

/* Makes the checksum of an ICMPv6 message right again. */
static void fix_icmp6(uint8_t *f)
{
    uint16_t len = be16(f + 18);
    put_be16(f + 56, 0);
    put_be16(f + 56, checksum_fold(checksum_add(checksum_pseudo(f + 22, f + 38, 58, len), f + 54, len)));
}

static void nd_is_strict(void **state)
{
    uint8_t *f = PLACE(nd_solicit);
    f[21] = 254; /* a router forwarded it */
    assert_dropped(f, ND_MALFORMED);
    f = PLACE(nd_solicit);
    f[55] = 1;
    fix_icmp6(f);
    assert_dropped(f, ND_MALFORMED);
    f = PLACE(nd_solicit);
    f[79] = 0; /* an option of no length */
    fix_icmp6(f);
    assert_dropped(f, ND_MALFORMED);
    f[79] = 2; /* one that is cut off */
    fix_icmp6(f);
    assert_dropped(f, ND_MALFORMED);
    f = PLACE(nd_solicit);
    f[62] = 0xff; /* a group as target */
    fix_icmp6(f);
    assert_dropped(f, ND_MALFORMED);
    f = PLACE(nd_solicit);
    f[80] |= 1; /* a group as link-layer address */
    fix_icmp6(f);
    assert_dropped(f, ND_MALFORMED);
    f = PLACE(nd_solicit);
    memset(f + 22, 0, 16); /* unspecified source with a link-layer address */
    fix_icmp6(f);
    assert_dropped(f, ND_MALFORMED);
    f = PLACE(nd_advertise);
    f[38] = 0xff; /* solicited, yet to a group */
    fix_icmp6(f);
    assert_dropped(f, ND_MALFORMED);
    f = PLACE(nd_solicit);
    f[70] ^= 1;
    assert_dropped(f, ICMP_CHECKSUM);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(kernels_datagrams_are_read),
        cmocka_unit_test(kernels_tcp_segments_are_handed_on_whole),
        cmocka_unit_test(ethernet_padding_is_not_payload),
        cmocka_unit_test(every_shortened_frame_is_dropped_with_a_reason),
        cmocka_unit_test(every_flipped_bit_of_a_checked_header_is_noticed),
        cmocka_unit_test(arp_reply_equals_the_kernels),
        cmocka_unit_test(nd_reply_equals_the_kernels),
        cmocka_unit_test(questions_to_the_link_equal_the_kernels),
        cmocka_unit_test(echo_replies_carry_the_kernels_message),
        cmocka_unit_test(echo_with_options_is_answered_without_them),
        cmocka_unit_test(questions_for_others_are_not_answered),
        cmocka_unit_test(replies_are_not_answered),
        cmocka_unit_test(station_that_claims_our_address_is_not_answered),
        cmocka_unit_test(packet_from_our_own_address_is_refused),
        cmocka_unit_test(duplicate_address_detection_of_our_address_is_told_to_all),
        cmocka_unit_test(ethernet_is_strict),
        cmocka_unit_test(ip4_fragments_and_reserved_bits_are_refused),
        cmocka_unit_test(ip4_lengths_must_agree),
        cmocka_unit_test(ip4_options_are_skipped),
        cmocka_unit_test(sources_that_cannot_be_answered_are_refused),
        cmocka_unit_test(ip6_destination_that_passes_for_ip4_is_refused),
        cmocka_unit_test(one_hop_by_hop_header_is_skipped),
        cmocka_unit_test(other_extension_headers_are_refused),
        cmocka_unit_test(udp_length_and_checksum_are_checked),
        cmocka_unit_test(other_protocols_are_refused),
        cmocka_unit_test(arp_is_strict),
        cmocka_unit_test(nd_is_strict),
    };
    return cmocka_run_group_tests_name("net", tests, set_up_all, NULL);
}
