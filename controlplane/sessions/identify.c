/*
 * Identify (reference/gateway.md 4, 5); see gateway.h. Resume is resume.c's.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/sessions/gateway.h"

#include <inttypes.h>

#include "config/log.h"
#include "controlplane/protocol/intents.h"
#include "controlplane/protocol/opcodes.h"
#include "controlplane/sessions/payload.h"
#include "controlplane/sessions/session_table.h"
#include "controlplane/sessions/snapshot.h"
#include "controlplane/sessions/starts.h"
#include "controlplane/sessions/turns.h"

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
    else if (too_soon(c, u->id, i) || !starts_may(c, u->id))
        gateway_invalid_session(c, connection);
    else if (turns_identify(c, connection)) {
        starts_take(c, u->id);
        return u;
    }
    return NULL;
}

/* A connection that is one stream compresses no payload by itself (reference/gateway.md 12.1). */
static uint8_t compression_of(const struct connection *n, bool payloads)
{
    return session_streams(n) ? COMPRESS_STREAM : payloads ? COMPRESS_PAYLOADS : COMPRESS_NONE;
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
