/*
 * Voice channels of a kind: rooms too large for one worker, stages, the AFK channel.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/controlplane/sessions/call.h"

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
        cmocka_unit_test(a_room_too_large_for_one_worker_has_parts_that_know_of_each_other),
        cmocka_unit_test(a_stage_has_an_audience_that_asks_for_the_word),
        cmocka_unit_test(who_is_silent_for_long_is_moved_to_the_afk_channel_and_heard_by_nobody_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
