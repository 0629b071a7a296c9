/*
 * An operator's verb under way, and the verbs that have a file of their own. Private to this folder.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_ADMIN_VERB_H
#define VOXPOP_ADMIN_VERB_H

#include "controlplane/guilds/actions.h"
#include "controlplane/guilds/model_admin.h"

/* Kept until its change is durable; admin_finish, admin_fail and admin_commit end it. */
struct admin {
    struct model *m;
    const struct admin_verb *verb;
    json_t *args, *result;
    admin_done_fn *done;
    void *ctx;
    struct change *change; /* a verb that changes something submits this */
};

typedef void admin_run_fn(struct admin *a);

struct admin_verb {
    struct admin_verb_text text;
    admin_run_fn *run;
};

/* Answers with a->result. */
void admin_finish(struct admin *a);
void admin_fail(struct admin *a, const char *sentence);
/* Submits a->change; `result` is the answer once it is durable. */
void admin_commit(struct admin *a, json_t *result);

json_t *admin_id_json(uint64_t id);
/* An id argument: a string of digits, or a number; 0: none. */
uint64_t admin_id(const struct admin *a, const char *key);
/* A text argument that is not empty, or NULL. */
const char *admin_text(const struct admin *a, const char *key);
/* What arguments name; NULL when the verb has been answered and `a` is gone. */
uint64_t admin_guild_id(const struct admin *a);
struct guild_state *admin_guild(struct admin *a);
const struct user *admin_account(struct admin *a);
bool admin_name_fits(const char *name, size_t max);
/* The type of this name; text for NULL, -1 for none. */
int admin_channel_type(const char *name);
const char *admin_channel_type_name(enum channel_type type);
json_t *admin_overwrites(const struct channel *c);

admin_run_fn admin_guild_show, admin_guild_update, admin_channel_show, admin_channel_update, admin_role_take,
    admin_role_list, admin_role_show, admin_role_update, admin_role_delete; /* admin_guild.c */
admin_run_fn admin_guild_export, admin_guild_import;                        /* admin_export.c */
admin_run_fn admin_member_list, admin_member_show, admin_member_update, admin_member_ban, admin_member_unban,
    admin_member_bans, admin_invite_create, admin_invite_list, admin_invite_show,
    admin_invite_delete; /* admin_people.c */
admin_run_fn admin_message_list, admin_message_show, admin_message_send, admin_message_delete,
    admin_store_status; /* admin_messages.c */

#endif
