/*
 * Messages and what happens to them (reference/rest.md 7, reference/gateway.md 11).
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/protocol/payloads.h"

#include "controlplane/protocol/snowflake.h"

#include <stdio.h>
#include <string.h>

static void author_field(struct json_out *o, const struct user *author, uint64_t author_id)
{
    struct user gone = {.id = author_id, .username = (char *)"deleted"};
    out_key(o, "author");
    object_user(o, author ? author : &gone);
}

/* "1,2,3" as ["1","2","3"] */
static void id_list_field(struct json_out *o, const char *key, const char *ids)
{
    out_key(o, key);
    out_list(o);
    while (ids && *ids) {
        size_t n = strcspn(ids, ",");
        uint64_t id;
        if (snowflake_parse(ids, n, &id))
            out_id(o, id);
        ids += n + (ids[n] == ',');
    }
    out_list_end(o);
}

void object_emoji(struct json_out *o, const char *emoji)
{
    const char *colon = strrchr(emoji, ':');
    uint64_t id = 0;
    out_object(o);
    if (colon && snowflake_parse(colon + 1, strlen(colon + 1), &id)) {
        char name[128] = "";
        size_t n = (size_t)(colon - emoji);
        memcpy(name, emoji, n < sizeof name ? n : sizeof name - 1);
        out_field_id(o, "id", id);
        out_field_string(o, "name", name);
    } else {
        out_field_null(o, "id");
        out_field_string(o, "name", emoji);
    }
    out_object_end(o);
}

static void reactions_field(struct json_out *o, const struct message_view *v)
{
    out_key(o, "reactions");
    out_list(o);
    for (size_t i = 0; i < v->reaction_count; i++) {
        const struct reaction *r = &v->reactions[i];
        out_object(o);
        out_field_int(o, "count", r->count);
        out_key(o, "count_details");
        out_object(o);
        out_field_int(o, "burst", 0);
        out_field_int(o, "normal", r->count);
        out_object_end(o);
        out_field_bool(o, "me", r->me);
        out_field_bool(o, "me_burst", false);
        out_key(o, "emoji");
        object_emoji(o, r->emoji);
        out_field_empty_list(o, "burst_colors");
        out_object_end(o);
    }
    out_list_end(o);
}

static void attachments_field(struct json_out *o, const struct message *m, const char *files_url)
{
    out_key(o, "attachments");
    out_list(o);
    for (size_t i = 0; i < m->attachment_count; i++) {
        const struct attachment *a = &m->attachments[i];
        char url[512];
        snprintf(url, sizeof url, "%s/attachments/%llu/%llu/%s?k=%016llx%016llx", files_url,
                 (unsigned long long)m->channel_id, (unsigned long long)a->id, a->filename,
                 (unsigned long long)a->key[0], (unsigned long long)a->key[1]);
        out_object(o);
        out_field_id(o, "id", a->id);
        out_field_string(o, "filename", a->filename);
        out_field_int(o, "size", a->size);
        out_field_string(o, "url", url);
        out_field_string(o, "proxy_url", url);
        out_field_string(o, "content_type", a->content_type);
        if (a->description)
            out_field_string(o, "description", a->description);
        out_object_end(o);
    }
    out_list_end(o);
}

/* The fields that any message has, its own or one it refers to. */
static void message_fields(struct json_out *o, const struct message *m, const struct user *author,
                           const char *files_url, bool with_content)
{
    out_field_id(o, "id", m->id);
    out_field_id(o, "channel_id", m->channel_id);
    author_field(o, author, m->author_id);
    out_field_string(o, "content", with_content ? m->content : "");
    out_field_time(o, "timestamp", snowflake_ms(m->id));
    out_field_time_or_null(o, "edited_timestamp", m->edited_at_ms);
    out_field_bool(o, "tts", m->tts);
    out_field_bool(o, "mention_everyone", m->mention_everyone);
    id_list_field(o, "mention_roles", m->mention_roles);
    if (with_content)
        attachments_field(o, m, files_url);
    else
        out_field_empty_list(o, "attachments");
    out_field_raw(o, "embeds", with_content && m->embeds ? m->embeds : "[]");
    out_field_raw(o, "components", with_content && m->components ? m->components : "[]");
    out_field_bool(o, "pinned", m->pinned);
    out_field_int(o, "type", m->type);
    out_field_int(o, "flags", m->flags);
    if (m->nonce)
        out_field_raw(o, "nonce", m->nonce);
}

static void reference_fields(struct json_out *o, const struct message_full *f, bool with_content)
{
    const struct message *m = &f->view->message, *to = f->view->referenced;
    out_key(o, "message_reference");
    out_object(o);
    out_field_int(o, "type", 0);
    out_field_id(o, "message_id", m->reference_id);
    out_field_id(o, "channel_id", m->channel_id);
    if (f->guild_id)
        out_field_id(o, "guild_id", f->guild_id);
    out_object_end(o);
    out_key(o, "referenced_message");
    if (!to) {
        out_null(o);
        return;
    }
    out_object(o);
    message_fields(o, to, f->referenced_author, f->files_url, with_content);
    out_field_empty_list(o, "mentions");
    out_object_end(o);
}

static void message_full_fields(struct json_out *o, const struct message_full *f, bool with_content)
{
    message_fields(o, &f->view->message, f->author, f->files_url, with_content);
    out_key(o, "mentions");
    out_list(o);
    for (size_t i = 0; i < f->mention_count; i++)
        object_user(o, f->mentions[i]);
    out_list_end(o);
    if (f->view->reaction_count)
        reactions_field(o, f->view);
    if (f->view->message.reference_id)
        reference_fields(o, f, with_content);
}

void object_message(struct json_out *o, const struct message_full *m)
{
    out_object(o);
    message_full_fields(o, m, true);
    out_object_end(o);
}

void dispatch_message(struct json_out *o, const char *event, const struct message_full *m, bool with_content)
{
    dispatch_begin(o, event);
    out_object(o);
    message_full_fields(o, m, with_content);
    if (m->guild_id)
        out_field_id(o, "guild_id", m->guild_id);
    out_field_int(o, "channel_type", m->channel_type);
    if (m->member) {
        out_key(o, "member");
        object_member(o, m->member, NULL);
    }
    out_object_end(o);
    dispatch_end(o);
}

void dispatch_message_delete(struct json_out *o, uint64_t channel_id, uint64_t guild_id, uint64_t message_id)
{
    dispatch_begin(o, "MESSAGE_DELETE");
    out_object(o);
    out_field_id(o, "id", message_id);
    out_field_id(o, "channel_id", channel_id);
    if (guild_id)
        out_field_id(o, "guild_id", guild_id);
    out_object_end(o);
    dispatch_end(o);
}

void dispatch_message_delete_bulk(struct json_out *o, uint64_t channel_id, uint64_t guild_id,
                                  const uint64_t *ids, size_t count)
{
    dispatch_begin(o, "MESSAGE_DELETE_BULK");
    out_object(o);
    out_key(o, "ids");
    out_list(o);
    for (size_t i = 0; i < count; i++)
        out_id(o, ids[i]);
    out_list_end(o);
    out_field_id(o, "channel_id", channel_id);
    if (guild_id)
        out_field_id(o, "guild_id", guild_id);
    out_object_end(o);
    dispatch_end(o);
}

void dispatch_pins_update(struct json_out *o, const struct channel *c)
{
    dispatch_begin(o, "CHANNEL_PINS_UPDATE");
    out_object(o);
    out_field_id(o, "channel_id", c->id);
    if (c->guild_id)
        out_field_id(o, "guild_id", c->guild_id);
    out_field_time_or_null(o, "last_pin_timestamp", c->last_pin_ms);
    out_object_end(o);
    dispatch_end(o);
}

void dispatch_reactions_clear(struct json_out *o, uint64_t channel_id, uint64_t guild_id, uint64_t message_id,
                              const char *emoji)
{
    dispatch_begin(o, emoji ? "MESSAGE_REACTION_REMOVE_EMOJI" : "MESSAGE_REACTION_REMOVE_ALL");
    out_object(o);
    out_field_id(o, "channel_id", channel_id);
    out_field_id(o, "message_id", message_id);
    if (guild_id)
        out_field_id(o, "guild_id", guild_id);
    if (emoji) {
        out_key(o, "emoji");
        object_emoji(o, emoji);
    }
    out_object_end(o);
    dispatch_end(o);
}

void dispatch_message_reaction(struct json_out *o, const char *event, uint64_t channel_id, uint64_t guild_id,
                               uint64_t message_id, uint64_t message_author_id, uint64_t user_id,
                               const struct member_ref *who, const char *emoji)
{
    dispatch_begin(o, event);
    out_object(o);
    out_field_id(o, "user_id", user_id);
    out_field_id(o, "channel_id", channel_id);
    out_field_id(o, "message_id", message_id);
    if (guild_id)
        out_field_id(o, "guild_id", guild_id);
    if (who) {
        out_key(o, "member");
        object_member(o, who->member, who->user);
    }
    if (message_author_id)
        out_field_id(o, "message_author_id", message_author_id);
    out_key(o, "emoji");
    object_emoji(o, emoji);
    out_field_bool(o, "burst", false);
    out_field_empty_list(o, "burst_colors");
    out_field_int(o, "type", 0);
    out_object_end(o);
    dispatch_end(o);
}
