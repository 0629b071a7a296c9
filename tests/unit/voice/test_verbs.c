/*
 * The control plane's verbs, and what a new process finds.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/voice/fixture.h"

#define GCM VOICE_AES256_GCM_RTPSIZE

/* The members of a room, by its list in both directions. */
static uint32_t in_room(struct fix *f, uint32_t room)
{
    const struct room *r = pool_at(f->rooms, room);
    uint32_t n = 0, before = MEMBER_NONE;
    for (uint32_t i = r->count ? r->head : MEMBER_NONE; i != MEMBER_NONE; i = member(f, i)->link) {
        assert_int_equal(member(f, i)->prev, before);
        assert_int_equal(member(f, i)->room, room);
        before = i;
        n++;
    }
    assert_int_equal(n, r->count);
    return n;
}

static void rooms_open_with_the_first_member_and_end_with_the_last(void **state)
{
    struct fix *f = given();
    const struct room *r = pool_at(f->rooms, 7);
    joins(f, 1, 7, GCM);
    assert_int_equal(f->rooms->used, 1);
    assert_int_equal(f->rooms->fresh, 8);
    assert_true(r->channel_id == CHANNEL + 7 && r->guild_id == 9 && r->opened_us == START);
    uint32_t generation = r->generation;
    joins(f, 2, 7, GCM);
    joins(f, 3, 7, GCM);
    assert_int_equal(in_room(f, 7), 3);
    assert_true(leaves(f, &f->client[2]));
    assert_int_equal(in_room(f, 7), 2);
    assert_true(leaves(f, &f->client[3]));
    assert_true(leaves(f, &f->client[1]));
    assert_int_equal(r->count, 0);
    assert_int_equal(f->rooms->used, 0);
    assert_int_equal(f->members->used, 0);
    assert_int_equal(f->members->used_max, 3);
    joins(f, 1, 7, GCM);
    assert_true(r->generation > generation);
    done(f);
}

static void verbs_of_another_generation_or_worker_are_refused(void **state)
{
    struct fix *f = given();
    struct client *c = joins(f, 1, 0, GCM), other = *c;
    other.generation += 2;
    assert_false(leaves(f, &other));
    other.generation = c->generation - 1;
    assert_false(leaves(f, &other));
    assert_int_equal(drops(f, DROP_VOICE_STALE_VERB), 2);
    struct verb_member_ref elsewhere = {(WORKER + 1) * MEMBERS + 1, c->generation},
                           before = {1, c->generation};
    begins(f);
    assert_false(voice_member_remove(f->v, &elsewhere));
    assert_false(voice_member_remove(f->v, &before));
    commits(f);
    c->generation = 5;
    assert_true(sets(f, c));
    other.generation = 4;
    assert_false(sets(f, &other));
    assert_true(leaves(f, c));
    assert_false(leaves(f, c));
    assert_int_equal(voice_member_of(f->v, c->ssrc), MEMBER_NONE);
    done(f);
}

static void impossible_members_are_refused_and_change_nothing(void **state)
{
    struct fix *f = given();
    struct client *c = joins(f, 1, 0, GCM), bad = *c;
    bad.i = 2; /* the SSRC is member 1's */
    assert_false(sets(f, &bad));
    bad.ssrc = ssrc_of(2);
    bad.room = ROOMS;
    assert_false(sets(f, &bad));
    bad.room = 0;
    bad.channel = 1; /* the room is another channel's */
    assert_false(sets(f, &bad));
    bad.channel = 0;
    bad.mode = VOICE_MODE_COUNT;
    assert_false(sets(f, &bad));
    bad.mode = GCM;
    bad.generation = 0;
    assert_false(sets(f, &bad));
    assert_int_equal(drops(f, DROP_VOICE_NO_MEMBER), 5);
    assert_int_equal(f->members->used, 1);
    assert_int_equal(in_room(f, 0), 1);
    assert_int_equal(voice_member_of(f->v, ssrc_of(2)), MEMBER_NONE);
    assert_int_equal(voice_member_of(f->v, ssrc_of(1)), 1);
    bad.generation = 1;
    assert_true(sets(f, &bad));
    done(f);
}

static void select_protocol_gives_a_known_member_its_key_and_keeps_its_address(void **state)
{
    struct fix *f = given();
    struct client *speaker = joins(f, 1, 0, GCM), *c = joins(f, 2, 0, VOICE_MODE_NONE);
    uint8_t key[32];
    memcpy(key, c->key, 32);
    memset(c->key, 0, 32);
    assert_true(sets(f, c));
    discovers(f, c);
    c->mode = GCM;
    memcpy(c->key, key, 32);
    assert_true(sets(f, c)); /* the same generation */
    assert_int_equal(member(f, 2)->address, ADDRESS_CANDIDATE);
    binds(f, c);
    speaks(f, speaker, "welcome");
    assert_int_equal(rounds_out(f), 1);
    assert_true(f->heard[0].counter == VOICE_COUNTER_FIRST);
    done(f);
}

static void a_new_key_begins_its_own_window_and_an_old_key_keeps_its_own(void **state)
{
    struct fix *f = given();
    struct client *c = joins(f, 1, 0, GCM);
    uint8_t p[64];
    listens(f, 2, 0, GCM);
    size_t len = seals(c, "x", p);
    assert_int_equal(arrives(f, c, p, len), VOICE_FORWARD);
    c->generation++; /* the same key again */
    assert_true(sets(f, c));
    assert_int_equal(arrives(f, c, p, len), VOICE_DONE);
    assert_int_equal(drops(f, DROP_VOICE_REPLAY), 1);
    c->key[3]++;
    c->generation++;
    assert_true(sets(f, c));
    assert_int_equal(arrives(f, c, p, len), VOICE_DONE);
    assert_int_equal(drops(f, DROP_VOICE_AUTH), 1);
    c->counter = 0;
    assert_int_equal(speaks(f, c, "from one again"), VOICE_FORWARD);
    done(f);
}

static void a_session_that_moves_to_its_new_sockets_core_hears_on(void **state)
{
    struct fix *f = given();
    struct client *c = listens(f, 1, 0, GCM), *speaker = joins(f, 2, 0, GCM);
    c->session = 1000; /* resumed on another core: nothing else about it is new */
    assert_true(sets(f, c));
    assert_int_equal(member(f, 1)->session, 1101);
    speaks(f, speaker, "to where it was");
    assert_int_equal(rounds_out(f), 1);
    assert_int_equal(times_heard(f, 1, "to where it was"), 1);
    done(f);
}

static void a_slots_next_occupant_inherits_nothing(void **state)
{
    struct fix *f = given();
    struct client *c = listens(f, 1, 0, GCM), *speaker = joins(f, 2, 0, GCM);
    speaks(f, c, "heard");
    assert_true(leaves(f, c));
    uint8_t zero[32] = {0};
    assert_memory_equal(member(f, 1)->key, zero, 32);
    rounds_out(f);
    forget(f);
    joins(f, 1, 0, GCM);
    const struct voice_member *m = member(f, 1);
    assert_int_equal(m->address, ADDRESS_NONE);
    assert_int_equal(m->flags, 0);
    assert_int_equal(m->rx_any, 0);
    assert_int_equal(m->stream[STREAM_AUDIO].packets, 0);
    assert_int_equal(m->stream[STREAM_AUDIO].ssrc, ssrc_of(1));
    speaks(f, speaker, "not to the old address");
    assert_int_equal(rounds_out(f), 0);
    done(f);
}

static void a_new_process_goes_on_where_the_old_one_was(void **state)
{
    struct fix *f = given();
    struct client *a = listens(f, 1, 0, GCM), *b = listens(f, 2, 0, VOICE_XCHACHA20_RTPSIZE);
    uint8_t p[64];
    struct client *gone = joins(f, 3, 0, GCM);
    assert_true(leaves(f, gone));
    size_t len = seals(a, "before", p);
    arrives(f, a, p, len);
    rounds_out(f);
    uint32_t counter = f->heard[0].counter;
    struct fix *next = killed(f);
    assert_int_equal(voice_member_of(next->v, ssrc_of(3)), MEMBER_NONE);
    assert_int_equal(arrives(next, a, p, len), VOICE_DONE);
    assert_int_equal(drops(next, DROP_VOICE_REPLAY), 1);
    assert_int_equal(speaks(next, a, "after"), VOICE_FORWARD);
    rounds_out(next);
    assert_int_equal(times_heard(next, 2, "after"), 1);
    assert_true(next->heard[0].counter == counter + 1);
    assert_int_equal(notices(next, NOTICE_HEARD), 0);
    assert_int_equal(speaks(next, b, "back"), VOICE_FORWARD);
    rounds_out(next);
    assert_int_equal(times_heard(next, 1, "back"), 1);
    done(next);
    done(f);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(rooms_open_with_the_first_member_and_end_with_the_last),
        TEST(verbs_of_another_generation_or_worker_are_refused),
        TEST(impossible_members_are_refused_and_change_nothing),
        TEST(select_protocol_gives_a_known_member_its_key_and_keeps_its_address),
        TEST(a_new_key_begins_its_own_window_and_an_old_key_keeps_its_own),
        TEST(a_session_that_moves_to_its_new_sockets_core_hears_on),
        TEST(a_slots_next_occupant_inherits_nothing),
        TEST(a_new_process_goes_on_where_the_old_one_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
