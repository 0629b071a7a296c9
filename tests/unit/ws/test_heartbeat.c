/*
 * Heartbeats: the forms that clients send, the traps, and generated mutations against a real JSON parser.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/ws/heartbeat.h"
#include "tests/unit/http/guard.h"
#include "tests/unit/ws/heartbeat_oracle.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

static struct guard guard;

static bool gateway(const char *text, size_t len, struct gateway_beat *beat)
{
    return gateway_beat_parse(guard_put(&guard, text, len), len, beat);
}

static void gateway_is(const char *text, int64_t sequence)
{
    struct gateway_beat beat = {77};
    if (!gateway(text, strlen(text), &beat))
        fail_msg("not recognised: %s", text);
    assert_int_equal(beat.sequence, sequence);
    for (size_t n = 0; n < strlen(text); n++)
        if (strspn(text + n, " \t\r\n") != strlen(text + n))
            assert_false(gateway(text, n, &beat));
}

static void gateway_is_not(const char *text)
{
    struct gateway_beat beat = {77};
    if (gateway(text, strlen(text), &beat))
        fail_msg("recognised: %s", text);
    assert_int_equal(beat.sequence, 77);
}

static void gateway_heartbeats_are_recognised_in_every_plain_form(void **state)
{
    gateway_is("{\"op\":1,\"d\":251}", 251);
    gateway_is("{\"op\":1,\"d\":null}", HEARTBEAT_NONE);
    gateway_is("{\"op\":1,\"d\":0}", 0);
    gateway_is("{\"d\":7,\"op\":1}", 7);
    gateway_is(" \t\r\n{ \"op\" : 1 ,\n\"d\" : 9007199254740992 } \n", INT64_C(9007199254740992));
    gateway_is("{\"t\":null,\"s\":null,\"op\":1,\"d\":5}", 5);
    gateway_is("{\"op\":1,\"d\":5,\"s\":null}", 5);
}

static void what_only_looks_like_a_gateway_heartbeat_is_not_one(void **state)
{
    static const char *const traps[] = {
        "",
        " ",
        "{}",
        "{",
        "null",
        "1",
        "[{\"op\":1,\"d\":1}]",
        "{\"op\":1}",
        "{\"d\":1}",
        "{\"op\":2,\"d\":1}",
        "{\"op\":11,\"d\":1}",
        "{\"op\":10,\"d\":1}",
        "{\"op\":40,\"d\":1}",
        "{\"op\":01,\"d\":1}",
        "{\"op\":1.0,\"d\":1}",
        "{\"op\":1e0,\"d\":1}",
        "{\"op\":\"1\",\"d\":1}",
        "{\"op\":-1,\"d\":1}",
        "{\"op\":1,\"op\":1,\"d\":1}",
        "{\"op\":1,\"op\":2,\"d\":1}",
        "{\"op\":1,\"d\":1,\"d\":2}",
        "{\"op\":1,\"d\":1,\"s\":null,\"s\":null}",
        "{\"op\":1,\"d\":1,\"s\":1}",
        "{\"op\":1,\"d\":1,\"t\":\"X\"}",
        "{\"op\":1,\"d\":1,\"x\":null}",
        "{\"op\":1,\"d\":1,\"d2\":null}",
        "{\"op\":1,\"d\":-1}",
        "{\"op\":1,\"d\":1.5}",
        "{\"op\":1,\"d\":1e3}",
        "{\"op\":1,\"d\":01}",
        "{\"op\":1,\"d\":\"1\"}",
        "{\"op\":1,\"d\":true}",
        "{\"op\":1,\"d\":[1]}",
        "{\"op\":1,\"d\":{}}",
        "{\"op\":1,\"d\":9007199254740993}",
        "{\"op\":1,\"d\":18446744073709551617}",
        "{\"op\":1,\"d\":00000000000000001}",
        "{\"op\":1,\"d\":nullx}",
        "{\"op\":1,\"d\":nul}",
        "{\"op\":1,\"d\":NULL}",
        "{\"op\":1,\"d\":1}}",
        "{\"op\":1,\"d\":1}{\"op\":2}",
        "{\"op\":1,\"d\":1,}",
        "{,\"op\":1,\"d\":1}",
        "{\"op\":1 \"d\":1}",
        "{\"op\" 1,\"d\":1}",
        "{\"op\"=1,\"d\":1}",
        "{\"\\u006fp\":1,\"d\":1}",
        "{\"op\":1,\"\\u0064\":1}",
        "{\"OP\":1,\"D\":1}",
        "{'op':1,'d':1}",
        "{op:1,d:1}",
        "{\"op \":1,\"d\":1}",
        "{\"d\":{\"op\":1,\"d\":1},\"op\":4}",
        "{\"op\":4,\"d\":\"{\\\"op\\\":1,\\\"d\\\":1}\"}",
        "{\"op\":4,\"d\":{\"op\":1}}",
        "{\"d\":\"\\\"op\\\":1\",\"op\":8}",
        "{\"op\":1,\"d\":1 /**/}",
        "\xef\xbb\xbf{\"op\":1,\"d\":1}",
        "{\"op\":1,\"d\":1}\x0b",
        "{\"op\":1,\xc2\xa0\"d\":1}",
    };
    for (unsigned i = 0; i < sizeof traps / sizeof traps[0]; i++)
        gateway_is_not(traps[i]);
    struct gateway_beat beat;
    assert_false(gateway("{\"op\":1,\"d\":1}\0", 15, &beat));
    assert_false(gateway("{\"op\":1,\0\"d\":1}", 15, &beat));
}

static bool voice(const char *text, unsigned version, struct voice_beat *beat)
{
    return voice_beat_parse(guard_put(&guard, text, strlen(text)), strlen(text), version, beat);
}

static void voice_is(const char *text, unsigned version, const char *t, int32_t seq_ack, const char *ack)
{
    struct voice_beat beat;
    uint8_t dst[HEARTBEAT_MAX];
    if (!voice(text, version, &beat))
        fail_msg("not recognised: %s", text);
    assert_int_equal(beat.t_length, strlen(t));
    assert_memory_equal(beat.t, t, beat.t_length);
    assert_int_equal(beat.seq_ack, seq_ack);
    size_t n = voice_beat_ack(dst, version, &beat);
    assert_int_equal(n, strlen(ack));
    assert_memory_equal(dst, ack, n);
}

static void voice_heartbeats_are_recognised_by_version(void **state)
{
    voice_is("{\"op\":3,\"d\":{\"t\":1501184119561,\"seq_ack\":10}}", 8, "1501184119561", 10,
             "{\"op\":6,\"d\":{\"t\":1501184119561}}");
    voice_is(" { \"d\" : { \"seq_ack\" : -1 , \"t\" : 0 } , \"op\" : 3 } ", 9, "0", -1,
             "{\"op\":6,\"d\":{\"t\":0}}");
    voice_is("{\"op\":3,\"d\":{\"t\":9007199254740992}}", 8, "9007199254740992", HEARTBEAT_NONE,
             "{\"op\":6,\"d\":{\"t\":9007199254740992}}");
    voice_is("{\"op\":3,\"d\":{\"t\":5,\"seq_ack\":65535}}", 8, "5", 65535, "{\"op\":6,\"d\":{\"t\":5}}");
    voice_is("{\"op\":3,\"d\":1501184119561}", 4, "1501184119561", HEARTBEAT_NONE,
             "{\"op\":6,\"d\":1501184119561}");
    voice_is("{\"d\":7,\"op\":3}", 7, "7", HEARTBEAT_NONE, "{\"op\":6,\"d\":7}");
}

static void what_only_looks_like_a_voice_heartbeat_is_not_one(void **state)
{
    static const char *const traps[] = {
        "{\"op\":3}",
        "{\"op\":3,\"d\":null}",
        "{\"op\":3,\"d\":{}}",
        "{\"op\":3,\"d\":{\"seq_ack\":1}}",
        "{\"op\":3,\"d\":{\"t\":1,\"t\":1}}",
        "{\"op\":3,\"d\":{\"t\":1,\"x\":1}}",
        "{\"op\":3,\"d\":{\"t\":-1}}",
        "{\"op\":3,\"d\":{\"t\":1.5}}",
        "{\"op\":3,\"d\":{\"t\":\"1\"}}",
        "{\"op\":3,\"d\":{\"t\":null}}",
        "{\"op\":3,\"d\":{\"t\":1,\"seq_ack\":null}}",
        "{\"op\":3,\"d\":{\"t\":1,\"seq_ack\":65536}}",
        "{\"op\":3,\"d\":{\"t\":1,\"seq_ack\":-2}}",
        "{\"op\":3,\"d\":{\"t\":1,\"seq_ack\":-10}}",
        "{\"op\":3,\"d\":{\"t\":1,\"seq_ack\":-}}",
        "{\"op\":3,\"d\":{\"t\":1}},",
        "{\"op\":3,\"d\":{\"t\":1}",
        "{\"op\":3,\"d\":{\"t\":1},\"s\":null}",
        "{\"op\":3,\"d\":{\"t\":1},\"d\":{\"t\":2}}",
        "{\"op\":1,\"d\":{\"t\":1}}",
        "{\"op\":3,\"d\":{\"t\":9007199254740993}}",
        "{\"op\":3,\"d\":{{\"t\":1}}}",
        "{\"op\":3,\"d\":[{\"t\":1}]}",
        "{\"d\":{\"op\":3,\"t\":1},\"op\":3}",
    };
    struct voice_beat beat;
    for (unsigned i = 0; i < sizeof traps / sizeof traps[0]; i++)
        for (unsigned version = 4; version <= 9; version++)
            if (voice(traps[i], version, &beat))
                fail_msg("recognised: %s", traps[i]);
    assert_false(voice("{\"op\":3,\"d\":5}", 8, &beat));
    assert_false(voice("{\"op\":3,\"d\":{\"t\":5}}", 7, &beat));
}

static void our_own_payloads_are_these(void **state)
{
    uint8_t dst[HEARTBEAT_MAX];
    size_t n = gateway_beat_ack(dst);
    assert_int_equal(n, 9);
    assert_memory_equal(dst, "{\"op\":11}", 9);
    n = gateway_hello(dst, 41250);
    assert_int_equal(n, 42);
    assert_memory_equal(dst, "{\"op\":10,\"d\":{\"heartbeat_interval\":41250}}", n);
    n = voice_hello(dst, 8, 13750);
    assert_int_equal(n, 47);
    assert_memory_equal(dst, "{\"op\":8,\"d\":{\"v\":8,\"heartbeat_interval\":13750}}", n);
    assert_true(voice_hello(dst, 255, UINT32_MAX) < HEARTBEAT_MAX);
}

/* A small generator with a seed: the test is the same every time. */
static uint32_t next_random(uint32_t *x)
{
    *x ^= *x << 13;
    *x ^= *x >> 17;
    return *x ^= *x << 5;
}

static size_t mutate(const char *from, char *to, uint32_t *x)
{
    static const char *const pieces[] = {"{",     "}",      ",",           ":", "\"op\"", "\"d\"",
                                         "\"s\"", "\"t\"",  "\"seq_ack\"", "1", "3",      "0",
                                         "-1",    "-",      ".",           "e", "null",   " ",
                                         "\n",    "\"",     "\\",          "[", "]",      "9007199254740992",
                                         "65535", "\\u0064"};
    size_t len = strlen(from);
    memcpy(to, from, len);
    for (uint32_t edits = next_random(x) % 3; edits < 4; edits += 1 + next_random(x) % 2) {
        const char *piece = pieces[next_random(x) % (sizeof pieces / sizeof pieces[0])];
        size_t n = strlen(piece), at = next_random(x) % (len + 1), cut = next_random(x) % 3;
        if (next_random(x) % 3 == 0)
            n = 0;
        if (len + n > 200)
            break;
        cut = cut < len - at ? cut : len - at;
        memmove(to + at + n, to + at + cut, len - at - cut);
        memcpy(to + at, piece, n);
        len += n - cut;
    }
    return len;
}

/* Forms that the recogniser leaves to the control plane on purpose although they mean the same. */
static bool odd(const char *text, size_t len)
{
    return memchr(text, '\\', len) || memmem(text, len, "-0", 2);
}

static void mutations_mean_the_same_to_a_json_parser(void **state)
{
    static const char *const seeds[] = {"{\"op\":1,\"d\":251}",
                                        "{\"op\":1,\"d\":null,\"s\":null,\"t\":null}",
                                        "{\"d\":0,\"op\":1}",
                                        "{\"op\":3,\"d\":{\"t\":1501184119561,\"seq_ack\":10}}",
                                        "{\"op\":3,\"d\":{\"seq_ack\":-1,\"t\":3}}",
                                        "{\"op\":3,\"d\":15}"};
    uint32_t x = 2463534242;
    unsigned yes = 0, no = 0;
    for (unsigned round = 0; round < 300000; round++) {
        char text[256];
        size_t len = mutate(seeds[round % 6], text, &x);
        struct gateway_beat beat = {0}, oracle = {0};
        bool is = gateway(text, len, &beat), should = oracle_gateway((const uint8_t *)text, len, &oracle);
        if ((is && !should) || (should && !is && !odd(text, len)) || (is && beat.sequence != oracle.sequence))
            fail_msg("gateway %d %d: %.*s", is, should, (int)len, text);
        yes += is;
        no += !is;
        for (unsigned version = 7; version <= 8; version++) {
            struct voice_beat v;
            int64_t t = 0, seq_ack = 0;
            is = voice_beat_parse(guard_put(&guard, text, len), len, version, &v);
            should = oracle_voice((const uint8_t *)text, len, version, &t, &seq_ack);
            if ((is && !should) || (should && !is && !odd(text, len)))
                fail_msg("voice %u %d %d: %.*s", version, is, should, (int)len, text);
            if (is && (v.seq_ack != seq_ack || strtoll((const char *)v.t, NULL, 10) != t))
                fail_msg("voice %u values: %.*s", version, (int)len, text);
            yes += is;
        }
    }
    assert_true(yes > 1000 && no > 1000); /* the comparison is not an empty one */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gateway_heartbeats_are_recognised_in_every_plain_form),
        cmocka_unit_test(what_only_looks_like_a_gateway_heartbeat_is_not_one),
        cmocka_unit_test(voice_heartbeats_are_recognised_by_version),
        cmocka_unit_test(what_only_looks_like_a_voice_heartbeat_is_not_one),
        cmocka_unit_test(our_own_payloads_are_these),
        cmocka_unit_test(mutations_mean_the_same_to_a_json_parser),
    };
    guard = guard_make(4096);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    guard_free(&guard);
    return failed;
}
