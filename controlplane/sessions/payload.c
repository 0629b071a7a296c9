/*
 * Reading what clients send; see payload.h. Forms: reference/gateway.md 4, 9, 13.1 and reference/voice.md 3.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/sessions/payload.h"

#include <arpa/inet.h>
#include <string.h>
#include <strings.h>

#include "controlplane/protocol/intents.h"
#include "controlplane/protocol/snowflake.h"

json_t *payload_open(const char *text, size_t length, int *op, const json_t **d)
{
    json_t *root = json_loadb(text, length, JSON_REJECT_DUPLICATES, NULL);
    const json_t *o = json_object_get(root, "op");
    json_int_t number = json_integer_value(o);
    if (!json_is_integer(o) || number < 0 || number > 0xffff) {
        json_decref(root);
        return NULL;
    }
    *op = (int)number;
    *d = json_object_get(root, "d");
    return root;
}

bool payload_id(const json_t *j, uint64_t *id)
{
    if (json_is_string(j))
        return snowflake_parse(json_string_value(j), json_string_length(j), id) && *id;
    if (!json_is_integer(j) || json_integer_value(j) <= 0)
        return false;
    *id = (uint64_t)json_integer_value(j);
    return true;
}

bool payload_flag(const json_t *d, const char *key, bool *out)
{
    const json_t *j = json_object_get(d, key);
    *out = json_is_true(j);
    return !j || json_is_null(j) || json_is_boolean(j);
}

static bool in_range(const json_t *j, json_int_t low, json_int_t high)
{
    return json_is_integer(j) && json_integer_value(j) >= low && json_integer_value(j) <= high;
}

/* ---- gateway ---- */

static uint8_t platform_of(const json_t *properties)
{
    const char *os = json_string_value(json_object_get(properties, "os"));
    const char *browser = json_string_value(json_object_get(properties, "browser"));
    if (browser && (strcasestr(browser, "iOS") || strcasestr(browser, "Android")))
        return 2;
    return os && browser && strcasestr(browser, "Client") ? 1 : 0;
}

static bool identify_shard(const json_t *shard, struct identify *i)
{
    i->shard_valid = true;
    if (!shard || json_is_null(shard))
        return true;
    const json_t *id = json_array_get(shard, 0), *count = json_array_get(shard, 1);
    if (json_array_size(shard) != 2 || !json_is_integer(id) || !json_is_integer(count))
        return false;
    i->shard_valid = in_range(count, 1, UINT16_MAX) && in_range(id, 0, json_integer_value(count) - 1);
    if (i->shard_valid) {
        i->shard_id = (uint16_t)json_integer_value(id);
        i->shard_count = (uint16_t)json_integer_value(count);
    }
    return true;
}

static bool identify_intents(const json_t *intents, struct identify *i)
{
    i->intents_known = true;
    if (!intents || json_is_null(intents))
        return true;
    if (!json_is_integer(intents))
        return false;
    json_int_t v = json_integer_value(intents);
    i->has_intents = true;
    i->intents_known = v >= 0 && !((uint64_t)v & ~(uint64_t)INTENTS_KNOWN);
    i->intents = i->intents_known ? (uint32_t)v : 0;
    return true;
}

/* A flag; oceanic.js tells its stream's name here, which the query has told already. */
static bool compress_flag(const json_t *d, bool *out)
{
    return payload_flag(d, "compress", out) || json_is_string(json_object_get(d, "compress"));
}

bool identify_parse(const json_t *d, struct identify *out)
{
    struct identify i = {.token = json_string_value(json_object_get(d, "token")), .large_threshold = 50};
    const json_t *properties = json_object_get(d, "properties"), *presence = json_object_get(d, "presence"),
                 *large = json_object_get(d, "large_threshold");
    if (!i.token || !json_is_object(properties) || !identify_intents(json_object_get(d, "intents"), &i) ||
        !identify_shard(json_object_get(d, "shard"), &i))
        return false;
    if (!compress_flag(d, &i.compress) ||
        !(!large || json_is_null(large) || in_range(large, 50, 250)))
        return false;
    if (json_is_integer(large))
        i.large_threshold = (uint8_t)json_integer_value(large);
    if (presence && !json_is_null(presence)) {
        if (!presence_parse(presence, &i.presence))
            return false;
        i.has_presence = true;
    }
    i.platform = platform_of(properties);
    *out = i;
    return true;
}

bool resume_parse(const json_t *d, struct resume *out)
{
    const json_t *seq = json_object_get(d, "seq");
    struct resume r = {.token = json_string_value(json_object_get(d, "token")),
                       .session_id = json_string_value(json_object_get(d, "session_id"))};
    if (!r.token || !r.session_id || !(json_is_null(seq) || in_range(seq, 0, UINT32_MAX)))
        return false;
    r.seq = (uint32_t)json_integer_value(seq);
    *out = r;
    return true;
}

static bool request_users(const json_t *ids, struct members_request *m)
{
    if (!ids || json_is_null(ids))
        return true;
    if (!json_is_array(ids))
        return payload_id(ids, &m->user_ids[m->user_count++]);
    if (json_array_size(ids) > PAYLOAD_USERS_MAX)
        return false;
    for (size_t i = 0; i < json_array_size(ids); i++)
        if (!payload_id(json_array_get(ids, i), &m->user_ids[m->user_count++]))
            return false;
    return true;
}

bool members_request_parse(const json_t *d, struct members_request *out)
{
    struct members_request m = {0};
    const json_t *guild = json_object_get(d, "guild_id"), *limit = json_object_get(d, "limit"),
                 *ids = json_object_get(d, "user_ids"), *nonce = json_object_get(d, "nonce");
    if (json_is_array(guild)) /* user clients */
        guild = json_array_get(guild, 0);
    if (!payload_id(guild, &m.guild_id) || !payload_flag(d, "presences", &m.presences) ||
        !request_users(ids, &m))
        return false;
    m.query = json_string_value(json_object_get(d, "query"));
    if (m.user_count)
        m.query = NULL;
    if (limit && !json_is_null(limit) && !in_range(limit, 0, 1 << 30))
        return false;
    m.limit = (uint32_t)json_integer_value(limit);
    if (json_is_string(nonce) && json_string_length(nonce) <= PAYLOAD_NONCE_MAX)
        m.nonce = json_string_value(nonce);
    if (!m.query && !(ids && !json_is_null(ids)))
        return false;
    *out = m;
    return true;
}

/* ---- voice ---- */

bool voice_identify_parse(const json_t *d, struct voice_identify *out)
{
    struct voice_identify i = {.session_id = json_string_value(json_object_get(d, "session_id")),
                               .token = json_string_value(json_object_get(d, "token"))};
    if (!payload_id(json_object_get(d, "server_id"), &i.server_id) ||
        !payload_id(json_object_get(d, "user_id"), &i.user_id) || !i.session_id || !i.token)
        return false;
    *out = i;
    return true;
}

bool voice_resume_parse(const json_t *d, struct voice_resume *out)
{
    const json_t *seq = json_object_get(d, "seq_ack");
    struct voice_resume r = {.session_id = json_string_value(json_object_get(d, "session_id")),
                             .token = json_string_value(json_object_get(d, "token"))};
    if (!payload_id(json_object_get(d, "server_id"), &r.server_id) || !r.session_id || !r.token)
        return false;
    /* -1: nothing heard yet. Absent before version 8. */
    if (seq && !json_is_null(seq) && !in_range(seq, -1, UINT16_MAX))
        return false;
    r.seq_ack = json_integer_value(seq) > 0 ? (uint32_t)json_integer_value(seq) : 0;
    *out = r;
    return true;
}

bool voice_select_parse(const json_t *d, struct voice_select *out)
{
    const json_t *data = json_object_get(d, "data");
    struct voice_select s = {.protocol = json_string_value(json_object_get(d, "protocol"))};
    if (!s.protocol)
        return false;
    const char *address = json_string_value(json_object_get(data, "address"));
    const json_t *port = json_object_get(data, "port");
    struct in_addr ip;
    s.mode = json_string_value(json_object_get(data, "mode"));
    if (address && inet_pton(AF_INET, address, &ip) == 1) {
        s.ip[10] = s.ip[11] = 0xff;
        memcpy(s.ip + 12, &ip, 4);
    } else if (address && inet_pton(AF_INET6, address, s.ip) != 1) {
        memset(s.ip, 0, sizeof s.ip);
    }
    s.port = in_range(port, 1, UINT16_MAX) ? (uint16_t)json_integer_value(port) : 0;
    *out = s;
    return true;
}

bool voice_speaking_parse(const json_t *d, struct voice_speaking *out)
{
    const json_t *speaking = json_object_get(d, "speaking");
    if (json_is_boolean(speaking)) { /* before version 4, and some clients still */
        out->flags = json_is_true(speaking);
        return true;
    }
    if (!in_range(speaking, 0, 7))
        return false;
    out->flags = (uint8_t)json_integer_value(speaking);
    return true;
}
