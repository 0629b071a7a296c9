/*
 * The model: every account, guild, channel, role and member, in memory, exactly as durable as the store: a
 * change is applied when its commit is answered, never before. Used by the control plane's main thread alone.
 *
 * Queries are plain pointers into the model, valid until the next store_drain. Changes are built in change.h,
 * REST and the operator's tool share them; each yields effects (effect.h) for the publisher.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_MODEL_H
#define VOXPOP_MODEL_H

#include "controlplane/guilds/effect.h"
#include "controlplane/guilds/id_map.h"
#include "controlplane/guilds/invites.h"
#include "controlplane/protocol/permissions.h"
#include "controlplane/protocol/payloads.h"
#include "controlplane/protocol/snowflake.h"
#include "controlplane/store/store.h"

/* What an account is to another (reference: the protocol's relationship types). */
enum relationship { RELATION_NONE, RELATION_FRIEND, RELATION_BLOCKED, RELATION_INCOMING, RELATION_OUTGOING };

struct relation {
    uint64_t user_id;
    enum relationship type;
};

struct account {
    struct user user;
    uint32_t intents_allowed; /* privileged ones it may ask for */
    struct relation *relations;
    size_t relation_count;
    struct guild_state **guilds; /* those it is a member of */
    size_t guild_count;
    struct id_map dms; /* by the other's id: struct channel */
};

struct guild_state {
    struct guild row;
    struct role **roles; /* ascending by position, then id; @everyone first */
    size_t role_count;
    struct channel **channels; /* ascending by position, then id */
    size_t channel_count;
    struct id_map members; /* by user id: struct member */
    struct id_map bans;    /* by user id: struct ban */
    struct id_map invites; /* by id: struct invite, the model's */
};

struct model {
    struct store *store;
    struct snowflake ids;
    int64_t now_ms;             /* Unix time, told by the loop before it calls anything here */
    struct id_map accounts;     /* struct account */
    struct id_map guilds;       /* struct guild_state */
    struct id_map channels;     /* struct channel */
    struct id_map invites;      /* struct invite */
    struct id_map changing;     /* what has a change on its way to the disk: the next one waits (change.h) */
    const char *files_url;      /* where files are served, "https://198.18.0.1"; "" when not told */
    struct token_entry *tokens; /* open addressing by hash; tokens.c */
    size_t token_size, token_count;
    uint8_t token_key[32];        /* they are signed with it */
    bool tokens_unsigned;         /* some were made before there was a key */
    struct request_key *answered; /* requests whose outcome the last process recorded */
    size_t answered_count;
    struct change_wait *waiting; /* changes that wait for one under way in their guild; change.c */
    size_t waiting_count;
    effect_fn *sink; /* who carries effects out; NULL: nobody */
    void *sink_ctx;
};

/* Loads everything from the store, which it then owns; NULL when the store could not be read, with a sentence
 * in `error`. */
struct model *model_open(struct store *s, uint32_t worker, uint32_t process, int64_t now_ms, char *error,
                         size_t size);
void model_close(struct model *m);

const struct user *model_user(const struct model *m, uint64_t id);
const struct account *model_account(const struct model *m, uint64_t id);
struct guild_state *model_guild(const struct model *m, uint64_t id);
struct channel *model_channel(const struct model *m, uint64_t id);
struct member *model_member(const struct guild_state *g, uint64_t user_id);
struct role *model_role(const struct guild_state *g, uint64_t id);

/* What `other` is to the account. */
enum relationship model_relation(const struct account *a, uint64_t other);

/* The account a token belongs to, or NULL: a token whose signature is wrong is not looked up. A prefix "Bot "
 * or "Bearer " is passed over, whatever its case. */
const struct user *model_authenticate(const struct model *m, const char *token, size_t length);

/* The account's tokens, at most `max` of them; returns how many there are. */
size_t model_tokens(const struct model *m, uint64_t user_id, struct token *list, size_t max);

/* What this user may do in the channel (NULL: in the guild), implied denials and timeout included; 0 for
 * strangers. */
uint64_t model_permissions(const struct model *m, const struct guild_state *g, const struct channel *c,
                           uint64_t user_id);
/* The same for any channel, also of a direct message. */
uint64_t model_channel_permissions(const struct model *m, const struct channel *c, uint64_t user_id);
/* The direct message channel of two; NULL: none yet. */
struct channel *model_dm(const struct model *m, uint64_t a, uint64_t b);
bool channel_has_recipient(const struct channel *c, uint64_t user_id);
/* The invite of a code that still holds; NULL: none. */
struct invite *model_invite(const struct model *m, const char *code, size_t length);
/* The position of the user's highest role; the owner is above all. */
uint32_t model_rank(const struct guild_state *g, uint64_t user_id);

/* Member and user together; false when either is missing. */
bool model_member_ref(const struct model *m, const struct guild_state *g, uint64_t user_id,
                      struct member_ref *ref);

/* Was this request answered (or about to be) by the process before this one? Then STORE_REPLAY knows the
 * outcome. */
bool model_answered(const struct model *m, const struct request_key *k);

/* Fills everything of a MESSAGE_* payload that the model knows. `mentions` is allocated; free it. */
void model_message_full(const struct model *m, const struct message_view *v, struct message_full *full);

/* Rows as the store has them now. Puts copy. */
void model_put_user(struct model *m, const struct user *u);
void model_put_token(struct model *m, const struct token *t);
void model_put_guild(struct model *m, const struct guild *g);
void model_put_role(struct model *m, const struct role *r);
void model_put_channel(struct model *m, const struct channel *c);
void model_put_member(struct model *m, const struct member *mb);
void model_put_note(struct model *m, const struct note *n);
void model_remove_note(struct model *m, const struct note *n);
void model_put_ban(struct model *m, const struct ban *b);
void model_put_invite(struct model *m, const struct invite *i);
void model_remove_user(struct model *m, uint64_t id);
void model_remove_token(struct model *m, const struct token *t); /* hash all zero: every token of the user */
void model_remove_guild(struct model *m, uint64_t id);
void model_remove_role(struct model *m, uint64_t guild_id, uint64_t id);
void model_remove_channel(struct model *m, uint64_t id);
void model_remove_member(struct model *m, uint64_t guild_id, uint64_t user_id);
void model_remove_ban(struct model *m, uint64_t guild_id, uint64_t user_id);
void model_remove_invite(struct model *m, uint64_t id);
void model_apply(struct model *m, const struct store_row *r);
/* Frees a direct message channel that is in no map any more, and a guild likewise. */
void model_free_channel(struct channel *c);
void model_free_guild(struct model *m, struct guild_state *g);

#endif
