/*
 * voxpop session list, voxpop session show ID, voxpop presence list.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "cli/facts.h"
#include "cli/find.h"
#include "cli/place.h"
#include "cli/remote.h"
#include "cli/show.h"
#include "controlplane/noc/status.h"

#define ID_PREFIX_MIN 4

static const char *kind_name(const struct session_control *c)
{
    return c->kind == SESSION_VOICE ? "voice" : "gateway";
}

static json_t *place_json(uint64_t id)
{
    return id ? facts_id(id) : json_null();
}

/* What a session is, as a row of the list and as the head of `show`. */
static json_t *row(const struct region *r, uint32_t index)
{
    const struct session_control *c = session_control_at(r, index);
    const struct session *s = session_at(r, index);
    const struct connection *open = c->connection ? connection_of(r, c->connection, NULL) : NULL;
    char id[33];
    facts_session_id(c, id);
    return json_pack(
        "{s:I, s:s, s:s, s:o, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:o}", "session", (json_int_t)index, "id",
        id, "kind", kind_name(c), "user", facts_id(c->user_id), "state", open ? "open" : "away", "connection",
        open ? json_integer((json_int_t)(uint32_t)c->connection) : json_null(), "worker",
        (json_int_t)c->worker, "version", (json_int_t)c->protocol, "sequence", (json_int_t)s->seq_last,
        "unsent", (json_int_t)(s->seq_last - s->seq_sent), "unacknowledged",
        (json_int_t)(s->seq_sent - s->seq_acked), "voice_channel", place_json(c->channel_id));
}

/* Calls `each` for every session until it returns true. */
static void walk(const struct region *r, bool (*each)(void *ctx, uint32_t index), void *ctx)
{
    const struct pool *p = region_section(r, SECTION_SESSIONS_CONTROL);
    uint32_t count = 0;
    uint8_t *used = status_used(p, &count);
    bool enough = false;
    for (uint32_t n = 0; used && n < count && !enough; n++)
        if (used[n] && session_control_at(r, n)->kind != SESSION_FREE)
            enough = each(ctx, n);
    free(used);
}

struct search {
    const struct region *r;
    json_t *list;
    const char *text;
    uint32_t index;
    unsigned found;
};

static bool append(void *ctx, uint32_t index)
{
    struct search *s = ctx;
    json_array_append_new(s->list, row(s->r, index));
    return false;
}

int run_session_list(const struct invocation *i)
{
    struct region r;
    int code = place_attach(i, &r);
    if (code)
        return code;
    struct search s = {.r = &r, .list = json_array()};
    walk(&r, append, &s);
    code = show_value(i, s.list);
    region_detach(&r);
    return code;
}

static bool match_id(void *ctx, uint32_t index)
{
    struct search *s = ctx;
    char id[33];
    facts_session_id(session_control_at(s->r, index), id);
    if (strncasecmp(id, s->text, strlen(s->text)) == 0) {
        s->index = index;
        s->found++;
    }
    return false;
}

static bool match_index(void *ctx, uint32_t index)
{
    struct search *s = ctx;
    s->found = s->index == index;
    return s->found;
}

/* An index is a short decimal number; anything else is the session id, or enough of its beginning. */
static void find(struct search *s)
{
    char *end;
    size_t length = strlen(s->text);
    unsigned long index = strtoul(s->text, &end, 10);
    s->index = (uint32_t)index;
    if (length && isdigit((unsigned char)*s->text) && !*end && length < 10)
        walk(s->r, match_index, s);
    if (!s->found && length >= ID_PREFIX_MIN && length <= 32)
        walk(s->r, match_id, s);
}

bool find_session(const struct region *r, const char *text, uint32_t *index)
{
    struct search s = {.r = r, .text = text};
    find(&s);
    if (s.found != 1)
        fprintf(stderr, "voxpop: %s session %s; see voxpop session list\n", s.found ? "more than one" : "no",
                text);
    *index = s.index;
    return s.found == 1;
}

static void add_connection(json_t *j, const struct region *r, const struct session_control *c)
{
    const struct connection *open = c->connection ? connection_of(r, c->connection, NULL) : NULL;
    char peer[64];
    if (!open)
        return;
    json_object_set_new(
        j, "peer", json_string(facts_address(open->tcp.tuple.remote, open->tcp.tuple.remote_port, peer)));
    json_object_set_new(j, "connected_s", json_integer(facts_age_s(open->opened_us)));
    json_object_set_new(j, "tcp", facts_tcp(&open->tcp));
    json_object_set_new(j, "tls", facts_tls(&open->tls));
    json_object_set_new(j, "websocket", facts_websocket(open));
}

static json_t *queue_json(const struct session *s)
{
    return json_pack("{s:I, s:I, s:I, s:I, s:I, s:I}", "kept_from", (json_int_t)s->seq_first, "acknowledged",
                     (json_int_t)s->seq_acked, "sent", (json_int_t)s->seq_sent, "last",
                     (json_int_t)s->seq_last, "client_acknowledged", (json_int_t)s->seq_heard, "chunks",
                     (json_int_t)s->chunks);
}

/* The voice side: of this session, or of the voice session beside it. */
static void add_voice(json_t *j, const struct region *r, const struct session_control *c)
{
    const struct region_geometry *g = &r->header->geometry;
    const struct session_control *voice = c;
    if (c->kind == SESSION_GATEWAY)
        voice = c->peer < g->sessions ? session_control_at(r, c->peer) : NULL;
    if (!voice || voice->kind != SESSION_VOICE)
        return;
    json_t *v = voice->member < g->members * g->workers
                    ? facts_member(member_at(r, voice->member), voice->member)
                    : json_pack("{s:s}", "address_state", "no member yet");
    json_object_set_new(v, "voice_session", json_integer((json_int_t)(voice == c ? 0 : c->peer)));
    if (voice == c)
        json_object_del(v, "voice_session");
    json_object_set_new(v, "room",
                        voice->room == ROOM_NONE ? json_null() : json_integer((json_int_t)voice->room));
    json_object_set_new(v, "channel", place_json(voice->channel_id));
    json_object_set_new(v, "guild", place_json(voice->guild_id));
    json_object_set_new(j, "voice", v);
}

int run_session_show(const struct invocation *i)
{
    struct region r;
    int code = place_attach(i, &r);
    if (code)
        return code;
    uint32_t index;
    if (!find_session(&r, i->operand[0], &index)) {
        code = EXIT_FAILED;
    } else {
        const struct session_control *c = session_control_at(&r, index);
        json_t *j = row(&r, index);
        add_connection(j, &r, c);
        json_object_set_new(j, "queue", queue_json(session_at(&r, index)));
        add_voice(j, &r, c);
        code = show_value(i, j);
    }
    region_detach(&r);
    return code;
}

int run_session_close(const struct invocation *i)
{
    struct region r;
    uint32_t index;
    int code = place_attach(i, &r);
    if (code)
        return code;
    bool found = find_session(&r, i->operand[0], &index);
    region_detach(&r);
    if (!found)
        return EXIT_FAILED;
    json_t *args = json_pack("{s:I}", "session", (json_int_t)index), *result;
    code = remote_call(i, "session.close", args, &result);
    json_decref(args);
    return result ? show_value(i, result) : code;
}

static bool append_presence(void *ctx, uint32_t index)
{
    static const char *const status[] = {"offline", "online", "idle", "dnd", "invisible"};
    static const char *const platform[] = {"web", "desktop", "mobile"};
    struct search *s = ctx;
    const struct session_control *c = session_control_at(s->r, index);
    if (c->kind != SESSION_GATEWAY)
        return false;
    json_array_append_new(s->list, json_pack("{s:o, s:s, s:s, s:b, s:I, s:o}", "user", facts_id(c->user_id),
                                             "status", c->status < 5 ? status[c->status] : "unknown",
                                             "platform", c->platform < 3 ? platform[c->platform] : "unknown",
                                             "afk", (int)c->afk, "session", (json_int_t)index,
                                             "voice_channel", place_json(c->channel_id)));
    return false;
}

int run_presence_list(const struct invocation *i)
{
    struct region r;
    int code = place_attach(i, &r);
    if (code)
        return code;
    struct search s = {.r = &r, .list = json_array()};
    walk(&r, append_presence, &s);
    code = show_value(i, s.list);
    region_detach(&r);
    return code;
}
