/*
 * REST requests: from the ring to the route table (rest/rest.h) and their answers back, each once. A request
 * is done in the transaction that sends its answer; until then a restart submits it again, under the same
 * key.
 *
 * An answer too long for one transaction is sent in several. If the process dies between them, the next one
 * cannot go on in the middle of a text that it would have to make anew: it closes that connection alone.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_REQUESTS_H
#define VOXPOP_REQUESTS_H

#include "controlplane/rest/limits.h"
#include "controlplane/rest/rest.h"
#include "controlplane/sessions/control.h"

struct asked;

struct requests {
    struct control *control;
    struct rest *rest;
    struct asked *pending; /* a list */
    struct limits *limits; /* of requests that are not REST's */
};

/* After control_open, before the first step. */
void requests_open(struct requests *q, struct control *c, struct rest *rest);
/* After rest_close: what is pending stays in the ring for the next life. */
void requests_close(struct requests *q);

#endif
