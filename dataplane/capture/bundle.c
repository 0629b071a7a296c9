/*
 * Reading a bundle; see bundle.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "dataplane/capture/bundle.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "dataplane/capture/drain.h"
#include "dataplane/capture/facts.h"
#include "dataplane/capture/snapshot.h"

static bool refuse(char *why, const char *text)
{
    snprintf(why, 256, "%s", text);
    return false;
}

static json_t *load_json(const char *directory, char *why)
{
    char path[BUNDLE_PATH + 32];
    json_error_t error;
    snprintf(path, sizeof path, "%.500s/bundle.json", directory);
    json_t *j = json_load_file(path, 0, &error);
    if (!j)
        snprintf(why, 256, "%.100s: no bundle: %.120s", directory, error.text);
    return j;
}

/* Is it whole, and of this build? */
static bool check_json(const json_t *j, char *why)
{
    char layout[20];
    const char *reason = json_string_value(json_object_get(j, "why"));
    const char *theirs = json_string_value(json_object_get(j, "layout"));
    snprintf(layout, sizeof layout, "%016llx", (unsigned long long)region_layout_hash());
    if (json_integer_value(json_object_get(j, "voxpop_bundle")) != BUNDLE_VERSION)
        return refuse(why, "bundle.json: a bundle of another version");
    if (!json_is_true(json_object_get(j, "complete"))) {
        snprintf(why, 256, "the bundle is incomplete: %.200s", reason ? reason : "recording did not end");
        return false;
    }
    if (!theirs || strcmp(theirs, layout)) {
        snprintf(why, 256, "the bundle was recorded by another build (layout %.16s, this build has %s)",
                 theirs ? theirs : "?", layout);
        return false;
    }
    return true;
}

static bool read_workers(struct bundle *b, const json_t *list, char *why)
{
    if (json_array_size(list) == 0 || json_array_size(list) > WORKERS_MAX)
        return refuse(why, "bundle.json: workers are missing");
    for (size_t k = 0; k < json_array_size(list); k++) {
        const json_t *j = json_array_get(list, k);
        struct bundle_worker *w = &b->worker[k];
        if (!facts_mac_read(json_string_value(json_object_get(j, "mac")), w->facts.mac))
            return refuse(why, "bundle.json: a worker without mac");
        w->known = true;
        w->facts.mtu = (uint16_t)json_integer_value(json_object_get(j, "mtu"));
        w->facts.answers_link = json_is_true(json_object_get(j, "answers_link"));
        w->started_us = (uint64_t)json_integer_value(json_object_get(j, "started_us"));
    }
    return true;
}

static bool map_inputs(struct bundle *b, const char *directory, char *why)
{
    char path[BUNDLE_PATH + 32];
    struct stat st;
    snprintf(path, sizeof path, "%.500s/inputs", directory);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    void *memory = MAP_FAILED;
    bool empty = fd >= 0 && fstat(fd, &st) == 0 && st.st_size == 0;
    if (fd >= 0 && !empty)
        memory = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (memory == MAP_FAILED && !empty)
        snprintf(why, 256, "%.180s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    if (memory == MAP_FAILED)
        return empty;
    b->inputs = memory;
    b->inputs_size = (uint64_t)st.st_size;
    return true;
}

bool bundle_open(struct bundle *b, const char *directory, char *why)
{
    char path[BUNDLE_PATH + 32];
    memset(b, 0, sizeof *b);
    json_t *j = load_json(directory, why);
    bool good = j && check_json(j, why) && facts_config_read(json_object_get(j, "config"), &b->config, why) &&
                read_workers(b, json_object_get(j, "workers"), why);
    if (good)
        b->unix_offset_us = (uint64_t)json_integer_value(json_object_get(j, "unix_offset_us"));
    size_t workers = json_array_size(json_object_get(j, "workers"));
    json_decref(j);
    snprintf(path, sizeof path, "%.500s/snapshot", directory);
    good = good && snapshot_read(&b->region, path, why) && map_inputs(b, directory, why);
    if (good && workers != b->region.header->geometry.workers)
        good = refuse(why, "bundle.json and the snapshot have different numbers of workers");
    if (!good)
        bundle_close(b);
    return good;
}

void bundle_close(struct bundle *b)
{
    if (b->region.base)
        region_detach(&b->region);
    if (b->inputs)
        munmap((void *)(uintptr_t)b->inputs, b->inputs_size);
    memset(b, 0, sizeof *b);
}

const struct capture_entry *bundle_next(const struct bundle *b, uint64_t *at, bool *whole)
{
    uint64_t left = b->inputs_size - *at;
    const struct capture_entry *e = (const void *)(b->inputs + *at);
    *whole = true;
    if (!left)
        return NULL;
    if (left < sizeof *e || drain_entry_bytes(e) > left) {
        *whole = false;
        return NULL;
    }
    *at += drain_entry_bytes(e);
    return e;
}
