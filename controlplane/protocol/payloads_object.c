/*
 * Objects of people and places: user, role, channel, member, guild, voice state (reference/gateway.md
 * 6, 10.2).
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/protocol/payloads.h"

#include <stdlib.h>

static void user_fields(struct json_out *o, const struct user *u)
{
    out_field_id(o, "id", u->id);
    out_field_string(o, "username", u->username ? u->username : "");
    out_field_string(o, "discriminator", "0");
    out_field_string(o, "global_name", u->global_name);
    out_field_string(o, "avatar", u->avatar);
    out_field_bool(o, "bot", u->bot);
    out_field_bool(o, "system", false);
    out_field_null(o, "banner");
    out_field_null(o, "accent_color");
    out_field_int(o, "public_flags", u->flags);
    out_field_null(o, "avatar_decoration_data");
    out_field_null(o, "collectibles");
    out_field_null(o, "primary_guild");
}

void object_user(struct json_out *o, const struct user *u)
{
    out_object(o);
    user_fields(o, u);
    out_object_end(o);
}

void object_self(struct json_out *o, const struct user *u)
{
    out_object(o);
    user_fields(o, u);
    out_field_int(o, "flags", u->flags);
    out_field_bool(o, "verified", true);
    out_field_bool(o, "mfa_enabled", false);
    out_field_string(o, "locale", "en-US");
    out_field_null(o, "email");
    out_object_end(o);
}

void object_role(struct json_out *o, const struct role *r)
{
    out_object(o);
    out_field_id(o, "id", r->id);
    out_field_string(o, "name", r->name);
    out_field_int(o, "color", r->color);
    out_key(o, "colors");
    out_object(o);
    out_field_int(o, "primary_color", r->color);
    out_field_null(o, "secondary_color");
    out_field_null(o, "tertiary_color");
    out_object_end(o);
    out_field_bool(o, "hoist", r->hoist);
    out_field_null(o, "icon");
    out_field_null(o, "unicode_emoji");
    out_field_int(o, "position", r->position);
    out_field_id(o, "permissions", r->permissions);
    out_field_bool(o, "managed", r->managed);
    out_field_bool(o, "mentionable", r->mentionable);
    out_field_int(o, "flags", 0);
    out_object_end(o);
}

static void channel_overwrites(struct json_out *o, const struct channel *c)
{
    out_key(o, "permission_overwrites");
    out_list(o);
    for (size_t i = 0; i < c->overwrite_count; i++) {
        const struct overwrite *w = &c->overwrites[i];
        out_object(o);
        out_field_id(o, "id", w->id);
        out_field_int(o, "type", w->member);
        out_field_id(o, "allow", w->allow);
        out_field_id(o, "deny", w->deny);
        out_object_end(o);
    }
    out_list_end(o);
}

void object_channel(struct json_out *o, const struct channel *c)
{
    out_object(o);
    out_field_id(o, "id", c->id);
    out_field_int(o, "type", c->type);
    out_field_id(o, "guild_id", c->guild_id);
    out_field_string(o, "name", c->name);
    out_field_int(o, "position", c->position);
    channel_overwrites(o, c);
    out_field_id_or_null(o, "parent_id", c->parent_id);
    out_field_int(o, "flags", 0);
    if (c->type == CHANNEL_TEXT || c->type == CHANNEL_ANNOUNCEMENT) {
        out_field_string(o, "topic", c->topic);
        out_field_time_or_null(o, "last_pin_timestamp", c->last_pin_ms);
    }
    if (c->type != CHANNEL_CATEGORY) {
        out_field_bool(o, "nsfw", c->nsfw);
        out_field_id_or_null(o, "last_message_id", c->last_message_id);
        out_field_int(o, "rate_limit_per_user", c->rate_limit_per_user);
    }
    if (c->type == CHANNEL_VOICE || c->type == CHANNEL_STAGE) {
        out_field_int(o, "bitrate", c->bitrate);
        out_field_int(o, "user_limit", c->user_limit);
        out_field_null(o, "rtc_region");
        out_field_int(o, "video_quality_mode", 1);
    }
    out_object_end(o);
}

void object_direct_channel(struct json_out *o, const struct channel *c, const struct user *other)
{
    out_object(o);
    out_field_id(o, "id", c->id);
    out_field_int(o, "type", CHANNEL_DM);
    out_field_int(o, "flags", 0);
    out_field_id_or_null(o, "last_message_id", c->last_message_id);
    out_field_time_or_null(o, "last_pin_timestamp", c->last_pin_ms);
    out_key(o, "recipients");
    out_list(o);
    if (other)
        object_user(o, other);
    out_list_end(o);
    out_object_end(o);
}

static void member_fields(struct json_out *o, const struct member *m, const struct user *u)
{
    if (u) {
        out_key(o, "user");
        object_user(o, u);
    }
    out_field_string(o, "nick", m->nick);
    out_field_null(o, "avatar");
    out_field_null(o, "banner");
    out_key(o, "roles");
    out_list(o);
    for (size_t i = 0; i < m->role_count; i++)
        out_id(o, m->roles[i]);
    out_list_end(o);
    out_field_time(o, "joined_at", m->joined_at_ms);
    out_field_null(o, "premium_since");
    out_field_bool(o, "deaf", m->deaf);
    out_field_bool(o, "mute", m->mute);
    out_field_int(o, "flags", 0);
    out_field_bool(o, "pending", false);
    out_field_time_or_null(o, "communication_disabled_until", m->timeout_until_ms);
}

void object_member(struct json_out *o, const struct member *m, const struct user *u)
{
    out_object(o);
    member_fields(o, m, u);
    out_object_end(o);
}

/* The fields a guild has everywhere (gateway.md 6.1). */
static void guild_fields(struct json_out *o, const struct guild *g, const struct role *const *roles,
                         size_t count)
{
    out_field_id(o, "id", g->id);
    out_field_string(o, "name", g->name);
    out_field_string(o, "icon", g->icon);
    out_field_null(o, "splash");
    out_field_null(o, "discovery_splash");
    out_field_null(o, "banner");
    out_field_string(o, "description", g->description);
    out_field_id(o, "owner_id", g->owner_id);
    out_field_id_or_null(o, "afk_channel_id", g->afk_channel_id);
    out_field_int(o, "afk_timeout", g->afk_timeout);
    out_field_int(o, "verification_level", 0);
    out_field_int(o, "default_message_notifications", 0);
    out_field_int(o, "explicit_content_filter", 0);
    out_key(o, "roles");
    out_list(o);
    for (size_t i = 0; i < count; i++)
        object_role(o, roles[i]);
    out_list_end(o);
    out_field_empty_list(o, "emojis");
    out_field_empty_list(o, "stickers");
    out_field_empty_list(o, "features");
    out_field_int(o, "mfa_level", 0);
    out_field_null(o, "application_id");
    out_field_id_or_null(o, "system_channel_id", g->system_channel_id);
    out_field_int(o, "system_channel_flags", 0);
    out_field_null(o, "rules_channel_id");
    out_field_null(o, "public_updates_channel_id");
    out_field_null(o, "safety_alerts_channel_id");
    out_field_null(o, "vanity_url_code");
    out_field_int(o, "premium_tier", 0);
    out_field_int(o, "premium_subscription_count", 0);
    out_field_string(o, "preferred_locale", "en-US");
    out_field_int(o, "nsfw_level", 0);
    out_field_bool(o, "premium_progress_bar_enabled", false);
    out_field_int(o, "max_members", 500000);
    out_field_null(o, "max_presences");
    out_field_int(o, "max_video_channel_users", 25);
    out_field_int(o, "max_stage_video_channel_users", 50);
    out_field_string(o, "region", "deprecated");
}

/* The open object of a guild, for callers that add to it. */
void object_guild_open(struct json_out *o, const struct guild *g, const struct role *const *roles,
                       size_t count)
{
    out_object(o);
    guild_fields(o, g, roles, count);
}

void object_guild(struct json_out *o, const struct guild *g, const struct role *const *roles, size_t count)
{
    object_guild_open(o, g, roles, count);
    out_object_end(o);
}

void object_voice_state(struct json_out *o, const struct voice_state *v, const struct member_ref *who)
{
    out_object(o);
    if (v->guild_id)
        out_field_id(o, "guild_id", v->guild_id);
    out_field_id_or_null(o, "channel_id", v->channel_id);
    out_field_id(o, "user_id", v->user_id);
    if (who) {
        out_key(o, "member");
        object_member(o, who->member, who->user);
    }
    out_field_string(o, "session_id", v->session_id ? v->session_id : "");
    out_field_bool(o, "deaf", v->deaf);
    out_field_bool(o, "mute", v->mute);
    out_field_bool(o, "self_deaf", v->self_deaf);
    out_field_bool(o, "self_mute", v->self_mute);
    if (v->self_stream)
        out_field_bool(o, "self_stream", true);
    out_field_bool(o, "self_video", v->self_video);
    out_field_bool(o, "suppress", v->suppress);
    out_field_time_or_null(o, "request_to_speak_timestamp", v->request_to_speak_ms);
    out_object_end(o);
}

void object_presence(struct json_out *o, const struct presence *p)
{
    out_object(o);
    out_key(o, "user");
    out_object(o);
    out_field_id(o, "id", p->user_id);
    out_object_end(o);
    if (p->guild_id)
        out_field_id(o, "guild_id", p->guild_id);
    out_field_string(o, "status", p->status);
    out_field_raw(o, "activities", p->activities ? p->activities : "[]");
    out_field_raw(o, "client_status", p->client_status ? p->client_status : "{}");
    out_object_end(o);
}

void dispatch_presence_update(struct json_out *o, const struct presence *p)
{
    dispatch_begin(o, "PRESENCE_UPDATE");
    object_presence(o, p);
    dispatch_end(o);
}

void object_relation(struct json_out *o, const struct relation_view *r)
{
    out_object(o);
    out_field_id(o, "id", r->user->id);
    out_field_int(o, "type", r->type);
    out_field_null(o, "nickname");
    out_key(o, "user");
    object_user(o, r->user);
    out_object_end(o);
}

void dispatch_relationship(struct json_out *o, const char *event, const struct relation_view *r)
{
    dispatch_begin(o, event);
    object_relation(o, r);
    dispatch_end(o);
}

void dispatch_ready(struct json_out *o, const struct ready *r)
{
    dispatch_begin(o, "READY");
    out_object(o);
    out_field_int(o, "v", 10);
    out_key(o, "user");
    object_self(o, r->user);
    out_key(o, "guilds");
    out_list(o);
    for (size_t i = 0; i < r->guild_count; i++) {
        out_object(o);
        out_field_id(o, "id", r->guild_ids[i]);
        out_field_bool(o, "unavailable", true);
        out_object_end(o);
    }
    out_list_end(o);
    out_field_string(o, "session_id", r->session_id);
    out_field_string(o, "resume_gateway_url", r->resume_gateway_url);
    out_key(o, "application");
    out_object(o);
    out_field_id(o, "id", r->application_id);
    out_field_int(o, "flags", 0);
    out_object_end(o);
    out_field_empty_list(o, "private_channels");
    if (r->shard_count) {
        out_key(o, "shard");
        out_list(o);
        out_int(o, r->shard_id);
        out_int(o, r->shard_count);
        out_list_end(o);
    }
    out_key(o, "relationships");
    out_list(o);
    for (size_t i = 0; i < r->relation_count; i++)
        object_relation(o, &r->relations[i]);
    out_list_end(o);
    out_key(o, "presences");
    out_list(o);
    for (size_t i = 0; i < r->presence_count; i++)
        object_presence(o, &r->presences[i]);
    out_list_end(o);
    out_field_empty_list(o, "geo_ordered_rtc_regions");
    out_object_end(o);
    dispatch_end(o);
}

/* The lists of GUILD_CREATE that hold people: members, voice states, presences. */
static void guild_people(struct json_out *o, const struct guild_view *g)
{
    out_key(o, "members");
    out_list(o);
    for (size_t i = 0; i < g->member_listed; i++)
        object_member(o, g->members[i].member, g->members[i].user);
    out_list_end(o);
    out_key(o, "voice_states");
    out_list(o);
    for (size_t i = 0; i < g->voice_state_count; i++) {
        struct voice_state v = g->voice_states[i];
        v.guild_id = 0; /* implied */
        object_voice_state(o, &v, NULL);
    }
    out_list_end(o);
    out_key(o, "presences");
    out_list(o);
    for (size_t i = 0; i < g->presence_count; i++)
        object_presence(o, &g->presences[i]);
    out_list_end(o);
}

void dispatch_guild_create(struct json_out *o, const struct guild_view *g)
{
    dispatch_begin(o, "GUILD_CREATE");
    object_guild_open(o, g->guild, g->roles, g->role_count);
    out_field_time(o, "joined_at", g->joined_at_ms);
    out_field_bool(o, "large", g->large);
    out_field_bool(o, "unavailable", false);
    out_field_int(o, "member_count", (int64_t)g->member_count);
    out_key(o, "channels");
    out_list(o);
    for (size_t i = 0; i < g->channel_count; i++)
        object_channel(o, g->channels[i]);
    out_list_end(o);
    guild_people(o, g);
    out_field_empty_list(o, "threads");
    out_field_empty_list(o, "stage_instances");
    out_field_empty_list(o, "guild_scheduled_events");
    out_field_empty_list(o, "soundboard_sounds");
    out_object_end(o);
    dispatch_end(o);
}
