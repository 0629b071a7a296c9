/*
 * A JSON writer into a growing buffer, for the payloads that are written often. It places commas and escapes;
 * the caller keeps objects and arrays balanced and gives UTF-8. Snowflakes and permission sets are written as
 * strings of decimal digits.
 *
 * Owner: the caller, who frees with json_out_free; json_out_reset keeps the memory for the next payload. Out
 * of memory: abort.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_JSON_OUT_H
#define VOXPOP_JSON_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_out {
    char *data; /* not terminated */
    size_t length, capacity;
    bool comma; /* the next key or value follows another */
};

void json_out_free(struct json_out *o);
void json_out_reset(struct json_out *o);

/* The content as a NUL-terminated string that the caller frees; the writer is empty afterwards. */
char *json_out_take(struct json_out *o);

/* Bytes as they are, and no comma: text around JSON. */
void out_bytes(struct json_out *o, const void *data, size_t length);
void out_text(struct json_out *o, const char *text);

void out_object(struct json_out *o);
void out_object_end(struct json_out *o);
void out_list(struct json_out *o);
void out_list_end(struct json_out *o);
void out_key(struct json_out *o, const char *key); /* plain ASCII, not escaped */

void out_string(struct json_out *o, const char *text); /* NULL: null */
void out_string_n(struct json_out *o, const char *text, size_t length);
void out_id(struct json_out *o, uint64_t id);         /* "123" */
void out_id_or_null(struct json_out *o, uint64_t id); /* 0: null */
void out_int(struct json_out *o, int64_t value);
void out_bool(struct json_out *o, bool value);
void out_null(struct json_out *o);
void out_raw(struct json_out *o, const char *json);         /* one value, already JSON */
void out_time(struct json_out *o, int64_t unix_ms);         /* ISO 8601 with offset */
void out_time_or_null(struct json_out *o, int64_t unix_ms); /* 0: null */

/* A key and its value. */
#define OUT_FIELD(type, argument)                                                                            \
    static inline void out_field_##type(struct json_out *o, const char *key, argument value)                 \
    {                                                                                                        \
        out_key(o, key);                                                                                     \
        out_##type(o, value);                                                                                \
    }
OUT_FIELD(string, const char *)
OUT_FIELD(id, uint64_t)
OUT_FIELD(id_or_null, uint64_t)
OUT_FIELD(int, int64_t)
OUT_FIELD(bool, bool)
OUT_FIELD(raw, const char *)
OUT_FIELD(time, int64_t)
OUT_FIELD(time_or_null, int64_t)
#undef OUT_FIELD

static inline void out_field_null(struct json_out *o, const char *key)
{
    out_key(o, key);
    out_null(o);
}

static inline void out_field_empty_list(struct json_out *o, const char *key)
{
    out_key(o, key);
    out_raw(o, "[]");
}

#endif
