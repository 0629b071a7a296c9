/*
 * xsalsa20_poly1305: the RTP header is the nonce, there is no counter.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/voice/fixture.h"

#define GCM    VOICE_AES256_GCM_RTPSIZE
#define LEGACY VOICE_XSALSA20

static void published_vector_is_heard_in_each_mode(void **state)
{
    static const uint8_t vector[] = {0x80, 0x78, 0x00, 0x01, 0x00, 0x00, 0x03, 0xc0, 0x00, 0x00, 0x30,
                                     0x39, 0xc8, 0x35, 0xf9, 0xe0, 0x90, 0xc8, 0x72, 0xbf, 0x0b, 0x5c,
                                     0xf0, 0x8e, 0xa1, 0x5f, 0x25, 0x36, 0x0a, 0x0e, 0x25};
    struct fix *f = given();
    struct client *a = joins(f, 1, 0, LEGACY);
    a->ssrc = 0x3039;
    for (unsigned k = 0; k < 32; k++)
        a->key[k] = (uint8_t)k;
    assert_true(sets(f, a));
    listens(f, 2, 0, LEGACY);
    listens(f, 3, 0, GCM);
    listens(f, 4, 0, VOICE_XCHACHA20_RTPSIZE);
    assert_int_equal(arrives(f, a, vector, sizeof vector), VOICE_FORWARD);
    assert_int_equal(rounds_out(f), 3);
    for (uint32_t i = 2; i <= 4; i++)
        assert_int_equal(times_heard(f, i, "\xf8\xff\xfe"), 1);
    assert_int_equal(f->heard[0].length + f->heard[1].length + f->heard[2].length, 31 + 35 + 35);
    done(f);
}

static void an_extension_goes_between_all_modes_whole(void **state)
{
    struct fix *f = given();
    struct client *a = joins(f, 1, 0, LEGACY), *b = joins(f, 2, 0, GCM);
    a->extension = b->extension = true;
    speaks(f, a, "binds a");
    speaks(f, b, "binds b");
    rounds_out(f);
    forget(f);
    assert_int_equal(speaks(f, a, "from the old"), VOICE_FORWARD);
    assert_int_equal(speaks(f, b, "from the new"), VOICE_FORWARD);
    assert_int_equal(rounds_out(f), 2);
    for (unsigned k = 0; k < 2; k++) {
        const struct heard *h = &f->heard[k];
        const uint8_t *text =
            h->member == 1 ? h->text + 4 : h->text; /* the old one has the preamble inside */
        assert_memory_equal(text, "\x10\x7f\0\0", 4);
        assert_memory_equal(text + 4, h->member == 1 ? "from the new" : "from the old", 12);
    }
    done(f);
}

static void replayed_packets_are_refused_at_any_age(void **state)
{
    struct fix *f = given();
    struct client *a = joins(f, 1, 0, LEGACY);
    uint8_t first[64], late[64];
    listens(f, 2, 0, LEGACY);
    a->seq = 0xfff0;
    size_t n = seals(a, "first", first), k = seals(a, "late", late);
    assert_int_equal(arrives(f, a, first, n), VOICE_FORWARD);
    for (int i = 0; i < 65800;
         i++) { /* more than a round of sequence numbers, so that the first looks new again */
        f->now += 20 * MS;
        assert_int_equal(speaks(f, a, "x"), VOICE_FORWARD);
        rounds_out(f);
        f->heard_count = 0;
        if (i == 3)
            assert_int_equal(arrives(f, a, late, k), VOICE_FORWARD);
    }
    uint64_t before = drops(f, DROP_VOICE_REPLAY);
    for (int16_t shift = -300; shift < 300; shift++) {
        assert_int_equal(arrives(f, a, first, n), VOICE_DONE);
        assert_int_equal(arrives(f, a, late, k), VOICE_DONE);
    }
    assert_int_equal(drops(f, DROP_VOICE_REPLAY) - before, 1200);
    assert_int_equal(speaks(f, a, "goes on"), VOICE_FORWARD);
    done(f);
}

static void every_flipped_bit_is_refused(void **state)
{
    struct fix *f = given();
    struct client *a = joins(f, 1, 0, LEGACY);
    uint8_t p[64], bad[64];
    listens(f, 2, 0, GCM);
    speaks(f, a, "one");
    size_t n = seals(a, "two", p);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        memcpy(bad, p, n);
        bad[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(arrives(f, a, bad, n), VOICE_DONE);
    }
    assert_int_equal(arrives(f, a, p, n), VOICE_FORWARD);
    done(f);
}

/* Nonces under one receiver's key, seen by it. */
static uint8_t nonces[HEARD_MAX][12];
static unsigned nonce_count;

static void note(struct fix *f, const struct voice_target *t)
{
    if (f->client[t->member].mode != LEGACY)
        return;
    for (unsigned k = 0; k < nonce_count; k++)
        assert_memory_not_equal(nonces[k], t->payload, 12);
    memcpy(nonces[nonce_count++], t->payload, 12);
}

/* A speaker with another mode may seal any header he likes under a new counter. */
static void no_header_reaches_a_legacy_key_twice(void **state)
{
    struct fix *f = given();
    struct client *a = joins(f, 1, 0, GCM);
    listens(f, 2, 0, LEGACY);
    listens(f, 3, 0, GCM);
    f->sealed = note;
    nonce_count = 0;
    uint32_t random = 1;
    for (int i = 0; i < 3000; i++) {
        uint8_t p[64];
        random = random * 1664525u + 1013904223u;
        a->seq = (uint16_t)(random >> 30);
        a->timestamp = random >> 16 & 0xff ? (random >> 8 & 0xff) << 24 : a->timestamp;
        f->now += 20 * MS;
        assert_int_equal(arrives(f, a, p, seals_as(a, ++a->counter, "again", p)), VOICE_FORWARD);
        rounds_out(f);
        if (i % 500 == 499) {
            struct fix *next = killed(f);
            done(f);
            f = next;
            a = &f->client[1];
            f->sealed = note;
        }
    }
    assert_true(nonce_count > 0 && nonce_count < 300);
    assert_true(drops(f, DROP_VOICE_HEADER_USED) > 0);
    assert_int_equal(counter_of(f, &f->client[3]), VOICE_COUNTER_FIRST + 3000); /* others miss nothing */
    assert_true(notices(f, NOTICE_EXHAUSTED) <= 1);
    done(f);
}

static void a_speaker_whose_headers_end_is_to_be_renewed(void **state)
{
    struct fix *f = given();
    struct client *a = joins(f, 1, 0, LEGACY);
    listens(f, 2, 0, LEGACY);
    for (int i = 0; i < 20; i++) {
        a->timestamp += 1u << 27;
        speaks(f, a, "on");
    }
    rounds_out(f);
    speaks(f, a, "the notice goes with a packet");
    assert_int_equal(notices(f, NOTICE_EXHAUSTED), 1);
    assert_int_equal(f->told[f->told_count - 1].body.member, WORKER * MEMBERS + 1);
    done(f);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(published_vector_is_heard_in_each_mode),  TEST(an_extension_goes_between_all_modes_whole),
        TEST(replayed_packets_are_refused_at_any_age), TEST(every_flipped_bit_is_refused),
        TEST(no_header_reaches_a_legacy_key_twice),    TEST(a_speaker_whose_headers_end_is_to_be_renewed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
