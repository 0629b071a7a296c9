/*
 * Who is heard.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/voice/fixture.h"

#include "dataplane/voice/speakers.h"

#define GCM VOICE_AES256_GCM_RTPSIZE
#define K   3u

static struct speaker places[K];
static uint64_t now;

static enum drop_reason says(uint32_t ssrc, uint8_t loudness)
{
    return speaker_admit(places, K, ssrc, loudness, false, now);
}

static enum drop_reason is_silent(uint32_t ssrc)
{
    return speaker_admit(places, K, ssrc, 0, true, now);
}

static int fresh(void **state)
{
    memset(places, 0, sizeof places);
    now = START;
    return 0;
}

static void the_first_ones_are_heard_where_nobody_says_how_loud_he_is(void **state)
{
    for (int i = 0; i < 200; i++, now += 20 * MS)
        for (uint32_t ssrc = 1; ssrc <= 5; ssrc++)
            assert_int_equal(says(ssrc, speaker_loudness(255, true, false)),
                             ssrc <= K ? DROP_NONE : DROP_VOICE_NOT_LOUDEST);
}

static void the_loudest_are_heard_whenever_they_came(void **state)
{
    for (int i = 0; i < 200; i++, now += 20 * MS)
        for (uint32_t ssrc = 1; ssrc <= 6; ssrc++) {
            enum drop_reason why = says(ssrc, speaker_loudness((uint8_t)(100 - 12 * ssrc), true, false));
            if (i >= 100)
                assert_int_equal(why, ssrc > 3 ? DROP_NONE : DROP_VOICE_NOT_LOUDEST);
        }
}

static void about_as_loud_does_not_take_a_place(void **state)
{
    unsigned changes = 0;
    bool heard = false;
    for (int i = 0; i < 500; i++, now += 20 * MS) {
        for (uint32_t ssrc = 1; ssrc <= K; ssrc++)
            says(ssrc, (uint8_t)(70 + i % 4));
        bool is = says(9, (uint8_t)(72 + i % 3)) == DROP_NONE;
        changes += is != heard;
        heard = is;
    }
    assert_int_equal(changes, 0);
}

static void a_place_is_free_when_speech_has_ended(void **state)
{
    for (uint32_t ssrc = 1; ssrc <= K; ssrc++)
        says(ssrc, 100);
    assert_int_equal(says(9, 50), DROP_VOICE_NOT_LOUDEST);
    now += SPEAKER_HOLD_US + 1;
    assert_int_equal(says(9, 50), DROP_NONE);
}

static void priority_is_heard_before_all_others(void **state)
{
    for (int i = 0; i < 100; i++, now += 20 * MS)
        for (uint32_t ssrc = 1; ssrc <= K; ssrc++)
            says(ssrc, speaker_loudness(0, true, false));
    assert_int_equal(says(9, speaker_loudness(90, true, true)), DROP_NONE);
}

static void five_packets_of_silence_end_speech_and_the_rest_costs_nothing(void **state)
{
    assert_int_equal(is_silent(1), DROP_VOICE_SILENCE);
    says(1, 80);
    for (int i = 0; i < 50; i++, now += 20 * MS)
        assert_int_equal(is_silent(1), i < 5 ? DROP_NONE : DROP_VOICE_SILENCE);
    says(2, 80), says(3, 80);
    assert_int_equal(says(4, 10), DROP_NONE); /* in the first one's place */
    assert_int_equal(says(1, 10), DROP_VOICE_NOT_LOUDEST);
}

/* ---- in a room ---- */

static void silence_reaches_nobody_and_speech_everybody(void **state)
{
    struct fix *f = given_speakers(K);
    struct client *a = joins(f, 1, 0, GCM);
    listens(f, 2, 0, GCM);
    assert_int_equal(speaks(f, a, "\xf8\xff\xfe"), VOICE_DONE);
    assert_int_equal(speaks(f, a, "word"), VOICE_FORWARD);
    for (int i = 0; i < 9; i++)
        speaks(f, a, "\xf8\xff\xfe");
    assert_int_equal(rounds_out(f), 6);
    assert_int_equal(drops(f, DROP_VOICE_SILENCE), 5);
    assert_int_equal(((struct room *)pool_at(f->rooms, 0))->silent, 5);
    assert_int_equal(speaks(f, a, "word"), VOICE_FORWARD);
    done(f);
}

static void of_many_speakers_as_many_as_may_are_heard(void **state)
{
    struct fix *f = given_speakers(K);
    for (uint32_t i = 1; i <= 6; i++)
        listens(f, i, 0, GCM);
    for (int n = 0; n < 10; n++, f->now += 20 * MS) {
        forget(f);
        for (uint32_t i = 1; i <= 6; i++)
            speaks(f, &f->client[i], "all at once");
        assert_int_equal(rounds_out(f), K * 5);
        assert_int_equal(drops(f, DROP_VOICE_NOT_LOUDEST), 3);
    }
    leaves(f, &f->client[2]);
    forget(f);
    assert_int_equal(speaks(f, &f->client[5], "now me"), VOICE_FORWARD);
    assert_int_equal(speaks(f, &f->client[6], "and me"), VOICE_DONE);
    done(f);
}

static void who_says_that_he_speaks_is_heard_before_who_only_sends(void **state)
{
    struct fix *f = given_speakers(1);
    struct client *a = listens(f, 1, 0, GCM), *b = listens(f, 2, 0, GCM);
    for (int i = 0; i < 40; i++, f->now += 20 * MS)
        speaks(f, a, "noise"), rounds_out(f);
    assert_int_equal(speaks(f, b, "more noise"), VOICE_DONE);
    b->flags = MEMBER_SPEAKING;
    assert_true(sets(f, b));
    assert_int_equal(speaks(f, b, "speech"), VOICE_FORWARD);
    done(f);
}

#define TEST(name) cmocka_unit_test_setup(name, fresh)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_first_ones_are_heard_where_nobody_says_how_loud_he_is),
        TEST(the_loudest_are_heard_whenever_they_came),
        TEST(about_as_loud_does_not_take_a_place),
        TEST(a_place_is_free_when_speech_has_ended),
        TEST(priority_is_heard_before_all_others),
        TEST(five_packets_of_silence_end_speech_and_the_rest_costs_nothing),
        TEST(silence_reaches_nobody_and_speech_everybody),
        TEST(of_many_speakers_as_many_as_may_are_heard),
        TEST(who_says_that_he_speaks_is_heard_before_who_only_sends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
