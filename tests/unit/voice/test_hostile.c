/*
 * A room in which two talk while somebody does all that can be done to them from outside and inside, in
 * virtual time: every frame of each reaches every other member in order, what is refused is counted by its
 * name, and nothing is answered with more than it brought.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/voice/fixture.h"

#define GCM       VOICE_AES256_GCM_RTPSIZE
#define LISTENERS 6u
#define ROUNDS    400u

static uint32_t random_state;

static uint32_t draw(uint32_t n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % n;
}

/* Members 1 and 2 speak, all hear. */
static struct fix *a_call(void)
{
    struct fix *f = given_speakers(3);
    random_state = 7;
    for (uint32_t i = 1; i <= LISTENERS; i++)
        listens(f, i, 0, i % 3 ? GCM : VOICE_XCHACHA20_RTPSIZE);
    return f;
}

/* A frame of each speaker, heard by everybody else exactly once and as the next. */
static void both_speak_and_are_heard(struct fix *f)
{
    uint16_t seq[3];
    rounds_out(f); /* what the attack has left to be sent */
    f->heard_count = 0;
    for (uint32_t who = 1; who <= 2; who++) {
        assert_int_equal(speaks(f, &f->client[who], who == 1 ? "from one" : "from two"), VOICE_FORWARD);
        seq[who] = f->client[who].seq;
        rounds_out(f);
    }
    for (uint32_t i = 1; i <= LISTENERS; i++) {
        assert_int_equal(times_heard(f, i, "from one"), i != 1);
        assert_int_equal(times_heard(f, i, "from two"), i != 2);
    }
    for (unsigned k = 0; k < f->heard_count; k++)
        assert_int_equal(f->heard[k].seq, seq[f->heard[k].ssrc == ssrc_of(1) ? 1 : 2]);
    f->heard_count = 0;
    f->now += 20 * MS;
}

/* From an address that is nobody's. */
static struct client *stranger(struct fix *f)
{
    static struct client s;
    s = f->client[1];
    s.ip[15] = 200;
    s.port = (uint16_t)(1024 + draw(60000));
    return &s;
}

static void forged_replayed_truncated_and_flipped_packets_harm_nobody(void **state)
{
    struct fix *f = a_call();
    uint8_t p[128], bad[128];
    uint64_t moved = member(f, 1)->moved;
    for (unsigned n = 0; n < ROUNDS; n++) {
        both_speak_and_are_heard(f);
        struct client next = f->client[2]; /* a packet that he has not sent yet, or his latest */
        size_t len = n % 5 ? seals(&next, "next", p) : f->last_length;
        if (n % 5 == 0)
            memcpy(p, f->last, len);
        memcpy(bad, p, len);
        switch (n % 5) {
        case 0: /* replayed from elsewhere */
            break;
        case 1: /* truncated */
            len = draw((uint32_t)len);
            break;
        case 2:
            bad[draw((uint32_t)len)] ^= (uint8_t)(1u << draw(8));
            break;
        case 3: /* another member's SSRC in front of it */
            put_be32(bad + 8, ssrc_of(1));
            break;
        default: /* as RTCP, with its SSRC where RTCP has one */
            bad[1] = 200;
            put_be32(bad + 4, ssrc_of(2));
        }
        assert_int_equal(arrives(f, stranger(f), bad, len), VOICE_DONE);
    }
    assert_int_equal(member(f, 1)->moved, moved);
    assert_int_equal(member(f, 2)->moved, 0);
    assert_true(drops(f, DROP_VOICE_REPLAY) >= ROUNDS / 5);
    assert_true(drops(f, DROP_VOICE_AUTH) >= ROUNDS / 3);
    assert_true(drops(f, DROP_VOICE_SHORT) >= ROUNDS / 10);
    done(f);
}

static void discovery_floods_are_answered_so_often_and_never_with_more(void **state)
{
    struct fix *f = a_call();
    unsigned answered = 0, asked = 0;
    for (unsigned n = 0; n < ROUNDS; n++) {
        both_speak_and_are_heard(f);
        for (unsigned k = 0; k < 20; k++, asked++) {
            uint8_t q[74] = {0, 1, 0, 70};
            put_be32(q + 4, draw(2) ? ssrc_of(1 + draw(LISTENERS)) : draw(UINT32_MAX));
            answered +=
                arrives(f, stranger(f), q, sizeof q) == VOICE_REPLY; /* in place: of the same length */
        }
    }
    unsigned seconds = ROUNDS * 20 / 1000 + 1;
    assert_in_range(answered, 1, LISTENERS * DISCOVERIES * seconds);
    assert_true(drops(f, DROP_VOICE_DISCOVERY_RATE) + drops(f, DROP_VOICE_SSRC) >= asked - answered);
    for (uint32_t i = 1; i <= LISTENERS; i++)
        assert_int_equal(member(f, i)->address, ADDRESS_BOUND);
    done(f);
}

static void a_member_at_ten_thousand_packets_a_second_is_cut_to_his_rate(void **state)
{
    struct fix *f = a_call();
    struct client *loud = &f->client[3];
    for (unsigned n = 0; n < ROUNDS; n++) {
        both_speak_and_are_heard(f);
        for (unsigned k = 0; k < 200; k++) {
            speaks(f, loud, "noise");
            if (k % 8 == 7)
                rounds_out(f);
        }
        rounds_out(f);
        f->heard_count = 0;
    }
    unsigned seconds = ROUNDS * 20 / 1000 + 1;
    assert_true(f->counters.count[COUNT_voice_in] <= (RATE * seconds) + 2 * ROUNDS + 2);
    assert_true(drops(f, DROP_VOICE_RATE) >= 200 * ROUNDS - RATE * seconds);
    done(f);
}

static void sources_that_change_address_take_their_own_stream_along_and_no_other(void **state)
{
    struct fix *f = a_call();
    for (unsigned n = 0; n < ROUNDS; n++) {
        f->client[1].port = (uint16_t)(6000 + draw(50000));
        f->client[1].ip[14] = (uint8_t)draw(250);
        both_speak_and_are_heard(f);
    }
    assert_true(member(f, 1)->moved >= ROUNDS - 5);
    for (uint32_t i = 2; i <= LISTENERS; i++)
        assert_int_equal(member(f, i)->moved, 0);
    done(f);
}

static void packets_for_rooms_that_ended_and_members_that_left_go_nowhere(void **state)
{
    struct fix *f = a_call();
    uint8_t p[128];
    struct client *gone = joins(f, 20, 5, GCM);
    listens(f, 21, 5, GCM);
    size_t len = seals(gone, "too late", p);
    assert_int_equal(speaks(f, gone, "waits"), VOICE_FORWARD);
    assert_true(leaves(f, &f->client[21]));
    assert_true(leaves(f, gone));
    for (unsigned n = 0; n < 50; n++) {
        both_speak_and_are_heard(f);
        assert_int_equal(arrives(f, gone, p, len), VOICE_DONE);
    }
    assert_int_equal(drops(f, DROP_VOICE_SSRC), 50);
    done(f);
}

static void anything_at_all_of_any_length_leaves_the_call_as_it_is(void **state)
{
    struct fix *f = a_call();
    for (unsigned n = 0; n < ROUNDS; n++) {
        both_speak_and_are_heard(f);
        for (unsigned k = 0; k < 10; k++) {
            uint8_t bytes[200];
            size_t len = draw(sizeof bytes);
            for (size_t i = 0; i < len; i++)
                bytes[i] = (uint8_t)draw(256);
            if (len > 2 && draw(2))
                bytes[0] = 0x80, bytes[1] = draw(2) ? 0x78 : 201;
            enum voice_verdict v = arrives(f, stranger(f), bytes, len);
            assert_true(v == VOICE_DONE || (v == VOICE_REPLY && (len == 8 || len == 74)));
        }
    }
    assert_true(all_drops(f) >= 9 * ROUNDS);
    done(f);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(forged_replayed_truncated_and_flipped_packets_harm_nobody),
        TEST(discovery_floods_are_answered_so_often_and_never_with_more),
        TEST(a_member_at_ten_thousand_packets_a_second_is_cut_to_his_rate),
        TEST(sources_that_change_address_take_their_own_stream_along_and_no_other),
        TEST(packets_for_rooms_that_ended_and_members_that_left_go_nowhere),
        TEST(anything_at_all_of_any_length_leaves_the_call_as_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
