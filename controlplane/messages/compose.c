/*
 * Bodies of messages: their checks in the order of reference/rest.md 6.1.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/messages/messages.h"

#include <stdlib.h>
#include <string.h>

size_t text_code_points(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static bool fault_at(struct message_fault *f, const char *field, const char *reason, const char *text)
{
    *f = (struct message_fault){50035, field, reason, text};
    return false;
}

static bool blank(const char *text)
{
    return text[strspn(text, " \t\r\n")] == 0;
}

static bool compose_content(struct message *m, const json_t *body, struct message_fault *f)
{
    const json_t *content = json_object_get(body, "content");
    if (content && !json_is_string(content) && !json_is_null(content))
        return fault_at(f, "content", "BASE_TYPE_CHOICES", "Must be a string.");
    const char *text = json_is_string(content) ? json_string_value(content) : "";
    if (text_code_points(text) > MESSAGE_CONTENT_MAX)
        return fault_at(f, "content", "BASE_TYPE_MAX_LENGTH", "Must be 2000 or fewer in length.");
    m->content = text_copy(blank(text) ? "" : text);
    return true;
}

static bool text_within(const json_t *o, const char *key, size_t max)
{
    const json_t *v = json_object_get(o, key);
    if (!v || json_is_null(v))
        return true;
    return json_is_string(v) && text_code_points(json_string_value(v)) <= max;
}

static bool embed_sound(const json_t *e)
{
    const json_t *fields = json_object_get(e, "fields"), *field;
    size_t i;
    if (!json_is_object(e) || !text_within(e, "title", EMBED_TITLE_MAX) ||
        !text_within(e, "description", EMBED_TEXT_MAX))
        return false;
    if (fields && (!json_is_array(fields) || json_array_size(fields) > EMBED_FIELDS_MAX))
        return false;
    json_array_foreach(fields, i, field)
    {
        if (!json_is_object(field) || !text_within(field, "name", EMBED_TITLE_MAX) ||
            !text_within(field, "value", 1024))
            return false;
    }
    return true;
}

/* The array's text, or NULL when it is empty. Embeds that say no type are rich. */
static char *array_text(const json_t *list, bool rich)
{
    json_t *copy, *e;
    size_t i;
    if (json_array_size(list) == 0)
        return NULL;
    copy = json_deep_copy(list);
    json_array_foreach(copy, i, e)
    {
        if (rich)
            json_object_set_new(e, "type", json_string("rich"));
    }
    char *text = json_dumps(copy, JSON_COMPACT);
    json_decref(copy);
    if (!text)
        abort();
    return text;
}

static bool compose_embeds(struct message *m, uint64_t may, const json_t *body, struct message_fault *f)
{
    const json_t *list = json_object_get(body, "embeds"), *e;
    size_t i;
    if (!list || json_is_null(list))
        return true;
    if (!json_is_array(list) || json_array_size(list) > MESSAGE_EMBEDS_MAX)
        return fault_at(f, "embeds", "BASE_TYPE_BAD_LENGTH", "Must be a list of 10 or fewer embeds.");
    json_array_foreach(list, i, e)
    {
        if (!embed_sound(e))
            return fault_at(f, "embeds", "BASE_TYPE_BAD_LENGTH",
                            "An embed has a field of a wrong type or length.");
    }
    if (may & PERM_EMBED_LINKS)
        m->embeds = array_text(list, true);
    return true;
}

static bool compose_components(struct message *m, const json_t *body, struct message_fault *f)
{
    const json_t *list = json_object_get(body, "components"), *c;
    size_t i;
    if (!list || json_is_null(list))
        return true;
    if (!json_is_array(list) || json_array_size(list) > 10)
        return fault_at(f, "components", "BASE_TYPE_BAD_LENGTH", "Must be a list of 10 or fewer components.");
    json_array_foreach(list, i, c)
    {
        if (!json_is_object(c))
            return fault_at(f, "components", "MODEL_TYPE_CONVERT", "Only objects may be components.");
    }
    m->components = array_text(list, false);
    return true;
}

static bool compose_nonce(struct store_op *op, const json_t *body, struct message_fault *f)
{
    const json_t *nonce = json_object_get(body, "nonce");
    op->enforce_nonce = json_is_true(json_object_get(body, "enforce_nonce"));
    if (!nonce || json_is_null(nonce))
        return true;
    bool sound = json_is_integer(nonce) ||
                 (json_is_string(nonce) && text_code_points(json_string_value(nonce)) <= NONCE_MAX);
    if (!sound)
        return fault_at(f, "nonce", "NONCE_TYPE_TOO_LONG",
                        "Must be an integer, or a string of 25 or fewer characters.");
    op->message.nonce = json_dumps(nonce, JSON_ENCODE_ANY | JSON_COMPACT);
    return true;
}

static bool id_of(const json_t *v, uint64_t *id)
{
    *id = (uint64_t)json_integer_value(v);
    if (json_is_string(v))
        return snowflake_parse(json_string_value(v), json_string_length(v), id);
    return json_is_integer(v) && json_integer_value(v) >= 0;
}

static bool compose_reference(struct store_op *op, uint64_t may, const json_t *body, struct message_fault *f)
{
    const json_t *ref = json_object_get(body, "message_reference");
    const json_t *channel = json_object_get(ref, "channel_id"), *replied;
    uint64_t channel_id;
    if (!ref || json_is_null(ref))
        return true;
    if (!id_of(json_object_get(ref, "message_id"), &op->message.reference_id) || !op->message.reference_id)
        return fault_at(f, "message_reference", "BASE_TYPE_REQUIRED", "A message_id is needed.");
    if (channel && (!id_of(channel, &channel_id) || channel_id != op->message.channel_id))
        return fault_at(f, "message_reference", "REPLIES_UNKNOWN_MESSAGE",
                        "Only messages of the same channel.");
    if (json_integer_value(json_object_get(ref, "type")) != 0)
        return fault_at(f, "message_reference", "BASE_TYPE_CHOICES", "Only replies.");
    if (!(may & PERM_READ_MESSAGE_HISTORY))
        return fault_at(f, "message_reference", "REPLIES_CANNOT_REPLY_WITHOUT_READ_MESSAGE_HISTORY",
                        "Cannot reply without permission to read message history.");
    op->message.type = MESSAGE_REPLY;
    op->reference_optional = json_is_false(json_object_get(ref, "fail_if_not_exists"));
    replied = json_object_get(json_object_get(body, "allowed_mentions"), "replied_user");
    op->mention_replied = json_object_get(body, "allowed_mentions") ? json_is_true(replied) : true;
    return true;
}

bool message_compose(struct store_op *op, const struct model *m, const struct guild_state *g, uint64_t may,
                     const json_t *body, struct message_fault *f)
{
    struct message *to = &op->message;
    const json_t *flags = json_object_get(body, "flags");
    if (!compose_content(to, body, f) || !compose_embeds(to, may, body, f) ||
        !compose_components(to, body, f) || !compose_nonce(op, body, f) ||
        !compose_reference(op, may, body, f) || !message_attachments(op, body, false, f))
        return false;
    if (!*to->content && !to->embeds && !to->components && !to->attachment_count) {
        *f = (struct message_fault){50006, NULL, NULL, "Cannot send an empty message"};
        return false;
    }
    to->flags = (uint32_t)json_integer_value(flags) & MESSAGE_FLAGS_SENT;
    to->tts = json_is_true(json_object_get(body, "tts")) && (may & PERM_SEND_TTS_MESSAGES);
    message_mentions(to, m, g, may, json_object_get(body, "allowed_mentions"));
    return true;
}

bool message_revise(struct store_op *op, const struct model *m, const struct guild_state *g, uint64_t may,
                    const json_t *body, struct message_fault *f)
{
    struct message *to = &op->message;
    const json_t *flags = json_object_get(body, "flags");
    op->edit_content = json_object_get(body, "content") != NULL;
    op->edit_embeds = json_object_get(body, "embeds") != NULL;
    op->edit_components = json_object_get(body, "components") != NULL;
    op->edit_flags = json_is_integer(flags);
    if (!compose_content(to, body, f) || !compose_embeds(to, may, body, f) ||
        !compose_components(to, body, f) || !message_attachments(op, body, true, f))
        return false;
    to->flags = (uint32_t)json_integer_value(flags) & MESSAGE_FLAGS_EDIT;
    to->edited_at_ms = m->now_ms;
    message_mentions(to, m, g, may, json_object_get(body, "allowed_mentions"));
    return true;
}
