/*
 * One REST request on its way through: what it named, who asked, what limits said, and how it is answered.
 * Private to this folder. A call lives until it is answered; rest_send and everything that calls it ends it.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_REST_CALL_H
#define VOXPOP_REST_CALL_H

#include "controlplane/guilds/actions.h"
#include "controlplane/messages/messages.h"
#include "controlplane/rest/limits.h"
#include "controlplane/rest/rest.h"

struct rest_call;
typedef void rest_handler(struct rest_call *c);

enum route_flags {
    ROUTE_OPEN = 1,    /* no authorization needed */
    ROUTE_BODY = 2,    /* takes a JSON object */
    ROUTE_CHANGES = 4, /* changes its guild: waits for a change under way */
    ROUTE_ONCE = 8,    /* a mutation: a repeated request key gets the recorded outcome */
    ROUTE_DIRECT = 16, /* also in direct messages, where both may do everything there is */
    ROUTE_LIST = 32,   /* takes a JSON array */
    ROUTE_FILES = 64   /* takes files beside the object */
};

struct route {
    enum rest_method method;
    const char *pattern; /* {channel} {guild} {message} {user} {role} {overwrite} {place} {attachment} {emoji}
                            {invite} {file} */
    uint64_t permission; /* in the channel, or in the guild */
    enum rest_bucket bucket;
    unsigned flags;
    rest_handler *handler;
    const char *text;
};

/* What the path's braces held. */
struct route_match {
    const struct route *route;
    uint64_t channel_id, guild_id, message_id, user_id, role_id, overwrite_id, attachment_id, place_id;
    char emoji[EMOJI_TEXT_MAX];
    char invite[INVITE_CODE_MAX + 1];
    bool channel_named, guild_named; /* by an id, which may be 0 */
    bool invite_named;
    bool bad_emoji;
    bool path_known; /* the path exists, with another method */
};

struct rest {
    struct model *m;
    struct rest_config config;
    struct limits *limits;
    struct json_out reply;      /* the HTTP response being built */
    struct rest_call *answered; /* to be freed */
};

struct rest_call {
    struct rest *rest;
    struct model *m;
    rest_done_fn *done;
    void *ctx;
    struct route_match match;
    struct request_key key;
    uint64_t user_id; /* who asks */
    bool keep_alive, done_called;
    struct rest_call *next;     /* among those answered */
    bool limited, limit_global; /* `limit` says something; of the limit on everything */
    struct limit_state limit;
    char *query;
    json_t *body; /* an object, or with ROUTE_LIST an array; empty when none was sent */
    char *reason; /* for the record; NULL: none */
    struct attachment *files;
    size_t file_count;

    /* Found by the border check; valid only until the call waits for the store. */
    struct channel *channel;
    struct guild_state *guild; /* NULL in direct messages */
    struct invite *invite;
    uint64_t permissions;
};

/* Finds the row of the table for "/channels/1/..." (behind /api/vN). */
bool route_find(enum rest_method method, const char *path, size_t length, struct route_match *match);

/* Answers, and the end of the call. */
void rest_send(struct rest_call *c, int status, const char *json);          /* json NULL: no body */
void rest_send_out(struct rest_call *c, int status, struct json_out *body); /* frees the writer */
void rest_error(struct rest_call *c, int status, int code, const char *message);
/* 400 50035 with one field to blame. */
void rest_invalid(struct rest_call *c, const char *field, const char *reason, const char *text);
void rest_store_failed(struct rest_call *c, enum store_status status);
/* 404 of an object: X(unknown channel) and so on. */
void rest_unknown(struct rest_call *c, int code);

/* Reads the body; false when it has answered. */
bool rest_read_body(struct rest_call *c, const struct rest_request *q);
/* True: something of this id is changing, and the call begins anew once it is not, or it has been answered.
 */
bool rest_wait(struct rest_call *c, uint64_t id);
/* The bytes of a file, which no browser will run. */
void rest_send_file(struct rest_call *c, const struct attachment *a);
/* Answers 429 when the limit is reached. */
bool rest_limited(struct rest_call *c, const struct limit_state *state, int code, const char *message);
uint64_t rest_online(const struct rest_call *c, uint64_t guild_id);

/* A mutation of the message in the path by the asker, answered when it is durable. */
struct store_op *rest_message_op(struct rest_call *c, enum store_verb verb);

/* Submits the operation, with the call's key when the route mutates; a full queue is answered 503. */
void rest_submit(struct rest_call *c, struct store_op *op);
/* Submits a change, whose recorded reply answers the call. */
void rest_commit(struct rest_call *c, struct change *change);
struct change *rest_change(struct rest_call *c);
/* The answer that an operation's outcome demands, for repeated requests: whatever the verb. */
void rest_replayed(struct rest_call *c, const struct store_op *op);
/* The message of a completed operation as the answer. */
void rest_send_message(struct rest_call *c, const struct message_view *v);

/* "limit" of the query, 1 to `max`; false when it has answered. */
bool query_limit(struct rest_call *c, uint64_t usual, uint64_t max, uint64_t *limit);
/* "true" or "1". */
bool query_flag(const struct rest_call *c, const char *key);
/* Decimal or text parameter of the query string; false when absent. */
bool query_text(const struct rest_call *c, const char *key, char *value, size_t size);
bool query_number(const struct rest_call *c, const char *key, uint64_t *value);

/*
 * Fields of the body. Each returns false when the field is there and wrong, after having answered: the
 * handler just returns. `given` (may be NULL) says whether it was there and not null.
 */
bool field_text(struct rest_call *c, const char *key, size_t min, size_t max, const char **value,
                bool *given);
bool field_int(struct rest_call *c, const char *key, int64_t min, int64_t max, int64_t *value, bool *given);
bool field_bool(struct rest_call *c, const char *key, bool *value, bool *given);
bool field_id(struct rest_call *c, const char *key, uint64_t *value, bool *given);
bool field_permissions(struct rest_call *c, const char *key, uint64_t *value, bool *given);
bool field_is_null(const struct rest_call *c, const char *key);

/* Is the user one whom the asker, by rank, may act upon? Answers if not. */
bool rest_outranks(struct rest_call *c, uint64_t user_id);

rest_handler rest_gateway, rest_gateway_bot, rest_voice_regions, rest_user_self, rest_user, rest_user_guilds,
    rest_application, rest_sticker_packs, rest_sounds;
rest_handler rest_relationships_get, rest_relationship_put, rest_relationship_delete;
rest_handler rest_channel_get, rest_channel_patch, rest_channel_delete, rest_overwrite_put,
    rest_overwrite_delete, rest_typing;
rest_handler rest_messages_get, rest_message_post, rest_message_get, rest_message_patch, rest_message_delete,
    rest_messages_delete, rest_message_pin, rest_message_unpin, rest_reaction_put, rest_reaction_delete,
    rest_reaction_delete_user, rest_reactions_get, rest_reactions_clear, rest_emoji_clear, rest_pins_get,
    rest_pins_get_old, rest_file;
rest_handler rest_guild_get, rest_guild_patch, rest_guild_channels, rest_guild_channel_post, rest_roles_get,
    rest_role_post, rest_role_patch, rest_role_delete, rest_guild_post, rest_guild_delete, rest_guild_preview,
    rest_role_get, rest_channels_patch, rest_roles_patch;
rest_handler rest_member_get, rest_members_get, rest_members_search, rest_member_patch,
    rest_member_self_patch, rest_member_delete, rest_member_role_put, rest_member_role_delete,
    rest_guild_leave;
rest_handler rest_bans_get, rest_ban_get, rest_ban_put, rest_ban_delete, rest_bans_post, rest_invite_post,
    rest_channel_invites, rest_guild_invites, rest_invite_get, rest_invite_join, rest_invite_delete,
    rest_direct_post;
rest_handler rest_voice_self_get, rest_voice_get, rest_voice_self_patch, rest_voice_patch;

#endif
