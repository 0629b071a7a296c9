/*
 * What the control plane wants of this worker (include/verb.h). A verb for what is gone is counted and dropped. Each verb is done
 * within the transaction in which the ring's head moves past it, so it has its effect exactly once.
 *
 * The ring `fanout` is strictly in order: a walk that is not over holds back what follows it. Its cursor is in worker_area.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/capture/record.h"
#include "dataplane/worker.h"

static struct connection *find_connection(struct worker *w, uint64_t handle)
{
    uint32_t per = w->region->header->geometry.connections, index = (uint32_t)handle - w->index * per;
    struct connection *c = index < per ? conn_at(w, index) : NULL;
    if (c && c->generation == (uint32_t)(handle >> 32) && c->kind != CONNECTION_FREE && c->kind != CONNECTION_CLOSING)
        return c;
    count_drop(w->counters, DROP_CONN_STALE_VERB);
    return NULL;
}

/* ---- ring `command` ---- */

static void verb_send(struct worker *w, const struct verb_send *v, uint32_t length)
{
    struct connection *c = find_connection(w, v->connection);
    if (!c)
        return;
    conn_touch(w, c);
    if (c->kind == CONNECTION_HTTP && !app_http_answered(w, c)) {
        count_drop(w->counters, DROP_CONN_STALE_VERB);
        return;
    }
    uint8_t flags = (uint8_t)((v->flags & SEND_END ? ITEM_RESPONSE_END : 0) | (v->flags & SEND_CLOSE ? ITEM_CLOSE : 0) |
                              (v->flags & SEND_MORE ? 0 : ITEM_COMPLETE));
    struct tx_item *i = NULL;
    if (!(v->flags & SEND_CONTINUED)) {
        i = send_item(w, c, SOURCE_BLOB, flags);
        if (i) {
            i->opcode = v->opcode;
            i->total = v->total;
            c->item_open = c->item_tail;
        }
    } else if (c->flags & CONN_ITEM_OPEN) {
        i = pool_at(w->items, c->item_open);
        txn_save(&w->txn, i, sizeof *i);
        i->flags |= flags;
    }
    if (!i || !chain_append(&i->bytes, w->blocks, &w->txn, v->bytes, length)) {
        conn_abort(w, c, i ? DROP_CONN_NO_BLOCK : DROP_NONE);
        return;
    }
    c->flags = (uint8_t)(v->flags & SEND_MORE ? c->flags | CONN_ITEM_OPEN : c->flags & ~CONN_ITEM_OPEN);
    worker_ready(w, conn_index(w, c));
}

static void verb_close(struct worker *w, const struct verb_close *v, uint32_t length)
{
    struct connection *c = find_connection(w, v->connection);
    if (!c)
        return;
    if (v->code)
        app_close(w, c, v->code, v->reason, length, v->after_events);
    else
        conn_finish(w, c, DROP_NONE);
}

static void command(struct worker *w, const struct ring_entry *e)
{
    const void *body = e->payload;
    switch ((enum verb)e->type) {
    case VERB_SEND:
        verb_send(w, body, e->length - (uint32_t)sizeof(struct verb_send));
        break;
    case VERB_CLOSE:
        verb_close(w, body, e->length - (uint32_t)sizeof(struct verb_close));
        break;
    case VERB_MEMBER_SET:
        voice_member_set(w->voice, body, w->now_us);
        break;
    case VERB_MEMBER_BIND:
        voice_member_bind(w->voice, body);
        break;
    case VERB_MEMBER_REMOVE:
        voice_member_remove(w->voice, body);
        break;
    case VERB_PEER_SET:
        if (w->webrtc)
            webrtc_peer_set(w->webrtc, body);
        break;
    case VERB_ROOM_PARTS:
        voice_room_parts(w->voice, body);
        break;
    default:
        break;
    }
}

unsigned verbs_command(struct worker *w)
{
    unsigned taken = 0, most = worker_at_most(w, WORKER_VERBS);
    struct ring_entry *e;
    while (taken < most && (e = ring_next(&w->command))) {
        record_verb(w, RECORD_COMMAND, e);
        worker_open(w);
        command(w, e);
        ring_done(&w->command, &w->txn, e);
        taken++;
    }
    return taken;
}

/* ---- ring `fanout` ---- */

static struct session *find_session(struct worker *w, uint32_t index, uint32_t generation)
{
    struct session *s = index < w->region->header->geometry.sessions ? &w->sessions[index] : NULL;
    if (s && s->kind != SESSION_FREE && s->generation == generation)
        return s;
    count_drop(w->counters, DROP_SESSION_STALE_VERB);
    return NULL;
}

static struct connection *connection_of_session(struct worker *w, const struct session *s)
{
    return s->connection == UINT32_MAX ? NULL : conn_at(w, s->connection);
}

static void push(struct worker *w, struct session *s, uint64_t event)
{
    struct connection *c = connection_of_session(w, s);
    enum queue_result r = queue_push(&w->queues, s, event);
    if (r == QUEUE_OK) {
        w->counters->count[COUNT_events_delivered]++;
        if (c)
            worker_ready(w, s->connection);
    } else if (r == QUEUE_SLOW) {
        if (c)
            conn_abort(w, c, DROP_CONN_READER_SLOW);
    } else {
        count_drop(w->counters, DROP_SESSION_NO_CHUNK);
        if (c)
            conn_abort(w, c, DROP_NONE);
        queue_end(&w->queues, s);
        s->kind = SESSION_FREE;
        s->generation = 0;
    }
}

/* The session has this connection now, and the connection this session. */
static bool attach(struct worker *w, struct session *s, const struct verb_session *v)
{
    if (s->connection != UINT32_MAX && s->kind != SESSION_FREE)
        conn_detach_session(w, conn_at(w, s->connection));
    struct connection *c = find_connection(w, v->connection);
    if (!c)
        return false;
    conn_touch(w, c);
    conn_detach_session(w, c);
    queue_touch(&w->queues, s);
    s->connection = conn_index(w, c);
    c->session = v->session;
    c->session_generation = v->generation;
    worker_ready(w, s->connection);
    return true;
}

/* A session of ours begins; what its slot held before is gone. NULL: no such slot. */
static struct session *session_begin(struct worker *w, const struct verb_session *v)
{
    if (v->session >= w->region->header->geometry.sessions)
        return NULL;
    struct session *s = &w->sessions[v->session];
    queue_touch(&w->queues, s);
    if (s->kind != SESSION_FREE && s->generation == v->generation)
        return s;
    if (s->kind != SESSION_FREE) { /* its connection, too, must not take the new one for its own */
        if (s->connection != UINT32_MAX)
            conn_detach_session(w, conn_at(w, s->connection));
        queue_end(&w->queues, s);
    }
    s->user_id = v->user_id;
    s->generation = v->generation;
    s->intents = v->intents;
    s->kind = v->kind;
    s->flags = v->flags & (uint8_t)~SESSION_MOVED;
    s->connection = UINT32_MAX;
    queue_start(&w->queues, s);
    return s;
}

static void session_bind(struct worker *w, const struct verb_session *v)
{
    struct session *s = session_begin(w, v);
    if (s)
        attach(w, s, v);
}

/* A session that another core had: it goes on here behind `seq`; what the client missed follows as dispatches. */
static void session_moved_here(struct worker *w, const struct verb_resume *v)
{
    struct session *s = session_begin(w, &v->session);
    if (!s)
        return;
    queue_start_behind(&w->queues, s, v->seq);
    attach(w, s, &v->session);
}

static void session_resume(struct worker *w, const struct verb_resume *v)
{
    if (v->session.flags & SESSION_MOVED) {
        session_moved_here(w, v);
        return;
    }
    struct session *s = find_session(w, v->session.session, v->session.generation);
    if (s && s->connection != UINT32_MAX)
        conn_detach_session(w, conn_at(w, s->connection));
    if (s && queue_resume(&w->queues, s, v->seq)) {
        if (!attach(w, s, &v->session))
            queue_away(&w->queues, s); /* the connection is gone already: what the resume pinned is let go */
        return;
    }
    struct notice_session n = {v->session.session, v->session.generation, v->session.connection};
    if (worker_notify(w, NOTICE_RESUME_FAILED, &n, sizeof n))
        return;
    struct connection *c = find_connection(w, v->session.connection);
    if (c) /* the control plane cannot be told: the client asks again */
        app_close(w, c, 4000, NULL, 0, false);
}

static void session_end(struct worker *w, const struct verb_session_ref *v)
{
    struct session *s = find_session(w, v->session, v->generation);
    if (!s)
        return;
    struct connection *c = connection_of_session(w, s);
    if (c && conn_needs_session(w, c)) { /* it ends with the last of its events that is in flight */
        conn_touch(w, c);
        queue_touch(&w->queues, s);
        s->generation = c->session_generation = SESSION_ENDED;
    } else if (c) {
        conn_detach_session(w, c);
    }
    if (c && v->close_code)
        app_close(w, c, v->close_code, NULL, 0, false);
    if (s->generation == SESSION_ENDED)
        return;
    queue_end(&w->queues, s);
    s->kind = SESSION_FREE;
    s->generation = 0; /* its subscriptions are found dead by the next walk */
}

static void subscribe(struct worker *w, const struct verb_subscribe *v)
{
    if (v->topic >= w->topics.count || !find_session(w, v->session, v->generation))
        return;
    struct subscription s = {.session = v->session, .generation = v->generation, .class = (uint8_t)v->class,
                             .flags = (uint8_t)v->flags};
    subscription_start(&s, v->from);
    if (!topic_subscribe(&w->topics, v->topic, &s))
        count_drop(w->counters, DROP_TOPIC_FULL);
}

/* Closes the readers that still pin a segment that the control plane needs. */
static void shed(struct worker *w, uint32_t segment)
{
    for (uint32_t i = 0; i < w->connections->fresh; i++) {
        struct connection *c = conn_at(w, i);
        if (c->kind == CONNECTION_FREE || c->session == SESSION_NONE)
            continue;
        uint32_t ref;
        const struct session *s = &w->sessions[c->session];
        bool pins = queue_oldest_pinned(&w->queues, s, &ref) &&
                    event_segment(w->queues.log, event_position(w->queues.log->head, ref)) == segment;
        if (pins) {
            worker_open(w);
            conn_abort(w, c, DROP_CONN_READER_SLOW);
        }
    }
}

static bool may_see(const struct session *s, const struct subscription *sub, const struct event *e, uint32_t session)
{
    if (!(e->classes >> (sub->class % TOPIC_CLASSES) & 1) || session == e->except_session)
        return false;
    if (e->intents && !(e->intents & s->intents))
        return false;
    return subscription_wants(sub, e->position);
}

/*
 * Fetches what the deliveries of a chunk will write: the end of each session's queue, and its connection,
 * whose turn comes when the slice is over. Always inline: gcc 12 takes a function that only fetches for one
 * without effect and drops the call.
 */
static inline __attribute__((always_inline)) void deliveries_ahead(const struct worker *w,
                                                                   const struct topic_cursor *cursor)
{
    uint32_t n;
    const struct subscription *sub = topic_walk_chunk(&w->topics, cursor, &n);
    for (uint32_t i = 0; i < n; i++) {
        const struct session *s = sub[i].session == SESSION_NONE ? NULL : &w->sessions[sub[i].session];
        if (!s || s->generation != sub[i].generation)
            continue;
        if (s->chunks)
            __builtin_prefetch(pool_at(w->queues.chunks, s->tail_chunk), 1);
        if (s->connection != UINT32_MAX)
            conn_ahead(w, s->connection);
    }
}

/* One slice of a walk. True: it is over. */
static bool walk_slice(struct worker *w, const struct verb_walk *v, uint64_t number, unsigned *delivered)
{
    struct worker_area *a = w->area;
    const struct event *e = event_at(w->queues.log, v->event);
    struct topic_cursor cursor = TOPIC_WALK_START;
    if (v->topic >= w->topics.count)
        return true;
    if (a->walk_number == number + 1)
        cursor = (struct topic_cursor){a->walk_chunk, a->walk_slot, true};
    const struct subscription *sub;
    uint32_t chunk = POOL_NONE;
    while ((sub = topic_walk(&w->topics, v->topic, &cursor))) {
        if (cursor.chunk != chunk)
            deliveries_ahead(w, &cursor);
        chunk = cursor.chunk;
        struct session *s = &w->sessions[sub->session];
        if (may_see(s, sub, e, sub->session)) {
            push(w, s, v->event);
            ++*delivered;
        }
        if (*delivered < worker_at_most(w, WORKER_FANOUT_SLICE) && txn_room(&w->txn) >= WORKER_UNDO_RESERVE)
            continue;
        txn_touch(&w->txn, a, sizeof *a, &a->stamp);
        a->walk_number = number + 1;
        a->walk_chunk = cursor.chunk;
        a->walk_slot = cursor.slot;
        return false;
    }
    w->counters->count[COUNT_walks]++;
    return true;
}

/* True: done with it. */
static bool fanout(struct worker *w, const struct ring_entry *e, unsigned *delivered)
{
    const void *body = e->payload;
    switch ((enum verb)e->type) {
    case VERB_SESSION_BIND:
        session_bind(w, body);
        break;
    case VERB_SESSION_RESUME:
        session_resume(w, body);
        break;
    case VERB_SESSION_END:
        session_end(w, body);
        break;
    case VERB_SUBSCRIBE:
        subscribe(w, body);
        break;
    case VERB_UNSUBSCRIBE:
        if (((const struct verb_subscribe *)body)->topic < w->topics.count)
            topic_unsubscribe(&w->topics, ((const struct verb_subscribe *)body)->topic,
                              ((const struct verb_subscribe *)body)->session);
        break;
    case VERB_TOPIC_END:
        if (((const struct verb_walk *)body)->topic < w->topics.count)
            topic_clear(&w->topics, ((const struct verb_walk *)body)->topic);
        break;
    case VERB_WALK:
        return walk_slice(w, body, e->number, delivered);
    case VERB_DISPATCH: {
        const struct verb_dispatch *v = body;
        struct session *s = find_session(w, v->session, v->generation);
        if (s)
            push(w, s, v->event);
        ++*delivered;
        break;
    }
    case VERB_SHED:
        shed(w, ((const struct verb_shed *)body)->segment);
        break;
    default:
        break;
    }
    return true;
}

unsigned verbs_fanout(struct worker *w)
{
    unsigned delivered = 0, taken = 0, most = worker_at_most(w, WORKER_FANOUT_SLICE);
    while (delivered < most && taken < worker_at_most(w, WORKER_VERBS)) {
        struct ring_entry *e = w->walk ? w->walk : ring_next(&w->fanout);
        if (!e)
            break;
        if (!w->walk)
            record_verb(w, RECORD_FANOUT, e);
        worker_open(w);
        w->walk = fanout(w, e, &delivered) ? NULL : e;
        if (w->walk)
            return delivered + 1;
        ring_done(&w->fanout, &w->txn, e);
        taken++;
    }
    return delivered + taken;
}
