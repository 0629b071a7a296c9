/*
 * RTP headers with extensions, and RTCP packets: what is written is read again, what is broken is refused.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/base/bytes.h"
#include "dataplane/webrtc/rtcp.h"
#include "dataplane/webrtc/rtp.h"

static const struct rtcp_block block = {
    .ssrc = 5, .fraction = 12, .lost = -3, .highest = 0x10007, .jitter = 44, .lsr = 0xabcd1234, .dlsr = 9};

static size_t compound(uint8_t *p)
{
    struct rtcp_sender s = {
        .ssrc = 77, .ntp = 0x1122334455667788, .timestamp = 960, .packets = 3, .octets = 240};
    size_t len = rtcp_sender_put(p, &s, &block);
    len += rtcp_cname_put(p + len, 77, "voxpop");
    return len + rtcp_bye_put(p + len, 77);
}

static void a_compound_packet_is_read_as_it_was_written(void **state)
{
    uint8_t p[256];
    static struct rtcp_heard heard;
    size_t len = compound(p);
    assert_true(rtcp_hear(p, len, &heard));
    assert_true(heard.has_sender && heard.bye);
    assert_int_equal(heard.sender.ssrc, 77);
    assert_int_equal(heard.sender.ntp, 0x1122334455667788);
    assert_int_equal(heard.sender.octets, 240);
    assert_int_equal(heard.blocks, 1);
    assert_memory_equal(&heard.block[0], &block, sizeof block);
    len = rtcp_receiver_put(p, 9, &block);
    assert_int_equal(len, 32);
    assert_true(rtcp_hear(p, len, &heard));
    assert_false(heard.has_sender || heard.bye);
    assert_int_equal(heard.block[0].lost, -3);
}

static void a_compound_packet_cut_short_is_refused(void **state)
{
    uint8_t p[256];
    static struct rtcp_heard heard;
    size_t len = compound(p), sender = 52, sdes = len - 8;
    for (size_t n = 0; n < len; n++) {
        uint8_t *q = malloc(n ? n : 1);
        memcpy(q, p, n);
        assert_int_equal(rtcp_hear(q, n, &heard), n == sender || n == sdes);
        free(q);
    }
}

static void counts_that_do_not_fit_are_refused(void **state)
{
    uint8_t p[256];
    static struct rtcp_heard heard;
    size_t len = rtcp_receiver_put(p, 9, &block);
    p[0] = 0x82;
    assert_false(rtcp_hear(p, len, &heard));
    p[0] = 0x41;
    assert_false(rtcp_hear(p, len, &heard));
}

static void the_audio_level_is_found_in_both_forms(void **state)
{
    static const uint8_t one[] = {0x90, 0xef, 0, 1,    0,    0,   0,   2,   0,    0,    0, 3,  0xbe,
                                  0xde, 0,    2, 0x00, 0x32, 'a', 'b', 'c', 0x10, 0x9e, 0, 'p'};
    static const uint8_t two[] = {0x90, 0x6f, 0, 1, 0, 0,   0, 2, 0, 0,    0, 3,  0x10,
                                  0x00, 0,    2, 3, 1, 'a', 0, 1, 1, 0x9e, 0, 'p'};
    struct rtp_view v;
    assert_true(rtp_view(one, sizeof one, 1, &v));
    assert_int_equal(v.level, 0x9e);
    assert_int_equal(v.header, 24);
    assert_true(v.marker);
    assert_int_equal(v.payload_type, 111);
    assert_true(rtp_view(one, sizeof one, 7, &v));
    assert_int_equal(v.level, RTP_LEVEL_NONE);
    assert_true(rtp_view(two, sizeof two, 1, &v));
    assert_int_equal(v.level, 0x9e);
    assert_false(v.marker);
    for (size_t n = 0; n < 24; n++)
        assert_false(rtp_view(one, n, 1, &v));
}

static void an_element_that_runs_past_the_extension_is_not_read(void **state)
{
    uint8_t p[] = {0x90, 0x6f, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0xbe, 0xde, 0, 1, 0x2f, 0, 0, 0};
    struct rtp_view v;
    assert_true(rtp_view(p, sizeof p, 2, &v));
    assert_int_equal(v.level, RTP_LEVEL_NONE);
}

static void a_header_for_a_receiver_has_its_own_numbers(void **state)
{
    struct rtp_head h = {.ssrc = 1,
                         .timestamp = 2,
                         .source = 3,
                         .sequence = 4,
                         .payload_type = 109,
                         .marker = true,
                         .level_id = 14,
                         .level = 0x9e};
    uint8_t p[RTP_HEAD_LEVEL];
    struct rtp_view v;
    rtp_head_put(p, &h);
    assert_true(rtp_view(p, sizeof p, 14, &v));
    assert_int_equal(v.header, rtp_head_size(&h));
    assert_int_equal(v.ssrc, 1);
    assert_int_equal(v.timestamp, 2);
    assert_int_equal(be32(p + 12), 3);
    assert_int_equal(v.sequence, 4);
    assert_int_equal(v.payload_type, 109);
    assert_int_equal(v.level, 0x9e);
    h.level_id = 0;
    rtp_head_put(p, &h);
    assert_true(rtp_view(p, RTP_HEAD_PLAIN, 14, &v));
    assert_int_equal(v.header, RTP_HEAD_PLAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_compound_packet_is_read_as_it_was_written),
        cmocka_unit_test(a_compound_packet_cut_short_is_refused),
        cmocka_unit_test(counts_that_do_not_fit_are_refused),
        cmocka_unit_test(the_audio_level_is_found_in_both_forms),
        cmocka_unit_test(an_element_that_runs_past_the_extension_is_not_read),
        cmocka_unit_test(a_header_for_a_receiver_has_its_own_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
