/*
 * What a client says in op 4; pure. See voice.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/sessions/payload.h"
#include "controlplane/voice/voice.h"

bool voice_wish_parse(const json_t *d, struct voice_wish *out)
{
    struct voice_wish w = {0};
    const json_t *channel = json_object_get(d, "channel_id");
    if (!json_is_object(d) || !payload_id(json_object_get(d, "guild_id"), &w.guild_id))
        return false;
    if (channel && !json_is_null(channel) && !payload_id(channel, &w.channel_id))
        return false;
    if (!payload_flag(d, "self_mute", &w.self_mute) || !payload_flag(d, "self_deaf", &w.self_deaf) ||
        !payload_flag(d, "self_video", &w.self_video))
        return false;
    *out = w;
    return true;
}
