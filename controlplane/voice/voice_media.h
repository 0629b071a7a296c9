/*
 * What voice_gateway.c and voice_media.c share.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_VOICE_MEDIA_H
#define VOXPOP_VOICE_MEDIA_H

#include "controlplane/protocol/opcodes.h"
#include "controlplane/voice/voice.h"

const char *voice_mode_name(uint8_t mode);

/* Closes with a code of reference/voice.md 7, and counts why. */
void voice_refuse(struct control *c, uint64_t connection, uint16_t code, enum drop_reason why,
                  const char *reason);
/* What c->out holds, to one connection. */
void voice_send(struct control *c, uint64_t connection);
/* Opens {"op":N,"d": for a message to one connection. */
struct json_out *voice_message_open(struct control *c, enum voice_opcode op);
/* Opens "op":N,"d": for an event; `{"seq":N,` goes in front. */
struct json_out *voice_event_open(struct control *c, enum voice_opcode op);

/* The address that this client reaches us at, if it is IPv4; else the configured one. */
void voice_our_ip(const struct control *c, uint64_t connection, char text[16]);

/* Op 11 with everybody who is there, op 5 for everybody who has ever spoken, to this slot. */
void voice_room_describe(struct control *c, uint32_t slot, const struct voice_room *r);

/* To the others: he is there. */
void voice_tell_joined(struct control *c, uint32_t slot, const struct voice_room *r);

/* Op 1 and op 5 of this slot's client. */
void voice_select(struct control *c, uint32_t slot, const json_t *d);
void voice_spoke(struct control *c, uint32_t slot, uint8_t flags);

#endif
