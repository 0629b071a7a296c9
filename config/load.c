/*
 * Loading: defaults, then the keys that the file names, then what must hold between keys; see config.h.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "config/check.h"
#include "config/print.h"
#include "config/schema.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define FILE_BYTES_MAX (1u << 20)

static void copy_key(struct config *to, const struct config *from, const struct config_key *k)
{
    bool list = k->type >= KEY_UINTS;
    size_t bytes = (size_t)k->size * (list ? k->max_count : 1);
    memcpy((uint8_t *)to + k->offset, (const uint8_t *)from + k->offset, bytes);
    if (list)
        memcpy((uint8_t *)to + k->count_at, (const uint8_t *)from + k->count_at, sizeof(uint32_t));
}

void config_defaults(struct config *c)
{
    char *text = NULL, error[256] = "";
    size_t length = 0;
    FILE *f = open_memstream(&text, &length);
    assert(f);
    config_print_defaults(f, false);
    fclose(f);
    struct config *d = schema_load(text, length, error, sizeof error);
    assert(d); /* the table contradicts itself */
    *c = *d;
    free(d);
    free(text);
}

static unsigned line_at(const struct check *ck, const char *path)
{
    for (size_t i = 0; i < config_key_count; i++)
        if (strcmp(config_keys[i].path, path) == 0)
            return ck->line[i];
    return 0;
}

static void check_power(struct check *ck, const char *path, uint32_t value)
{
    if (value & (value - 1))
        check_error(ck, line_at(ck, path), path, "%u is not a power of two", value);
}

static void check_port(struct check *ck, const struct config *c)
{
    const struct config_port *p = &c->dataplane.port;
    if (p->profile == PROFILE_AFXDP && p->interface_count == 0)
        check_error(ck, line_at(ck, "dataplane.port.interfaces"), "dataplane.port.interfaces",
                    "empty; profile afxdp needs at least one interface");
    if (p->profile == PROFILE_PCI && p->pci_device_count == 0 && !*p->vdev)
        check_error(ck, line_at(ck, "dataplane.port.pci_devices"), "dataplane.port.pci_devices",
                    "empty; profile pci needs a device, or dataplane.port.vdev");
    check_power(ck, "dataplane.port.queue_size", p->queue_size);
}

/* What one key cannot say alone. */
static void check_whole(struct check *ck, const struct config *c)
{
    if (c->pop.address_count == 0)
        check_error(ck, line_at(ck, "pop.addresses"), "pop.addresses",
                    "empty; at least one address is needed");
    if (!*c->tls.certificate && c->tls.certificate_count == 0)
        check_error(ck, line_at(ck, "tls.certificate"), "tls.certificate",
                    "empty, and tls.certificates too; at least one certificate is needed");
    if (c->dataplane.core_count && c->dataplane.core_count != c->dataplane.workers)
        check_error(ck, line_at(ck, "dataplane.cores"), "dataplane.cores",
                    "%u cores for %u workers; one for each, or none", c->dataplane.core_count,
                    c->dataplane.workers);
    if (c->voice.port_base + c->dataplane.workers - 1 > 65535)
        check_error(ck, line_at(ck, "voice.port_base"), "voice.port_base",
                    "%u leaves no room for %u workers below 65536", c->voice.port_base, c->dataplane.workers);
    if (c->voice.mode_count == 0)
        check_error(ck, line_at(ck, "voice.modes"), "voice.modes", "empty; at least one mode is needed");
    if (c->supervise.pause_min_ms > c->supervise.pause_max_ms)
        check_error(ck, line_at(ck, "supervise.pause_min_ms"), "supervise.pause_min_ms",
                    "%u is more than supervise.pause_max_ms (%u)", c->supervise.pause_min_ms,
                    c->supervise.pause_max_ms);
    if (c->echo.path[0] != '/')
        check_error(ck, line_at(ck, "echo.path"), "echo.path", "'%s' does not begin with /", c->echo.path);
    check_power(ck, "limits.log_segments", c->limits.log_segments);
    check_power(ck, "limits.ring_bytes", c->limits.ring_bytes);
    check_power(ck, "limits.capture_bytes", c->limits.capture_bytes);
    check_port(ck, c);
}

bool config_parse(struct config *c, const char *name, const char *text, size_t length,
                  char why[CONFIG_WHY_MAX])
{
    struct check ck = {.name = name, .why = why};
    char error[256] = "";
    why[0] = 0;
    assert(config_key_count <= CHECK_KEYS_MAX);
    config_defaults(c);
    check_document(&ck, text, length);
    if (!ck.errors && !ck.empty) {
        struct config *given = schema_load(text, length, error, sizeof error);
        if (!given)
            check_error(&ck, 0, "", "%s", error);
        for (size_t i = 0; given && i < config_key_count; i++)
            if (ck.line[i])
                copy_key(c, given, &config_keys[i]);
        free(given);
    }
    if (!ck.errors)
        check_whole(&ck, c);
    return !ck.errors;
}

bool config_load(struct config *c, const char *file, char why[CONFIG_WHY_MAX])
{
    FILE *f = fopen(file, "re");
    if (!f)
        return snprintf(why, CONFIG_WHY_MAX, "%s: %s", file, strerror(errno)), false;
    char *text = malloc(FILE_BYTES_MAX + 1);
    size_t length = text ? fread(text, 1, FILE_BYTES_MAX + 1, f) : 0;
    bool good = false;
    if (!text || ferror(f))
        snprintf(why, CONFIG_WHY_MAX, "%s: cannot be read: %s", file, strerror(errno));
    else if (length > FILE_BYTES_MAX)
        snprintf(why, CONFIG_WHY_MAX, "%s: longer than %u bytes", file, FILE_BYTES_MAX);
    else
        good = config_parse(c, file, text, length, why);
    free(text);
    fclose(f);
    return good;
}

bool config_path(const struct config *c, const char *path, char *out, size_t size)
{
    int n = *path == '/' ? snprintf(out, size, "%s", path)
                         : snprintf(out, size, "%s/%s", c->pop.run_directory, path);
    return n >= 0 && (size_t)n < size;
}

uint32_t config_core(const struct config *c, uint32_t k)
{
    return c->dataplane.core_count ? c->dataplane.cores[k] : k;
}

void config_geometry(const struct config *c, struct region_geometry *g)
{
    const struct config_limits *l = &c->limits;
    *g = (struct region_geometry){
        .workers = c->dataplane.workers,
        .connections = l->connections,
        .blocks = l->blocks,
        .descriptors = l->descriptors,
        .items = l->items,
        .chunks = l->chunks,
        .topic_chunks = l->topic_chunks,
        .rooms = l->rooms,
        .members = l->members,
        .sessions = l->sessions,
        .topics = l->topics,
        .control_blocks = l->control_blocks,
        .log_segments = l->log_segments,
        .ring_bytes = l->ring_bytes,
        .capture_bytes = l->capture_bytes,
        .undo_bytes = l->undo_bytes,
    };
}
