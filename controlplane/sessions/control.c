/*
 * The core: start from the region, inputs to their modules, deadlines; see control.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/sessions/control.h"

#include <stdlib.h>

#include "controlplane/events/audience.h"
#include "controlplane/events/topics.h"
#include "controlplane/protocol/opcodes.h"
#include "controlplane/presence/lists.h"
#include "controlplane/presence/presence.h"
#include "controlplane/routes/maps.h"
#include "controlplane/sessions/drain.h"
#include "controlplane/sessions/gateway.h"
#include "controlplane/sessions/starts.h"
#include "controlplane/sessions/session_table.h"
#include "controlplane/sessions/turns.h"
#include "controlplane/sessions/visitors.h"
#include "controlplane/voice/voice.h"
#include "token.h"

void control_config_defaults(struct control_config *c)
{
    *c = (struct control_config){.gateway_url = "wss://localhost",
                                 .voice_endpoint = "localhost",
                                 .voice_ip = "127.0.0.1",
                                 .voice_port_base = 50000,
                                 .voice_modes = {VOICE_AES256_GCM_RTPSIZE, VOICE_XCHACHA20_RTPSIZE},
                                 .voice_members_per_core = 5000,
                                 .keep_gateway_ms = 300000,
                                 .keep_voice_ms = 60000,
                                 .identify_gateway_ms = 30000,
                                 .identify_voice_ms = 15000,
                                 .payloads_per_minute = 120,
                                 .box = 1,
                                 .max_concurrency = 16,
                                 .identifies_per_second = 1000,
                                 .resumes_per_second = 10000,
                                 .identifies_per_day = 10000,
                                 .intents_allowed = UINT32_MAX};
}

static void owners_open(struct control *c)
{
    const struct guild_state *g;
    c->voice_map = map_writer_open(region_section(c->link->region, SECTION_VOICE_MAP));
    c->owner_map = map_writer_open(region_section(c->link->region, SECTION_OWNER_MAP));
    for (size_t at = 0; (g = id_map_next(&c->model->guilds, &at)) != NULL;)
        map_put(c->owner_map, g->row.id, THIS_BOX);
}

/* The workers refuse what is not signed with it (token.h). */
static void show_token_key(struct control *c)
{
    struct region_secrets *s = &c->link->region->header->secrets;
    if (atomic_load(&s->token_ready) && memcmp(s->token_hmac, c->model->token_key, TOKEN_KEY) == 0)
        return;
    atomic_store(&s->token_ready, 0);
    memcpy(s->token_hmac, c->model->token_key, TOKEN_KEY);
    atomic_store(&s->token_ready, 1);
}

void control_open(struct control *c, struct region_link *l, struct model *m,
                  const struct control_config *config, uint64_t now_ms)
{
    *c = (struct control){.link = l, .model = m, .config = *config, .now_ms = now_ms};
    m->now_ms = (int64_t)now_ms;
    m->sink = control_effect;
    m->sink_ctx = c;
    c->skip_row = l->area->outbox_current;
    c->skip_effects = l->area->outbox_step;
    show_token_key(c);
    owners_open(c);
    topics_open(c);
    turns_open(c);
    session_table_open(c);
    voice_open(c);
    drain_open(c);
    audiences_open(c);
    lists_open(c);
    visitors_open(c);
    inputs_open(&c->inputs, l, control_input, c);
}

void control_close(struct control *c)
{
    c->model->sink = NULL;
    inputs_close(&c->inputs);
    voice_close(c);
    lists_close(c);
    audiences_close(c);
    session_table_close(c);
    map_writer_close(c->voice_map);
    map_writer_close(c->owner_map);
    deadlines_free(&c->deadlines);
    json_out_free(&c->out);
    json_out_free(&c->item);
    starts_free(c);
    turns_close(c);
    free(c->chunk_ids);
}

/* ---- inputs ---- */

static void opened(struct control *c, const struct notice_open *n)
{
    if (n->kind == CONNECTION_GATEWAY)
        gateway_opened(c, n);
    else if (n->kind == CONNECTION_VOICE)
        voice_opened(c, n);
}

static bool is_voice(const struct control *c, uint64_t connection)
{
    uint32_t session = session_by_connection(c, connection);
    if (session != SESSION_NONE)
        return session_of(c, session)->kind == SESSION_VOICE;
    const struct connection *n = connection_of(c->link->region, connection, NULL);
    return n && (n->kind == CONNECTION_VOICE ||
                 (n->kind == CONNECTION_CLOSING && n->kind_was == CONNECTION_VOICE));
}

static enum input_result message(struct control *c, const struct ring_entry *e, uint64_t *cursor)
{
    const struct notice_message *n = (const void *)e->payload;
    const char *text = (const char *)n->text;
    size_t length = e->length - sizeof *n;
    if (is_voice(c, n->connection)) {
        voice_message(c, n->connection, text, length);
        return INPUT_DONE;
    }
    return gateway_message(c, n->connection, text, length, e->number, cursor);
}

static void closed(struct control *c, const struct notice_closed *n)
{
    uint32_t session = session_by_connection(c, n->connection);
    if (session == SESSION_NONE)
        return;
    if (session_of(c, session)->kind == SESSION_VOICE)
        voice_closed(c, session, n);
    else
        gateway_closed(c, session, n);
}

static void resume_failed(struct control *c, const struct notice_session *n)
{
    uint32_t session = session_of_subject(c, (uint64_t)n->generation << 32 | n->session);
    if (session == SESSION_NONE || session_of(c, session)->connection != n->connection)
        return;
    if (session_of(c, session)->kind == SESSION_VOICE)
        voice_resume_failed(c, session, n->connection);
    else
        gateway_resume_failed(c, session, n->connection);
}

/* The least that a notice of this type is long. */
static uint32_t shortest(uint16_t type)
{
    switch ((enum notice)type) {
    case NOTICE_OPEN:
        return sizeof(struct notice_open);
    case NOTICE_MESSAGE:
        return sizeof(struct notice_message);
    case NOTICE_REQUEST:
        return sizeof(struct notice_request);
    case NOTICE_CLOSED:
        return sizeof(struct notice_closed);
    case NOTICE_DISCOVERED:
    case NOTICE_HEARD:
    case NOTICE_EXHAUSTED:
        return sizeof(struct notice_member);
    case NOTICE_RESUME_FAILED:
        return sizeof(struct notice_session);
    }
    return UINT32_MAX;
}

enum input_result control_input(void *ctx, uint32_t worker, const struct ring_entry *e, uint64_t *cursor)
{
    struct control *c = ctx;
    if (e->length < shortest(e->type))
        return INPUT_DONE; /* of another build: the layout hash should have refused it */
    switch ((enum notice)e->type) {
    case NOTICE_OPEN:
        opened(c, (const void *)e->payload);
        break;
    case NOTICE_MESSAGE:
        return message(c, e, cursor);
    case NOTICE_REQUEST:
        return c->rest_input ? c->rest_input(c->rest_ctx, worker, e, cursor) : INPUT_DONE;
    case NOTICE_CLOSED:
        closed(c, (const void *)e->payload);
        break;
    case NOTICE_DISCOVERED:
        voice_discovered(c, (const void *)e->payload);
        break;
    case NOTICE_HEARD:
        voice_heard(c, (const void *)e->payload);
        break;
    case NOTICE_EXHAUSTED:
        voice_exhausted(c, (const void *)e->payload);
        break;
    case NOTICE_RESUME_FAILED:
        resume_failed(c, (const void *)e->payload);
        break;
    }
    return INPUT_DONE;
}

bool control_step(struct control *c, uint64_t now_ms)
{
    c->now_ms = now_ms;
    c->model->now_ms = (int64_t)now_ms;
    return inputs_step(&c->inputs);
}

/* ---- deadlines ---- */

static void unidentified(struct control *c, uint64_t connection)
{
    const struct connection *n = connection_of(c->link->region, connection, NULL);
    if (!n || session_by_connection(c, connection) != SESSION_NONE)
        return;
    if (n->kind == CONNECTION_VOICE)
        link_close(c->link, connection, VOICE_CLOSE_SESSION_TIMEOUT, false, "session timeout");
    else if (n->kind == CONNECTION_GATEWAY)
        link_close(c->link, connection, GATEWAY_CLOSE_SESSION_TIMED_OUT, false, "session timed out");
}

static void away_for_long(struct control *c, uint64_t subject)
{
    uint32_t session = session_of_subject(c, subject);
    if (session == SESSION_NONE)
        return;
    const struct session_control *s = session_of(c, session);
    uint32_t keep = s->kind == SESSION_VOICE ? c->config.keep_voice_ms : c->config.keep_gateway_ms;
    if (s->connection || !s->away_since_ms || s->away_since_ms + keep > c->now_ms)
        return;
    if (s->kind == SESSION_VOICE)
        voice_unbind(c, session, 0);
    else
        gateway_end(c, session, 0);
}

static void due(struct control *c, const struct deadline *d)
{
    uint32_t session = SESSION_NONE;
    switch (d->kind) {
    case DEADLINE_IDENTIFY:
        unidentified(c, d->subject);
        break;
    case DEADLINE_AWAY:
        away_for_long(c, d->subject);
        break;
    case DEADLINE_AFK:
        voice_afk_due(c, (uint32_t)d->subject);
        break;
    case DEADLINE_TOKEN:
        voice_token_due(c, (uint32_t)d->subject);
        break;
    case DEADLINE_GONE:
        if ((session = session_of_subject(c, d->subject)) != SESSION_NONE)
            presence_gone(c, session);
        break;
    case DEADLINE_PRESENCE:
        if ((session = session_of_subject(c, d->subject)) != SESSION_NONE)
            presence_due(c, session);
        break;
    case DEADLINE_DRAIN:
        drain_wave(c);
        break;
    case DEADLINE_HELD:
        turns_held(c, d->subject);
        break;
    case DEADLINE_ASKED:
        turns_asked(c, d->subject);
        break;
    case DEADLINE_TURN:
        turns_due(c);
        break;
    case DEADLINE_LISTS:
        lists_flush(c);
        break;
    case DEADLINE_VISITORS:
        visitors_due(c);
        break;
    case DEADLINE_PEER:
        if ((session = session_of_subject(c, d->subject)) != SESSION_NONE)
            voice_http_due(c, session);
        break;
    case DEADLINE_QUALITY:
        if ((session = session_of_subject(c, d->subject)) != SESSION_NONE)
            voice_quality_due(c, session);
        break;
    }
}

unsigned control_timers(struct control *c, uint64_t now_ms, unsigned max)
{
    struct deadline d;
    unsigned n = 0;
    c->now_ms = now_ms;
    c->model->now_ms = (int64_t)now_ms;
    while (n < max && link_room(c->link) && deadlines_due(&c->deadlines, now_ms, &d)) {
        link_begin(c->link);
        due(c, &d);
        link_end(c->link);
        n++;
    }
    return n;
}
