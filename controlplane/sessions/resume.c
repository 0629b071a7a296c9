/*
 * Resume (reference/gateway.md 13.1); see gateway.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/sessions/gateway.h"

#include <inttypes.h>

#include "config/log.h"
#include "controlplane/events/audience.h"
#include "controlplane/events/event_writer.h"
#include "controlplane/events/publish.h"
#include "controlplane/protocol/opcodes.h"
#include "controlplane/sessions/payload.h"
#include "controlplane/sessions/session_table.h"
#include "controlplane/sessions/turns.h"
#include "controlplane/voice/voice.h"

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
    int64_t missed = copy_refs(c, session, seq, positions, MOVED_EVENTS_MAX);
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
    bool stream = session_streams(connection_of(c->link->region, s->connection, NULL));
    if (stream == (s->compress == COMPRESS_STREAM))
        return;
    s->compress = stream ? COMPRESS_STREAM : COMPRESS_NONE;
    audience_encoding(c, session);
}

bool gateway_go_on(struct control *c, uint32_t session, uint64_t connection, uint32_t seq)
{
    uint64_t old = session_of(c, session)->connection;
    bool stays = link_worker_of(c->link, connection) == session_of(c, session)->worker;
    if (!stays && !worker_is_idle(c, session_of(c, session)->worker))
        return false;
    if (old)
        link_close(c->link, old, GATEWAY_CLOSE_UNKNOWN_ERROR, false, "resumed elsewhere");
    if (stays) {
        session_connect(c, session, connection);
        resume_verb(c, session, seq, 0);
    } else {
        uint32_t moved = move(c, session, connection, seq);
        if (moved == SESSION_NONE) {
            gateway_end(c, session, 0);
            gateway_invalid_session(c, connection);
            return true;
        }
        session = moved;
    }
    note_encoding(c, session);
    presence_back(c, session);
    dispatch_resumed(&c->out);
    publish_session(c, session, &c->out);
    c->link->counters->count[COUNT_resumes]++;
    log_event(LOG_INFO, "session_resume", "session=%u seq=%u", session, seq);
    return true;
}

void gateway_resume(struct control *c, uint64_t connection, const json_t *d)
{
    struct resume r;
    if (!resume_parse(d, &r)) {
        gateway_refuse(c, connection, GATEWAY_CLOSE_DECODE_ERROR, DROP_CONTROL_JSON, "decode error");
        return;
    }
    const struct user *u = model_authenticate(c->model, r.token, strlen(r.token));
    uint32_t session = session_by_id_text(c, r.session_id);
    if (!u)
        gateway_refuse(c, connection, GATEWAY_CLOSE_AUTHENTICATION_FAILED, DROP_CONTROL_TOKEN,
                       "authentication failed");
    else if (session == SESSION_NONE || session_of(c, session)->user_id != u->id) {
        uint16_t box = session_id_box(r.session_id);
        if (box && box != c->config.box)
            log_event(LOG_INFO, "resume_elsewhere", "user=%" PRIu64 " box=%u", u->id, box);
        gateway_invalid_session(c, connection);
    }
    /* A number reaches a client after it stands in the region, so a larger one was never sent. */
    else if (r.seq > session_at(c->link->region, session)->seq_last)
        gateway_refuse(c, connection, GATEWAY_CLOSE_INVALID_SEQ, DROP_CONTROL_JSON, "invalid seq");
    else
        turns_resume(c, connection, session_of(c, session)->id, r.seq);
}
