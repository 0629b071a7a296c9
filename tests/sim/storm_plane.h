/*
 * The control plane's live half for the storm simulation, in virtual time, on the region that the worker has.
 * A library of its own, as it is a process of its own: the two have functions of the same names.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_STORM_PLANE_H
#define VOXPOP_STORM_PLANE_H

#include "drop_reason.h"
#include "region.h"

/* With so many accounts in one guild, on a store in a directory of its own. */
void plane_open(struct region *r, uint64_t now_us, unsigned accounts);
void plane_close(void);

/* gateway.identifies_per_second, gateway.resumes_per_second */
void plane_pace(uint32_t identifies, uint32_t resumes);
/* Does what there is to do, up to a bound. */
void plane_turn(uint64_t now_us);
/* One message more to everybody in the guild: "storm 0", "storm 1" … */
void plane_say(void);

const char *plane_token(unsigned account);
uint32_t plane_said(void);
uint64_t plane_inputs(void);
uint64_t plane_resumed(void); /* sessions, so far */
uint32_t plane_sessions(void);
uint64_t plane_online(void); /* members of the guild, as others see them */
uint64_t plane_drops(enum drop_reason why);

#endif
