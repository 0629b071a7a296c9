/*
 * The main gateway, version 10 (reference/gateway.md): what a client's payload means and what is done about
 * it.
 *
 *      (connection) --op 2--> ONLINE --lost--> AWAY --op 6--> ONLINE
 *                                |               |
 *                                +--1000/1001----+--5 min--> (none)
 *
 * Identify is done in steps, as many guilds in one as fit (inputs.h); so is a request for members.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_GATEWAY_H
#define VOXPOP_GATEWAY_H

#include "controlplane/sessions/control.h"

#include <jansson.h>

void gateway_opened(struct control *c, const struct notice_open *n);
enum input_result gateway_message(struct control *c, uint64_t connection, const char *text, size_t length,
                                  uint64_t entry, uint64_t *cursor);
void gateway_closed(struct control *c, uint32_t session, const struct notice_closed *n);
void gateway_resume_failed(struct control *c, uint32_t session, uint64_t connection);

/* The session is over: its voice states, presence and subscriptions end; its connection is closed with `code`
 * (0: left alone). */
void gateway_end(struct control *c, uint32_t session, uint16_t code);

/* Refuses a connection: closes it with `code`, counts `why`. */
void gateway_refuse(struct control *c, uint64_t connection, uint16_t code, enum drop_reason why,
                    const char *reason);

/* Op 2 (identify.c), op 6 (resume.c), op 8 (members.c). */
enum input_result gateway_identify(struct control *c, uint64_t connection, const json_t *d, uint64_t *cursor);
void gateway_resume(struct control *c, uint64_t connection, const json_t *d);
enum input_result gateway_members(struct control *c, uint32_t session, const json_t *d, uint64_t entry,
                                  uint64_t *cursor);

/* The session has this connection now, and the client gets what follows `seq`; or it is lost and the client
 * told so. False: it would have to move from a worker that is still busy with what it was told before. */
bool gateway_go_on(struct control *c, uint32_t session, uint64_t connection, uint32_t seq);

/* Op 9 with `false`. */
void gateway_invalid_session(struct control *c, uint64_t connection);

#endif
