/*
 * SipHash-2-4 (Aumasson and Bernstein, 2012): a keyed 64-bit hash of short inputs, for sequence numbers (RFC
 * 6528) and for hash tables that strangers choose the keys of. Not a MAC for anything that leaves the box.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_BASE_SIPHASH_H
#define VOXPOP_BASE_SIPHASH_H

#include <stddef.h>
#include <stdint.h>

uint64_t siphash24(const uint8_t key[16], const void *data, size_t len);

#endif
