/*
 * Fields of bodies and of query strings, with the protocol's own complaints.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/call.h"

#include <stdio.h>
#include <string.h>

/* The field, unless it is absent or null. */
static const json_t *field(const struct rest_call *c, const char *key, bool *given)
{
    const json_t *v = json_object_get(c->body, key);
    bool there = v && !json_is_null(v);
    if (given)
        *given = there;
    return there ? v : NULL;
}

bool field_is_null(const struct rest_call *c, const char *key)
{
    return json_is_null(json_object_get(c->body, key));
}

bool field_text(struct rest_call *c, const char *key, size_t min, size_t max, const char **value, bool *given)
{
    const json_t *v = field(c, key, given);
    char complaint[80];
    if (!v)
        return true;
    if (!json_is_string(v)) {
        rest_invalid(c, key, "BASE_TYPE_STRING", "Must be a string.");
        return false;
    }
    size_t length = text_code_points(json_string_value(v));
    if (length < min || length > max) {
        snprintf(complaint, sizeof complaint, "Must be between %zu and %zu in length.", min, max);
        rest_invalid(c, key, "BASE_TYPE_BAD_LENGTH", complaint);
        return false;
    }
    *value = json_string_value(v);
    return true;
}

bool field_int(struct rest_call *c, const char *key, int64_t min, int64_t max, int64_t *value, bool *given)
{
    const json_t *v = field(c, key, given);
    char complaint[96];
    if (!v)
        return true;
    if (!json_is_integer(v)) {
        rest_invalid(c, key, "NUMBER_TYPE_COERCE", "Must be an integer.");
        return false;
    }
    int64_t n = json_integer_value(v);
    if (n < min || n > max) {
        snprintf(complaint, sizeof complaint, "Must be between %lld and %lld.", (long long)min,
                 (long long)max);
        rest_invalid(c, key, n < min ? "NUMBER_TYPE_MIN" : "NUMBER_TYPE_MAX", complaint);
        return false;
    }
    *value = n;
    return true;
}

bool field_bool(struct rest_call *c, const char *key, bool *value, bool *given)
{
    const json_t *v = field(c, key, given);
    if (!v)
        return true;
    if (!json_is_boolean(v)) {
        rest_invalid(c, key, "BASE_TYPE_BOOLEAN", "Must be a boolean.");
        return false;
    }
    *value = json_is_true(v);
    return true;
}

/* Digits in a string, or a number that is not negative. */
static bool number_of(const json_t *v, uint64_t *value)
{
    *value = (uint64_t)json_integer_value(v);
    if (json_is_string(v))
        return snowflake_parse(json_string_value(v), json_string_length(v), value);
    return json_is_integer(v) && json_integer_value(v) >= 0;
}

bool field_id(struct rest_call *c, const char *key, uint64_t *value, bool *given)
{
    const json_t *v = field(c, key, given);
    if (!v)
        return true;
    if (!number_of(v, value) || *value > INT64_MAX) {
        rest_invalid(c, key, "NUMBER_TYPE_COERCE", "Value is not snowflake.");
        return false;
    }
    return true;
}

bool field_permissions(struct rest_call *c, const char *key, uint64_t *value, bool *given)
{
    const json_t *v = field(c, key, given);
    if (!v)
        return true;
    if (!number_of(v, value)) {
        rest_invalid(c, key, "NUMBER_TYPE_COERCE", "Must be a set of permissions in decimal.");
        return false;
    }
    *value &= PERM_ALL;
    return true;
}

bool query_text(const struct rest_call *c, const char *key, char *value, size_t size)
{
    size_t length = strlen(key);
    for (const char *at = c->query; at && *at;) {
        size_t n = strcspn(at, "&");
        if (n > length && !strncmp(at, key, length) && at[length] == '=') {
            if (n - length - 1 >= size)
                return false;
            memcpy(value, at + length + 1, n - length - 1);
            value[n - length - 1] = 0;
            return true;
        }
        at += n + (at[n] == '&');
    }
    return false;
}

bool query_flag(const struct rest_call *c, const char *key)
{
    char text[8];
    return query_text(c, key, text, sizeof text) && (*text == 't' || *text == 'T' || *text == '1');
}

bool query_limit(struct rest_call *c, uint64_t usual, uint64_t max, uint64_t *limit)
{
    char text[24], complaint[64];
    *limit = usual;
    if (!query_text(c, "limit", text, sizeof text) ||
        (query_number(c, "limit", limit) && *limit >= 1 && *limit <= max))
        return true;
    snprintf(complaint, sizeof complaint, "int value should be between 1 and %llu.", (unsigned long long)max);
    rest_invalid(c, "limit", "NUMBER_TYPE_MAX", complaint);
    return false;
}

bool query_number(const struct rest_call *c, const char *key, uint64_t *value)
{
    char text[24];
    return query_text(c, key, text, sizeof text) && snowflake_parse(text, strlen(text), value);
}
