/*
 * Voice: op 4 and its two answers in their order, the voice gateway from identify to leave, and restarts in a
 * call.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "controlplane/routes/maps.h"
#include "tests/unit/controlplane/sessions/call.h"

static void a_join_is_answered_in_strict_order_with_the_gateway_session_id(void **state)
{
    struct world *w;
    struct ticket t;
    begin(&w);
    struct client *c = client_login(w, 0, 0, INTENT_GUILDS, ""); /* without the voice intent */
    struct client *b = client_login(w, 1, 1, USUAL, "");
    op4(w, c, w->voice, "false");
    expect_ticket(c, w->voice, &t);
    assert_int_equal(strlen(t.token), 64);
    json_t *ready = json_loads(c->text[0], 0, NULL);
    assert_string_equal(t.session_id,
                        json_string_value(json_object_get(json_object_get(ready, "d"), "session_id")));
    json_decref(ready);
    assert_int_equal(client_count_events(b, "VOICE_STATE_UPDATE"), 1);
    assert_null(client_next(c));
    finish(w);
}

static void a_channel_that_is_none_of_his_is_not_answered(void **state)
{
    struct world *w;
    begin(&w);
    struct client *c = client_login(w, 1, 0, USUAL, "");
    op4(w, c, w->text, "false");
    op4(w, c, 12345, "false");
    world_admin(w, "role create", "{\"guild\":\"%llu\",\"name\":\"none\",\"permissions\":\"0\"}",
                ID(w->guild));
    client_skip(c);
    assert_int_equal(w->control.voice_sessions, 0);
    assert_int_equal(c->close_code, 0);
    finish(w);
}

static void two_clients_meet_in_a_room(void **state)
{
    struct world *w;
    begin(&w);
    struct call a = join(w, 0, 0, 8), b = join(w, 1, 1, 4);
    assert_int_equal(a.port, b.port); /* one room, one core */
    assert_int_not_equal(a.ssrc, b.ssrc);
    assert_true(w->members[a.member].bound);
    assert_int_equal(w->members[b.member].bind.port, 40001);
    assert_int_equal(w->members[a.member].set.room, w->members[b.member].set.room);
    json_t *d = client_expect_op(b.voice, 11); /* who was there before him */
    assert_int_equal(strtoull(json_string_value(json_array_get(json_object_get(d, "user_ids"), 0)), NULL, 10),
                     w->user[0]);
    json_decref(d);
    json_t *numbered = json_loads(a.voice->text[a.voice->count - 1], 0, NULL);
    assert_int_equal(json_integer_value(json_object_get(numbered, "seq")), 1);
    json_decref(numbered);
    assert_null(strstr(b.voice->text[b.voice->count - 1], "\"seq\"")); /* version 4 has no numbers */
    json_decref(client_expect_op(a.voice, 11));
    client_say(w, a.voice, "{\"op\":5,\"d\":{\"speaking\":1,\"delay\":0,\"ssrc\":1}}");
    world_run(w);
    d = client_expect_op(b.voice, 5);
    assert_int_equal(json_id(d, "user_id"), w->user[0]);
    assert_int_equal(json_integer_value(json_object_get(d, "ssrc")), a.ssrc);
    json_decref(d);
    assert_null(client_next(a.voice)); /* no echo */
    uint64_t where = 0;
    struct route_map *map = region_section(&w->region, SECTION_VOICE_MAP);
    assert_true(route_map_get(map, route_active(&map->swap), a.ssrc, &where));
    assert_int_equal(where >> 32, a.port - 50000);
    finish(w);
}

static bool owned(const struct world *w, uint64_t key)
{
    const struct route_map *map = region_section(&w->region, SECTION_OWNER_MAP);
    uint64_t box = 0;
    return route_map_get(map, route_active(&map->swap), key, &box) && box == THIS_BOX;
}

static void this_box_owns_its_guilds_the_users_with_a_session_and_the_rooms_with_a_member(void **state)
{
    struct world *w;
    begin(&w);
    world_run(w);
    assert_true(owned(w, w->guild));
    assert_false(owned(w, w->user[0]));
    struct call a = join(w, 0, 0, 8);
    assert_true(owned(w, w->user[0]));
    assert_true(owned(w, w->voice));
    assert_false(owned(w, w->user[1]));
    assert_false(owned(w, w->text));
    world_restart(w);
    world_run(w);
    assert_true(owned(w, w->guild) && owned(w, w->user[0]) && owned(w, w->voice));
    op4(w, a.gateway, 0, "false");
    assert_false(owned(w, w->voice));
    client_gone(w, a.gateway, 0);
    world_run(w);
    assert_true(owned(w, w->user[0])); /* he may resume */
    world_pass(w, w->control.config.keep_gateway_ms + 1000);
    assert_false(owned(w, w->user[0]));
    assert_true(owned(w, w->guild));
    finish(w);
}

static void a_first_packet_counts_as_speaking_once(void **state)
{
    struct world *w;
    begin(&w);
    struct call a = join(w, 0, 0, 8), b = join(w, 1, 1, 8);
    struct notice_member n = {.member = a.member, .generation = w->members[a.member].set.generation};
    client_skip(b.voice);
    notice(w, a.member / 8, NOTICE_HEARD, &n, sizeof n);
    notice(w, a.member / 8, NOTICE_HEARD, &n, sizeof n);
    world_run(w);
    json_decref(client_expect_op(b.voice, 5));
    assert_null(client_next(b.voice));
    /* A late joiner is told who has ever spoken. */
    struct call c = join(w, 2, 0, 8);
    json_t *d = client_expect_op(c.voice, 5);
    assert_int_equal(json_id(d, "user_id"), w->user[0]);
    json_decref(d);
    finish(w);
}

static void a_listener_is_bound_only_to_the_address_that_discovery_told(void **state)
{
    struct world *w;
    struct ticket t;
    begin(&w);
    struct client *c = client_login(w, 0, 0, USUAL, "");
    op4(w, c, w->voice, "false");
    expect_ticket(c, w->voice, &t);
    struct client *v = voice_identify(w, 0, 0, &t, 8);
    uint32_t member = 0;
    while (!w->members[member].present)
        member++;
    discovered(w, member, 40000);
    client_say(w, v,
               "{\"op\":1,\"d\":{\"protocol\":\"udp\",\"data\":{\"address\":\"198.18.0.9\",\"port\":40001,"
               "\"mode\":\"aead_aes256_gcm_rtpsize\"}}}");
    world_run(w);
    assert_false(w->members[member].bound);
    discovered(w, member, 40001); /* the notice came through another ring, later */
    world_restart(w);
    world_run(w);
    assert_true(w->members[member].bound);
    finish(w);
}

static void the_voice_gateway_refuses_with_its_codes(void **state)
{
    static const struct refusal {
        const char *payload;
        uint16_t code;
    } list[] = {
        {"{", 4002},
        {"{\"op\":0,\"d\":{}}", 4002},
        {"{\"op\":1,\"d\":{}}", 4003},
        {"{\"op\":5,\"d\":{\"speaking\":1}}", 4003},
        {"{\"op\":0,\"d\":{\"server_id\":\"1\",\"user_id\":\"2\",\"session_id\":\"x\",\"token\":\"y\"}}",
         4011},
        {"{\"op\":7,\"d\":{\"server_id\":\"1\",\"session_id\":\"x\",\"token\":\"y\",\"seq_ack\":3}}", 4006},
    };
    struct world *w;
    begin(&w);
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct client *v = client_open(w, 0, CONNECTION_VOICE, 8);
        client_say(w, v, "%s", list[i].payload);
        world_run(w);
        assert_int_equal(v->close_code, list[i].code);
    }
    struct client *old = client_open(w, 0, CONNECTION_VOICE, 3);
    world_run(w);
    assert_int_not_equal(old->close_code, 0);
    finish(w);
}

static void wrong_tokens_modes_protocols_and_opcodes_are_refused(void **state)
{
    struct world *w;
    struct ticket t;
    begin(&w);
    struct client *c = client_login(w, 0, 0, USUAL, "");
    op4(w, c, w->voice, "false");
    expect_ticket(c, w->voice, &t);
    struct ticket wrong = t;
    wrong.token[63] ^= 1;
    assert_int_equal(voice_identify(w, 0, 0, &wrong, 8)->close_code, 4004);
    wrong = t;
    wrong.session_id[0] ^= 1;
    assert_int_equal(voice_identify(w, 0, 0, &wrong, 8)->close_code, 4004);
    assert_int_equal(voice_identify(w, 0, 1, &t, 8)->close_code, 4004);
    static const struct {
        const char *payload;
        uint16_t code;
    } list[] = {
        {"{\"op\":1,\"d\":{\"protocol\":\"udp\",\"data\":{\"address\":\"1.2.3.4\",\"port\":1,\"mode\":"
         "\"rot13\"}}}",
         4016},
        {"{\"op\":1,\"d\":{\"protocol\":\"carrier pigeon\",\"data\":{}}}", 4012},
        {"{\"op\":77,\"d\":{}}", 4001},
        {"{\"op\":0,\"d\":{}}", 4005},
    };
    for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
        struct client *v = voice_identify(w, (uint32_t)i % 2, 0, &t, 8);
        assert_int_equal(v->close_code, 0);
        client_say(w, v, "{\"op\":12,\"d\":{}}");
        client_say(w, v, "%s", list[i].payload);
        world_run(w);
        assert_int_equal(v->close_code, list[i].code);
    }
    finish(w);
}

static void changing_flags_in_a_live_call_does_not_renew_the_server(void **state)
{
    struct world *w;
    begin(&w);
    struct call a = join(w, 0, 0, 8);
    op4(w, a.gateway, w->voice, "true");
    json_t *j = client_next(a.gateway);
    assert_true(json_is_true(json_object_get(json_object_get(j, "d"), "self_mute")));
    json_decref(j);
    assert_null(client_next(a.gateway));
    assert_int_equal(w->members[a.member].set.flags, MEMBER_MUTED);
    finish(w);
}

static void a_client_whose_voice_socket_died_gets_a_new_token_once_a_second(void **state)
{
    struct world *w;
    struct ticket t;
    begin(&w);
    struct call a = join(w, 0, 0, 8);
    client_gone(w, a.voice, 4006);
    op4(w, a.gateway, w->voice, "false");
    op4(w, a.gateway, w->voice, "false");
    assert_int_equal(client_count_events(a.gateway, "VOICE_SERVER_UPDATE"),
                     0); /* the last one is of this second */
    world_restart(w);
    world_pass(w, 1000);
    struct client *c = a.gateway;
    json_t *j = client_next(c);
    assert_string_equal(json_string_value(json_object_get(j, "t")), "VOICE_SERVER_UPDATE");
    json_decref(j);
    assert_null(client_next(c));
    world_pass(w, 5000);
    op4(w, c, w->voice, "false");
    expect_ticket(c, w->voice, &t);
    assert_string_not_equal(t.token, a.ticket.token);
    finish(w);
}

static void leaving_ends_the_member_and_the_socket_with_4014(void **state)
{
    struct world *w;
    begin(&w);
    struct call a = join(w, 0, 0, 8), b = join(w, 1, 1, 8);
    client_skip(b.gateway);
    client_skip(b.voice);
    op4(w, a.gateway, 0, "false");
    assert_int_equal(a.voice->close_code, 4014);
    assert_false(w->members[a.member].present);
    json_t *d = client_expect_op(b.voice, 13);
    assert_int_equal(json_id(d, "user_id"), w->user[0]);
    json_decref(d);
    json_t *j = client_next(b.gateway);
    assert_true(json_is_null(json_object_get(json_object_get(j, "d"), "channel_id")));
    assert_string_equal(json_string_value(json_object_get(json_object_get(j, "d"), "session_id")),
                        a.ticket.session_id);
    json_decref(j);
    finish(w);
}

static void the_end_of_a_gateway_session_ends_its_voice(void **state)
{
    struct world *w;
    begin(&w);
    struct call a = join(w, 0, 0, 8), b = join(w, 1, 1, 8);
    client_skip(b.gateway);
    client_gone(w, a.gateway, 1000);
    world_run(w);
    assert_int_equal(a.voice->close_code, 4014);
    assert_int_equal(client_count_events(b.gateway, "VOICE_STATE_UPDATE"), 1);
    assert_int_equal(w->control.voice_sessions, 1);
    finish(w);
}

static void a_move_gives_a_new_token_and_then_closes_the_old_socket(void **state)
{
    struct world *w;
    struct ticket t;
    begin(&w);
    const json_t *ch = world_admin(w, "channel create",
                                   "{\"guild\":\"%llu\",\"name\":\"two\",\"type\":\"voice\"}", ID(w->guild));
    uint64_t two = json_id(ch, "id");
    assert_true(two != 0);
    struct call a = join(w, 0, 0, 8);
    op4(w, a.gateway, two, "false");
    expect_ticket(a.gateway, two, &t);
    assert_int_equal(a.voice->close_code, 4014);
    assert_false(w->members[a.member].present);
    struct client *v = voice_identify(w, 1, 0, &t, 8);
    json_decref(client_expect_op(v, 2));
    finish(w);
}

static void a_dropped_voice_socket_resumes_and_hears_what_it_missed(void **state)
{
    struct world *w;
    begin(&w);
    for (uint32_t elsewhere = 0; elsewhere < 2; elsewhere++) {
        struct call a = join(w, 0, 0, 8);
        client_gone(w, a.voice, 1006);
        world_run(w);
        struct call b = join(w, 1, 1, 8); /* op 11 is missed */
        world_restart(w);
        struct client *v = client_open(w, elsewhere ? 0 : 1, CONNECTION_VOICE, 8);
        client_say(
            w, v,
            "{\"op\":7,\"d\":{\"server_id\":\"%llu\",\"session_id\":\"%s\",\"token\":\"%s\",\"seq_ack\":0}}",
            ID(w->guild), a.ticket.session_id, a.ticket.token);
        world_run(w);
        json_decref(client_expect_op(v, 9));
        v->read = 0;
        json_decref(client_expect_op(v, 11));
        assert_true(w->members[a.member].present);
        assert_int_equal(w->members[a.member].set.ssrc, a.ssrc);
        client_gone(w, a.gateway, 1000);
        client_gone(w, b.gateway, 1000);
        world_pass(w, 10000);
    }
    finish(w);
}

static void after_a_minute_away_the_voice_session_is_over(void **state)
{
    struct world *w;
    begin(&w);
    struct call a = join(w, 0, 0, 8), b = join(w, 1, 1, 8);
    client_gone(w, a.voice, 1006);
    world_run(w);
    client_skip(b.voice);
    world_pass(w, w->config.keep_voice_ms - 1);
    assert_true(w->members[a.member].present);
    world_restart(w);
    world_pass(w, 1);
    assert_false(w->members[a.member].present);
    json_decref(client_expect_op(b.voice, 13));
    finish(w);
}

static void a_moderator_mutes_moves_and_disconnects(void **state)
{
    struct world *w;
    char path[96];
    begin(&w);
    struct call b = join(w, 1, 1, 8);
    snprintf(path, sizeof path, "/guilds/%llu/members/%llu", ID(w->guild), ID(w->user[1]));
    client_request(w, 0, 5, path, "{\"mute\":true}");
    world_run(w);
    assert_int_equal(w->members[b.member].set.flags, MEMBER_MUTED);
    client_request(w, 0, 5, path, "{\"channel_id\":null}");
    world_run(w);
    assert_int_equal(b.voice->close_code, 4014);
    assert_int_equal(w->control.voice_sessions, 0);
    finish(w);
}

static void deleting_the_channel_empties_it(void **state)
{
    struct world *w;
    begin(&w);
    struct call a = join(w, 0, 0, 8), b = join(w, 1, 1, 8);
    client_skip(a.gateway);
    world_admin(w, "channel delete", "{\"channel\":\"%llu\"}", ID(w->voice));
    assert_int_equal(a.voice->close_code, 4014);
    assert_int_equal(b.voice->close_code, 4014);
    assert_int_equal(client_count_events(a.gateway, "VOICE_STATE_UPDATE"), 2);
    assert_int_equal(w->control.rooms.count, 0);
    finish(w);
}

static void deaths_at_every_input_do_not_disturb_a_call(void **state)
{
    for (int how = 0; how < 2; how++) {
        struct world *w;
        begin(&w);
        w->die_in_each = how == 0;
        w->die_after_each = how == 1;
        struct call a = join(w, 0, 0, 8), b = join(w, 1, 1, 8);
        client_say(w, b.voice, "{\"op\":5,\"d\":{\"speaking\":1,\"delay\":0,\"ssrc\":1}}");
        world_run(w);
        json_decref(client_expect_op(a.voice, 11));
        json_decref(client_expect_op(a.voice, 5));
        assert_null(client_next(a.voice));
        assert_int_equal(a.voice->close_code, 0);
        assert_true(w->lives > 10);
        op4(w, b.gateway, 0, "false");
        json_decref(client_expect_op(a.voice, 13));
        assert_null(client_next(a.voice));
        finish(w);
    }
}

static void a_bench_room_has_members_with_keys_and_ends(void **state)
{
    struct world *w;
    begin(&w);
    link_wait(&w->link);
    link_begin(&w->link);
    json_t *room = voice_bench_room(&w->control, 5, 1);
    link_end(&w->link);
    world_run(w);
    const json_t *first = json_array_get(json_object_get(room, "members"), 0);
    assert_int_equal(json_array_size(json_object_get(room, "members")), 5);
    uint32_t member = member_with(w, (uint32_t)json_integer_value(json_object_get(first, "ssrc")));
    assert_int_not_equal(member, MEMBER_NONE);
    assert_int_equal(w->members[member].set.flags, 0);
    assert_int_equal(strlen(json_string_value(json_object_get(first, "key"))), 64);
    world_restart(w);
    link_wait(&w->link);
    link_begin(&w->link);
    assert_int_equal(voice_bench_end(&w->control, json_id(room, "channel_id")), 5);
    link_end(&w->link);
    world_run(w);
    assert_false(w->members[member].present);
    json_decref(room);
    finish(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_join_is_answered_in_strict_order_with_the_gateway_session_id),
        cmocka_unit_test(a_channel_that_is_none_of_his_is_not_answered),
        cmocka_unit_test(two_clients_meet_in_a_room),
        cmocka_unit_test(this_box_owns_its_guilds_the_users_with_a_session_and_the_rooms_with_a_member),
        cmocka_unit_test(a_first_packet_counts_as_speaking_once),
        cmocka_unit_test(a_listener_is_bound_only_to_the_address_that_discovery_told),
        cmocka_unit_test(the_voice_gateway_refuses_with_its_codes),
        cmocka_unit_test(wrong_tokens_modes_protocols_and_opcodes_are_refused),
        cmocka_unit_test(changing_flags_in_a_live_call_does_not_renew_the_server),
        cmocka_unit_test(a_client_whose_voice_socket_died_gets_a_new_token_once_a_second),
        cmocka_unit_test(leaving_ends_the_member_and_the_socket_with_4014),
        cmocka_unit_test(the_end_of_a_gateway_session_ends_its_voice),
        cmocka_unit_test(a_move_gives_a_new_token_and_then_closes_the_old_socket),
        cmocka_unit_test(a_dropped_voice_socket_resumes_and_hears_what_it_missed),
        cmocka_unit_test(after_a_minute_away_the_voice_session_is_over),
        cmocka_unit_test(a_moderator_mutes_moves_and_disconnects),
        cmocka_unit_test(deleting_the_channel_empties_it),
        cmocka_unit_test(deaths_at_every_input_do_not_disturb_a_call),
        cmocka_unit_test(a_bench_room_has_members_with_keys_and_ends),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
