/*
 * A room of members without clients, for benches; see voice.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/voice/voice.h"

#include <stdlib.h>
#include <sys/random.h>

#include "controlplane/protocol/snowflake.h"
#include "controlplane/sessions/session_table.h"

static json_t *member_json(const struct control *c, uint32_t slot)
{
    const struct session_control *s = session_of(c, slot);
    char key[2 * sizeof s->key + 1];
    for (size_t i = 0; i < sizeof s->key; i++) {
        key[2 * i] = "0123456789abcdef"[s->key[i] >> 4];
        key[2 * i + 1] = "0123456789abcdef"[s->key[i] & 15];
    }
    key[sizeof key - 1] = 0;
    return json_pack("{s:I, s:s, s:i}", "ssrc", (json_int_t)s->ssrc, "key", key, "port",
                     c->config.voice_port_base + (int)voice_worker_of(c, slot));
}

static uint32_t bench_member(struct control *c, uint64_t channel_id, bool speaks)
{
    uint64_t user_id = snowflake_next(&c->model->ids, (int64_t)c->now_ms);
    uint32_t slot = session_take(c, SESSION_VOICE, user_id, SESSION_ANYWHERE);
    if (slot == SESSION_NONE)
        return SESSION_NONE;
    struct session_control *s = session_of(c, slot);
    s->channel_id = channel_id;
    if (!voice_room_enter(c, slot)) {
        session_give(c, slot);
        return SESSION_NONE;
    }
    if (getrandom(s->key, sizeof s->key, 0) != (ssize_t)sizeof s->key)
        abort();
    s->state = SLOT_BOUND;
    s->mode = c->config.voice_modes[0];
    s->ready = 1;
    s->self_mute = !speaks;
    voice_member_set(c, slot);
    return slot;
}

json_t *voice_bench_room(struct control *c, uint32_t members, uint32_t speakers)
{
    uint64_t channel_id = snowflake_next(&c->model->ids, (int64_t)c->now_ms);
    json_t *list = json_array();
    for (uint32_t i = 0; i < members; i++) {
        uint32_t slot = bench_member(c, channel_id, i < speakers);
        if (slot == SESSION_NONE)
            break;
        json_array_append_new(list, member_json(c, slot));
        link_cut_if_long(c->link);
    }
    if (!json_array_size(list)) {
        json_decref(list);
        return NULL;
    }
    return json_pack("{s:o, s:o}", "channel_id", json_sprintf("%llu", (unsigned long long)channel_id),
                     "members", list);
}

uint32_t voice_bench_end(struct control *c, uint64_t channel_id)
{
    struct voice_room *r;
    uint32_t n = 0;
    while ((r = voice_room_of(c, channel_id)) != NULL && !r->guild_id) {
        uint32_t slot = r->slots[0];
        voice_unbind(c, slot, 0);
        session_give(c, slot);
        n++;
        link_cut_if_long(c->link);
    }
    return n;
}
