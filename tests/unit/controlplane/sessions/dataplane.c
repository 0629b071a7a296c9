/*
 * Workers that only keep what clients would have been sent; see world.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "tests/unit/controlplane/sessions/world.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

void dataplane_open(struct world *w)
{
    for (uint32_t k = 0; k < WORLD_WORKERS; k++) {
        struct fake_worker *f = &w->worker[k];
        txn_attach(&f->txn, w->region.base, region_part(&w->region, k, PART_TXN));
        ring_producer(&f->notice, region_part(&w->region, k, PART_RING_NOTICE));
        ring_consumer(&f->command, region_part(&w->region, k, PART_RING_COMMAND));
        ring_consumer(&f->fanout, region_part(&w->region, k, PART_RING_FANOUT));
    }
}

static struct client *client_of(struct world *w, uint64_t handle)
{
    for (unsigned i = 0; i < w->client_count; i++)
        if (w->clients[i].handle == handle && w->clients[i].open)
            return &w->clients[i];
    return NULL;
}

static void heard(struct client *c, char *text)
{
    assert(c->count < WORLD_TEXTS);
    c->text[c->count++] = text;
}

static void closed(struct world *w, struct client *c, uint16_t code)
{
    uint32_t worker = c->worker;
    struct connection *n = connection_of(&w->region, c->handle, NULL);
    struct notice_closed v = {
        .connection = c->handle, .session = c->session, .code = code, .kind = n ? n->kind : 0};
    c->close_code = code;
    c->open = false;
    if (n)
        n->kind = CONNECTION_FREE;
    if (c->session != SESSION_NONE)
        w->sessions[c->session].client = NULL;
    notice(w, worker, NOTICE_CLOSED, &v, sizeof v);
}

/* ---- ring `command` ---- */

static void send_part(struct world *w, const struct ring_entry *e)
{
    const struct verb_send *v = (const void *)e->payload;
    struct client *c = client_of(w, v->connection);
    size_t n = e->length - sizeof *v;
    if (!c)
        return;
    if (v->opcode) {
        assert(v->opcode == 1 && !(v->flags & (SEND_MORE | SEND_CONTINUED)) && v->total == n);
        heard(c, strndup((const char *)v->bytes, n));
        return;
    }
    c->http = realloc(c->http, c->http_length + n + 1);
    memcpy(c->http + c->http_length, v->bytes, n);
    c->http_length += n;
    c->http[c->http_length] = 0;
    assert(!(v->flags & SEND_END) || v->total == c->http_length);
}

static void command(struct world *w, uint32_t worker, const struct ring_entry *e)
{
    const struct verb_close *close = (const void *)e->payload;
    const struct verb_member *m = (const void *)e->payload;
    const struct verb_member_bind *b = (const void *)e->payload;
    const struct verb_peer *p = (const void *)e->payload;
    struct client *c;
    switch ((enum verb)e->type) {
    case VERB_SEND:
        send_part(w, e);
        break;
    case VERB_CLOSE:
        if ((c = client_of(w, close->connection)) != NULL)
            closed(w, c, close->code);
        break;
    case VERB_MEMBER_SET:
        assert(!w->members[m->member].present || w->members[m->member].set.generation == m->generation);
        w->members[m->member].set = *m;
        w->members[m->member].present = true;
        break;
    case VERB_MEMBER_BIND:
        if (w->members[b->member].set.generation == b->generation) {
            w->members[b->member].bind = *b;
            w->members[b->member].bound = true;
        }
        break;
    case VERB_MEMBER_REMOVE:
        assert(w->members[m->member].present && w->members[m->member].set.generation == m->generation);
        w->members[m->member].present = w->members[m->member].bound = false;
        break;
    case VERB_PEER_SET:
        assert(w->members[p->member].present && w->members[p->member].set.generation == p->generation);
        w->members[p->member].peer = *p;
        break;
    case VERB_ROOM_PARTS:
        w->parts[worker] = ((const struct verb_room *)(const void *)e->payload)->parts;
        break;
    default:
        assert(!"a verb of this ring");
    }
}

/* ---- ring `fanout` ---- */

/* What the control plane looks up: the last number, and the references as far as one chunk holds them. */
static void show(struct world *w, uint32_t session)
{
    struct session *s = session_at(&w->region, session);
    const struct fake_session *f = &w->sessions[session];
    uint32_t worker = session_control_at(&w->region, session)->worker, count = f->last + 1 - f->first;
    struct pool *chunks = region_part(&w->region, worker, PART_CHUNKS);
    struct session_chunk *chunk = pool_at(chunks, session);
    chunks->fresh = chunks->capacity;
    *s = (struct session){.kind = f->kind,
                          .generation = f->generation,
                          .seq_last = f->last,
                          .seq_sent = f->last,
                          .seq_first = f->first,
                          .head_chunk = session};
    if (count > SESSION_CHUNK_REFS)
        s->seq_first = f->last + 1; /* as if all had been acknowledged and trimmed */
    for (uint32_t i = 0; i < count && i < SESSION_CHUNK_REFS; i++)
        chunk->ref[i] = event_ref(f->event[i]);
}

static void deliver(struct world *w, struct fake_session *f, uint32_t number)
{
    uint32_t length;
    char *text;
    const struct event *e = event_at(w->link.log, f->event[number - f->first]);
    if (!f->client)
        return;
    assert(e->position == f->event[number - f->first]);
    const char *shared = (const char *)event_text(
        e, f->user_id, f->kind == SESSION_VOICE || f->flags & SESSION_CONTENT, &length);
    int n = f->flags & SESSION_UNNUMBERED
                ? asprintf(&text, "{%.*s", (int)length, shared)
                : asprintf(&text, "{\"%s\":%u,%.*s", f->kind == SESSION_VOICE ? "seq" : "s", number,
                           (int)length, shared);
    assert(n > 0);
    heard(f->client, text);
}

static void push(struct world *w, uint32_t session, uint64_t event)
{
    struct fake_session *f = &w->sessions[session];
    f->event[++f->last - f->first] = event;
    assert(f->last - f->first < WORLD_TEXTS - 1);
    deliver(w, f, f->last);
    show(w, session);
}

static void bind(struct world *w, const struct verb_session *v, uint32_t first)
{
    struct fake_session *f = &w->sessions[v->session];
    if (f->kind == SESSION_FREE || f->generation != v->generation) {
        assert(f->kind == SESSION_FREE);
        *f = (struct fake_session){.first = first, .last = first - 1};
    }
    f->generation = v->generation;
    f->kind = v->kind;
    f->flags = v->flags;
    f->intents = v->intents;
    f->user_id = v->user_id;
    f->client = client_of(w, v->connection);
    if (f->client)
        f->client->session = v->session;
    show(w, v->session);
}

static void resume(struct world *w, uint32_t worker, const struct verb_resume *v)
{
    struct fake_session *f = &w->sessions[v->session.session];
    if (v->session.flags & SESSION_MOVED) {
        bind(w, &v->session, v->seq + 1);
        return;
    }
    if (f->kind == SESSION_FREE || f->generation != v->session.generation || v->seq + 1 < f->first ||
        v->seq > f->last) {
        struct notice_session n = {v->session.session, v->session.generation, v->session.connection};
        notice(w, worker, NOTICE_RESUME_FAILED, &n, sizeof n);
        return;
    }
    if (f->client)
        f->client->session = SESSION_NONE;
    bind(w, &v->session, 0);
    for (uint32_t n = v->seq + 1; n <= f->last; n++)
        deliver(w, f, n);
}

static void end(struct world *w, const struct verb_session_ref *v)
{
    struct fake_session *f = &w->sessions[v->session];
    if (f->kind == SESSION_FREE || f->generation != v->generation)
        return;
    f->kind = SESSION_FREE;
    if (f->client) {
        f->client->session = SESSION_NONE;
        if (v->close_code)
            closed(w, f->client, v->close_code);
    }
    f->client = NULL;
    show(w, v->session);
}

static void unsubscribe(struct fake_worker *k, uint32_t session, uint32_t topic)
{
    for (unsigned i = 0; i < k->sub_count; i++)
        if ((k->subs[i].session == session || session == SESSION_NONE) && k->subs[i].topic == topic)
            k->subs[i--] = k->subs[--k->sub_count];
}

static void subscribe(struct world *w, struct fake_worker *k, const struct verb_subscribe *v)
{
    const struct fake_session *f = &w->sessions[v->session];
    assert(f->kind != SESSION_FREE && f->generation == v->generation);
    unsubscribe(k, v->session, v->topic);
    assert(k->sub_count < 128);
    k->subs[k->sub_count++] =
        (struct fake_subscription){v->session, v->generation, v->topic, v->class, v->from};
}

static void walk(struct world *w, struct fake_worker *k, const struct verb_walk *v)
{
    const struct event *e = event_at(w->link.log, v->event);
    for (unsigned i = 0; i < k->sub_count; i++) {
        const struct fake_subscription *s = &k->subs[i];
        const struct fake_session *f = &w->sessions[s->session];
        if (s->topic == v->topic && f->kind != SESSION_FREE && f->generation == s->generation &&
            e->classes >> s->class & 1 && s->session != e->except_session && v->event >= s->from &&
            (!e->intents || e->intents & f->intents))
            push(w, s->session, v->event);
    }
}

static void fanout(struct world *w, uint32_t worker, const struct ring_entry *e)
{
    struct fake_worker *k = &w->worker[worker];
    const struct verb_subscribe *sub = (const void *)e->payload;
    const struct verb_walk *v = (const void *)e->payload;
    const struct verb_dispatch *d = (const void *)e->payload;
    switch ((enum verb)e->type) {
    case VERB_SESSION_BIND:
        bind(w, (const void *)e->payload, 1);
        break;
    case VERB_SESSION_RESUME:
        resume(w, worker, (const void *)e->payload);
        break;
    case VERB_SESSION_END:
        end(w, (const void *)e->payload);
        break;
    case VERB_SUBSCRIBE:
        subscribe(w, k, sub);
        break;
    case VERB_UNSUBSCRIBE:
        unsubscribe(k, sub->session, sub->topic);
        break;
    case VERB_TOPIC_END:
        unsubscribe(k, SESSION_NONE, v->topic);
        break;
    case VERB_WALK:
        walk(w, k, v);
        break;
    case VERB_DISPATCH:
        if (w->sessions[d->session].kind != SESSION_FREE &&
            w->sessions[d->session].generation == d->generation)
            push(w, d->session, d->event);
        break;
    default:
        assert(!"a verb of this ring");
    }
}

/* Takes what there is in the rings of every worker; false: nothing. */
bool dataplane_run(struct world *w)
{
    bool any = false;
    for (uint32_t k = 0; k < WORLD_WORKERS; k++) {
        struct fake_worker *f = &w->worker[k];
        struct ring_entry *e;
        while ((e = ring_next(&f->command)) != NULL) {
            command(w, k, e);
            txn_begin(&f->txn);
            ring_done(&f->command, &f->txn, e);
            txn_commit(&f->txn);
            txn_publish(&f->txn);
            any = true;
        }
        while ((e = ring_next(&f->fanout)) != NULL) {
            fanout(w, k, e);
            txn_begin(&f->txn);
            ring_done(&f->fanout, &f->txn, e);
            txn_commit(&f->txn);
            txn_publish(&f->txn);
            any = true;
        }
    }
    return any;
}
