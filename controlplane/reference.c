/*
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/reference.h"

#include "controlplane/protocol/opcodes.h"
#include "controlplane/rest/rest.h"

static void opcodes(FILE *to)
{
#define ROW(name, number, direction, text)                                                                   \
    fprintf(to, "| %d | %s | %s | %s |\n", number, #name, direction, text);
    fputs("Gateway v10:\n\n| Op | Name | Direction | |\n|---|---|---|---|\n", to);
    GATEWAY_OPCODE_LIST(ROW)
    fputs("\nVoice gateway v4 to v8:\n\n| Op | Name | Direction | |\n|---|---|---|---|\n", to);
    VOICE_OPCODE_LIST(ROW)
#undef ROW
}

static void close_codes(FILE *to)
{
#define ITEM(name, number, text) fprintf(to, " %d %s;", number, text);
    fputs("\nClose codes of the gateway:", to);
    GATEWAY_CLOSE_LIST(ITEM)
    fputs("\n\nClose codes of the voice gateway:", to);
    VOICE_CLOSE_LIST(ITEM)
#undef ITEM
    fputs("\n", to);
}

static void routes(FILE *to)
{
    struct rest_route_text t;
    fputs("\n| Route, under `/api/v10` | Permission | Limit | |\n|---|---|---|---|\n", to);
    for (size_t i = 0; rest_route_at(i, &t); i++)
        fprintf(to, "| `%s %s` | %s | %s | %s |\n", t.method, t.pattern, t.permission, t.bucket, t.text);
}

void reference_print(FILE *to)
{
    opcodes(to);
    close_codes(to);
    routes(to);
}
