/*
 * WHIP (RFC 9725) and WHEP (draft-ietf-wish-whep): a voice channel over plain HTTP, for publishers and
 * listeners that know nothing of the gateway.
 *
 *      POST    /whip/{channel}, /whep/{channel}        an offer; 201, Location, ETag and the answer
 *      PATCH   /whip/{channel}/{session}               trickled candidates (taken, not needed: 204); ICE
 * restart (200) DELETE  /whip/{channel}/{session}               the end of it OPTIONS of either what a page
 * of another origin may do
 *
 * The token is an account's, as for REST (`Bearer`); who comes is in the voice channel as everybody sees. One
 * voice state a user and guild: a second POST replaces the first; while the voice gateway has him, 409.
 * WHIP's offer must have a section to talk in, and may have some to hear with; WHEP's needs one to hear with,
 * and is never heard. Video gets port 0.
 *
 * Refuses, each by its status and counted: 400 no SDP, 401, 403, 404, 405 with Allow, 406 SDP without what we
 * need, 409, 412 and 428 of the ETag, 415 another type, 422 SDP of the wrong direction, 429, 503 with
 * Retry-After while there is no room. Every answer may be read by pages of any origin: nothing here goes by
 * cookies.
 *
 * Read first: RFC 9725 4, RFC 8840 8 and 9, reference/webrtc.md 2.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_WHIP_H
#define VOXPOP_WHIP_H

#include "controlplane/rest/limits.h"
#include "controlplane/sessions/control.h"

struct whip_text {
    const char *at;
    size_t length;
};

struct whip_request {
    uint8_t method; /* as struct notice_request has it */
    bool keep_alive;
    uint64_t connection;
    struct whip_text path, authorization, content_type, if_match, body;
};

/* Is this path one of ours? */
bool whip_is_for(const char *path, size_t length);

/* Carries it out, within the open transaction, and leaves the whole HTTP/1.1 response in c->out. Its status.
 */
int whip_answer(struct control *c, struct limits *limits, const struct whip_request *q);

#endif
