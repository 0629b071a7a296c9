/*
 * Gateway intents (reference/gateway.md 7): the bits, and which of them lets an event through in a guild and
 * in a direct message. An event that is not listed is always delivered.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_INTENTS_H
#define VOXPOP_INTENTS_H

#include <stdbool.h>
#include <stdint.h>

/* X(name, bit, privileged) */
#define INTENT_LIST(X)                                                                                       \
    X(GUILDS, 0, 0)                                                                                          \
    X(GUILD_MEMBERS, 1, 1)                                                                                   \
    X(GUILD_MODERATION, 2, 0)                                                                                \
    X(GUILD_EXPRESSIONS, 3, 0)                                                                               \
    X(GUILD_INTEGRATIONS, 4, 0)                                                                              \
    X(GUILD_WEBHOOKS, 5, 0)                                                                                  \
    X(GUILD_INVITES, 6, 0)                                                                                   \
    X(GUILD_VOICE_STATES, 7, 0)                                                                              \
    X(GUILD_PRESENCES, 8, 1)                                                                                 \
    X(GUILD_MESSAGES, 9, 0)                                                                                  \
    X(GUILD_MESSAGE_REACTIONS, 10, 0)                                                                        \
    X(GUILD_MESSAGE_TYPING, 11, 0)                                                                           \
    X(DIRECT_MESSAGES, 12, 0)                                                                                \
    X(DIRECT_MESSAGE_REACTIONS, 13, 0)                                                                       \
    X(DIRECT_MESSAGE_TYPING, 14, 0)                                                                          \
    X(MESSAGE_CONTENT, 15, 1)                                                                                \
    X(GUILD_SCHEDULED_EVENTS, 16, 0)                                                                         \
    X(AUTO_MODERATION_CONFIGURATION, 20, 0)                                                                  \
    X(AUTO_MODERATION_EXECUTION, 21, 0)                                                                      \
    X(GUILD_MESSAGE_POLLS, 24, 0)                                                                            \
    X(DIRECT_MESSAGE_POLLS, 25, 0)

#define INTENT_ENUM(name, bit, privileged) INTENT_##name = 1u << (bit),
enum intent { INTENT_LIST(INTENT_ENUM) };
#undef INTENT_ENUM

#define INTENT_BIT(name, bit, privileged) | 1u << (bit)
#define INTENTS_KNOWN                     (0u INTENT_LIST(INTENT_BIT))
#define INTENTS_PRIVILEGED                (INTENT_GUILD_MEMBERS | INTENT_GUILD_PRESENCES | INTENT_MESSAGE_CONTENT)

/* X(event, intent in a guild, intent in a direct message) */
#define EVENT_INTENT_LIST(X)                                                                                 \
    X(GUILD_CREATE, INTENT_GUILDS, 0)                                                                        \
    X(GUILD_UPDATE, INTENT_GUILDS, 0)                                                                        \
    X(GUILD_DELETE, INTENT_GUILDS, 0)                                                                        \
    X(GUILD_ROLE_CREATE, INTENT_GUILDS, 0)                                                                   \
    X(GUILD_ROLE_UPDATE, INTENT_GUILDS, 0)                                                                   \
    X(GUILD_ROLE_DELETE, INTENT_GUILDS, 0)                                                                   \
    X(CHANNEL_CREATE, INTENT_GUILDS, 0)                                                                      \
    X(CHANNEL_UPDATE, INTENT_GUILDS, 0)                                                                      \
    X(CHANNEL_DELETE, INTENT_GUILDS, 0)                                                                      \
    X(CHANNEL_PINS_UPDATE, INTENT_GUILDS, INTENT_DIRECT_MESSAGES)                                            \
    X(GUILD_MEMBER_ADD, INTENT_GUILD_MEMBERS, 0)                                                             \
    X(GUILD_MEMBER_UPDATE, INTENT_GUILD_MEMBERS, 0)                                                          \
    X(GUILD_MEMBER_REMOVE, INTENT_GUILD_MEMBERS, 0)                                                          \
    X(GUILD_BAN_ADD, INTENT_GUILD_MODERATION, 0)                                                             \
    X(GUILD_BAN_REMOVE, INTENT_GUILD_MODERATION, 0)                                                          \
    X(INVITE_CREATE, INTENT_GUILD_INVITES, 0)                                                                \
    X(INVITE_DELETE, INTENT_GUILD_INVITES, 0)                                                                \
    X(VOICE_STATE_UPDATE, INTENT_GUILD_VOICE_STATES, 0)                                                      \
    X(PRESENCE_UPDATE, INTENT_GUILD_PRESENCES, 0)                                                            \
    X(MESSAGE_CREATE, INTENT_GUILD_MESSAGES, INTENT_DIRECT_MESSAGES)                                         \
    X(MESSAGE_UPDATE, INTENT_GUILD_MESSAGES, INTENT_DIRECT_MESSAGES)                                         \
    X(MESSAGE_DELETE, INTENT_GUILD_MESSAGES, INTENT_DIRECT_MESSAGES)                                         \
    X(MESSAGE_DELETE_BULK, INTENT_GUILD_MESSAGES, INTENT_DIRECT_MESSAGES)                                    \
    X(MESSAGE_REACTION_ADD, INTENT_GUILD_MESSAGE_REACTIONS, INTENT_DIRECT_MESSAGE_REACTIONS)                 \
    X(MESSAGE_REACTION_REMOVE, INTENT_GUILD_MESSAGE_REACTIONS, INTENT_DIRECT_MESSAGE_REACTIONS)              \
    X(MESSAGE_REACTION_REMOVE_ALL, INTENT_GUILD_MESSAGE_REACTIONS, INTENT_DIRECT_MESSAGE_REACTIONS)          \
    X(MESSAGE_REACTION_REMOVE_EMOJI, INTENT_GUILD_MESSAGE_REACTIONS, INTENT_DIRECT_MESSAGE_REACTIONS)        \
    X(TYPING_START, INTENT_GUILD_MESSAGE_TYPING, INTENT_DIRECT_MESSAGE_TYPING)

/* The bit a session must have asked for to get this event; 0: everybody gets it. */
uint32_t intent_of_event(const char *event, bool direct);

#endif
