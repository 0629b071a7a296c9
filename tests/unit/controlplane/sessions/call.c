/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/controlplane/sessions/call.h"

void begin(struct world **w)
{
    *w = malloc(sizeof **w);
    world_open(*w);
}

void finish(struct world *w)
{
    world_close(w);
    free(w);
}

void op4(struct world *w, struct client *c, uint64_t channel, const char *mute)
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
void expect_ticket(struct client *c, uint64_t channel, struct ticket *t)
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

struct client *voice_identify(struct world *w, uint32_t worker, unsigned who, const struct ticket *t,
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

uint32_t member_with(const struct world *w, uint32_t ssrc)
{
    for (uint32_t i = 0; i < 64; i++)
        if (w->members[i].present && w->members[i].set.ssrc == ssrc)
            return i;
    return MEMBER_NONE;
}

void discovered(struct world *w, uint32_t member, uint16_t port)
{
    struct notice_member n = {
        .member = member, .generation = w->members[member].set.generation, .port = port};
    memcpy(n.ip, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x12\x00\x09", 16); /* 198.18.0.9 */
    notice(w, member / 8, NOTICE_DISCOVERED, &n, sizeof n);
}

/* Logs in, joins and selects a protocol: everything read, but for what came on the voice gateway after op 4.
 */
struct call join(struct world *w, unsigned who, uint32_t worker, uint8_t version)
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
