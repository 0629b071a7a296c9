/*
 * Calls in the world of the session tests: op 4 and its two answers, the voice gateway's handshake.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TESTS_CALL_H
#define VOXPOP_TESTS_CALL_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "controlplane/protocol/intents.h"
#include "controlplane/voice/voice.h"
#include "tests/unit/controlplane/sessions/world.h"

#define USUAL (INTENT_GUILDS | INTENT_GUILD_MESSAGES | INTENT_GUILD_VOICE_STATES)
#define ID(x) ((unsigned long long)(x))

/* What the main gateway tells for the voice gateway. */
struct ticket {
    char token[128], session_id[40];
};

struct call {
    struct client *gateway, *voice;
    struct ticket ticket;
    uint32_t ssrc, member;
    int port;
};

void begin(struct world **w);
void finish(struct world *w);
void op4(struct world *w, struct client *c, uint64_t channel, const char *mute);
/* VOICE_STATE_UPDATE, and then VOICE_SERVER_UPDATE. */
void expect_ticket(struct client *c, uint64_t channel, struct ticket *t);
struct client *voice_identify(struct world *w, uint32_t worker, unsigned who, const struct ticket *t,
                              uint8_t version);
uint32_t member_with(const struct world *w, uint32_t ssrc);
void discovered(struct world *w, uint32_t member, uint16_t port);
/* Logs in, joins and selects a protocol: everything read, but for what came on the voice gateway after op 4.
 */
struct call join(struct world *w, unsigned who, uint32_t worker, uint8_t version);

#endif
