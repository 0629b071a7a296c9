/*
 * The AFK channel: who has said nothing for as long as his guild allows is moved there, where nobody is
 * heard. Looked at by a deadline a slot, which is set when he enters a channel and goes on as long as there
 * is an AFK channel and he is elsewhere. When he spoke last the dataplane knows: the region says.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/sessions/session_table.h"
#include "controlplane/voice/voice.h"

static uint64_t timeout_ms(const struct guild_state *g)
{
    return (uint64_t)g->row.afk_timeout * 1000;
}

static bool is_to_be_watched(const struct guild_state *g, const struct session_control *s)
{
    return g && g->row.afk_channel_id && s->channel_id != g->row.afk_channel_id;
}

/* Since his last packet, or since he came where he sent none. */
static uint64_t silent_ms(const struct control *c, uint32_t slot)
{
    const struct session_control *s = session_of(c, slot);
    uint64_t since_token = c->now_ms - s->voice_token_ms;
    if (s->member == MEMBER_NONE)
        return since_token;
    const struct voice_member *m = member_at(c->link->region, s->member);
    const struct worker_area *a = region_part(c->link->region, voice_worker_of(c, slot), PART_AREA);
    const struct stream *audio = &m->stream[STREAM_AUDIO];
    uint64_t at = audio->arrived_us, now = a->loop_us;
    if (m->generation != s->member_generation || !audio->packets)
        return since_token;
    return now > at ? (now - at) / 1000 : 0;
}

static void look_again(struct control *c, uint32_t slot, uint64_t in_ms)
{
    if (!(session_of(c, slot)->state & SLOT_AFK_DUE))
        session_touch(c, slot)->state |= SLOT_AFK_DUE;
    deadlines_add(&c->deadlines, c->now_ms + in_ms, DEADLINE_AFK, slot);
}

void voice_afk_watch(struct control *c, uint32_t slot)
{
    const struct session_control *s = session_of(c, slot);
    const struct guild_state *g = model_guild(c->model, s->guild_id);
    if (is_to_be_watched(g, s))
        look_again(c, slot, timeout_ms(g));
}

void voice_afk_due(struct control *c, uint32_t slot)
{
    struct session_control *s = session_of(c, slot);
    if (s->kind != SESSION_VOICE || !(s->state & SLOT_AFK_DUE))
        return; /* another one by now, or looked at already */
    const struct guild_state *g = model_guild(c->model, s->guild_id);
    s = session_touch(c, slot);
    s->state &= (uint8_t)~SLOT_AFK_DUE;
    if (!is_to_be_watched(g, s) || !model_channel(c->model, g->row.afk_channel_id))
        return;
    uint64_t silent = silent_ms(c, slot), most = timeout_ms(g);
    if (silent >= most)
        voice_enter(c, slot, g->row.afk_channel_id, false);
    else
        look_again(c, slot, most - silent);
}
