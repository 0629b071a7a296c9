/*
 * What a datagram is, from its bytes alone.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/bytes.h"
#include "dataplane/voice/datagram.h"

#define NONE VOICE_CLASS_NONE

/* A datagram of this length that begins so, in memory of exactly that size. */
static void is(const char *head, size_t head_length, size_t len, enum voice_class class, enum drop_reason why)
{
    enum drop_reason got = DROP_NONE;
    uint8_t *p = calloc(1, len ? len : 1);
    assert_non_null(p);
    memcpy(p, head, head_length < len ? head_length : len);
    assert_int_equal(voice_classify(p, len, &got), class);
    assert_int_equal(got, why);
    free(p);
}

static void keepalives_are_known_by_their_length(void **state)
{
    is("", 0, 0, NONE, DROP_VOICE_SHORT);
    is("\x80\xc8\0\0", 4, 4, NONE, DROP_VOICE_KEEPALIVE);
    is("\x80\xc8\0\1", 4, 4, NONE, DROP_VOICE_SHORT);
    is("\0\0\0\0", 4, 8, NONE, DROP_VOICE_KEEPALIVE);
    is("\x17\x01\xfe\xfd", 4, 8, NONE,
       DROP_VOICE_KEEPALIVE); /* a counter that would be DTLS if it were longer */
    is("\x80\x78\0\1", 4, 8, NONE, DROP_VOICE_KEEPALIVE);
    is("\1\0\0\0\1", 5, 8, NONE, DROP_VOICE_SHORT);
    is("\x13\x37\xca\xfe\1\2\3\4", 8, 8, VOICE_CLASS_PING, DROP_NONE);
    is("\x13\x37\xf0\x0d\1\2\3\4", 8, 8, NONE, DROP_VOICE_SHORT);
    for (size_t len = 1; len < 12; len++)
        if (len != 8 && len != 4)
            is("\0", 1, len, NONE, DROP_VOICE_SHORT);
}

static void the_first_byte_tells_protocols_apart(void **state)
{
    for (unsigned first = 0; first < 256; first++) {
        char head[2] = {(char)first, 0x78};
        enum drop_reason why = first < 4                   ? DROP_VOICE_STUN
                               : first >= 20 && first < 64 ? DROP_VOICE_DTLS
                               : first >> 6 != 2           ? DROP_VOICE_VERSION
                                                           : DROP_NONE;
        is(head, 2, 60, why ? NONE : VOICE_CLASS_RTP, why);
    }
    for (unsigned second = 0; second < 256; second++) {
        char head[2] = {(char)0x80, (char)second};
        bool rtcp = second >= 200 && second <= 206;
        is(head, 2, 60, rtcp ? VOICE_CLASS_RTCP : VOICE_CLASS_RTP, DROP_NONE);
    }
    is("\x16\xfe\xfd", 3, 12, NONE, DROP_VOICE_SHORT);
    is("\0\1\0\0", 4, 19, NONE, DROP_VOICE_SHORT);
}

static void discovery_is_told_from_stun(void **state)
{
    is("\0\1\0\x46\0\0\x30\x39", 8, 74, VOICE_CLASS_DISCOVERY, DROP_NONE);
    is("\0\1\0\x46\x21\x12\xa4\x42", 8, 74, NONE, DROP_VOICE_STUN);
    is("\0\1\0\x36\x21\x12\xa4\x42", 8, 74, NONE, DROP_VOICE_STUN);
    is("\0\2\0\x46\0\0\x30\x39", 8, 74, NONE, DROP_VOICE_DISCOVERY);
    is("\0\1\0\x46\0\0\x30\x39", 8, 70, NONE, DROP_VOICE_DISCOVERY);
    is("\0\1\0\x44\0\0\x30\x39", 8, 74, NONE, DROP_VOICE_DISCOVERY);
}

static void answers_name_both_address_families_and_nothing_else(void **state)
{
    uint8_t p[74], ip4[16] = {[10] = 0xff, [11] = 0xff, 255, 255, 255, 254},
                   ip6[16] = {0xfd, 0, 0, 0x18, [15] = 1};
    memset(p, 0xee, sizeof p);
    discovery_answer(p, ip4, 65535);
    assert_string_equal((char *)p + 8, "255.255.255.254");
    for (size_t k = 8 + 16; k < 72; k++)
        assert_int_equal(p[k], 0);
    assert_int_equal(be16(p + 72), 65535);
    assert_int_equal(be16(p), 2);
    memset(p, 0xee, sizeof p);
    discovery_answer(p, ip6, 1);
    assert_string_equal((char *)p + 8, "fd00:18::1");
    uint8_t ping[8] = {0x13, 0x37, 0xca, 0xfe, 1, 2, 3, 4};
    ping_answer(ping);
    assert_memory_equal(ping, "\x13\x37\xf0\x0d\1\2\3\4", 8);
}

static void a_header_is_read_as_it_lies(void **state)
{
    uint8_t p[60] = {0x90, 0xf8, 0x12, 0x34, 1, 2, 3, 4, 5, 6, 7, 8, 0xbe, 0xde, 0, 2};
    struct rtp_packet r;
    put_be32(p + 56, 0x01020304);
    assert_int_equal(rtp_parse(p, sizeof p, &r), DROP_NONE);
    assert_true(r.ssrc == 0x05060708 && r.timestamp == 0x01020304 && r.counter == 0x01020304 &&
                r.sequence == 0x1234);
    assert_int_equal(r.header_length, 16);
    assert_int_equal(r.extension_bytes, 8);
    assert_int_equal(r.text_length, 24);
    p[15] = 5;
    assert_int_equal(rtp_parse(p, sizeof p, &r), DROP_NONE);
    p[15] = 6; /* nothing would be left for the payload */
    assert_int_equal(rtp_parse(p, sizeof p, &r), DROP_VOICE_EXTENSION);
    p[14] = 0xff;
    assert_int_equal(rtp_parse(p, sizeof p, &r), DROP_VOICE_EXTENSION);
    p[0] = 0x80;
    assert_int_equal(rtp_parse(p, 33, &r), DROP_NONE);
    assert_int_equal(r.text_length, 1);
    assert_int_equal(rtp_parse(p, 32, &r), DROP_VOICE_SHORT);
}

static void padding_must_leave_a_payload(void **state)
{
    struct rtp_packet r = {.text_length = 10, .extension_bytes = 4, .padded = true};
    uint8_t text[10] = {0};
    for (unsigned padding = 0; padding < 256; padding++) {
        text[9] = (uint8_t)padding;
        assert_int_equal(rtp_padding_ok(&r, text), padding >= 1 && padding <= 5);
    }
    r.padded = false;
    assert_true(rtp_padding_ok(&r, text));
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(keepalives_are_known_by_their_length), TEST(the_first_byte_tells_protocols_apart),
        TEST(discovery_is_told_from_stun),          TEST(answers_name_both_address_families_and_nothing_else),
        TEST(a_header_is_read_as_it_lies),          TEST(padding_must_leave_a_payload),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
