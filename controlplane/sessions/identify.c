/*
 * Identify and resume (reference/gateway.md 4, 5, 13.1); see gateway.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/sessions/gateway.h"

#include <inttypes.h>

#include "controlplane/events/audience.h"
#include "controlplane/events/event_writer.h"
#include "controlplane/events/publish.h"
#include "config/log.h"
#include "controlplane/protocol/intents.h"
#include "controlplane/protocol/opcodes.h"
#include "controlplane/sessions/payload.h"
#include "controlplane/sessions/session_table.h"
#include "controlplane/sessions/snapshot.h"
#include "controlplane/sessions/starts.h"
#include "controlplane/voice/voice.h"

#define GUILDS_PER_SHARD_MAX 2500u

static void refuse(struct control *c, uint64_t connection, enum gateway_close code, enum drop_reason why,
                   const char *reason)
{
    gateway_refuse(c, connection, (uint16_t)code, why, reason);
}

static size_t guilds_of_shard(const struct account *a, const struct identify *i)
{
    size_t n = 0;
    for (size_t k = 0; a && k < a->guild_count; k++)
        n += !i->shard_count || (a->guilds[k]->row.id >> 22) % i->shard_count == i->shard_id;
    return n;
}

/* Did this account identify this shard a moment ago? */
static bool too_soon(const struct control *c, uint64_t user_id, const struct identify *i)
{
    for (uint32_t k = session_first_of(c, user_id); c->config.identify_gap_ms && k != SESSION_NONE;
         k = session_next_of(c, k)) {
        const struct session_control *s = session_of(c, k);
        if (s->kind == SESSION_GATEWAY && s->shard_id == i->shard_id && s->shard_count == i->shard_count &&
            s->identified_ms + c->config.identify_gap_ms > c->now_ms)
            return true;
    }
    return false;
}

/* What the configuration and the account's own list allow. */
static uint32_t intents_allowed(const struct control *c, const struct user *u)
{
    const struct account *a = model_account(c->model, u->id);
    return c->config.intents_allowed & (a->intents_allowed | ~(uint32_t)INTENTS_PRIVILEGED);
}

/* The account, or NULL when the connection was refused. */
static const struct user *check(struct control *c, uint64_t connection, const json_t *d, struct identify *i)
{
    if (!identify_parse(d, i)) {
        refuse(c, connection, GATEWAY_CLOSE_DECODE_ERROR, DROP_CONTROL_JSON, "decode error");
        return NULL;
    }
    const struct user *u = model_authenticate(c->model, i->token, strlen(i->token));
    if (!u)
        refuse(c, connection, GATEWAY_CLOSE_AUTHENTICATION_FAILED, DROP_CONTROL_TOKEN,
               "authentication failed");
    else if (!i->shard_valid)
        refuse(c, connection, GATEWAY_CLOSE_INVALID_SHARD, DROP_CONTROL_JSON, "invalid shard");
    else if (!i->intents_known || (u->bot && !i->has_intents))
        refuse(c, connection, GATEWAY_CLOSE_INVALID_INTENTS, DROP_CONTROL_JSON, "invalid intents");
    else if (i->intents & ~intents_allowed(c, u))
        refuse(c, connection, GATEWAY_CLOSE_DISALLOWED_INTENTS, DROP_CONTROL_JSON, "disallowed intents");
    else if (guilds_of_shard(model_account(c->model, u->id), i) > GUILDS_PER_SHARD_MAX)
        refuse(c, connection, GATEWAY_CLOSE_SHARDING_REQUIRED, DROP_CONTROL_JSON, "sharding required");
    else if (too_soon(c, u->id, i) || !starts_take(c, u->id))
        gateway_invalid_session(c, connection);
    else
        return u;
    return NULL;
}

static bool streams(const struct connection *n)
{
    return n && n->encoding == CONNECTION_DEFLATE;
}

/* A connection that is one stream compresses no payload by itself (reference/gateway.md 12.1). */
static uint8_t compression_of(const struct connection *n, bool payloads)
{
    return streams(n) ? COMPRESS_STREAM : payloads ? COMPRESS_PAYLOADS : COMPRESS_NONE;
}

static uint8_t session_flags(const struct session_control *s)
{
    return (uint8_t)((s->intents & INTENT_MESSAGE_CONTENT ? SESSION_CONTENT : 0) |
                     (s->compress == COMPRESS_PAYLOADS ? SESSION_COMPRESSED : 0));
}

static uint32_t begin(struct control *c, uint64_t connection, const struct user *u, const struct identify *i)
{
    uint32_t session = session_take(c, SESSION_GATEWAY, u->id, link_worker_of(c->link, connection));
    if (session == SESSION_NONE)
        return SESSION_NONE;
    struct session_control *s = session_of(c, session);
    const struct connection *n = connection_of(c->link->region, connection, NULL);
    s->worker = (uint8_t)link_worker_of(c->link, connection);
    s->protocol = n ? n->version : 10;
    /* User clients ask for nothing and get everything, but of presences only what they look at: friends,
     * lists. */
    s->intents = i->has_intents ? i->intents : INTENTS_KNOWN & ~(uint32_t)INTENT_GUILD_PRESENCES;
    s->identified_ms = c->now_ms;
    s->window_start_ms = c->now_ms;
    s->window_payloads = 1;
    s->shard_id = i->shard_id;
    s->shard_count = i->shard_count;
    s->platform = i->platform;
    s->large_threshold = i->large_threshold;
    s->compress = compression_of(n, i->compress);
    session_connect(c, session, connection);
    struct verb_session *v = link_verb(c->link, s->worker, VERB_SESSION_BIND, sizeof *v);
    *v = (struct verb_session){.session = session,
                               .generation = s->generation,
                               .connection = connection,
                               .user_id = u->id,
                               .intents = s->intents,
                               .kind = SESSION_GATEWAY,
                               .flags = session_flags(s)};
    return session;
}

static enum input_result identify(struct control *c, uint64_t connection, const json_t *d, uint64_t *cursor)
{
    struct identify i;
    const struct user *u = check(c, connection, d, &i);
    if (!u)
        return INPUT_DONE;
    if (!i.has_presence)
        i.presence = (struct presence_update){.status = STATUS_ONLINE};
    if (i.presence.status == STATUS_OFFLINE) /* some clients say so at first and mean nothing by it */
        i.presence.status = STATUS_ONLINE;
    if (!presence_activities(&c->out, i.presence.activities, c->now_ms)) {
        refuse(c, connection, GATEWAY_CLOSE_DECODE_ERROR, DROP_CONTROL_JSON, "activities too long");
        return INPUT_DONE;
    }
    uint32_t session = begin(c, connection, u, &i);
    if (session == SESSION_NONE) {
        refuse(c, connection, GATEWAY_CLOSE_UNKNOWN_ERROR, DROP_CONTROL_RATE, "too many sessions");
        return INPUT_DONE;
    }
    presence_begin(c, session);
    snapshot_ready(c, session);
    presence_set(c, session, &i.presence);
    log_event(LOG_INFO, "session_open", "session=%u user=%" PRIu64 " guilds=%zu intents=%u", session, u->id,
              snapshot_guild_count(c, session), session_of(c, session)->intents);
    *cursor = 1;
    return INPUT_MORE;
}

enum input_result gateway_identify(struct control *c, uint64_t connection, const json_t *d, uint64_t *cursor)
{
    if (!*cursor)
        return identify(c, connection, d, cursor);
    uint32_t session = session_by_connection(c, connection);
    const struct guild_state *g;
    while ((g = snapshot_next_guild(c, session, *cursor)) != NULL) {
        snapshot_guild(c, session, g);
        *cursor = g->row.id;
        if (link_long(c->link))
            return INPUT_MORE;
    }
    return INPUT_DONE;
}

/* ---- op 6 ---- */

static void resume_verb(struct control *c, uint32_t session, uint32_t seq, uint8_t flags)
{
    const struct session_control *s = session_of(c, session);
    struct verb_resume *v = link_verb(c->link, s->worker, VERB_SESSION_RESUME, sizeof *v);
    flags |= session_flags(s);
    *v = (struct verb_resume){.session = {.session = session,
                                          .generation = s->generation,
                                          .connection = s->connection,
                                          .user_id = s->user_id,
                                          .intents = s->intents,
                                          .kind = SESSION_GATEWAY,
                                          .flags = flags},
                              .seq = seq};
}

/* Copies the references behind `seq` out of a session of another worker; that worker has nothing of ours to
 * do any more. Their count, or -1: not all are there. */
static int64_t copy_refs(const struct control *c, uint32_t session, uint32_t seq, uint64_t *positions,
                         uint32_t max)
{
    struct region *r = c->link->region;
    const struct session_control *sc = session_of(c, session);
    struct session s = *session_at(r, session);
    const struct pool *chunks = region_part(r, sc->worker, PART_CHUNKS);
    uint64_t oldest = atomic_load_explicit(&c->link->log->oldest, memory_order_acquire);
    if (s.generation != sc->generation || seq + 1 < s.seq_first || s.seq_last - seq > max)
        return -1;
    uint32_t chunk = s.head_chunk, at = s.head_at, n = 0;
    for (uint32_t number = s.seq_first; number != s.seq_last + 1; number++, at++) {
        if (at == SESSION_CHUNK_REFS) {
            chunk = ((const struct session_chunk *)pool_at(chunks, chunk))->next;
            at = 0;
        }
        if (chunk >= chunks->fresh)
            return -1;
        if (number <= seq)
            continue;
        uint32_t ref = ((const struct session_chunk *)pool_at(chunks, chunk))->ref[at];
        positions[n] = event_position(c->link->log_cursor, ref);
        if (positions[n] < oldest || event_at(c->link->log, positions[n])->position != positions[n])
            return -1;
        n++;
    }
    struct session now = *session_at(r, session);
    bool still = now.seq_first == s.seq_first && now.seq_last == s.seq_last && now.head_chunk == s.head_chunk;
    return still ? (int64_t)n : -1;
}

static bool worker_is_idle(const struct control *c, uint32_t worker)
{
    const struct ring_end *e = &c->link->worker[worker].fanout;
    return atomic_load_explicit(&e->ring->head, memory_order_acquire) == e->cursor;
}

#define MOVED_EVENTS_MAX 1024u

/* The new connection is another worker's: the session moves there, with what the client has missed. */
static uint32_t move(struct control *c, uint32_t session, uint64_t connection, uint32_t seq)
{
    uint64_t positions[MOVED_EVENTS_MAX];
    struct session_control was = *session_of(c, session);
    int64_t missed =
        worker_is_idle(c, was.worker) ? copy_refs(c, session, seq, positions, MOVED_EVENTS_MAX) : -1;
    uint32_t to = missed < 0 ? SESSION_NONE : session_move(c, session, link_worker_of(c->link, connection));
    if (to == SESSION_NONE)
        return SESSION_NONE;
    struct verb_session_ref *v = link_verb(c->link, was.worker, VERB_SESSION_END, sizeof *v);
    *v = (struct verb_session_ref){.session = session, .generation = was.generation};
    voice_owner_moved(c, session, was.generation, to);
    session_connect(c, to, connection);
    resume_verb(c, to, seq, SESSION_MOVED);
    for (int64_t i = 0; i < missed; i++)
        event_dispatch(c->link, to, positions[i]);
    audience_moved(c, session, to);
    return to;
}

/* The new connection may be a stream where the old one was none, or the other way round. */
static void note_encoding(struct control *c, uint32_t session)
{
    struct session_control *s = session_touch(c, session);
    bool stream = streams(connection_of(c->link->region, s->connection, NULL));
    if (stream == (s->compress == COMPRESS_STREAM))
        return;
    s->compress = stream ? COMPRESS_STREAM : COMPRESS_NONE;
    audience_encoding(c, session);
}

static void go_on(struct control *c, uint32_t session, uint64_t connection, uint32_t seq)
{
    uint64_t old = session_of(c, session)->connection;
    if (old)
        link_close(c->link, old, GATEWAY_CLOSE_UNKNOWN_ERROR, false, "resumed elsewhere");
    if (link_worker_of(c->link, connection) == session_of(c, session)->worker) {
        session_connect(c, session, connection);
        resume_verb(c, session, seq, 0);
    } else {
        uint32_t moved = move(c, session, connection, seq);
        if (moved == SESSION_NONE) {
            gateway_end(c, session, 0);
            gateway_invalid_session(c, connection);
            return;
        }
        session = moved;
    }
    note_encoding(c, session);
    presence_back(c, session);
    dispatch_resumed(&c->out);
    publish_session(c, session, &c->out);
    log_event(LOG_INFO, "session_resume", "session=%u seq=%u", session, seq);
}

void gateway_resume(struct control *c, uint64_t connection, const json_t *d)
{
    struct resume r;
    if (!resume_parse(d, &r)) {
        refuse(c, connection, GATEWAY_CLOSE_DECODE_ERROR, DROP_CONTROL_JSON, "decode error");
        return;
    }
    const struct user *u = model_authenticate(c->model, r.token, strlen(r.token));
    uint32_t session = session_by_id_text(c, r.session_id);
    if (!u)
        refuse(c, connection, GATEWAY_CLOSE_AUTHENTICATION_FAILED, DROP_CONTROL_TOKEN,
               "authentication failed");
    else if (session == SESSION_NONE || session_of(c, session)->user_id != u->id) {
        uint16_t box = session_id_box(r.session_id);
        if (box && box != c->config.box)
            log_event(LOG_INFO, "resume_elsewhere", "user=%" PRIu64 " box=%u", u->id, box);
        gateway_invalid_session(c, connection);
    }
    /* A number reaches a client after it stands in the region, so a larger one was never sent. */
    else if (r.seq > session_at(c->link->region, session)->seq_last)
        refuse(c, connection, GATEWAY_CLOSE_INVALID_SEQ, DROP_CONTROL_JSON, "invalid seq");
    else
        go_on(c, session, connection, r.seq);
}
