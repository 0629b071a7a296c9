/*
 * From one member to all others: sealed for each, in order, in slices.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/voice/fixture.h"

static unsigned nibble(char c)
{
    return (unsigned)(c <= '9' ? c - '0' : c - 'a' + 10);
}

static size_t hex(const char *text, uint8_t *p)
{
    size_t n = 0;
    for (; text[0]; text += 2)
        p[n++] = (uint8_t)(nibble(text[0]) << 4 | nibble(text[1]));
    return n;
}

/* Key 00 01 .. 1f on both ends, counter 1 on both ends: the sealed datagram is the received one, byte for
 * byte. */
static void vector(enum voice_mode mode, const char *text)
{
    struct fix *f = given();
    struct client *speaker = joins(f, 1, 0, mode), *listener = joins(f, 2, 0, mode);
    uint8_t p[64];
    for (unsigned k = 0; k < 32; k++)
        speaker->key[k] = listener->key[k] = (uint8_t)k;
    speaker->ssrc = 0x3039;
    speaker->generation++;
    listener->generation++;
    assert_true(sets(f, speaker) && sets(f, listener));
    binds(f, listener);
    counter_is(f, listener, 1);
    size_t len = hex(text, p);
    assert_int_equal(arrives(f, speaker, p, len), VOICE_FORWARD);
    assert_int_equal(round_out(f), 1);
    assert_int_equal(f->heard[0].length, len);
    assert_memory_equal(f->heard[0].datagram, p, len);
    assert_memory_equal(f->heard[0].text + (p[0] & 0x10 ? 4 : 0), "\xf8\xff\xfe", 3);
    done(f);
}

static void published_vectors_come_out_as_they_came_in(void **state)
{
    vector(VOICE_AES256_GCM_RTPSIZE,
           "80780001000003c000003039bcc93352177d1556c79e0ebde42f854ca2775100000001");
    vector(VOICE_AES256_GCM_RTPSIZE,
           "90780001000003c000003039bede00015449cdaaf4a50a4d792b1c863c31ae19470177147b27f500000001");
    vector(VOICE_XCHACHA20_RTPSIZE, "80780001000003c000003039f158aff80ffdd729b8527eeadceb6aa6333a0500000001");
    vector(VOICE_XCHACHA20_RTPSIZE,
           "90780001000003c000003039bede000119d8512097ff6fa07c68321c079743d660077ebaf6ce8f00000001");
}

static void everyone_else_hears_everyone_under_their_own_key_and_mode(void **state)
{
    struct fix *f = given();
    struct client *a = listens(f, 1, 5, VOICE_AES256_GCM_RTPSIZE),
                  *b = listens(f, 2, 5, VOICE_XCHACHA20_RTPSIZE),
                  *c = listens(f, 3, 5, VOICE_AES256_GCM_RTPSIZE);
    listens(f, 4, 5, VOICE_XCHACHA20_RTPSIZE);  /* never speaks */
    listens(f, 9, 6, VOICE_AES256_GCM_RTPSIZE); /* another room */
    b->extension = true;
    assert_int_equal(speaks(f, a, "from a"), VOICE_FORWARD);
    assert_int_equal(speaks(f, b, "from b"), VOICE_FORWARD);
    assert_int_equal(speaks(f, c, "from c"), VOICE_FORWARD);
    assert_int_equal(voice_pending(f->v), 3);
    assert_int_equal(round_out(f), 9);
    assert_int_equal(voice_pending(f->v), 0);
    assert_int_equal(f->released, 3);
    for (uint32_t i = 1; i <= 4; i++) {
        assert_int_equal(times_heard(f, i, "from a"), i != 1);
        assert_int_equal(times_heard(f, i, "\x10\x7f"), 0);
        assert_int_equal(times_heard(f, i, "from c"), i != 3);
    }
    for (unsigned k = 0; k < f->heard_count; k++) {
        const struct heard *h = &f->heard[k];
        assert_int_equal(h->peer_port, f->client[h->member].port);
        assert_memory_equal(h->peer_ip, f->client[h->member].ip, 16);
        assert_true(h->counter >= VOICE_COUNTER_FIRST);
        if (h->ssrc == b->ssrc)
            assert_memory_equal(h->text, "\x10\x7f\0\0from b", 10);
    }
    assert_int_equal(all_drops(f), 0);
    done(f);
}

static void a_listener_is_bound_by_select_protocol_and_hears_nothing_before(void **state)
{
    struct fix *f = given();
    struct client *speaker = joins(f, 1, 0, VOICE_AES256_GCM_RTPSIZE),
                  *listener = joins(f, 2, 0, VOICE_AES256_GCM_RTPSIZE);
    speaks(f, speaker, "no address");
    discovers(f, listener);
    speaks(f, speaker, "candidate");
    assert_int_equal(rounds_out(f), 0);
    assert_int_equal(drops(f, DROP_VOICE_UNBOUND), 2);
    assert_int_equal(f->released, 2);
    binds(f, listener);
    speaks(f, speaker, "bound");
    assert_int_equal(rounds_out(f), 1);
    assert_int_equal(times_heard(f, 2, "bound"), 1);
    done(f);
}

static void deaf_members_and_those_without_a_mode_hear_nothing(void **state)
{
    struct fix *f = given();
    struct client *speaker = listens(f, 1, 0, VOICE_AES256_GCM_RTPSIZE),
                  *deaf = listens(f, 2, 0, VOICE_XCHACHA20_RTPSIZE);
    listens(f, 3, 0, VOICE_MODE_NONE);
    deaf->flags = MEMBER_DEAF;
    assert_true(sets(f, deaf));
    speaks(f, speaker, "to nobody");
    assert_int_equal(rounds_out(f), 0);
    assert_int_equal(all_drops(f), 0);
    deaf->flags = 0;
    assert_true(sets(f, deaf));
    speaks(f, speaker, "to one");
    assert_int_equal(rounds_out(f), 1);
    assert_int_equal(times_heard(f, 2, "to one"), 1);
    assert_true(f->heard[0].counter ==
                VOICE_COUNTER_FIRST); /* flags alone leave key and counter as they were */
    done(f);
}

static void counters_grow_by_one_from_the_upper_half(void **state)
{
    struct fix *f = given();
    struct client *speaker = joins(f, 1, 0, VOICE_AES256_GCM_RTPSIZE);
    listens(f, 2, 0, VOICE_AES256_GCM_RTPSIZE);
    for (uint32_t k = 0; k < 50; k++) {
        speaks(f, speaker, "frame");
        assert_int_equal(rounds_out(f), 1);
        assert_true(f->heard[k].counter == VOICE_COUNTER_FIRST + k);
        assert_int_equal(f->heard[k].seq, speaker->seq);
    }
    done(f);
}

static void a_key_whose_counter_is_at_its_end_is_used_no_more_and_that_is_told_once(void **state)
{
    struct fix *f = given();
    struct client *speaker = joins(f, 1, 0, VOICE_AES256_GCM_RTPSIZE),
                  *ends = listens(f, 2, 0, VOICE_AES256_GCM_RTPSIZE);
    listens(f, 3, 0, VOICE_AES256_GCM_RTPSIZE);
    counter_is(f, ends, VOICE_COUNTER_LAST - 1);
    forget(f);
    speaks(f, speaker, "last");
    assert_int_equal(rounds_out(f), 2);
    assert_int_equal(times_heard(f, 2, "last"), 1);
    for (int k = 0; k < 4; k++) {
        speaks(f, speaker, "after");
        assert_int_equal(rounds_out(f), 1);
    }
    assert_int_equal(times_heard(f, 2, "after"), 0);
    assert_int_equal(times_heard(f, 3, "after"), 4);
    assert_int_equal(drops(f, DROP_VOICE_COUNTER_END), 4);
    assert_true(counter_of(f, ends) == VOICE_COUNTER_LAST);
    assert_int_equal(notices(f, NOTICE_EXHAUSTED), 1);
    for (unsigned k = 0; k < f->told_count; k++)
        if (f->told[k].what == NOTICE_EXHAUSTED)
            assert_int_equal(f->told[k].body.member, WORKER * MEMBERS + 2);
    ends->generation++;
    ends->key[0] ^= 1;
    assert_true(sets(f, ends));
    speaks(f, speaker, "renewed");
    assert_int_equal(rounds_out(f), 2);
    assert_int_equal(times_heard(f, 2, "renewed"), 1);
    done(f);
}

/* The first counter from the upper half on under which this payload's ciphertext begins like an extension. */
static uint32_t ambiguous_counter(const struct client *c, const char *payload)
{
    uint8_t p[128];
    uint32_t counter = VOICE_COUNTER_FIRST - 1;
    do
        seals_as(c, ++counter, payload, p);
    while (p[12] != 0xbe || p[13] != 0xde);
    return counter;
}

static void ciphertext_that_looks_like_an_extension_is_sealed_again(void **state)
{
    struct fix *f = given();
    struct client *speaker = joins(f, 1, 0, VOICE_AES256_GCM_RTPSIZE),
                  *listener = listens(f, 2, 0, VOICE_AES256_GCM_RTPSIZE);
    uint32_t counter = ambiguous_counter(listener, "opus");
    counter_is(f, listener, counter);
    speaks(f, speaker, "opus");
    assert_int_equal(rounds_out(f), 1);
    assert_true(f->heard[0].counter == counter + 1);
    assert_int_not_equal(be16(f->heard[0].datagram + 12), 0xbede);
    assert_int_equal(times_heard(f, 2, "opus"), 1);
    done(f);
}

/* A room of listeners 10 .. 10+n, member 1 speaks. Later ones stand nearer to the head: they hear first. */
static struct client *crowd(struct fix *f, unsigned n)
{
    struct client *speaker = joins(f, 1, 0, VOICE_AES256_GCM_RTPSIZE);
    for (uint32_t i = 10; i < 10 + n; i++)
        listens(f, i, 0, i % 2 ? VOICE_AES256_GCM_RTPSIZE : VOICE_XCHACHA20_RTPSIZE);
    forget(f);
    return speaker;
}

static void a_large_room_is_served_in_slices(void **state)
{
    struct fix *f = given();
    struct client *speaker = crowd(f, 1000);
    unsigned rounds = 0, sent = 0;
    speaks(f, speaker, "to all");
    while (voice_pending(f->v)) {
        unsigned n = round_out(f);
        assert_in_range(n, 1, VOICE_SLICE);
        sent += n;
        rounds++;
        assert_int_equal(f->released, voice_pending(f->v) == 0);
    }
    assert_int_equal(sent, 1000);
    assert_in_range(rounds, 4, 5);
    for (uint32_t i = 10; i < 1010; i++)
        assert_int_equal(times_heard(f, i, "to all"), 1);
    done(f);
}

static void a_large_room_does_not_hold_back_a_small_one(void **state)
{
    struct fix *f = given();
    struct client *speaker = crowd(f, 600), *other = joins(f, 2, 1, VOICE_AES256_GCM_RTPSIZE);
    listens(f, 3, 1, VOICE_AES256_GCM_RTPSIZE);
    speaks(f, speaker, "one");
    speaks(f, speaker, "two");
    speaks(f, other, "small");
    assert_int_equal(round_out(f), VOICE_SLICE + 1);
    assert_int_equal(times_heard(f, 3, "small"), 1);
    rounds_out(f);
    assert_int_equal(f->heard_count, 1201);
    done(f);
}

static void packets_of_a_room_reach_each_receiver_in_order(void **state)
{
    struct fix *f = given();
    struct client *speaker = crowd(f, 300);
    uint16_t last[400] = {0};
    for (int k = 0; k < 8; k++) {
        speaks(f, speaker, "frame");
        round_out(f);
    }
    rounds_out(f);
    assert_int_equal(f->heard_count, 8 * 300);
    for (unsigned k = 0; k < f->heard_count; k++) {
        const struct heard *h = &f->heard[k];
        assert_int_equal(h->seq, last[h->member] + 1);
        last[h->member] = h->seq;
    }
    done(f);
}

/* Whichever members leave between two slices, also where the walk stands: all others hear the packet once. */
static void leaving_between_slices_takes_nothing_from_the_others(void **state)
{
    static const int leaving[] = {-2, -1, 0, 1, 2, 50, 0x7fff};
    struct fix *f = given();
    struct client *speaker = crowd(f, 700);
    bool gone[1200] = {false};
    speaks(f, speaker, "frame");
    assert_int_equal(round_out(f), VOICE_SLICE);
    uint32_t next = f->heard[f->heard_count - 1].member - 1; /* the walk goes down */
    for (unsigned k = 0; k < sizeof leaving / sizeof leaving[0]; k++) {
        uint32_t i = leaving[k] == 0x7fff ? 10 : next - (uint32_t)leaving[k];
        assert_true(leaves(f, &f->client[i]));
        gone[i] = true;
    }
    listens(f, next, 0, VOICE_AES256_GCM_RTPSIZE); /* its slot comes back at once */
    rounds_out(f);
    assert_int_equal(f->released, 1);
    for (uint32_t i = 10; i < 710; i++)
        assert_int_equal(times_heard(f, i, "frame"), !gone[i] || i > next);
    speaks(f, speaker, "next");
    rounds_out(f);
    for (uint32_t i = 10; i < 710; i++)
        assert_int_equal(times_heard(f, i, "next"), !gone[i] || i == next);
    done(f);
}

static void moving_to_another_room_between_slices_is_safe_too(void **state)
{
    struct fix *f = given();
    struct client *speaker = crowd(f, 300);
    speaks(f, speaker, "frame");
    assert_int_equal(round_out(f), VOICE_SLICE);
    struct client *mover = &f->client[f->heard[f->heard_count - 1].member - 1],
                  *there = joins(f, 2, 1, VOICE_AES256_GCM_RTPSIZE);
    mover->room = 1;
    assert_true(sets(f, mover));
    assert_int_equal(rounds_out(f), 300 - VOICE_SLICE - 1);
    assert_int_equal(times_heard(f, mover->i, "frame"), 0);
    speaks(f, there, "there");
    speaks(f, speaker, "here");
    rounds_out(f);
    assert_int_equal(times_heard(f, mover->i, "there"), 1);
    assert_int_equal(times_heard(f, mover->i, "here"), 0);
    done(f);
}

static void a_room_that_ended_takes_its_waiting_packets_along(void **state)
{
    struct fix *f = given();
    struct client *a = listens(f, 1, 0, VOICE_AES256_GCM_RTPSIZE),
                  *b = listens(f, 2, 0, VOICE_AES256_GCM_RTPSIZE);
    speaks(f, a, "secret");
    assert_true(leaves(f, a) && leaves(f, b));
    for (uint32_t i = 3; i < 6; i++)
        listens(f, i, 0, VOICE_AES256_GCM_RTPSIZE);
    assert_int_equal(rounds_out(f), 0);
    assert_int_equal(f->released, 1);
    done(f);
}

static void a_packet_beyond_the_bound_of_waiting_ones_is_dropped(void **state)
{
    struct fix *f = given();
    struct client *speaker = joins(f, 1, 0, VOICE_AES256_GCM_RTPSIZE);
    listens(f, 2, 0, VOICE_AES256_GCM_RTPSIZE);
    for (unsigned k = 0; k < PENDING; k++)
        assert_int_equal(speaks(f, speaker, "waits"), VOICE_FORWARD);
    assert_int_equal(speaks(f, speaker, "too many"), VOICE_DONE);
    assert_int_equal(drops(f, DROP_VOICE_PENDING_FULL), 1);
    assert_int_equal(rounds_out(f), PENDING);
    assert_int_equal(f->released, PENDING);
    assert_int_equal(speaks(f, speaker, "room again"), VOICE_FORWARD);
    rounds_out(f);
    assert_int_equal(times_heard(f, 2, "room again"), 1);
    done(f);
}

static void nobody_is_kept_waiting_for_a_speaker_who_is_alone(void **state)
{
    struct fix *f = given();
    assert_int_equal(speaks(f, listens(f, 1, 0, VOICE_AES256_GCM_RTPSIZE), "alone"), VOICE_DONE);
    assert_int_equal(voice_pending(f->v), 0);
    assert_int_equal(f->counters.count[COUNT_voice_in], 1);
    assert_int_equal(all_drops(f), 0);
    done(f);
}

static void a_target_without_memory_uses_no_counter(void **state)
{
    struct fix *f = given();
    struct client *speaker = joins(f, 1, 0, VOICE_AES256_GCM_RTPSIZE),
                  *a = listens(f, 2, 0, VOICE_AES256_GCM_RTPSIZE),
                  *b = listens(f, 3, 0, VOICE_AES256_GCM_RTPSIZE);
    struct voice_target t[VOICE_BATCH];
    uint8_t wire[256];
    speaks(f, speaker, "frame");
    voice_begin_output(f->v);
    assert_int_equal(voice_targets(f->v, t), 2);
    unsigned left_out = t[0].member == 2 ? 0 : 1;
    t[left_out].payload = NULL;
    t[!left_out].payload = wire;
    voice_seal(f->v, t, 2);
    assert_true(counter_of(f, a) == VOICE_COUNTER_FIRST);
    assert_true(counter_of(f, b) == VOICE_COUNTER_FIRST + 1);
    assert_null(t[left_out].payload);
    assert_int_equal(voice_targets(f->v, t), 0);
    assert_non_null(voice_released(f->v));
    assert_null(voice_released(f->v));
    done(f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_vectors_come_out_as_they_came_in),
        cmocka_unit_test(everyone_else_hears_everyone_under_their_own_key_and_mode),
        cmocka_unit_test(a_listener_is_bound_by_select_protocol_and_hears_nothing_before),
        cmocka_unit_test(deaf_members_and_those_without_a_mode_hear_nothing),
        cmocka_unit_test(counters_grow_by_one_from_the_upper_half),
        cmocka_unit_test(a_key_whose_counter_is_at_its_end_is_used_no_more_and_that_is_told_once),
        cmocka_unit_test(ciphertext_that_looks_like_an_extension_is_sealed_again),
        cmocka_unit_test(a_large_room_is_served_in_slices),
        cmocka_unit_test(a_large_room_does_not_hold_back_a_small_one),
        cmocka_unit_test(packets_of_a_room_reach_each_receiver_in_order),
        cmocka_unit_test(leaving_between_slices_takes_nothing_from_the_others),
        cmocka_unit_test(moving_to_another_room_between_slices_is_safe_too),
        cmocka_unit_test(a_room_that_ended_takes_its_waiting_packets_along),
        cmocka_unit_test(a_packet_beyond_the_bound_of_waiting_ones_is_dropped),
        cmocka_unit_test(nobody_is_kept_waiting_for_a_speaker_who_is_alone),
        cmocka_unit_test(a_target_without_memory_uses_no_counter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
