/*
 * Permission bits and the algorithm of reference/rest.md 8, over plain values: nothing here looks anything
 * up.
 *
 * permissions_base and permissions_in_channel compute what the client libraries compute; permissions_implied
 * then takes away what a missing permission makes meaningless, and is what every check uses.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_PERMISSIONS_H
#define VOXPOP_PERMISSIONS_H

#include "controlplane/protocol/object.h"

/* X(name, bit) */
#define PERMISSION_LIST(X)                                                                                   \
    X(CREATE_INSTANT_INVITE, 0)                                                                              \
    X(KICK_MEMBERS, 1)                                                                                       \
    X(BAN_MEMBERS, 2)                                                                                        \
    X(ADMINISTRATOR, 3)                                                                                      \
    X(MANAGE_CHANNELS, 4)                                                                                    \
    X(MANAGE_GUILD, 5)                                                                                       \
    X(ADD_REACTIONS, 6)                                                                                      \
    X(VIEW_AUDIT_LOG, 7)                                                                                     \
    X(PRIORITY_SPEAKER, 8)                                                                                   \
    X(STREAM, 9)                                                                                             \
    X(VIEW_CHANNEL, 10)                                                                                      \
    X(SEND_MESSAGES, 11)                                                                                     \
    X(SEND_TTS_MESSAGES, 12)                                                                                 \
    X(MANAGE_MESSAGES, 13)                                                                                   \
    X(EMBED_LINKS, 14)                                                                                       \
    X(ATTACH_FILES, 15)                                                                                      \
    X(READ_MESSAGE_HISTORY, 16)                                                                              \
    X(MENTION_EVERYONE, 17)                                                                                  \
    X(USE_EXTERNAL_EMOJIS, 18)                                                                               \
    X(CONNECT, 20)                                                                                           \
    X(SPEAK, 21)                                                                                             \
    X(MUTE_MEMBERS, 22)                                                                                      \
    X(DEAFEN_MEMBERS, 23)                                                                                    \
    X(MOVE_MEMBERS, 24)                                                                                      \
    X(USE_VAD, 25)                                                                                           \
    X(CHANGE_NICKNAME, 26)                                                                                   \
    X(MANAGE_NICKNAMES, 27)                                                                                  \
    X(MANAGE_ROLES, 28)                                                                                      \
    X(REQUEST_TO_SPEAK, 32)                                                                                  \
    X(SEND_MESSAGES_IN_THREADS, 38)                                                                          \
    X(MODERATE_MEMBERS, 40)

#define PERMISSION_ENUM(name, bit) PERM_##name = UINT64_C(1) << (bit),
enum permission { PERMISSION_LIST(PERMISSION_ENUM) };
#undef PERMISSION_ENUM

/* Every bit that a role may hold (the protocol defines bits 0-52 today). */
#define PERM_ALL ((UINT64_C(1) << 53) - 1)

/* What @everyone of a new guild may do. */
#define PERM_DEFAULT                                                                                         \
    (PERM_CREATE_INSTANT_INVITE | PERM_ADD_REACTIONS | PERM_STREAM | PERM_VIEW_CHANNEL |                     \
     PERM_SEND_MESSAGES | PERM_EMBED_LINKS | PERM_ATTACH_FILES | PERM_READ_MESSAGE_HISTORY |                 \
     PERM_USE_EXTERNAL_EMOJIS | PERM_CONNECT | PERM_SPEAK | PERM_USE_VAD | PERM_CHANGE_NICKNAME |            \
     PERM_REQUEST_TO_SPEAK | PERM_SEND_MESSAGES_IN_THREADS)

#define PERM_VOICE                                                                                           \
    (PERM_SPEAK | PERM_STREAM | PERM_USE_VAD | PERM_PRIORITY_SPEAKER | PERM_MUTE_MEMBERS |                   \
     PERM_DEAFEN_MEMBERS | PERM_MOVE_MEMBERS | PERM_REQUEST_TO_SPEAK)

/* What either of two may do in their direct messages. */
#define PERM_DIRECT                                                                                          \
    (PERM_VIEW_CHANNEL | PERM_SEND_MESSAGES | PERM_READ_MESSAGE_HISTORY | PERM_EMBED_LINKS |                 \
     PERM_ATTACH_FILES | PERM_ADD_REACTIONS | PERM_USE_EXTERNAL_EMOJIS)

/* A member in timeout keeps these alone. */
#define PERM_TIMEOUT (PERM_VIEW_CHANNEL | PERM_READ_MESSAGE_HISTORY)

/* In the guild: `granted` is @everyone's permissions OR those of all the member's roles. */
uint64_t permissions_base(bool owner, uint64_t granted);

/* In a channel, from `base`: the overwrites of @everyone (id == guild id), the member's roles and the member.
 */
uint64_t permissions_in_channel(uint64_t base, const struct channel *c, uint64_t guild_id,
                                const struct member *m);

/* Without VIEW_CHANNEL nothing counts, without CONNECT no voice permission, without SEND_MESSAGES no mention,
 * attachment, embed. */
uint64_t permissions_implied(uint64_t permissions);

/* Name of the lowest bit set, for the operator. */
const char *permission_name(uint64_t permission);

#endif
