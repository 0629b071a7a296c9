/*
 * Voice: who is in which voice channel (op 4 of the main gateway, moderators), and the voice gateway,
 * versions 4 to 8 (reference/voice.md). Media is the dataplane's: here are its keys, SSRCs and addresses
 * decided.
 *
 * A voice slot (session_control of kind VOICE) is one user's voice state in one guild:
 *
 *      (none) --op 4 join--> JOINED --voice op 0--> BOUND --socket lost--> AWAY --op 7--> BOUND
 *                               ^                     |                      |
 *                               +---- 60 s away, new token, socket ended ----+
 *      any --op 4 leave, gateway session over, kicked--> (none)
 *
 * JOINED   a token is out; no SSRC, no member.
 * BOUND    SSRC, member of a room, a voice session at the worker of the socket (slot.connection).
 * AWAY     as BOUND, without a socket.
 * `ready` in BOUND and AWAY: the session description was sent; others know of it.
 *
 * suppress: he is heard by nobody, because he may not speak there, is in the AFK channel, or in a stage
 * channel's audience. In a stage channel everybody begins in the audience; he asks for the word
 * (request_to_speak_ms), a moderator gives it or takes it.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_VOICE_H
#define VOXPOP_VOICE_H

#include "controlplane/sessions/control.h"

#include <jansson.h>

enum voice_slot_state { SLOT_JOINED = 0, SLOT_BOUND = 1 };
enum voice_slot_flag {                        /* in session_control.state */
                       SLOT_TOKEN_DUE = 0x80, /* a new token is owed and waits */
                       SLOT_AFK_DUE = 0x40    /* a deadline looks whether he still speaks */
};

#define SLOT_STATE(s) ((s)->state & 0x3fu)

/* From the region: slots of guilds, rooms, members. */
void voice_open(struct control *c);
void voice_close(struct control *c);

/* ---- voice states (voice_state.c) ---- */

/* d of op 4. */
struct voice_wish {
    uint64_t guild_id;
    uint64_t channel_id; /* 0: leave */
    bool self_mute, self_deaf, self_video;
};
/* Pure: false when it is not of the form of reference/gateway.md 10.1. */
bool voice_wish_parse(const json_t *d, struct voice_wish *out);

/* The user's slot in the guild, or SESSION_NONE. */
uint32_t voice_slot_of(const struct control *c, uint64_t guild_id, uint64_t user_id);
/* Op 4 of this gateway session. */
void voice_wish(struct control *c, uint32_t session, const struct voice_wish *w);
/*
 * WHIP and WHEP: a user comes into a channel without a gateway session. His voice state in the guild, if it
 * came about in the same way, ends; one of the voice gateway is in the way.
 */
enum voice_entry { ENTRY_DONE, ENTRY_UNKNOWN, ENTRY_DENIED, ENTRY_MAY_NOT_SPEAK, ENTRY_CONFLICT, ENTRY_FULL };
enum voice_entry voice_come(struct control *c, uint64_t user_id, uint64_t channel_id,
                            enum voice_signalling by, bool listens,
                            uint32_t *slot);
/* The gateway session that owns slots is in another slot now. */
void voice_owner_moved(struct control *c, uint32_t from, uint32_t generation, uint32_t to);
/* Ends the voice state: everybody is told, the socket closed with 4014. */
void voice_leave(struct control *c, uint32_t slot);
/* A moderator's hand (EFFECT_VOICE). */
void voice_moderate(struct control *c, const struct effect *e);
/* Permissions of a guild changed: who may not speak is suppressed, who may not be there leaves. */
void voice_permissions_changed(struct control *c, uint64_t guild_id);
/* All of a channel, or of a guild (channel_id 0), leaves. */
void voice_empty(struct control *c, uint64_t guild_id, uint64_t channel_id);
/* A token that had to wait (DEADLINE_TOKEN). */
void voice_token_due(struct control *c, uint32_t slot);

/* ---- quality (voice_quality.c) ---- */

/* From here on the slot's member is judged. */
void voice_quality_begin(struct control *c, uint32_t slot);
/* After a restart. */
void voice_quality_open(struct control *c, uint32_t slot);
/* DEADLINE_QUALITY. */
void voice_quality_due(struct control *c, uint32_t slot);

/* ---- voice sessions by HTTP (voice_http.c) ---- */

/* Whoever came by voice_come is a member of the room, of kind MEMBER_WEBRTC, from here on. False: there is no
 * room left. */
bool voice_http_bind(struct control *c, uint32_t slot);
/* DEADLINE_PEER: nobody but the dataplane knows whether his client is there still. */
void voice_http_due(struct control *c, uint32_t slot);
/* After a restart. */
void voice_http_watch(struct control *c, uint32_t slot);

/* ---- AFK (voice_afk.c) ---- */

/* He entered a channel of a guild with an AFK channel: whoever says nothing for afk_timeout is moved there.
 */
void voice_afk_watch(struct control *c, uint32_t slot);
/* DEADLINE_AFK. */
void voice_afk_due(struct control *c, uint32_t slot);
/* Into a channel from another, or from none: everybody is told, he gets a new token, what he was bound to
 * ends. */
void voice_enter(struct control *c, uint32_t slot, uint64_t channel_id, bool speak);

/* The state as payload builders take it; `id` holds the session id. */
void voice_state_of(const struct control *c, uint32_t slot, struct voice_state *v, char id[SESSION_ID_TEXT]);

/* ---- the voice gateway (voice_gateway.c) ---- */

void voice_opened(struct control *c, const struct notice_open *n);
void voice_message(struct control *c, uint64_t connection, const char *text, size_t length);
void voice_closed(struct control *c, uint32_t slot, const struct notice_closed *n);
void voice_resume_failed(struct control *c, uint32_t slot, uint64_t connection);
void voice_discovered(struct control *c, const struct notice_member *n);
void voice_heard(struct control *c, const struct notice_member *n);
void voice_exhausted(struct control *c, const struct notice_member *n);

/* The slot is another one now (session_move): everything that named it names that. */
void voice_slot_moved(struct control *c, uint32_t from, uint32_t to);

/* Ends the voice session of a slot, which is JOINED afterwards: others are told, its member removed, its
 * socket closed with `code` (0: left alone). */
void voice_unbind(struct control *c, uint32_t slot, uint16_t code);

/* ---- rooms and members (voice_room.c) ---- */

struct voice_room *voice_room_of(const struct control *c, uint64_t channel_id);
/* Into the channel's room, which has been made if there was none, at the worker with the fewest members; a
 * room with more than voice.members_per_core has a part at another worker, too. NULL: no worker has a room
 * and a member left. */
struct voice_room *voice_room_enter(struct control *c, uint32_t slot);
/* Out of its room, which ends when it was the last. */
void voice_room_leave(struct control *c, uint32_t slot);
/* The worker that a slot's member is at. */
uint32_t voice_worker_of(const struct control *c, uint32_t slot);
/* Tells that worker what the slot's member is: after any change of key, mode or flags. */
void voice_member_set(struct control *c, uint32_t slot);
void voice_member_bind(struct control *c, uint32_t slot, const uint8_t ip[16], uint16_t port);
/* The slot of the member of a notice, or SESSION_NONE when it is another one by now. */
uint32_t voice_slot_of_member(const struct control *c, const struct notice_member *n);
/* A text for everybody connected in the room but `except` (SESSION_NONE: nobody), numbered. */
void voice_room_publish(struct control *c, const struct voice_room *r, uint32_t except);

/* ---- bench (voice_bench.c) ---- */

/* Members with keys in a room of their own, without clients, for the load generator: {channel_id, members:
 * [{ssrc, key, port}]}, fewer than asked for when there is no room for more. NULL: for none. Within a
 * transaction, which it may cut. */
json_t *voice_bench_room(struct control *c, uint32_t members, uint32_t speakers);
/* Ends such a room; its members. */
uint32_t voice_bench_end(struct control *c, uint64_t channel_id);

#endif
