/*
 * Order of a request's checks: path, method, who, how often, type, SDP, channel. See whip.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/webrtc/whip.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "config/log.h"
#include "controlplane/protocol/http_head.h"
#include "controlplane/protocol/snowflake.h"
#include "controlplane/sessions/session_table.h"
#include "controlplane/voice/voice_media.h"
#include "controlplane/webrtc/join.h"

#define POSTS       50u /* of one user within POSTS_MS; PATCH and DELETE count as well */
#define POSTS_MS    10000u
#define SDP_TYPE    "application/sdp"
#define FRAG_TYPE   "application/trickle-ice-sdpfrag"
#define PREFIX      6u /* "/whip/" */
#define EVERY_MATCH "*"

enum method { METHOD_POST = 3, METHOD_PATCH = 5, METHOD_DELETE = 6, METHOD_OPTIONS = 7 };

/* What a path names. */
struct target {
    enum voice_signalling by;
    uint64_t channel_id;
    bool session_named;
    char session[SESSION_ID_TEXT]; /* empty: cannot be one */
};

/* One request on its way. */
struct call {
    struct control *c;
    const struct whip_request *q;
    struct target target;
    uint64_t user_id;
    int status;
};

bool whip_is_for(const char *path, size_t length)
{
    return length > PREFIX && (memcmp(path, "/whip/", PREFIX) == 0 || memcmp(path, "/whep/", PREFIX) == 0);
}

static bool text_is(struct whip_text t, const char *s)
{
    return t.length == strlen(s) && memcmp(t.at, s, t.length) == 0;
}

/* ---- answers ---- */

/* The whole response. `fields` are lines of its own; type NULL: no body. */
static void respond(struct call *k, int status, const char *fields, const char *type, const char *body)
{
    struct json_out *o = &k->c->out;
    k->status = status;
    json_out_reset(o);
    http_head_open(o, status, k->c->now_ms);
    out_bytes(o, fields, strlen(fields));
    http_head_line(o, "Access-Control-Allow-Origin: *\r\nAccess-Control-Expose-Headers: Location, ETag, Link, "
            "Retry-After\r\n");
    if (type)
        http_head_line(o, "Content-Type: %s\r\n", type);
    if (status != 204)
        http_head_line(o, "Content-Length: %zu\r\n", type ? strlen(body) : 0);
    http_head_line(o, "Cache-Control: no-store\r\n");
    http_head_close(o, k->q->keep_alive);
    if (type)
        out_text(o, body);
}

/* What is refused is counted, by what was wrong with it. */
static enum drop_reason reason_of(int status)
{
    switch (status) {
    case 401:
        return DROP_REST_UNAUTHORIZED;
    case 403:
        return DROP_REST_FORBIDDEN;
    case 404:
        return DROP_REST_NOT_FOUND;
    case 400:
    case 406:
    case 422:
        return DROP_CONTROL_SDP;
    case 429:
        return DROP_REST_RATE;
    case 503:
        return DROP_VOICE_NO_MEMBER;
    default:
        return DROP_REST_INVALID;
    }
}

static void refuse(struct call *k, int status, const char *fields, const char *why)
{
    char body[256];
    link_drop(k->c->link, reason_of(status));
    log_event(LOG_INFO, "whip_refused", "status=%d why=%s", status, log_text(why).text);
    snprintf(body, sizeof body, "{\"message\":\"%d: %s\",\"code\":0}", status, why);
    respond(k, status, fields, "application/json", body);
}

static void refuse_method(struct call *k)
{
    if (k->target.session_named)
        refuse(k, 405, "Allow: PATCH, DELETE, OPTIONS\r\n", "a session takes PATCH and DELETE");
    else
        refuse(k, 405, "Allow: POST, OPTIONS\r\n", "an endpoint takes POST");
}

static void say_options(struct call *k)
{
    if (k->target.session_named)
        respond(k, 204,
                "Accept-Patch: " FRAG_TYPE "\r\nAllow: PATCH, DELETE, OPTIONS\r\n"
                "Access-Control-Allow-Methods: PATCH, DELETE, OPTIONS\r\n"
                "Access-Control-Allow-Headers: Authorization, Content-Type, "
                "If-Match\r\nAccess-Control-Max-Age: 86400\r\n",
                NULL, NULL);
    else
        respond(k, 204,
                "Accept-Post: " SDP_TYPE
                "\r\nAllow: POST, OPTIONS\r\nAccess-Control-Allow-Methods: POST, OPTIONS\r\n"
                "Access-Control-Allow-Headers: Authorization, Content-Type, "
                "If-Match\r\nAccess-Control-Max-Age: 86400\r\n",
                NULL, NULL);
}

/* ---- what a request says ---- */

/* False: nothing lies there. */
static bool read_target(struct whip_text path, struct target *t)
{
    const char *at = path.at + PREFIX, *end = path.at + path.length,
               *slash = memchr(at, '/', (size_t)(end - at));
    t->by = path.at[3] == 'i' ? SIGNALLED_BY_WHIP : SIGNALLED_BY_WHEP;
    if (!snowflake_parse(at, (size_t)((slash ? slash : end) - at), &t->channel_id))
        return false;
    t->session_named = slash;
    if (slash && end - slash - 1 == SESSION_ID_TEXT - 1)
        memcpy(t->session, slash + 1, SESSION_ID_TEXT - 1);
    return !slash || t->session[0];
}

/* The type, whatever parameters follow it. */
static bool is_type(struct whip_text t, const char *type)
{
    size_t n = strlen(type);
    return t.length >= n && strncasecmp(t.at, type, n) == 0 &&
           (t.length == n || t.at[n] == ';' || t.at[n] == ' ');
}

static bool authorized(struct call *k)
{
    struct whip_text a = k->q->authorization;
    const struct user *u = a.length ? model_authenticate(k->c->model, a.at, a.length) : NULL;
    if (u)
        k->user_id = u->id;
    else
        refuse(k, 401, "WWW-Authenticate: Bearer\r\n", "a token is needed: Authorization: Bearer TOKEN");
    return u;
}

static bool within_limit(struct call *k, struct limits *limits)
{
    struct limit_state state;
    char fields[64];
    if (limits_take(limits, LIMIT_WHIP, k->user_id, 0, POSTS, POSTS_MS, (int64_t)k->c->now_ms, &state))
        return true;
    snprintf(fields, sizeof fields, "Retry-After: %" PRId64 "\r\n", state.retry_after_ms / 1000 + 1);
    refuse(k, 429, fields, "too many requests");
    return false;
}

/* ---- POST ---- */

/* The offer, as far as it can be judged without the room. False: it has been refused. */
static bool understood(struct call *k, struct sdp_offer *o, struct sdp_agreed *a)
{
    struct whip_text body = k->q->body;
    bool publishes = k->target.by == SIGNALLED_BY_WHIP;
    const char *why = sdp_whole(body.at, body.length);
    if (!why)
        why = sdp_parse(body.at, body.length, o);
    if (why) {
        refuse(k, 400, "", why);
        return false;
    }
    why = sdp_agree(o, a);
    if (!why && !a->muxed)
        why = "sections must be bundled and have rtcp-mux";
    if (why) {
        refuse(k, 406, "", why);
        return false;
    }
    if (publishes ? a->talks : a->slots > 0)
        return true;
    refuse(k, 422, "", publishes ? "nothing is sent: WHIP publishes" : "nothing is received: WHEP listens");
    return false;
}

static bool came(struct call *k, bool listens, uint32_t *slot)
{
    switch (voice_come(k->c, k->user_id, k->target.channel_id, k->target.by, listens, slot)) {
    case ENTRY_DONE:
        return true;
    case ENTRY_UNKNOWN:
        refuse(k, 404, "", "no such voice channel");
        break;
    case ENTRY_DENIED:
        refuse(k, 403, "", "the account may not connect there");
        break;
    case ENTRY_MAY_NOT_SPEAK:
        refuse(k, 403, "", "the account may not speak there");
        break;
    case ENTRY_CONFLICT:
        refuse(k, 409, "", "the account is in a voice channel of this guild by its gateway");
        break;
    case ENTRY_FULL:
        refuse(k, 503, "Retry-After: 2\r\n", "no session is left");
        break;
    }
    return false;
}

static void post(struct call *k)
{
    static struct sdp_offer offer;
    static char answer[SDP_ANSWER_MAX];
    struct sdp_agreed agreed;
    struct control *c = k->c;
    uint32_t slot;
    char ip[16], id[SESSION_ID_TEXT], fields[160];
    if (!is_type(k->q->content_type, SDP_TYPE)) {
        refuse(k, 415, "Accept-Post: " SDP_TYPE "\r\n", "Content-Type must be " SDP_TYPE);
        return;
    }
    if (!understood(k, &offer, &agreed))
        return;
    if (c->link->area->draining || !peer_possible(c)) {
        refuse(k, 503, "Retry-After: 2\r\n", "not at the moment");
        return;
    }
    if (!came(k, agreed.slots > 0, &slot))
        return;
    voice_our_ip(c, k->q->connection, ip);
    const char *why =
        voice_http_bind(c, slot) ? peer_join(c, slot, &offer, &agreed, ip, answer) : "no room is left";
    if (why) {
        voice_leave(c, slot);
        refuse(k, 503, "Retry-After: 2\r\n", why);
        return;
    }
    session_id_text(session_of(c, slot), id);
    log_event(LOG_INFO, "whip_open", "session=%u user=%" PRIu64 " channel=%" PRIu64 " listens=%d", slot,
              k->user_id, k->target.channel_id, k->target.by == SIGNALLED_BY_WHEP);
    snprintf(fields, sizeof fields,
             "Location: %.5s/%" PRIu64 "/%s\r\nETag: \"0\"\r\nAccept-Patch: " FRAG_TYPE "\r\n", k->q->path.at,
             k->target.channel_id, id);
    respond(k, 201, fields, SDP_TYPE, answer);
}

/* ---- what a session is asked ---- */

/* The caller's session of this name, or SESSION_NONE: others' are as unknown to him as those that never were.
 */
static uint32_t session_named(const struct call *k)
{
    char id[SESSION_ID_TEXT];
    for (uint32_t i = session_first_of(k->c, k->user_id); i != SESSION_NONE; i = session_next_of(k->c, i)) {
        const struct session_control *s = session_of(k->c, i);
        if (s->kind != SESSION_VOICE || s->signalling != k->target.by ||
            s->channel_id != k->target.channel_id)
            continue;
        session_id_text(s, id);
        if (strcmp(id, k->target.session) == 0)
            return i;
    }
    return SESSION_NONE;
}

static void restart(struct call *k, uint32_t slot, const struct sdp_offer *fragment)
{
    static char answer[SDP_ANSWER_MAX];
    struct session_control *s = session_touch(k->c, slot);
    char ip[16], fields[32];
    voice_our_ip(k->c, k->q->connection, ip);
    const char *why = fragment->ufrag.length && fragment->password.length
                          ? peer_restart(k->c, slot, fragment, ip, answer)
                          : "ICE credentials are missing";
    if (why) {
        refuse(k, 400, "", why);
        return;
    }
    s->ice_session++;
    snprintf(fields, sizeof fields, "ETag: \"%u\"\r\n", s->ice_session);
    respond(k, 200, fields, FRAG_TYPE, answer);
}

/* Candidates are learned from checks, which come anyway: what is trickled is read, and nothing follows from
 * it. */
static void patch(struct call *k, uint32_t slot)
{
    static struct sdp_offer fragment;
    char etag[8];
    snprintf(etag, sizeof etag, "\"%u\"", session_of(k->c, slot)->ice_session);
    if (!is_type(k->q->content_type, FRAG_TYPE)) {
        refuse(k, 415, "Accept-Patch: " FRAG_TYPE "\r\n", "Content-Type must be " FRAG_TYPE);
        return;
    }
    bool begins_anew = text_is(k->q->if_match, EVERY_MATCH);
    if (!begins_anew && !k->q->if_match.length) {
        refuse(k, 428, "", "If-Match is missing");
        return;
    }
    if (!begins_anew && !text_is(k->q->if_match, etag)) {
        refuse(k, 412, "", "If-Match is not of this ICE session");
        return;
    }
    const char *why = sdp_parse(k->q->body.at, k->q->body.length, &fragment);
    if (why)
        refuse(k, 400, "", why);
    else if (begins_anew)
        restart(k, slot, &fragment);
    else
        respond(k, 204, "", NULL, NULL);
}

/* ---- all ---- */

static void serve(struct call *k, struct limits *limits)
{
    const struct whip_request *q = k->q;
    if (!read_target(q->path, &k->target)) {
        refuse(k, 404, "", "nothing is there");
        return;
    }
    if (q->method == METHOD_OPTIONS) {
        say_options(k);
        return;
    }
    bool known = k->target.session_named ? q->method == METHOD_PATCH || q->method == METHOD_DELETE
                                         : q->method == METHOD_POST;
    if (!known) {
        refuse_method(k);
        return;
    }
    if (!authorized(k) || !within_limit(k, limits))
        return;
    if (q->method == METHOD_POST) {
        post(k);
        return;
    }
    uint32_t slot = session_named(k);
    if (slot == SESSION_NONE) {
        refuse(k, 404, "", "no such session");
    } else if (q->method == METHOD_PATCH) {
        patch(k, slot);
    } else {
        voice_leave(k->c, slot);
        respond(k, 200, "", NULL, NULL);
    }
}

int whip_answer(struct control *c, struct limits *limits, const struct whip_request *q)
{
    struct call k = {.c = c, .q = q};
    serve(&k, limits);
    return k.status;
}
