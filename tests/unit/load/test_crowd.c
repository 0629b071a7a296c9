/*
 * The generator's verification: what a right box sends is taken, and every kind of wrong packet ends the run.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "dataplane/crypto/aead.h"
#include "dataplane/net/net.h"
#include "tests/load/box.h"
#include "tests/load/crowd.h"

#define RTP_AT  42
#define TEXT_AT 54
#define OPUS    CROWD_OPUS_BYTES

const uint8_t box_address[16] = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 1};
const uint8_t box_router[16] = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 2};

static struct crowd crowd;
static uint32_t counters[6];

static void key_of(uint32_t i, struct aead_key *key)
{
    struct verb_member m;
    crowd_member(&crowd, i, &m);
    aead_key_expand(key, AEAD_AES_256_GCM, m.key);
}

/* A box that does it right: opens `in` of `from`, seals it for `to`. */
static size_t forward(const uint8_t *in, uint32_t from, uint32_t to, uint8_t *out)
{
    struct aead_key key;
    uint8_t opus[OPUS], nonce[12] = {0};
    struct net_path path = {.source_mac = {2}, .next_hop_mac = {2}};
    memcpy(nonce, in + TEXT_AT + OPUS + 16, 4);
    key_of(from, &key);
    assert_true(aead_open(&key, nonce, in + RTP_AT, 12, in + TEXT_AT, OPUS, in + TEXT_AT + OPUS, opus));
    memcpy(out + RTP_AT, in + RTP_AT, 12);
    put_be32(nonce, VOICE_COUNTER_FIRST + counters[to]++);
    key_of(to, &key);
    aead_seal(&key, nonce, out + RTP_AT, 12, opus, OPUS, out + TEXT_AT, out + TEXT_AT + OPUS);
    memcpy(out + TEXT_AT + OPUS + 16, nonce, 4);
    memcpy(path.source, box_address, 16);
    net_address_from4(path.destination, (uint8_t[]){198, 19, 0, (uint8_t)to});
    return net_emit_udp(out, &path, 50000, 40000, CROWD_FRAME - RTP_AT);
}

/* Two rooms of three; everyone has joined. */
static int set_up(void **state)
{
    uint8_t frame[256];
    assert_true(crowd_make(&crowd, 2, 3, 7));
    memset(counters, 0, sizeof counters);
    for (uint32_t i = 0; i < 6; i++) {
        uint8_t out[256];
        assert_int_equal(crowd_speak(&crowd, i, frame), CROWD_FRAME);
        for (uint32_t to = i / 3 * 3; to < i; to++)
            assert_true(crowd_receive(&crowd, out, forward(frame, i, to, out), true));
    }
    assert_int_equal(crowd.expected, 6);
    assert_int_equal(crowd_settle(&crowd), 0);
    return 0;
}

static int tear_down(void **state)
{
    crowd_free(&crowd);
    return 0;
}

/* The speaker of room 0 speaks, and this is what client 1 gets. */
static size_t one(uint8_t *out)
{
    uint8_t frame[256];
    crowd_speak(&crowd, 0, frame);
    return forward(frame, 0, 1, out);
}

static void assert_refused(const uint8_t *frame, size_t len)
{
    assert_false(crowd_receive(&crowd, frame, len, true));
    assert_int_not_equal(crowd.wrong[0], 0);
}

static void right_copies_are_counted_and_nothing_is_missing(void **state)
{
    for (unsigned n = 0; n < 70000; n += 10000 / 16) {
        uint8_t frame[256], out[256];
        crowd_speak(&crowd, 0, frame);
        assert_true(crowd_receive(&crowd, out, forward(frame, 0, 1, out), true));
        assert_true(crowd_receive(&crowd, out, forward(frame, 0, 2, out), true));
    }
    assert_int_equal(crowd.received, crowd.expected);
    assert_int_equal(crowd_settle(&crowd), 0);
    assert_int_equal(crowd.wrong[0], 0);
}

static void copies_that_do_not_come_are_missing_in_the_middle_and_at_the_end(void **state)
{
    uint8_t frame[256], out[256];
    for (unsigned n = 0; n < 5; n++) {
        crowd_speak(&crowd, 0, frame);
        if (n != 1 && n != 4)
            assert_true(crowd_receive(&crowd, out, forward(frame, 0, 1, out), true));
        assert_true(crowd_receive(&crowd, out, forward(frame, 0, 2, out), true));
    }
    assert_int_equal(crowd.missing, 1);
    assert_int_equal(crowd_settle(&crowd), 2);
    assert_int_equal(crowd.wrong[0], 0);
}

static void every_flipped_bit_is_refused(void **state)
{
    uint8_t right[256], frame[256];
    size_t len = one(right);
    for (size_t bit = 12 * 8; bit < len * 8; bit++) { /* behind the Ethernet addresses */
        struct client before = crowd.client[1];
        memcpy(frame, right, len);
        frame[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_refused(frame, len);
        crowd.wrong[0] = 0;
        crowd.client[1] = before;
    }
    assert_true(crowd_receive(&crowd, right, len, true));
}

static void another_length_is_refused(void **state)
{
    uint8_t frame[256];
    size_t len = one(frame);
    assert_refused(frame, len - 1);
    assert_refused(frame, len + 1);
    assert_refused(frame, 20);
}

static void copy_that_comes_twice_is_refused(void **state)
{
    uint8_t frame[256];
    size_t len = one(frame);
    assert_true(crowd_receive(&crowd, frame, len, false));
    assert_refused(frame, len);
}

static void copy_sealed_with_anothers_key_is_refused_when_opened(void **state)
{
    uint8_t frame[256], out[256];
    struct net_path path = {.source_mac = {2}, .next_hop_mac = {2}};
    crowd_speak(&crowd, 0, frame);
    forward(frame, 0, 2, out);
    memcpy(path.source, box_address, 16);
    net_address_from4(path.destination, (uint8_t[]){198, 19, 0, 1});
    assert_refused(out, net_emit_udp(out, &path, 50000, 40000, CROWD_FRAME - RTP_AT));
}

static void nonce_counter_used_before_is_refused(void **state)
{
    uint8_t frame[256];
    assert_true(crowd_receive(&crowd, frame, one(frame), true));
    counters[1]--;
    assert_refused(frame, one(frame));
}

static void nonce_counter_that_was_passed_over_may_come_later_and_once(void **state)
{
    uint8_t frame[256];
    for (unsigned n = 0; n < 3; n++) { /* 1, 0, 2, ahead of what came before */
        counters[1] = 100 + (n < 2 ? 1 - n : n);
        assert_true(crowd_receive(&crowd, frame, one(frame), true));
    }
    for (unsigned n = 0; n < 3; n++) {
        counters[1] = 100 + n;
        assert_refused(frame, one(frame));
        crowd.wrong[0] = 0;
    }
    counters[1] = 10; /* too long ago to tell */
    assert_refused(frame, one(frame));
}

static void who_is_bound_without_a_word_hears_the_first_one(void **state)
{
    uint8_t frame[256], out[256];
    struct verb_member_bind at;
    crowd_free(&crowd);
    assert_true(crowd_make(&crowd, 1, 3, 7));
    for (uint32_t i = 0; i < 3; i++)
        crowd_bind(&crowd, i);
    crowd_bind(&crowd, 1); /* once is enough */
    crowd_speak(&crowd, 0, frame);
    assert_int_equal(crowd.expected, 2);
    assert_true(crowd_receive(&crowd, out, forward(frame, 0, 1, out), true));
    assert_int_equal(crowd_settle(&crowd), 1);
    crowd_address(0x10203, &at);
    assert_memory_equal(at.ip + 12, ((uint8_t[]){198, 19, 2, 3}), 4);
    assert_int_equal(at.port, 40001);
}

static void voice_of_another_room_is_refused(void **state)
{
    uint8_t frame[256], out[256];
    crowd_speak(&crowd, 0, frame);
    assert_refused(out, forward(frame, 0, 4, out));
}

static void own_voice_is_refused(void **state)
{
    uint8_t frame[256], out[256];
    crowd_speak(&crowd, 0, frame);
    assert_refused(out, forward(frame, 0, 0, out));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(right_copies_are_counted_and_nothing_is_missing),
        TEST(copies_that_do_not_come_are_missing_in_the_middle_and_at_the_end),
        TEST(every_flipped_bit_is_refused),
        TEST(another_length_is_refused),
        TEST(copy_that_comes_twice_is_refused),
        TEST(copy_sealed_with_anothers_key_is_refused_when_opened),
        TEST(nonce_counter_used_before_is_refused),
        TEST(nonce_counter_that_was_passed_over_may_come_later_and_once),
        TEST(who_is_bound_without_a_word_hears_the_first_one),
        TEST(voice_of_another_room_is_refused),
        TEST(own_voice_is_refused),
    };
    if (!aead_init(AEAD_BACKEND_AUTO))
        return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
