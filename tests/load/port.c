/*
 * The generator's end of the wire.
 * SPDX-License-Identifier: Apache-2.0
 */
#include "load.h"

#include <stdatomic.h>
#include <time.h>

static struct port_queue *start(const struct load_options *o, enum port_profile profile, const char *where)
{
    char error[PORT_ERROR_MAX];
    struct port_config pc = {.profile = profile,
                             .workers = 1,
                             .cpu = {o->cpu},
                             .interfaces = 1,
                             .interface = {where},
                             .file_prefix = "voxpop-load",
                             .descriptors = o->descriptors};
    if (port_start(&pc, error)) {
        fprintf(stderr, "voxpop-load: %s\n", error);
        return NULL;
    }
    struct port_queue *q = port_queue_of(0, 0);
    for (unsigned i = 0; i < 50; i++) {
        struct port_info info;
        port_info(q, &info);
        if (info.link_up)
            return q;
        port_maintain();
        nanosleep(&(struct timespec){.tv_nsec = 100000000}, NULL);
    }
    fprintf(stderr, "voxpop-load: nobody answers at %s\n", where);
    port_stop();
    return NULL;
}

struct port_queue *load_port(const struct load_options *o, const char *socket)
{
    return start(o, PORT_MEMIF, socket);
}

struct port_queue *load_device(const struct load_options *o)
{
    return start(o, PORT_PCI, o->device);
}

struct job {
    int (*fn)(void *arg);
    void *arg;
    atomic_bool over;
};

static int run_job(void *arg)
{
    struct job *j = arg;
    int result = j->fn(j->arg);
    atomic_store(&j->over, true);
    return result;
}

int load_run(int (*fn)(void *arg), void *arg)
{
    struct job j = {.fn = fn, .arg = arg};
    load_interruptible();
    load_ticks_per_us();
    if (port_launch(0, run_job, &j))
        return 1;
    while (!atomic_load(&j.over)) { /* port_join polls: it would take the box's CPU */
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
        port_maintain();
    }
    return port_join(0);
}
