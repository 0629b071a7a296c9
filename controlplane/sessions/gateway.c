/*
 * The gateway's opcodes; see gateway.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/sessions/gateway.h"

#include <inttypes.h>

#include "controlplane/events/audience.h"
#include "controlplane/events/publish.h"
#include "config/log.h"
#include "controlplane/presence/lists.h"
#include "controlplane/presence/presence.h"
#include "controlplane/protocol/opcodes.h"
#include "controlplane/sessions/payload.h"
#include "controlplane/sessions/session_table.h"
#include "controlplane/sessions/turns.h"
#include "controlplane/sessions/visitors.h"
#include "controlplane/voice/voice.h"

#define RATE_WINDOW_MS 60000u

void gateway_refuse(struct control *c, uint64_t connection, uint16_t code, enum drop_reason why,
                    const char *reason)
{
    link_drop(c->link, why);
    log_event(LOG_INFO, "gateway_refused", "connection=%" PRIx64 " code=%u", connection, code);
    link_close(c->link, connection, code, false, reason);
}

void gateway_opened(struct control *c, const struct notice_open *n)
{
    /* 4012 for all three: the one code after which a client does not come back with the same query. */
    if (n->version != 9 && n->version != 10)
        gateway_refuse(c, n->connection, GATEWAY_CLOSE_INVALID_API_VERSION, DROP_GATEWAY_VERSION,
                       "invalid API version");
    else if (n->encoding != 0)
        gateway_refuse(c, n->connection, GATEWAY_CLOSE_INVALID_API_VERSION, DROP_GATEWAY_ENCODING,
                       "encoding not supported");
    else if (n->compress > 1) /* zlib-stream is the worker's */
        gateway_refuse(c, n->connection, GATEWAY_CLOSE_INVALID_API_VERSION, DROP_GATEWAY_COMPRESS,
                       "compression not supported");
    else
        deadlines_add(&c->deadlines, c->now_ms + c->config.identify_gateway_ms, DEADLINE_IDENTIFY,
                      n->connection);
}

static void send_text(struct control *c, uint64_t connection, const char *text)
{
    link_send(c->link, connection, 1, 0, text, (uint32_t)strlen(text));
}

void gateway_invalid_session(struct control *c, uint64_t connection)
{
    send_text(c, connection, "{\"op\":9,\"d\":false}");
}

/* False: too many payloads; the session is over. */
static bool within_rate(struct control *c, uint32_t session)
{
    struct session_control *s = session_touch(c, session);
    if (c->now_ms - s->window_start_ms >= RATE_WINDOW_MS) {
        s->window_start_ms = c->now_ms;
        s->window_payloads = 0;
    }
    if (++s->window_payloads <= c->config.payloads_per_minute)
        return true;
    link_drop(c->link, DROP_CONTROL_RATE);
    gateway_end(c, session, GATEWAY_CLOSE_RATE_LIMITED);
    return false;
}

/* ---- opcodes ---- */

static void presence(struct control *c, uint32_t session, const json_t *d)
{
    struct presence_update u;
    if (!presence_parse(d, &u) || !presence_set(c, session, &u))
        gateway_refuse(c, session_of(c, session)->connection, GATEWAY_CLOSE_DECODE_ERROR, DROP_CONTROL_JSON,
                       "decode error");
}

static void voice(struct control *c, uint32_t session, const json_t *d)
{
    struct voice_wish w;
    const json_t *guild = json_object_get(d, "guild_id");
    if (json_is_object(d) && (!guild || json_is_null(guild)))
        return; /* calls outside guilds, of user clients */
    if (voice_wish_parse(d, &w))
        voice_wish(c, session, &w);
    else
        gateway_refuse(c, session_of(c, session)->connection, GATEWAY_CLOSE_DECODE_ERROR, DROP_CONTROL_JSON,
                       "decode error");
}

/* Op 31: no guild has any; the answer says so for each guild that was asked about. */
static void soundboards(struct control *c, uint32_t session, const json_t *d)
{
    const json_t *ids = json_object_get(d, "guild_ids");
    for (size_t i = 0; i < json_array_size(ids) && i < 100; i++) {
        uint64_t id;
        const struct guild_state *g =
            payload_id(json_array_get(ids, i), &id) ? model_guild(c->model, id) : NULL;
        if (!g || !model_member(g, session_of(c, session)->user_id))
            continue;
        dispatch_begin(&c->out, "SOUNDBOARD_SOUNDS");
        out_object(&c->out);
        out_field_id(&c->out, "guild_id", id);
        out_field_empty_list(&c->out, "soundboard_sounds");
        out_object_end(&c->out);
        dispatch_end(&c->out);
        publish_session(c, session, &c->out);
    }
}

/* Op 43: no channel has a status. */
static void channel_info(struct control *c, uint32_t session, const json_t *d)
{
    uint64_t id;
    const struct guild_state *g =
        payload_id(json_object_get(d, "guild_id"), &id) ? model_guild(c->model, id) : NULL;
    if (!g || !model_member(g, session_of(c, session)->user_id))
        return;
    dispatch_begin(&c->out, "CHANNEL_INFO");
    out_object(&c->out);
    out_field_id(&c->out, "guild_id", id);
    out_field_empty_list(&c->out, "channels");
    out_object_end(&c->out);
    dispatch_end(&c->out);
    publish_session(c, session, &c->out);
}

static void unknown(struct control *c, uint32_t session)
{
    const struct user *u = model_user(c->model, session_of(c, session)->user_id);
    if (u && !u->bot)
        return; /* user clients have many more (reference/gateway.md 2) */
    gateway_refuse(c, session_of(c, session)->connection, GATEWAY_CLOSE_UNKNOWN_OPCODE, DROP_CONTROL_OPCODE,
                   "unknown opcode");
}

/* Op 14 and 37, of user clients alone. */
static void subscriptions(struct control *c, uint32_t session, int op, const json_t *d)
{
    const struct user *u = model_user(c->model, session_of(c, session)->user_id);
    if (u && u->bot)
        unknown(c, session);
    else if (!(op == GATEWAY_OP_GUILD_SUBSCRIPTIONS ? lists_subscribe : lists_subscribe_bulk)(c, session, d))
        gateway_refuse(c, session_of(c, session)->connection, GATEWAY_CLOSE_DECODE_ERROR, DROP_CONTROL_JSON,
                       "decode error");
}

/* From a connection that has a session. */
static enum input_result act(struct control *c, uint32_t session, int op, const json_t *d, uint64_t entry,
                             uint64_t *cursor)
{
    uint64_t connection = session_of(c, session)->connection;
    switch (op) {
    case GATEWAY_OP_IDENTIFY:
        if (*cursor)
            return gateway_identify(c, connection, d, cursor);
        gateway_end(c, session, GATEWAY_CLOSE_ALREADY_AUTHENTICATED);
        break;
    case GATEWAY_OP_RESUME:
        gateway_end(c, session, GATEWAY_CLOSE_ALREADY_AUTHENTICATED);
        break;
    case GATEWAY_OP_PRESENCE_UPDATE:
        presence(c, session, d);
        break;
    case GATEWAY_OP_VOICE_STATE_UPDATE:
        voice(c, session, d);
        break;
    case GATEWAY_OP_VOICE_SERVER_PING:
        break;
    case GATEWAY_OP_REQUEST_GUILD_MEMBERS:
        return gateway_members(c, session, d, entry, cursor);
    case GATEWAY_OP_GUILD_SUBSCRIPTIONS:
    case GATEWAY_OP_GUILD_SUBSCRIPTIONS_BULK:
        subscriptions(c, session, op, d);
        break;
    case GATEWAY_OP_REQUEST_SOUNDBOARD_SOUNDS:
        soundboards(c, session, d);
        break;
    case GATEWAY_OP_REQUEST_CHANNEL_INFO:
        channel_info(c, session, d);
        break;
    default:
        unknown(c, session);
    }
    return INPUT_DONE;
}

static enum input_result take(struct control *c, uint64_t connection, int op, const json_t *d, uint64_t entry,
                              uint64_t *cursor)
{
    uint32_t session = session_by_connection(c, connection);
    if (op == GATEWAY_OP_HEARTBEAT ||
        op == GATEWAY_OP_QOS_HEARTBEAT) { /* one that the dataplane's strict parser did not take */
        send_text(c, connection, "{\"op\":11,\"d\":null}");
        return INPUT_DONE;
    }
    if (session == SESSION_NONE) {
        if (c->link->area->draining && (op == GATEWAY_OP_IDENTIFY || op == GATEWAY_OP_RESUME)) {
            turns_later(c, connection);
            return INPUT_DONE;
        }
        if (op == GATEWAY_OP_IDENTIFY && !*cursor)
            return gateway_identify(c, connection, d, cursor);
        if (op == GATEWAY_OP_RESUME)
            gateway_resume(c, connection, d);
        else if (op != GATEWAY_OP_IDENTIFY)
            gateway_refuse(c, connection, GATEWAY_CLOSE_NOT_AUTHENTICATED, DROP_CONTROL_NOT_AUTHENTICATED,
                           "not authenticated");
        return INPUT_DONE;
    }
    if (!*cursor && !within_rate(c, session))
        return INPUT_DONE;
    return act(c, session, op, d, entry, cursor);
}

enum input_result gateway_message(struct control *c, uint64_t connection, const char *text, size_t length,
                                  uint64_t entry, uint64_t *cursor)
{
    int op;
    const json_t *d;
    json_t *root = payload_open(text, length, &op, &d);
    if (!root) {
        gateway_refuse(c, connection, GATEWAY_CLOSE_DECODE_ERROR, DROP_CONTROL_JSON, "decode error");
        return INPUT_DONE;
    }
    enum input_result result = take(c, connection, op, d, entry, cursor);
    json_decref(root);
    return result;
}

/* ---- ends ---- */

/* After these a client begins anew; after all others it may resume (reference/gateway.md 13). */
static bool code_is_final(uint16_t code, bool by_peer)
{
    switch (code) {
    case 1000:
    case 1001:
        return by_peer;
    case GATEWAY_CLOSE_NOT_AUTHENTICATED:
    case GATEWAY_CLOSE_AUTHENTICATION_FAILED:
    case GATEWAY_CLOSE_ALREADY_AUTHENTICATED:
    case GATEWAY_CLOSE_INVALID_SEQ:
    case GATEWAY_CLOSE_RATE_LIMITED:
    case GATEWAY_CLOSE_INVALID_SHARD:
    case GATEWAY_CLOSE_SHARDING_REQUIRED:
    case GATEWAY_CLOSE_INVALID_API_VERSION:
    case GATEWAY_CLOSE_INVALID_INTENTS:
    case GATEWAY_CLOSE_DISALLOWED_INTENTS:
        return true;
    default:
        return false;
    }
}

void gateway_closed(struct control *c, uint32_t session, const struct notice_closed *n)
{
    if (code_is_final(n->code, n->by_peer)) {
        gateway_end(c, session, 0);
        return;
    }
    session_connect(c, session, 0);
    deadlines_add(&c->deadlines, c->now_ms + c->config.keep_gateway_ms, DEADLINE_AWAY,
                  session_subject(c, session));
    presence_away(c, session, n->code == GATEWAY_CLOSE_SESSION_TIMED_OUT && !n->by_peer);
    log_event(LOG_INFO, "session_away", "session=%u code=%u", session, n->code);
}

void gateway_resume_failed(struct control *c, uint32_t session, uint64_t connection)
{
    session_connect(c, session, 0);
    gateway_end(c, session, 0);
    gateway_invalid_session(c, connection);
}

static void voice_states_end(struct control *c, uint32_t session)
{
    uint64_t user_id = session_of(c, session)->user_id;
    uint32_t generation = session_of(c, session)->generation;
    for (uint32_t i = session_first_of(c, user_id), next; i != SESSION_NONE; i = next) {
        const struct session_control *s = session_of(c, i);
        next = session_next_of(c, i);
        if (s->kind == SESSION_VOICE && s->peer == session && s->peer_generation == generation)
            voice_leave(c, i);
    }
}

void gateway_end(struct control *c, uint32_t session, uint16_t code)
{
    struct session_control *s = session_touch(c, session);
    const struct account *account = model_account(c->model, s->user_id);
    voice_states_end(c, session);
    lists_end(c, session);
    presence_clear(c, session);
    for (size_t i = 0; account && i < account->guild_count; i++) {
        uint64_t guild_id = account->guilds[i]->row.id;
        if (shard_has(s, guild_id))
            audience_leave(c, guild_id, session);
        link_cut_if_long(c->link);
    }
    struct verb_session_ref *v = link_verb(c->link, s->worker, VERB_SESSION_END, sizeof *v);
    *v = (struct verb_session_ref){.session = session, .generation = s->generation, .close_code = code};
    log_event(LOG_INFO, "session_end", "session=%u user=%" PRIu64 " code=%u", session, s->user_id, code);
    uint64_t user_id = s->user_id;
    session_give(c, session);
    visitors_gone(c, user_id);
}
