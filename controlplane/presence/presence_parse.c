/*
 * What clients say of their presence, read and written anew; pure. See presence.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/presence/presence.h"

static const char *const status_names[] = {"offline", "online", "idle", "dnd", "invisible"};

static bool parse_status(const json_t *j, enum presence_status *status)
{
    const char *text = json_string_value(j);
    for (unsigned i = 0; text && i < sizeof status_names / sizeof *status_names; i++) {
        if (strcmp(text, status_names[i]) == 0) {
            *status = i;
            return true;
        }
    }
    return false;
}

static bool null_or(const json_t *j, bool good)
{
    return !j || json_is_null(j) || good;
}

bool presence_parse(const json_t *d, struct presence_update *out)
{
    struct presence_update u = {0};
    const json_t *since = json_object_get(d, "since"), *activities = json_object_get(d, "activities"),
                 *afk = json_object_get(d, "afk");
    if (!json_is_object(d) || !parse_status(json_object_get(d, "status"), &u.status) ||
        !null_or(since, json_is_number(since)) || !null_or(activities, json_is_array(activities)) ||
        !null_or(afk, json_is_boolean(afk)))
        return false;
    if (json_array_size(activities) > PRESENCE_ACTIVITY_COUNT)
        return false;
    for (size_t i = 0; i < json_array_size(activities); i++) {
        const json_t *a = json_array_get(activities, i);
        if (!json_is_string(json_object_get(a, "name")) || !json_is_integer(json_object_get(a, "type")))
            return false;
    }
    double ms = json_number_value(since);
    u.since_ms = ms > 0 && ms < 1e15 ? (uint64_t)ms : 0;
    u.afk = json_is_true(afk);
    u.activities = json_is_array(activities) ? activities : NULL;
    *out = u;
    return true;
}

static void copy_field(struct json_out *o, const json_t *activity, const char *key)
{
    const json_t *v = json_object_get(activity, key);
    if (json_is_string(v))
        out_field_string(o, key, json_string_value(v));
}

static void activity_out(struct json_out *o, const json_t *activity, uint64_t now_ms)
{
    static const char *const texts[] = {"state", "url", "details"};
    out_object(o);
    copy_field(o, activity, "name");
    out_field_int(o, "type", json_integer_value(json_object_get(activity, "type")));
    out_field_int(o, "created_at", (int64_t)now_ms);
    for (unsigned i = 0; i < sizeof texts / sizeof *texts; i++)
        copy_field(o, activity, texts[i]);
    out_object_end(o);
}

bool presence_activities(struct json_out *o, const json_t *activities, uint64_t now_ms)
{
    json_out_reset(o);
    out_list(o);
    for (size_t i = 0; i < json_array_size(activities); i++)
        activity_out(o, json_array_get(activities, i), now_ms);
    out_list_end(o);
    return o->length <= PRESENCE_ACTIVITIES_MAX;
}
