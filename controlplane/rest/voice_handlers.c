/*
 * Voice states over REST, and stage channels: asking for the word, giving it, taking it. What is asked for
 * lives in the voice state alone; nothing of it is stored.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/call.h"

/* The channel that the user is in, with his voice state; NULL, after having answered, when the caller may not
 * know of one. */
static const struct channel *state_of(struct rest_call *c, uint64_t user_id, struct voice_state *v,
                                      char id[64])
{
    const struct rest_config *config = &c->rest->config;
    if (config->voice_state && config->voice_state(config->hook_ctx, c->guild->row.id, user_id, v, id)) {
        const struct channel *in = model_channel(c->m, v->channel_id);
        if (in && (model_permissions(c->m, c->guild, in, c->user_id) & PERM_VIEW_CHANNEL))
            return in;
    }
    rest_unknown(c, 10065);
    return NULL;
}

static void voice_get(struct rest_call *c, uint64_t user_id)
{
    struct voice_state v;
    struct member_ref who;
    struct json_out body = {0};
    char id[64] = "";
    if (!state_of(c, user_id, &v, id))
        return;
    v.session_id = id;
    object_voice_state(&body, &v, model_member_ref(c->m, c->guild, user_id, &who) ? &who : NULL);
    rest_send_out(c, 200, &body);
}

void rest_voice_self_get(struct rest_call *c)
{
    voice_get(c, c->user_id);
}

void rest_voice_get(struct rest_call *c)
{
    voice_get(c, c->match.user_id);
}

/* The stage channel that the user is in; NULL, after having answered, where he is in none, or not in the one
 * named. */
static const struct channel *stage_of(struct rest_call *c, uint64_t user_id)
{
    struct voice_state v;
    char id[64];
    uint64_t named = 0;
    bool given;
    if (!field_id(c, "channel_id", &named, &given))
        return NULL;
    const struct channel *in = state_of(c, user_id, &v, id);
    if (in && (in->type != CHANNEL_STAGE || (given && named != in->id))) {
        rest_error(c, 403, 50024, "Cannot execute action on this channel type");
        return NULL;
    }
    return in;
}

static bool may(struct rest_call *c, const struct channel *channel, uint64_t permission)
{
    if (model_permissions(c->m, c->guild, channel, c->user_id) & permission)
        return true;
    rest_error(c, 403, 50013, "Missing Permissions");
    return false;
}

static void commit(struct rest_call *c, const struct effect *e)
{
    struct change *change = rest_change(c);
    change_effect(change, e);
    rest_commit(c, change);
}

void rest_voice_self_patch(struct rest_call *c)
{
    const struct channel *channel = stage_of(c, c->user_id);
    const char *asked = NULL;
    bool suppress = false, asks;
    struct effect e = {.kind = EFFECT_VOICE, .guild_id = c->guild->row.id, .user_id = c->user_id};
    if (!channel || !field_bool(c, "suppress", &suppress, &e.voice_set_suppress) ||
        !field_text(c, "request_to_speak_timestamp", 1, 64, &asked, &asks))
        return;
    e.voice_suppress = suppress;
    e.voice_set_request = asks || field_is_null(c, "request_to_speak_timestamp");
    e.voice_request_ms = asks ? (uint64_t)c->m->now_ms : 0;
    if (e.voice_set_suppress && !suppress && !may(c, channel, PERM_MUTE_MEMBERS))
        return;
    if (asks && !may(c, channel, PERM_REQUEST_TO_SPEAK))
        return;
    commit(c, &e);
}

void rest_voice_patch(struct rest_call *c)
{
    const struct channel *channel = stage_of(c, c->match.user_id);
    bool suppress = false;
    struct effect e = {.kind = EFFECT_VOICE, .guild_id = c->guild->row.id, .user_id = c->match.user_id};
    if (!channel || !field_bool(c, "suppress", &suppress, &e.voice_set_suppress) ||
        !may(c, channel, PERM_MUTE_MEMBERS))
        return;
    e.voice_suppress = suppress;
    commit(c, &e);
}
