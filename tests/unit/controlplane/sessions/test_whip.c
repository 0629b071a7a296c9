/*
 * WHIP and WHEP in the world of the session tests: who comes, what others see of it, what is refused and by
 * which status, and how a session ends that has no socket.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/controlplane/sessions/call.h"

#include "controlplane/sessions/session_table.h"

#define POST    3
#define PUT     4
#define PATCH   5
#define DELETE  6
#define OPTIONS 7
#define GET     1
#define SDP     "application/sdp"
#define FRAG    "application/trickle-ice-sdpfrag"
#define PRINT                                                                                                \
    "01:02:03:04:05:06:07:08:09:0A:0B:0C:0D:0E:0F:10:11:12:13:14:15:16:17:18:19:1a:1b:1c:1d:1e:1f:20"
#define ICE  "a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuv\r\n"
#define HEAD "v=0\r\no=- 1 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\n"
#define AUDIO                                                                                                \
    "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\n" ICE "a=fingerprint:sha-256 " PRINT             \
    "\r\na=setup:actpass\r\na=mid:0\r\na=rtcp-mux\r\na=rtpmap:111 opus/48000/2\r\n"
#define TALKS   HEAD AUDIO "a=sendonly\r\n"
#define LISTENS HEAD AUDIO "a=recvonly\r\n"

static struct peer_identity *identity_of(struct world *w)
{
    return region_section(&w->region, SECTION_PEER_IDENTITY);
}

static void begin_with_certificate(struct world **w)
{
    begin(w);
    atomic_store(&identity_of(*w)->ready, 1);
}

/* What the box answers; `who` -1: nobody. */
static struct client *asks(struct world *w, int who, uint8_t method, const char *path, const char *type,
                           const char *match, const char *body)
{
    char authorization[128] = "";
    if (who >= 0)
        snprintf(authorization, sizeof authorization, "Bearer %s", w->token[who]);
    const char *texts[REQUEST_TEXTS] = {
        [REQUEST_PATH] = path,         [REQUEST_QUERY] = "",  [REQUEST_AUTHORIZATION] = authorization,
        [REQUEST_CONTENT_TYPE] = type, [REQUEST_REASON] = "", [REQUEST_IF_MATCH] = match,
        [REQUEST_BODY] = body};
    struct client *c = client_http(w, method, texts);
    world_run(w);
    assert_non_null(c->http);
    return c;
}

static int status_of(const struct client *c)
{
    int status = 0;
    assert_int_equal(sscanf(c->http, "HTTP/1.1 %d ", &status), 1);
    return status;
}

static int status(struct world *w, int who, uint8_t method, const char *path, const char *type,
                  const char *match, const char *body)
{
    return status_of(asks(w, who, method, path, type, match, body));
}

static const char *endpoint(const struct world *w, const char *kind)
{
    static char path[64];
    snprintf(path, sizeof path, "/%s/%llu", kind, ID(w->voice));
    return path;
}

/* The value of a field of the answer, in a buffer of its own. */
static char *field(const struct client *c, const char *name)
{
    static char value[8][160];
    static unsigned next;
    char *out = value[next++ % 8], line[64];
    snprintf(line, sizeof line, "\r\n%s: ", name);
    const char *at = strstr(c->http, line);
    assert_non_null(at);
    assert_int_equal(sscanf(at + strlen(line), "%159[^\r]", out), 1);
    return out;
}

/* The URL of a session that this user has just been given. */
static char *comes(struct world *w, int who, const char *kind, const char *offer)
{
    struct client *c = asks(w, who, POST, endpoint(w, kind), SDP, "", offer);
    assert_int_equal(status_of(c), 201);
    return field(c, "Location");
}

static unsigned members(const struct world *w)
{
    unsigned n = 0;
    for (unsigned i = 0; i < sizeof w->members / sizeof *w->members; i++)
        n += w->members[i].present;
    return n;
}

static const struct verb_member *member(const struct world *w, unsigned who)
{
    for (unsigned i = 0; i < sizeof w->members / sizeof *w->members; i++)
        if (w->members[i].present && w->members[i].set.user_id == w->user[who])
            return &w->members[i].set;
    return NULL;
}

static void a_publisher_is_in_the_channel_for_everybody(void **state)
{
    struct world *w;
    begin_with_certificate(&w);
    struct client *watcher = client_login(w, 1, 0, USUAL, "");
    struct client *c = asks(w, 0, POST, endpoint(w, "whip"), SDP, "", TALKS);
    assert_int_equal(status_of(c), 201);
    assert_string_equal(field(c, "Content-Type"), SDP);
    assert_string_equal(field(c, "ETag"), "\"0\"");
    assert_int_equal(strncmp(field(c, "Location"), endpoint(w, "whip"), strlen(endpoint(w, "whip"))), 0);
    assert_non_null(strstr(c->http, "\r\n\r\nv=0\r\n"));
    assert_non_null(strstr(c->http, "a=recvonly\r\n"));
    assert_int_equal(members(w), 1);
    assert_int_equal(member(w, 0)->kind, MEMBER_WEBRTC);
    assert_false(member(w, 0)->flags & MEMBER_MUTED);
    json_t *d = client_expect(watcher, "VOICE_STATE_UPDATE", 3);
    assert_int_equal(json_id(d, "channel_id"), w->voice);
    assert_int_equal(json_id(d, "user_id"), w->user[0]);
    assert_true(json_is_true(json_object_get(d, "self_deaf"))); /* there is no section to hear with */
    json_decref(d);
    finish(w);
}

static void a_listener_is_never_heard_even_if_it_offers_to_talk(void **state)
{
    struct world *w;
    begin_with_certificate(&w);
    struct client *c = asks(w, 0, POST, endpoint(w, "whep"), SDP, "", HEAD AUDIO "a=sendrecv\r\n");
    assert_int_equal(status_of(c), 201);
    assert_non_null(strstr(c->http, "a=sendonly\r\n"));
    assert_true(member(w, 0)->flags & MEMBER_MUTED);
    assert_false(member(w, 0)->flags & MEMBER_DEAF);
    finish(w);
}

static void deleting_the_session_ends_it_and_only_its_owner_can(void **state)
{
    struct world *w;
    begin_with_certificate(&w);
    char *url = comes(w, 0, "whip", TALKS);
    assert_int_equal(status(w, 1, DELETE, url, "", "", ""), 404);
    assert_int_equal(status(w, -1, DELETE, url, "", "", ""), 401);
    assert_int_equal(members(w), 1);
    assert_int_equal(status(w, 0, DELETE, url, "", "", ""), 200);
    assert_int_equal(members(w), 0);
    assert_int_equal(status(w, 0, DELETE, url, "", "", ""), 404);
    finish(w);
}

static void a_session_outlives_the_control_plane(void **state)
{
    struct world *w;
    begin_with_certificate(&w);
    char *url = comes(w, 0, "whip", TALKS);
    world_restart(w);
    world_run(w);
    assert_int_equal(members(w), 1);
    assert_int_equal(status(w, 0, DELETE, url, "", "", ""), 200);
    assert_int_equal(members(w), 0);
    finish(w);
}

static void deaths_at_every_request_make_one_session(void **state)
{
    struct world *w;
    begin_with_certificate(&w);
    w->die_in_each = true;
    char *url = comes(w, 0, "whip", TALKS);
    comes(w, 1, "whep", LISTENS);
    assert_int_equal(members(w), 2);
    assert_int_equal(status(w, 0, DELETE, url, "", "", ""), 200);
    assert_int_equal(members(w), 1);
    finish(w);
}

static void a_second_post_replaces_the_first(void **state)
{
    struct world *w;
    begin_with_certificate(&w);
    char *first = comes(w, 0, "whip", TALKS), *second = comes(w, 0, "whep", LISTENS);
    assert_int_equal(members(w), 1);
    assert_int_equal(status(w, 0, DELETE, first, "", "", ""), 404);
    assert_int_equal(status(w, 0, DELETE, second, "", "", ""), 200);
    finish(w);
}

static void who_is_in_a_call_by_the_gateway_is_in_the_way(void **state)
{
    struct world *w;
    begin_with_certificate(&w);
    join(w, 0, 0, 8);
    assert_int_equal(status(w, 0, POST, endpoint(w, "whip"), SDP, "", TALKS), 409);
    assert_int_equal(members(w), 1);
    assert_int_equal(member(w, 0)->kind, MEMBER_NATIVE);
    finish(w);
}

static void joining_by_the_gateway_takes_over(void **state)
{
    struct world *w;
    begin_with_certificate(&w);
    char *url = comes(w, 0, "whip", TALKS);
    join(w, 0, 0, 8);
    assert_int_equal(members(w), 1);
    assert_int_equal(member(w, 0)->kind, MEMBER_NATIVE);
    assert_int_equal(status(w, 0, DELETE, url, "", "", ""), 404);
    assert_int_equal(members(w), 1);
    finish(w);
}

static void what_is_wrong_is_said_by_its_status_and_changes_nothing(void **state)
{
    struct world *w;
    char elsewhere[64];
    begin_with_certificate(&w);
    const char *const path = endpoint(w, "whip");
    const struct {
        int status, who;
        const char *type, *body;
    } cases[] = {
        {401, -1, SDP, TALKS},
        {415, 0, "application/json", TALKS},
        {415, 0, "", TALKS},
        {400, 0, SDP, ""},
        {400, 0, SDP, "hello"},
        {400, 0, SDP, "v=0\r\n"},
        {400, 0, SDP, HEAD},                                       /* no media */
        {400, 0, SDP, "v=0\r\ns=-\r\nt=0 0\r\n" AUDIO},            /* no origin */
        {400, 0, SDP, TALKS "nonsense\r\n"},                       /* no line */
        {400, 0, SDP, TALKS "a=\x01\r\n"},                         /* a control character */
        {400, 0, SDP, TALKS AUDIO},                                /* one mid twice */
        {400, 0, SDP, HEAD "m=audio x UDP/TLS/RTP/SAVPF 111\r\n"}, /* no port */
        {400, 0, SDP, HEAD "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=ice-pwd:short\r\n"},
        {406, 0, SDP, HEAD "m=video 9 UDP/TLS/RTP/SAVPF 96\r\n" ICE "a=fingerprint:sha-256 " PRINT "\r\n"},
        {406, 0, SDP, HEAD "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\n" ICE}, /* no fingerprint */
        {406, 0, SDP, TALKS "a=setup:passive\r\n"},
        {406, 0, SDP,
         HEAD "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n" ICE "a=fingerprint:sha-256 " PRINT
              "\r\na=rtpmap:111 opus/48000/2\r\n"}, /* without rtcp-mux */
        {422, 0, SDP, LISTENS},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int got = status(w, cases[i].who, POST, path, cases[i].type, "", cases[i].body);
        if (got != cases[i].status)
            fail_msg("case %zu: %d instead of %d", i, got, cases[i].status);
    }
    assert_int_equal(status(w, 0, POST, endpoint(w, "whep"), SDP, "", TALKS), 422);
    snprintf(elsewhere, sizeof elsewhere, "/whip/%llu", ID(w->text));
    assert_int_equal(status(w, 0, POST, elsewhere, SDP, "", TALKS), 404);
    assert_int_equal(status(w, 0, POST, "/whip/1", SDP, "", TALKS), 404);
    assert_int_equal(status(w, 0, POST, "/whip/abc", SDP, "", TALKS), 404);
    assert_int_equal(members(w), 0);
    finish(w);
}

static void without_a_certificate_of_the_dataplane_it_is_503(void **state)
{
    struct world *w;
    begin(&w);
    struct client *c = asks(w, 0, POST, endpoint(w, "whip"), SDP, "", TALKS);
    assert_int_equal(status_of(c), 503);
    assert_string_equal(field(c, "Retry-After"), "2");
    finish(w);
}

static void methods_that_have_no_meaning_are_405_with_those_that_have(void **state)
{
    struct world *w;
    begin_with_certificate(&w);
    static const uint8_t reserved[] = {GET, PUT, DELETE, PATCH};
    for (size_t i = 0; i < sizeof reserved; i++) {
        struct client *c = asks(w, 0, reserved[i], endpoint(w, "whip"), "", "", "");
        assert_int_equal(status_of(c), 405);
        assert_string_equal(field(c, "Allow"), "POST, OPTIONS");
    }
    char *url = comes(w, 0, "whip", TALKS);
    assert_int_equal(status(w, 0, GET, url, "", "", ""), 405);
    assert_int_equal(status(w, 0, POST, url, SDP, "", TALKS), 405);
    finish(w);
}

static void pages_of_other_origins_may_ask(void **state)
{
    struct world *w;
    begin_with_certificate(&w);
    struct client *c = asks(w, -1, OPTIONS, endpoint(w, "whip"), "", "", "");
    assert_int_equal(status_of(c), 204);
    assert_string_equal(field(c, "Accept-Post"), SDP);
    assert_string_equal(field(c, "Access-Control-Allow-Origin"), "*");
    assert_non_null(strstr(field(c, "Access-Control-Allow-Headers"), "Authorization"));
    c = asks(w, -1, POST, endpoint(w, "whip"), SDP, "", TALKS);
    assert_string_equal(field(c, "Access-Control-Allow-Origin"), "*");
    finish(w);
}

static void candidates_are_taken_and_ice_can_begin_anew(void **state)
{
    struct world *w;
    begin_with_certificate(&w);
    char *url = comes(w, 0, "whip", TALKS);
    static const char candidate[] =
        ICE "m=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\na=candidate:1 1 UDP 1 a.local 9 typ host\r\n";
    assert_int_equal(status(w, 0, PATCH, url, FRAG, "", candidate), 428);
    assert_int_equal(status(w, 0, PATCH, url, FRAG, "\"7\"", candidate), 412);
    assert_int_equal(status(w, 0, PATCH, url, SDP, "\"0\"", candidate), 415);
    assert_int_equal(status(w, 0, PATCH, url, FRAG, "\"0\"", candidate), 204);
    assert_int_equal(status(w, 0, PATCH, url, FRAG, "\"0\"", "a=ice-ufrag:!\r\n"), 400);
    assert_int_equal(status(w, 0, PATCH, url, FRAG, "*", "a=mid:0\r\n"), 400);
    struct client *c = asks(w, 0, PATCH, url, FRAG, "*", candidate);
    assert_int_equal(status_of(c), 200);
    assert_string_equal(field(c, "ETag"), "\"1\"");
    assert_string_equal(field(c, "Content-Type"), FRAG);
    const struct verb_peer *told = &w->members[member(w, 0)->member].peer;
    char line[64];
    snprintf(line, sizeof line, "a=ice-ufrag:%.12s\r\na=ice-pwd:%.24s\r\n", (const char *)told->ufrag,
             (const char *)told->password);
    assert_int_equal(told->restart, 1);
    assert_non_null(strstr(c->http, line));
    assert_non_null(strstr(c->http, "a=mid:0\r\n"));
    assert_int_equal(status(w, 0, PATCH, url, FRAG, "\"0\"", candidate), 412);
    assert_int_equal(status(w, 0, PATCH, url, FRAG, "\"1\"", candidate), 204);
    finish(w);
}

/* What the dataplane would have stored of its peer. */
static void dataplane_says(struct world *w, uint64_t checked_us, uint64_t now_us, bool keyed, uint8_t address)
{
    const struct verb_member *v = member(w, 0);
    uint32_t per = w->region.header->geometry.members, worker = v->member / per;
    struct voice_member *m = member_at(&w->region, v->member);
    struct voice_peer *p = region_part(&w->region, worker, PART_PEERS);
    struct worker_area *a = region_part(&w->region, worker, PART_AREA);
    p += v->member % per;
    m->generation = p->generation = v->generation;
    m->address = address;
    p->checked_us = checked_us;
    atomic_store(&p->keyed, keyed ? v->generation : 0);
    a->loop_us = now_us;
}

static void a_client_that_went_without_a_word_is_out_after_thirty_seconds(void **state)
{
    struct world *w;
    begin_with_certificate(&w);
    comes(w, 0, "whip", TALKS);
    dataplane_says(w, 1000000, 30000000, true, ADDRESS_BOUND);
    world_pass(w, 10000);
    assert_int_equal(members(w), 1);
    dataplane_says(w, 1000000, 31000001, true, ADDRESS_BOUND);
    world_pass(w, 5000);
    assert_int_equal(members(w), 0);
    finish(w);
}

static void a_client_that_never_came_is_out_as_well_and_so_after_a_restart(void **state)
{
    struct world *w;
    begin_with_certificate(&w);
    comes(w, 0, "whip", TALKS);
    world_restart(w);
    dataplane_says(w, 1000000, 20000000, false, ADDRESS_NONE);
    world_pass(w, 5000);
    assert_int_equal(members(w), 1);
    dataplane_says(w, 1000000, 31000001, false, ADDRESS_NONE);
    world_pass(w, 5000);
    assert_int_equal(members(w), 0);
    finish(w);
}

static void a_client_that_closed_its_association_is_out_at_once(void **state)
{
    struct world *w;
    begin_with_certificate(&w);
    comes(w, 0, "whip", TALKS);
    dataplane_says(w, 1000000, 1100000, true, ADDRESS_NONE);
    world_pass(w, 5000);
    assert_int_equal(members(w), 0);
    finish(w);
}

static const struct session_control *judged(struct world *w)
{
    return session_of(&w->control, w->members[member(w, 0)->member].set.session);
}

static struct stream *stream_of(struct world *w)
{
    return &member_at(&w->region, member(w, 0)->member)->stream[STREAM_AUDIO];
}

static void a_member_is_judged_by_what_came_of_his_packets_since_the_last_look(void **state)
{
    struct world *w;
    begin_with_certificate(&w);
    comes(w, 0, "whip", TALKS);
    dataplane_says(w, 1000000, 1000000, true, ADDRESS_BOUND);
    world_pass(w, 6000);
    assert_int_equal(judged(w)->mos_from, 0); /* he has said nothing */
    stream_of(w)->packets = 250;
    world_pass(w, 6000);
    assert_int_equal(judged(w)->mos_from, 441); /* nothing lost, nothing late: R 93.2 */
    stream_of(w)->packets += 238;
    stream_of(w)->lost = stream_of(w)->gaps = stream_of(w)->concealed = 12; /* 4.8 % */
    world_pass(w, 6000);
    assert_in_range(judged(w)->mos_from, 370, 390);
    stream_of(w)->packets += 20; /* too few to say anything */
    world_pass(w, 6000);
    assert_in_range(judged(w)->mos_from, 370, 390);
    stream_of(w)->packets += 250;
    world_restart(w);
    world_pass(w, 6000);
    assert_int_equal(judged(w)->mos_from, 441); /* what was lost before is past, and another life goes on with it */
    assert_int_equal(judged(w)->mos_to, 0);
    finish(w);
}

static void what_a_browser_reports_is_its_own_score(void **state)
{
    struct world *w;
    begin_with_certificate(&w);
    comes(w, 0, "whep", LISTENS);
    dataplane_says(w, 1000000, 1000000, true, ADDRESS_BOUND);
    uint32_t per = w->region.header->geometry.members, m = member(w, 0)->member;
    struct voice_peer *p = (struct voice_peer *)region_part(&w->region, m / per, PART_PEERS) + m % per;
    p->reported_us = 1;
    p->reported_loss = 65536 / 10;
    p->round_trip_us = 300000;
    world_pass(w, 6000);
    assert_int_equal(judged(w)->round_trip_ms, 300);
    assert_in_range(judged(w)->mos_to, 290, 320); /* a tenth lost, and 196 ms from mouth to ear */
    assert_int_equal(judged(w)->mos_from, 0);
    finish(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_publisher_is_in_the_channel_for_everybody),
        cmocka_unit_test(a_listener_is_never_heard_even_if_it_offers_to_talk),
        cmocka_unit_test(deleting_the_session_ends_it_and_only_its_owner_can),
        cmocka_unit_test(a_session_outlives_the_control_plane),
        cmocka_unit_test(deaths_at_every_request_make_one_session),
        cmocka_unit_test(a_second_post_replaces_the_first),
        cmocka_unit_test(who_is_in_a_call_by_the_gateway_is_in_the_way),
        cmocka_unit_test(joining_by_the_gateway_takes_over),
        cmocka_unit_test(what_is_wrong_is_said_by_its_status_and_changes_nothing),
        cmocka_unit_test(without_a_certificate_of_the_dataplane_it_is_503),
        cmocka_unit_test(methods_that_have_no_meaning_are_405_with_those_that_have),
        cmocka_unit_test(pages_of_other_origins_may_ask),
        cmocka_unit_test(candidates_are_taken_and_ice_can_begin_anew),
        cmocka_unit_test(a_client_that_went_without_a_word_is_out_after_thirty_seconds),
        cmocka_unit_test(a_client_that_never_came_is_out_as_well_and_so_after_a_restart),
        cmocka_unit_test(a_client_that_closed_its_association_is_out_at_once),
        cmocka_unit_test(a_member_is_judged_by_what_came_of_his_packets_since_the_last_look),
        cmocka_unit_test(what_a_browser_reports_is_its_own_score),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
