/*
 * The voice gateway's sessions, from the socket to identify or resume to their end; what happens in between
 * is voice_media.c's. See voice.h and reference/voice.md 3, 4, 7.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/voice/voice.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

#include "controlplane/events/audience.h"
#include "controlplane/events/publish.h"
#include "config/log.h"
#include "controlplane/protocol/opcodes.h"
#include "controlplane/sessions/payload.h"
#include "controlplane/sessions/session_table.h"
#include "controlplane/voice/voice_media.h"

#define VOICE_VERSION_MIN 4u
#define VOICE_VERSION_MAX 9u /* 9 adds a field that we do not need: served as 8 */
#define VOICE_VERSION_SEQ 8u /* from here on messages are numbered */

/* What a client says is told to its whole room: two payloads a word, and a word three times a second. */
#define VOICE_PAYLOADS_MAX 360u
#define VOICE_WINDOW_MS    60000u

void voice_opened(struct control *c, const struct notice_open *n)
{
    if (n->version < VOICE_VERSION_MIN || n->version > VOICE_VERSION_MAX) {
        voice_refuse(c, n->connection, VOICE_CLOSE_BAD_REQUEST, DROP_GATEWAY_VERSION,
                     "voice gateway version");
        return;
    }
    deadlines_add(&c->deadlines, c->now_ms + c->config.identify_voice_ms, DEADLINE_IDENTIFY, n->connection);
}

static uint8_t version_of(const struct control *c, uint64_t connection)
{
    const struct connection *n = connection_of(c->link->region, connection, NULL);
    uint8_t v = n ? n->version : VOICE_VERSION_SEQ;
    return v > VOICE_VERSION_SEQ ? VOICE_VERSION_SEQ : v;
}

/* Is `text` the slot's token? Takes the same time wherever they differ. */
static bool token_matches(const struct session_control *s, const char *text)
{
    uint8_t different = 0;
    if (!s->voice_token_ms || strlen(text) != 2 * sizeof s->voice_token)
        return false;
    for (size_t i = 0; i < 2 * sizeof s->voice_token; i++) {
        uint8_t nibble = i % 2 ? s->voice_token[i / 2] & 15 : s->voice_token[i / 2] >> 4;
        different |= (uint8_t)text[i] ^ (uint8_t) "0123456789abcdef"[nibble];
    }
    return !different;
}

/* ---- op 0: identify ---- */

void voice_our_ip(const struct control *c, uint64_t connection, char text[16])
{
    const struct connection *n = connection_of(c->link->region, connection, NULL);
    const uint8_t *a = n ? n->tcp.tuple.local : NULL;
    if (a && route_is4(a))
        snprintf(text, 16, "%u.%u.%u.%u", a[12], a[13], a[14], a[15]);
    else
        snprintf(text, 16, "%s", c->config.voice_ip);
}

static void send_ready(struct control *c, uint32_t slot)
{
    const struct session_control *s = session_of(c, slot);
    char ip[16];
    voice_our_ip(c, s->connection, ip);
    struct json_out *o = voice_message_open(c, VOICE_OP_READY);
    out_object(o);
    out_field_int(o, "ssrc", s->ssrc);
    out_field_string(o, "ip", ip);
    out_field_int(o, "port", (int64_t)c->config.voice_port_base + voice_worker_of(c, slot));
    out_key(o, "modes");
    out_list(o);
    for (unsigned i = 0; i < sizeof c->config.voice_modes && c->config.voice_modes[i]; i++)
        out_string(o, voice_mode_name(c->config.voice_modes[i]));
    out_list_end(o);
    out_field_empty_list(o, "experiments");
    out_field_empty_list(o, "streams");
    out_object_end(o);
    out_object_end(o);
    voice_send(c, s->connection);
}

/* The voice session of the slot is this connection's from here on, numbered anew. */
static void session_bind(struct control *c, uint32_t slot, uint64_t connection)
{
    struct session_control *s = session_touch(c, slot);
    s->generation++;
    s->worker = (uint8_t)link_worker_of(c->link, connection);
    s->protocol = version_of(c, connection);
    s->state = (uint8_t)((s->state & SLOT_AFK_DUE) | SLOT_BOUND);
    session_connect(c, slot, connection);
    if (s->peer != SESSION_NONE && session_of(c, s->peer)->generation == s->peer_generation &&
        session_of(c, s->peer)->peer == slot)
        session_touch(c, s->peer)->peer_generation = s->generation;
    struct verb_session *v = link_verb(c->link, s->worker, VERB_SESSION_BIND, sizeof *v);
    *v = (struct verb_session){.session = slot,
                               .generation = s->generation,
                               .connection = connection,
                               .user_id = s->user_id,
                               .kind = SESSION_VOICE,
                               .flags = s->protocol < VOICE_VERSION_SEQ ? SESSION_UNNUMBERED : 0};
}

/* The slot itself, or the one that it moves to because another worker had it and may not have let go yet. */
static uint32_t slot_for(struct control *c, uint32_t slot, uint64_t connection)
{
    uint32_t worker = link_worker_of(c->link, connection);
    if (session_of(c, slot)->worker == worker || session_at(c->link->region, slot)->kind == SESSION_FREE)
        return slot;
    uint32_t moved = session_move(c, slot, worker);
    if (moved != SESSION_NONE)
        voice_slot_moved(c, slot, moved);
    return moved;
}

static void identify(struct control *c, uint64_t connection, const json_t *d)
{
    struct voice_identify i;
    char id[SESSION_ID_TEXT];
    struct voice_state v;
    if (!voice_identify_parse(d, &i)) {
        voice_refuse(c, connection, VOICE_CLOSE_DECODE_ERROR, DROP_CONTROL_JSON, "decode error");
        return;
    }
    uint32_t slot = voice_slot_of(c, i.server_id, i.user_id);
    if (!model_guild(c->model, i.server_id)) {
        voice_refuse(c, connection, VOICE_CLOSE_SERVER_NOT_FOUND, DROP_CONTROL_TOKEN, "server not found");
        return;
    }
    if (slot != SESSION_NONE)
        voice_state_of(c, slot, &v, id);
    if (slot == SESSION_NONE || strcmp(id, i.session_id) != 0 ||
        !token_matches(session_of(c, slot), i.token)) {
        voice_refuse(c, connection, VOICE_CLOSE_AUTHENTICATION_FAILED, DROP_CONTROL_TOKEN,
                     "authentication failed");
        return;
    }
    voice_unbind(c, slot, VOICE_CLOSE_SESSION_INVALID);
    slot = slot_for(c, slot, connection);
    const struct voice_room *r = slot == SESSION_NONE ? NULL : voice_room_enter(c, slot);
    if (!r) {
        link_close(c->link, connection, VOICE_CLOSE_SESSION_INVALID, false, "no room");
        return;
    }
    session_bind(c, slot, connection);
    voice_member_set(c, slot);
    send_ready(c, slot);
    log_event(LOG_INFO, "voice_open", "session=%u user=%" PRIu64 " channel=%" PRIu64 " ssrc=%u worker=%u",
              slot, i.user_id, r->channel_id, session_of(c, slot)->ssrc, voice_worker_of(c, slot));
}

/* ---- op 7: resume ---- */

static void send_resumed(struct control *c, uint64_t connection)
{
    struct json_out *o = voice_message_open(c, VOICE_OP_RESUMED);
    out_null(o);
    out_object_end(o);
    voice_send(c, connection);
}

/* The number that a client's 16 bits mean: the latest one that was given out and ends in them. */
static uint32_t full_seq(uint32_t last, uint32_t ack)
{
    uint32_t seq = (last & ~0xffffu) | ack;
    return seq > last && seq > 0xffff ? seq - 0x10000 : seq;
}

static void rebind(struct control *c, uint32_t slot, uint64_t connection, uint32_t ack)
{
    struct session_control *s = session_touch(c, slot);
    uint32_t last = session_at(c->link->region, slot)->seq_last;
    struct verb_resume *v = link_verb(c->link, s->worker, VERB_SESSION_RESUME, sizeof *v);
    session_connect(c, slot, connection);
    *v = (struct verb_resume){.session = {.session = slot,
                                          .generation = s->generation,
                                          .connection = connection,
                                          .user_id = s->user_id,
                                          .kind = SESSION_VOICE,
                                          .flags = s->protocol < VOICE_VERSION_SEQ ? SESSION_UNNUMBERED : 0},
                              .seq = s->protocol < VOICE_VERSION_SEQ ? last : full_seq(last, ack)};
}

/* The new socket is another worker's: the session begins anew there, and the room is told instead of
 * replayed. */
static bool rebind_elsewhere(struct control *c, uint32_t slot, uint64_t connection)
{
    struct session_control *s = session_touch(c, slot);
    struct voice_room *r = voice_room_of(c, s->channel_id);
    struct verb_session_ref *v = link_verb(c->link, s->worker, VERB_SESSION_END, sizeof *v);
    *v = (struct verb_session_ref){.session = slot, .generation = s->generation};
    if (r)
        topic_unsubscribe(c, r->topic, slot);
    uint32_t moved = session_move(c, slot, link_worker_of(c->link, connection));
    if (moved == SESSION_NONE) {
        voice_resume_failed(c, slot, connection);
        return false;
    }
    voice_slot_moved(c, slot, moved);
    slot = moved;
    s = session_of(c, slot);
    session_bind(c, slot, connection);
    voice_member_set(c, slot);
    if (r && s->ready) {
        topic_subscribe(c, r->topic, slot, 0);
        voice_room_describe(c, slot, r);
    }
    return true;
}

static void resume(struct control *c, uint64_t connection, const json_t *d)
{
    struct voice_resume m;
    if (!voice_resume_parse(d, &m)) {
        voice_refuse(c, connection, VOICE_CLOSE_DECODE_ERROR, DROP_CONTROL_JSON, "decode error");
        return;
    }
    uint32_t owner = session_by_id_text(c, m.session_id), slot = SESSION_NONE;
    if (owner != SESSION_NONE)
        slot = voice_slot_of(c, m.server_id, session_of(c, owner)->user_id);
    if (slot == SESSION_NONE || session_of(c, slot)->peer != owner ||
        SLOT_STATE(session_of(c, slot)) != SLOT_BOUND || !token_matches(session_of(c, slot), m.token)) {
        voice_refuse(c, connection, VOICE_CLOSE_SESSION_INVALID, DROP_CONTROL_TOKEN,
                     "session no longer valid");
        return;
    }
    uint64_t old = session_of(c, slot)->connection;
    if (old)
        link_close(c->link, old, VOICE_CLOSE_SESSION_INVALID, false, "resumed elsewhere");
    if (link_worker_of(c->link, connection) == session_of(c, slot)->worker)
        rebind(c, slot, connection, m.seq_ack);
    else if (!rebind_elsewhere(c, slot, connection))
        return;
    send_resumed(c, connection);
}

void voice_resume_failed(struct control *c, uint32_t slot, uint64_t connection)
{
    link_close(c->link, connection, VOICE_CLOSE_SESSION_INVALID, false, "session no longer valid");
    voice_unbind(c, slot, 0);
}

/* ---- all messages ---- */

/* A heartbeat that the dataplane's strict parser did not take as one. */
static void heartbeat(struct control *c, uint64_t connection, const json_t *d)
{
    const json_t *t = json_is_object(d) ? json_object_get(d, "t") : d;
    struct json_out *o = voice_message_open(c, VOICE_OP_HEARTBEAT_ACK);
    if (json_is_object(d)) {
        out_object(o);
        out_field_int(o, "t", json_integer_value(t));
        out_object_end(o);
    } else {
        out_int(o, json_integer_value(t));
    }
    out_object_end(o);
    voice_send(c, connection);
}

/* Opcodes of clients with video, backends' versions and routes: heard and passed over (reference/voice.md 3).
 */
static bool tolerated(int op)
{
    return op == 12 || (op >= 14 && op <= 16) || op == 32;
}

static void act(struct control *c, uint64_t connection, uint32_t slot, int op, const json_t *d)
{
    struct voice_speaking sp;
    if (op == VOICE_OP_HEARTBEAT) {
        heartbeat(c, connection, d);
    } else if (slot == SESSION_NONE) {
        if (op == VOICE_OP_IDENTIFY)
            identify(c, connection, d);
        else if (op == VOICE_OP_RESUME)
            resume(c, connection, d);
        else
            voice_refuse(c, connection, VOICE_CLOSE_NOT_AUTHENTICATED, DROP_CONTROL_NOT_AUTHENTICATED,
                         "not authenticated");
    } else if (op == VOICE_OP_IDENTIFY || op == VOICE_OP_RESUME) {
        voice_refuse(c, connection, VOICE_CLOSE_ALREADY_AUTHENTICATED, DROP_CONTROL_OPCODE,
                     "already authenticated");
    } else if (op == VOICE_OP_SELECT_PROTOCOL) {
        voice_select(c, slot, d);
    } else if (op == VOICE_OP_SPEAKING) {
        if (voice_speaking_parse(d, &sp))
            voice_spoke(c, slot, sp.flags);
        else
            voice_refuse(c, connection, VOICE_CLOSE_DECODE_ERROR, DROP_CONTROL_JSON, "decode error");
    } else if (!tolerated(op)) {
        voice_refuse(c, connection, VOICE_CLOSE_UNKNOWN_OPCODE, DROP_CONTROL_OPCODE, "unknown opcode");
    }
}

/* False: one too many. It is the end of the connection, and of what follows on it nothing is looked at. */
static bool within_rate(struct control *c, uint32_t slot, uint64_t connection)
{
    struct session_control *s = session_touch(c, slot);
    if (c->now_ms - s->window_start_ms >= VOICE_WINDOW_MS) {
        s->window_start_ms = c->now_ms;
        s->window_payloads = 0;
    }
    if (++s->window_payloads <= VOICE_PAYLOADS_MAX)
        return true;
    if (s->window_payloads == VOICE_PAYLOADS_MAX + 1)
        voice_refuse(c, connection, VOICE_CLOSE_RATE_LIMITED, DROP_CONTROL_RATE, "rate limited");
    else
        link_drop(c->link, DROP_CONTROL_RATE);
    return false;
}

void voice_message(struct control *c, uint64_t connection, const char *text, size_t length)
{
    int op;
    const json_t *d;
    uint32_t slot = session_by_connection(c, connection);
    if (slot != SESSION_NONE && !within_rate(c, slot, connection))
        return;
    json_t *root = payload_open(text, length, &op, &d);
    if (!root) {
        voice_refuse(c, connection, VOICE_CLOSE_DECODE_ERROR, DROP_CONTROL_JSON, "decode error");
        return;
    }
    act(c, connection, slot, op, d);
    json_decref(root);
}

/* ---- ends ---- */

void voice_closed(struct control *c, uint32_t slot, const struct notice_closed *n)
{
    /* These end a voice session for the client as well; after all others it may resume (reference/voice.md
     * 7). */
    if (n->code == 1000 || n->code == 1001 || (n->code >= 4000 && n->code != VOICE_CLOSE_SERVER_CRASHED)) {
        voice_unbind(c, slot, 0);
        return;
    }
    session_connect(c, slot, 0);
    deadlines_add(&c->deadlines, c->now_ms + c->config.keep_voice_ms, DEADLINE_AWAY,
                  session_subject(c, slot));
}

void voice_unbind(struct control *c, uint32_t slot, uint16_t code)
{
    struct session_control *s = session_touch(c, slot);
    struct voice_room *r = voice_room_of(c, s->channel_id);
    if (SLOT_STATE(s) != SLOT_BOUND)
        return;
    if (r && s->ready) {
        struct json_out *o = voice_event_open(c, VOICE_OP_CLIENT_DISCONNECT);
        out_object(o);
        out_field_id(o, "user_id", s->user_id);
        out_object_end(o);
        out_text(o, "}");
        voice_room_publish(c, r, slot);
        if (s->protocol)
            topic_unsubscribe(c, r->topic, slot);
    }
    if (s->protocol) { /* 0: without a socket: a bench member, or one by HTTP */
        struct verb_session_ref *v = link_verb(c->link, s->worker, VERB_SESSION_END, sizeof *v);
        *v = (struct verb_session_ref){.session = slot, .generation = s->generation, .close_code = code};
    }
    voice_room_leave(c, slot);
    if (s->connection)
        session_connect(c, slot, 0);
    s->away_since_ms = 0;
    s->generation++; /* what is still under way for the old one finds nobody */
    s->state &= (uint8_t)~SLOT_BOUND;
    s->mode = VOICE_MODE_NONE;
    s->transport = MEMBER_NATIVE;
    s->signalling = SIGNALLED_BY_GATEWAY;
    s->protocol = 0;
    s->ready = s->spoke = s->speaking = 0;
    s->discovered_port = s->selected_port = 0;
    log_event(LOG_INFO, "voice_end", "session=%u user=%" PRIu64 " code=%u", slot, s->user_id, code);
}
