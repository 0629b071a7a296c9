/*
 * ICMP errors: which are believed, and what of them.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/net/icmp_error.h"

static uint8_t our4[16], our6[16], their4[16], their6[16], router4[16], router6[16];

static int set_up_all(void **state)
{
    net_address_parse("198.18.70.1", our4);
    net_address_parse("fd00:18:70::1", our6);
    net_address_parse("198.18.70.2", their4);
    net_address_parse("fd00:18:70::2", their6);
    net_address_parse("198.18.70.9", router4);
    net_address_parse("fd00:18:70::9", router6);
    return 0;
}

/* An error of a router about a segment of ours: 443 to 40000, sequence number 77. */
struct made {
    uint8_t frame[256];
    size_t head, len; /* of the ICMP message's start, and of all */
    bool is6;
};

static uint8_t *quoted(struct made *m)
{
    return m->frame + m->head + 8;
}

static void seal(struct made *m)
{
    uint8_t *icmp = m->frame + m->head;
    size_t n = m->len - m->head;
    put_be16(icmp + 2, 0);
    uint64_t sum = m->is6 ? checksum_pseudo(router6, our6, NET_PROTOCOL_ICMP6, (uint32_t)n) : 0;
    put_be16(icmp + 2, checksum_fold(checksum_add(sum, icmp, n)));
}

static void make(struct made *m, bool is6, uint8_t type, uint8_t code, uint32_t rest, uint32_t packet)
{
    struct net_path path = {0}, about = {0};
    uint8_t inner[128] = {0};
    *m = (struct made){.is6 = is6, .head = is6 ? 54 : 34};
    memcpy(path.source, is6 ? router6 : router4, 16);
    memcpy(path.destination, is6 ? our6 : our4, 16);
    memcpy(about.source, is6 ? our6 : our4, 16);
    memcpy(about.destination, is6 ? their6 : their4, 16);
    path.next_hop_mac[0] = path.source_mac[0] = 2;
    size_t ip = is6 ? 40 : 20;
    net_emit_ip(inner, &about, NET_PROTOCOL_TCP, packet - ip);
    put_be16(inner + 14 + ip, 443);
    put_be16(inner + 14 + ip + 2, 40000);
    put_be32(inner + 14 + ip + 4, 77);
    uint8_t *icmp = m->frame + m->head;
    icmp[0] = type;
    icmp[1] = code;
    put_be32(icmp + 4, rest);
    memcpy(icmp + 8, inner + 14, ip + 8);
    m->len = net_emit_ip(m->frame, &path, is6 ? NET_PROTOCOL_ICMP6 : NET_PROTOCOL_ICMP4, 8 + ip + 8);
    seal(m);
}

static enum drop_reason read_error(const struct made *m, struct icmp_error *e)
{
    struct net_packet p;
    assert_int_equal(net_parse(m->frame, m->len, &p), NET_ICMP_ERROR);
    return icmp_error_parse(&p, e);
}

static void a_packet_too_big_names_the_segment_and_the_size_that_passes(void **state)
{
    struct made m;
    struct icmp_error e;
    for (unsigned is6 = 0; is6 < 2; is6++) {
        make(&m, is6, is6 ? 2 : 3, is6 ? 0 : 4, 1400, 1500);
        assert_int_equal(read_error(&m, &e), DROP_NONE);
        assert_int_equal(e.mtu, 1400);
        assert_memory_equal(e.source, is6 ? our6 : our4, 16);
        assert_memory_equal(e.destination, is6 ? their6 : their4, 16);
        assert_int_equal(e.source_port, 443);
        assert_int_equal(e.destination_port, 40000);
        assert_int_equal(e.seq, 77);
    }
}

static void no_path_is_taken_for_smaller_than_one_can_be(void **state)
{
    static const struct {
        bool is6;
        uint32_t said, packet, mtu;
    } row[] = {
        {false, 68, 1500, 552},   {false, 551, 1500, 552},    {false, 553, 1500, 553}, {false, 1499, 1500, 1499},
        {false, 1500, 1500, 0},   {false, 9000, 1500, 0},     {false, 68, 552, 0},     {false, 0, 1500, 1492},
        {false, 0, 1492, 1006},   {false, 0, 1006, 552},      {false, 0, 500, 0},      {true, 68, 1500, 1280},
        {true, 1280, 1500, 1280}, {true, 1279, 1280, 0},      {true, 1500, 1500, 0},   {true, UINT32_MAX, 1500, 0},
        {true, 0, 1500, 1280},    {true, 65536 + 1400, 1500, 0},
    };
    for (unsigned i = 0; i < sizeof row / sizeof *row; i++) {
        struct made m;
        struct icmp_error e;
        make(&m, row[i].is6, row[i].is6 ? 2 : 3, row[i].is6 ? 0 : 4, row[i].said, row[i].packet);
        enum drop_reason why = read_error(&m, &e);
        assert_int_equal(why, row[i].mtu ? DROP_NONE : DROP_ICMP_MTU);
        if (row[i].mtu)
            assert_int_equal(e.mtu, row[i].mtu);
    }
}

static void other_errors_say_nothing_of_a_size(void **state)
{
    static const uint8_t type4[][2] = {{3, 0}, {3, 1}, {3, 2}, {3, 3}, {3, 13}, {11, 0}, {12, 0}};
    static const uint8_t type6[][2] = {{1, 0}, {1, 4}, {3, 0}, {4, 1}};
    struct made m;
    struct icmp_error e;
    for (unsigned i = 0; i < sizeof type4 / sizeof *type4; i++) {
        make(&m, false, type4[i][0], type4[i][1], 600, 1500);
        assert_int_equal(read_error(&m, &e), DROP_NONE);
        assert_int_equal(e.mtu, 0);
    }
    for (unsigned i = 0; i < sizeof type6 / sizeof *type6; i++) {
        make(&m, true, type6[i][0], type6[i][1], 1300, 1500);
        assert_int_equal(read_error(&m, &e), DROP_NONE);
        assert_int_equal(e.mtu, 0);
    }
}

static void a_quote_that_is_not_a_segment_of_ours_is_refused(void **state)
{
    struct made m;
    struct icmp_error e;
    for (unsigned is6 = 0; is6 < 2; is6++) {
        make(&m, is6, is6 ? 2 : 3, is6 ? 0 : 4, 1400, 1500);
        quoted(&m)[is6 ? 8 + 15 : 12 + 3] ^= 1; /* another source */
        seal(&m);
        assert_int_equal(read_error(&m, &e), DROP_ICMP_QUOTE);
        make(&m, is6, is6 ? 2 : 3, is6 ? 0 : 4, 1400, 1500);
        quoted(&m)[is6 ? 6 : 9] = NET_PROTOCOL_UDP;
        seal(&m);
        assert_int_equal(read_error(&m, &e), DROP_ICMP_QUOTE);
        make(&m, is6, is6 ? 2 : 3, is6 ? 0 : 4, 1400, 1500);
        quoted(&m)[0] = is6 ? 0x45 : 0x60;
        seal(&m);
        assert_int_equal(read_error(&m, &e), DROP_ICMP_QUOTE);
    }
    make(&m, false, 3, 4, 1400, 1500);
    quoted(&m)[7] = 1; /* not the first fragment */
    seal(&m);
    assert_int_equal(read_error(&m, &e), DROP_ICMP_QUOTE);
    make(&m, false, 3, 4, 1400, 1500);
    quoted(&m)[0] = 0x4f; /* a header longer than the quote */
    seal(&m);
    assert_int_equal(read_error(&m, &e), DROP_ICMP_QUOTE);
}

static void a_quote_that_is_cut_short_is_refused_at_every_length(void **state)
{
    for (unsigned is6 = 0; is6 < 2; is6++) {
        struct made whole;
        make(&whole, is6, is6 ? 2 : 3, is6 ? 0 : 4, 1400, 1500);
        size_t l4 = whole.len - whole.head;
        for (size_t n = 0; n < l4; n++) {
            struct net_packet p = {.is6 = is6, .l4 = whole.frame + whole.head, .l4_len = (uint16_t)n};
            struct icmp_error e;
            memcpy(p.destination, is6 ? our6 : our4, 16);
            assert_int_equal(icmp_error_parse(&p, &e), n < 8 ? DROP_ICMP_MALFORMED : DROP_ICMP_QUOTE);
        }
    }
}

static void a_wrong_checksum_is_noticed(void **state)
{
    struct made m;
    struct net_packet p;
    for (unsigned is6 = 0; is6 < 2; is6++) {
        make(&m, is6, is6 ? 2 : 3, is6 ? 0 : 4, 1400, 1500);
        m.frame[m.len - 1] ^= 1;
        assert_int_equal(net_parse(m.frame, m.len, &p), NET_DROP);
        assert_int_equal(p.drop, DROP_ICMP_CHECKSUM);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_packet_too_big_names_the_segment_and_the_size_that_passes),
        cmocka_unit_test(no_path_is_taken_for_smaller_than_one_can_be),
        cmocka_unit_test(other_errors_say_nothing_of_a_size),
        cmocka_unit_test(a_quote_that_is_not_a_segment_of_ours_is_refused),
        cmocka_unit_test(a_quote_that_is_cut_short_is_refused_at_every_length),
        cmocka_unit_test(a_wrong_checksum_is_noticed),
    };
    return cmocka_run_group_tests(tests, set_up_all, NULL);
}
