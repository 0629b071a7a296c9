/*
 * The JSON writer: growth, escaping (RFC 8259 7), numbers, times.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/protocol/json_out.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static char *out_room(struct json_out *o, size_t more)
{
    if (o->capacity - o->length < more) {
        size_t capacity = o->capacity ? o->capacity : 512;
        while (capacity - o->length < more)
            capacity *= 2;
        o->data = realloc(o->data, capacity);
        if (!o->data)
            abort();
        o->capacity = capacity;
    }
    return o->data + o->length;
}

void json_out_free(struct json_out *o)
{
    free(o->data);
    *o = (struct json_out){0};
}

void json_out_reset(struct json_out *o)
{
    o->length = 0;
    o->comma = false;
}

char *json_out_take(struct json_out *o)
{
    *out_room(o, 1) = 0;
    char *text = o->data;
    *o = (struct json_out){0};
    return text;
}

void out_bytes(struct json_out *o, const void *data, size_t length)
{
    if (length)
        memcpy(out_room(o, length), data, length);
    o->length += length;
}

void out_text(struct json_out *o, const char *text)
{
    out_bytes(o, text, strlen(text));
}

static void out_char(struct json_out *o, char c)
{
    *out_room(o, 1) = c;
    o->length++;
}

/* Before every value: the comma, if one precedes it. */
static void out_value(struct json_out *o)
{
    if (o->comma)
        out_char(o, ',');
    o->comma = true;
}

static void out_open(struct json_out *o, char c)
{
    out_value(o);
    out_char(o, c);
    o->comma = false;
}

static void out_close(struct json_out *o, char c)
{
    out_char(o, c);
    o->comma = true;
}

void out_object(struct json_out *o)
{
    out_open(o, '{');
}

void out_object_end(struct json_out *o)
{
    out_close(o, '}');
}

void out_list(struct json_out *o)
{
    out_open(o, '[');
}

void out_list_end(struct json_out *o)
{
    out_close(o, ']');
}

void out_key(struct json_out *o, const char *key)
{
    out_value(o);
    out_char(o, '"');
    out_text(o, key);
    out_text(o, "\":");
    o->comma = false;
}

/* What each byte below 0x80 becomes: 0 itself, 'u' a \u escape, else the letter behind the backslash. */
static char out_escape(unsigned char c)
{
    switch (c) {
    case '"':
    case '\\':
        return (char)c;
    case '\b':
        return 'b';
    case '\f':
        return 'f';
    case '\n':
        return 'n';
    case '\r':
        return 'r';
    case '\t':
        return 't';
    default:
        return c < 0x20 || c == 0x7f ? 'u' : 0;
    }
}

void out_string_n(struct json_out *o, const char *text, size_t length)
{
    const char *run = text, *end = text + length;
    out_value(o);
    out_char(o, '"');
    for (; text < end; text++) {
        char e = out_escape((unsigned char)*text);
        if (!e)
            continue;
        out_bytes(o, run, (size_t)(text - run));
        run = text + 1;
        char escaped[8];
        int n = e == 'u' ? snprintf(escaped, sizeof escaped, "\\u%04x", (unsigned char)*text)
                         : snprintf(escaped, sizeof escaped, "\\%c", e);
        out_bytes(o, escaped, (size_t)n);
    }
    out_bytes(o, run, (size_t)(end - run));
    out_char(o, '"');
}

void out_string(struct json_out *o, const char *text)
{
    if (text)
        out_string_n(o, text, strlen(text));
    else
        out_null(o);
}

/* Decimal digits of v, ending at the end of `digits`; returns how many. */
static size_t out_digits(char digits[20], uint64_t v)
{
    size_t n = 0;
    do
        digits[20 - ++n] = (char)('0' + v % 10);
    while (v /= 10);
    return n;
}

void out_id(struct json_out *o, uint64_t id)
{
    char digits[20];
    size_t n = out_digits(digits, id);
    out_value(o);
    char *to = out_room(o, n + 2);
    to[0] = '"';
    memcpy(to + 1, digits + 20 - n, n);
    to[n + 1] = '"';
    o->length += n + 2;
}

void out_id_or_null(struct json_out *o, uint64_t id)
{
    if (id)
        out_id(o, id);
    else
        out_null(o);
}

void out_int(struct json_out *o, int64_t value)
{
    char digits[20];
    size_t n = out_digits(digits, value < 0 ? -(uint64_t)value : (uint64_t)value);
    out_value(o);
    if (value < 0)
        out_char(o, '-');
    out_bytes(o, digits + 20 - n, n);
}

void out_bool(struct json_out *o, bool value)
{
    out_raw(o, value ? "true" : "false");
}

void out_null(struct json_out *o)
{
    out_raw(o, "null");
}

void out_raw(struct json_out *o, const char *json)
{
    out_value(o);
    out_text(o, json);
}

void out_time(struct json_out *o, int64_t unix_ms)
{
    time_t seconds = (time_t)(unix_ms / 1000);
    struct tm t;
    gmtime_r(&seconds, &t);
    char text[64];
    size_t n = strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &t);
    snprintf(text + n, sizeof text - n, ".%03d000+00:00", (int)(unix_ms % 1000));
    out_string(o, text);
}

void out_time_or_null(struct json_out *o, int64_t unix_ms)
{
    if (unix_ms)
        out_time(o, unix_ms);
    else
        out_null(o);
}
