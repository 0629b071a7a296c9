/*
 * Effects: what the rest of the control plane has to do because something has become durable. Given on the
 * main thread, in outbox order; text is valid during the call only.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_EFFECT_H
#define VOXPOP_EFFECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum effect_kind {
    EFFECT_EVENT,        /* publish an event */
    EFFECT_GUILD_JOINED, /* user_id is now a member: send its sessions GUILD_CREATE, subscribe them, before
                            events follow */
    EFFECT_GUILD_LEFT,   /* user_id no longer is: send GUILD_DELETE, end its subscriptions and its voice state
                            there */
    EFFECT_GUILD_DELETED,       /* send GUILD_DELETE to every subscriber, end the topic */
    EFFECT_PERMISSIONS_CHANGED, /* who sees what in guild_id may differ: recompute classes, suppress in voice
                                 */
    EFFECT_CHANNEL_DELETED,     /* end voice in channel_id */
    EFFECT_VOICE,               /* a moderator's hand on user_id's voice state: what `voice_*` says */
    EFFECT_PUBLISHED,           /* the last of every outbox row: outbox_id is published, and may be set as
                                   outbox_published           in the transaction that published the effects before it */
    EFFECT_ACCOUNT_REVOKED,     /* user_id's tokens are void: close its sessions (4004) */
    EFFECT_CHANNEL_MADE,        /* channel_id is new: recompute classes; its CHANNEL_CREATE follows */
    EFFECT_FRIENDS              /* user_id and always_user are friends now: tell each the other's presence */
};

enum effect_topic { EFFECT_TO_GUILD, EFFECT_TO_USER };

struct effect {
    enum effect_kind kind;
    uint64_t outbox_id;
    uint64_t guild_id, channel_id, user_id;
    bool recovered; /* the process before this one made it durable: who saw what before is not known */

    /* EFFECT_EVENT */
    enum effect_topic topic;   /* EFFECT_TO_GUILD: guild_id. EFFECT_TO_USER: user_id */
    const char *name;          /* "MESSAGE_CREATE" */
    uint32_t intent;           /* the bit a session needs; 0: none */
    uint64_t view_channel;     /* only sessions that may VIEW_CHANNEL here; 0: all of the topic */
    uint64_t author_id;        /* its sessions get the full variant; 0: nobody's */
    const uint64_t *mentioned; /* and so do theirs */
    size_t mentioned_count;
    uint64_t always_user; /* delivered to this user's sessions whatever their intents (GUILD_MEMBER_UPDATE of
                             oneself); 0: none */
    const char *body;     /* "op":0,"t":...} shared part of the envelope */
    size_t body_length;
    const char *redacted; /* the variant without MESSAGE_CONTENT; NULL: the same for all */
    size_t redacted_length;

    /* EFFECT_VOICE */
    bool voice_set_mute, voice_mute;
    bool voice_set_deaf, voice_deaf;
    bool voice_set_suppress, voice_suppress;
    bool voice_set_request;
    uint64_t voice_request_ms; /* asks for the word since; 0: does not */
    bool voice_move;           /* to voice_channel_id; 0 disconnects */
    uint64_t voice_channel_id;
};

typedef void effect_fn(void *ctx, const struct effect *e);

#endif
