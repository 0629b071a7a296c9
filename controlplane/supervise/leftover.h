/*
 * What a killed dataplane leaves in the kernel: its XDP program, without which no next one starts.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_SUPERVISE_LEFTOVER_H
#define VOXPOP_SUPERVISE_LEFTOVER_H

#include "config/config.h"

/* Enters the configured network namespace for good (the calling process's). False, with a line: it cannot. */
bool leftover_enter_netns(const struct config *c);

/* Detaches our programs, and only ours, from the configured interfaces of the current network namespace. */
void leftover_detach(const struct config *c);

#endif
