/*
 * Rooms with a part on several cores, members of other kinds, RTCP, and how long packets were here.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/voice/fixture.h"

#define GCM VOICE_AES256_GCM_RTPSIZE

static bool has_parts(struct fix *f, uint32_t room, uint32_t parts)
{
    struct verb_room verb = {.room = room, .parts = parts, .channel_id = CHANNEL + room};
    begins(f);
    bool ok = voice_room_parts(f->v, &verb);
    commits(f);
    return ok;
}

/* What one part has handed over comes to the other one. */
static enum voice_verdict over(struct fix *from, struct fix *to, uint32_t room)
{
    struct voice_datagram d = {.holder = from};
    begins(to);
    enum voice_verdict verdict = voice_offer_part(to->v, CHANNEL + room, &d, &from->handed, to->now);
    commits(to);
    return verdict;
}

static void a_room_in_parts_is_one_room(void **state)
{
    struct fix *here = given(), *there = given();
    struct client *a = listens(here, 1, 0, GCM);
    listens(here, 2, 0, GCM);
    for (uint32_t i = 11; i < 14; i++)
        listens(there, i, 0, i % 2 ? GCM : VOICE_XCHACHA20_RTPSIZE);
    assert_true(has_parts(here, 0, 1u << WORKER | 1u << 5));
    assert_int_equal(speaks(here, a, "to all"), VOICE_FORWARD);
    assert_int_equal(here->handed_to, 0); /* not before the commit */
    assert_int_equal(rounds_out(here), 1);
    assert_int_equal(here->handed_to, 1u << 5);
    assert_int_equal(over(here, there, 0), VOICE_FORWARD);
    assert_int_equal(rounds_out(there), 3);
    for (uint32_t i = 11; i < 14; i++)
        assert_int_equal(times_heard(there, i, "to all"), 1);
    assert_int_equal(there->heard[0].ssrc, ssrc_of(1));
    assert_int_equal(there->handed_to, 0); /* it goes no further */
    done(here);
    done(there);
}

static void a_full_ring_loses_the_packet_for_that_part_alone_and_is_counted(void **state)
{
    struct fix *f = given();
    struct client *a = listens(f, 1, 0, GCM);
    listens(f, 2, 0, GCM);
    assert_true(has_parts(f, 0, 1u << 1));
    f->ring_to_parts_full = true;
    speaks(f, a, "heard here");
    assert_int_equal(rounds_out(f), 1);
    assert_int_equal(drops(f, DROP_VOICE_PART_FULL), 1);
    done(f);
}

static void the_only_member_of_a_part_is_heard_by_the_other_parts(void **state)
{
    struct fix *f = given();
    struct client *a = listens(f, 1, 0, GCM);
    assert_int_equal(speaks(f, a, "alone"), VOICE_DONE);
    assert_true(has_parts(f, 0, 1u << 1));
    assert_int_equal(speaks(f, a, "not alone"), VOICE_FORWARD);
    assert_int_equal(rounds_out(f), 0);
    assert_int_equal(f->handed_to, 1u << 1);
    done(f);
}

static void parts_are_for_the_room_that_is_meant_and_end_with_it(void **state)
{
    struct fix *f = given();
    struct client *a = joins(f, 1, 0, GCM);
    assert_false(has_parts(f, 1, 2));
    assert_int_equal(drops(f, DROP_VOICE_STALE_VERB), 1);
    assert_true(has_parts(f, 0, 2));
    struct fix *next = killed(f);
    assert_int_equal(speaks(next, a, "after a restart"), VOICE_FORWARD);
    assert_true(leaves(f, a));
    assert_int_equal(over(next, f, 0), VOICE_DONE);
    a = joins(f, 1, 0, GCM);
    assert_int_equal(speaks(f, a, "anew"), VOICE_DONE);
    done(next);
    done(f);
}

/* ---- RTCP ---- */

static size_t seals_report(struct client *c, uint8_t *dst)
{
    struct aead_key key;
    uint8_t nonce[AEAD_NONCE_SIZE_MAX] = {0};
    put_be32(dst, 0x80c80006);
    put_be32(dst + 4, c->ssrc);
    put_be32(nonce, ++c->counter);
    aead_key_expand(&key, AEAD_AES_256_GCM, c->key);
    aead_seal(&key, nonce, dst, 8, (const uint8_t *)"01234567890123456789", 20, dst + 8, dst + 28);
    put_be32(dst + 44, c->counter);
    return 48;
}

static void rtcp_is_authenticated_and_counted_and_goes_to_nobody(void **state)
{
    struct fix *f = given();
    struct client *a = joins(f, 1, 0, GCM);
    uint8_t p[64], bad[64];
    listens(f, 2, 0, GCM);
    size_t n = seals_report(a, p);
    for (size_t bit = 0; bit < 8 * n; bit++) {
        memcpy(bad, p, n);
        bad[bit / 8] ^= (uint8_t)(1u << bit % 8);
        assert_int_equal(arrives(f, a, bad, n), VOICE_DONE);
    }
    assert_int_equal(member(f, 1)->rtcp, 0);
    assert_int_equal(member(f, 1)->address, ADDRESS_NONE);
    forget(f);
    assert_int_equal(arrives(f, a, p, n), VOICE_DONE);
    assert_int_equal(arrives(f, a, p, n), VOICE_DONE);
    assert_int_equal(member(f, 1)->rtcp, 1);
    assert_int_equal(f->counters.count[COUNT_voice_rtcp], 1);
    assert_int_equal(drops(f, DROP_VOICE_REPLAY), 1);
    assert_int_equal(member(f, 1)->address, ADDRESS_BOUND);
    for (size_t len = 0; len < n; len++)
        assert_int_equal(arrives(f, a, p, len), VOICE_DONE);
    assert_int_equal(rounds_out(f), 0);
    assert_int_equal(speaks(f, a, "and speech goes on"), VOICE_FORWARD);
    done(f);
}

/* ---- another kind of members ---- */

struct carrier {
    struct fix *f;
    unsigned gone;
};

static bool carrier_input(void *user, const struct voice_datagram *d, uint64_t now_us,
                          enum voice_verdict *verdict)
{
    struct carrier *c = user;
    if (d->length < 5 || memcmp(d->data, "other", 5) != 0)
        return false;
    static uint8_t opened[64];
    struct voice_frame f = {.data = opened, .sender = 1, .text_length = 4, .header_length = 12, .level = 255};
    memcpy(opened, "\x80\x78\0\1\0\0\0\1", 8);
    put_be32(opened + 8, ssrc_of(1));
    memcpy(opened + 12, "talk", 4);
    *verdict = voice_offer(c->f->v, d, &f, now_us);
    return true;
}

static uint16_t carrier_length(void *user, uint32_t i, const struct voice_frame *f)
{
    return (uint16_t)(f->header_length + f->text_length);
}

static enum voice_step carrier_seal(void *user, uint32_t i, const struct voice_frame *f, uint8_t *payload,
                                    struct aead_seal *job)
{
    memcpy(payload, f->data, (size_t)f->header_length + f->text_length);
    return VOICE_STEP_DONE;
}

static void carrier_gone(void *user, uint32_t i)
{
    ((struct carrier *)user)->gone++;
}

static struct voice_target last_target;
static uint8_t last_payload[64];

static void keep_target(struct fix *f, const struct voice_target *t)
{
    last_target = *t;
    memcpy(last_payload, t->payload, t->length < sizeof last_payload ? t->length : sizeof last_payload);
}

static bool sets_other(struct fix *f, uint32_t i)
{
    struct verb_member verb = {.member = WORKER * MEMBERS + i,
                               .generation = f->client[i].generation,
                               .room = 0,
                               .session = 100 + i,
                               .user_id = 1000 + i,
                               .channel_id = CHANNEL,
                               .guild_id = 9,
                               .ssrc = ssrc_of(i),
                               .kind = MEMBER_WEBRTC};
    begins(f);
    bool ok = voice_member_set(f->v, &verb, f->now);
    commits(f);
    return ok;
}

static void members_of_another_kind_hear_and_are_heard(void **state)
{
    struct fix *f = given_speakers(5);
    struct carrier c = {.f = f};
    struct voice_transport t = {&c, carrier_input, carrier_length, carrier_seal, carrier_gone};
    voice_transport_set(f->v, MEMBER_WEBRTC, &t);
    struct client *a = joins(f, 1, 0, VOICE_MODE_NONE), *b = listens(f, 2, 0, GCM);
    assert_true(sets_other(f, 1));
    assert_int_equal(arrives(f, a, "other stuff that is long enough", 31), VOICE_FORWARD);
    assert_int_equal(rounds_out(f), 1);
    assert_int_equal(times_heard(f, 2, "talk"), 1);
    member(f, 1)->address = ADDRESS_BOUND;
    f->sealed = keep_target;
    assert_int_equal(speaks(f, b, "back"), VOICE_FORWARD);
    assert_int_equal(rounds_out(f), 1);
    assert_int_equal(last_target.member, 1);
    assert_int_equal(last_target.length, 16);
    assert_memory_equal(last_payload + 12, "back", 4);
    uint8_t forged[64];
    a->mode = GCM; /* his SSRC in a native packet */
    assert_int_equal(arrives(f, a, forged, seals_as(a, 1, "forged", forged)), VOICE_DONE);
    assert_int_equal(c.gone, 0);
    assert_true(leaves(f, a));
    assert_int_equal(c.gone, 1);
    done(f);
}

/* ---- quality ---- */

static void residence_is_counted_for_each_packet_out(void **state)
{
    struct fix *f = given();
    struct client *a = joins(f, 1, 0, GCM);
    uint64_t buckets[RESIDENCE_BUCKETS] = {0};
    for (uint32_t i = 2; i < 7; i++)
        listens(f, i, 0, GCM);
    voice_residence_at(f->v, buckets);
    speaks(f, a, "x");
    f->ticks += 2 * 9; /* 9 us */
    assert_int_equal(rounds_out(f), 5);
    speaks(f, a, "x");
    rounds_out(f);
    const struct room *r = pool_at(f->rooms, 0);
    assert_int_equal(r->residence[4], 5);
    assert_int_equal(r->residence[0], 5);
    assert_int_equal(buckets[4] + buckets[0], 10);
    done(f);
}

static void gaps_late_packets_and_what_must_be_concealed_are_told_apart(void **state)
{
    struct fix *f = given();
    struct client *a = joins(f, 1, 0, GCM);
    uint8_t late[64];
    const struct stream *s = &member(f, 1)->stream[STREAM_AUDIO];
    speaks(f, a, "1");
    size_t n = seals(a, "2", late);
    speaks(f, a, "3");
    arrives(f, a, late, n);
    a->seq += 3;
    speaks(f, a, "7");
    assert_int_equal(s->lost, 3);
    assert_int_equal(s->reordered, 1);
    assert_int_equal(s->gaps, 2);
    assert_int_equal(s->concealed, 4);
    done(f);
}

static void a_session_is_to_be_renewed_while_its_nonces_last(void **state)
{
    struct fix *f = given();
    struct client *a = joins(f, 1, 0, GCM), *b = listens(f, 2, 0, GCM);
    counter_is(f, b, VOICE_COUNTER_LAST - VOICE_COUNTERS_KEPT);
    speaks(f, a, "x");
    rounds_out(f);
    speaks(f, a, "x");
    assert_int_equal(rounds_out(f), 1);
    assert_int_equal(notices(f, NOTICE_EXHAUSTED), 1);
    assert_int_equal(f->told[f->told_count - 1].body.member, WORKER * MEMBERS + 2);
    a->counter = VOICE_COUNTER_FIRST - VOICE_COUNTERS_KEPT;
    speaks(f, a, "x");
    speaks(f, a, "x");
    assert_int_equal(notices(f, NOTICE_EXHAUSTED), 2);
    assert_int_equal(f->told[f->told_count - 1].body.member, WORKER * MEMBERS + 1);
    done(f);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_room_in_parts_is_one_room),
        TEST(a_full_ring_loses_the_packet_for_that_part_alone_and_is_counted),
        TEST(the_only_member_of_a_part_is_heard_by_the_other_parts),
        TEST(parts_are_for_the_room_that_is_meant_and_end_with_it),
        TEST(rtcp_is_authenticated_and_counted_and_goes_to_nobody),
        TEST(members_of_another_kind_hear_and_are_heard),
        TEST(residence_is_counted_for_each_packet_out),
        TEST(gaps_late_packets_and_what_must_be_concealed_are_told_apart),
        TEST(a_session_is_to_be_renewed_while_its_nonces_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
