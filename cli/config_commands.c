/*
 * voxpop config check|defaults, voxpop supervise.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/show.h"
#include "config/config.h"
#include "config/print.h"
#include "controlplane/supervise/supervise.h"

int run_config_check(const struct invocation *i)
{
    struct config *c = malloc(sizeof *c);
    char why[CONFIG_WHY_MAX] = "no memory";
    bool good = c && config_load(c, i->operand[0], why);
    free(c);
    if (i->json) {
        json_t *errors = json_array();
        char *rest = why;
        for (char *line; !good && (line = strsep(&rest, "\n"));)
            json_array_append_new(errors, json_string(line));
        show_value(i, json_pack("{s:b, s:o}", "ok", good, "errors", errors));
    } else if (good) {
        printf("%s: good\n", i->operand[0]);
    } else {
        fprintf(stderr, "%s\n", why);
    }
    return good ? EXIT_OK : EXIT_FAILED;
}

int run_config_defaults(const struct invocation *i)
{
    if (!i->json) {
        config_print_defaults(stdout, true);
        return EXIT_OK;
    }
    json_t *list = json_array();
    for (size_t k = 0; k < config_key_count; k++) {
        const struct config_key *key = &config_keys[k];
        char allowed[320];
        config_key_allowed(key, allowed, sizeof allowed);
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "key", key->path, "default",
                                              strcmp(key->preset, "\"\"") == 0 ? "" : key->preset, "unit",
                                              key->unit, "allowed", allowed, "change",
                                              key->reload ? "reload" : "restart", "text", key->text));
    }
    return show_value(i, list);
}

int run_supervise(const struct invocation *i)
{
    char why[CONFIG_WHY_MAX];
    if (!i->config_file) {
        fprintf(stderr, "voxpop: supervise needs --config FILE\n");
        return EXIT_USAGE;
    }
    struct config *c = malloc(sizeof *c);
    int code = EXIT_FAILED;
    if (c && config_load(c, i->config_file, why))
        code = supervise_run(c, i->config_file);
    else
        fprintf(stderr, "%s\n", c ? why : "voxpop: no memory");
    free(c);
    return code;
}
