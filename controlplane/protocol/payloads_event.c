/*
 * Dispatches of guilds, members, voice and typing (reference/gateway.md 6.7, 8.2, 9, 10, 11).
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/protocol/payloads.h"

void dispatch_begin(struct json_out *o, const char *event)
{
    json_out_reset(o);
    out_text(o, "\"op\":0,\"t\":\"");
    out_text(o, event);
    out_text(o, "\",\"d\":");
}

void dispatch_end(struct json_out *o)
{
    out_text(o, "}");
}

void dispatch_resumed(struct json_out *o)
{
    dispatch_begin(o, "RESUMED");
    out_raw(o, "{}");
    dispatch_end(o);
}

void dispatch_guild_update(struct json_out *o, const struct guild *g, const struct role *const *roles,
                           size_t count)
{
    dispatch_begin(o, "GUILD_UPDATE");
    object_guild(o, g, roles, count);
    dispatch_end(o);
}

void dispatch_guild_delete(struct json_out *o, uint64_t guild_id, bool unavailable)
{
    dispatch_begin(o, "GUILD_DELETE");
    out_object(o);
    out_field_id(o, "id", guild_id);
    if (unavailable)
        out_field_bool(o, "unavailable", true);
    out_object_end(o);
    dispatch_end(o);
}

void dispatch_guild_role(struct json_out *o, const char *event, const struct role *r)
{
    dispatch_begin(o, event);
    out_object(o);
    out_field_id(o, "guild_id", r->guild_id);
    out_key(o, "role");
    object_role(o, r);
    out_object_end(o);
    dispatch_end(o);
}

void dispatch_guild_role_delete(struct json_out *o, uint64_t guild_id, uint64_t role_id)
{
    dispatch_begin(o, "GUILD_ROLE_DELETE");
    out_object(o);
    out_field_id(o, "guild_id", guild_id);
    out_field_id(o, "role_id", role_id);
    out_object_end(o);
    dispatch_end(o);
}

void dispatch_channel(struct json_out *o, const char *event, const struct channel *c)
{
    dispatch_begin(o, event);
    object_channel(o, c);
    dispatch_end(o);
}

void dispatch_guild_member(struct json_out *o, const char *event, const struct member_ref *who)
{
    dispatch_begin(o, event);
    object_member(o, who->member, who->user);
    o->length--; /* the member's closing brace: one more field */
    out_field_id(o, "guild_id", who->member->guild_id);
    out_object_end(o);
    dispatch_end(o);
}

void dispatch_guild_member_remove(struct json_out *o, uint64_t guild_id, const struct user *u)
{
    dispatch_begin(o, "GUILD_MEMBER_REMOVE");
    out_object(o);
    out_field_id(o, "guild_id", guild_id);
    out_key(o, "user");
    object_user(o, u);
    out_object_end(o);
    dispatch_end(o);
}

void dispatch_guild_ban(struct json_out *o, const char *event, uint64_t guild_id, const struct user *u)
{
    dispatch_begin(o, event);
    out_object(o);
    out_field_id(o, "guild_id", guild_id);
    out_key(o, "user");
    object_user(o, u);
    out_object_end(o);
    dispatch_end(o);
}

void dispatch_invite_create(struct json_out *o, const struct invite *i, const char *code,
                            const struct user *inviter)
{
    dispatch_begin(o, "INVITE_CREATE");
    out_object(o);
    out_field_id(o, "channel_id", i->channel_id);
    out_field_id(o, "guild_id", i->guild_id);
    out_field_string(o, "code", code);
    out_field_time(o, "created_at", i->created_ms);
    if (inviter) {
        out_key(o, "inviter");
        object_user(o, inviter);
    }
    out_field_int(o, "max_age", i->max_age_s);
    out_field_int(o, "max_uses", i->max_uses);
    out_field_bool(o, "temporary", i->temporary);
    out_field_int(o, "uses", i->uses);
    out_field_int(o, "type", 0);
    out_field_time_or_null(o, "expires_at", i->max_age_s ? i->created_ms + INT64_C(1000) * i->max_age_s : 0);
    out_object_end(o);
    dispatch_end(o);
}

void dispatch_invite_delete(struct json_out *o, const struct invite *i, const char *code)
{
    dispatch_begin(o, "INVITE_DELETE");
    out_object(o);
    out_field_id(o, "channel_id", i->channel_id);
    out_field_id(o, "guild_id", i->guild_id);
    out_field_string(o, "code", code);
    out_object_end(o);
    dispatch_end(o);
}

void dispatch_guild_members_chunk(struct json_out *o, uint64_t guild_id, const struct member_ref *members,
                                  size_t count, uint32_t chunk_index, uint32_t chunk_count, const char *nonce)
{
    dispatch_begin(o, "GUILD_MEMBERS_CHUNK");
    out_object(o);
    out_field_id(o, "guild_id", guild_id);
    out_key(o, "members");
    out_list(o);
    for (size_t i = 0; i < count; i++)
        object_member(o, members[i].member, members[i].user);
    out_list_end(o);
    out_field_int(o, "chunk_index", chunk_index);
    out_field_int(o, "chunk_count", chunk_count);
    if (nonce)
        out_field_string(o, "nonce", nonce);
    out_object_end(o);
    dispatch_end(o);
}

void dispatch_voice_state_update(struct json_out *o, const struct voice_state *v,
                                 const struct member_ref *who)
{
    dispatch_begin(o, "VOICE_STATE_UPDATE");
    object_voice_state(o, v, who);
    dispatch_end(o);
}

void dispatch_voice_server_update(struct json_out *o, uint64_t guild_id, const char *token,
                                  const char *endpoint)
{
    dispatch_begin(o, "VOICE_SERVER_UPDATE");
    out_object(o);
    out_field_string(o, "token", token);
    out_field_id(o, "guild_id", guild_id);
    out_field_string(o, "endpoint", endpoint);
    out_object_end(o);
    dispatch_end(o);
}

void dispatch_typing_start(struct json_out *o, uint64_t channel_id, uint64_t guild_id, uint64_t user_id,
                           const struct member_ref *who, int64_t unix_s)
{
    dispatch_begin(o, "TYPING_START");
    out_object(o);
    out_field_id(o, "channel_id", channel_id);
    if (guild_id)
        out_field_id(o, "guild_id", guild_id);
    out_field_id(o, "user_id", user_id);
    out_field_int(o, "timestamp", unix_s);
    if (who) {
        out_key(o, "member");
        object_member(o, who->member, who->user);
    }
    out_object_end(o);
    dispatch_end(o);
}
