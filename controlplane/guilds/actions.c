/*
 * Actions on accounts and guilds: rows, events, replies.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/guilds/actions.h"

#include <stdlib.h>
#include <string.h>

static void effect_for(struct change *c, enum effect_kind kind, uint64_t guild_id, uint64_t channel_id,
                       uint64_t user_id)
{
    struct effect e = {.kind = kind, .guild_id = guild_id, .channel_id = channel_id, .user_id = user_id};
    change_effect(c, &e);
}

uint64_t action_account_create(struct change *c, struct model *m, const char *username, bool bot)
{
    struct store_row *r = change_row(c, ROW_USER);
    r->user =
        (struct user){.id = snowflake_next(&m->ids, m->now_ms), .username = text_copy(username), .bot = bot};
    return r->user.id;
}

void action_token_create(struct change *c, struct model *m, uint64_t user_id, char *text)
{
    struct store_row *r = change_row(c, ROW_TOKEN);
    token_make(m->token_key, user_id, text);
    r->token = (struct token){.user_id = user_id, .created_ms = m->now_ms};
    token_hash(text, strlen(text), r->token.hash);
}

void action_tokens_revoke(struct change *c, uint64_t user_id)
{
    struct store_row *r = change_row(c, ROW_TOKEN);
    r->remove = true;
    r->token.user_id = user_id;
    effect_for(c, EFFECT_ACCOUNT_REVOKED, 0, 0, user_id);
}

static uint64_t guild_channel(struct change *c, struct model *m, uint64_t guild_id, enum channel_type type,
                              const char *name)
{
    struct store_row *r = change_row(c, ROW_CHANNEL);
    r->channel = (struct channel){.id = snowflake_next(&m->ids, m->now_ms),
                                  .guild_id = guild_id,
                                  .type = (uint8_t)type,
                                  .name = text_copy(name),
                                  .bitrate = type == CHANNEL_VOICE ? 64000 : 0};
    return r->channel.id;
}

static void guild_member(struct change *c, struct model *m, uint64_t guild_id, uint64_t user_id,
                         bool temporary)
{
    change_row(c, ROW_MEMBER)->member = (struct member){
        .guild_id = guild_id, .user_id = user_id, .joined_at_ms = m->now_ms, .temporary = temporary};
    effect_for(c, EFFECT_GUILD_JOINED, guild_id, 0, user_id);
}

struct guild_created action_guild_create(struct change *c, struct model *m, uint64_t id, const char *name,
                                         uint64_t owner_id)
{
    struct store_row *r = change_row(c, ROW_GUILD);
    struct guild_created g = {.guild_id = id};
    r->guild = (struct guild){.id = id, .owner_id = owner_id, .name = text_copy(name), .afk_timeout = 300};
    change_row(c, ROW_ROLE)->role =
        (struct role){.id = id, .guild_id = id, .name = text_copy("@everyone"), .permissions = PERM_DEFAULT};
    g.text_channel_id = guild_channel(c, m, id, CHANNEL_TEXT, "general");
    g.voice_channel_id = guild_channel(c, m, id, CHANNEL_VOICE, "General");
    guild_member(c, m, id, owner_id, false);
    return g;
}

void action_guild_delete(struct change *c, const struct guild_state *g)
{
    struct store_row *r = change_row(c, ROW_GUILD);
    struct json_out body = {0};
    r->remove = true;
    r->guild.id = g->row.id;
    dispatch_guild_delete(&body, g->row.id, false);
    change_event(c, "GUILD_DELETE", 0, &body);
    effect_for(c, EFFECT_GUILD_DELETED, g->row.id, 0, 0);
    json_out_free(&body);
}

void action_guild_update(struct change *c, const struct guild_state *g, const struct guild *now)
{
    struct json_out body = {0};
    guild_copy(&change_row(c, ROW_GUILD)->guild, now);
    dispatch_guild_update(&body, now, (const struct role *const *)g->roles, g->role_count);
    change_event(c, "GUILD_UPDATE", 0, &body);
    json_out_reset(&body);
    object_guild(&body, now, (const struct role *const *)g->roles, g->role_count);
    char *reply = json_out_take(&body);
    change_reply(c, 200, reply);
    if (now->owner_id != g->row.owner_id)
        effect_for(c, EFFECT_PERMISSIONS_CHANGED, g->row.id, 0, 0);
    free(reply);
}

static void channel_put(struct change *c, const char *event, const struct channel *now, bool made)
{
    struct json_out body = {0};
    channel_copy(&change_row(c, ROW_CHANNEL)->channel, now);
    effect_for(c, made ? EFFECT_CHANNEL_MADE : EFFECT_PERMISSIONS_CHANGED, now->guild_id, now->id, 0);
    dispatch_channel(&body, event, now);
    change_event(c, event, now->id, &body);
    json_out_reset(&body);
    object_channel(&body, now);
    char *reply = json_out_take(&body);
    change_reply(c, made ? 201 : 200, reply);
    free(reply);
}

void action_channel_create(struct change *c, const struct channel *now)
{
    channel_put(c, "CHANNEL_CREATE", now, true);
}

void action_channel_update(struct change *c, const struct channel *now)
{
    channel_put(c, "CHANNEL_UPDATE", now, false);
}

void action_channel_delete(struct change *c, const struct guild_state *g, const struct channel *was)
{
    struct json_out body = {0};
    struct store_row *r = change_row(c, ROW_CHANNEL);
    r->remove = true;
    r->channel.id = was->id;
    r->channel.guild_id = was->guild_id;
    dispatch_channel(&body, "CHANNEL_DELETE", was);
    change_event(c, "CHANNEL_DELETE", was->id, &body); /* while it is known who saw it */
    effect_for(c, EFFECT_CHANNEL_DELETED, was->guild_id, was->id, 0);
    for (size_t i = 0; i < g->channel_count; i++)
        if (g->channels[i]->parent_id == was->id) {
            struct channel child = *g->channels[i];
            child.parent_id = 0;
            channel_put(c, "CHANNEL_UPDATE", &child, false);
        }
    json_out_reset(&body);
    object_channel(&body, was);
    char *reply = json_out_take(&body);
    change_reply(c, 200, reply);
    free(reply);
}

void action_channels_update(struct change *c, const struct channel *now, size_t count)
{
    for (size_t i = 0; i < count; i++)
        channel_put(c, "CHANNEL_UPDATE", &now[i], false);
    change_reply(c, 204, NULL);
}

static void role_put(struct change *c, const char *event, const struct role *now)
{
    struct json_out body = {0};
    role_copy(&change_row(c, ROW_ROLE)->role, now);
    effect_for(c, EFFECT_PERMISSIONS_CHANGED, now->guild_id, 0, 0);
    dispatch_guild_role(&body, event, now);
    change_event(c, event, 0, &body);
    json_out_reset(&body);
    object_role(&body, now);
    char *reply = json_out_take(&body);
    change_reply(c, 200, reply);
    free(reply);
}

void action_role_create(struct change *c, const struct role *now)
{
    role_put(c, "GUILD_ROLE_CREATE", now);
}

void action_role_update(struct change *c, const struct role *now)
{
    role_put(c, "GUILD_ROLE_UPDATE", now);
}

void action_roles_update(struct change *c, const struct role *now, size_t count)
{
    for (size_t i = 0; i < count; i++)
        role_put(c, "GUILD_ROLE_UPDATE", &now[i]);
    change_reply(c, 204, NULL);
}

void action_role_delete(struct change *c, uint64_t guild_id, uint64_t role_id)
{
    struct json_out body = {0};
    struct store_row *r = change_row(c, ROW_ROLE);
    r->remove = true;
    r->role.id = role_id;
    r->role.guild_id = guild_id;
    effect_for(c, EFFECT_PERMISSIONS_CHANGED, guild_id, 0, 0);
    dispatch_guild_role_delete(&body, guild_id, role_id);
    change_event(c, "GUILD_ROLE_DELETE", 0, &body);
    json_out_free(&body);
}

void action_member_join(struct change *c, struct model *m, uint64_t guild_id, uint64_t user_id,
                        bool temporary)
{
    struct json_out body = {0};
    guild_member(c, m, guild_id, user_id, temporary);
    struct member now = {.guild_id = guild_id, .user_id = user_id, .joined_at_ms = m->now_ms};
    struct member_ref who = {&now, model_user(m, user_id)};
    dispatch_guild_member(&body, "GUILD_MEMBER_ADD", &who);
    change_event(c, "GUILD_MEMBER_ADD", 0, &body);
    json_out_free(&body);
}

void action_member_leave(struct change *c, struct model *m, uint64_t guild_id, uint64_t user_id)
{
    struct json_out body = {0};
    struct store_row *r = change_row(c, ROW_MEMBER);
    r->remove = true;
    r->member.guild_id = guild_id;
    r->member.user_id = user_id;
    effect_for(c, EFFECT_GUILD_LEFT, guild_id, 0, user_id);
    dispatch_guild_member_remove(&body, guild_id, model_user(m, user_id));
    change_event(c, "GUILD_MEMBER_REMOVE", 0, &body);
    json_out_free(&body);
}

void action_member_update(struct change *c, struct model *m, const struct guild_state *g,
                          const struct member *now)
{
    const struct member *was = model_member(g, now->user_id);
    struct member_ref who = {now, model_user(m, now->user_id)};
    struct json_out body = {0};
    struct member *row = &change_row(c, ROW_MEMBER)->member;
    member_copy(row, now);
    row->temporary = now->temporary && !now->role_count; /* with a role one stays */
    effect_for(c, EFFECT_PERMISSIONS_CHANGED, g->row.id, 0, now->user_id);
    dispatch_guild_member(&body, "GUILD_MEMBER_UPDATE", &who);
    struct effect e = {.kind = EFFECT_EVENT,
                       .guild_id = g->row.id,
                       .topic = EFFECT_TO_GUILD,
                       .name = "GUILD_MEMBER_UPDATE",
                       .always_user = now->user_id,
                       .body = body.data,
                       .body_length = body.length};
    change_effect(c, &e);
    if (was && (was->mute != now->mute || was->deaf != now->deaf)) {
        struct effect v = {.kind = EFFECT_VOICE,
                           .guild_id = g->row.id,
                           .user_id = now->user_id,
                           .voice_set_mute = was->mute != now->mute,
                           .voice_mute = now->mute,
                           .voice_set_deaf = was->deaf != now->deaf,
                           .voice_deaf = now->deaf};
        change_effect(c, &v);
    }
    json_out_reset(&body);
    object_member(&body, now, who.user);
    char *reply = json_out_take(&body);
    change_reply(c, 200, reply);
    free(reply);
}
