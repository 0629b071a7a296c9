/*
 * Keeping or making the region; see keep.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "controlplane/supervise/keep.h"

#include <mntent.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define WHY 256

bool keep_existing(struct region *r, const char *path, const struct config *c, char *why)
{
    struct region_geometry wanted;
    why[0] = 0;
    if (access(path, F_OK) || !region_attach(r, path, true, why))
        return false;
    config_geometry(c, &wanted);
    if (memcmp(&wanted, &r->header->geometry, sizeof wanted) == 0)
        return true;
    snprintf(why, WHY, "the configuration asks for another geometry (dataplane.workers or limits)");
    region_detach(r);
    return false;
}

/* Where 2 MiB hugepages are mounted; false: nowhere. */
static bool huge_directory(char *out, size_t size)
{
    FILE *mounts = setmntent("/proc/self/mounts", "re");
    bool found = false;
    for (struct mntent *m; mounts && !found && (m = getmntent(mounts));) {
        const char *page = strstr(m->mnt_opts, "pagesize=");
        found = strcmp(m->mnt_type, "hugetlbfs") == 0 && (!page || strncmp(page, "pagesize=2M", 11) == 0);
        if (found)
            snprintf(out, size, "%s", m->mnt_dir);
    }
    if (mounts)
        endmntent(mounts);
    return found;
}

bool keep_create(struct region *r, const char *path, const struct config *c, char *note, char *why)
{
    char directory[CONFIG_PATH_MAX];
    struct region_geometry g;
    config_geometry(c, &g);
    bool huge = c->dataplane.hugepages == HUGEPAGES_AUTO && huge_directory(directory, sizeof directory);
    if (!region_create(r, path, huge ? directory : NULL, &g, note, why))
        return false;
    if (c->dataplane.hugepages == HUGEPAGES_OFF)
        note[0] = 0;
    return true;
}
