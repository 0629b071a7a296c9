/*
 * Actions on who may be in a guild and how one gets there: bans, invites; and direct messages.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/guilds/actions.h"

#include <stdlib.h>

void action_ban(struct change *c, struct model *m, const struct guild_state *g, uint64_t user_id,
                const char *reason)
{
    struct json_out body = {0};
    change_row(c, ROW_BAN)->ban =
        (struct ban){.guild_id = g->row.id, .user_id = user_id, .reason = text_copy(reason)};
    if (model_member(g, user_id))
        action_member_leave(c, m, g->row.id, user_id);
    dispatch_guild_ban(&body, "GUILD_BAN_ADD", g->row.id, model_user(m, user_id));
    change_event(c, "GUILD_BAN_ADD", 0, &body);
    json_out_free(&body);
}

void action_words_delete(struct change *c, uint64_t guild_id, uint64_t user_id, uint64_t since_id)
{
    struct store_row *r = change_row(c, ROW_WORDS);
    r->remove = true;
    r->words = (struct words){guild_id, user_id, since_id};
}

void action_unban(struct change *c, struct model *m, uint64_t guild_id, uint64_t user_id)
{
    const struct user *u = model_user(m, user_id);
    struct json_out body = {0};
    struct store_row *r = change_row(c, ROW_BAN);
    r->remove = true;
    r->ban = (struct ban){.guild_id = guild_id, .user_id = user_id};
    if (!u)
        return;
    dispatch_guild_ban(&body, "GUILD_BAN_REMOVE", guild_id, u);
    change_event(c, "GUILD_BAN_REMOVE", 0, &body);
    json_out_free(&body);
}

static void invite_guild(struct json_out *o, const struct guild_state *g)
{
    out_key(o, "guild");
    out_object(o);
    out_field_id(o, "id", g->row.id);
    out_field_string(o, "name", g->row.name);
    out_field_string(o, "icon", g->row.icon);
    out_field_string(o, "description", g->row.description);
    out_field_null(o, "splash");
    out_field_null(o, "banner");
    out_field_empty_list(o, "features");
    out_field_int(o, "verification_level", 0);
    out_field_null(o, "vanity_url_code");
    out_field_int(o, "nsfw_level", 0);
    out_field_int(o, "premium_subscription_count", 0);
    out_object_end(o);
}

void object_invite(struct json_out *o, const struct model *m, const struct invite *i, uint64_t online)
{
    const struct guild_state *g = model_guild(m, i->guild_id);
    const struct channel *ch = model_channel(m, i->channel_id);
    const struct user *inviter = model_user(m, i->inviter_id);
    char code[INVITE_CODE_MAX];
    invite_code_write(i->id, code);
    out_object(o);
    out_field_int(o, "type", 0);
    out_field_string(o, "code", code);
    out_field_id(o, "guild_id", i->guild_id);
    if (g)
        invite_guild(o, g);
    if (ch) {
        out_key(o, "channel");
        out_object(o);
        out_field_id(o, "id", ch->id);
        out_field_string(o, "name", ch->name);
        out_field_int(o, "type", ch->type);
        out_object_end(o);
    }
    if (inviter) {
        out_key(o, "inviter");
        object_user(o, inviter);
    }
    out_field_int(o, "uses", i->uses);
    out_field_int(o, "max_uses", i->max_uses);
    out_field_int(o, "max_age", i->max_age_s);
    out_field_bool(o, "temporary", i->temporary);
    out_field_time(o, "created_at", i->created_ms);
    out_field_time_or_null(o, "expires_at", i->max_age_s ? i->created_ms + INT64_C(1000) * i->max_age_s : 0);
    if (g && online != UINT64_MAX) {
        out_field_int(o, "approximate_member_count", (int64_t)g->members.count);
        out_field_int(o, "approximate_presence_count", (int64_t)online);
    }
    out_object_end(o);
}

static void invite_reply(struct change *c, const struct model *m, const struct invite *i)
{
    struct json_out body = {0};
    object_invite(&body, m, i, UINT64_MAX);
    char *reply = json_out_take(&body);
    change_reply(c, 200, reply);
    free(reply);
}

void action_invite_create(struct change *c, const struct model *m, const struct invite *i)
{
    struct json_out body = {0};
    char code[INVITE_CODE_MAX];
    invite_code_write(i->id, code);
    change_row(c, ROW_INVITE)->invite = *i;
    dispatch_invite_create(&body, i, code, model_user(m, i->inviter_id));
    change_event(c, "INVITE_CREATE", i->channel_id, &body);
    json_out_free(&body);
    invite_reply(c, m, i);
}

void action_invite_delete(struct change *c, const struct model *m, const struct invite *i)
{
    struct json_out body = {0};
    char code[INVITE_CODE_MAX];
    struct store_row *r = change_row(c, ROW_INVITE);
    invite_code_write(i->id, code);
    r->remove = true;
    r->invite = *i;
    dispatch_invite_delete(&body, i, code);
    change_event(c, "INVITE_DELETE", i->channel_id, &body);
    json_out_free(&body);
    invite_reply(c, m, i);
}

void action_invite_use(struct change *c, struct model *m, const struct invite *i, uint64_t user_id)
{
    struct invite now = *i;
    now.uses++;
    if (now.max_uses && now.uses >= now.max_uses)
        action_invite_delete(c, m, i);
    else
        change_row(c, ROW_INVITE)->invite = now;
    action_member_join(c, m, i->guild_id, user_id, i->temporary);
    invite_reply(c, m, &now);
}

void object_direct(struct json_out *o, const struct model *m, const struct channel *c, uint64_t reader)
{
    object_direct_channel(o, c, model_user(m, c->recipients[c->recipients[0] == reader]));
}

void action_direct_create(struct change *c, struct model *m, uint64_t asker, uint64_t other)
{
    struct json_out body = {0};
    struct channel *now = &change_row(c, ROW_CHANNEL)->channel;
    *now = (struct channel){.id = snowflake_next(&m->ids, m->now_ms),
                            .type = CHANNEL_DM,
                            .recipients = {asker < other ? asker : other, asker < other ? other : asker}};
    for (size_t i = 0; i < 2; i++) {
        dispatch_begin(&body, "CHANNEL_CREATE");
        object_direct(&body, m, now, now->recipients[i]);
        dispatch_end(&body);
        change_user_event(c, "CHANNEL_CREATE", now->recipients[i], &body);
    }
    json_out_reset(&body);
    object_direct(&body, m, now, asker);
    char *reply = json_out_take(&body);
    change_reply(c, 200, reply);
    free(reply);
}
