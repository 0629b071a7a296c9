/*
 * What is emitted is what is parsed; checksums against their definition; addresses as text.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/net/arp.h"
#include "dataplane/net/icmp.h"
#include "dataplane/net/nd.h"
#include "dataplane/net/net.h"

#define FRAME_MAX 2048u

static struct net_packet p;
static const uint8_t our_mac[6] = {2, 0, 0, 0, 0, 1};
static const uint8_t their_mac[6] = {2, 0, 0, 0, 0, 2};
static uint8_t our4[16], our6[16], their4[16], their6[16];

static int set_up_all(void **state)
{
    net_address_parse("198.18.70.1", our4);
    net_address_parse("fd00:18:70::1", our6);
    net_address_parse("198.18.70.2", their4);
    net_address_parse("fd00:18:70::2", their6);
    return 0;
}

static void datagram_emitted_is_the_datagram_parsed(void **state)
{
    for (size_t len = 0; len <= 1400; len += 1 + len / 3) {
        for (unsigned six = 0; six < 2; six++) {
            uint8_t f[FRAME_MAX];
            struct net_path path = {.tos = 0xb8, .hop_limit = (uint8_t)(len % 2 ? 17 : 0)};
            memcpy(path.source, six ? our6 : our4, 16);
            memcpy(path.destination, six ? their6 : their4, 16);
            memcpy(path.source_mac, our_mac, 6);
            memcpy(path.next_hop_mac, their_mac, 6);
            uint8_t *payload = f + net_header_len(path.destination) + 8;
            for (size_t i = 0; i < len; i++)
                payload[i] = (uint8_t)(i * 7 + len);
            size_t frame_len = net_emit_udp(f, &path, 443, 50000, len);
            assert_int_equal(frame_len, (six ? 62 : 42) + len);
            assert_int_equal(net_parse(f, frame_len, &p), NET_UDP);
            assert_int_equal(p.is6, six);
            assert_memory_equal(p.source, path.source, 16);
            assert_memory_equal(p.destination, path.destination, 16);
            assert_memory_equal(p.source_mac, our_mac, 6);
            assert_memory_equal(p.destination_mac, their_mac, 6);
            assert_int_equal(p.source_port, 443);
            assert_int_equal(p.destination_port, 50000);
            assert_int_equal(p.tos, 0xb8);
            assert_int_equal(p.hop_limit, len % 2 ? 17 : NET_TTL);
            assert_int_equal(p.payload_len, len);
            if (len)
                assert_memory_equal(p.payload, payload, len);
        }
    }
}

static void udp_checksum_that_comes_out_as_0_is_sent_as_ffff(void **state)
{
    uint8_t f[FRAME_MAX] = {0};
    struct net_path path = {0};
    memcpy(path.source, our4, 16);
    memcpy(path.destination, their4, 16);
    net_emit_udp(f, &path, 1, 2, 2);
    put_be16(f + 42, be16(f + 40)); /* a payload that takes the sum to its end */
    net_emit_udp(f, &path, 1, 2, 2);
    assert_int_equal(be16(f + 40), 0xffff);
    assert_int_equal(net_parse(f, 44, &p), NET_UDP);
}

static void messages_emitted_are_the_messages_parsed(void **state)
{
    uint8_t b[64] = {0};
    struct arp_message arp = {.operation = ARP_REPLY, .sender_mac = {2, 1}, .target_mac = {2, 9}}, arp_got;
    memcpy(arp.sender, our4, 16);
    memcpy(arp.target, their4, 16);
    arp_emit(b, &arp);
    assert_int_equal(arp_parse(b, ARP_LEN, &arp_got), DROP_NONE);
    assert_memory_equal(&arp, &arp_got, sizeof arp);

    for (unsigned bits = 0; bits < 32; bits++) {
        struct nd_envelope ip = {.hop_limit = 255};
        struct nd_message nd = {.is_solicit = bits & 1, .has_mac = bits & 2}, nd_got;
        memcpy(ip.source, our6, 16);
        memcpy(ip.destination, their6, 16);
        memcpy(nd.target, their6, 16);
        if (nd.has_mac)
            memcpy(nd.mac, our_mac, 6);
        if (!nd.is_solicit) {
            nd.router = bits & 4;
            nd.solicited = bits & 8;
            nd.override = bits & 16;
        }
        size_t len = nd_emit(b, &ip, &nd);
        assert_int_equal(len, nd.has_mac ? 32 : 24);
        memset(&nd_got, 0, sizeof nd_got);
        assert_int_equal(nd_parse(b, len, &ip, &nd_got), DROP_NONE);
        assert_memory_equal(&nd, &nd_got, sizeof nd);
    }

    struct icmp_echo echo = {.type = 128, .identifier = 7, .sequence = 9, .data_len = 3}, echo_got;
    memcpy(b + 8, "abc", 3);
    size_t len = icmp_emit(b, checksum_pseudo(our6, their6, 58, 11), &echo);
    assert_int_equal(icmp_parse(b, len, checksum_pseudo(our6, their6, 58, 11), &echo_got), DROP_NONE);
    assert_int_equal(echo_got.identifier, 7);
    assert_int_equal(echo_got.sequence, 9);
    assert_int_equal(echo_got.data_len, 3);
    assert_memory_equal(echo_got.data, "abc", 3);
    assert_int_equal(icmp_parse(b, len, 0, &echo_got), DROP_ICMP_CHECKSUM);
}

/* ---- the checksum ---- */

/* RFC 1071, word by word. */
static uint16_t slow_checksum(const uint8_t *b, size_t len)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < len; i++)
        sum += i % 2 ? b[i] : (uint32_t)b[i] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void checksum_agrees_with_the_definition(void **state)
{
    uint8_t b[300] = {0};
    uint32_t x = 1;
    for (size_t len = 0; len <= sizeof b; len++) {
        for (size_t i = 0; i < len; i++)
            b[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> (len % 7 ? 24 : 31) ? 0xff : x >> 20);
        assert_int_equal(checksum(b, len), slow_checksum(b, len));
        size_t half = len / 2 & ~(size_t)1; /* in two pieces */
        assert_int_equal(checksum_fold(checksum_add(checksum_add(0, b, half), b + half, len - half)),
                         slow_checksum(b, len));
    }
}

static void incremental_checksum_agrees_with_a_new_one(void **state)
{
    uint8_t b[20];
    uint32_t x = 9;
    for (unsigned round = 0; round < 5000; round++) {
        for (size_t i = 0; i < sizeof b; i++)
            b[i] = (uint8_t)((x = x * 1664525 + 1013904223) >> 24);
        uint16_t before = checksum(b, sizeof b), from = be16(b + 6), to = (uint16_t)(x >> 9);
        if (round % 5 == 0)
            to = round % 2 ? 0 : 0xffff;
        put_be16(b + 6, to);
        assert_int_equal(checksum_replace(before, from, to), checksum(b, sizeof b));
    }
}

static void budget_gives_a_burst_and_then_the_rate(void **state)
{
    struct net_budget b = {0};
    unsigned taken = 0;
    for (unsigned i = 0; i < 100; i++)
        taken += net_budget_take(&b, 50, 10, 5000000);
    assert_int_equal(taken, 10);
    for (uint64_t now = 5000000; now < 15000000; now += 1000)
        taken += net_budget_take(&b, 50, 10, now);
    assert_in_range(taken, 509, 510);
    for (unsigned i = taken = 0; i < 100; i++)
        taken += net_budget_take(&b, 50, 10, 60000000);
    assert_int_equal(taken, 10); /* what was not taken is not saved up */
}

static void addresses_read_and_write_as_text(void **state)
{
    char text[46];
    uint8_t a[16];
    assert_true(net_address_parse("198.18.0.1", a));
    assert_true(net_address_is4(a));
    assert_string_equal(net_address_text(a, text), "198.18.0.1");
    assert_true(net_address_parse("fd00:18::9", a));
    assert_false(net_address_is4(a));
    assert_string_equal(net_address_text(a, text), "fd00:18::9");
    assert_false(net_address_parse("198.18.0", a));
    assert_false(net_address_parse("pop.example", a));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(datagram_emitted_is_the_datagram_parsed),
        cmocka_unit_test(udp_checksum_that_comes_out_as_0_is_sent_as_ffff),
        cmocka_unit_test(messages_emitted_are_the_messages_parsed),
        cmocka_unit_test(checksum_agrees_with_the_definition),
        cmocka_unit_test(incremental_checksum_agrees_with_a_new_one),
        cmocka_unit_test(budget_gives_a_burst_and_then_the_rate),
        cmocka_unit_test(addresses_read_and_write_as_text),
    };
    return cmocka_run_group_tests_name("emit", tests, set_up_all, NULL);
}
