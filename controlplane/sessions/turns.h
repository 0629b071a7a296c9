/*
 * Whose turn it is. Sessions are begun and resumed at a bounded rate, so that a storm of those who lost their
 * connections leaves the control plane to those who never did.
 *
 *      op 6 --gateway.resumes_per_second-----> resumed
 *           --above it: waits, first come first served, up to two seconds' worth--> resumed
 *           --more than that--> later
 *      op 2 --gateway.identifies_per_second--> a session of its own
 *           --above it--> later
 *
 * "Later" is what every client takes as such and loses nothing by (reference/gateway.md 13): the connection
 * is kept silent for some seconds, which differ, and is then asked to come again (op 7), upon which the
 * client comes back with what it had, a session or none, and reports no error. Who does not go is closed with
 * 1012.
 *
 * Who waits is known to this process alone. Until when somebody may be waiting stands in the region
 * (control_area.turns_until_ms): the next life asks all who have no session to come again.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TURNS_H
#define VOXPOP_TURNS_H

#include "controlplane/sessions/control.h"

void turns_open(struct control *c);
void turns_close(struct control *c);
/* At start: a connection without a session, while somebody may have been waiting. */
void turns_forgotten(struct control *c, uint64_t connection);

/* Within a transaction, all of these. */

/* May one more session begin now? False: told later. */
bool turns_identify(struct control *c, uint64_t connection);
/* An authentic op 6 for this session: carried out now, or when its turn comes, or told later. */
void turns_resume(struct control *c, uint64_t connection, const uint8_t session_id[16], uint32_t seq);
/* DEADLINE_TURN. */
void turns_due(struct control *c);

void turns_later(struct control *c, uint64_t connection);
/* DEADLINE_HELD, DEADLINE_ASKED. */
void turns_held(struct control *c, uint64_t connection);
void turns_asked(struct control *c, uint64_t connection);

#endif
