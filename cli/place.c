/*
 * Finding the box; see place.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "cli/place.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "config/config.h"

#define SOCKET_FILE "control.sock" /* control.socket's default */
#define STORE_FILE  "voxpop.db"    /* control.store's default */

static int from_config(const char *file, struct place *p)
{
    struct config *c = malloc(sizeof *c);
    char *why = malloc(CONFIG_WHY_MAX);
    int code = EXIT_FAILED;
    if (!c || !why)
        fprintf(stderr, "voxpop: no memory\n");
    else if (!config_load(c, file, why))
        fprintf(stderr, "%s\n", why);
    else if (!config_path(c, CONFIG_REGION_FILE, p->region, sizeof p->region) ||
             !config_path(c, c->control.socket, p->socket, sizeof p->socket) ||
             !config_path(c, c->control.store, p->store, sizeof p->store))
        fprintf(stderr, "voxpop: pop.run_directory is too long\n");
    else
        code = EXIT_OK;
    free(c);
    free(why);
    return code;
}

static void from_directory(const char *directory, struct place *p)
{
    snprintf(p->region, sizeof p->region, "%s/" CONFIG_REGION_FILE, directory);
    snprintf(p->socket, sizeof p->socket, "%s/" SOCKET_FILE, directory);
    snprintf(p->store, sizeof p->store, "%s/" STORE_FILE, directory);
}

int place_find(const struct invocation *i, struct place *p)
{
    if (i->config_file && i->run_directory) {
        fprintf(stderr, "voxpop: --config and --run exclude each other\n");
        return EXIT_USAGE;
    }
    if (i->config_file)
        return from_config(i->config_file, p);
    from_directory(i->run_directory ? i->run_directory : "run", p);
    if (!i->run_directory && access(p->region, F_OK))
        from_directory("/run/voxpop", p);
    return EXIT_OK;
}

int place_store(const struct invocation *i, char path[512])
{
    struct place p;
    int code = place_find(i, &p);
    snprintf(path, 512, "%s", code ? "" : p.store);
    return code;
}

int place_attach(const struct invocation *i, struct region *r)
{
    struct place p;
    char why[256];
    int code = place_find(i, &p);
    if (code)
        return code;
    if (!region_attach(r, p.region, false, why)) {
        fprintf(stderr, "voxpop: %s\n", why);
        return EXIT_CANNOT_CONNECT;
    }
    return EXIT_OK;
}
