/*
 * The operator's verbs over the live half: sessions, presence, rooms, routes, the bench room. One table; see
 * admin.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/admin.h"

#include <inttypes.h>
#include <stdlib.h>

#include "config/config.h"
#include "controlplane/presence/presence.h"
#include "controlplane/sessions/drain.h"
#include "controlplane/sessions/gateway.h"
#include "controlplane/sessions/payload.h"
#include "controlplane/sessions/session_table.h"
#include "controlplane/voice/voice.h"

#define LIST_MAX 10000u /* entries of one answer */

static json_t *error(const char *why)
{
    return json_pack("{s:s}", "error", why);
}

static json_t *id_json(uint64_t id)
{
    return json_sprintf("%" PRIu64, id);
}

/* ---- sessions ---- */

static json_t *session_json(const struct control *c, uint32_t i)
{
    const struct session_control *s = session_of(c, i);
    const struct session *d = session_at(c->link->region, i);
    const struct user *u = model_user(c->model, s->user_id);
    return json_pack("{s:i, s:s, s:o, s:s, s:i, s:b, s:i, s:i, s:o, s:o, s:i, s:i}", "session", (int)i,
                     "kind", s->kind == SESSION_GATEWAY ? "gateway" : "voice", "user_id", id_json(s->user_id),
                     "username", u ? u->username : "", "worker", (int)s->worker, "connected",
                     s->connection != 0, "version", (int)s->protocol, "intents", (int)s->intents, "guild_id",
                     id_json(s->guild_id), "channel_id", id_json(s->channel_id), "sent", (int)d->seq_sent,
                     "queued", (int)(d->seq_last - d->seq_sent));
}

static json_t *session_list(struct control *c, const json_t *args)
{
    json_t *list = json_array();
    uint64_t user = 0;
    payload_id(json_object_get(args, "account"), &user);
    for (uint32_t i = 0; i < c->link->sessions->fresh && json_array_size(list) < LIST_MAX; i++) {
        const struct session_control *s = session_of(c, i);
        if (s->kind != SESSION_FREE && (!user || s->user_id == user))
            json_array_append_new(list, session_json(c, i));
    }
    return list;
}

static uint32_t named_session(const struct control *c, const json_t *args)
{
    const json_t *j = json_object_get(args, "session");
    json_int_t i = json_is_string(j) ? strtoll(json_string_value(j), NULL, 10) : json_integer_value(j);
    if ((!json_is_string(j) && !json_is_integer(j)) || i < 0 || i >= (json_int_t)c->link->sessions->fresh ||
        session_of(c, (uint32_t)i)->kind == SESSION_FREE)
        return SESSION_NONE;
    return (uint32_t)i;
}

static json_t *connection_json(const struct control *c, uint64_t handle)
{
    char remote[ROUTE_TEXT_MAX], local[ROUTE_TEXT_MAX];
    uint32_t worker;
    const struct connection *n = connection_of(c->link->region, handle, &worker);
    if (!n)
        return json_null();
    route_text(remote, n->tcp.tuple.remote, 128, true);
    route_text(local, n->tcp.tuple.local, 128, true);
    return json_pack(
        "{s:i, s:i, s:s, s:i, s:s, s:i, s:i, s:i, s:I, s:I, s:I, s:I}", "index", (int)(uint32_t)handle,
        "worker", (int)worker, "remote", remote, "remote_port", (int)n->tcp.tuple.remote_port, "local", local,
        "local_port", (int)n->tcp.tuple.local_port, "tcp_state", (int)n->tcp.state, "records_in_flight",
        (int)n->records, "rx_packets", (json_int_t)n->rx_packets, "tx_packets", (json_int_t)n->tx_packets,
        "rx_bytes", (json_int_t)n->rx_bytes, "tx_bytes", (json_int_t)n->tx_bytes);
}

static json_t *member_json(const struct control *c, const struct session_control *s)
{
    static const char *const states[] = {"none", "candidate", "bound"};
    char ip[ROUTE_TEXT_MAX];
    if (s->member == MEMBER_NONE)
        return json_null();
    const struct voice_member *m = member_at(c->link->region, s->member);
    route_text(ip, m->peer_ip, 128, true);
    return json_pack("{s:i, s:i, s:I, s:s, s:s, s:i, s:I, s:I, s:I}", "member", (int)s->member, "room",
                     (int)s->room, "ssrc", (json_int_t)s->ssrc, "address", states[m->address % 3], "ip", ip,
                     "port", (int)m->peer_port, "received", (json_int_t)m->rx_packets, "sent",
                     (json_int_t)m->tx_packets, "dropped", (json_int_t)m->rx_dropped);
}

/* From TCP to voice: the session, its connection, its voice member; with those of its peer. */
static json_t *session_show(struct control *c, const json_t *args)
{
    uint32_t i = named_session(c, args);
    if (i == SESSION_NONE)
        return error("no such session");
    const struct session_control *s = session_of(c, i);
    json_t *o = session_json(c, i);
    json_object_set_new(o, "connection", connection_json(c, s->connection));
    json_object_set_new(o, "voice", member_json(c, s));
    if (s->peer != SESSION_NONE)
        json_object_set_new(o, "peer", session_json(c, s->peer));
    return o;
}

static json_t *session_close(struct control *c, const json_t *args)
{
    uint32_t i = named_session(c, args);
    if (i == SESSION_NONE)
        return error("no such session");
    link_wait(c->link);
    link_begin(c->link);
    if (session_of(c, i)->kind == SESSION_GATEWAY)
        gateway_end(c, i, 4009);
    else if (session_of(c, i)->guild_id)
        voice_leave(c, i);
    link_end(c->link);
    return json_pack("{s:i}", "closed", (int)i);
}

/* ---- presence ---- */

static json_t *presence_list(struct control *c, const json_t *args)
{
    json_t *list = json_array();
    struct presence_view v;
    const struct index_slot *u;
    for (size_t at = 0; (u = index_map_next(&c->by_user, &at)) != NULL && json_array_size(list) < LIST_MAX;)
        if (presence_of(c, u->key, &v))
            json_array_append_new(list, json_pack("{s:o, s:s, s:o, s:o}", "user_id", id_json(u->key),
                                                  "status", v.shown.status, "activities",
                                                  json_loads(v.shown.activities, 0, NULL), "client_status",
                                                  json_loads(v.shown.client_status, 0, NULL)));
    return list;
}

static json_t *presence_show(struct control *c, const json_t *args)
{
    struct presence_view v;
    uint64_t id;
    if (!payload_id(json_object_get(args, "account"), &id) || !model_user(c->model, id))
        return error("no such account");
    presence_of(c, id, &v);
    json_t *sessions = json_array();
    for (uint32_t i = session_first_of(c, id); i != SESSION_NONE; i = session_next_of(c, i))
        if (session_of(c, i)->kind == SESSION_GATEWAY)
            json_array_append_new(sessions, json_integer((json_int_t)i));
    return json_pack("{s:o, s:s, s:o, s:o, s:o}", "user_id", id_json(id), "status", v.shown.status,
                     "activities", json_loads(v.shown.activities, 0, NULL), "client_status",
                     json_loads(v.shown.client_status, 0, NULL), "sessions", sessions);
}

/* ---- the box ---- */

static json_t *pop_status(struct control *c, const json_t *args)
{
    struct drain_progress p = drain_progress(c);
    return json_pack("{s:s, s:b, s:I, s:I, s:I, s:I, s:I}", "state", p.draining ? "draining" : "serving",
                     "done", (int)p.done, "asked", (json_int_t)p.asked, "connected", (json_int_t)p.connected,
                     "sessions", (json_int_t)p.sessions, "looked_at", (json_int_t)p.looked_at, "slots",
                     (json_int_t)p.slots);
}

static json_t *pop_drain(struct control *c, const json_t *args)
{
    const json_t *over = json_object_get(args, "over");
    double s = json_is_string(over) ? strtod(json_string_value(over), NULL) : json_number_value(over);
    if (!(s >= 0 && s <= 86400))
        return error("over: 0 to 86400 seconds");
    link_wait(c->link);
    link_begin(c->link);
    drain_begin(c, (uint32_t)(s * 1000));
    link_end(c->link);
    return pop_status(c, args);
}

static json_t *pop_undrain(struct control *c, const json_t *args)
{
    link_wait(c->link);
    link_begin(c->link);
    drain_end(c);
    link_end(c->link);
    return pop_status(c, args);
}

/* ---- rooms ---- */

/* Of a room in parts: the part at the first worker. */
static json_t *room_json(const struct voice_room *r)
{
    uint32_t worker = (uint32_t)__builtin_ctz(r->parts);
    return json_pack("{s:o, s:o, s:i, s:i, s:i}", "channel_id", id_json(r->channel_id), "guild_id",
                     id_json(r->guild_id), "worker", (int)worker, "room", (int)r->index[worker], "members",
                     (int)r->count);
}

static json_t *room_list(struct control *c, const json_t *args)
{
    json_t *list = json_array();
    const struct index_slot *s;
    for (size_t at = 0; (s = index_map_next(&c->rooms, &at)) != NULL && json_array_size(list) < LIST_MAX;)
        json_array_append_new(list, room_json((const struct voice_room *)(uintptr_t)s->value));
    return list;
}

static json_t *room_show(struct control *c, const json_t *args)
{
    uint64_t channel;
    const struct voice_room *r =
        payload_id(json_object_get(args, "channel"), &channel) ? voice_room_of(c, channel) : NULL;
    if (!r)
        return error("nobody is connected in that voice channel");
    json_t *o = room_json(r), *members = json_array();
    for (uint32_t i = 0; i < r->count && i < LIST_MAX; i++) {
        json_t *m = session_json(c, r->slots[i]);
        json_object_set_new(m, "voice", member_json(c, session_of(c, r->slots[i])));
        json_array_append_new(members, m);
    }
    json_object_set_new(o, "list", members);
    return o;
}

/* ---- bench ---- */

static json_t *bench_room(struct control *c, const json_t *args)
{
    json_int_t members = json_integer_value(json_object_get(args, "members")),
               speakers = json_integer_value(json_object_get(args, "speakers"));
    if (members < 1 || members > 1000000 || speakers < 0 || speakers > members)
        return error("members must be 1 to 1000000, speakers 0 to members");
    link_wait(c->link);
    link_begin(c->link);
    json_t *room = voice_bench_room(c, (uint32_t)members, (uint32_t)speakers);
    link_end(c->link);
    return room ? room : error("no room for more members");
}

static json_t *bench_end(struct control *c, const json_t *args)
{
    uint64_t channel;
    if (!payload_id(json_object_get(args, "channel"), &channel))
        return error("channel is missing");
    link_wait(c->link);
    link_begin(c->link);
    uint32_t n = voice_bench_end(c, channel);
    link_end(c->link);
    return json_pack("{s:i}", "members", (int)n);
}

/* ---- routes ---- */

static json_t *route_list(struct admin *a)
{
    json_t *list = json_array();
    const struct route_table *t = routes_active(a->routes);
    static const uint8_t none[16];
    for (uint32_t i = 0; i < ROUTE_SLOTS; i++) {
        const struct route_prefix *p = &t->slot[i];
        char prefix[ROUTE_TEXT_MAX], via[ROUTE_TEXT_MAX];
        if (!p->used)
            continue;
        const struct route_hop *h = &t->hop[p->hop];
        route_text(prefix, p->prefix, p->length, false);
        route_text(via, h->gateway, 128, true);
        json_array_append_new(list, json_pack("{s:s, s:s, s:i, s:i}", "prefix", prefix, "via",
                                              memcmp(h->gateway, none, 16) ? via : "", "port", (int)h->port,
                                              "mtu", (int)h->mtu));
    }
    return list;
}

static bool route_args(const json_t *args, bool remove, struct route_change *change)
{
    const char *prefix = json_string_value(json_object_get(args, "prefix")),
               *via = json_string_value(json_object_get(args, "via"));
    json_int_t port = json_integer_value(json_object_get(args, "port")),
               mtu = json_integer_value(json_object_get(args, "mtu"));
    *change = (struct route_change){.remove = remove};
    if (!prefix || !config_prefix(prefix, change->prefix, &change->length))
        return false;
    if (port < 0 || port > UINT16_MAX || mtu < 0 || mtu > UINT16_MAX)
        return false;
    change->hop.port = (uint16_t)port;
    change->hop.mtu = (uint16_t)mtu;
    return !via || !*via || config_host(via, change->hop.gateway);
}

struct route_asked {
    admin_answer_fn *answer;
    void *ctx;
};

static void route_done(void *ctx, const char *why)
{
    struct route_asked *r = ctx;
    r->answer(r->ctx, why ? error(why) : json_pack("{s:b}", "done", 1));
    free(r);
}

static void route_change(struct admin *a, const json_t *args, bool remove, admin_answer_fn *answer, void *ctx)
{
    struct route_change change;
    if (!route_args(args, remove, &change)) {
        answer(
            ctx,
            error("a route is a prefix such as 198.18.4.0/24 without bits behind it, and via: an address"));
        return;
    }
    struct route_asked *r = malloc(sizeof *r);
    if (!r)
        abort();
    *r = (struct route_asked){answer, ctx};
    routes_wish(a->routes, &change, route_done, r);
}

/* ---- the table ---- */

static const struct live_verb {
    const char *verb;
    json_t *(*fn)(struct control *c, const json_t *args);
} live_verbs[] = {
    {"session.list", session_list},   {"session.show", session_show},   {"session.close", session_close},
    {"presence.list", presence_list}, {"presence.show", presence_show}, {"pop.drain", pop_drain},
    {"pop.undrain", pop_undrain},     {"pop.status", pop_status},       {"room.list", room_list},
    {"room.show", room_show},         {"voice.bench_room", bench_room}, {"voice.bench_end", bench_end},
};

bool admin_live(struct admin *a, const char *verb, const json_t *args, admin_answer_fn *answer, void *ctx)
{
    for (size_t i = 0; i < sizeof live_verbs / sizeof *live_verbs; i++) {
        if (strcmp(verb, live_verbs[i].verb) == 0) {
            answer(ctx, live_verbs[i].fn(a->control, args));
            return true;
        }
    }
    if (strcmp(verb, "route.list") == 0)
        answer(ctx, route_list(a));
    else if (strcmp(verb, "route.add") == 0 || strcmp(verb, "route.remove") == 0)
        route_change(a, args, verb[6] == 'r', answer, ctx);
    else
        return false;
    return true;
}
