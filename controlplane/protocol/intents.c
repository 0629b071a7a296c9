/*
 * The event's intent, from the table in intents.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/protocol/intents.h"

#include <stddef.h>
#include <string.h>

uint32_t intent_of_event(const char *event, bool direct)
{
    static const struct {
        const char *event;
        uint32_t guild, direct;
    } table[] = {
#define EVENT_ROW(event, guild, direct) {#event, guild, direct},
        EVENT_INTENT_LIST(EVENT_ROW)
#undef EVENT_ROW
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (!strcmp(table[i].event, event))
            return direct ? table[i].direct : table[i].guild;
    return 0;
}
