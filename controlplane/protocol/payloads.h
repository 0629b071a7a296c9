/*
 * Builders of every object and dispatch we send, field by field as reference/gateway.md 5, 6, 8, 10, 11 and
 * reference/rest.md 7 demand of servers whose clients are unmodified. They take plain records and write JSON;
 * they look nothing up.
 *
 * An object_* writes one JSON value. A dispatch_* appends the part of an event that all sessions share: the
 * text
 * `"op":0,"t":"NAME","d":{...}}`; the dataplane puts `{"s":N,` in front for each session. It resets its
 * writer first. Golden rule: arrays are [] and never null, optional objects are left out.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_PAYLOADS_H
#define VOXPOP_PAYLOADS_H

#include "controlplane/protocol/json_out.h"
#include "controlplane/protocol/object.h"

struct voice_state {
    uint64_t guild_id, channel_id, user_id; /* channel_id 0: left */
    const char *session_id;                 /* the gateway session's; kept when leaving */
    int64_t request_to_speak_ms;
    bool deaf, mute, self_deaf, self_mute, self_stream, self_video, suppress;
};

struct presence {
    uint64_t guild_id, user_id;
    const char *status;        /* online, idle, dnd or offline */
    const char *activities;    /* JSON array text; NULL: [] */
    const char *client_status; /* JSON object text; NULL: {} */
};

/* A member with the user it is. */
struct member_ref {
    const struct member *member;
    const struct user *user;
};

/* One account to another: type as the protocol numbers it. */
struct relation_view {
    const struct user *user;
    int type;
};

struct ready {
    const struct user *user;
    const char *session_id;
    const char *resume_gateway_url;
    uint64_t application_id;
    const uint64_t *guild_ids;
    size_t guild_count;
    uint32_t shard_id, shard_count;        /* count 0: the client named none */
    const struct relation_view *relations; /* of user accounts */
    size_t relation_count;
    const struct presence *presences; /* of friends */
    size_t presence_count;
};

/* What a guild looks like to one reader. The arrays hold what the reader may see. */
struct guild_view {
    const struct guild *guild;
    const struct role *const *roles;
    size_t role_count;
    const struct channel *const *channels;
    size_t channel_count;
    const struct member_ref *members;
    size_t member_listed;
    const struct voice_state *voice_states; /* the member of each must be among members */
    size_t voice_state_count;
    const struct presence *presences; /* without offline */
    size_t presence_count;
    uint64_t member_count;
    int64_t joined_at_ms;
    bool large;
};

/* A message with everyone it names. `mentions` are the users of message.mentions that exist. */
struct message_full {
    const struct message_view *view;
    const struct user *author;   /* NULL: an account that is gone */
    const struct member *member; /* the author's, for MESSAGE_CREATE; NULL leaves it out */
    const struct user *const *mentions;
    size_t mention_count;
    const struct user *referenced_author;
    uint64_t guild_id; /* 0: a direct message */
    uint8_t channel_type;
    const char *files_url; /* where files are served */
};

/* Around the `d` of an event that has no builder below. */
void dispatch_begin(struct json_out *o, const char *event);
void dispatch_end(struct json_out *o);

void object_user(struct json_out *o, const struct user *u);
/* The account itself, with the fields that only it sees. */
void object_self(struct json_out *o, const struct user *u);
void object_role(struct json_out *o, const struct role *r);
void object_channel(struct json_out *o, const struct channel *c);
/* A direct message channel as one of the two sees it: with the other. */
void object_direct_channel(struct json_out *o, const struct channel *c, const struct user *other);
/* With `user` when u is given. */
void object_member(struct json_out *o, const struct member *m, const struct user *u);
/* As REST returns it: without channels and members. */
void object_guild(struct json_out *o, const struct guild *g, const struct role *const *roles,
                  size_t role_count);
/* The same, left open for more fields; close with out_object_end. */
void object_guild_open(struct json_out *o, const struct guild *g, const struct role *const *roles,
                       size_t role_count);
void object_voice_state(struct json_out *o, const struct voice_state *v, const struct member_ref *who);
/* As REST returns it: without guild_id and member. */
void object_message(struct json_out *o, const struct message_full *m);
/* {id, name} of a reaction's emoji text. */
void object_emoji(struct json_out *o, const char *emoji);

void dispatch_ready(struct json_out *o, const struct ready *r);
void dispatch_resumed(struct json_out *o);
void dispatch_guild_create(struct json_out *o, const struct guild_view *g);
void dispatch_guild_update(struct json_out *o, const struct guild *g, const struct role *const *roles,
                           size_t count);
void dispatch_guild_delete(struct json_out *o, uint64_t guild_id, bool unavailable);
void dispatch_guild_role(struct json_out *o, const char *event, const struct role *r);
void dispatch_guild_role_delete(struct json_out *o, uint64_t guild_id, uint64_t role_id);
void dispatch_channel(struct json_out *o, const char *event, const struct channel *c);
/* GUILD_MEMBER_ADD or GUILD_MEMBER_UPDATE */
void dispatch_guild_member(struct json_out *o, const char *event, const struct member_ref *who);
void dispatch_guild_member_remove(struct json_out *o, uint64_t guild_id, const struct user *u);
void dispatch_guild_members_chunk(struct json_out *o, uint64_t guild_id, const struct member_ref *members,
                                  size_t count, uint32_t chunk_index, uint32_t chunk_count,
                                  const char *nonce);
void dispatch_voice_state_update(struct json_out *o, const struct voice_state *v,
                                 const struct member_ref *who);
/* endpoint: host[:port][/path] without a scheme, or NULL: gone, wait for another */
void dispatch_voice_server_update(struct json_out *o, uint64_t guild_id, const char *token,
                                  const char *endpoint);
void dispatch_presence_update(struct json_out *o, const struct presence *p);
/* {user, status, activities, client_status}, and guild_id unless it is 0 */
void object_presence(struct json_out *o, const struct presence *p);
void object_relation(struct json_out *o, const struct relation_view *r);
/* RELATIONSHIP_ADD, or RELATIONSHIP_REMOVE */
void dispatch_relationship(struct json_out *o, const char *event, const struct relation_view *r);
/* who: NULL outside a guild */
void dispatch_typing_start(struct json_out *o, uint64_t channel_id, uint64_t guild_id, uint64_t user_id,
                           const struct member_ref *who, int64_t unix_s);
/* MESSAGE_CREATE or MESSAGE_UPDATE; without content: what a session lacking MESSAGE_CONTENT gets */
void dispatch_message(struct json_out *o, const char *event, const struct message_full *m, bool with_content);
void dispatch_message_delete(struct json_out *o, uint64_t channel_id, uint64_t guild_id, uint64_t message_id);
void dispatch_message_delete_bulk(struct json_out *o, uint64_t channel_id, uint64_t guild_id,
                                  const uint64_t *ids, size_t count);
void dispatch_pins_update(struct json_out *o, const struct channel *c);
/* MESSAGE_REACTION_REMOVE_ALL, or with an emoji MESSAGE_REACTION_REMOVE_EMOJI */
void dispatch_reactions_clear(struct json_out *o, uint64_t channel_id, uint64_t guild_id, uint64_t message_id,
                              const char *emoji);
/* GUILD_BAN_ADD or GUILD_BAN_REMOVE */
void dispatch_guild_ban(struct json_out *o, const char *event, uint64_t guild_id, const struct user *u);
void dispatch_invite_create(struct json_out *o, const struct invite *i, const char *code,
                            const struct user *inviter);
void dispatch_invite_delete(struct json_out *o, const struct invite *i, const char *code);
/* MESSAGE_REACTION_ADD (who: in a guild) or MESSAGE_REACTION_REMOVE (who: NULL) */
void dispatch_message_reaction(struct json_out *o, const char *event, uint64_t channel_id, uint64_t guild_id,
                               uint64_t message_id, uint64_t message_author_id, uint64_t user_id,
                               const struct member_ref *who, const char *emoji);

#endif
