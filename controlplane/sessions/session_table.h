/*
 * The table of sessions: taking a slot and giving it back, and finding one by id, connection or user.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_SESSION_TABLE_H
#define VOXPOP_SESSION_TABLE_H

#include "controlplane/sessions/control.h"

/* From the region: every slot in use, its indices and its deadlines. */
void session_table_open(struct control *c);
void session_table_close(struct control *c);

/* A slot of this kind for this user, zeroed but for generation and stamp, with a random id that names the
 * box, to be bound at `worker` (SESSION_ANYWHERE: not known yet); SESSION_NONE: none left. */
#define SESSION_ANYWHERE UINT32_MAX
uint32_t session_take(struct control *c, enum session_kind kind, uint64_t user_id, uint32_t worker);
/* The session moves to another slot, with its id and all that it is, because another worker is to have it;
 * the old slot is given back, and VERB_SESSION_END for it is the caller's. SESSION_NONE: no slot left,
 * nothing has changed. */
uint32_t session_move(struct control *c, uint32_t session, uint32_t worker);
/* Gives it back; the caller has told the workers and everybody else. */
void session_give(struct control *c, uint32_t session);

/* The session that has this connection, or SESSION_NONE. */
uint32_t session_by_connection(const struct control *c, uint64_t connection);
/* By the id as clients write it (32 hex digits), gateway sessions only. */
uint32_t session_by_id_text(const struct control *c, const char *text);
uint32_t session_by_id(const struct control *c, const uint8_t id[16]);
/* The box that an id names; 0: it is no id. */
uint16_t session_id_box(const char *text);
void session_id_text(const struct session_control *s, char text[SESSION_ID_TEXT]);

/* for (i = session_first_of(c, user); i != SESSION_NONE; i = session_next_of(c, i)): all kinds. */
uint32_t session_first_of(const struct control *c, uint64_t user_id);
static inline uint32_t session_next_of(const struct control *c, uint32_t session)
{
    return c->user_links[session].next;
}

/* Is this connection one stream (zlib-stream)? */
static inline bool session_streams(const struct connection *n)
{
    return n && n->encoding == CONNECTION_DEFLATE;
}

/* As a worker is told them: enum session_flag. */
uint8_t session_flags(const struct session_control *s);

/* The session has this connection now (0: none). */
void session_connect(struct control *c, uint32_t session, uint64_t connection);

/* Name of a session that fits a deadline. */
static inline uint64_t session_subject(const struct control *c, uint32_t session)
{
    return (uint64_t)session_of(c, session)->generation << 32 | session;
}
/* The session of such a name, or SESSION_NONE when it is another one by now. */
uint32_t session_of_subject(const struct control *c, uint64_t subject);

#endif
