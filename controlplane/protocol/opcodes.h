/*
 * Opcodes and close codes of gateway v10 and voice gateway v8, each listed once with the text that README's
 * tables print. (reference/gateway.md 2 and 13, reference/voice.md.)
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_OPCODES_H
#define VOXPOP_OPCODES_H

/* X(name, number, direction, text) */
#define GATEWAY_OPCODE_LIST(X)                                                                               \
    X(DISPATCH, 0, "to client", "an event: READY, GUILD_CREATE, MESSAGE_CREATE ...")                         \
    X(HEARTBEAT, 1, "both", "answered with op 11 by the dataplane")                                          \
    X(IDENTIFY, 2, "from client", "logs in and starts a session")                                            \
    X(PRESENCE_UPDATE, 3, "from client", "sets status and activities")                                       \
    X(VOICE_STATE_UPDATE, 4, "from client", "joins, moves in or leaves voice")                               \
    X(VOICE_SERVER_PING, 5, "from client", "ignored")                                                        \
    X(RESUME, 6, "from client", "takes a session up again and replays what it missed")                       \
    X(RECONNECT, 7, "to client", "asks the client to connect anew and resume")                               \
    X(REQUEST_GUILD_MEMBERS, 8, "from client", "asks for members in chunks")                                 \
    X(INVALID_SESSION, 9, "to client", "the session is gone; d says whether it can be resumed")              \
    X(HELLO, 10, "to client", "the heartbeat interval, first on every connection")                           \
    X(HEARTBEAT_ACK, 11, "to client", "answer to op 1")                                                      \
    X(GUILD_SUBSCRIPTIONS, 14, "from client",                                                                \
      "user clients: ranges of a guild's member lists to be told of")                                        \
    X(REQUEST_SOUNDBOARD_SOUNDS, 31, "from client", "answered: no guild has any")                            \
    X(GUILD_SUBSCRIPTIONS_BULK, 37, "from client", "op 14 for several guilds")                               \
    X(REQUEST_CHANNEL_INFO, 43, "from client", "answered: no channel has a status")                          \
    X(QOS_HEARTBEAT, 40, "from client", "a heartbeat with measurements, answered like op 1")

/* X(name, number, text) */
#define GATEWAY_CLOSE_LIST(X)                                                                                \
    X(UNKNOWN_ERROR, 4000, "unknown error")                                                                  \
    X(UNKNOWN_OPCODE, 4001, "unknown opcode")                                                                \
    X(DECODE_ERROR, 4002, "payload not decodable or over 4096 bytes")                                        \
    X(NOT_AUTHENTICATED, 4003, "payload before identify")                                                    \
    X(AUTHENTICATION_FAILED, 4004, "wrong token")                                                            \
    X(ALREADY_AUTHENTICATED, 4005, "identified twice")                                                       \
    X(INVALID_SEQ, 4007, "resumed with a sequence number never sent")                                        \
    X(RATE_LIMITED, 4008, "payloads too fast")                                                               \
    X(SESSION_TIMED_OUT, 4009, "session timed out")                                                          \
    X(INVALID_SHARD, 4010, "invalid shard")                                                                  \
    X(SHARDING_REQUIRED, 4011, "too many guilds for one shard")                                              \
    X(INVALID_API_VERSION, 4012, "invalid API version")                                                      \
    X(INVALID_INTENTS, 4013, "unknown intent bits")                                                          \
    X(DISALLOWED_INTENTS, 4014, "privileged intent not allowed for this account")

/* X(name, number, direction, text) */
#define VOICE_OPCODE_LIST(X)                                                                                 \
    X(IDENTIFY, 0, "from client", "joins with the token of VOICE_SERVER_UPDATE")                             \
    X(SELECT_PROTOCOL, 1, "from client", "names address and encryption mode")                                \
    X(READY, 2, "to client", "SSRC, address, port and modes")                                                \
    X(HEARTBEAT, 3, "from client", "answered with op 6")                                                     \
    X(SESSION_DESCRIPTION, 4, "to client", "the key")                                                        \
    X(SPEAKING, 5, "both", "who speaks, and with which SSRC")                                                \
    X(HEARTBEAT_ACK, 6, "to client", "answer to op 3")                                                       \
    X(RESUME, 7, "from client", "takes a voice session up again")                                            \
    X(HELLO, 8, "to client", "the heartbeat interval")                                                       \
    X(RESUMED, 9, "to client", "answer to op 7")                                                             \
    X(CLIENTS_CONNECT, 11, "to client", "users now in the room")                                             \
    X(CLIENT_DISCONNECT, 13, "to client", "a user left the room")

/* X(name, number, text) */
#define VOICE_CLOSE_LIST(X)                                                                                  \
    X(UNKNOWN_OPCODE, 4001, "unknown opcode")                                                                \
    X(DECODE_ERROR, 4002, "payload not decodable")                                                           \
    X(NOT_AUTHENTICATED, 4003, "payload before identify")                                                    \
    X(AUTHENTICATION_FAILED, 4004, "wrong token")                                                            \
    X(ALREADY_AUTHENTICATED, 4005, "identified twice")                                                       \
    X(SESSION_INVALID, 4006, "session no longer valid")                                                      \
    X(SESSION_TIMEOUT, 4009, "session timed out")                                                            \
    X(SERVER_NOT_FOUND, 4011, "no such server")                                                              \
    X(UNKNOWN_PROTOCOL, 4012, "unknown protocol")                                                            \
    X(DISCONNECTED, 4014, "disconnected: channel deleted, kicked or moved")                                  \
    X(SERVER_CRASHED, 4015, "voice server crashed, resume")                                                  \
    X(UNKNOWN_MODE, 4016, "unknown encryption mode")                                                         \
    X(BAD_REQUEST, 4020, "bad request")                                                                      \
    X(RATE_LIMITED, 4021, "rate limit exceeded")

#define OPCODE_GATEWAY(name, number, direction, text) GATEWAY_OP_##name = number,
enum gateway_opcode { GATEWAY_OPCODE_LIST(OPCODE_GATEWAY) };
#undef OPCODE_GATEWAY
#define CLOSE_GATEWAY(name, number, text) GATEWAY_CLOSE_##name = number,
enum gateway_close { GATEWAY_CLOSE_LIST(CLOSE_GATEWAY) };
#undef CLOSE_GATEWAY
#define OPCODE_VOICE(name, number, direction, text) VOICE_OP_##name = number,
enum voice_opcode { VOICE_OPCODE_LIST(OPCODE_VOICE) };
#undef OPCODE_VOICE
#define CLOSE_VOICE(name, number, text) VOICE_CLOSE_##name = number,
enum voice_close { VOICE_CLOSE_LIST(CLOSE_VOICE) };
#undef CLOSE_VOICE

#endif
