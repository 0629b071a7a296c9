/*
 * Voice states in stage channels: asking for the word, giving it, taking it. What is asked for lives in the
 * voice state alone; nothing of it is stored.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/call.h"

/* The stage channel that the user is in; NULL, after having answered, where he is in none, or not in the one
 * named. */
static const struct channel *stage_of(struct rest_call *c, uint64_t user_id)
{
    const struct rest_config *config = &c->rest->config;
    uint64_t named = 0;
    bool given;
    if (!field_id(c, "channel_id", &named, &given))
        return NULL;
    uint64_t in =
        config->voice_channel ? config->voice_channel(config->hook_ctx, c->guild->row.id, user_id) : 0;
    const struct channel *channel = model_channel(c->m, in);
    if (!channel) {
        rest_unknown(c, 10065);
        return NULL;
    }
    if (channel->type != CHANNEL_STAGE || (given && named != in)) {
        rest_error(c, 403, 50024, "Cannot execute action on this channel type");
        return NULL;
    }
    return channel;
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

void rest_voice_state_self_patch(struct rest_call *c)
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

void rest_voice_state_patch(struct rest_call *c)
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
