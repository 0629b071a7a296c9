/*
 * What a body says of its files (reference/rest.md 6.3).
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/messages/messages.h"

#include <stdlib.h>
#include <string.h>

#define DESCRIPTION_MAX 1024 /* code points */

char *attachment_name(const char *given)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    const char *name = given;
    for (const char *at = given; *at; at++)
        if (*at == '/' || *at == '\\')
            name = at + 1;
    name += strspn(name, ".");
    char *text = strndup(*name ? name : "file", ATTACHMENT_NAME_MAX);
    if (!text)
        abort();
    for (char *at = text; *at; at++)
        if (!strchr(plain, *at))
            *at = '_';
    return text;
}

static bool fault(struct message_fault *f, const char *reason, const char *text)
{
    *f = (struct message_fault){50035, "attachments", reason, text};
    return false;
}

static bool id_of(const json_t *v, uint64_t *id)
{
    *id = (uint64_t)json_integer_value(v);
    if (json_is_string(v))
        return snowflake_parse(json_string_value(v), json_string_length(v), id);
    return json_is_integer(v) && json_integer_value(v) >= 0;
}

static bool describe(struct attachment *a, const json_t *o, struct message_fault *f)
{
    const json_t *name = json_object_get(o, "filename"), *text = json_object_get(o, "description");
    if ((name && !json_is_null(name) && !json_is_string(name)) ||
        (text && !json_is_null(text) && !json_is_string(text)))
        return fault(f, "BASE_TYPE_STRING", "Must be a string.");
    if (json_is_string(text) && text_code_points(json_string_value(text)) > DESCRIPTION_MAX)
        return fault(f, "BASE_TYPE_MAX_LENGTH", "A description must be 1024 or fewer in length.");
    if (json_is_string(name)) {
        free(a->filename);
        a->filename = attachment_name(json_string_value(name));
    }
    if (json_is_string(text)) {
        free(a->description);
        a->description = text_copy(*json_string_value(text) ? json_string_value(text) : NULL);
    }
    return true;
}

bool message_attachments(struct store_op *op, const json_t *body, bool edit, struct message_fault *f)
{
    const json_t *list = json_object_get(body, "attachments"), *o;
    size_t i;
    if (!list || json_is_null(list))
        return true;
    if (!json_is_array(list) || json_array_size(list) > ATTACHMENTS_MAX)
        return fault(f, "BASE_TYPE_BAD_LENGTH", "Must be a list of 10 or fewer attachments.");
    op->edit_attachments = edit;
    op->ids = calloc(json_array_size(list) + 1, sizeof *op->ids);
    if (!op->ids)
        abort();
    json_array_foreach(list, i, o)
    {
        uint64_t id = 0;
        if (!json_is_object(o) || !id_of(json_object_get(o, "id"), &id))
            return fault(f, "NUMBER_TYPE_COERCE", "An attachment needs its id.");
        if (id >= op->message.attachment_count && !edit)
            return fault(f, "ATTACHMENT_NOT_FOUND", "No file of that number was sent.");
        if (id < op->message.attachment_count) {
            if (!describe(&op->message.attachments[id], o, f))
                return false;
        } else {
            op->ids[op->id_count++] = id;
        }
    }
    return true;
}
