/*
 * Stands in for one of the two processes in the supervisor's tests: attaches the region, says that it is
 * ready, notes a SIGHUP, ends on SIGTERM; ends at once while the file "crash" is in the run directory.
 * STAND_IN is the process that it is.
 * SPDX-License-Identifier: Apache-2.0
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config/config.h"
#include "region.h"

static volatile sig_atomic_t hups, ended;

static void heard(int signal)
{
    if (signal == SIGHUP)
        hups = 1;
    else
        ended = 1;
}

static bool exists(const struct config *c, const char *name)
{
    char path[512];
    return config_path(c, name, path, sizeof path) && access(path, F_OK) == 0;
}

int main(int argc, char **argv)
{
    static struct config c;
    char why[CONFIG_WHY_MAX], path[512];
    struct region r;
    signal(SIGTERM, heard);
    signal(SIGHUP, heard);
    if (argc != 3 || strcmp(argv[1], "--config") != 0 || !config_load(&c, argv[2], why))
        return 2;
    if (exists(&c, "crash"))
        return 3;
    if (!config_path(&c, CONFIG_REGION_FILE, path, sizeof path) || !region_attach(&r, path, true, why))
        return 4;
    region_process_enter(&r, STAND_IN);
    atomic_store(&r.header->process[STAND_IN].ready, 1);
    while (!ended) {
        atomic_store(&r.header->process[STAND_IN].alive_us, region_now_us());
        if (hups && config_path(&c, STAND_IN == PROCESS_DATAPLANE ? "dataplane.hup" : "controlplane.hup",
                                path, sizeof path))
            fclose(fopen(path, "w"));
        hups = 0;
        usleep(10000);
    }
    return 0;
}
