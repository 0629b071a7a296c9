/*
 * voxpop guild export|import: a guild as a file.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>

#include "cli/remote.h"
#include "cli/show.h"

int run_guild_export(const struct invocation *i)
{
    json_t *args = remote_arguments(i), *guild;
    int code = remote_call(i, "guild.export", args, &guild);
    json_decref(args);
    if (!guild)
        return code;
    if (i->operands < 2) {
        json_dumpf(guild, stdout, JSON_INDENT(2));
        putchar('\n');
    } else if (json_dump_file(guild, i->operand[1], JSON_INDENT(2)) != 0) {
        fprintf(stderr, "voxpop: %s cannot be written\n", i->operand[1]);
        code = EXIT_FAILED;
    }
    json_decref(guild);
    return code;
}

int run_guild_import(const struct invocation *i)
{
    json_error_t error;
    json_t *data = json_load_file(i->operand[0], 0, &error);
    if (!data) {
        fprintf(stderr, "voxpop: %s: line %d: %s\n", i->operand[0], error.line, error.text);
        return EXIT_FAILED;
    }
    json_t *args = json_pack("{s:o}", "data", data);
    const char *owner = invocation_option(i, "owner");
    if (owner)
        json_object_set_new(args, "owner", json_string(owner));
    json_t *result;
    int code = remote_call(i, "guild.import", args, &result);
    json_decref(args);
    return result ? show_value(i, result) : code;
}
