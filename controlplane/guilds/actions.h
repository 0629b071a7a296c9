/*
 * What can be done to accounts, guilds, channels, roles and members: each fills a change with rows, effects
 * and the reply body. The caller has checked who may; these check nothing but what would make the model
 * inconsistent. Used by REST and by the operator's tool alike.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_ACTIONS_H
#define VOXPOP_ACTIONS_H

#include "controlplane/guilds/change.h"
#include "controlplane/guilds/tokens.h"

/* A new account; its id. */
uint64_t action_account_create(struct change *c, struct model *m, const char *username, bool bot);
/* A new token of the account, written to `text` (TOKEN_TEXT_MAX), which is the only time it is seen. */
void action_token_create(struct change *c, struct model *m, uint64_t user_id, char *text);
void action_tokens_revoke(struct change *c, uint64_t user_id);

/* `type` is what `other` is to the account from here on; RELATION_NONE: nothing. Tells the account's
 * sessions. */
void action_relation(struct change *c, const struct account *a, const struct account *other,
                     enum relationship type);
/* Both at once; an operator's hand, or an accepted request. Each is told of the other's presence. */
void action_befriend(struct change *c, const struct account *a, const struct account *b);
void action_unfriend(struct change *c, const struct account *a, const struct account *b);
/* The privileged intents that the account may ask for. */
void action_account_intents(struct change *c, uint64_t user_id, uint32_t intents);

/* A new guild with @everyone, a text channel "general" and a voice channel "General"; the owner becomes a
 * member. */
struct guild_created {
    uint64_t guild_id, text_channel_id, voice_channel_id;
};
/* `id` is the change's guild_id, from model->ids. */
struct guild_created action_guild_create(struct change *c, struct model *m, uint64_t id, const char *name,
                                         uint64_t owner_id);
void action_guild_delete(struct change *c, const struct guild_state *g);
void action_guild_update(struct change *c, const struct guild_state *g, const struct guild *now);

/* `now` is the whole record as it is to be. */
void action_channel_create(struct change *c, const struct channel *now);
void action_channel_update(struct change *c, const struct channel *now);
void action_channel_delete(struct change *c, const struct guild_state *g, const struct channel *was);
void action_role_create(struct change *c, const struct role *now);
void action_role_update(struct change *c, const struct role *now);
/* Several at once: `now` are `count` whole records. The reply is 204, and the caller's to set anew. */
void action_channels_update(struct change *c, const struct channel *now, size_t count);
void action_roles_update(struct change *c, const struct role *now, size_t count);
void action_role_delete(struct change *c, uint64_t guild_id, uint64_t role_id);
/* `temporary`: leaves with the last session, unless given a role meanwhile. */
void action_member_join(struct change *c, struct model *m, uint64_t guild_id, uint64_t user_id,
                        bool temporary);
void action_member_leave(struct change *c, struct model *m, uint64_t guild_id, uint64_t user_id);
void action_member_update(struct change *c, struct model *m, const struct guild_state *g,
                          const struct member *now);

/* ---- actions_people.c ---- */

/* Out, if a member, and not in again. */
void action_ban(struct change *c, struct model *m, const struct guild_state *g, uint64_t user_id,
                const char *reason);
/* What they have said in the guild from this id on goes, and who saw it is told. */
void action_words_delete(struct change *c, uint64_t guild_id, uint64_t user_id, uint64_t since_id);
void action_unban(struct change *c, struct model *m, uint64_t guild_id, uint64_t user_id);
/* The reply is the invite. */
void action_invite_create(struct change *c, const struct model *m, const struct invite *i);
void action_invite_delete(struct change *c, const struct model *m, const struct invite *i);
/* Joins by the invite, which is used up by so much. */
void action_invite_use(struct change *c, struct model *m, const struct invite *i, uint64_t user_id);
/* The invite as REST shows it; counts: with how many are members and online (UINT64_MAX: without). */
void object_invite(struct json_out *o, const struct model *m, const struct invite *i, uint64_t online);
/* A direct message channel of two; the reply is as `asker` sees it. */
void action_direct_create(struct change *c, struct model *m, uint64_t asker, uint64_t other);
void object_direct(struct json_out *o, const struct model *m, const struct channel *c, uint64_t reader);

#endif
