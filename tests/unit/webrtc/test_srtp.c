/*
 * SRTP against libsrtp2: what one seals the other opens, for every profile, over roll-overs of the sequence
 * number; and what neither may open.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <srtp2/srtp.h>

#include "dataplane/base/bytes.h"
#include "dataplane/webrtc/srtp.h"

#define SSRC 0xcafebabeu

static const enum srtp_profile profiles[] = {PROFILE_AEAD_AES_128_GCM, PROFILE_AEAD_AES_256_GCM,
                                             PROFILE_AES128_CM_SHA1_80};

static uint8_t master[46];

static srtp_t oracle(enum srtp_profile profile, srtp_ssrc_type_t direction)
{
    srtp_policy_t policy = {.ssrc = {.type = direction}, .key = master, .window_size = 128};
    srtp_t session;
    void (*set)(srtp_crypto_policy_t *) =
        profile == PROFILE_AEAD_AES_128_GCM   ? srtp_crypto_policy_set_aes_gcm_128_16_auth
        : profile == PROFILE_AEAD_AES_256_GCM ? srtp_crypto_policy_set_aes_gcm_256_16_auth
                                              : srtp_crypto_policy_set_rtp_default;
    set(&policy.rtp);
    set(&policy.rtcp);
    assert_int_equal(srtp_create(&session, &policy), srtp_err_status_ok);
    return session;
}

static void ours(struct srtp_session *s, enum srtp_profile profile)
{
    srtp_session_make(s, profile, master, master + srtp_key_size(profile));
}

/* A packet with a CSRC and a header extension; returns its length, *header that of its header. */
static size_t packet(uint8_t *p, uint16_t sequence, size_t payload, size_t *header)
{
    *header = 12 + 4 + 8;
    p[0] = 0x91;
    p[1] = 111;
    put_be16(p + 2, sequence);
    put_be32(p + 4, 960u * sequence);
    put_be32(p + 8, SSRC);
    put_be32(p + 12, 4711);
    put_be32(p + 16, 0xbede0001u);
    put_be32(p + 20, 0x10a50000u);
    for (size_t i = 0; i < payload; i++)
        p[*header + i] = (uint8_t)(i * 7 + sequence);
    return *header + payload;
}

static void what_we_seal_the_oracle_opens(void **state)
{
    for (size_t k = 0; k < sizeof profiles / sizeof *profiles; k++) {
        static struct srtp_session s;
        srtp_t theirs = oracle(profiles[k], ssrc_any_inbound);
        ours(&s, profiles[k]);
        for (uint64_t index = 30000; index < 200000; index += 997) {
            uint8_t p[256], plain[256];
            size_t header, len = packet(p, (uint16_t)index, index % 150, &header);
            memcpy(plain, p, len);
            int sealed = (int)srtp_seal(&s, p, header, len, index);
            assert_int_equal(sealed, len + srtp_tag_size(profiles[k]));
            assert_int_equal(srtp_unprotect(theirs, p, &sealed), srtp_err_status_ok);
            assert_int_equal(sealed, len);
            assert_memory_equal(p, plain, len);
        }
        srtp_dealloc(theirs);
        srtp_session_wipe(&s);
    }
}

static void what_the_oracle_seals_we_open(void **state)
{
    for (size_t k = 0; k < sizeof profiles / sizeof *profiles; k++) {
        static struct srtp_session s;
        struct srtp_window w = {0};
        srtp_t theirs = oracle(profiles[k], ssrc_any_outbound);
        ours(&s, profiles[k]);
        for (uint64_t n = 30000; n < 200000; n += 997) {
            uint8_t p[256], plain[256];
            size_t header, len = packet(p, (uint16_t)n, n % 150, &header);
            int sealed = (int)len;
            memcpy(plain, p, len);
            assert_int_equal(srtp_protect(theirs, p, &sealed), srtp_err_status_ok);
            uint64_t index = srtp_index(&w, (uint16_t)n);
            size_t got = (size_t)sealed;
            assert_int_equal(index, n);
            assert_true(srtp_open(&s, p, header, &got, index));
            assert_int_equal(got, len);
            assert_memory_equal(p, plain, len);
            srtp_mark(&w, index);
        }
        srtp_dealloc(theirs);
    }
}

static void rtcp_goes_both_ways(void **state)
{
    for (size_t k = 0; k < sizeof profiles / sizeof *profiles; k++) {
        static struct srtp_session s;
        srtp_t in = oracle(profiles[k], ssrc_any_inbound), out = oracle(profiles[k], ssrc_any_outbound);
        ours(&s, profiles[k]);
        for (uint32_t index = 1; index < 50; index++) {
            uint8_t p[128] = {0x80, 201, 0, 1}, plain[128];
            uint32_t got_index;
            put_be32(p + 4, SSRC);
            put_be32(p + 8, 0x81ca0001u);
            put_be32(p + 12, index);
            memcpy(plain, p, 16);
            int sealed = (int)srtcp_seal(&s, p, 16, index);
            assert_int_equal(srtp_unprotect_rtcp(in, p, &sealed), srtp_err_status_ok);
            assert_int_equal(sealed, 16);
            assert_memory_equal(p, plain, 16);
            assert_int_equal(srtp_protect_rtcp(out, p, &sealed), srtp_err_status_ok);
            size_t got = (size_t)sealed;
            assert_true(srtcp_open(&s, p, &got, &got_index));
            assert_int_equal(got_index, index);
            assert_int_equal(got, 16);
            assert_memory_equal(p, plain, 16);
        }
        srtp_dealloc(in);
        srtp_dealloc(out);
    }
}

static void no_changed_bit_is_opened(void **state)
{
    for (size_t k = 0; k < sizeof profiles / sizeof *profiles; k++) {
        static struct srtp_session s;
        uint8_t p[256], q[256];
        size_t header, len = packet(p, 5, 40, &header);
        ours(&s, profiles[k]);
        size_t sealed = srtp_seal(&s, p, header, len, 5);
        for (size_t bit = 0; bit < 8 * sealed; bit++) {
            size_t got = sealed;
            memcpy(q, p, sealed);
            q[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_false(srtp_open(&s, q, header, &got, 5));
        }
        for (size_t got = 0; got < sealed; got++) {
            size_t shorter = got;
            memcpy(q, p, sealed);
            assert_false(srtp_open(&s, q, header, &shorter, 5));
        }
        size_t got = sealed;
        memcpy(q, p, sealed);
        assert_false(srtp_open(&s, q, header, &got, 5 + 65536)); /* another roll-over */
        got = sealed;
        memcpy(q, p, sealed);
        assert_true(srtp_open(&s, q, header, &got, 5));
    }
}

static void no_changed_bit_of_rtcp_is_opened(void **state)
{
    for (size_t k = 0; k < sizeof profiles / sizeof *profiles; k++) {
        static struct srtp_session s;
        uint8_t p[64] = {0x80, 201, 0, 2}, q[64];
        uint32_t index;
        ours(&s, profiles[k]);
        size_t sealed = srtcp_seal(&s, p, 12, 9);
        for (size_t bit = 0; bit < 8 * sealed; bit++) {
            size_t got = sealed;
            memcpy(q, p, sealed);
            q[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_false(srtcp_open(&s, q, &got, &index));
        }
        for (size_t got = 0; got < sealed; got++) {
            size_t shorter = got;
            memcpy(q, p, sealed);
            assert_false(srtcp_open(&s, q, &shorter, &index));
        }
    }
}

static void the_window_takes_each_index_once(void **state)
{
    struct srtp_window w = {0};
    assert_true(srtp_fresh(&w, 0));
    for (uint64_t i = 1000; i < 3000; i += 2) {
        assert_true(srtp_fresh(&w, i));
        srtp_mark(&w, i);
        assert_false(srtp_fresh(&w, i));
    }
    for (uint64_t i = 2999 - SRTP_REPLAY_WINDOW; i < 3000; i++)
        assert_int_equal(srtp_fresh(&w, i), i % 2 == 1 && i > 2998 - SRTP_REPLAY_WINDOW);
    srtp_mark(&w, 2901);
    assert_false(srtp_fresh(&w, 2901));
    srtp_mark(&w, 2998 + 64);
    assert_false(srtp_fresh(&w, 2998));
    assert_true(srtp_fresh(&w, 2999));
    srtp_mark(&w, 1u << 20);
    assert_true(srtp_fresh(&w, (1u << 20) - 1));
    assert_false(srtp_fresh(&w, 2999));
}

static void an_index_is_the_nearest_to_the_last(void **state)
{
    struct srtp_window w = {0};
    assert_int_equal(srtp_index(&w, 65000), 65000);
    srtp_mark(&w, 10);
    assert_int_equal(srtp_index(&w, 65000), 65000); /* there is nothing before the first */
    srtp_mark(&w, 65000);
    assert_int_equal(srtp_index(&w, 10), 65536 + 10);
    srtp_mark(&w, 65536 + 10);
    assert_int_equal(srtp_index(&w, 65000), 65000);
    assert_int_equal(srtp_index(&w, 11), 65536 + 11);
}

static int start(void **state)
{
    for (size_t i = 0; i < sizeof master; i++)
        master[i] = (uint8_t)(i * 5 + 1);
    return !aead_init(AEAD_BACKEND_AUTO) || srtp_init() != srtp_err_status_ok;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_we_seal_the_oracle_opens),
        cmocka_unit_test(what_the_oracle_seals_we_open),
        cmocka_unit_test(rtcp_goes_both_ways),
        cmocka_unit_test(no_changed_bit_is_opened),
        cmocka_unit_test(no_changed_bit_of_rtcp_is_opened),
        cmocka_unit_test(the_window_takes_each_index_once),
        cmocka_unit_test(an_index_is_the_nearest_to_the_last),
    };
    return cmocka_run_group_tests(tests, start, NULL);
}
