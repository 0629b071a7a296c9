/*
 * Voice states over REST. Who may not speak by permission stays silent: `suppress` is lifted only from those
 * who may speak, by themselves or by whoever may mute.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/rest/call.h"

/* The voice state and where it is; false when there is none, which is answered. */
static bool state_of(struct rest_call *c, uint64_t user_id, struct voice_state *v, char id[64])
{
    const struct rest_config *config = &c->rest->config;
    if (config->voice_state && config->voice_state(config->hook_ctx, c->guild->row.id, user_id, v, id)) {
        const struct channel *in = model_channel(c->m, v->channel_id);
        if (in && (model_permissions(c->m, c->guild, in, c->user_id) & PERM_VIEW_CHANNEL))
            return true;
    }
    rest_unknown(c, 10065);
    return false;
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

static void voice_patch(struct rest_call *c, uint64_t user_id)
{
    struct voice_state v;
    uint64_t channel_id = 0;
    bool given, named, suppress = false;
    char id[64] = "";
    if (!state_of(c, user_id, &v, id) || !field_bool(c, "suppress", &suppress, &given) ||
        !field_id(c, "channel_id", &channel_id, &named))
        return;
    const struct channel *in = model_channel(c->m, v.channel_id);
    uint64_t asker = model_permissions(c->m, c->guild, in, c->user_id),
             subject = model_permissions(c->m, c->guild, in, user_id);
    if (named && channel_id != v.channel_id) {
        rest_invalid(c, "channel_id", "CHANNEL_INVALID", "The channel that the user is in.");
        return;
    }
    if (!given) {
        rest_send(c, 204, NULL);
        return;
    }
    if ((user_id != c->user_id && !(asker & PERM_MUTE_MEMBERS)) || (!suppress && !(subject & PERM_SPEAK))) {
        rest_error(c, 403, 50013, "Missing Permissions");
        return;
    }
    struct change *change = rest_change(c);
    change_effect(change, &(struct effect){.kind = EFFECT_VOICE,
                                           .guild_id = c->guild->row.id,
                                           .user_id = user_id,
                                           .voice_set_suppress = true,
                                           .voice_suppress = suppress});
    rest_commit(c, change);
}

void rest_voice_self_patch(struct rest_call *c)
{
    voice_patch(c, c->user_id);
}

void rest_voice_patch(struct rest_call *c)
{
    voice_patch(c, c->match.user_id);
}
