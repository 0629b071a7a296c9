/*
 * Publishing to audiences; see publish.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/events/publish.h"

#include <inttypes.h>

#include "controlplane/events/audience.h"
#include "controlplane/events/event_writer.h"
#include "config/log.h"
#include "controlplane/sessions/session_table.h"

static bool fits(const struct publication *p, uint64_t subject)
{
    if (event_text_fits(p->length + p->redacted_length))
        return true;
    log_event(LOG_WARNING, "event_too_long", "subject=%" PRIu64 " bytes=%zu", subject,
              p->length + p->redacted_length);
    return false;
}

static uint64_t write(struct control *c, uint64_t topic_id, uint64_t classes, uint32_t intents, bool deflate,
                      const struct publication *p)
{
    return event_write(c->link, &(struct event_spec){.topic_id = topic_id,
                                                     .classes = classes,
                                                     .intents = intents,
                                                     .except_session = p->except_session,
                                                     .exceptions = p->exceptions,
                                                     .exception_count = p->exception_count,
                                                     .text = p->text,
                                                     .length = p->length,
                                                     .redacted = p->redacted,
                                                     .redacted_length = p->redacted_length,
                                                     .deflate = deflate});
}

static bool wants(const struct session_control *s, const struct publication *p)
{
    return !p->intents || s->intents & p->intents;
}

/* To each session apart, each judged by the model: guilds without a topic, or with too many classes. */
static void publish_apart(struct control *c, const struct audience *a, const struct publication *p)
{
    uint64_t position = write(c, a->guild_id, ~0ull, p->intents, a->compressed != 0, p);
    for (uint32_t i = 0; i < a->count; i++) {
        uint32_t session = a->members[i].session;
        if (session == p->except_session || !wants(session_of(c, session), p) ||
            !audience_sees(c, a, session, p->view_channel) ||
            (p->hide_channel && audience_sees(c, a, session, p->hide_channel)))
            continue;
        event_dispatch(c->link, session, position);
        link_cut_if_long(c->link);
    }
}

/* The user's own sessions that lack the intent. */
static void publish_regardless(struct control *c, const struct audience *a, const struct publication *p)
{
    uint64_t position = 0;
    for (uint32_t i = session_first_of(c, p->always_user); i != SESSION_NONE; i = session_next_of(c, i)) {
        const struct session_control *s = session_of(c, i);
        if (s->kind != SESSION_GATEWAY || wants(s, p) || i == p->except_session ||
            index_map_get(&a->at, (uint64_t)i + 1) == INDEX_NONE)
            continue;
        if (!position)
            position = write(c, a->guild_id, ~0ull, 0, s->compress != 0, p);
        event_dispatch(c->link, i, position);
    }
}

void publish_guild(struct control *c, uint64_t guild_id, const struct publication *p)
{
    struct audience *a = audience_of(c, guild_id);
    if (!a || !a->count || !fits(p, guild_id))
        return;
    uint64_t classes = audience_classes(a, p->view_channel);
    if (p->hide_channel)
        classes &= ~audience_classes(a, p->hide_channel);
    bool restricted = p->view_channel || p->hide_channel;
    if (a->topic == POOL_NONE || (a->overflow && restricted))
        publish_apart(c, a, p);
    else if (classes)
        event_walk(c->link, a->topic, write(c, guild_id, classes, p->intents, a->compressed != 0, p));
    if (p->always_user && p->intents)
        publish_regardless(c, a, p);
}

void publish_topic(struct control *c, uint32_t topic, uint64_t topic_id, bool deflate,
                   const struct json_out *text)
{
    const struct publication p = {.except_session = SESSION_NONE, .text = text->data, .length = text->length};
    if (topic != POOL_NONE && fits(&p, topic_id))
        event_walk(c->link, topic, write(c, topic_id, ~0ull, 0, deflate, &p));
}

void publish_session(struct control *c, uint32_t session, const struct json_out *text)
{
    const struct publication p = {.except_session = SESSION_NONE, .text = text->data, .length = text->length};
    const struct session_control *s = session_of(c, session);
    if (fits(&p, s->user_id))
        event_dispatch(c->link, session, write(c, s->user_id, ~0ull, 0, s->compress != 0, &p));
}

/* Does a session of the user want compressed events? */
static bool compressed_of(const struct control *c, uint64_t user_id)
{
    for (uint32_t i = session_first_of(c, user_id); i != SESSION_NONE; i = session_next_of(c, i))
        if (session_of(c, i)->compress)
            return true;
    return false;
}

void publish_user(struct control *c, uint64_t user_id, const struct publication *p)
{
    uint64_t position = 0;
    if (!fits(p, user_id))
        return;
    for (uint32_t i = session_first_of(c, user_id); i != SESSION_NONE; i = session_next_of(c, i)) {
        const struct session_control *s = session_of(c, i);
        if (s->kind != SESSION_GATEWAY || !wants(s, p) || i == p->except_session ||
            (p->direct && s->shard_id))
            continue;
        if (!position)
            position = write(c, user_id, ~0ull, p->intents, compressed_of(c, user_id), p);
        event_dispatch(c->link, i, position);
    }
}
