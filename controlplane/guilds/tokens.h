/*
 * Making and hashing tokens. The text of a token exists in the answer to its creation and nowhere else.
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef VOXPOP_TOKENS_H
#define VOXPOP_TOKENS_H

#include "controlplane/guilds/model.h"
#include "token.h"

void token_make(const uint8_t key[TOKEN_KEY], uint64_t user_id, char text[TOKEN_TEXT_MAX]);
void token_hash(const char *token, size_t length, uint8_t hash[32]);

#endif
