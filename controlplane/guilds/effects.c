/*
 * Effects: written into a change's payload and read back from it, and made from messages. What reads them is
 * the same for an operation that has just been committed and for an outbox row that the last process left
 * unpublished.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/guilds/effects.h"

#include "controlplane/guilds/change.h"
#include "controlplane/protocol/intents.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

void effect_write(struct json_out *o, const struct effect *e)
{
    out_object(o);
    out_field_int(o, "k", e->kind);
    out_field_id(o, "g", e->guild_id);
    out_field_id(o, "c", e->channel_id);
    out_field_id(o, "u", e->user_id);
    if (e->kind == EFFECT_EVENT) {
        out_field_int(o, "t", e->topic);
        out_field_string(o, "n", e->name);
        out_field_id(o, "v", e->view_channel);
        out_field_id(o, "a", e->always_user);
        out_key(o, "b");
        out_string_n(o, e->body, e->body_length);
    }
    if (e->kind == EFFECT_FRIENDS)
        out_field_id(o, "a", e->always_user);
    if (e->voice_set_mute)
        out_field_bool(o, "vm", e->voice_mute);
    if (e->voice_set_deaf)
        out_field_bool(o, "vd", e->voice_deaf);
    if (e->voice_set_suppress)
        out_field_bool(o, "vs", e->voice_suppress);
    if (e->voice_set_request)
        out_field_id(o, "vr", e->voice_request_ms);
    if (e->voice_move)
        out_field_id(o, "vc", e->voice_channel_id);
    out_object_end(o);
}

static uint64_t read_id(const json_t *o, const char *key)
{
    const char *text = json_string_value(json_object_get(o, key));
    uint64_t id;
    return text && snowflake_parse(text, strlen(text), &id) ? id : 0;
}

/* The text stays the JSON's. */
static void effect_read(const json_t *o, struct effect *e)
{
    const json_t *body = json_object_get(o, "b"), *mute = json_object_get(o, "vm"),
                 *deaf = json_object_get(o, "vd"), *suppress = json_object_get(o, "vs");
    *e = (struct effect){.kind = (enum effect_kind)json_integer_value(json_object_get(o, "k")),
                         .guild_id = read_id(o, "g"),
                         .channel_id = read_id(o, "c"),
                         .user_id = read_id(o, "u"),
                         .topic = (enum effect_topic)json_integer_value(json_object_get(o, "t")),
                         .name = json_string_value(json_object_get(o, "n")),
                         .view_channel = read_id(o, "v"),
                         .always_user = read_id(o, "a"),
                         .body = json_string_value(body),
                         .body_length = json_string_length(body),
                         .voice_set_mute = mute != NULL,
                         .voice_mute = json_is_true(mute),
                         .voice_set_deaf = deaf != NULL,
                         .voice_deaf = json_is_true(deaf),
                         .voice_set_suppress = suppress != NULL,
                         .voice_suppress = json_is_true(suppress),
                         .voice_set_request = json_object_get(o, "vr") != NULL,
                         .voice_request_ms = read_id(o, "vr"),
                         .voice_move = json_object_get(o, "vc") != NULL,
                         .voice_channel_id = read_id(o, "vc")};
    if (e->name)
        e->intent = intent_of_event(e->name, e->guild_id == 0);
}

static void change_effects(struct model *m, const struct outbox_entry *entry, bool recovered)
{
    json_t *p = entry->payload ? json_loads(entry->payload, 0, NULL) : NULL, *o;
    size_t i;
    json_array_foreach(json_object_get(p, "effects"), i, o)
    {
        struct effect e;
        effect_read(o, &e);
        e.outbox_id = entry->id;
        e.recovered = recovered;
        m->sink(m->sink_ctx, &e);
    }
    json_decref(p);
}

/* What every event of a message in a channel has. */
static struct effect message_event(const struct channel *c, const struct outbox_entry *entry,
                                   const char *name)
{
    return (struct effect){.kind = EFFECT_EVENT,
                           .outbox_id = entry->id,
                           .guild_id = c->guild_id,
                           .channel_id = c->id,
                           .user_id = entry->user_id,
                           .topic = c->guild_id ? EFFECT_TO_GUILD : EFFECT_TO_USER,
                           .name = name,
                           .intent = intent_of_event(name, c->guild_id == 0),
                           .view_channel = c->id};
}

/* To the guild, or to both who write to one another: between two everybody sees the content. */
static void publish(struct model *m, struct effect *e, const struct json_out *body)
{
    const struct channel *c = model_channel(m, e->channel_id);
    e->body = body->data;
    e->body_length = body->length;
    if (!c || e->topic == EFFECT_TO_GUILD) {
        m->sink(m->sink_ctx, e);
        return;
    }
    e->view_channel = 0;
    e->redacted = NULL;
    for (size_t i = 0; i < 2; i++) {
        e->user_id = c->recipients[i];
        m->sink(m->sink_ctx, e);
    }
}

/* MESSAGE_CREATE and MESSAGE_UPDATE, in both variants. */
static void message_shown(struct model *m, const struct channel *c, const struct store_op *op,
                          const char *name)
{
    struct effect e = message_event(c, &op->entry, name);
    struct json_out body = {0}, redacted = {0};
    struct message_full full;
    uint64_t *mentioned = NULL;
    if (op->view_count == 0)
        return; /* deleted since: its deletion follows in the outbox */
    model_message_full(m, &op->views[0], &full);
    mentioned = calloc(full.mention_count + 1, sizeof *mentioned);
    if (!mentioned)
        abort();
    for (size_t i = 0; i < full.mention_count; i++)
        mentioned[i] = full.mentions[i]->id;
    dispatch_message(&body, name, &full, true);
    dispatch_message(&redacted, name, &full, false);
    e.author_id = full.view->message.author_id;
    e.mentioned = mentioned;
    e.mentioned_count = full.mention_count;
    e.redacted = redacted.data;
    e.redacted_length = redacted.length;
    publish(m, &e, &body);
    json_out_free(&body);
    json_out_free(&redacted);
    free(mentioned);
    free((void *)full.mentions);
}

static void messages_deleted(struct model *m, const struct channel *c, const struct outbox_entry *entry)
{
    struct effect e = message_event(c, entry, "MESSAGE_DELETE_BULK");
    struct json_out body = {0};
    size_t count = 0;
    uint64_t *ids = calloc(strlen(entry->payload) + 1, sizeof *ids);
    if (!ids)
        abort();
    for (const char *at = entry->payload; *at;) {
        size_t n = strcspn(at, ",");
        count += snowflake_parse(at, n, &ids[count]);
        at += n + (at[n] == ',');
    }
    dispatch_message_delete_bulk(&body, c->id, c->guild_id, ids, count);
    publish(m, &e, &body);
    json_out_free(&body);
    free(ids);
}

static void reaction_changed(struct model *m, const struct channel *c, const struct outbox_entry *entry)
{
    bool add = entry->kind == OUTBOX_REACTION_ADD;
    struct effect e = message_event(c, entry, add ? "MESSAGE_REACTION_ADD" : "MESSAGE_REACTION_REMOVE");
    const struct guild_state *g = model_guild(m, c->guild_id);
    struct json_out body = {0};
    struct member_ref who;
    bool shown = add && g && model_member_ref(m, g, entry->user_id, &who);
    dispatch_message_reaction(&body, e.name, c->id, c->guild_id, entry->message_id, entry->author_id,
                              entry->user_id, shown ? &who : NULL, entry->payload);
    publish(m, &e, &body);
    json_out_free(&body);
}

static void pins_changed(struct model *m, struct channel *c, const struct store_op *op)
{
    struct effect e = message_event(c, &op->entry, "CHANNEL_PINS_UPDATE");
    struct json_out body = {0};
    message_shown(m, c, op, "MESSAGE_UPDATE");
    dispatch_pins_update(&body, c);
    publish(m, &e, &body);
    json_out_free(&body);
}

static void reactions_cleared(struct model *m, const struct channel *c, const struct outbox_entry *entry)
{
    struct effect e = message_event(
        c, entry, entry->payload ? "MESSAGE_REACTION_REMOVE_EMOJI" : "MESSAGE_REACTION_REMOVE_ALL");
    struct json_out body = {0};
    dispatch_reactions_clear(&body, c->id, c->guild_id, entry->message_id, entry->payload);
    publish(m, &e, &body);
    json_out_free(&body);
}

static void message_deleted(struct model *m, const struct channel *c, const struct outbox_entry *entry)
{
    struct effect e = message_event(c, entry, "MESSAGE_DELETE");
    struct json_out body = {0};
    dispatch_message_delete(&body, c->id, c->guild_id, entry->message_id);
    publish(m, &e, &body);
    json_out_free(&body);
}

static void message_effects(struct model *m, struct channel *c, const struct store_op *op)
{
    const struct outbox_entry *entry = &op->entry;
    switch (entry->kind) {
    case OUTBOX_MESSAGE_CREATE:
        message_shown(m, c, op, "MESSAGE_CREATE");
        break;
    case OUTBOX_MESSAGE_UPDATE:
        message_shown(m, c, op, "MESSAGE_UPDATE");
        break;
    case OUTBOX_MESSAGE_PIN:
        pins_changed(m, c, op);
        break;
    case OUTBOX_MESSAGE_DELETE:
        message_deleted(m, c, entry);
        break;
    case OUTBOX_MESSAGES_DELETE:
        messages_deleted(m, c, entry);
        break;
    case OUTBOX_REACTION_ADD:
    case OUTBOX_REACTION_REMOVE:
        reaction_changed(m, c, entry);
        break;
    case OUTBOX_REACTIONS_CLEAR:
        reactions_cleared(m, c, entry);
        break;
    case OUTBOX_NONE:
    case OUTBOX_CHANGE:
        break;
    }
}

static void publish_row(struct model *m, const struct store_op *op, bool recovered)
{
    const struct outbox_entry *entry = &op->entry;
    struct channel *c = model_channel(m, entry->channel_id);
    if (entry->kind == OUTBOX_MESSAGE_CREATE && c && entry->message_id > c->last_message_id)
        c->last_message_id = entry->message_id;
    if (entry->kind == OUTBOX_MESSAGE_PIN && c)
        c->last_pin_ms = entry->payload ? strtoll(entry->payload, NULL, 10) : 0;
    if (!m->sink || !entry->id)
        return;
    if (entry->kind == OUTBOX_CHANGE)
        change_effects(m, entry, recovered);
    else if (c) /* messages of a channel that is gone have no readers */
        message_effects(m, c, op);
    struct effect end = {.kind = EFFECT_PUBLISHED, .outbox_id = entry->id};
    m->sink(m->sink_ctx, &end);
}

void effects_publish(struct model *m, const struct store_op *op)
{
    publish_row(m, op, false);
}

static void recover_one(struct store_op *op, void *ctx)
{
    publish_row(ctx, op, true);
}

enum store_status effects_recover(struct model *m, uint64_t outbox_published)
{
    return store_outbox_after(m->store, outbox_published, recover_one, m);
}
