/*
 * The wire format: what is refused, what is ignored, and that building and parsing are inverses.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/tcp/fixture.h"

#include <sys/mman.h>

static const uint8_t plain[20] = {0x9c, 0x40, 0x01, 0xbb, 0, 0, 0, 7, 0, 0, 0, 9, 0x50, 0x18, 0x12, 0x34};

/* A header with these options, padded with zeros to a multiple of four. */
static size_t with_options(uint8_t *to, const uint8_t *options, size_t len)
{
    size_t header = 20 + (len + 3) / 4 * 4;
    memset(to, 0, header);
    memcpy(to, plain, sizeof plain);
    to[12] = (uint8_t)(header / 4 << 4);
    memcpy(to + 20, options, len);
    return header;
}

static enum drop_reason parse_options_of(const uint8_t *options, size_t len, struct tcp_segment *s)
{
    uint8_t bytes[60];
    return tcp_parse(bytes, with_options(bytes, options, len), s);
}

static void fields_are_read_in_network_order(void **state)
{
    struct tcp_segment s;
    assert_int_equal(tcp_parse(plain, sizeof plain, &s), DROP_NONE);
    assert_int_equal(s.src_port, 40000);
    assert_int_equal(s.dst_port, 443);
    assert_int_equal(s.seq, 7);
    assert_int_equal(s.ack, 9);
    assert_int_equal(s.flags, TCP_ACK | TCP_PSH);
    assert_int_equal(s.window, 0x1234);
    assert_int_equal(s.len, 0);
    assert_false(s.has_scale || s.has_timestamps || s.sack_permitted || s.mss);
}

static void every_shorter_prefix_is_refused_without_reading_beyond_it(void **state)
{
    uint8_t *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_int_equal(mprotect(page + 4096, 4096, PROT_NONE), 0);
    const uint8_t options[] = {2, 4, 5, 0xb4, 1, 3, 3, 7, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2};
    uint8_t whole[60];
    size_t len = with_options(whole, options, sizeof options);
    struct tcp_segment s = {.seq = 42};
    for (size_t n = 0; n < len; n++) {
        memcpy(page + 4096 - n, whole, n);
        assert_int_equal(tcp_parse(page + 4096 - n, n, &s), DROP_TCP_SHORT);
        assert_int_equal(s.seq, 42);
    }
    memcpy(page + 4096 - len, whole, len);
    assert_int_equal(tcp_parse(page + 4096 - len, len, &s), DROP_NONE);
    assert_int_equal(s.mss, 1460);
    assert_true(s.has_scale && s.scale == 7 && s.sack_permitted && s.has_timestamps && s.ts_val == 1 &&
                s.ts_ecr == 2);
    munmap(page, 8192);
}

static void a_data_offset_below_five_words_is_refused(void **state)
{
    uint8_t bytes[20];
    struct tcp_segment s;
    memcpy(bytes, plain, sizeof bytes);
    bytes[12] = 0x40;
    assert_int_equal(tcp_parse(bytes, sizeof bytes, &s), DROP_TCP_SHORT);
}

static void reserved_and_ecn_bits_are_ignored(void **state)
{
    uint8_t bytes[20];
    struct tcp_segment s;
    memcpy(bytes, plain, sizeof bytes);
    bytes[12] |= 0x0f;
    bytes[13] |= 0xc0;
    assert_int_equal(tcp_parse(bytes, sizeof bytes, &s), DROP_NONE);
    assert_int_equal(s.flags, TCP_ACK | TCP_PSH);
}

static void an_option_that_runs_out_of_the_header_is_refused(void **state)
{
    struct tcp_segment s;
    assert_int_equal(parse_options_of((const uint8_t[]){1, 1, 1, 2}, 4, &s), DROP_TCP_OPTIONS);
    assert_int_equal(parse_options_of((const uint8_t[]){1, 2, 4, 5}, 4, &s), DROP_TCP_OPTIONS);
    assert_int_equal(parse_options_of((const uint8_t[]){200, 5, 0, 0}, 4, &s), DROP_TCP_OPTIONS);
}

static void an_option_of_length_zero_or_one_is_refused(void **state)
{
    struct tcp_segment s;
    assert_int_equal(parse_options_of((const uint8_t[]){200, 0, 1, 1}, 4, &s), DROP_TCP_OPTIONS);
    assert_int_equal(parse_options_of((const uint8_t[]){200, 1, 1, 1}, 4, &s), DROP_TCP_OPTIONS);
}

static void a_known_option_of_a_wrong_length_is_refused(void **state)
{
    struct tcp_segment s;
    assert_int_equal(parse_options_of((const uint8_t[]){2, 3, 5, 1}, 4, &s), DROP_TCP_OPTIONS);
    assert_int_equal(parse_options_of((const uint8_t[]){3, 4, 7, 1}, 4, &s), DROP_TCP_OPTIONS);
    assert_int_equal(parse_options_of((const uint8_t[]){4, 3, 0, 1}, 4, &s), DROP_TCP_OPTIONS);
    assert_int_equal(parse_options_of((const uint8_t[]){8, 8, 0, 0, 0, 0, 0, 0}, 8, &s), DROP_TCP_OPTIONS);
}

static void unknown_options_are_skipped_and_nothing_is_read_after_the_end(void **state)
{
    struct tcp_segment s;
    assert_int_equal(parse_options_of((const uint8_t[]){200, 4, 9, 9, 2, 4, 1, 0, 0, 2, 0, 0}, 12, &s),
                     DROP_NONE);
    assert_int_equal(s.mss, 256);
}

static void a_scale_over_fourteen_counts_as_fourteen(void **state)
{
    struct tcp_segment s;
    assert_int_equal(parse_options_of((const uint8_t[]){3, 3, 200}, 3, &s), DROP_NONE);
    assert_int_equal(s.scale, 14);
}

static size_t fill(void *stream, uint64_t pos, uint8_t *dst, size_t len)
{
    const size_t *can = stream;
    for (size_t i = 0; i < len && i < *can; i++)
        dst[i] = (uint8_t)(pos + i);
    return len < *can ? len : *can;
}

static struct tcp_plan a_plan(bool ip6, uint16_t len)
{
    struct tcp_plan p = {
        .tuple = {{[10] = 0xff, 0xff, 198, 18, 0, 1}, {[10] = 0xff, 0xff, 198, 18, 3, 2}, 443, 40000},
        .position = 1000,
        .seq = 0xdeadbeef,
        .ack = 0x01020304,
        .ts_val = 77,
        .ts_ecr = 88,
        .len = len,
        .window = 512,
        .mss = 1440,
        .flags = TCP_SYN | TCP_ACK,
        .scale = 3,
        .has_scale = true,
        .has_timestamps = true};
    if (ip6)
        memcpy(p.tuple.local, (const uint8_t[16]){0xfd, 0, 0, 0x18, [15] = 1}, 16),
            memcpy(p.tuple.remote, (const uint8_t[16]){0xfd, 0, 0, 0x18, 0xff, 0xff, [15] = 2}, 16);
    return p;
}

static void what_is_built_is_parsed_again(void **state)
{
    uint8_t bytes[200];
    size_t all = SIZE_MAX;
    struct tcp_plan p = a_plan(true, 33);
    struct tcp_segment s;
    size_t len = tcp_build(&p, fill, &all, bytes, sizeof bytes);
    assert_int_equal(len, tcp_header_len(&p) + 33);
    assert_int_equal(tcp_parse(bytes, len, &s), DROP_NONE);
    assert_true(s.src_port == 443 && s.dst_port == 40000 && s.seq == p.seq && s.ack == p.ack &&
                s.window == 512);
    assert_true(s.flags == p.flags && s.mss == 1440 && s.has_scale && s.scale == 3);
    assert_true(s.has_timestamps && s.ts_val == 77 && s.ts_ecr == 88 && s.len == 33);
    for (uint32_t i = 0; i < s.len; i++)
        assert_int_equal(s.data[i], (uint8_t)(1000 + i));
}

/* RFC 1071 as it is written there, over the pseudo headers as RFC 9293 3.1 and RFC 8200 8.1 draw them. */
static uint16_t plain_checksum(const struct tcp_plan *p, bool ip6, const uint8_t *bytes, size_t len)
{
    uint8_t all[400] = {0};
    size_t n = 0;
    size_t skip = ip6 ? 0 : 12;
    memcpy(all + n, p->tuple.local + skip, 16 - skip);
    n += 16 - skip;
    memcpy(all + n, p->tuple.remote + skip, 16 - skip);
    n += 16 - skip;
    if (ip6) {
        put_be32(all + n, (uint32_t)len);
        all[n + 7] = 6;
        n += 8;
    } else {
        all[n + 1] = 6;
        put_be16(all + n + 2, (uint16_t)len);
        n += 4;
    }
    memcpy(all + n, bytes, len);
    memset(all + n + 16, 0, 2);
    uint32_t sum = 0;
    for (size_t i = 0; i < n + len; i += 2)
        sum += be16(all + i);
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return (uint16_t)~sum;
}

static void the_checksum_is_that_of_both_pseudo_headers(void **state)
{
    size_t can = SIZE_MAX;
    for (int ip6 = 0; ip6 < 2; ip6++) {
        for (uint16_t payload = 0; payload < 70; payload++) {
            uint8_t bytes[200];
            struct tcp_plan p = a_plan(ip6, payload);
            size_t len = tcp_build(&p, fill, &can, bytes, sizeof bytes);
            assert_int_equal(be16(bytes + 16), plain_checksum(&p, ip6, bytes, len));
            assert_true(tcp_checksum_ok(bytes, len, p.tuple.local, p.tuple.remote));
        }
    }
}

static void any_flipped_bit_breaks_the_checksum(void **state)
{
    uint8_t bytes[200];
    size_t all = SIZE_MAX;
    struct tcp_plan p = a_plan(false, 31);
    size_t len = tcp_build(&p, fill, &all, bytes, sizeof bytes);
    for (size_t bit = 0; bit < len * 8; bit++) {
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(tcp_checksum_ok(bytes, len, p.tuple.local, p.tuple.remote));
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
}

static void nothing_is_built_without_room_or_payload(void **state)
{
    uint8_t bytes[200];
    size_t all = SIZE_MAX, nine = 9;
    struct tcp_plan p = a_plan(false, 10);
    size_t need = tcp_header_len(&p) + 10;
    assert_int_equal(tcp_build(&p, fill, &all, bytes, need - 1), 0);
    assert_int_equal(tcp_build(&p, fill, &nine, bytes, need), 0);
    assert_int_equal(tcp_build(&p, fill, &all, bytes, need), need);
}

static void a_segment_with_ack_for_no_connection_gets_a_reset_at_its_ack(void **state)
{
    struct tcp_plan p, like = a_plan(false, 0);
    struct tcp_segment s = {.seq = 100, .ack = 900, .flags = TCP_ACK | TCP_PSH, .len = 10};
    assert_true(tcp_reset_for(&s, &like.tuple, &p));
    assert_plan(&p, TCP_RST, 900, 0, 0);
    assert_memory_equal(&p.tuple, &like.tuple, sizeof p.tuple);
}

static void a_segment_without_ack_gets_a_reset_that_acknowledges_all_of_it(void **state)
{
    struct tcp_plan p, like = a_plan(false, 0);
    struct tcp_segment s = {.seq = 100, .flags = TCP_SYN | TCP_FIN, .len = 10};
    assert_true(tcp_reset_for(&s, &like.tuple, &p));
    assert_plan(&p, TCP_RST | TCP_ACK, 0, 112, 0);
}

static void a_reset_is_never_answered_with_a_reset(void **state)
{
    struct tcp_plan p, like = a_plan(false, 0);
    struct tcp_segment s = {.seq = 100, .ack = 900, .flags = TCP_RST | TCP_ACK};
    assert_false(tcp_reset_for(&s, &like.tuple, &p));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fields_are_read_in_network_order),
        cmocka_unit_test(every_shorter_prefix_is_refused_without_reading_beyond_it),
        cmocka_unit_test(a_data_offset_below_five_words_is_refused),
        cmocka_unit_test(reserved_and_ecn_bits_are_ignored),
        cmocka_unit_test(an_option_that_runs_out_of_the_header_is_refused),
        cmocka_unit_test(an_option_of_length_zero_or_one_is_refused),
        cmocka_unit_test(a_known_option_of_a_wrong_length_is_refused),
        cmocka_unit_test(unknown_options_are_skipped_and_nothing_is_read_after_the_end),
        cmocka_unit_test(a_scale_over_fourteen_counts_as_fourteen),
        cmocka_unit_test(what_is_built_is_parsed_again),
        cmocka_unit_test(the_checksum_is_that_of_both_pseudo_headers),
        cmocka_unit_test(any_flipped_bit_breaks_the_checksum),
        cmocka_unit_test(nothing_is_built_without_room_or_payload),
        cmocka_unit_test(a_segment_with_ack_for_no_connection_gets_a_reset_at_its_ack),
        cmocka_unit_test(a_segment_without_ack_gets_a_reset_that_acknowledges_all_of_it),
        cmocka_unit_test(a_reset_is_never_answered_with_a_reset),
    };
    return cmocka_run_group_tests_name("tcp segment", tests, NULL, NULL);
}
