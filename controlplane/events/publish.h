/*
 * Publishing: an event written once and pointed at for everybody who is to have it, and the effects of what
 * has become durable.
 *
 * Exactly once: control_effect counts the effects of an outbox row in the region, in the transaction that
 * carries each out; a restarted process is given the row again and passes over those.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_PUBLISH_H
#define VOXPOP_PUBLISH_H

#include "controlplane/sessions/control.h"

struct publication {
    uint32_t intents;           /* bits a session needs one of; 0: none */
    uint64_t view_channel;      /* only who sees it; 0: all of the guild */
    uint64_t hide_channel;      /* but not who sees this one; 0: nobody */
    uint32_t except_session;    /* SESSION_NONE: nobody */
    uint64_t always_user;       /* has it whatever his intents; 0: nobody */
    const uint64_t *exceptions; /* users who get the full text */
    size_t exception_count;
    const char *text;
    size_t length;
    const char *redacted; /* NULL: none */
    size_t redacted_length;
    bool direct; /* to a user: his shard 0 alone hears of direct messages */
};

/* To the guild's audience. */
void publish_guild(struct control *c, uint64_t guild_id, const struct publication *p);
/* To the watchers of a topic that is no guild's. */
void publish_topic(struct control *c, uint32_t topic, uint64_t topic_id, bool deflate,
                   const struct json_out *text);
/* To one session, numbered, whatever its intents. */
void publish_session(struct control *c, uint32_t session, const struct json_out *text);
/* To every gateway session of a user that has one of the intents (0: all). */
void publish_user(struct control *c, uint64_t user_id, const struct publication *p);

#endif
