/*
 * What has no connection: half-open ones and their table, SYN cookies, TIME-WAIT.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/tcp/opening.h"
#include "tests/unit/tcp/fixture.h"

#define ENTRIES 64u

static struct {
    struct half_open_table table;
    struct half_open entry[ENTRIES];
} half;
static struct {
    struct time_wait_table table;
    struct time_wait entry[ENTRIES];
} waiting;
static struct tcp_openings openings;
static struct tcp_waits waits;
static struct tcp_config config;

static int fresh(void **state)
{
    memset(&half, 0, sizeof half);
    memset(&waiting, 0, sizeof waiting);
    openings = (struct tcp_openings){
        .table = &half.table, .entries = ENTRIES, .table_key = {1}, .cookie_key = {2}, .isn_key = {3}};
    waits = (struct tcp_waits){.table = &waiting.table, .entries = ENTRIES, .table_key = {1}};
    config = tcp_config_default();
    return 0;
}

static struct tcp_tuple tuple_of(uint32_t peer)
{
    struct tcp_tuple t = {.local = {[10] = 0xff, [11] = 0xff, 198, 18, 0, 1},
                          .remote = {[10] = 0xff, [11] = 0xff, 10},
                          .local_port = 443,
                          .remote_port = 1024};
    put_be24(t.remote + 13, peer);
    return t;
}

static struct tcp_segment full_syn(void)
{
    return (struct tcp_segment){.seq = 5000,
                                .flags = TCP_SYN,
                                .window = 60000,
                                .mss = 1400,
                                .scale = 7,
                                .has_scale = true,
                                .has_timestamps = true,
                                .sack_permitted = true,
                                .ts_val = 77};
}

/* ---- half open ---- */

static void an_entry_is_found_by_its_addresses_until_it_is_removed(void **state)
{
    struct half_open h;
    struct tcp_segment syn = full_syn();
    for (uint32_t i = 0; i < 20; i++) {
        struct tcp_tuple t = tuple_of(i);
        half_open_take(&h, &t, &syn, 1000 + i);
        assert_non_null(half_open_add(&openings, &h, 9));
    }
    for (uint32_t i = 0; i < 20; i++) {
        struct tcp_tuple t = tuple_of(i);
        struct half_open *found = half_open_find(&openings, &t);
        assert_non_null(found);
        assert_int_equal(found->iss, 1000 + i);
        half_open_remove(&openings, found);
        assert_null(half_open_find(&openings, &t));
    }
    assert_int_equal(half.table.used, 0);
}

static void a_full_set_takes_nobody_and_loses_nobody(void **state)
{
    struct half_open h;
    struct tcp_segment syn = full_syn();
    unsigned kept = 0;
    for (uint32_t i = 0; i < 2000; i++) {
        struct tcp_tuple t = tuple_of(i);
        half_open_take(&h, &t, &syn, i);
        kept += half_open_add(&openings, &h, 9) != NULL;
    }
    assert_int_equal(kept, ENTRIES);
    assert_int_equal(half.table.used, ENTRIES);
    unsigned found = 0;
    for (uint32_t i = 0; i < 2000; i++) {
        struct tcp_tuple t = tuple_of(i);
        found += half_open_find(&openings, &t) != NULL;
    }
    assert_int_equal(found, ENTRIES);
}

static struct half_open *remembered(uint64_t at_us)
{
    struct half_open h;
    struct tcp_segment syn = full_syn();
    struct tcp_tuple t = tuple_of(1);
    half_open_take(&h, &t, &syn, 1000);
    return half_open_add(&openings, &h, at_us);
}

static void a_syn_ack_is_sent_again_ever_later_and_then_given_up(void **state)
{
    uint64_t now = START;
    struct half_open *h = remembered(now + S);
    for (unsigned i = 1; i <= config.syn_retransmit_max; i++) {
        now = h->at_us;
        assert_true(half_open_due(&openings, h, &config, now));
        assert_int_equal(h->at_us, now + (S << i));
    }
    assert_false(half_open_due(&openings, h, &config, h->at_us));
    assert_int_equal(half.table.used, 0);
}

static void under_pressure_nobody_waits_for_a_second_syn_ack(void **state)
{
    struct half_open *h = remembered(START);
    half.table.used = ENTRIES / 2 + 1;
    assert_false(half_open_due(&openings, h, &config, START));
    assert_int_equal(h->at_us, 0);
}

static void a_syn_ack_says_what_a_connections_would(void **state)
{
    struct half_open *h = remembered(START);
    struct tcp_plan p;
    tcp_syn_ack(h, &config, START, &p);
    assert_int_equal(p.flags, TCP_SYN | TCP_ACK);
    assert_int_equal(p.seq, 1000);
    assert_int_equal(p.ack, 5001);
    assert_int_equal(p.mss, config.mss4);
    assert_true(p.has_scale && p.has_timestamps);
    assert_int_equal(p.ts_ecr, 77);
}

static void what_is_not_the_third_packet_opens_nothing(void **state)
{
    static const struct {
        uint8_t flags;
        uint32_t seq, ack, ts;
        enum opening_verdict verdict;
        enum drop_reason why;
    } row[] = {
        {TCP_ACK, 5001, 1001, 77, OPENING_DONE, DROP_NONE},
        {TCP_ACK, 5001 + 1000, 1001, 78, OPENING_DONE, DROP_NONE}, /* text that came ahead of the first */
        {TCP_ACK | TCP_FIN, 5001, 1001, 77, OPENING_DONE, DROP_NONE},
        {TCP_ACK, 5001, 1000, 77, OPENING_RESET, DROP_TCP_ACK_UNACCEPTABLE},
        {TCP_ACK, 5001, 1002, 77, OPENING_RESET, DROP_TCP_ACK_UNACCEPTABLE},
        {TCP_ACK, 5000, 1001, 77, OPENING_NOTHING, DROP_TCP_OUT_OF_WINDOW},
        {TCP_ACK, 5001 + 70000, 1001, 77, OPENING_NOTHING, DROP_TCP_OUT_OF_WINDOW},
        {TCP_ACK, 5001, 1001, 76, OPENING_NOTHING, DROP_TCP_PAWS},
        {TCP_SYN, 5000, 0, 77, OPENING_AGAIN, DROP_TCP_DUPLICATE},
        {TCP_SYN, 9999, 0, 77, OPENING_AGAIN, DROP_TCP_DUPLICATE},
        {TCP_SYN | TCP_ACK, 5000, 1001, 77, OPENING_NOTHING, DROP_TCP_FLAGS},
        {TCP_RST, 5001, 0, 0, OPENING_ENDED, DROP_TCP_OUT_OF_WINDOW},
        {TCP_RST, 5002, 0, 0, OPENING_NOTHING, DROP_TCP_OUT_OF_WINDOW},
        {TCP_RST | TCP_ACK, 5000, 1001, 77, OPENING_NOTHING, DROP_TCP_OUT_OF_WINDOW},
        {TCP_FIN, 5001, 0, 77, OPENING_NOTHING, DROP_TCP_NO_ACK},
    };
    struct half_open *h = remembered(START);
    for (unsigned i = 0; i < sizeof row / sizeof *row; i++) {
        enum drop_reason why;
        struct tcp_segment s = {.flags = row[i].flags,
                                .seq = row[i].seq,
                                .ack = row[i].ack,
                                .has_timestamps = true,
                                .ts_val = row[i].ts};
        assert_int_equal(half_open_input(h, &s, &why), row[i].verdict);
        if (row[i].verdict != OPENING_ENDED)
            assert_int_equal(why, row[i].why);
    }
}

static void a_remembered_opening_becomes_a_connection_and_measures_its_round_trip(void **state)
{
    struct half_open *h = remembered(START + S);
    struct tcp_conn c = {0};
    struct tcp_env env = {.config = &config};
    struct tcp_out out;
    uint64_t now = START + 30 * MS;
    tcp_accept_opened(&c, &env, h, now);
    struct tcp_segment third = {.flags = TCP_ACK, .seq = 5001, .ack = 1001, .window = 500, .has_timestamps = true, .ts_val = 90};
    assert_int_equal(tcp_input(&c, &env, &third, now, &out), DROP_NONE);
    assert_int_equal(c.state, TCP_ESTABLISHED);
    assert_int_equal(c.srtt_us, 30 * MS);
    assert_int_equal(c.snd_wnd, 500u << 7);
    assert_int_equal(c.mss, 1400 - 12);
    tcp_check(&c);
}

static void a_syn_ack_sent_twice_measures_nothing_by_itself(void **state)
{
    struct half_open *h = remembered(START + S);
    assert_true(half_open_due(&openings, h, &config, START + S));
    h->flags &= (uint8_t)~HALF_OPEN_TIMESTAMPS;
    struct tcp_conn c = {0};
    struct tcp_env env = {.config = &config};
    struct tcp_out out;
    tcp_accept_opened(&c, &env, h, START + S + 1);
    struct tcp_segment third = {.flags = TCP_ACK, .seq = 5001, .ack = 1001, .window = 500};
    assert_int_equal(tcp_input(&c, &env, &third, START + S + 1, &out), DROP_NONE);
    assert_int_equal(c.state, TCP_ESTABLISHED);
    assert_int_equal(c.srtt_us, 0);
}

/* ---- cookies ---- */

/* The client's side of an opening by cookie: what the third packet to this SYN-ACK is. */
static struct tcp_segment third_of(const struct tcp_plan *p)
{
    return (struct tcp_segment){.flags = TCP_ACK,
                                .seq = p->ack,
                                .ack = p->seq + 1,
                                .window = 400,
                                .has_timestamps = p->has_timestamps,
                                .ts_val = 80,
                                .ts_ecr = p->ts_val};
}

static void a_cookie_brings_back_what_the_syn_offered(void **state)
{
    static const uint16_t mss[] = {0, 100, 536, 1000, 1220, 1399, 1440, 1460, 9000};
    static const uint16_t said[] = {536, 88, 536, 536, 1220, 1360, 1440, 1460, 8960};
    for (unsigned i = 0; i < sizeof mss / sizeof *mss; i++)
        for (unsigned options = 0; options < 8; options++)
            for (uint64_t now = START; now < START + 200 * MS; now += 7 * MS) {
                struct tcp_tuple t = tuple_of(i);
                struct tcp_segment syn = {.seq = 4000 + i, .flags = TCP_SYN, .mss = mss[i], .window = 9, .ts_val = 78};
                syn.has_timestamps = options & 1;
                syn.has_scale = options & 2;
                syn.scale = syn.has_scale ? (uint8_t)(now / MS % 15) : 0;
                syn.sack_permitted = options & 4;
                struct half_open h, back;
                struct tcp_plan p, plain;
                tcp_cookie_make(&openings, &t, &syn, now, &h);
                tcp_syn_ack(&h, &config, now, &p);
                struct half_open known = h;
                known.flags &= (uint8_t)~HALF_OPEN_COOKIE;
                tcp_syn_ack(&known, &config, now, &plain);
                assert_in_range(plain.ts_val - p.ts_val, 0, 63); /* never ahead of the clock, and close */
                struct tcp_segment third = third_of(&p);
                assert_true(tcp_cookie_take(&openings, &t, &third, now + 100 * MS, &back));
                assert_int_equal(back.irs, syn.seq);
                assert_int_equal(back.iss, p.seq);
                assert_int_equal(back.mss, said[i]);
                uint8_t want = syn.has_timestamps ? HALF_OPEN_TIMESTAMPS | (syn.has_scale ? HALF_OPEN_SCALE : 0) |
                                                        (syn.sack_permitted ? HALF_OPEN_SACK : 0)
                                                  : 0;
                assert_int_equal(back.flags, want | HALF_OPEN_COOKIE);
                assert_int_equal(p.has_scale, !!(want & HALF_OPEN_SCALE));
                if (want & HALF_OPEN_SCALE)
                    assert_int_equal(back.scale, syn.scale);
            }
}

static void a_cookie_is_good_for_a_minute_and_not_for_three(void **state)
{
    struct tcp_tuple t = tuple_of(1);
    struct tcp_segment syn = full_syn();
    struct half_open h, back;
    struct tcp_plan p;
    tcp_cookie_make(&openings, &t, &syn, START, &h);
    tcp_syn_ack(&h, &config, START, &p);
    struct tcp_segment third = third_of(&p);
    assert_true(tcp_cookie_take(&openings, &t, &third, START + 64 * S, &back));
    assert_false(tcp_cookie_take(&openings, &t, &third, START + 129 * S, &back));
    assert_true(tcp_cookies_out(&openings, START + 64 * S));
    assert_false(tcp_cookies_out(&openings, START + 129 * S));
}

static void a_cookie_is_for_its_addresses_and_numbers_alone(void **state)
{
    struct tcp_tuple t = tuple_of(1), other = tuple_of(2);
    struct tcp_segment syn = full_syn();
    struct half_open h, back;
    struct tcp_plan p;
    tcp_cookie_make(&openings, &t, &syn, START, &h);
    tcp_syn_ack(&h, &config, START, &p);
    struct tcp_segment third = third_of(&p);
    assert_false(tcp_cookie_take(&openings, &other, &third, START, &back));
    for (unsigned bit = 0; bit < 32; bit++) {
        struct tcp_segment bad = third;
        bad.ack = ((bad.ack - 1) ^ 1u << bit) + 1;
        assert_false(tcp_cookie_take(&openings, &t, &bad, START, &back));
        bad = third;
        bad.seq = ((bad.seq - 1) ^ 1u << bit) + 1;
        assert_false(tcp_cookie_take(&openings, &t, &bad, START, &back));
    }
    openings.cookie_key[5] ^= 1;
    assert_false(tcp_cookie_take(&openings, &t, &third, START, &back));
}

static void blind_acks_hardly_ever_are_cookies(void **state)
{
    struct tcp_tuple t = tuple_of(1);
    struct half_open back;
    unsigned taken = 0;
    for (uint32_t i = 0; i < 1000000; i++) {
        struct tcp_segment s = {.flags = TCP_ACK, .seq = 1, .ack = i * 2654435761u};
        taken += tcp_cookie_take(&openings, &t, &s, START, &back);
    }
    assert_true(taken < 4);
}

static void an_opening_by_cookie_becomes_a_connection(void **state)
{
    struct tcp_tuple t = tuple_of(1);
    struct tcp_segment syn = full_syn();
    struct half_open h, back;
    struct tcp_plan p;
    struct tcp_conn c = {0};
    struct tcp_env env = {.config = &config};
    struct tcp_out out;
    tcp_cookie_make(&openings, &t, &syn, START, &h);
    tcp_syn_ack(&h, &config, START, &p);
    struct tcp_segment third = third_of(&p);
    assert_true(tcp_cookie_take(&openings, &t, &third, START + 20 * MS, &back));
    tcp_accept_opened(&c, &env, &back, START + 20 * MS);
    assert_int_equal(tcp_input(&c, &env, &third, START + 20 * MS, &out), DROP_NONE);
    assert_int_equal(c.state, TCP_ESTABLISHED);
    assert_int_equal(c.snd_wnd, 400u << 7);
    assert_in_range(c.srtt_us, 20 * MS, 52 * MS); /* the options in the echo make it up to 32 ms too long */
    tcp_check(&c);
}

/* ---- TIME-WAIT ---- */

static struct time_wait *waits_since(struct tcp_conn *c, bool timestamps)
{
    *c = (struct tcp_conn){.tuple = tuple_of(1), .state = TCP_TIME_WAIT, .snd_nxt = 2000, .rcv_nxt = 6000, .ts_recent = 700, .iss = 9};
    c->flags = timestamps ? TCP_F_TIMESTAMPS : 0;
    assert_true(time_wait_add(&waits, c, &config, START));
    return time_wait_find(&waits, &c->tuple, START);
}

static void it_waits_as_long_as_the_configuration_says(void **state)
{
    struct tcp_conn c;
    waits_since(&c, true);
    assert_non_null(time_wait_find(&waits, &c.tuple, START + config.time_wait_us - 1));
    assert_null(time_wait_find(&waits, &c.tuple, START + config.time_wait_us));
}

static void segments_of_the_former_life_get_their_due(void **state)
{
    static const struct {
        uint8_t flags;
        uint32_t seq, len, ts;
        enum time_wait_verdict verdict;
    } row[] = {
        {TCP_ACK | TCP_FIN, 5999, 0, 700, TIME_WAIT_ANSWER},
        {TCP_ACK | TCP_FIN, 5899, 100, 700, TIME_WAIT_ANSWER},
        {TCP_ACK, 6000, 0, 700, TIME_WAIT_DROP},
        {TCP_ACK, 5000, 10, 700, TIME_WAIT_CHALLENGE},
        {TCP_ACK, 6000, 10, 700, TIME_WAIT_CHALLENGE},
        {TCP_RST, 6000, 0, 0, TIME_WAIT_DROP},
        {TCP_SYN | TCP_ACK, 7000, 0, 701, TIME_WAIT_CHALLENGE},
        {TCP_SYN, 1, 0, 701, TIME_WAIT_REOPEN},      /* a later timestamp */
        {TCP_SYN, 7000, 0, 699, TIME_WAIT_CHALLENGE}, /* an earlier one */
        {TCP_SYN, 6001, 0, 700, TIME_WAIT_REOPEN},   /* the same: by number */
        {TCP_SYN, 6000, 0, 700, TIME_WAIT_CHALLENGE},
    };
    struct tcp_conn c;
    struct time_wait *e = waits_since(&c, true);
    struct tcp_plan p;
    for (unsigned i = 0; i < sizeof row / sizeof *row; i++) {
        struct tcp_segment s = {.flags = row[i].flags, .seq = row[i].seq, .len = row[i].len, .has_timestamps = true, .ts_val = row[i].ts};
        assert_int_equal(time_wait_input(&waits, e, &s, &config, START + S, &p), row[i].verdict);
        if (row[i].verdict == TIME_WAIT_ANSWER || row[i].verdict == TIME_WAIT_CHALLENGE) {
            assert_int_equal(p.flags, TCP_ACK);
            assert_int_equal(p.seq, 2000);
            assert_int_equal(p.ack, 6000);
            assert_int_equal(p.ts_ecr, 700);
            assert_int_equal(p.ts_val, (START + S) / MS + 9);
        }
    }
}

static void a_fin_again_begins_the_waiting_again(void **state)
{
    struct tcp_conn c;
    struct time_wait *e = waits_since(&c, false);
    struct tcp_plan p;
    struct tcp_segment s = {.flags = TCP_ACK | TCP_FIN, .seq = 5999};
    time_wait_input(&waits, e, &s, &config, START + 30 * S, &p);
    assert_non_null(time_wait_find(&waits, &c.tuple, START + config.time_wait_us + 29 * S));
    assert_true(time_wait_isn(e) > 2000 + 65535);
}

static void of_too_many_the_one_that_ends_first_makes_room(void **state)
{
    unsigned lost = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        struct tcp_conn c = {.tuple = tuple_of(i), .state = TCP_TIME_WAIT};
        lost += !time_wait_add(&waits, &c, &config, START + i);
    }
    assert_int_equal(lost, 1000 - ENTRIES);
    unsigned found = 0, young = 0;
    for (uint32_t i = 0; i < 1000; i++) {
        struct tcp_tuple t = tuple_of(i);
        bool there = time_wait_find(&waits, &t, START + 1000);
        found += there;
        young += there && i > 700;
    }
    assert_int_equal(found, ENTRIES);
    assert_true(young > ENTRIES * 9 / 10);
    struct tcp_conn c = {.tuple = tuple_of(5000), .state = TCP_TIME_WAIT};
    assert_true(time_wait_add(&waits, &c, &config, START + 100 * S)); /* all others are over by now */
}

/* ---- the worker's challenges ---- */

static void challenges_of_all_connections_share_a_limit_that_nobody_can_count_out(void **state)
{
    struct tcp_challenges limit = {.limit = 100, .key = {7}};
    unsigned least = 1000, most = 0;
    for (uint64_t second = 0; second < 50; second++) {
        unsigned n = 0;
        while (tcp_challenge_take(&limit, second * S + n))
            n++;
        assert_in_range(n, 50, 100);
        least = n < least ? n : least;
        most = n > most ? n : most;
    }
    assert_true(most - least > 20);
    assert_true(tcp_challenge_take(NULL, 0));
}

static void a_connection_without_a_challenge_left_is_silent(void **state)
{
    struct fix f;
    struct tcp_challenges none = {.limit = 0};
    given(&f, TCP_ESTABLISHED);
    f.env.challenges = &none;
    assert_int_equal(arrives(&f, TCP_RST, THEIRS + 1, 0, 0), DROP_TCP_CHALLENGE_WORKER);
    assert_int_equal(plan_all(&f), 0);
    done(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(an_entry_is_found_by_its_addresses_until_it_is_removed, fresh),
        cmocka_unit_test_setup(a_full_set_takes_nobody_and_loses_nobody, fresh),
        cmocka_unit_test_setup(a_syn_ack_is_sent_again_ever_later_and_then_given_up, fresh),
        cmocka_unit_test_setup(under_pressure_nobody_waits_for_a_second_syn_ack, fresh),
        cmocka_unit_test_setup(a_syn_ack_says_what_a_connections_would, fresh),
        cmocka_unit_test_setup(what_is_not_the_third_packet_opens_nothing, fresh),
        cmocka_unit_test_setup(a_remembered_opening_becomes_a_connection_and_measures_its_round_trip, fresh),
        cmocka_unit_test_setup(a_syn_ack_sent_twice_measures_nothing_by_itself, fresh),
        cmocka_unit_test_setup(a_cookie_brings_back_what_the_syn_offered, fresh),
        cmocka_unit_test_setup(a_cookie_is_good_for_a_minute_and_not_for_three, fresh),
        cmocka_unit_test_setup(a_cookie_is_for_its_addresses_and_numbers_alone, fresh),
        cmocka_unit_test_setup(blind_acks_hardly_ever_are_cookies, fresh),
        cmocka_unit_test_setup(an_opening_by_cookie_becomes_a_connection, fresh),
        cmocka_unit_test_setup(it_waits_as_long_as_the_configuration_says, fresh),
        cmocka_unit_test_setup(segments_of_the_former_life_get_their_due, fresh),
        cmocka_unit_test_setup(a_fin_again_begins_the_waiting_again, fresh),
        cmocka_unit_test_setup(of_too_many_the_one_that_ends_first_makes_room, fresh),
        cmocka_unit_test_setup(challenges_of_all_connections_share_a_limit_that_nobody_can_count_out, fresh),
        cmocka_unit_test_setup(a_connection_without_a_challenge_left_is_silent, fresh),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
