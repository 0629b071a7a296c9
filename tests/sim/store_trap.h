/*
 * Kills this process at the n-th store into a piece of memory, by SIGKILL and before the store is carried out. Every store
 * instruction counts, whoever wrote the code: the memory is read-only, a fault counts, lets one instruction through, and closes the
 * memory again.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_STORE_TRAP_H
#define VOXPOP_STORE_TRAP_H

#include <stddef.h>
#include <stdint.h>

/* From now on stores to [memory, memory + size) count; the one numbered `fatal` (from 1) is never done. 0: none is fatal. */
void store_trap_arm(void *memory, size_t size, uint64_t fatal);

/*
 * From the next armed store on, `before` is called ahead of each with its number. What it sees in the memory is what a kill at this
 * store leaves there: all kills of a run can thus be had from one run.
 */
void store_trap_watch(void (*before)(uint64_t number));

/* Stores so far. */
uint64_t store_trap_count(void);

#endif
