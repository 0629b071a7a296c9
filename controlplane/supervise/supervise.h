/*
 * The supervisor: makes the region, starts the dataplane and the control plane, starts either again when it
 * dies, and detaches what a killed dataplane left in the kernel.
 *
 * Owns: run/ (pid files that are always current), the region's life, and the decision when to restart. It
 * does not own the processes: they outlive it, and the next supervisor takes them over. Refuses: to run twice
 * in one run directory; to keep a region of another boot, build or geometry (it says so and starts cold).
 *
 * SIGTERM, SIGINT: both processes are told to end, waited for, and the region is removed. SIGHUP: the
 * configuration is checked and, if good, both processes are told to reload. Killed otherwise: everything
 * stays.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_SUPERVISE_H
#define VOXPOP_SUPERVISE_H

#include "config/config.h"

/* Runs until told to end. `file` is the configuration file that `c` came from. Returns an exit code. */
int supervise_run(const struct config *c, const char *file);

#endif
