/*
 * What comes in: what is believed, what is refused and why, and that nobody else notices.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/voice/fixture.h"

#define GCM VOICE_AES256_GCM_RTPSIZE

/* Member 1 speaks, member 2 listens. */
static struct fix *pair(struct client **speaker)
{
    struct fix *f = given();
    *speaker = joins(f, 1, 0, GCM);
    listens(f, 2, 0, GCM);
    forget(f);
    return f;
}

static void refused(struct fix *f, enum voice_verdict verdict, enum drop_reason why)
{
    assert_int_equal(verdict, VOICE_DONE);
    assert_int_equal(all_drops(f), 1);
    assert_int_equal(drops(f, why), 1);
    assert_int_equal(voice_pending(f->v), 0);
    forget(f);
}

/* ---- authenticity ---- */

static void every_truncation_is_refused_and_harms_nothing(void **state)
{
    struct client *speaker;
    struct fix *f = pair(&speaker);
    uint8_t p[256];
    for (int extension = 0; extension < 2; extension++) {
        speaker->extension = extension;
        size_t len = seals(speaker, "some opus", p);
        for (size_t n = 0; n < len; n++) {
            assert_int_equal(arrives(f, speaker, p, n), VOICE_DONE);
            assert_int_equal(all_drops(f), 1);
            if (n < 33)
                assert_int_equal(drops(f, DROP_VOICE_SHORT), 1);
            else if (extension && n < 41)
                assert_int_equal(drops(f, DROP_VOICE_EXTENSION), 1);
            else /* payload where the counter was */
                assert_int_equal(drops(f, DROP_VOICE_AUTH) + drops(f, DROP_VOICE_REPLAY), 1);
            forget(f);
        }
        assert_int_equal(arrives(f, speaker, p, len), VOICE_FORWARD);
        assert_int_equal(rounds_out(f), 1);
    }
    done(f);
}

static void every_flipped_bit_is_refused_and_the_packet_still_passes_afterwards(void **state)
{
    struct client *speaker;
    struct fix *f = pair(&speaker);
    uint8_t p[256];
    for (int mode = GCM; mode <= VOICE_XCHACHA20_RTPSIZE; mode++) {
        speaker->mode = (uint8_t)mode;
        assert_true(sets(f, speaker));
        speaker->extension = mode == GCM;
        size_t len = seals(speaker, "some opus", p);
        for (size_t bit = 0; bit < 8 * len; bit++) {
            p[bit / 8] ^= (uint8_t)(1 << bit % 8);
            assert_int_equal(arrives(f, speaker, p, len), VOICE_DONE);
            assert_int_equal(all_drops(f), 1);
            forget(f);
            p[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
        assert_int_equal(member(f, 1)->address, mode == GCM ? ADDRESS_NONE : ADDRESS_BOUND);
        assert_int_equal(arrives(f, speaker, p, len), VOICE_FORWARD);
        assert_int_equal(rounds_out(f), 1);
    }
    done(f);
}

static void another_members_ssrc_does_not_open_under_ones_own_key(void **state)
{
    struct client *speaker;
    struct fix *f = pair(&speaker);
    struct client liar = *speaker;
    liar.ssrc = ssrc_of(2);
    refused(f, speaks(f, &liar, "as another"), DROP_VOICE_AUTH);
    liar.ssrc = 77;
    refused(f, speaks(f, &liar, "as nobody"), DROP_VOICE_SSRC);
    liar.ssrc = 0;
    refused(f, speaks(f, &liar, "as zero"), DROP_VOICE_SSRC);
    done(f);
}

static void our_own_packets_sent_back_are_refused(void **state)
{
    struct client *speaker;
    struct fix *f = pair(&speaker);
    uint8_t p[256];
    size_t len = seals_as(speaker, VOICE_COUNTER_FIRST, "ours", p);
    refused(f, arrives(f, speaker, p, len), DROP_VOICE_REPLAY);
    len = seals_as(speaker, UINT32_MAX, "ours", p);
    refused(f, arrives(f, speaker, p, len), DROP_VOICE_REPLAY);
    assert_int_equal(member(f, 1)->rx_any, 0);
    done(f);
}

static void a_member_without_a_mode_cannot_speak(void **state)
{
    struct fix *f = given();
    struct client *c = joins(f, 1, 0, VOICE_MODE_NONE), same = *c;
    same.mode = GCM;
    forget(f);
    refused(f, speaks(f, &same, "early"), DROP_VOICE_AUTH);
    done(f);
}

static void what_receivers_cannot_read_is_not_forwarded(void **state)
{
    struct client *speaker;
    struct fix *f = pair(&speaker);
    uint8_t p[1600];
    size_t len = seals(speaker, "some opus", p);
    p[1] = 0x60;
    refused(f, arrives(f, speaker, p, len), DROP_VOICE_PAYLOAD_TYPE);
    p[1] = 0x78;
    p[0] = 0x81;
    refused(f, arrives(f, speaker, p, len), DROP_VOICE_EXTENSION);
    speaker->extension = true;
    len = seals(speaker, "some opus", p);
    p[12] = 0x10;
    refused(f, arrives(f, speaker, p, len), DROP_VOICE_EXTENSION);
    p[12] = 0xbe;
    p[15] = 9;
    refused(f, arrives(f, speaker, p, len), DROP_VOICE_EXTENSION);
    memset(p, 0x80, sizeof p);
    refused(f, arrives(f, speaker, p, VOICE_DATAGRAM_MAX + 1), DROP_VOICE_LONG);
    done(f);
}

/* ---- replay ---- */

static void a_replayed_packet_is_refused_at_any_age(void **state)
{
    static uint8_t p[3000][64];
    struct client *speaker;
    struct fix *f = pair(&speaker);
    size_t len = 0;
    for (uint32_t k = 0; k < 3000; k++) {
        f->now += 20 * MS;
        len = seals(speaker, "x", p[k]);
        assert_int_equal(arrives(f, speaker, p[k], len), VOICE_FORWARD);
        rounds_out(f);
    }
    forget(f);
    for (uint32_t k = 0; k < 3000; k += 7)
        refused(f, arrives(f, speaker, p[k], len), DROP_VOICE_REPLAY);
    done(f);
}

static void the_window_takes_each_counter_once_in_any_order(void **state)
{
    struct client *speaker;
    struct fix *f = pair(&speaker);
    uint32_t base = 5000;
    uint8_t p[64];
    size_t len = seals_as(speaker, base, "x", p);
    assert_int_equal(arrives(f, speaker, p, len), VOICE_FORWARD);
    rounds_out(f);
    for (int turn = 0; turn < 2; turn++)
        for (uint32_t k = 0; k <= VOICE_REPLAY_WINDOW; k++) {
            uint32_t age = k * 389 % (VOICE_REPLAY_WINDOW + 1); /* each age once, shuffled */
            bool fresh = turn == 0 && age > 0 && age < VOICE_REPLAY_WINDOW;
            f->now += 20 * MS;
            len = seals_as(speaker, base - age, "x", p);
            assert_int_equal(arrives(f, speaker, p, len), fresh ? VOICE_FORWARD : VOICE_DONE);
            rounds_out(f);
        }
    assert_int_equal(drops(f, DROP_VOICE_REPLAY), 2 + VOICE_REPLAY_WINDOW + 1);
    done(f);
}

/* Every bit of the window is set; then the counter jumps. What was jumped over has not come yet, whatever its
 * bit said. */
static void jump(uint32_t width)
{
    struct client *speaker;
    struct fix *f = pair(&speaker);
    uint8_t p[64];
    uint32_t top = 3000 + VOICE_REPLAY_WINDOW;
    for (uint32_t c = 3000; c <= top + width; c = c == top ? top + width : c + 1) {
        f->now += 20 * MS;
        assert_int_equal(arrives(f, speaker, p, seals_as(speaker, c, "x", p)), VOICE_FORWARD);
        rounds_out(f);
    }
    for (uint32_t back = 1; back < width && back < VOICE_REPLAY_WINDOW; back += 1 + back / 8) {
        f->now += 20 * MS;
        size_t len = seals_as(speaker, top + width - back, "x", p);
        assert_int_equal(arrives(f, speaker, p, len), VOICE_FORWARD);
        assert_int_equal(arrives(f, speaker, f->last, len), VOICE_DONE);
        rounds_out(f);
    }
    if (width < VOICE_REPLAY_WINDOW)
        assert_int_equal(arrives(f, speaker, p, seals_as(speaker, top, "x", p)), VOICE_DONE);
    done(f);
}

static void a_jump_of_any_width_leaves_no_stale_bits(void **state)
{
    static const uint32_t widths[] = {1, 2, 63, 64, 65, 1022, 1023, 1024, 1025, 5000, 1u << 30};
    for (unsigned k = 0; k < sizeof widths / sizeof widths[0]; k++)
        jump(widths[k]);
}

/* ---- addresses ---- */

static bool bound_to(struct fix *f, uint32_t i, const struct client *c)
{
    const struct voice_member *m = member(f, i);
    return m->address == ADDRESS_BOUND && m->peer_port == c->port && memcmp(m->peer_ip, c->ip, 16) == 0;
}

static void the_first_authentic_packet_binds_its_address_and_is_told(void **state)
{
    struct client *speaker;
    struct fix *f = pair(&speaker);
    assert_int_equal(speaks(f, speaker, "hello"), VOICE_FORWARD);
    assert_true(bound_to(f, 1, speaker));
    assert_int_equal(notices(f, NOTICE_HEARD), 1);
    assert_int_equal(f->told[0].body.member, WORKER * MEMBERS + 1);
    assert_int_equal(f->told[0].body.generation, speaker->generation);
    assert_int_equal(f->told[0].body.port, speaker->port);
    assert_memory_equal(f->told[0].body.ip, speaker->ip, 16);
    assert_int_equal(member(f, 1)->flags, MEMBER_HEARD);
    speaks(f, speaker, "again");
    assert_int_equal(notices(f, NOTICE_HEARD), 1);
    done(f);
}

static void an_authentic_new_packet_moves_the_address_and_an_old_or_false_one_does_not(void **state)
{
    struct client *speaker;
    struct fix *f = pair(&speaker);
    struct client elsewhere = *speaker, home = *speaker;
    uint8_t first[64], second[64], third[64];
    size_t len = seals(speaker, "1", first);
    seals(speaker, "2", second);
    seals(speaker, "3", third);
    elsewhere.port = 999;
    assert_int_equal(arrives(f, &home, first, len), VOICE_FORWARD);
    arrives(f, &elsewhere, first, len); /* replayed */
    assert_true(bound_to(f, 1, &home));
    second[20] ^= 1;
    arrives(f, &elsewhere, second, len); /* forged */
    second[20] ^= 1;
    assert_true(bound_to(f, 1, &home));
    assert_int_equal(arrives(f, &elsewhere, third, len), VOICE_FORWARD);
    assert_true(bound_to(f, 1, &elsewhere));
    assert_int_equal(arrives(f, &home, second, len),
                     VOICE_FORWARD); /* overtaken on its way: heard, but it moves nothing */
    assert_true(bound_to(f, 1, &elsewhere));
    assert_int_equal(member(f, 1)->moved, 1);
    rounds_out(f);
    forget(f);
    speaks(f, &f->client[2], "to the new address");
    rounds_out(f);
    assert_int_equal(f->heard[0].peer_port, 999);
    done(f);
}

static void discovery_neither_moves_nor_unbinds_a_bound_address(void **state)
{
    struct client *speaker;
    struct fix *f = pair(&speaker);
    struct client attacker = *speaker;
    attacker.port = 666;
    speaks(f, speaker, "here");
    forget(f);
    discovers(f, &attacker);
    assert_true(bound_to(f, 1, speaker));
    assert_int_equal(notices(f, NOTICE_DISCOVERED), 0);
    done(f);
}

static void select_protocol_binds_only_what_discovery_told(void **state)
{
    struct fix *f = given();
    struct client *c = joins(f, 1, 0, GCM);
    struct verb_member_bind verb = {
        .member = WORKER * MEMBERS + 1, .generation = c->generation, .port = c->port};
    memcpy(verb.ip, c->ip, sizeof verb.ip);
    begins(f);
    assert_false(voice_member_bind(f->v, &verb)); /* nothing was discovered */
    commits(f);
    discovers(f, c);
    begins(f);
    verb.port++;
    assert_false(voice_member_bind(f->v, &verb));
    verb.port--;
    verb.ip[15] ^= 1;
    assert_false(voice_member_bind(f->v, &verb));
    verb.ip[15] ^= 1;
    assert_int_equal(member(f, 1)->address, ADDRESS_CANDIDATE);
    assert_int_equal(drops(f, DROP_VOICE_BIND), 3);
    verb.generation++;
    assert_false(voice_member_bind(f->v, &verb));
    assert_int_equal(drops(f, DROP_VOICE_STALE_VERB), 1);
    verb.generation--;
    assert_true(voice_member_bind(f->v, &verb));
    assert_true(voice_member_bind(f->v, &verb));
    commits(f);
    assert_true(bound_to(f, 1, c));
    done(f);
}

/* ---- discovery ---- */

static void discovery_is_answered_with_the_address_it_came_from(void **state)
{
    struct fix *f = given();
    struct client *c = joins(f, 1, 0, VOICE_MODE_NONE);
    uint8_t request[74] = {0, 1, 0, 70}, answer[74] = {0, 2, 0, 70};
    put_be32(request + 4, c->ssrc);
    memset(request + 8, 0xa5, 66); /* eris sends what its memory held */
    put_be32(answer + 4, c->ssrc);
    memcpy(answer + 8, "198.18.1.1", 10);
    put_be16(answer + 72, c->port);
    assert_int_equal(arrives(f, c, request, sizeof request), VOICE_REPLY);
    assert_memory_equal(f->reply, answer, sizeof answer);
    assert_int_equal(notices(f, NOTICE_DISCOVERED), 1);
    assert_int_equal(f->told[0].body.port, c->port);
    assert_memory_equal(f->told[0].body.ip, c->ip, 16);
    assert_int_equal(member(f, 1)->address, ADDRESS_CANDIDATE);
    done(f);
}

static void discovery_for_nobody_or_malformed_is_not_answered(void **state)
{
    struct fix *f = given();
    struct client *c = joins(f, 1, 0, GCM);
    uint8_t p[75] = {0, 1, 0, 70};
    put_be32(p + 4, c->ssrc + 1);
    refused(f, arrives(f, c, p, 74), DROP_VOICE_SSRC);
    put_be32(p + 4, c->ssrc);
    refused(f, arrives(f, c, p, 73), DROP_VOICE_DISCOVERY);
    refused(f, arrives(f, c, p, 75), DROP_VOICE_DISCOVERY);
    p[1] = 2; /* an answer */
    refused(f, arrives(f, c, p, 74), DROP_VOICE_DISCOVERY);
    p[1] = 1;
    p[3] = 71;
    refused(f, arrives(f, c, p, 74), DROP_VOICE_DISCOVERY);
    p[3] = 70;
    assert_int_equal(arrives(f, c, p, 74), VOICE_REPLY);
    assert_true(leaves(f, c));
    refused(f, arrives(f, c, p, 74), DROP_VOICE_SSRC);
    done(f);
}

static void discovery_is_answered_so_often_in_a_second(void **state)
{
    struct fix *f = given();
    struct client *c = joins(f, 1, 0, GCM), *other = joins(f, 2, 0, GCM);
    uint8_t p[74] = {0, 1, 0, 70};
    put_be32(p + 4, c->ssrc);
    for (unsigned k = 0; k < 1000; k++)
        assert_int_equal(arrives(f, c, p, sizeof p), k < DISCOVERIES ? VOICE_REPLY : VOICE_DONE);
    assert_int_equal(drops(f, DROP_VOICE_DISCOVERY_RATE), 1000 - DISCOVERIES);
    discovers(f, other);
    f->now += 1000 * MS;
    discovers(f, c);
    done(f);
}

static void a_notice_that_finds_the_ring_full_is_given_with_a_later_packet(void **state)
{
    struct client *speaker;
    struct fix *f = pair(&speaker);
    struct client *third = joins(f, 3, 0, GCM);
    static const uint8_t keepalive[8] = {1};
    f->ring_full = true;
    discovers(f, third);
    assert_int_equal(speaks(f, speaker, "x"), VOICE_FORWARD); /* voice goes on without its control plane */
    assert_int_equal(f->told_count, 0);
    f->ring_full = false;
    arrives(f, speaker, keepalive, sizeof keepalive);
    assert_int_equal(notices(f, NOTICE_DISCOVERED), 1);
    assert_int_equal(f->told[0].body.port, third->port);
    speaks(f, speaker, "y");
    assert_int_equal(notices(f, NOTICE_HEARD), 1);
    arrives(f, speaker, keepalive, sizeof keepalive);
    assert_int_equal(f->told_count, 2);
    done(f);
}

/* ---- limits and flags ---- */

static void a_speaker_over_the_rate_is_cut_and_nobody_else(void **state)
{
    struct client *speaker;
    struct fix *f = pair(&speaker);
    struct client *other = joins(f, 3, 0, GCM);
    for (unsigned k = 0; k < 10000; k++) {
        assert_int_equal(speaks(f, speaker, "flood"), k < RATE ? VOICE_FORWARD : VOICE_DONE);
        f->now += 50;
        if (k % 200 == 0)
            assert_int_equal(speaks(f, other, "calm"), VOICE_FORWARD);
        rounds_out(f);
    }
    assert_int_equal(drops(f, DROP_VOICE_RATE), 10000 - RATE);
    assert_int_equal(times_heard(f, 2, "calm"), 50);
    f->now += 1000 * MS;
    assert_int_equal(speaks(f, speaker, "calm again"), VOICE_FORWARD);
    done(f);
}

static void forged_and_replayed_floods_do_not_use_up_a_members_rate(void **state)
{
    struct client *speaker;
    struct fix *f = pair(&speaker);
    uint8_t p[64];
    size_t len = seals(speaker, "once", p);
    arrives(f, speaker, p, len);
    for (unsigned k = 0; k < 10 * RATE; k++)
        assert_int_equal(arrives(f, speaker, p, len), VOICE_DONE);
    put_be32(p + len - 4, 9);
    for (unsigned k = 0; k < 10 * RATE; k++)
        assert_int_equal(arrives(f, speaker, p, len), VOICE_DONE);
    assert_int_equal(speaks(f, speaker, "heard"), VOICE_FORWARD);
    done(f);
}

static void a_muted_member_is_not_forwarded_but_its_address_follows(void **state)
{
    struct client *speaker;
    struct fix *f = pair(&speaker);
    speaker->flags = MEMBER_MUTED;
    assert_true(sets(f, speaker));
    assert_int_equal(speaks(f, speaker, "muted"), VOICE_DONE);
    assert_int_equal(drops(f, DROP_VOICE_MUTED), 1);
    assert_true(bound_to(f, 1, speaker));
    assert_int_equal(rounds_out(f), 0);
    speaker->flags = 0;
    assert_true(sets(f, speaker));
    assert_int_equal(speaks(f, speaker, "free"), VOICE_FORWARD);
    rounds_out(f);
    assert_int_equal(times_heard(f, 2, "free"), 1);
    done(f);
}

/* ---- statistics (RFC 3550 A.3, A.8) ---- */

static const struct stream *says(struct fix *f, struct client *c, uint16_t seq, uint32_t timestamp,
                                 uint64_t after_us)
{
    uint8_t p[64];
    f->now += after_us;
    c->seq = seq;
    c->timestamp = timestamp;
    arrives(f, c, p, seals_as(c, ++c->counter, "x", p));
    rounds_out(f);
    return &member(f, c->i)->stream[STREAM_AUDIO];
}

static void gaps_are_losses_until_late_packets_fill_them(void **state)
{
    struct client *c;
    struct fix *f = pair(&c);
    says(f, c, 65534, 0, 0);
    assert_int_equal(says(f, c, 65535, 960, 20 * MS)->lost, 0);
    assert_int_equal(says(f, c, 3, 4800, 80 * MS)->lost, 3);
    assert_int_equal(says(f, c, 1, 2880, 1 * MS)->lost, 2);
    assert_int_equal(says(f, c, 0, 1920, 1 * MS)->lost, 1);
    const struct stream *s = says(f, c, 4, 5760, 18 * MS);
    assert_int_equal(s->lost, 1);
    assert_int_equal(s->packets, 6);
    assert_int_equal(s->seq_last, 4);
    assert_int_equal(says(f, c, 30000, 0, 20 * MS)->lost, 1); /* a new start */
    done(f);
}

static void jitter_follows_the_formula_and_ignores_pauses_and_restarted_timestamps(void **state)
{
    struct client *c;
    struct fix *f = pair(&c);
    uint32_t expected = 0;
    for (uint16_t k = 0; k < 20; k++)
        says(f, c, k, 960u * k, 20 * MS);
    assert_int_equal(member(f, 1)->stream[0].jitter, 0);
    for (uint16_t k = 20; k < 60; k++) { /* alternately 5 ms late and on time */
        says(f, c, k, 960u * k, k % 2 ? 15 * MS : 25 * MS);
        expected += 240 - ((expected + 8) >> 4);
    }
    assert_int_equal(member(f, 1)->stream[0].jitter, expected);
    says(f, c, 60, 960 * 60, 5000 * MS); /* a pause, in which the timestamp stood still */
    says(f, c, 61, 0, 20 * MS);          /* and a timestamp that begins anew */
    assert_int_equal(member(f, 1)->stream[0].jitter, expected);
    done(f);
}

#define TEST(name) cmocka_unit_test(name)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_truncation_is_refused_and_harms_nothing),
        TEST(every_flipped_bit_is_refused_and_the_packet_still_passes_afterwards),
        TEST(another_members_ssrc_does_not_open_under_ones_own_key),
        TEST(our_own_packets_sent_back_are_refused),
        TEST(a_member_without_a_mode_cannot_speak),
        TEST(what_receivers_cannot_read_is_not_forwarded),
        TEST(a_replayed_packet_is_refused_at_any_age),
        TEST(the_window_takes_each_counter_once_in_any_order),
        TEST(a_jump_of_any_width_leaves_no_stale_bits),
        TEST(the_first_authentic_packet_binds_its_address_and_is_told),
        TEST(an_authentic_new_packet_moves_the_address_and_an_old_or_false_one_does_not),
        TEST(discovery_neither_moves_nor_unbinds_a_bound_address),
        TEST(select_protocol_binds_only_what_discovery_told),
        TEST(discovery_is_answered_with_the_address_it_came_from),
        TEST(discovery_for_nobody_or_malformed_is_not_answered),
        TEST(discovery_is_answered_so_often_in_a_second),
        TEST(a_notice_that_finds_the_ring_full_is_given_with_a_later_packet),
        TEST(a_speaker_over_the_rate_is_cut_and_nobody_else),
        TEST(forged_and_replayed_floods_do_not_use_up_a_members_rate),
        TEST(a_muted_member_is_not_forwarded_but_its_address_follows),
        TEST(gaps_are_losses_until_late_packets_fill_them),
        TEST(jitter_follows_the_formula_and_ignores_pauses_and_restarted_timestamps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
