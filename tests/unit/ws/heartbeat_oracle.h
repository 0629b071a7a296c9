/*
 * What a heartbeat is, said by a real JSON parser: slow and plain. Used by the differential test and the fuzz
 * target.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TESTS_HEARTBEAT_ORACLE_H
#define VOXPOP_TESTS_HEARTBEAT_ORACLE_H

#include "dataplane/ws/heartbeat.h"

#include <jansson.h>
#include <string.h>

#define ORACLE_INTEGER_MAX (INT64_C(1) << 53)

static inline bool oracle_integer(const json_t *v, int64_t min, int64_t max)
{
    return json_is_integer(v) && json_integer_value(v) >= min && json_integer_value(v) <= max;
}

static inline json_t *oracle_load(const uint8_t *p, size_t len)
{
    return json_loadb((const char *)p, len, JSON_REJECT_DUPLICATES, NULL);
}

static inline bool oracle_gateway(const uint8_t *p, size_t len, struct gateway_beat *beat)
{
    json_t *root = oracle_load(p, len), *value;
    const char *key;
    bool good = json_is_object(root) && oracle_integer(json_object_get(root, "op"), 1, 1) &&
                json_object_get(root, "d");
    json_object_foreach(root, key, value)
    {
        if (!strcmp(key, "d"))
            good = good && (json_is_null(value) || oracle_integer(value, 0, ORACLE_INTEGER_MAX));
        else if (!strcmp(key, "s") || !strcmp(key, "t"))
            good = good && json_is_null(value);
        else
            good = good && !strcmp(key, "op");
    }
    if (good)
        beat->sequence = json_is_null(json_object_get(root, "d"))
                             ? HEARTBEAT_NONE
                             : json_integer_value(json_object_get(root, "d"));
    json_decref(root);
    return good;
}

/* *t gets the number to echo. */
static inline bool oracle_voice(const uint8_t *p, size_t len, unsigned version, int64_t *t, int64_t *seq_ack)
{
    json_t *root = oracle_load(p, len), *d = json_object_get(root, "d"), *ack = NULL, *number = d;
    bool good = json_is_object(root) && json_object_size(root) == 2 &&
                oracle_integer(json_object_get(root, "op"), 3, 3);
    if (version >= 8) {
        number = json_object_get(d, "t");
        ack = json_object_get(d, "seq_ack");
        good = good && json_is_object(d) && json_object_size(d) == (ack ? 2 : 1);
        good = good && (!ack || oracle_integer(ack, -1, 65535));
    }
    good = good && oracle_integer(number, 0, ORACLE_INTEGER_MAX);
    if (good) {
        *t = json_integer_value(number);
        *seq_ack = ack ? json_integer_value(ack) : HEARTBEAT_NONE;
    }
    json_decref(root);
    return good;
}

#endif
