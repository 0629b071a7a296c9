/*
 * The table of keys written as a configuration file; see print.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "config/print.h"

#include <string.h>

/* Opens the sections of `path` that `before` is not in. Returns the depth of the key itself. */
static int open_sections(FILE *to, const char *path, const char *before)
{
    int depth = 0;
    bool same = true;
    for (const char *dot; (dot = strchr(path, '.')); path = dot + 1, depth++) {
        size_t n = (size_t)(dot - path) + 1;
        same = same && strncmp(path, before, n) == 0;
        if (!same)
            fprintf(to, "%*s%.*s:\n", depth * 2, "", (int)n - 1, path);
        else
            before += n;
    }
    return depth;
}

void config_print_defaults(FILE *to, bool comments)
{
    const char *before = "";
    for (size_t i = 0; i < config_key_count; i++) {
        const struct config_key *k = &config_keys[i];
        char allowed[320];
        int depth = open_sections(to, k->path, before) * 2;
        const char *dot = strrchr(k->path, '.');
        before = k->path;
        if (comments) {
            config_key_allowed(k, allowed, sizeof allowed);
            fprintf(to, "%*s# %s\n", depth, "", k->text);
            fprintf(to, "%*s# %s%s%s; %s to change it\n", depth, "", *k->unit ? k->unit : "",
                    *k->unit ? "; " : "", allowed, k->reload ? "reload" : "restart");
        }
        fprintf(to, "%*s%s: %s\n", depth, "", dot ? dot + 1 : k->path, k->preset);
    }
}
