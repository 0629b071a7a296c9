/*
 * Codes of invites: ten digits of base 62, which are the invite's id.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_INVITES_H
#define VOXPOP_INVITES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define INVITE_CODE_LENGTH 10
#define INVITE_CODE_MAX    (INVITE_CODE_LENGTH + 1)

/* A new id, at random. */
uint64_t invite_id_make(void);
void invite_code_write(uint64_t id, char code[INVITE_CODE_MAX]);
/* False: not a code. */
bool invite_code_read(const char *code, size_t length, uint64_t *id);

#endif
