/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/guilds/invites.h"

#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

#define BASE  62u
#define CODES UINT64_C(839299365868340224) /* BASE ^ INVITE_CODE_LENGTH */

static const char digits[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

uint64_t invite_id_make(void)
{
    uint64_t id = 0;
    while (!id || id >= CODES) {
        if (RAND_bytes((unsigned char *)&id, sizeof id) != 1)
            abort();
        id &= (UINT64_C(1) << 60) - 1;
    }
    return id;
}

void invite_code_write(uint64_t id, char code[INVITE_CODE_MAX])
{
    for (size_t i = INVITE_CODE_LENGTH; i--; id /= BASE)
        code[i] = digits[id % BASE];
    code[INVITE_CODE_LENGTH] = 0;
}

bool invite_code_read(const char *code, size_t length, uint64_t *id)
{
    uint64_t value = 0;
    if (length != INVITE_CODE_LENGTH)
        return false;
    for (size_t i = 0; i < length; i++) {
        const char *at = code[i] ? strchr(digits, code[i]) : NULL;
        if (!at)
            return false;
        value = value * BASE + (uint64_t)(at - digits);
    }
    *id = value;
    return value != 0;
}
