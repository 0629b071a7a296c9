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

#include "controlplane/protocol/intents.h"
#include "controlplane/routes/maps.h"
#include "controlplane/voice/voice.h"
#include "tests/unit/controlplane/sessions/world.h"

#define USUAL (INTENT_GUILDS | INTENT_GUILD_MESSAGES | INTENT_GUILD_VOICE_STATES)
#define ID(x) ((unsigned long long)(x))

static void begin(struct world **w)
{
    *w = malloc(sizeof **w);
    world_open(*w);
}

static void finish(struct world *w)
{
    world_close(w);
    free(w);
}

/* What the main gateway tells for the voice gateway. */
struct ticket {
    char token[128], session_id[40];
};

static void op4(struct world *w, struct client *c, uint64_t channel, const char *mute)
{
    char text[32];
    snprintf(text, sizeof text, "\"%llu\"", ID(channel));
    client_say(
        w, c,
        "{\"op\":4,\"d\":{\"guild_id\":\"%llu\",\"channel_id\":%s,\"self_deaf\":false,\"self_mute\":%s}}",
        ID(w->guild), channel ? text : "null", mute);
    world_run(w);
}

/* VOICE_STATE_UPDATE, and then VOICE_SERVER_UPDATE. */
static void expect_ticket(struct client *c, uint64_t channel, struct ticket *t)
{
    json_t *j = client_next(c), *d;
    assert_non_null(j);
    assert_string_equal(json_string_value(json_object_get(j, "t")), "VOICE_STATE_UPDATE");
    d = json_object_get(j, "d");
    assert_int_equal(json_id(d, "channel_id"), channel);
    assert_non_null(json_string_value(json_object_get(json_object_get(d, "member"), "joined_at")));
    strcpy(t->session_id, json_string_value(json_object_get(d, "session_id")));
    json_decref(j);
    j = client_next(c);
    assert_non_null(j);
    assert_string_equal(json_string_value(json_object_get(j, "t")), "VOICE_SERVER_UPDATE");
    d = json_object_get(j, "d");
    assert_string_equal(json_string_value(json_object_get(d, "endpoint")), "pop.test:443");
    strcpy(t->token, json_string_value(json_object_get(d, "token")));
    json_decref(j);
}

static struct client *voice_identify(struct world *w, uint32_t worker, unsigned who, const struct ticket *t,
                                     uint8_t version)
{
    struct client *v = client_open(w, worker, CONNECTION_VOICE, version);
    client_say(w, v,
               "{\"op\":0,\"d\":{\"server_id\":\"%llu\",\"user_id\":\"%llu\",\"session_id\":\"%s\",\"token\":"
               "\"%s\"}}",
               ID(w->guild), ID(w->user[who]), t->session_id, t->token);
    world_run(w);
    return v;
}

struct call {
    struct client *gateway, *voice;
    struct ticket ticket;
    uint32_t ssrc, member;
    int port;
};

static uint32_t member_with(const struct world *w, uint32_t ssrc)
{
    for (uint32_t i = 0; i < 64; i++)
        if (w->members[i].present && w->members[i].set.ssrc == ssrc)
            return i;
    return MEMBER_NONE;
}

static void discovered(struct world *w, uint32_t member, uint16_t port)
{
    struct notice_member n = {
        .member = member, .generation = w->members[member].set.generation, .port = port};
    memcpy(n.ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x12\x00\x09", 16); /* 198.18.0.9 */
    notice(w, member / 8, NOTICE_DISCOVERED, &n, sizeof n);
}

/* Logs in, joins and selects a protocol: everything read, but for what came on the voice gateway after op 4.
 */
static struct call join(struct world *w, unsigned who, uint32_t worker, uint8_t version)
{
    struct call k = {.gateway = client_login(w, who, worker, USUAL, "")};
    op4(w, k.gateway, w->voice, "false");
    expect_ticket(k.gateway, w->voice, &k.ticket);
    k.voice = voice_identify(w, !worker, who, &k.ticket, version);
    json_t *d = client_expect_op(k.voice, 2);
    k.ssrc = (uint32_t)json_integer_value(json_object_get(d, "ssrc"));
    k.port = (int)json_integer_value(json_object_get(d, "port"));
    assert_string_equal(json_string_value(json_object_get(d, "ip")), "198.18.0.1");
    assert_string_equal(json_string_value(json_array_get(json_object_get(d, "modes"), 0)),
                        "aead_aes256_gcm_rtpsize");
    json_decref(d);
    k.member = member_with(w, k.ssrc);
    assert_int_not_equal(k.member, MEMBER_NONE);
    assert_int_equal(w->members[k.member].set.mode, VOICE_MODE_NONE);
    discovered(w, k.member, (uint16_t)(40000 + who));
    client_say(w, k.voice,
               "{\"op\":1,\"d\":{\"protocol\":\"udp\",\"data\":{\"address\":\"198.18.0.9\",\"port\":%u,"
               "\"mode\":\"aead_aes256_gcm_rtpsize\"}}}",
               40000 + who);
    world_run(w);
    d = client_expect_op(k.voice, 4);
    const json_t *key = json_object_get(d, "secret_key");
    assert_int_equal(json_array_size(key), 32);
    for (size_t i = 0; i < 32; i++)
        assert_int_equal(json_integer_value(json_array_get(key, i)), w->members[k.member].set.key[i]);
    assert_int_equal(json_integer_value(json_object_get(d, "dave_protocol_version")), 0);
    json_decref(d);
    return k;
}

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

static void a_room_too_large_for_one_worker_has_parts_that_know_of_each_other(void **state)
{
    struct world *w;
    begin(&w);
    w->control.config.voice_members_per_core = 2;
    link_wait(&w->link);
    link_begin(&w->link);
    json_t *room = voice_bench_room(&w->control, 5, 1), *member;
    link_end(&w->link);
    world_run(w);
    unsigned at[WORLD_WORKERS] = {0};
    size_t i;
    json_array_foreach(json_object_get(room, "members"), i, member)
    {
        uint32_t index = member_with(w, (uint32_t)json_integer_value(json_object_get(member, "ssrc")));
        assert_int_equal(json_integer_value(json_object_get(member, "port")), 50000 + index / 8);
        at[index / 8]++;
    }
    assert_int_equal(at[0] + at[1], 5);
    assert_in_range(at[0], 2, 3);
    assert_int_equal(w->parts[0], 3);
    assert_int_equal(w->parts[1], 3);
    world_restart(w);
    link_wait(&w->link);
    link_begin(&w->link);
    assert_int_equal(voice_bench_end(&w->control, json_id(room, "channel_id")), 5);
    link_end(&w->link);
    world_run(w);
    for (i = 0; i < 64; i++)
        assert_false(w->members[i].present);
    assert_true(w->parts[0] == 1 || w->parts[1] == 2); /* whoever was left last knew that it was alone */
    json_decref(room);
    finish(w);
}

static uint64_t makes_channel(struct world *w, const char *type)
{
    char path[96], body[96];
    snprintf(path, sizeof path, "/guilds/%llu/channels", ID(w->guild));
    snprintf(body, sizeof body, "{\"name\":\"another\",\"type\":%s}", type);
    struct client *r = client_request(w, 0, 3, path, body);
    world_run(w);
    const char *id = strstr(r->http, "{\"id\":\"");
    assert_non_null(id);
    return strtoull(id + 7, NULL, 10);
}

/* VOICE_STATE_UPDATE, as this client hears it. */
static void state_is(struct client *c, uint64_t channel, bool suppress, bool asks)
{
    json_t *j, *d;
    while ((j = client_next(c)) != NULL) {
        const char *t = json_string_value(json_object_get(j, "t"));
        if (t && strcmp(t, "VOICE_STATE_UPDATE") == 0)
            break;
        json_decref(j);
    }
    assert_non_null(j);
    d = json_object_get(j, "d");
    assert_int_equal(json_id(d, "channel_id"), channel);
    assert_int_equal(json_is_true(json_object_get(d, "suppress")), suppress);
    assert_int_equal(json_is_string(json_object_get(d, "request_to_speak_timestamp")), asks);
    json_decref(j);
}

static void a_stage_has_an_audience_that_asks_for_the_word(void **state)
{
    struct world *w;
    char own[96], his[96];
    begin(&w);
    uint64_t stage = makes_channel(w, "13");
    struct call b = join(w, 1, 1, 8);
    op4(w, b.gateway, stage, "false");
    state_is(b.gateway, stage, true, false);
    snprintf(own, sizeof own, "/guilds/%llu/voice-states/@me", ID(w->guild));
    snprintf(his, sizeof his, "/guilds/%llu/voice-states/%llu", ID(w->guild), ID(w->user[1]));
    struct client *r = client_request(w, 1, 5, own, "{\"suppress\":false}");
    world_run(w);
    assert_non_null(strstr(r->http, " 403 "));
    client_request(w, 1, 5, own, "{\"request_to_speak_timestamp\":\"2026-01-01T00:00:00.000000+00:00\"}");
    world_run(w);
    state_is(b.gateway, stage, true, true);
    r = client_request(w, 0, 5, his, "{\"suppress\":false}");
    world_run(w);
    assert_non_null(strstr(r->http, " 204 "));
    state_is(b.gateway, stage, false, false);
    client_request(w, 1, 5, own, "{\"suppress\":true}");
    world_run(w);
    state_is(b.gateway, stage, true, false);
    op4(w, b.gateway, w->voice, "false");
    state_is(b.gateway, w->voice, false, false);
    r = client_request(w, 0, 5, his, "{\"suppress\":true}");
    world_run(w);
    assert_non_null(strstr(r->http, "50024"));
    finish(w);
}

static void who_is_silent_for_long_is_moved_to_the_afk_channel_and_heard_by_nobody_there(void **state)
{
    struct world *w;
    char path[96], body[96];
    begin(&w);
    uint64_t afk = makes_channel(w, "2");
    snprintf(path, sizeof path, "/guilds/%llu", ID(w->guild));
    snprintf(body, sizeof body, "{\"afk_channel_id\":\"%llu\",\"afk_timeout\":60}", ID(afk));
    client_request(w, 0, 5, path, body);
    world_run(w);
    struct call b = join(w, 1, 1, 8);
    struct voice_member *m = member_at(&w->region, b.member);
    struct worker_area *a = region_part(&w->region, b.member / 8, PART_AREA);
    client_skip(b.gateway);
    m->generation = w->members[b.member].set.generation;
    m->stream[STREAM_AUDIO].packets = 1;
    m->stream[STREAM_AUDIO].arrived_us = 1000000; /* speaks on and on, until 50 s */
    a->loop_us = 31000000;
    world_restart(w);
    world_pass(w, 61000);
    assert_null(client_next(b.gateway));
    m->stream[STREAM_AUDIO].arrived_us = a->loop_us = 50000000;
    a->loop_us += 59000000;
    world_pass(w, 31000);
    assert_null(client_next(b.gateway));
    a->loop_us += 2000000;
    world_pass(w, 2000);
    state_is(b.gateway, afk, true, false);
    assert_int_equal(b.voice->close_code, 4014);
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
        cmocka_unit_test(a_room_too_large_for_one_worker_has_parts_that_know_of_each_other),
        cmocka_unit_test(a_stage_has_an_audience_that_asks_for_the_word),
        cmocka_unit_test(who_is_silent_for_long_is_moved_to_the_afk_channel_and_heard_by_nobody_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
