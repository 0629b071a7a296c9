/*
 * The voice gateway's close codes one by one, as reference/voice.md 7 lists them, in each version: what
 * brings each about, and that the client which does then what the table says of it (@discordjs/voice from
 * version 8 on, eris below) gets what it asks for. Then the heartbeats and the resume of each version.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/protocol/opcodes.h"
#include "tests/unit/controlplane/sessions/call.h"

#define FIRST   4u
#define LAST    9u
#define NUMBERS 8u /* from this version on messages are numbered */

enum before { STRANGER, IDENTIFIED, IN_CALL };

enum move {
    REJOINS,    /* op 4 on the main gateway: a fresh ticket, and identify with it */
    RECONNECTS, /* identify again, with the ticket it has */
    RESUMES,
    STAYS_AWAY /* until the control plane or its user says otherwise */
};

static const struct row {
    uint16_t code;
    enum before before;
    const char *says; /* NULL: see `provoke` */
    enum move djs, eris;
} table[] = {
    {1002, IN_CALL, NULL, RESUMES, RESUMES}, /* transport: the dataplane's own, or nothing at all */
    {1006, IN_CALL, NULL, RESUMES, RESUMES},
    {1007, IN_CALL, NULL, RESUMES, RESUMES},
    {4001, IDENTIFIED, "{\"op\":77,\"d\":{}}", REJOINS, RECONNECTS},
    {4001, IN_CALL, "{\"op\":2,\"d\":{}}", REJOINS, RECONNECTS},
    {4002, STRANGER, "{", REJOINS, RECONNECTS},
    {4002, STRANGER, "{\"op\":0,\"d\":{}}", REJOINS, RECONNECTS},
    {4002, STRANGER, "{\"op\":7,\"d\":{}}", REJOINS, RECONNECTS},
    {4002, IDENTIFIED, "{\"op\":1,\"d\":{}}", REJOINS, RECONNECTS},
    {4002, IN_CALL, "{\"op\":5,\"d\":{}}", REJOINS, RECONNECTS},
    {4003, STRANGER, "{\"op\":1,\"d\":{\"protocol\":\"udp\"}}", REJOINS, RECONNECTS},
    {4003, STRANGER, "{\"op\":5,\"d\":{\"speaking\":1}}", REJOINS, RECONNECTS},
    {4004, STRANGER, NULL, REJOINS, RECONNECTS},
    {4005, IDENTIFIED, "{\"op\":0,\"d\":{}}", REJOINS, RECONNECTS},
    {4005, IN_CALL, "{\"op\":7,\"d\":{}}", REJOINS, RECONNECTS},
    {4006, STRANGER,
     "{\"op\":7,\"d\":{\"server_id\":\"1\",\"session_id\":\"x\",\"token\":\"y\",\"seq_ack\":3}}", REJOINS,
     STAYS_AWAY},
    {4006, IN_CALL, NULL, REJOINS, STAYS_AWAY},
    {4009, STRANGER, NULL, REJOINS, RECONNECTS},
    {4009, IN_CALL, NULL, REJOINS, RECONNECTS},
    {4011, STRANGER,
     "{\"op\":0,\"d\":{\"server_id\":\"1\",\"user_id\":\"2\",\"session_id\":\"x\",\"token\":\"y\"}}", REJOINS,
     RECONNECTS},
    {4012, IDENTIFIED, "{\"op\":1,\"d\":{\"protocol\":\"carrier pigeon\",\"data\":{}}}", REJOINS, RECONNECTS},
    {4014, IDENTIFIED, NULL, STAYS_AWAY, STAYS_AWAY},
    {4014, IN_CALL, NULL, STAYS_AWAY, STAYS_AWAY},
    {4015, IN_CALL, NULL, RESUMES, RESUMES},
    {4016, IDENTIFIED,
     "{\"op\":1,\"d\":{\"protocol\":\"udp\",\"data\":{\"address\":\"1.2.3.4\",\"port\":1,\"mode\":\"rot13\"}}"
     "}",
     REJOINS, RECONNECTS},
    {4020, STRANGER, NULL, REJOINS, RECONNECTS},
    {4020, IDENTIFIED, "{\"op\":1,\"d\":{\"protocol\":\"webrtc\",\"sdp\":\"v=1\"}}", REJOINS, RECONNECTS},
    {4021, IN_CALL, NULL, REJOINS, RECONNECTS},
};
#define ROWS         (sizeof table / sizeof *table)
#define ROWS_A_WORLD 12u /* it has room for so many clients */

/* One client up to the point where the row begins. */
struct one {
    struct world *w;
    struct client *gateway, *voice;
    struct ticket ticket;
    uint32_t ssrc;
    uint8_t version;
};

static void be_there(struct one *o, enum before before, uint8_t version)
{
    o->version = version;
    if (before == IN_CALL) {
        struct call k = join(o->w, 0, 0, version);
        *o = (struct one){o->w, k.gateway, k.voice, k.ticket, k.ssrc, version};
        return;
    }
    o->gateway = client_login(o->w, 0, 0, USUAL, "");
    op4(o->w, o->gateway, o->w->voice, "false");
    expect_ticket(o->gateway, o->w->voice, &o->ticket);
    if (before == IDENTIFIED)
        o->voice = voice_identify(o->w, 1, 0, &o->ticket, version);
    else
        o->voice = client_open(o->w, 1, CONNECTION_VOICE, version);
    world_run(o->w);
}

static void floods(struct one *o)
{
    for (unsigned i = 0; i < 400; i++)
        client_say(o->w, o->voice, "{\"op\":5,\"d\":{\"speaking\":%u,\"delay\":0,\"ssrc\":1}}", i % 2);
}

static void with_a_wrong_token(struct one *o)
{
    struct ticket wrong = o->ticket;
    wrong.token[63] ^= 1;
    o->voice = voice_identify(o->w, 1, 0, &wrong, o->version);
}

static void is_exhausted(struct one *o)
{
    uint32_t member = member_with(o->w, o->ssrc);
    struct notice_member n = {.member = member, .generation = o->w->members[member].set.generation};
    notice(o->w, member / 8, NOTICE_EXHAUSTED, &n, sizeof n);
}

/* What is not said by the client on this connection. */
static void provoke(struct one *o, const struct row *r)
{
    if (r->code < 4000 || r->code == 4015 || (r->code == 4009 && r->before == IN_CALL))
        client_gone(o->w, o->voice, r->code); /* the dataplane has closed it */
    else if (r->code == 4004)
        with_a_wrong_token(o);
    else if (r->code == 4006)
        is_exhausted(o);
    else if (r->code == 4009)
        world_pass(o->w, o->w->config.identify_voice_ms + 1);
    else if (r->code == 4014)
        op4(o->w, o->gateway, 0, "false");
    else if (r->code == 4020)
        o->voice = client_open(o->w, 1, CONNECTION_VOICE, (uint8_t[]){0, 3, 10}[o->version % 3]);
    else if (r->code == 4021)
        floods(o);
    else
        fail_msg("nothing brings %u about", r->code);
}

static struct client *resumes(struct one *o, uint32_t ack)
{
    struct client *v = client_open(o->w, 1, CONNECTION_VOICE, o->version);
    char numbered[32] = "";
    if (o->version >= NUMBERS)
        snprintf(numbered, sizeof numbered, ",\"seq_ack\":%u", ack);
    client_say(o->w, v, "{\"op\":7,\"d\":{\"server_id\":\"%llu\",\"session_id\":\"%s\",\"token\":\"%s\"%s}}",
               ID(o->w->guild), o->ticket.session_id, o->ticket.token, numbered);
    world_run(o->w);
    return v;
}

static void react(struct one *o, enum move how)
{
    struct client *v;
    switch (how) {
    case REJOINS:
        world_pass(o->w, 1100); /* it asks at once, and is given one ticket a second */
        client_skip(o->gateway);
        op4(o->w, o->gateway, o->w->voice, "false");
        expect_ticket(o->gateway, o->w->voice, &o->ticket);
        /* fall through */
    case RECONNECTS:
        v = voice_identify(o->w, 0, 0, &o->ticket, o->version);
        json_decref(client_expect_op(v, 2));
        assert_int_equal(v->close_code, 0);
        break;
    case RESUMES:
        v = resumes(o, 0);
        json_decref(client_expect_op(v, 9));
        assert_int_equal(v->close_code, 0);
        assert_int_not_equal(member_with(o->w, o->ssrc), MEMBER_NONE); /* its key and SSRC are still good */
        break;
    case STAYS_AWAY:
        break;
    }
}

static void goes_through(struct world *w, const struct row *r, uint8_t version)
{
    struct one o = {.w = w};
    be_there(&o, r->before, version);
    assert_int_equal(o.voice->close_code, 0);
    if (r->says)
        client_say(w, o.voice, "%s", r->says);
    else
        provoke(&o, r);
    world_run(w);
    bool by_us = r->code >= 4000 && r->code != 4015 && !(r->code == 4009 && r->before == IN_CALL);
    if (by_us && o.voice->close_code != r->code)
        fail_msg("version %u, row %u: %u in place of %u", version, (unsigned)(r - table), o.voice->close_code,
                 r->code);
    react(&o, version < NUMBERS ? r->eris : r->djs);
    client_gone(w, o.gateway, 1000);
    world_pass(w, 10000);
    assert_int_equal(w->control.voice_sessions, 0);
}

static void each_code_is_brought_about_and_its_client_gets_on(void **state)
{
    for (uint8_t version = FIRST; version <= LAST; version++) {
        struct world *w = NULL;
        for (size_t i = 0; i < ROWS; i++) {
            if (i % ROWS_A_WORLD == 0)
                begin(&w);
            goes_through(w, &table[i], version);
            if (i % ROWS_A_WORLD == ROWS_A_WORLD - 1 || i == ROWS - 1)
                finish(w);
        }
    }
}

static void no_code_is_given_that_the_table_lacks(void **state)
{
#define CODE(name, number, text) number,
    static const uint16_t ours[] = {VOICE_CLOSE_LIST(CODE)};
    for (size_t i = 0; i < sizeof ours / sizeof *ours; i++) {
        bool found = false;
        for (size_t k = 0; k < ROWS; k++)
            found |= table[k].code == ours[i];
        if (!found)
            fail_msg("%u has no row", ours[i]);
    }
}

static void after_4014_nobody_is_in_the_room_and_others_are_told(void **state)
{
    struct world *w;
    begin(&w);
    struct call a = join(w, 0, 0, 8), b = join(w, 1, 1, 4);
    client_skip(b.voice);
    op4(w, a.gateway, 0, "false");
    assert_int_equal(a.voice->close_code, 4014);
    json_decref(client_expect_op(b.voice, 13));
    struct one o = {w, a.gateway, a.voice, a.ticket, a.ssrc, 8};
    assert_int_equal(resumes(&o, 0)->close_code, 4006); /* what is over is not resumed */
    assert_int_equal(voice_identify(w, 0, 0, &a.ticket, 8)->close_code,
                     4004); /* nor joined with the old ticket */
    finish(w);
}

/* What the dataplane's strict parser leaves over is answered in the same form (reference/voice.md 3.2). */
static void heartbeats_are_answered_in_the_form_of_their_version(void **state)
{
    struct world *w;
    begin(&w);
    for (uint8_t version = FIRST; version <= LAST; version++) {
        bool object = version >= NUMBERS;
        struct client *v = client_open(w, 1, CONNECTION_VOICE, version); /* before identify, too */
        client_say(w, v, "%s",
                   object ? "{\"op\":3,\"d\":{\"t\":-5,\"seq_ack\":null}}" : "{\"op\":3,\"d\":-5}");
        world_run(w);
        assert_string_equal(v->text[v->count - 1],
                            object ? "{\"op\":6,\"d\":{\"t\":-5}}" : "{\"op\":6,\"d\":-5}");
        assert_int_equal(v->close_code, 0);
        client_gone(w, v, 1006);
        world_run(w);
    }
    finish(w);
}

static long long number_of(const char *text)
{
    json_t *j = json_loads(text, 0, NULL);
    const json_t *seq = json_object_get(j, "seq");
    long long n = seq ? json_integer_value(seq) : -1;
    json_decref(j);
    return n;
}

/* The highest number that it has had: what it says of itself in op 7. */
static uint32_t acknowledged(const struct client *v)
{
    long long last = 0;
    for (unsigned i = 0; i < v->count; i++)
        last = number_of(v->text[i]) > last ? number_of(v->text[i]) : last;
    return (uint32_t)last;
}

static void who_resumes_hears_by_number_what_it_missed_once_and_in_order(void **state)
{
    for (uint8_t version = FIRST; version <= LAST; version++) {
        struct world *w;
        begin(&w);
        struct call a = join(w, 0, 0, version), b = join(w, 1, 1, 8);
        world_run(w);
        uint32_t had = acknowledged(a.voice);
        assert_int_equal(had, version < NUMBERS ? 0 : 1); /* that b has come */
        client_gone(w, a.voice, 1006);
        world_run(w);
        for (unsigned i = 0; i < 3; i++) /* is missed */
            client_say(w, b.voice, "{\"op\":5,\"d\":{\"speaking\":%u,\"delay\":0,\"ssrc\":1}}", i % 2);
        world_run(w);
        struct one o = {w, a.gateway, a.voice, a.ticket, a.ssrc, version};
        struct client *v = resumes(&o, had);
        unsigned resumed = 0, heard = 0;
        for (unsigned i = 0; i < v->count; i++) {
            resumed += strstr(v->text[i], "\"op\":9") != NULL;
            if (!strstr(v->text[i], "\"op\":5"))
                continue;
            assert_int_equal(number_of(v->text[i]), had + ++heard);
        }
        assert_int_equal(resumed, 1);
        assert_int_equal(heard, version < NUMBERS ? 0 : 3); /* without numbers nothing can be told twice */
        client_say(w, b.voice, "{\"op\":5,\"d\":{\"speaking\":1,\"delay\":0,\"ssrc\":1}}");
        world_run(w);
        assert_int_equal(number_of(v->text[v->count - 1]), version < NUMBERS ? -1 : (long long)had + 4);
        finish(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_code_is_brought_about_and_its_client_gets_on),
        cmocka_unit_test(no_code_is_given_that_the_table_lacks),
        cmocka_unit_test(after_4014_nobody_is_in_the_room_and_others_are_told),
        cmocka_unit_test(heartbeats_are_answered_in_the_form_of_their_version),
        cmocka_unit_test(who_resumes_hears_by_number_what_it_missed_once_and_in_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
