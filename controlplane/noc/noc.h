/*
 * The management HTTP server: a thread in the control plane that shows the region.
 *
 *      /             the NOC page, with /noc.css and /noc.js
 *      /status.json  what `voxpop status --json` prints
 *      /pop.json     what does not change: name, region, addresses, texts of the drop reasons
 *      /metrics      Prometheus text
 *      /healthz      200 "ready" or 503 "not ready"
 *
 * Owns: its listening socket, on kernel networking and the management address only. Refuses: every method but
 * GET and HEAD (405), every other path (404). Reads the region and changes nothing.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_NOC_H
#define VOXPOP_NOC_H

#include "config/config.h"
#include "region.h"

struct noc;

/*
 * Starts serving. NULL: management.port is 0 (`why` empty), or it cannot (`why` says). `r` must stay attached
 * until noc_stop.
 */
struct noc *noc_start(const struct region *r, const struct config *c, char why[256]);

/* Ends the thread; NULL is allowed. */
void noc_stop(struct noc *n);

#endif
