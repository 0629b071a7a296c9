/*
 * Voice states: op 4, moderators, permissions; see voice.h. The order that clients need is kept here:
 * VOICE_STATE_UPDATE before VOICE_SERVER_UPDATE, both before an old voice socket is closed
 * (reference/gateway.md 10.2, voice.md 7). All three go through the fan-out rings, which keep it.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/voice/voice.h"

#include <stdlib.h>
#include <sys/random.h>

#include "controlplane/events/audience.h"
#include "controlplane/events/publish.h"
#include "controlplane/protocol/intents.h"
#include "controlplane/protocol/opcodes.h"
#include "controlplane/sessions/session_table.h"
#include "controlplane/voice/voice_room.h"

#define TOKEN_EVERY_MS 1000u /* a channel's token is not renewed more often for one user */

uint32_t voice_slot_of(const struct control *c, uint64_t guild_id, uint64_t user_id)
{
    for (uint32_t i = session_first_of(c, user_id); i != SESSION_NONE; i = session_next_of(c, i)) {
        const struct session_control *s = session_of(c, i);
        if (s->kind == SESSION_VOICE && s->guild_id == guild_id)
            return i;
    }
    return SESSION_NONE;
}

/* The gateway session that made the slot; SESSION_NONE when it is gone. */
static uint32_t owner_of(const struct control *c, uint32_t slot)
{
    const struct session_control *s = session_of(c, slot);
    if (s->peer == SESSION_NONE)
        return SESSION_NONE;
    return session_of_subject(c, (uint64_t)s->peer_generation << 32 | s->peer);
}

void voice_state_of(const struct control *c, uint32_t slot, struct voice_state *v, char id[SESSION_ID_TEXT])
{
    const struct session_control *s = session_of(c, slot);
    uint32_t owner = owner_of(c, slot);
    session_id_text(owner == SESSION_NONE ? s : session_of(c, owner), id);
    *v = (struct voice_state){.guild_id = s->guild_id,
                              .channel_id = s->channel_id,
                              .user_id = s->user_id,
                              .session_id = id,
                              .deaf = s->deaf,
                              .mute = s->mute,
                              .self_deaf = s->self_deaf,
                              .self_mute = s->self_mute,
                              .self_video = s->self_video,
                              .suppress = s->suppress,
                              .request_to_speak_ms = (int64_t)s->request_to_speak_ms};
}

/* ---- telling ---- */

static void publish_state(struct control *c, const struct voice_state *v, uint64_t view, uint64_t hide)
{
    const struct guild_state *g = model_guild(c->model, v->guild_id);
    struct member_ref who;
    bool known = g && model_member_ref(c->model, g, v->user_id, &who);
    dispatch_voice_state_update(&c->out, v, known ? &who : NULL);
    publish_guild(c, v->guild_id,
                  &(struct publication){.intents = INTENT_GUILD_VOICE_STATES,
                                        .view_channel = view,
                                        .hide_channel = hide,
                                        .except_session = SESSION_NONE,
                                        .text = c->out.data,
                                        .length = c->out.length});
}

/* His own sessions hear of it without the intent, and also where they do not see the channel any more. */
static void publish_own(struct control *c, const struct voice_state *v, uint64_t view)
{
    const struct audience *a = audience_of(c, v->guild_id);
    for (uint32_t i = session_first_of(c, v->user_id); a && i != SESSION_NONE; i = session_next_of(c, i)) {
        const struct session_control *s = session_of(c, i);
        if (s->kind == SESSION_GATEWAY && index_map_get(&a->at, (uint64_t)i + 1) != INDEX_NONE &&
            (!(s->intents & INTENT_GUILD_VOICE_STATES) || !audience_tells(c, a, i, view)))
            publish_session(c, i, &c->out);
    }
}

/* VOICE_STATE_UPDATE: the slot as it is now; `was`: the channel before, or the same, or 0. */
static void announce(struct control *c, uint32_t slot, uint64_t was)
{
    struct voice_state v;
    char id[SESSION_ID_TEXT];
    voice_state_of(c, slot, &v, id);
    publish_state(c, &v, v.channel_id ? v.channel_id : was, 0);
    publish_own(c, &v, v.channel_id ? v.channel_id : was);
    if (!v.channel_id || !was || was == v.channel_id)
        return;
    uint64_t now = v.channel_id;
    v.channel_id = 0; /* to those who saw him where he was and do not see where he is */
    publish_state(c, &v, was, now);
}

static void hex(const uint8_t *bytes, size_t n, char *text)
{
    for (size_t i = 0; i < n; i++) {
        text[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        text[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    text[2 * n] = 0;
}

/* VOICE_SERVER_UPDATE with a new token, to the session that owns the slot. */
static void issue_token(struct control *c, uint32_t slot)
{
    struct session_control *s = session_touch(c, slot);
    char token[2 * sizeof s->voice_token + 1];
    uint32_t owner = owner_of(c, slot);
    if (getrandom(s->voice_token, sizeof s->voice_token, 0) != (ssize_t)sizeof s->voice_token)
        abort();
    s->voice_token_ms = c->now_ms;
    s->state &= (uint8_t)~SLOT_TOKEN_DUE;
    if (owner == SESSION_NONE)
        return;
    hex(s->voice_token, sizeof s->voice_token, token);
    dispatch_voice_server_update(&c->out, s->guild_id, token, c->config.voice_endpoint);
    publish_session(c, owner, &c->out);
    explicit_bzero(token, sizeof token);
}

/* ---- slots ---- */

static void guild_voice_add(struct audience *a, uint32_t slot)
{
    if (a->voice_count == a->voice_capacity) {
        a->voice_capacity = a->voice_capacity ? a->voice_capacity * 2 : 4;
        a->voice = realloc(a->voice, a->voice_capacity * sizeof *a->voice);
        if (!a->voice)
            abort();
    }
    a->voice[a->voice_count++] = slot;
}

static void guild_voice_drop(struct audience *a, uint32_t slot)
{
    for (uint32_t i = 0; a && i < a->voice_count; i++)
        if (a->voice[i] == slot)
            a->voice[i--] = a->voice[--a->voice_count];
}

static uint32_t users_in(const struct control *c, const struct audience *a, uint64_t channel_id)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < a->voice_count; i++)
        n += session_of(c, a->voice[i])->channel_id == channel_id;
    return n;
}

/* A gateway session shows the voice state that it made last. */
static void owner_shows(struct control *c, uint32_t slot, bool in)
{
    uint32_t owner = owner_of(c, slot);
    const struct session_control *s = session_of(c, slot);
    if (owner == SESSION_NONE)
        return;
    struct session_control *g = session_touch(c, owner);
    if (!in && g->peer != slot)
        return;
    g->peer = in ? slot : SESSION_NONE;
    g->peer_generation = in ? s->generation : 0;
    g->guild_id = in ? s->guild_id : 0;
    g->channel_id = in ? s->channel_id : 0;
}

/* May he be there, and may he speak? */
static bool allowed(const struct control *c, uint64_t guild_id, uint64_t channel_id, uint64_t user_id,
                    bool entering, bool *speak)
{
    const struct guild_state *g = model_guild(c->model, guild_id);
    const struct channel *channel = model_channel(c->model, channel_id);
    const struct audience *a = audience_of(c, guild_id);
    if (!g || !channel || channel->guild_id != guild_id || !model_member(g, user_id) ||
        (channel->type != CHANNEL_VOICE && channel->type != CHANNEL_STAGE))
        return false;
    uint64_t may = model_permissions(c->model, g, channel, user_id);
    if (!(may & PERM_VIEW_CHANNEL) || !(may & PERM_CONNECT))
        return false;
    *speak = may & PERM_SPEAK;
    return !entering || !channel->user_limit || !a || may & PERM_MOVE_MEMBERS ||
           users_in(c, a, channel_id) < channel->user_limit;
}

/* Who comes in is not heard: he may not speak, it is the AFK channel, or he begins in a stage's audience. */
static bool suppressed(const struct control *c, const struct guild_state *g, uint64_t channel_id, bool speak)
{
    const struct channel *channel = model_channel(c->model, channel_id);
    return !speak || (channel && channel->type == CHANNEL_STAGE) ||
           (g && g->row.afk_channel_id == channel_id);
}

void voice_enter(struct control *c, uint32_t slot, uint64_t channel_id, bool speak)
{
    struct session_control *s = session_touch(c, slot);
    if (s->signalling && s->channel_id && s->peer == SESSION_NONE) {
        voice_leave(c, slot); /* what HTTP has agreed on for one room cannot be moved to another */
        return;
    }
    const struct guild_state *g = model_guild(c->model, s->guild_id);
    const struct member *member = g ? model_member(g, s->user_id) : NULL;
    uint64_t was = s->channel_id, now = channel_id;
    s->channel_id = now;
    s->mute = member && member->mute;
    s->deaf = member && member->deaf;
    s->suppress = suppressed(c, g, channel_id, speak);
    s->request_to_speak_ms = 0;
    owner_shows(c, slot, true);
    announce(c, slot, was);
    issue_token(c, slot);
    if (SLOT_STATE(s) == SLOT_BOUND) {
        s->channel_id = was; /* its room is there still */
        voice_unbind(c, slot, VOICE_CLOSE_DISCONNECTED);
        s->channel_id = now;
    }
    voice_afk_watch(c, slot);
}

static void flags_changed(struct control *c, uint32_t slot)
{
    announce(c, slot, session_of(c, slot)->channel_id);
    voice_member_set(c, slot);
}

static void set_self(struct control *c, uint32_t slot, uint32_t session, const struct voice_wish *w)
{
    struct session_control *s = session_touch(c, slot);
    s->self_mute = w->self_mute;
    s->self_deaf = w->self_deaf;
    s->self_video = w->self_video;
    s->peer = session;
    s->peer_generation = session_of(c, session)->generation;
}

static void stay(struct control *c, uint32_t slot)
{
    struct session_control *s = session_touch(c, slot);
    flags_changed(c, slot);
    if (SLOT_STATE(s) == SLOT_BOUND && s->connection)
        return;
    if (s->voice_token_ms + TOKEN_EVERY_MS <= c->now_ms) {
        issue_token(c, slot);
    } else if (!(s->state & SLOT_TOKEN_DUE)) {
        s->state |= SLOT_TOKEN_DUE;
        deadlines_add(&c->deadlines, s->voice_token_ms + TOKEN_EVERY_MS, DEADLINE_TOKEN,
                      session_subject(c, slot));
    }
}

void voice_token_due(struct control *c, uint32_t slot)
{
    const struct session_control *s = session_of(c, slot);
    if (s->kind == SESSION_VOICE && s->state & SLOT_TOKEN_DUE)
        issue_token(c, slot);
}

void voice_wish(struct control *c, uint32_t session, const struct voice_wish *w)
{
    uint64_t user_id = session_of(c, session)->user_id;
    uint32_t slot = voice_slot_of(c, w->guild_id, user_id);
    bool speak, same = slot != SESSION_NONE && session_of(c, slot)->channel_id == w->channel_id;
    if (!w->channel_id) {
        if (slot != SESSION_NONE)
            voice_leave(c, slot);
        return;
    }
    if (!allowed(c, w->guild_id, w->channel_id, user_id, !same, &speak))
        return; /* no answer at all (reference/gateway.md 10.4) */
    if (slot == SESSION_NONE) {
        slot = session_take(c, SESSION_VOICE, user_id, SESSION_ANYWHERE);
        if (slot == SESSION_NONE)
            return;
        session_of(c, slot)->guild_id = w->guild_id;
        guild_voice_add(audience_make(c, w->guild_id), slot);
    }
    bool taken_over = same && session_of(c, slot)->peer != session;
    set_self(c, slot, session, w);
    if (same && !taken_over)
        stay(c, slot);
    else
        voice_enter(c, slot, w->channel_id, speak);
}

/* A slot that nobody owns, or why there is none. What the user has in the guild already gives way, or is in
 * the way. */
static enum voice_entry take_alone(struct control *c, uint64_t guild_id, uint64_t user_id, uint32_t *slot)
{
    uint32_t had = voice_slot_of(c, guild_id, user_id);
    if (had != SESSION_NONE && !session_of(c, had)->signalling)
        return ENTRY_CONFLICT;
    if (had != SESSION_NONE)
        voice_leave(c, had);
    *slot = session_take(c, SESSION_VOICE, user_id, SESSION_ANYWHERE);
    if (*slot == SESSION_NONE)
        return ENTRY_FULL;
    session_of(c, *slot)->guild_id = guild_id;
    guild_voice_add(audience_make(c, guild_id), *slot);
    return ENTRY_DONE;
}

enum voice_entry voice_come(struct control *c, uint64_t user_id, uint64_t channel_id,
                            enum voice_signalling by, bool listens, uint32_t *slot)
{
    const struct channel *channel = model_channel(c->model, channel_id);
    bool speak = false;
    if (!channel || !channel->guild_id || (channel->type != CHANNEL_VOICE && channel->type != CHANNEL_STAGE))
        return ENTRY_UNKNOWN;
    if (!allowed(c, channel->guild_id, channel_id, user_id, true, &speak))
        return ENTRY_DENIED;
    if (by == SIGNALLED_BY_WHIP && !speak)
        return ENTRY_MAY_NOT_SPEAK;
    enum voice_entry result = take_alone(c, channel->guild_id, user_id, slot);
    if (result != ENTRY_DONE)
        return result;
    struct session_control *s = session_touch(c, *slot);
    s->self_mute = by == SIGNALLED_BY_WHEP;
    s->self_deaf = !listens;
    voice_enter(c, *slot, channel_id, speak);
    s->signalling = (uint8_t)by;
    return ENTRY_DONE;
}

static void replace(uint32_t *list, uint32_t count, uint32_t from, uint32_t to)
{
    for (uint32_t i = 0; i < count; i++)
        if (list[i] == from)
            list[i] = to;
}

void voice_slot_moved(struct control *c, uint32_t from, uint32_t to)
{
    const struct session_control *s = session_of(c, to);
    struct audience *a = audience_of(c, s->guild_id);
    struct voice_room *r = voice_room_of(c, s->channel_id);
    uint32_t owner = owner_of(c, to);
    if (a)
        replace(a->voice, a->voice_count, from, to);
    if (r)
        replace(r->slots, r->count, from, to);
    if (s->member != MEMBER_NONE)
        index_map_put(&c->by_member, (uint64_t)s->member + 1, to);
    if (s->state & SLOT_AFK_DUE)
        voice_afk_watch(c, to);
    if (owner != SESSION_NONE && session_of(c, owner)->peer == from)
        session_touch(c, owner)->peer = to;
}

void voice_owner_moved(struct control *c, uint32_t from, uint32_t generation, uint32_t to)
{
    const struct session_control *o = session_of(c, to);
    for (uint32_t i = session_first_of(c, o->user_id); i != SESSION_NONE; i = session_next_of(c, i)) {
        const struct session_control *s = session_of(c, i);
        if (s->kind != SESSION_VOICE || s->peer != from || s->peer_generation != generation)
            continue;
        session_touch(c, i)->peer = to;
        session_touch(c, i)->peer_generation = o->generation;
    }
}

void voice_leave(struct control *c, uint32_t slot)
{
    struct session_control *s = session_touch(c, slot);
    uint64_t was = s->channel_id;
    s->channel_id = 0;
    announce(c, slot, was);
    owner_shows(c, slot, false);
    s->channel_id = was;
    voice_unbind(c, slot, VOICE_CLOSE_DISCONNECTED);
    guild_voice_drop(audience_of(c, s->guild_id), slot);
    session_give(c, slot);
}

/* ---- moderators and permissions ---- */

void voice_moderate(struct control *c, const struct effect *e)
{
    uint32_t slot = voice_slot_of(c, e->guild_id, e->user_id);
    bool speak = true;
    if (slot == SESSION_NONE)
        return;
    struct session_control *s = session_touch(c, slot);
    if (e->voice_move && !e->voice_channel_id) {
        voice_leave(c, slot);
        return;
    }
    if (e->voice_set_mute)
        s->mute = e->voice_mute;
    if (e->voice_set_deaf)
        s->deaf = e->voice_deaf;
    if (e->voice_set_request)
        s->request_to_speak_ms = e->voice_request_ms;
    if (e->voice_set_suppress) {
        s->suppress = e->voice_suppress;
        s->request_to_speak_ms = 0; /* answered, or given up */
    }
    if (e->voice_move && e->voice_channel_id != s->channel_id) {
        allowed(c, e->guild_id, e->voice_channel_id, e->user_id, false, &speak);
        voice_enter(c, slot, e->voice_channel_id, speak);
    } else if (e->voice_set_mute || e->voice_set_deaf || e->voice_set_request || e->voice_set_suppress) {
        flags_changed(c, slot);
    }
}

static bool is_stage(const struct control *c, uint64_t channel_id)
{
    const struct channel *channel = model_channel(c->model, channel_id);
    return channel && channel->type == CHANNEL_STAGE;
}

void voice_permissions_changed(struct control *c, uint64_t guild_id)
{
    const struct audience *a = audience_of(c, guild_id);
    for (uint32_t i = 0; a && i < a->voice_count;) {
        uint32_t slot = a->voice[i];
        const struct session_control *s = session_of(c, slot);
        bool speak;
        if (!allowed(c, guild_id, s->channel_id, s->user_id, false, &speak)) {
            voice_leave(c, slot);
        } else {
            i++;
            bool now = suppressed(c, model_guild(c->model, guild_id), s->channel_id, speak);
            if (is_stage(c, s->channel_id) && speak)
                now = s->suppress; /* a moderator's decision */
            if (s->suppress != now) {
                session_touch(c, slot)->suppress = now;
                flags_changed(c, slot);
            }
        }
        link_cut_if_long(c->link);
    }
}

void voice_empty(struct control *c, uint64_t guild_id, uint64_t channel_id)
{
    const struct audience *a = audience_of(c, guild_id);
    for (uint32_t i = 0; a && i < a->voice_count;) {
        if (channel_id && session_of(c, a->voice[i])->channel_id != channel_id) {
            i++;
            continue;
        }
        voice_leave(c, a->voice[i]);
        link_cut_if_long(c->link);
    }
}

void voice_open(struct control *c)
{
    for (uint32_t i = 0; i < c->link->sessions->fresh; i++) {
        const struct session_control *s = session_of(c, i);
        if (s->kind != SESSION_VOICE)
            continue;
        if (s->guild_id)
            guild_voice_add(audience_make(c, s->guild_id), i);
        if (s->state & SLOT_AFK_DUE)
            voice_afk_watch(c, i);
        if (s->signalling)
            voice_http_watch(c, i);
        voice_quality_open(c, i);
        if (s->state & SLOT_TOKEN_DUE)
            deadlines_add(&c->deadlines, s->voice_token_ms + TOKEN_EVERY_MS, DEADLINE_TOKEN,
                          session_subject(c, i));
    }
    voice_rooms_open(c);
}

void voice_close(struct control *c)
{
    voice_rooms_close(c);
}
